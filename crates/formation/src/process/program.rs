//! Starts a command: in a process group of its own, with no signal blocked or ignored.

use super::lookup::{has_execute_permission, is_compiled};
use super::start_error::StartError;
use super::terminal;
use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::SigSet;
use rustix::process::Pid;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

/// The executable of this process.
const THIS_EXECUTABLE: &str = "/proc/self/exe";

/// The subcommand of `formation` that calls [`Program::run_in_foreground`].
pub const FOREGROUND: &str = "foreground";

/// Runs scripts whose first line names no interpreter.
const SHELL: &str = "/bin/sh";

/// A program and its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Program {
    name: OsString,
    arguments: Vec<OsString>,
}

/// What a new process gets from this one.
#[derive(Debug)]
pub struct SpawnOptions<'a> {
    environment: Vec<CString>,
    path: Option<OsString>,
    /// Open files, each with its number in the new process.
    files: &'a [(BorrowedFd<'a>, RawFd)],
    own_group: bool,
}

impl<'a> SpawnOptions<'a> {
    /// The environment and the files of this process.
    #[must_use]
    pub fn inherited() -> Self {
        Self::new(env::vars_os(), &[])
    }

    /// These variables; and the files of this process, some of them with other numbers.
    #[must_use]
    pub fn new(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        files: &'a [(BorrowedFd<'a>, RawFd)],
    ) -> Self {
        let mut path = None;
        let environment = (environment.into_iter())
            .filter_map(|(name, value)| {
                if name == "PATH" {
                    path = Some(value.clone());
                }
                let mut variable = name.into_vec();
                variable.push(b'=');
                variable.extend(value.into_vec());
                CString::new(variable).ok()
            })
            .collect();
        Self {
            environment,
            path,
            files,
            own_group: true,
        }
    }

    /// The process is to be in the process group of this process, instead of a new one.
    #[must_use]
    pub fn in_this_group(self) -> Self {
        Self {
            own_group: false,
            ..self
        }
    }
}

impl Program {
    /// The first word is the program: a path, or a name that is looked up in PATH. Without words it
    /// does not start.
    #[must_use]
    pub fn new(words: impl IntoIterator<Item = OsString>) -> Self {
        let mut words = words.into_iter();
        Self {
            name: words.next().unwrap_or_default(),
            arguments: words.collect(),
        }
    }

    /// Reads the command line of [`start_in_foreground`](Self::start_in_foreground), and no other.
    #[must_use]
    pub fn from_words_in_foreground(words: &[OsString]) -> Option<Self> {
        let (before, command) = words.split_at_checked(3)?;
        (before[1] == FOREGROUND && before[2] == "--" && !command.is_empty())
            .then(|| Self::new(command.iter().cloned()))
    }

    /// The executable of this process, with other arguments.
    pub(crate) fn this_executable(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self {
            name: THIS_EXECUTABLE.into(),
            arguments: arguments.into_iter().collect(),
        }
    }

    /// The program and its arguments.
    pub(crate) fn words(&self) -> impl Iterator<Item = OsString> {
        [&self.name].into_iter().chain(&self.arguments).cloned()
    }

    /// A program without arguments.
    #[must_use]
    pub fn named(name: impl Into<OsString>) -> Self {
        Self {
            name: name.into(),
            arguments: Vec::new(),
        }
    }

    /// Starts it as the leader of a new process group, with no signal blocked or ignored, and
    /// everything else as this process has it. After an error no process is left.
    pub fn start(&self) -> Result<Pid, StartError> {
        self.start_with(&SpawnOptions::inherited())
    }

    /// Like [`start`](Self::start), with another environment and other files.
    pub fn start_with(&self, options: &SpawnOptions<'_>) -> Result<Pid, StartError> {
        match self.spawn(options) {
            Err(Errno::ENOEXEC) => self.as_script(options)?.spawn(options),
            started => started,
        }
        .map_err(|errno| self.explain(errno.into(), options))
    }

    /// Like [`start_with`](Self::start_with), and the new process group is in the foreground of the
    /// terminal before the program can do anything: the new process is `formation` at first, which
    /// calls [`run_in_foreground`](Self::run_in_foreground). Where that fails, the new process says
    /// so.
    pub fn start_in_foreground(&self, options: &SpawnOptions<'_>) -> Result<Pid, StartError> {
        let first_step = Self::this_executable(
            [FOREGROUND.into(), "--".into()]
                .into_iter()
                .chain(self.words()),
        );
        // Without /proc there is only one step, and the terminal is lent a moment late.
        first_step
            .spawn(options)
            .or_else(|_| self.start_with(options))
    }

