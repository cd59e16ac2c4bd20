//! What Rails expects of its image. Assets are those of any app that has a task for them.

mod assets;

pub use assets::{Assets, AssetsError, AssetsPlan, Failure};
