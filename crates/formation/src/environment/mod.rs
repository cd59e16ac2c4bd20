//! The environment at launch: what is to be set in a container because of what the image has, and
//! what the user has set. Each process type and each command of `launcher` gets it, because the
//! launcher runs this as an exec.d program (chapter "exec.d" of the CNB specification).
//!
//! Plain defaults are not set here: the layers hold them as files.

mod defaults;
mod locale;

use defaults::Defaults;
use fs_err as fs;
use locale::Locales;
use procfile::launch_spec::EXEC_D_PROGRAM;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Write, stderr};
use std::path::Path;
use std::process::ExitCode;

/// Where an exec.d program writes its variables, in TOML: file descriptor 3.
const OUTPUT: &str = "/dev/fd/3";

/// The variable that has everything told that is set, and why.
const DEBUG: &str = "FORMATION_DEBUG";

/// The variables of a process, as far as they are text.
type Variables = BTreeMap<String, String>;

/// One variable that is to be set.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Change {
    name: String,
    value: String,
    /// Why, as half a sentence.
    reason: String,
}

impl Display for Change {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={} ({})", self.name, self.value, self.reason)
    }
}

/// Whether the launcher has started this program as its exec.d program.
#[must_use]
pub fn is_asked_for(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new(EXEC_D_PROGRAM))
}

/// Runs as the exec.d program. `program` is its path in the layer.
///
/// What goes wrong here is no reason not to start the app: it is told, and nothing is set.
#[must_use]
pub fn main(program: &Path) -> ExitCode {
    let variables: Variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let changes = locale::changes(&variables, &Locales::of_this_image(&variables));
    let is_asked = variables.get(DEBUG).is_some_and(|value| !value.is_empty());
    let lines = if is_asked {
        let layers = program.ancestors().nth(3).unwrap_or(Path::new("/"));
        Defaults::in_layers(layers).lines(&variables, &changes)
    } else {
        changes.iter().map(Change::to_string).collect()
    };
    for line in lines {
        say(&line);
    }
    if let Err(error) = hand_over(&changes) {
        say(&format!("{OUTPUT}: {error}. No variable is set."));
    }
    ExitCode::SUCCESS
}

fn hand_over(changes: &[Change]) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let values = changes
        .iter()
        .map(|change| (change.name.as_str(), change.value.as_str()));
    let text = toml::to_string(&values.collect::<BTreeMap<_, _>>()).map_err(io::Error::other)?;
    let mut output = fs::OpenOptions::new().write(true).open(OUTPUT)?;
    output.write_all(text.as_bytes())
}

fn say(line: &str) {
    let _ = writeln!(stderr(), "formation: {line}");
}
