//! What is wrong with the platform, or with its files.

use crate::disk::DiskFault;
use libcnb::Error;
use miette::Diagnostic;
use std::fmt::Debug;
use thiserror::Error as ThisError;

/// The platform's files cannot be read or written, or it is none.
#[derive(Debug, Diagnostic, ThisError)]
#[error("{what}")]
#[diagnostic(help("{help}"))]
pub struct PlatformError {
    what: String,
    help: &'static str,
}

/// The layers that are restored, and the store, are what the last build left.
const OF_THE_CACHE: &str = "This is a fault of the platform or of Formation, not of the app. Try \
                            again with `pack build --clear-cache`.";

const OF_THE_PLATFORM: &str = "This is a fault of the platform or of Formation, not of the app. Ask \
                               whoever runs the platform, or report it.";

const NOT_BY_A_LIFECYCLE: &str = "A lifecycle of buildpack API 0.10 or later sets this variable: build \
                                  with `pack build`, or another platform. To run `bin/detect` or \
                                  `bin/build` by hand, set CNB_BUILDPACK_DIR, CNB_TARGET_OS, \
                                  CNB_TARGET_ARCH, CNB_TARGET_DISTRO_NAME and \
                                  CNB_TARGET_DISTRO_VERSION.";

impl PlatformError {
    /// The help is chosen by what has failed.
    pub fn of<E: Debug>(error: &Error<E>) -> Self {
        Self {
            what: format!("the build cannot continue: {error}"),
            help: disk_fault(error).map_or_else(|| help_for(error), DiskFault::help),
        }
    }
}

fn help_for<E>(error: &Error<E>) -> &'static str {
    match error {
        Error::CannotDetermineBuildpackDirectory(_)
        | Error::CannotDetermineTargetOs(_)
        | Error::CannotDetermineTargetArch(_)
        | Error::CannotDetermineTargetDistroName(_)
        | Error::CannotDetermineTargetDistroVersion(_) => NOT_BY_A_LIFECYCLE,
        Error::LayerError(_) | Error::CannotReadStore(_) => OF_THE_CACHE,
        _ => OF_THE_PLATFORM,
    }
}

/// libcnb has most causes in its text only.
fn disk_fault<E>(error: &Error<E>) -> Option<DiskFault> {
    match error {
        Error::LayerError(error) => DiskFault::of(error),
        Error::CannotDetermineAppDirectory(error)
        | Error::CannotCreatePlatformFromPath(error)
        | Error::CannotWriteBuildSbom(error)
        | Error::CannotWriteLaunchSbom(error) => DiskFault::of(error),
        Error::CannotReadBuildpackPlan(error)
        | Error::CannotReadBuildpackDescriptor(error)
        | Error::CannotReadStore(error)
        | Error::CannotWriteBuildPlan(error)
        | Error::CannotWriteLaunch(error)
        | Error::CannotWriteStore(error) => DiskFault::of(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libcnb::TomlFileError;
    use libcnb::layer::LayerError;
    use procfile::report::plain;
    use std::env::VarError;
    use std::io;

    #[test]
    fn each_fault_has_its_own_help() {
        let io = io::Error::from_raw_os_error;
        let errors: [Error<()>; 5] = [
            Error::CannotReadBuildpackPlan(TomlFileError::IoError(io(2))),
            Error::CannotWriteLaunch(TomlFileError::IoError(io(28))),
            Error::LayerError(LayerError::IoError(io(2))),
            Error::LayerError(LayerError::IoError(io(30))),
            Error::CannotDetermineTargetOs(VarError::NotPresent),
        ];
        let reports = errors.map(|error| plain(&PlatformError::of(&error)));
        insta::assert_snapshot!(reports.join("\n"));
    }
}
