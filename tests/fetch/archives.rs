//! Archives with the right checksum that are broken or harmful.

use crate::answers::body;
use crate::case::{Case, case, check};
use crate::tarballs::{Entry, FILE, archive_of, entry, gzipped, tar_of};
use tar::EntryType;

/// An archive with the right checksum that is refused.
fn refused(name: &'static str, bytes: &[u8], reason: &str) -> Case {
    let error = format!("http://server/ruby.tgz cannot be unpacked: {reason}");
    case(name, [body(bytes, &[])]).of(bytes).fails(1, &error)
}

fn good() -> Entry<'static> {
    entry("ruby/bin/ruby", b"x")
}

#[test]
fn an_archive_that_is_broken_is_refused() {
    let half = FILE.len() / 2;
    let mut corrupt = FILE.clone();
    corrupt[half..half + 100].fill(0xff);
    let zeros = vec![0; 70 << 20];
    check([
        refused(
            "cut",
            &FILE[..half],
            "at its entry `ruby/bin/ruby`: incomplete deflate stream",
        ),
        refused(
            "corrupt",
            &corrupt,
            "at its end: corrupt gzip stream does not have a matching checksum",
        ),
        refused(
            "cut in its checksum",
            &FILE[..FILE.len() - 4],
            "at its end: unexpected end of file",
        ),
        refused(
            "more after its end",
            &[FILE.as_slice(), b"more"].concat(),
            "at its end: unexpected end of file",
        ),
        refused(
            "far more after its end than it says",
            &gzipped(&[tar_of(&[good()]), zeros.clone()].concat()),
            "at its end: the archive unpacks to more than 100 times its size",
        ),
        refused(
            "no gzip file",
            b"<html>",
            "at its start: unexpected end of file",
        ),
        refused(
            "gzip, but no tar",
            &gzipped(&b"text ".repeat(500)),
            &format!(
                "at its start: numeric field was not a number: t text t when getting cksum for {}",
                "text ".repeat(20)
            ),
        ),
        refused("empty", b"", "at its start: unexpected end of file"),
        refused(
            "without its folder",
            &archive_of(&[entry("python/bin", b"x")]),
            "it has no folder `ruby`",
        ),
        refused(
            "far larger than it says",
            &archive_of(&[entry("ruby/zeros", &zeros)]),
            "at its entry `ruby/zeros`: the archive unpacks to more than 100 times its size",
        ),
    ]);
}

#[test]
fn an_archive_that_could_do_harm_is_refused() {
    let harmful = |name, entry: Entry, reason: &str| {
        let reason = format!("at its entry `{}`: {reason}", entry.name);
        refused(name, &archive_of(&[good(), entry]), &reason)
    };
    let special = |kind, target| Entry {
        kind,
        target,
        ..entry("ruby/thing", b"")
    };
    let with_mode = |mode| Entry {
        mode,
        ..entry("ruby/thing", b"x")
    };
    let leaves = "it would leave the layer";
    let link_out = "it is a link that leads out of the layer";
    let set_id = "it would run with the rights of its owner (set-uid or set-gid)";
    let neither = "it is neither a file, a folder nor a link";
    check([
        harmful("a path that leaves", entry("../evil", b"x"), leaves),
        harmful(
            "a path that goes up and leaves",
            entry("ruby/../../evil", b"x"),
            leaves,
        ),
        harmful("an absolute path", entry("/etc/evil", b"x"), leaves),
        harmful(
            "a link out",
            special(EntryType::Symlink, "../../etc"),
            link_out,
        ),
        harmful(
            "an absolute link",
            special(EntryType::Symlink, "/etc/passwd"),
            link_out,
        ),
        harmful(
            "a hard link out",
            special(EntryType::Link, "../../etc/passwd"),
            "it is a hard link that leads out of the layer",
        ),
        harmful(
            "an absolute hard link",
            special(EntryType::Link, "/etc/passwd"),
            "it is a hard link that leads out of the layer",
        ),
        harmful("a device", special(EntryType::Block, ""), neither),
        harmful("a terminal", special(EntryType::Char, ""), neither),
        harmful("a pipe", special(EntryType::Fifo, ""), neither),
        harmful("set-uid", with_mode(0o4755), set_id),
        harmful("set-gid", with_mode(0o2755), set_id),
    ]);
}
