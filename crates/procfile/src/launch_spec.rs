//! How a process of an image is launched: `formation exec [--group] -- COMMAND`.

use std::ffi::OsStr;
use std::fmt::{self, Display, Formatter};
use std::path::Path;

/// The file name of the program in the image. It is also the process type that runs several types in one container.
pub const FORMATION: &str = "formation";

/// The subcommand of `formation` under which every process type runs.
pub const EXEC: &str = "exec";

/// The option of [`EXEC`] for [`SignalTarget::Group`].
const GROUP: &str = "--group";

/// Which processes get the signals that PID 1 receives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignalTarget {
    /// The program alone, which manages its own children: Puma, Sidekiq, Resque.
    Process,
    /// Every process of its process group: for a shell, which passes no signal on.
    Group,
}

/// A command, and where its signals go. `Word` is `String` where a command is written down, `OsString` where it runs: arguments that
/// users add need not be UTF-8.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LaunchSpec<Word = String> {
    /// The program and its arguments, never empty. Arguments that users add follow them.
    pub argv: Vec<Word>,
    /// Where signals go.
    pub signals: SignalTarget,
}

/// The three forms of a launch, as logs and `formation check` name them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// The words themselves, without a shell.
    Words,
    /// Bash, which replaces itself with the program.
    Exec,
    /// A shell that stays, and signals for the whole process group.
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

impl<Word: AsRef<OsStr> + for<'a> From<&'a str> + Clone> LaunchSpec<Word> {
    /// The command line that launches it; `formation` is the path of the program in the image.
    pub fn to_args(&self, formation: &str) -> Vec<Word> {
        let group = (self.signals == SignalTarget::Group).then_some(GROUP);
        let ours = [formation, EXEC].into_iter().chain(group).chain(["--"]);
        ours.map(Word::from)
            .chain(self.argv.iter().cloned())
            .collect()
    }

    /// Reads what [`Self::to_args`] writes, and nothing else.
    pub fn from_args(words: impl IntoIterator<Item = Word>) -> Option<Self> {
        let mut words = words.into_iter().peekable();
        let program = words.next()?;
        let is = |word: &Word, expected: &str| word.as_ref() == expected;
        words
            .next_if(|word| is(word, EXEC))
            .filter(|_| Path::new(&program).file_name() == Some(OsStr::new(FORMATION)))?;
        let signals = match words.next_if(|word| is(word, GROUP)) {
            Some(_) => SignalTarget::Group,
            None => SignalTarget::Process,
        };
        words.next_if(|word| is(word, "--"))?;
        let argv: Vec<_> = words.collect();
        (!argv.is_empty()).then_some(Self { argv, signals })
    }
}

impl LaunchSpec {
    /// Bash with a script. The second `bash` is `$0`, which bash puts before its messages; arguments that users add follow it.
    pub(crate) fn by_bash(script: &str, signals: SignalTarget) -> Self {
        let argv = ["bash", "-c", script, "bash"].map(String::from).to_vec();
        Self { argv, signals }
    }

    /// Which of the three forms it is.
    #[must_use]
    pub fn form(&self) -> Form {
        let is_by_bash = matches!(self.argv.as_slice(), [bash, option, _, name]
            if bash == "bash" && option == "-c" && name == "bash");
        match self.signals {
            SignalTarget::Group => Form::Group,
            SignalTarget::Process if is_by_bash => Form::Exec,
            SignalTarget::Process => Form::Words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsString;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(argv in prop::collection::vec(".*", 1..4), group: bool) {
            let signals = if group { SignalTarget::Group } else { SignalTarget::Process };
            let spec = LaunchSpec { argv, signals };
            let args = spec.to_args("/layers/formation_ruby/formation/bin/formation");
            prop_assert_eq!(LaunchSpec::from_args(args), Some(spec));
        }
    }

    #[test]
    fn nothing_else_is_read() {
        for line in [
            "",
            "formation",
            "formation exec",
            "formation exec --",
            "formation exec puma",
            "formation exec --group puma",
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
