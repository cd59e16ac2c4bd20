//! `.gem` archives, for gems that no server of the rig has.

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::Write;

/// What an archive is read from: the name, the mode and the bytes of each file.
type File<'a> = (&'a str, u32, &'a [u8]);

/// A gem of plain Ruby, as `gem build` packs it. Its files in `exe` are its programs.
pub fn archive(name: &str, version: &str, files: &[(&str, u32, &str)]) -> Vec<u8> {
    let programs = files
        .iter()
        .filter_map(|(path, ..)| path.strip_prefix("exe/"));
    let programs: Vec<_> = programs.collect();
    let programs = programs.join(", ");
    let specification = format!(
        "--- !ruby/object:Gem::Specification
name: {name}
version: !ruby/object:Gem::Version
  version: {version}
platform: ruby
authors:
- Formation
bindir: exe
executables: [{programs}]
require_paths:
- lib
required_ruby_version: !ruby/object:Gem::Requirement
  requirements:
  - - \">=\"
    - !ruby/object:Gem::Version
      version: '0'
required_rubygems_version: !ruby/object:Gem::Requirement
  requirements:
  - - \">=\"
    - !ruby/object:Gem::Version
      version: '0'
dependencies: []
rubygems_version: 3.5.22
specification_version: 4
summary: A gem for tests
"
    );
    let files: Vec<File<'_>> = files
        .iter()
        .map(|(path, mode, text)| (*path, *mode, text.as_bytes()))
        .collect();
    let metadata = gzipped(specification.as_bytes());
    let data = gzipped(&tarball(&files));
    let checksums = format!(
        "---\nSHA256:\n  metadata.gz: {}\n  data.tar.gz: {}\n",
        hex::encode(Sha256::digest(&metadata)),
        hex::encode(Sha256::digest(&data)),
    );
    tarball(&[
        ("metadata.gz", 0o444, &metadata),
        ("data.tar.gz", 0o444, &data),
        ("checksums.yaml.gz", 0o444, &gzipped(checksums.as_bytes())),
    ])
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory takes all");
    gzip.finish().expect("memory takes all")
}

fn tarball(files: &[File<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        let appended = builder.append_data(&mut header, name, *bytes);
        appended.expect("memory takes all");
    }
    builder.into_inner().expect("memory takes all")
}
