//! Errors of the disk: a disk that is full, a quota, a read-only mount, a missing right, a defect.
//! They come up wherever a build reads or writes, and what to do about them depends on the error
//! alone, not on the place.

use std::error::Error;
use std::io;

/// `EIO`, which has no [`io::ErrorKind`].
pub const EIO: i32 = 5;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DiskFault {
    /// `ENOSPC`
    Full,
    /// `EDQUOT`
    OverQuota,
    /// `EROFS`
    ReadOnly,
    /// `EACCES`, `EPERM`
    NotAllowed,
    /// `EIO`
    Defect,
}

impl DiskFault {
    /// The fault that an error, or a cause of it, is about.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let here = error.downcast_ref().and_then(Self::of_io);
        here.or_else(|| error.source().and_then(Self::of))
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::StorageFull => Some(Self::Full),
            io::ErrorKind::QuotaExceeded => Some(Self::OverQuota),
            io::ErrorKind::ReadOnlyFilesystem => Some(Self::ReadOnly),
            io::ErrorKind::PermissionDenied => Some(Self::NotAllowed),
            _ if error.raw_os_error() == Some(EIO) => Some(Self::Defect),
            // An error may be wrapped in another one for its message.
            _ => error.get_ref().and_then(|inner| Self::of(inner)),
        }
    }

    /// The fault that a program's output tells of: in the words of the C library, which compilers
    /// and Ruby repeat, or in Bundler's. The text is on one line, because Bundler breaks lines at any
    /// space.
    #[must_use]
    pub fn told_in(text: &str) -> Option<Self> {
        let told = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
        [
            (
                Self::Full,
                &["No space left on device", "insufficient space remaining"][..],
            ),
            (Self::OverQuota, &["Disk quota exceeded"]),
            (
                Self::ReadOnly,
                &["Read-only file system", "File system is read-only"],
            ),
            (Self::Defect, &["Input/output error"]),
            (
                Self::NotAllowed,
                &["Permission denied @", "grant write permissions"],
            ),
        ]
        .into_iter()
        .find_map(|(fault, phrases)| told(phrases).then_some(fault))
    }

    /// What to do.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Full => {
                "The disk of the build is full, or has no room for more files. Free space where the \
                 container engine keeps its data (`docker system df` shows what it holds), or give \
                 it a larger disk, then build again."
            }
            Self::OverQuota => {
                "The build may not use more disk space. Ask whoever runs the platform for a larger \
                 quota, or remove old images and caches, then build again."
            }
            Self::ReadOnly => {
                "The build has to write there, but that disk is mounted read-only. Check the mounts \
                 of the build container, such as `--volume` with `:ro`. Linux mounts a disk \
                 read-only by itself when it is damaged: the log of the machine's kernel says so."
            }
            Self::NotAllowed => {
                "The user that the build runs as lacks the right to do this. Check the owner and the \
                 mode of the file and of the folders above it, and the options of the mount that it \
                 is on."
            }
            Self::Defect => {
                "The disk itself fails: the log of the machine's kernel (`dmesg`) says why. Build \
                 again on another disk or machine."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_cause_is_found_below_other_errors() {
        for (number, fault) in [
            (28, Some(DiskFault::Full)),
            (122, Some(DiskFault::OverQuota)),
            (30, Some(DiskFault::ReadOnly)),
            (13, Some(DiskFault::NotAllowed)),
            (1, Some(DiskFault::NotAllowed)),
            (EIO, Some(DiskFault::Defect)),
            (2, None),
            (40, None),
        ] {
            let error = || io::Error::from_raw_os_error(number);
            assert_eq!(DiskFault::of(&error()), fault, "{number}");
            assert_eq!(DiskFault::of(&io::Error::other(error())), fault, "{number}");
            let toml = libcnb::TomlFileError::IoError(error());
            assert_eq!(DiskFault::of(&toml), fault, "{number}");
        }
    }

    #[test]
    fn a_real_full_disk_is_full() {
        let text = vec![b'x'; 1 << 16];
        let full = fs_err::write("/dev/full", text).unwrap_err();
        assert_eq!(DiskFault::of(&full), Some(DiskFault::Full));
        let missing = fs_err::read(Path::new("/nowhere/file")).unwrap_err();
        assert_eq!(DiskFault::of(&missing), None);
    }

    #[test]
    fn programs_tell_of_it_in_their_words() {
        for (text, fault) in [
            ("/tmp/ccX.s: No space left on device", Some(DiskFault::Full)),
            (
                "There was insufficient space remaining on the device.",
                Some(DiskFault::Full),
            ),
            (
                "Permission denied @ rb_sysopen - /layers/gems/x (Errno::EACCES)",
                Some(DiskFault::NotAllowed),
            ),
            ("git@github.com: Permission denied (publickey).", None),
            ("Could not find rack", None),
        ] {
            assert_eq!(DiskFault::told_in(text), fault, "{text}");
        }
    }

    #[test]
    fn each_has_a_remedy() {
        let helps = [
            DiskFault::Full,
            DiskFault::OverQuota,
            DiskFault::ReadOnly,
            DiskFault::NotAllowed,
            DiskFault::Defect,
        ]
        .map(|fault| format!("{fault:?}: {}", fault.help()));
        insta::assert_snapshot!(helps.join("\n"));
    }
}
