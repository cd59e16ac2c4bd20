//! Layer `formation` (launch): what every process of the image starts with.
//!
//! It holds the production defaults. The program `formation`, which will run each process as a well-behaved PID 1, and the exec.d
//! program that sets `PORT`, get their place here too.

use libcnb::Buildpack;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer::UncachedLayerDefinition;
use libcnb::layer_env::{LayerEnv, ModificationBehavior, Scope};

/// What a production process expects; the user's own `docker run -e` wins over each.
const PRODUCTION_DEFAULTS: [(&str, &str); 5] = [
    // glibc's arenas, one for each thread, fragment the memory of a threaded Ruby.
    ("MALLOC_ARENA_MAX", "2"),
    ("RACK_ENV", "production"),
    ("RAILS_ENV", "production"),
    ("RAILS_LOG_TO_STDOUT", "enabled"),
    ("RAILS_SERVE_STATIC_FILES", "enabled"),
];

/// Writes the layer.
///
/// # Errors
/// The layer cannot be written.
pub fn install<B: Buildpack>(context: &BuildContext<B>) -> libcnb::Result<(), B::Error> {
    let layer = context.uncached_layer(
        layer_name!("formation"),
        UncachedLayerDefinition {
            build: false,
            launch: true,
        },
    )?;
    layer.write_env(
        PRODUCTION_DEFAULTS
            .iter()
            .fold(LayerEnv::new(), |env, (name, value)| {
                env.chainable_insert(Scope::Launch, ModificationBehavior::Default, name, value)
            }),
    )
}
