//! Errors of commands that do not start.

use super::lookup::has_execute_permission;
use miette::Diagnostic;
use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A carriage return, as reports show it.
const CARRIAGE_RETURN: &str = "\\r";

/// A command does not start.
#[derive(Debug, Diagnostic, Error)]
pub enum StartError {
    /// Most Procfile commands need bash.
    #[error("the run image has no bash")]
    #[diagnostic(help(
        "A Procfile command of plain words needs no shell: write it without variables, \
         redirections, pipes, `&&`, or builtins of the shell. Or choose a run image that has bash."
    ))]
    NoBash,
    /// A name without a slash.
    #[error("there is no program `{program}`: no folder of PATH has it")]
    #[diagnostic(help(
        "Check its spelling in the Procfile, and write a program of the app with its path, as in \
         `bin/{program}`. For a program of a gem, the Gemfile must have that gem outside of the \
         groups `development` and `test`."
    ))]
    NotOnPath {
        /// As the command has it.
        program: String,
    },
    /// A path that leads to nothing.
    #[error("there is no file `{program}`")]
    #[diagnostic(help(
        "The path starts from the folder `{folder}`. Check its spelling, and that the file was in \
         the app's folder when the image was built: not left out by .gitignore or by the `exclude` \
         of project.toml."
    ))]
    NoSuchFile {
        /// As the command has it.
        program: String,
        /// The working directory.
        folder: String,
    },
    /// The first line of a script names something that is not there.
    #[error(
        "`{program}` cannot run: `{interpreter}`, which it names to run it, is not in the image"
    )]
    #[diagnostic(help("{}", interpreter_help(interpreter)))]
    NoInterpreter {
        /// As the command has it.
        program: String,
        /// From the script's first line.
        interpreter: String,
    },
    /// A compiled program for another C library.
    #[error("`{program}` cannot run: the loader that it was compiled for is not in the image")]
    #[diagnostic(help(
        "The loader is part of the C library: programs compiled on Alpine need musl, most others \
         glibc. Compile it for the run image, or choose a run image that it was compiled for."
    ))]
    NoLoader {
        /// As the command has it.
        program: String,
    },
    /// A file without the permission.
    #[error("`{program}` is not executable")]
    #[diagnostic(help(
        "Run `chmod +x {file}` and commit that (`git update-index --chmod=+x {file}`), or name the \
         program that runs it in the command, as in `ruby {program}`."
    ))]
    NotExecutable {
        /// As the command has it.
        program: String,
        /// Where it was found.
        file: String,
    },
    /// A folder.
    #[error("`{program}` is a folder")]
    #[diagnostic(help("Name the program in the folder that is to run."))]
    Folder {
        /// As the command has it.
        program: String,
    },
    /// A compiled program that this kernel does not run.
    #[error("`{program}` was compiled for another system or processor")]
    #[diagnostic(help(
        "Compile it for this platform (`{}`), or build the image for the platform that it was \
         compiled for.",
        env::consts::ARCH
    ))]
    OtherPlatform {
        /// As the command has it.
        program: String,
    },
    /// Any other reason.
    #[error("`{program}` cannot be started")]
    #[diagnostic(help(
        "The system refuses it. Ask whoever runs this container: the reason may be a limit on \
         memory, processes, files, or the length of arguments and variables; or a mount or a \
         policy that forbids to execute it."
    ))]
    Refused {
        /// As the command has it.
        program: String,
        source: io::Error,
    },
}

fn interpreter_help(interpreter: &str) -> &'static str {
    if interpreter.ends_with(CARRIAGE_RETURN) {
        "The line ends in a carriage return, as Windows editors write it. Save the file with Unix \
         line endings."
    } else {
        "Check the script's first line, or choose a run image that has it."
    }
}

impl StartError {
    /// Finds the cause of the system's error. `file` is the first file of the program's name,
    /// executable or not.
    pub(super) fn of(program: String, file: Option<PathBuf>, source: io::Error) -> Self {
        match (source.kind(), file) {
            (io::ErrorKind::NotFound, Some(file)) => match interpreter_of(&file) {
                Some(interpreter) => Self::NoInterpreter {
                    program,
                    interpreter,
                },
                None => Self::NoLoader { program },
            },
            (io::ErrorKind::NotFound, None) if program.contains('/') => Self::NoSuchFile {
                program,
                folder: env::current_dir().unwrap_or_default().display().to_string(),
            },
            (io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied, None) => {
                if program == "bash" {
                    Self::NoBash
                } else {
                    Self::NotOnPath { program }
                }
            }
            (io::ErrorKind::PermissionDenied, Some(file)) if file.is_dir() => {
                Self::Folder { program }
            }
            (io::ErrorKind::PermissionDenied, Some(file)) if !has_execute_permission(&file) => {
                Self::NotExecutable {
                    program,
                    file: file.display().to_string(),
                }
            }
            _ => Self::Refused { program, source },
        }
    }

    /// The exit status that shells and `env` give: 127 where there is nothing to start, 126 where
    /// it cannot be started.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoBash
            | Self::NotOnPath { .. }
            | Self::NoSuchFile { .. }
            | Self::NoInterpreter { .. }
            | Self::NoLoader { .. } => 127,
            Self::NotExecutable { .. }
            | Self::Folder { .. }
            | Self::OtherPlatform { .. }
            | Self::Refused { .. } => 126,
        }
    }
}

/// The interpreter that the first line of a script names, with a carriage return at its end made
/// visible.
fn interpreter_of(file: &Path) -> Option<String> {
    let mut line = Vec::new();
    BufReader::new(File::open(file).ok()?.take(256))
        .read_until(b'\n', &mut line)
        .ok()?;
    let named = line.strip_prefix(b"#!")?.trim_ascii_start();
    let named = named.strip_suffix(b"\n").unwrap_or(named);
    let first_word = named.split(|byte| b" \t".contains(byte)).next()?;
    let interpreter = OsStr::from_bytes(first_word).display().to_string();
    Some(interpreter.replace('\r', CARRIAGE_RETURN))
}
