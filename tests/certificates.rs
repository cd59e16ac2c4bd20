//! A server of the company's own, whose certificate only a service binding vouches for, serves Ruby and the gems.

use crate::rig::{PackBuild, buildpack, gateway, serve_rig_files};
use libcnb_test::assert_contains;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::Path;

pub(crate) const BY_TLS: &str = "listen 443 ssl; ssl_certificate /settings/server.pem; ssl_certificate_key /settings/server.key;";

#[test]
#[ignore = "integration test"]
fn downloads_and_bundler_trust_the_platforms_certificates() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let host = gateway();
    let authority = make_certificates(folder.path(), &host);
    let server = serve_rig_files(folder.path(), 443, BY_TLS);
    let address = format!("https://{}", server.address(443));

    let bindings = folder.path().join("bindings");
    let volume = format!("{}:/platform/bindings", bindings.display());
    let variables = [
        format!("BP_RUBY_INVENTORY={address}/rubies/inventory.toml"),
        format!("BUNDLE_MIRROR__ALL={address}"),
    ];
    let options = [
        "--volume",
        &volume,
        "--env",
        &variables[0],
        "--env",
        &variables[1],
    ];
    let build = |name| {
        let app = Path::new("fixtures/ruby-sample-app");
        PackBuild::run(name, app, Path::new(buildpack()), &options)
    };

    let untrusted = build("untrusted");
    assert!(!untrusted.succeeded);
    assert_contains!(untrusted.log, "cannot be trusted");

    fs::create_dir_all(bindings.join("company")).expect("a folder");
    fs::write(bindings.join("company/type"), "ca-certificates").expect("a file");
    fs::write(bindings.join("company/root.pem"), authority).expect("a file");
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

/// Writes a server's key and certificate, and returns that of its issuer.
pub(crate) fn make_certificates(folder: &Path, host: &str) -> String {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    // With the server's own name, OpenSSL would take the server's certificate for its own issuer's.
    params
        .distinguished_name
        .push(DnType::CommonName, "The company");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate");
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let server = CertificateParams::new(vec![host.to_string()])
        .and_then(|params| params.signed_by(&key, &issuer))
        .expect("a certificate");
    fs::write(folder.join("server.pem"), server.pem()).expect("a file");
    fs::write(folder.join("server.key"), key.serialize_pem()).expect("a file");
    authority.pem()
}
