//! Where the control socket is: in a folder that only its user may use.

use rustix::process::geteuid;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where the folder may be; the first usable place counts. The last one can be written to in every
/// container with a read-only root.
const PLACES: [&str; 3] = ["/run", "/tmp", "/dev/shm"];

/// The file name of the socket.
const SOCKET: &str = "control.sock";

/// The paths at which the socket of a user may be.
pub(super) fn usual_paths(user: u32) -> impl Iterator<Item = PathBuf> {
    PLACES.iter().map(move |place| {
        Path::new(place)
            .join(format!("formation-{user}"))
            .join(SOCKET)
    })
}

pub(super) fn folder_of(socket: &Path) -> &Path {
    socket.parent().unwrap_or(Path::new("/"))
}

/// Whether a folder belongs to a user, and no other user may use it.
pub(super) fn is_private(folder: &Path, user: u32) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == user && metadata.mode().trailing_zeros() >= 6
    })
}

/// Creates the folder of a socket; an error where it exists and other users own or may use it.
pub(super) fn make_private_folder(socket: &Path) -> io::Result<()> {
    let folder = folder_of(socket);
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if is_private(folder, geteuid().as_raw()) {
                Ok(())
            } else {
                Err(ErrorKind::AlreadyExists.into())
            }
        }
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_that_others_may_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let socket = |name: &str| folder.path().join(name).join(SOCKET);
        make_private_folder(&socket("new")).unwrap();
        let mode = folder.path().join("new").metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        make_private_folder(&socket("new")).unwrap();
        fs::create_dir(folder.path().join("open")).unwrap();
        fs::set_permissions(folder.path().join("open"), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(make_private_folder(&socket("open")).is_err());
        std::os::unix::fs::symlink(folder.path().join("new"), folder.path().join("link")).unwrap();
        assert!(make_private_folder(&socket("link")).is_err());
    }
}
