//! The table of process types that the lifecycle leaves in an image.

use crate::files;
use std::path::Path;

/// The row of a type whose command runs without a shell. Further keys may follow it.
pub fn row(process_type: &str, command: &[&str]) -> String {
    format!(
        "[[processes]]\ntype = {process_type:?}\ncommand = {command:?}\nargs = []\ndirect = true\n"
    )
}

/// Writes the table into the layers' folder.
pub fn write(layers: &Path, table: &str) {
    files::write(&layers.join("config/metadata.toml"), table);
}
