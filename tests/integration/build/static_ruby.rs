//! A Ruby in the shape in which most of them are published: one program with OpenSSL, libyaml and
//! libffi linked in, its own trusted certificates, and static libraries that only compilers need.

use crate::gems::as_bundler::{USED, USES};
use crate::platform::certificates::BY_TLS;
use libcnb_test::{BuildpackReference, TestRunner, assert_contains, assert_empty};
use rig::build::contents::differences;
use rig::build::pack::PackBuild;
use rig::build::phase::BuildPhase;
use rig::build::{build_config, buildpack, rebuild};
use rig::container::Container;
use rig::environment::variable;
use rig::image::web_answer;
use rig::server::certificates::CompanyIssuer;
use rig::server::rig::{gateway, serve_rig_files};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;

const STATIC_LIBRARIES: &str = "find /layers -name '*.a'";

#[test]
#[ignore = "integration test"]
fn gems_are_compiled_for_it_and_its_static_libraries_stay_out_of_the_image() {
    let mut app = build_config("puma-native-gem");
    app.env(
        "BP_RUBY_INVENTORY",
        variable("FORMATION_STATIC_RUBY_INVENTORY"),
    );
    let mut with_a_later_buildpack = app.clone();
    with_a_later_buildpack.buildpacks([
        BuildpackReference::Other(buildpack().to_string()),
        BuildpackReference::Other("fixtures/later-buildpack".to_string()),
    ]);
    TestRunner::default().build(&app, |context| {
        assert_contains!(context.pack_stdout, "Compiling puma 5.6.5");
        assert!(web_answer(&context).ends_with("Racc runtime: c\n"));
        assert_empty!(context.run_shell_command(STATIC_LIBRARIES).stdout);
        rebuild(context, &with_a_later_buildpack, |context| {
            assert_contains!(context.pack_stdout, "Later: it compiles");
            rebuild(context, &with_a_later_buildpack, |context| {
                assert_contains!(context.pack_stdout, "Later: it compiles");
                assert!(!context.pack_stdout.contains("Unpacking"));
                assert_empty!(context.run_shell_command(STATIC_LIBRARIES).stdout);
            });
        });
    });
}

#[test]
#[ignore = "integration test"]
fn its_layer_is_the_same_whether_or_not_gems_are_compiled() {
    let without_gems = BuildPhase::new("sixty-processes");
    let rails = BuildPhase::new("rails-gems");
    for build in [&without_gems, &rails] {
        build.set("BP_RUBY_VERSION", "3.3.8");
        build.set(
            "BP_RUBY_INVENTORY",
            &variable("FORMATION_STATIC_RUBY_INVENTORY"),
        );
    }
    without_gems.run();
    let log = rails.run();
    assert_contains!(log, "Compiling puma 5.6.5");
    assert_eq!(rails.output_of(USED), USES);
    let layers = [&without_gems, &rails].map(|build| build.contents("layers/ruby"));
    assert!(layers[0].contains_key("bin/ruby"));
    assert_eq!(differences(&layers[0], &layers[1]), Vec::<String>::new());

    // With both layers in the image, nothing has to be here.
    rails.output_of("rm -rf /build/layers/{ruby,ruby-static,gems}");
    assert_contains!(rails.run(), "Bundler does not run");
    let restored = rails.contents("layers");
    assert!(
        !restored
            .keys()
            .any(|name| name == "ruby" || name == "ruby-static")
    );
}

/// Fetches what is at an address, by Ruby's own OpenSSL.
const FETCH: &str = "require 'open-uri'; puts URI.open(ARGV.first).read.lines.first";

#[test]
#[ignore = "integration test"]
fn it_trusts_the_certificates_that_come_with_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let issuer = CompanyIssuer::create();
    issuer.write_server_files(folder.path(), &gateway());
    let server = serve_rig_files(folder.path(), 443, BY_TLS);
    let address = format!("https://{}", server.address(443));
    let rubies = folder.path().join("rubies");
    trust_in_copy(&rubies, &issuer.pem());

    // `BUNDLE_PLUGINS` leaves everything to Bundler.
    let volume = format!("{}:/rubies:ro", rubies.display());
    let mirror = format!("BUNDLE_MIRROR__ALL={address}");
    let options = [
        ["--volume", &volume],
        ["--env", "BP_RUBY_INVENTORY=/rubies/inventory.toml"],
        ["--env", &mirror],
        ["--env", "BUNDLE_PLUGINS=false"],
    ];
    let app = Path::new("fixtures/ruby-sample-app");
    let build = PackBuild::run(
        "own-certificates",
        app,
        Path::new(buildpack()),
        &options.concat(),
    );
    assert!(build.succeeded, "{}", build.log);
    assert_contains!(build.log, "Fetching sinatra 4.1.1");

    let url = format!("{address}/versions");
    let command = ["launcher", "--", "ruby", "-e", FETCH, &url];
    let fetch = |options: &[&str]| {
        let options = [&["--entrypoint", command[0]], options].concat();
        let container = Container::start(&build.image, &options, &command[1..]);
        (container.status(), container.logs())
    };
    let (status, answer) = fetch(&[]);
    assert_eq!(status, 0, "{answer}");
    assert_contains!(answer, "created_at");
    // Those of a platform are instead of its own.
    let (status, answer) = fetch(&["--env", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"]);
    assert_ne!(status, 0);
    assert_contains!(answer, "certificate verify failed");
}

/// Copies the static Ruby, with its inventory, into a folder, and has it trust one more issuer.
fn trust_in_copy(rubies: &Path, issuer: &str) {
    const CERTIFICATES: &str = "ruby-3.3.8/libexec/cert.pem";
    let inventory = variable("FORMATION_STATIC_RUBY_INVENTORY");
    let text = String::from_utf8(download(&inventory)).expect("it is text");
    let rows: toml::Table = text.parse().expect("it is TOML");
    let row = &rows["artifacts"][0];
    let (name, checksum) = (row["url"].as_str(), row["checksum"].as_str());
    let (name, checksum) = (name.expect("a name"), checksum.expect("a checksum"));
    let archive = rubies.join(name);

    fs::create_dir(rubies).expect("a folder");
    fs::write(
        &archive,
        download(&inventory.replace("inventory.toml", name)),
    )
    .expect("a file");
    let tar = |arguments: &[&str]| {
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(rubies).args(arguments);
        assert!(tar.status().expect("tar starts").success());
    };
    let path = archive.to_str().expect("a name in UTF-8");
    tar(&["-xzf", path]);
    let certificates = rubies.join(CERTIFICATES);
    let trusted = fs::read_to_string(&certificates).expect("it has its own") + issuer;
    fs::write(certificates, trusted).expect("it is writable");
    tar(&["-czf", path, "ruby-3.3.8"]);
    let changed = hex::encode(Sha256::digest(fs::read(&archive).expect("a file")));
    let text = text.replace(checksum, &format!("sha256:{changed}"));
    fs::write(rubies.join("inventory.toml"), text).expect("a file");
}

fn download(url: &str) -> Vec<u8> {
    let answer = ureq::get(url).call().expect("the rig serves it");
    let mut body = answer.into_body();
    let limit = body.with_config().limit(1 << 28);
    limit.read_to_vec().expect("the rig serves it")
}
