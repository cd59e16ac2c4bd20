//! Builds real images with `pack` and runs them. `script/test` makes what they need and sets the variables that `rig` reads.

mod app_mistakes;
mod build_phase;
mod certificates;
mod credentials;
mod gem_sources;
mod gems;
mod git_server;
mod graceful_end;
mod killed;
mod lockfiles;
mod native_gem;
mod offline;
mod one_container;
mod orchestrators;
mod process_shapes;
mod rebuild;
mod rig;
mod sample_app;
mod static_ruby;
mod which_ruby;
