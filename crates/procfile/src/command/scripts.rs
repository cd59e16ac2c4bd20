//! Scripts of the app that a command names, and why the kernel would not start one as its author
//! means it: known from its first bytes and its mode, before the image is run.

use super::app_file::{FileStart, NamedFile};
use super::{parse, shells};
use std::fmt::{self, Display, Formatter};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Ruby interpreters that no image has.
const OTHER_RUBIES: [&str; 3] = ["jruby", "rbx", "truffleruby"];

/// The files that a command starts by their path, as far as they are known before the launch.
#[must_use]
pub fn named_files(command: &str) -> Vec<NamedFile> {
    match parse::parse(command) {
        Ok(Some(program)) => shells::named_files(&program),
        _ => Vec::new(),
    }
}

/// Why a file does not start, or starts as something else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ScriptMistake {
    NotExecutable,
    /// Before `#!`, which is then not read.
    ByteOrderMark,
    /// Text in another encoding.
    Utf16,
    /// The first line does not say what runs it.
    NoInterpreter,
    /// The first line ends in a carriage return, which becomes a part of the program's name.
    CarriageReturn {
        interpreter: String,
    },
    /// A program that no image has, by the name or in the place that the line says.
    OtherProgram {
        interpreter: String,
        /// The line that works.
        line: String,
    },
    /// `#!/usr/bin/env ruby -w`: the kernel hands `ruby -w` over as one word.
    OptionsForEnv {
        words: String,
    },
}

/// The mistake of a file that a command starts. `None` for a compiled program: that is another
/// question.
#[must_use]
pub fn script_mistake(file: &FileStart) -> Option<ScriptMistake> {
    if !file.is_executable {
        return Some(ScriptMistake::NotExecutable);
    }
    let bytes = &file.bytes;
    if bytes.starts_with(BYTE_ORDER_MARK) {
        return Some(ScriptMistake::ByteOrderMark);
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some(ScriptMistake::Utf16);
    }
    match file.interpreter_line() {
        Some(line) => mistake_of_line(&line),
        // Text has no NUL, and every format of a program has one in its first bytes.
        None => (!bytes.contains(&0)).then_some(ScriptMistake::NoInterpreter),
    }
}

fn mistake_of_line(line: &str) -> Option<ScriptMistake> {
    let (line, ends_in_carriage_return) = match line.strip_suffix('\r') {
        Some(line) => (line.trim_end(), true),
        None => (line, false),
    };
    let (path, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = argument.trim();
    let by_env = shells::file_name(path) == "env";
    if by_env && !argument.starts_with('-') && argument.contains([' ', '\t']) {
        let words = argument.to_string();
        return Some(ScriptMistake::OptionsForEnv { words });
    }
    let interpreter = if by_env { argument } else { path };
    if ends_in_carriage_return {
        let interpreter = interpreter.to_string();
        return Some(ScriptMistake::CarriageReturn { interpreter });
    }
    let name = shells::file_name(interpreter);
    let right_name = name_in_images(name);
    let is_elsewhere = right_name == "ruby" && interpreter.contains('/');
    (name != right_name || is_elsewhere).then(|| {
        let line = if by_env || argument.is_empty() {
            format!("#!/usr/bin/env {right_name}")
        } else {
            format!("#!/usr/bin/env -S {right_name} {argument}")
        };
        ScriptMistake::OtherProgram {
            interpreter: interpreter.into(),
            line,
        }
    })
}

/// The name that a program has in an image: `ruby` for `ruby2.5`, `ruby.exe` and `jruby`.
fn name_in_images(name: &str) -> &str {
    let is_a_ruby = |name: &str| {
        let after = name.strip_prefix("ruby");
        let is_version = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ".-".contains(c));
        after.is_some_and(|after| is_version(after) || after.starts_with(['_', 'w']))
            || OTHER_RUBIES.contains(&name)
    };
    let name = name.strip_suffix(".exe").unwrap_or(name);
    if is_a_ruby(name) { "ruby" } else { name }
}

impl ScriptMistake {
    /// What is wrong with the file of this name.
    #[must_use]
    pub fn message(&self, name: &str) -> String {
        match self {
            Self::NotExecutable => format!("`{name}` is not executable"),
            Self::ByteOrderMark => {
                format!("`{name}` begins with a byte-order mark (U+FEFF): its `#!` is not read")
            }
            Self::Utf16 => format!("`{name}` is UTF-16 text: its `#!` is not read"),
            Self::NoInterpreter => {
                format!("`{name}` does not begin with `#!`: it would run as a shell script")
            }
            Self::CarriageReturn { interpreter } => format!(
                "the first line of `{name}` ends in a carriage return: `{interpreter}\\r` is not \
                 in the image"
            ),
            Self::OtherProgram { interpreter, .. } => {
                format!("`{name}` is to be run by `{interpreter}`, which is not in the image")
            }
            Self::OptionsForEnv { words } => format!(
                "the first line of `{name}` has more than `env` takes: it looks for a program \
                 `{words}`"
            ),
        }
    }

