//! Where the control socket is: in a folder that nobody else may use.

use rustix::process::geteuid;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where the folder may be, the first that will do. The last is there, and can be written to, in every container with a read-only root.
const PLACES: [&str; 3] = ["/run", "/tmp", "/dev/shm"];

const SOCKET: &str = "control.sock";

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

/// Whether a folder is a user's, and nobody else's.
pub(super) fn is_private(folder: &Path, user: u32) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == user && metadata.mode().trailing_zeros() >= 6
    })
}

/// Makes the socket's folder, or makes sure that it is one that nobody else has made or may use.
pub(super) fn own_folder(socket: &Path) -> io::Result<()> {
    let folder = folder_of(socket);
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if is_private(folder, geteuid().as_raw()) {
                Ok(())
            } else {
                Err(ErrorKind::AlreadyExists.into())
            }
        }
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_of_somebody_else_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let socket = |name: &str| folder.path().join(name).join(SOCKET);
        own_folder(&socket("new")).unwrap();
        let mode = folder.path().join("new").metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        own_folder(&socket("new")).unwrap();
        fs::create_dir(folder.path().join("open")).unwrap();
        fs::set_permissions(folder.path().join("open"), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(own_folder(&socket("open")).is_err());
        std::os::unix::fs::symlink(folder.path().join("new"), folder.path().join("link")).unwrap();
        assert!(own_folder(&socket("link")).is_err());
    }
}
