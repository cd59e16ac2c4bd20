//! What the platform gives (build variables, service bindings, the target), and how layers are kept
//! from build to build.

pub mod base_packages;
pub mod bindings;
pub mod build_plan;
pub mod built_for;
pub(crate) mod cache_layer;
mod error;
pub(crate) mod files;
pub mod launch_layer;
pub(crate) mod layer_archive;
pub mod operator_variables;
pub mod other_layers;
pub mod variables;

pub use error::PlatformError;
