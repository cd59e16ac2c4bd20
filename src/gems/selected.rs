//! The locked gems for the target of a build, by Bundler's settings.

use crate::gems::lockfile::{GemfileLock, SelectedGems};
use crate::gems::platform::GemPlatform;
use crate::gems::settings::BundlerSettings;
use libcnb::Target;

/// Bundler's setting that ignores precompiled gems.
const FORCE_RUBY_PLATFORM: &str = "BUNDLE_FORCE_RUBY_PLATFORM";

/// The platform of a target.
pub(super) fn platform_of(target: &Target) -> GemPlatform {
    GemPlatform::linux(&target.arch, target.distro_name == "alpine")
}

/// One variant of each locked gem.
pub(super) fn selected_gems<'a>(
    lockfile: &'a GemfileLock,
    settings: &BundlerSettings,
    target: &Target,
) -> SelectedGems<'a> {
    let force_ruby = settings.is_true(FORCE_RUBY_PLATFORM);
    lockfile.gems_for(&platform_of(target), force_ruby)
}
