//! Ruby and the gems come from a company's own server, whose certificate is trusted only by a
//! service binding.

use libcnb_test::assert_contains;
use rig::build::buildpack;
use rig::build::pack::PackBuild;
use rig::docker::env_options;
use rig::files;
use rig::server::certificates::CompanyIssuer;
use rig::server::rig::{gateway, serve_rig_files};
use std::path::Path;

pub(crate) const BY_TLS: &str = "listen 443 ssl; ssl_certificate /settings/server.pem; ssl_certificate_key /settings/server.key;";

#[test]
#[ignore = "integration test"]
fn downloads_and_bundler_trust_the_platforms_certificates() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let issuer = CompanyIssuer::create();
    issuer.write_server_files(folder.path(), &gateway());
    let server = serve_rig_files(folder.path(), 443, BY_TLS);
    let address = format!("https://{}", server.address(443));

    let bindings = folder.path().join("bindings");
    let volume = format!("{}:/platform/bindings", bindings.display());
    let variables = [
        format!("BP_RUBY_INVENTORY={address}/rubies/inventory.toml"),
        format!("BUNDLE_MIRROR__ALL={address}"),
    ];
    let options = [vec!["--volume", &volume], env_options(&variables)].concat();
    let build = |name| {
        let app = Path::new("fixtures/ruby-sample-app");
        PackBuild::run(name, app, Path::new(buildpack()), &options)
    };

    let untrusted = build("untrusted");
    assert!(!untrusted.succeeded);
    assert_contains!(untrusted.log, "cannot be trusted");

    files::write(&bindings.join("company/type"), "ca-certificates");
    files::write(&bindings.join("company/root.pem"), issuer.pem());
    let trusted = build("trusted");
    assert!(trusted.succeeded, "{}", trusted.log);
    assert_contains!(trusted.log, "Fetched 12 gems, ");

    // Some settings leave everything to Bundler: it trusts the issuer too.
    let by_bundler = PackBuild::run(
        "trusted-by-bundler",
        Path::new("fixtures/ruby-sample-app"),
        Path::new(buildpack()),
        &[&options[..], &["--env", "BUNDLE_PLUGINS=false"]].concat(),
    );
    assert!(by_bundler.succeeded, "{}", by_bundler.log);
    assert_contains!(by_bundler.log, "Fetching sinatra 4.1.1");
}
