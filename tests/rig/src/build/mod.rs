//! Builds of the fixtures with the packaged buildpack.

pub mod contents;
pub mod pack;
pub mod phase;

use crate::command::run;
use crate::environment::variable;
use crate::image::{ImageTag, image_of};
use libcnb_test::{BuildConfig, BuildpackReference, TestContext};
use std::borrow::Borrow;
use std::process::Command;
use std::sync::LazyLock;

/// Variables that a user's shell or CI may happen to have, with values that break every build that
/// uses them.
const HOSTILE_ENV: [(&str, &str); 7] = [
    ("PATH", "/invalid"),
    ("GEM_HOME", "/invalid/gem-home"),
    ("GEM_PATH", "/invalid/gem-path"),
    ("BUNDLE_PATH", "/invalid/bundle-path"),
    ("RUBYOPT", "-rinvalid"),
    ("RUBYLIB", "/invalid/lib"),
    ("LD_PRELOAD", "/invalid/preload.so"),
];

/// The buildpack, packaged once for all tests.
static BUILDPACK: LazyLock<String> = LazyLock::new(|| {
    let printed = run(Command::new("script/package").args(["--profile", "dev"]));
    let folder = printed.lines().last();
    folder.expect("a folder on the last line").to_string()
});

/// The packaged buildpack's folder, relative to the project's.
pub fn buildpack() -> &'static str {
    &BUILDPACK
}

/// A build of a fixture by `pack`, with Rubies and gems of the rig's server, in the hostile
/// environment.
pub fn build_config(fixture: &str) -> BuildConfig {
    let mut config = BuildConfig::new(variable("FORMATION_BUILDER"), format!("fixtures/{fixture}"));
    config
        .buildpacks([BuildpackReference::Other(BUILDPACK.clone())])
        .envs(HOSTILE_ENV)
        .env("NO_COLOR", "1")
        .envs(rig_server_variables());
    config
}

/// The build variables by which a build takes Rubies and gems from the rig's server.
pub fn rig_server_variables() -> [(&'static str, String); 2] {
    [
        ("BP_RUBY_INVENTORY", variable("FORMATION_RUBY_INVENTORY")),
        ("BUNDLE_MIRROR__ALL", variable("FORMATION_GEM_SERVER")),
    ]
}

/// The variables that a platform gives `bin/build`, as `NAME=VALUE`, where its inputs and layers
/// are below a folder: `layers`, `platform` and `plan.toml`.
pub fn phase_variables(folder: &str) -> [String; 8] {
    [
        "CNB_BUILDPACK_DIR=/buildpack".to_string(),
        format!("CNB_LAYERS_DIR={folder}/layers"),
        format!("CNB_PLATFORM_DIR={folder}/platform"),
        format!("CNB_BP_PLAN_PATH={folder}/plan.toml"),
        "CNB_TARGET_OS=linux".to_string(),
        format!("CNB_TARGET_ARCH={}", architecture()),
        "CNB_TARGET_DISTRO_NAME=debian".to_string(),
        "CNB_TARGET_DISTRO_VERSION=13".to_string(),
    ]
}

/// This machine's processor, in the words of the CNB specification.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

/// `context.rebuild`, which leaves the image of the build before without a name: it gets one by
/// which it is removed.
pub fn rebuild(
    context: TestContext<'_>,
    config: impl Borrow<BuildConfig>,
    check: impl FnOnce(TestContext<'_>),
) {
    let _before = ImageTag::of(&image_of(&context));
    context.rebuild(config, check);
}
