//! Gems: Gemfile and lockfile, platforms, sources, inputs, cache, installer, Bundler, layer.

pub mod archive;
pub mod bundle;
pub mod bundler;
pub mod cache;
mod compiled_libraries;
mod environment;
mod failed_extension;
pub mod gemfile;
mod git_repositories;
mod inputs;
mod installed;
mod installer;
pub mod layer;
mod layer_archive;
mod left_overs;
pub mod lockfile;
mod metadata;
mod missing;
pub mod platform;
pub mod servers;
pub mod settings;
mod vendored;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. A thread that panicked under it has ended the build anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
