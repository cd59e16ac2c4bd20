//! Why a bundle does not load, in words that hold no secret.

use super::programs;
use crate::fetch::masked::masked;
use crate::platform::variables::BuildVariables;
use miette::Diagnostic;
use std::process::Output;
use thiserror::Error;

/// How many of Ruby's last lines are shown.
const LINES: usize = 5;

/// Shorter values of variables are words such as `true`.
const SHORTEST_SECRET: usize = 5;

/// Why the bundle does not load.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct Refusal {
    /// A program of the build image that was not found.
    program: Option<String>,
    /// What Bundler says, and Ruby's last lines.
    message: String,
}

/// The bundle loads only where variables of the build are set.
#[derive(Debug, Diagnostic, Error)]
#[error("the app's gems load only where the container has the variables of this build")]
#[diagnostic(
    severity(Warning),
    help(
        "The Gemfile or a gemspec asks for {variables} at each start of a process. Set that in the \
         container too, or let the Gemfile do without: `ENV.fetch(\"NAME\", \"\")`."
    )
)]
pub(super) struct NeedsVariables {
    #[source]
    pub(super) refusal: Refusal,
    /// Their names.
    pub(super) variables: String,
}

/// The bundle does not load, and that is to be no error.
#[derive(Debug, Diagnostic, Error)]
#[error("the app's gems load here, but may not in the image")]
#[diagnostic(severity(Warning), help("{}", refusal.help()))]
pub(super) struct MayNotLoad {
    #[source]
    pub(super) refusal: Refusal,
}

impl Refusal {
    /// Reads what `load.rb` has answered, and what Ruby has written to standard error. `is_program`
    /// says whether the build image has a program of that name.
    pub(super) fn read(
        answer: &[u8],
        output: &Output,
        is_program: impl Fn(&str) -> bool,
        variables: &BuildVariables,
    ) -> Self {
        let answer = String::from_utf8_lossy(answer);
        let said = String::from_utf8_lossy(&output.stderr);
        let (missing, message) = answer.split_once('\n').unwrap_or_default();
        let by_shell = said.lines().filter_map(not_found);
        let missing = [missing].into_iter().chain(by_shell);
        let program = missing.into_iter().find(|name| is_program(name));
        let message = match message.trim() {
            "" => format!("Ruby ended ({})", output.status),
            message => message.to_string(),
        };
        let lines: Vec<_> = said.lines().collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        let message = [&[message.as_str()], last].concat().join("\n");
        Self {
            program: program.map(String::from),
            message: without_values(masked(&message), variables),
        }
    }

    pub(super) fn help(&self) -> String {
        match &self.program {
            Some(program) => format!(
                "The run image need not have the program `{program}`: it is in no package that every \
                 image of the distribution has. Do without it: a gemspec can list its files by \
                 `Dir[\"lib/**/*\"]`. If your run image has it, say so: `--env {}={program}`.",
                programs::VARIABLE
            ),
            None => "Bundler reads the Gemfile and the gemspecs at each start of a process, with the \
                     variables of the container and the files of the image alone. What they need has \
                     to be in the app's folder, or in a gem of the installed groups; plugins of \
                     Bundler are not in the image."
                .into(),
        }
    }

    #[cfg(test)]
    pub(super) fn for_tests(program: Option<&str>, message: &str) -> Self {
        Self {
            program: program.map(String::from),
            message: message.to_string(),
        }
    }
}

/// The program in a shell's `sh: 1: git: not found` or `bash: line 1: git: command not found`.
fn not_found(line: &str) -> Option<&str> {
    let before = [": not found", ": command not found"];
    let before = before.iter().find_map(|words| line.strip_suffix(words));
    before?.rsplit(": ").next()
}

/// The text with stars in the place of the values of the user's variables: messages of Ruby quote
/// what they are about.
fn without_values(text: String, variables: &BuildVariables) -> String {
    let values = variables.iter().map(|(_, value)| value);
    values
        .filter(|value| value.len() >= SHORTEST_SECRET)
        .fold(text, |text, value| text.replace(value, "***"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use libcnb::Env;
    use procfile::assert_report;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn read(answer: &str, said: &str) -> Refusal {
        let output = Output {
            status: ExitStatus::from_raw(1 << 8),
            stdout: Vec::new(),
            stderr: said.into(),
        };
        let mut env = Env::new();
        env.insert("TOKEN", "s3cr3t");
        env.insert("FLAG", "true");
        let is_program = |name: &str| ["git", "hg"].contains(&name);
        let variables = BuildVariables::new(&env);
        Refusal::read(answer.as_bytes(), &output, is_program, &variables)
    }

    #[test]
    fn the_missing_program_is_found_in_each_of_its_forms() {
        for (answer, said, program) in [
            ("git\nNo such file", "", Some("git")),
            ("\nno files", "sh: 1: git: not found\n", Some("git")),
            (
                "\nno",
                "x\nbash: line 1: hg: command not found\n",
                Some("hg"),
            ),
            // A folder that is not there looks the same.
            ("engines\nNo such file", "", None),
            ("\nGem not found", "gem: not found", None),
        ] {
            assert_eq!(read(answer, said).program.as_deref(), program, "{answer}");
        }
    }

    #[test]
    fn what_ruby_says_is_shown_without_values_of_variables() {
        let refusal = read(
            "\nkey not found: s3cr3t true https://u:p@x",
            "1\n2\n3\n4\n5\ns3cr3t\n",
        );
        assert_eq!(
            refusal.message,
            "key not found: *** true https://***@x\n2\n3\n4\n5\n***"
        );
        assert_eq!(read("", "").message, "Ruby ended (exit status: 1)");
    }

    #[test]
    fn warnings_are_shown() {
        let refusal = Refusal::for_tests(None, "key not found: \"TOKEN\" (KeyError)");
        let variables = "TOKEN".to_string();
        assert_report!(
            "variables",
            NeedsVariables {
                refusal: refusal.clone(),
                variables
            }
        );
        assert_report!("not_loaded", MayNotLoad { refusal });
    }
}
