//! How a command starts: in a process group of its own, with signals as a fresh process has them.

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

/// This very program, whatever its path is.
const OURSELVES: &str = "/proc/self/exe";

/// The subcommand of `formation` that calls [`Program::run_in_foreground`].
pub const FOREGROUND: &str = "foreground";

/// What runs a script that does not say what runs it.
const SHELL: &str = "/bin/sh";

/// A program and its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Program {
    name: OsString,
    arguments: Vec<OsString>,
}

/// What a process finds when it starts.
#[derive(Debug)]
pub struct SpawnOptions<'a> {
    environment: Vec<CString>,
    path: Option<OsString>,
    files: &'a [(BorrowedFd<'a>, RawFd)],
    own_group: bool,
}

impl<'a> SpawnOptions<'a> {
    /// What this process has.
    #[must_use]
    pub fn ours() -> Self {
        Self::new(env::vars_os(), &[])
    }

    /// These variables, and of this process's files those that are to have other numbers.
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

    /// The process is to be one of this process's group, instead of the leader of a new one.
    #[must_use]
    pub fn in_this_group(self) -> Self {
        Self {
            own_group: false,
            ..self
        }
    }
}

impl Program {
    /// The first word is the program: a path, or a name that is looked up in PATH. Without one it does not start.
    #[must_use]
    pub fn new(words: impl IntoIterator<Item = OsString>) -> Self {
        let mut words = words.into_iter();
        Self {
            name: words.next().unwrap_or_default(),
            arguments: words.collect(),
        }
    }

    /// Reads the command line with which [`start_in_foreground`](Self::start_in_foreground) starts a program, and no other.
    #[must_use]
    pub fn from_words_in_foreground(words: &[OsString]) -> Option<Self> {
        let (before, command) = words.split_at_checked(3)?;
        (before[1] == FOREGROUND && before[2] == "--" && !command.is_empty())
            .then(|| Self::new(command.iter().cloned()))
    }

    /// This very program, with other arguments.
    pub(crate) fn ourselves(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self {
            name: OURSELVES.into(),
            arguments: arguments.into_iter().collect(),
        }
    }

    /// Its words, the program first.
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

    /// Starts it as the leader of a new process group, with all signals let through and none ignored, and everything else as this
    /// process has it.
    ///
    /// # Errors
    /// It does not start; nothing is left of it.
    pub fn start(&self) -> Result<Pid, StartError> {
        self.start_with(&SpawnOptions::ours())
    }

    /// Starts it likewise, with another environment and other files.
    ///
    /// # Errors
    /// It does not start; nothing is left of it.
    pub fn start_with(&self, options: &SpawnOptions<'_>) -> Result<Pid, StartError> {
        match self.spawn(options) {
            Err(Errno::ENOEXEC) => self.as_script(options)?.spawn(options),
            started => started,
        }
        .map_err(|errno| self.explain(errno.into(), options))
    }

    /// Like [`start`](Self::start), and the new group is in the foreground of the terminal before the program can do anything: the
    /// new process is `formation` at first, which there calls [`run_in_foreground`](Self::run_in_foreground).
    ///
    /// # Errors
    /// It does not start. Where only the second step fails, the new process says so.
    pub fn start_in_foreground(&self) -> Result<Pid, StartError> {
        let ourselves = Self::ourselves(
            [FOREGROUND.into(), "--".into()]
                .into_iter()
                .chain(self.words()),
        );
        // Without /proc there is only one step, and the terminal is lent a moment late.
        ourselves
            .spawn(&SpawnOptions::ours())
            .or_else(|_| self.start())
    }

    /// Puts this process, which leads its group and holds its signals back, in the foreground of the terminal; and becomes the program.
    /// Returns only where that fails.
    #[must_use]
    pub fn run_in_foreground(&self) -> StartError {
        terminal::take_for_ourselves();
        match SigSet::empty().thread_set_mask() {
            Ok(()) => self.replace_this_process(env::vars_os()),
            Err(errno) => self.explain(errno.into(), &SpawnOptions::ours()),
        }
    }

    /// Becomes the program, with these variables. Returns only where that fails.
    pub(crate) fn replace_this_process(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> StartError {
        let environment: Vec<_> = environment.into_iter().collect();
        let mut command = Command::new(&self.name);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(environment.clone());
        // The standard library lets SIGPIPE have its effect again, which it had taken from this process, but holds back what is held back.
        self.explain(command.exec(), &SpawnOptions::new(environment, &[]))
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

    /// A script without a first line that names its interpreter is one for the shell, by an old rule that all shells keep.
    fn as_script(&self, options: &SpawnOptions<'_>) -> Result<Self, StartError> {
        let program = self.shown();
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

    /// The first in PATH that will do.
    fn find(&self, options: &SpawnOptions<'_>, will_do: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        env::split_paths(options.path.as_ref()?)
            .map(|folder| folder.join(&self.name))
            .find(|file| will_do(file))
    }

    fn is_path(&self) -> bool {
        self.name.as_bytes().contains(&b'/')
    }

    fn shown(&self) -> String {
        self.name.display().to_string()
    }

    fn explain(&self, source: io::Error, options: &SpawnOptions<'_>) -> StartError {
        StartError::of(self.shown(), self.found(options), source)
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
    fn what_the_system_refuses_is_shown() {
        // No kernel takes 8 MiB, whatever its page size and the limit on the stack.
        let words = ["/bin/sh".into(), "x".repeat(8 << 20).into()];
        let program = Program::new(words);
        assert_report!(program.start().unwrap_err());
    }
}
