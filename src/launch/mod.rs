//! How the image is run: its process types, the default one, and the program that each starts with.

mod bash;
mod defaults;
mod layer;
pub mod process_types;
mod processes;

pub use bash::{BashMayBeMissing, warn_of_missing_bash};
pub use defaults::framework_processes;
pub use layer::{FormationLayerError, install};
pub use processes::{LaunchError, Process, Processes, processes};
