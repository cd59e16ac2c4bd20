//! How a process of an image is launched: `formation exec [--group] -- COMMAND`.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display, Formatter};
use std::path::Path;

/// The file name of the program in the image. It is also the name of the process type that runs
/// several types in one container.
pub const FORMATION: &str = "formation";

/// The subcommand of `formation` under which every process type runs.
pub const EXEC: &str = "exec";

/// The name under which the lifecycle's launcher starts `formation` before each process, to set
/// variables: an exec.d program.
pub const EXEC_D_PROGRAM: &str = "formation-environment";

/// Programs that are process types of an image too, as far as the app has them: whoever starts one
/// in a container gets the entry point of that name, which sets the image's environment. They are
/// no part of the app's formation.
pub const PROGRAMS: [&str; 4] = ["ruby", "bundle", "rails", "rake"];

/// The option of [`EXEC`] for [`SignalTarget::Group`], without the dashes before it.
pub const GROUP: &str = "group";

/// Which processes get the signals that PID 1 receives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignalTarget {
    /// The program alone, which manages its own children: Puma, Sidekiq, Resque.
    Process,
    /// Every process of its process group: for a shell, which passes no signal on.
    Group,
}

/// A command, and the target of its signals.
///
/// `Word` is `String` for commands from text files, and `OsString` for commands that are about to
/// run: arguments that users append need not be UTF-8.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LaunchSpec<Word = String> {
    /// The program and its arguments, never empty. The arguments that users append follow them.
    pub argv: Vec<Word>,
    pub signals: SignalTarget,
}

/// The three forms of a launch, as the build log and `formation check` name them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// The words themselves, without a shell.
    Words,
    /// Bash, which replaces itself with the program.
    Exec,
    /// A shell that keeps running, and signals for the whole process group.
    Group,
}

impl Display for Form {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Words => "words",
            Self::Exec => "exec",
            Self::Group => "group",
        })
    }
}

impl LaunchSpec {
    /// Bash with a script. The second `bash` is `$0`, which bash puts before its error messages;
    /// the arguments that users append follow it.
    pub(crate) fn bash(script: &str, signals: SignalTarget) -> Self {
        // Without the space, bash would read the script as an option.
        let space = if script.starts_with(['-', '+']) {
            " "
        } else {
            ""
        };
        let argv = ["bash", "-c", &format!("{space}{script}"), "bash"].map(String::from);
        Self {
            argv: argv.to_vec(),
            signals,
        }
    }

    /// The script, if this launch is bash with a script.
    #[must_use]
    pub fn bash_script(&self) -> Option<&str> {
        match self.argv.as_slice() {
            [bash, option, script, name] if bash == "bash" && option == "-c" && name == "bash" => {
                Some(script)
            }
            _ => None,
        }
    }

    #[must_use]
    pub fn form(&self) -> Form {
        match self.signals {
            SignalTarget::Group => Form::Group,
            SignalTarget::Process if self.bash_script().is_some() => Form::Exec,
            SignalTarget::Process => Form::Words,
        }
    }

    /// The launch of one of [`PROGRAMS`].
    #[must_use]
    pub fn program(name: &str) -> Self {
        Self {
            argv: vec![name.to_string()],
            signals: SignalTarget::Process,
        }
    }

    /// The command line of this launch; `formation` is the path of the program in the image.
    #[must_use]
    pub fn to_args(&self, formation: &str) -> Vec<String> {
        let group = (self.signals == SignalTarget::Group).then(|| format!("--{GROUP}"));
        [formation.to_string(), EXEC.to_string()]
            .into_iter()
            .chain(group)
            .chain(["--".to_string()])
            .chain(self.argv.iter().cloned())
            .collect()
    }
}

impl LaunchSpec<OsString> {
    /// Whether a process type of this name is one of [`PROGRAMS`], launched by
    /// [`LaunchSpec::program`].
    #[must_use]
    pub fn is_program(&self, process_type: &str) -> bool {
        PROGRAMS.contains(&process_type) && *self == Self::from(&LaunchSpec::program(process_type))
    }

    /// Reads a command line that [`LaunchSpec::to_args`] wrote. `None` for any other.
    #[must_use]
    pub fn from_args(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = words.into_iter().peekable();
        let program = words.next()?;
        if Path::new(&program).file_name() != Some(OsStr::new(FORMATION)) {
            return None;
        }
        words.next_if(|word| word == EXEC)?;
        let is_group = |word: &OsString| {
            let name = word.to_str().and_then(|word| word.strip_prefix("--"));
            name == Some(GROUP)
        };
        let signals = match words.next_if(is_group) {
            Some(_) => SignalTarget::Group,
            None => SignalTarget::Process,
        };
        words.next_if(|word| word == "--")?;
        let argv: Vec<_> = words.collect();
        (!argv.is_empty()).then_some(Self { argv, signals })
    }
}

impl From<&LaunchSpec> for LaunchSpec<OsString> {
    fn from(spec: &LaunchSpec) -> Self {
        Self {
            argv: spec.argv.iter().map(OsString::from).collect(),
            signals: spec.signals,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(argv in prop::collection::vec(".*", 1..4), group: bool) {
            let signals = if group { SignalTarget::Group } else { SignalTarget::Process };
            let spec = LaunchSpec { argv, signals };
            let args = spec.to_args("/layers/formation_ruby/formation/bin/formation");
            let read = LaunchSpec::from_args(args.into_iter().map(OsString::from));
            prop_assert_eq!(read, Some(LaunchSpec::from(&spec)));
        }
    }

    #[test]
    fn a_program_is_known_by_its_exact_launch() {
        let spec = |words: &[&str]| LaunchSpec {
            argv: words.iter().map(OsString::from).collect(),
            signals: SignalTarget::Process,
        };
        assert!(spec(&["rake"]).is_program("rake"));
        assert!(!spec(&["rake"]).is_program("rails"));
        assert!(!spec(&["rake", "jobs:work"]).is_program("rake"));
        assert!(!spec(&["puma"]).is_program("puma"));
        let group = LaunchSpec {
            signals: SignalTarget::Group,
            ..spec(&["rake"])
        };
        assert!(!group.is_program("rake"));
    }

    #[test]
    fn no_other_command_line_is_read() {
        for line in [
            "",
            "formation",
            "formation exec",
            "formation exec --",
            "formation exec puma",
            "formation exec --group puma",
            "formation exec group -- puma",
            "formation exec --grace 3 -- puma",
            "formation exec --help -- puma",
            "formation run",
            "puma exec -- puma",
            "formation-cli exec -- puma",
        ] {
            let args = line.split_whitespace().map(OsString::from);
            assert_eq!(LaunchSpec::from_args(args), None, "{line}");
        }
    }
}
