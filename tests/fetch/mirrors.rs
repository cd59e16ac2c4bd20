//! Mirrors and mappings, files that are not the listed one, and a layer that cannot be written.

use crate::answers::{always, body, send};
use crate::case::{case, check, differs};
use crate::download::Download;
use crate::tarballs::{FILE, OTHER_FILE, sha256_of};
use formation_buildpack::fetch::archive::{Archive, ArchiveError, Installation};
use formation_buildpack::fetch::digest::Sha256Hex;
use formation_buildpack::fetch::download::Downloader;
use rig::server::faulty::FaultyServer;
use rig::server::http::head;
use url::Url;

#[test]
fn mirrors_and_mappings_replace_the_origin() {
    let mirror = FaultyServer::start(vec![body(&FILE, &[])]);
    let address = format!("http://{}", mirror.authority());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ruby.tgz");
    std::fs::write(&file, &*FILE).unwrap();
    let file_url = Url::from_file_path(&file).unwrap().to_string();
    let file_mirror = Url::from_directory_path(folder.path()).unwrap().to_string();
    let mapping = format!("mapping/{}", sha256_of(&FILE));
    let origin = "https://nowhere.invalid/ruby.tgz";
    let by_host = format!("{address}/of/{{originalHost}}");
    let with_password = format!("http://user:secret@{}/all", mirror.authority());
    for (name, variables, bindings, path) in [
        (
            "for all",
            vec![("BP_DEPENDENCY_MIRROR", with_password.as_str())],
            vec![],
            Some("/all/ruby.tgz"),
        ),
        (
            "for a host",
            vec![
                ("BP_DEPENDENCY_MIRROR", "http://127.0.0.1:9/"),
                ("BP_DEPENDENCY_MIRROR_NOWHERE_INVALID", &by_host),
            ],
            vec![],
            Some("/of/nowhere.invalid/ruby.tgz"),
        ),
        (
            "a folder",
            vec![("BP_DEPENDENCY_MIRROR", &file_mirror)],
            vec![],
            None,
        ),
        (
            "a binding",
            vec![],
            vec![
                ("mirror/type", "dependency-mirror"),
                ("mirror/default", &address),
            ],
            Some("/ruby.tgz"),
        ),
        (
            "a mapping comes first",
            vec![("BP_DEPENDENCY_MIRROR", "http://127.0.0.1:9/")],
            vec![
                ("mapping/type", "dependency-mapping"),
                (&mapping, &with_password),
            ],
            Some("/all"),
        ),
        (
            "a mapping to a file",
            vec![],
            vec![
                ("mapping/type", "dependency-mapping"),
                (&mapping, &file_url),
            ],
            None,
        ),
    ] {
        let before = mirror.requests().len();
        let download = Download {
            variables: &variables,
            bindings: &bindings,
            ..Download::of(origin)
        };
        assert_eq!(download.run(), Ok(()), "{name}");
        let requests = mirror.requests();
        let lines: Vec<_> = requests[before..]
            .iter()
            .map(|request| request.line.clone())
            .collect();
        let expected: Vec<_> = path
            .map(|path| format!("GET {path} HTTP/1.1"))
            .into_iter()
            .collect();
        assert_eq!(lines, expected, "{name}");
    }
}

#[test]
fn another_file_is_refused_with_its_address() {
    let page = b"<html>Please log in</html>";
    let short = &FILE[..1000];
    let once = |name, bytes: &[u8]| {
        case(name, [body(bytes, &[])]).fails(1, &differs("http://server/ruby.tgz", bytes))
    };
    check([
        once("another archive", &OTHER_FILE),
        once("a page with status 200", page),
        // A length of 0 counts as no length.
        case("nothing", [body(b"", &[])]).fails(2, &differs("http://server/ruby.tgz", b"")),
        once("cut, with the length of what is left", short),
        case(
            "another, and its length is not said",
            [always(vec![send(&head("200 OK", &[])), send(page)])],
        )
        .fails(2, &differs("http://server/ruby.tgz", page)),
    ]);

    let mirror = FaultyServer::start(vec![body(&OTHER_FILE, &[])]);
    let address = format!("http://{}", mirror.authority());
    let download = Download {
        variables: &[("BP_DEPENDENCY_MIRROR", &address)],
        ..Download::of("https://nowhere.invalid/ruby.tgz")
    };
    assert_eq!(
        download.run(),
        Err(differs(&format!("{address}/ruby.tgz"), &OTHER_FILE))
    );
    assert_eq!(mirror.requests().len(), 1);
}

/// The path is below a file: root, who may run the tests, can write into any folder.
#[test]
fn a_layer_that_cannot_be_written_is_reported_before_anything_is_fetched() {
    let server = FaultyServer::start(vec![body(&FILE, &[])]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let archive = Archive {
        url: format!("http://{}/ruby.tgz", server.authority())
            .parse()
            .unwrap(),
        sha256: Sha256Hex(sha256_of(&FILE)),
        root: "ruby".into(),
    };
    let installation = Installation {
        destination: &file.join("ruby"),
        is_wanted: &|_| true,
        finish: &|_| Ok(()),
        copy: None,
    };
    let result = archive.install(&Downloader::default(), &archive.url, &installation);
    let error = result.unwrap_err();
    assert!(matches!(&error, ArchiveError::Place(_)), "{error}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "text");
    assert_eq!(server.requests().len(), 0);
}
