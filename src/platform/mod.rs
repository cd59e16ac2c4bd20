//! What the platform gives: build variables, service bindings, the target, and layers with the ways in which they are kept.

pub mod bindings;
pub mod built_for;
pub(crate) mod cache_layer;
pub(crate) mod files;
pub mod launch_layer;
pub mod variables;