    /// Puts this process, which leads its process group and has its signals blocked, in the
    /// foreground of the terminal, and replaces it with the program. Returns only where that fails.
    #[must_use]
    pub fn run_in_foreground(&self) -> StartError {
        terminal::enter_foreground();
        match SigSet::empty().thread_set_mask() {
            Ok(()) => self.replace_this_process(env::vars_os()),
            Err(errno) => self.explain(errno.into(), &SpawnOptions::inherited()),
        }
    }

    /// Replaces this process with the program, with these variables. Returns only where that fails.
    pub(crate) fn replace_this_process(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> StartError {
        let environment: Vec<_> = environment.into_iter().collect();
        let options = SpawnOptions::new(environment.clone(), &[]);
        let become_it = |program: &Self| {
            let mut command = Command::new(&program.name);
            command
                .args(&program.arguments)
                .env_clear()
                .envs(environment.clone());
            // The standard library resets SIGPIPE, which it ignores in this process, and leaves the
            // signal mask as it is.
            command.exec()
        };
        let mut error = become_it(self);
        if error.raw_os_error() == Some(Errno::ENOEXEC as i32) {
            match self.as_script(&options) {
                Ok(script) => error = become_it(&script),
                Err(error) => return error,
            }
        }
        self.explain(error, &options)
    }

    fn spawn(&self, options: &SpawnOptions<'_>) -> nix::Result<Pid> {
        let mut attributes = PosixSpawnAttr::init()?;
        let mut flags =
            PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK;
        flags.set(PosixSpawnFlags::POSIX_SPAWN_SETPGROUP, options.own_group);
        attributes.set_flags(flags)?;
        attributes.set_pgroup(nix::unistd::Pid::from_raw(0))?;
        attributes.set_sigdefault(&SigSet::all())?;
        attributes.set_sigmask(&SigSet::empty())?;
        let mut files = PosixSpawnFileActions::init()?;
        for (file, number) in options.files {
            files.add_dup2(file.as_raw_fd(), *number)?;
        }
        let words: Vec<_> = self
            .words()
            .map(|word| c_string(&word))
            .collect::<Result<_, _>>()?;
        let child = posix_spawnp(
            &self.looked_up(options)?,
            &files,
            &attributes,
            &words,
            &options.environment,
        )?;
        Pid::from_raw(child.as_raw()).ok_or(Errno::ESRCH)
    }

    /// The C library would look for it in this process's own PATH.
    fn looked_up(&self, options: &SpawnOptions<'_>) -> nix::Result<CString> {
        let elsewhere = !self.is_path() && options.path != env::var_os("PATH");
        let found = Some(()).filter(|()| elsewhere).and_then(|()| {
            self.find(options, |file| {
                file.is_file() && has_execute_permission(file)
            })
        });
        c_string(
            found
                .as_ref()
                .map_or(self.name.as_os_str(), |file| file.as_os_str()),
        )
    }

    /// A script whose first line names no interpreter is run by the shell: all shells do so.
    fn as_script(&self, options: &SpawnOptions<'_>) -> Result<Self, StartError> {
        let program = self.name_as_text();
        let file = self.found(options).unwrap_or_default();
        if is_compiled(&file) {
            return Err(StartError::OtherPlatform { program });
        }
        let arguments = [file.into()]
            .into_iter()
            .chain(self.arguments.iter().cloned());
        Ok(Self {
            name: SHELL.into(),
            arguments: arguments.collect(),
        })
    }

    /// The first file of that name, executable or not.
    fn found(&self, options: &SpawnOptions<'_>) -> Option<PathBuf> {
        let name = Path::new(&self.name);
        if self.is_path() {
            return name.exists().then(|| name.to_path_buf());
        }
        self.find(options, Path::is_file)
    }

    /// The first file of that name in PATH that is suitable.
    fn find(
        &self,
        options: &SpawnOptions<'_>,
        is_suitable: impl Fn(&Path) -> bool,
    ) -> Option<PathBuf> {
        env::split_paths(options.path.as_ref()?)
            .map(|folder| folder.join(&self.name))
            .find(|file| is_suitable(file))
    }

    fn is_path(&self) -> bool {
        self.name.as_bytes().contains(&b'/')
    }

    fn name_as_text(&self) -> String {
        self.name.display().to_string()
    }

    fn explain(&self, source: io::Error, options: &SpawnOptions<'_>) -> StartError {
        StartError::of(self.name_as_text(), self.found(options), source)
    }
}

fn c_string(text: &OsStr) -> nix::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn a_refusal_of_the_system_is_reported() {
        // No kernel takes 8 MiB, whatever its page size and the limit on the stack.
        let words = ["/bin/sh".into(), "x".repeat(8 << 20).into()];
        let program = Program::new(words);
        assert_report!(program.start().unwrap_err());
    }
}
