//! Builds real images with `pack` and runs them. `script/test` makes what they need and sets the
//! variables that `rig` reads.

mod build {
    mod app_mistakes;
    mod default_ruby;
    mod killed;
    mod rebuild;
    mod sample_app;
    mod static_ruby;
}
mod gems {
    pub(crate) mod as_bundler;
    mod compiled;
    mod launch_check;
    mod lockfiles;
    mod observed;
    mod settings;
    pub(crate) mod sources;
}
mod orchestrators;
mod platform {
    pub(crate) mod certificates;
    pub(crate) mod credentials;
    mod full_disk;
    mod lifecycle;
    mod node;
    pub(crate) mod offline;
    mod operator;
}
mod processes {
    mod environment;
    mod graceful_end;
    mod one_container;
    mod shapes;
}
mod rails {
    mod assets;
    mod failures;
    mod serves;
}
