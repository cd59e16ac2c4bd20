//! The server that `script/bootstrap` starts, with Rubies and gems.

use crate::container::Container;
use crate::docker::docker;
use crate::environment::variable;
use crate::files;
use std::path::Path;

/// The engine's bridge gateway, where every build reaches this machine and the rig's server.
pub fn gateway() -> String {
    let server = variable("FORMATION_GEM_SERVER");
    let authority = server.trim_start_matches("http://");
    authority.split(':').next().expect("a host").to_string()
}

/// The inventory of its Rubies: TOML, whose URLs are relative to [`rubies_folder`].
pub fn ruby_inventory() -> String {
    ureq::get(variable("FORMATION_RUBY_INVENTORY"))
        .call()
        .and_then(|mut answer| answer.body_mut().read_to_string())
        .expect("the rig's server has an inventory")
}

/// The address of the folder that holds the inventory and the Rubies, with a slash at its end.
pub fn rubies_folder() -> String {
    let inventory = variable("FORMATION_RUBY_INVENTORY");
    inventory.trim_end_matches("inventory.toml").to_string()
}

/// Serves the files of the rig's server in another way. The nginx directives for the port may name
/// files of the folder `settings`, which the server finds as `/settings`.
pub fn serve_rig_files(settings: &Path, port: u16, directives: &str) -> Container {
    let nginx = format!(
        "daemon off; error_log /dev/stderr warn; events {{}}
http {{ server {{
  {directives}
  root /srv/gems;
  location /rubies/ {{ alias /srv/rubies/; }}
}} }}
"
    );
    files::write(&settings.join("nginx.conf"), nginx);
    let server = docker(&["ps", "--quiet", "--filter", "name=^formation-gem-server$"]);
    let volume = format!("{}:/settings:ro", settings.display());
    let publish = format!("{}::{port}", gateway());
    Container::start(
        &variable("FORMATION_SERVER_IMAGE"),
        &[
            "--user",
            "0:0",
            "--volumes-from",
            server.trim(),
            "--volume",
            &volume,
            "--publish",
            &publish,
        ],
        &["nginx", "-c", "/settings/nginx.conf"],
    )
}
