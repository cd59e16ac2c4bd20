//! What the build knows of an app, for the program that prepares its environment in the image.

use serde::{Deserialize, Serialize};

/// The file's name in the layer of the program.
pub const FILE_NAME: &str = "app.toml";

/// A file of another version of Formation says what this one knows too: what it lacks counts as not so.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct AppFacts {
    /// The version of Rails, as `[major, minor]`. None for another app.
    pub rails: Option<[u64; 2]>,
    /// The version of Ruby, as `[major, minor]`.
    pub ruby: [u64; 2],
    /// Whether the app finds its secret in a way of its own.
    pub names_its_secret: bool,
    /// Whether the user wants no other memory allocator.
    pub without_jemalloc: bool,
    /// The page that tells whether the app is healthy: `/up`.
    pub health_path: Option<String>,
}
