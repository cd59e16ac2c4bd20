//! How the image is run: its process types, the default one, the program that each starts with, and
//! what they find in their environment.

mod bash;
mod defaults;
mod facts;
mod layer;
pub mod process_types;
mod processes;
mod programs;
mod web_server;
mod worker;
mod writable_folders;

pub use bash::{BashMayBeMissing, warn_of_missing_bash};
pub use defaults::{NoWebServer, framework_processes, show_database_needs, warn_of_missing_web};
pub use facts::facts;
pub use layer::{FormationLayerError, install, layer_env};
pub use processes::{LaunchError, Process, Processes, processes};
pub use programs::programs;
pub use web_server::WebServer;
pub use writable_folders::{NotWritable, make_folders_writable};