    /// What to do about the file of this name.
    #[must_use]
    pub fn help(&self, name: &str) -> String {
        match self {
            Self::NotExecutable => {
                format!("`git update-index --chmod=+x {name}`, or `chmod +x {name}`")
            }
            Self::ByteOrderMark | Self::Utf16 => {
                "save it as UTF-8 without a byte-order mark".to_string()
            }
            Self::NoInterpreter => {
                "write what runs it in its first line, such as `#!/usr/bin/env ruby`".to_string()
            }
            Self::CarriageReturn { .. } => "save it with Unix line ends".to_string(),
            Self::OtherProgram { line, .. } => ReplacementLine(line).to_string(),
            Self::OptionsForEnv { words } => {
                ReplacementLine(&format!("#!/usr/bin/env -S {words}")).to_string()
            }
        }
    }
}

/// The first line that a script should have.
struct ReplacementLine<'a>(&'a str);

impl Display for ReplacementLine<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "write `{}`", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake_of(bytes: &[u8]) -> Option<ScriptMistake> {
        script_mistake(&FileStart {
            bytes: bytes.into(),
            is_executable: true,
        })
    }

    #[test]
    fn scripts_that_start() {
        for text in [
            "#!/bin/sh\n",
            "#! /bin/bash -e\npuma\r\n",
            "#!/usr/bin/env ruby\n",
            "#!/usr/bin/env ruby",
            "#!/usr/bin/env -S ruby -w\n",
            "#!/usr/bin/env -S RUBYOPT=-w ruby\n",
            "#!/usr/bin/env node\n",
            "#!/usr/bin/env rubocop\n",
            "#!/usr/bin/python3\n",
            "\u{7f}ELF\0\0",
        ] {
            assert_eq!(mistake_of(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn scripts_that_do_not_start() {
        let shown = |bytes: &[u8]| {
            let mistake = mistake_of(bytes).expect("it does not start");
            format!("{}: {}", mistake.message("bin/x"), mistake.help("bin/x"))
        };
        let not_executable = ScriptMistake::NotExecutable;
        let lines: Vec<String> = [
            &b"#!/usr/bin/env ruby.exe\n"[..],
            b"#!/usr/bin/env ruby2.5\n",
            b"#!/usr/bin/env jruby\n",
            b"#!/usr/bin/ruby\n",
            b"#!/usr/local/bin/ruby -w\n",
            b"#!/usr/bin/env ruby -w\n",
            b"#!/usr/bin/env ruby\r\nputs 1\r\n",
            b"#!/bin/sh\r\n",
            b"\xef\xbb\xbf#!/bin/sh\n",
            b"\xff\xfe#\0!\0",
            b"require 'x'\n",
            b"",
        ]
        .map(shown)
        .into_iter()
        .chain([format!(
            "{}: {}",
            not_executable.message("bin/x"),
            not_executable.help("bin/x")
        )])
        .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn the_mode_counts_before_the_contents() {
        let file = FileStart {
            bytes: b"puts 1".into(),
            is_executable: false,
        };
        assert_eq!(script_mistake(&file), Some(ScriptMistake::NotExecutable));
    }

    #[test]
    fn files_that_a_command_starts_by_path() {
        let names = |command| -> Vec<String> {
            let files = named_files(command).into_iter();
            files.map(|file| file.path.display().to_string()).collect()
        };
        for (command, expected) in [
            ("bin/start -p $PORT", &["bin/start"][..]),
            ("bundle exec bin/start", &["bin/start"]),
            ("exec env A=1 ./start", &["./start"]),
            (
                "bin/setup && cd api && 'bin/start'",
                &["bin/setup", "api/bin/start"],
            ),
            ("bin/a | bin/b", &["bin/a", "bin/b"]),
            ("ruby bin/start", &[]),
            ("bash start.sh", &[]),
            ("puma", &[]),
            ("$HOME/bin/start", &[]),
            ("cd $DIR && bin/start", &[]),
            ("'", &[]),
        ] {
            assert_eq!(names(command), expected, "{command}");
        }
    }
}
