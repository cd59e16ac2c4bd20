//! The environment at launch: what is to be set in a container because of what the image has, and
//! what the user has set. Each process type and each command of `launcher` gets it, because the
//! launcher runs this as an exec.d program (chapter "exec.d" of the CNB specification).
//!
//! Plain defaults are not set here: the layers hold them as files.

mod defaults;
mod framework;
mod limits;
mod locale;

use defaults::Defaults;
use framework::{Surroundings, library_folders};
use fs_err as fs;
use limits::Limits;
use locale::Locales;
use procfile::app_facts::{self, AppFacts};
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
    told: Told,
}

/// Who is told of a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    /// Whoever asks.
    WhenAsked,
    /// Everybody.
    Always,
    /// Everybody, but nobody the value.
    WithoutValue,
}

impl Display for Change {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let value = match self.told {
            Told::WithoutValue => "…",
            Told::WhenAsked | Told::Always => &self.value,
        };
        write!(formatter, "{}={value} ({})", self.name, self.reason)
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
    let layer = program.ancestors().nth(2).unwrap_or(Path::new("/"));
    let surroundings = Surroundings {
        facts: &facts_in(layer),
        limits: Limits::of_this_container(),
        app: Path::new("."),
        libraries: library_folders(&variables),
    };
    let mut changes = locale::changes(&variables, &Locales::of_this_image(&variables));
    changes.extend(surroundings.changes(&variables));
    let is_asked = variables.get(DEBUG).is_some_and(|value| !value.is_empty());
    let lines = if is_asked {
        let layers = layer.parent().unwrap_or(layer);
        Defaults::in_layers(layers).lines(&variables, &changes)
    } else {
        let told = changes
            .iter()
            .filter(|change| change.told != Told::WhenAsked);
        told.map(Change::to_string).collect()
    };
    for line in lines {
        say(&line);
    }
    if let Err(error) = hand_over(&changes) {
        say(&format!("{OUTPUT}: {error}. No variable is set."));
    }
    ExitCode::SUCCESS
}

/// What the build knows of the app, of the layer with this program.
#[must_use]
pub fn facts() -> AppFacts {
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(2).map(facts_in).unwrap_or_default()
}

/// What the build has written into a layer. A file that cannot be read says nothing.
fn facts_in(layer: &Path) -> AppFacts {
    let text = fs::read_to_string(layer.join(app_facts::FILE_NAME)).unwrap_or_default();
    toml::from_str(&text).unwrap_or_default()
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
