//! Reads in the log of a compilation what is missing, and knows the package that has it.

/// What a compiler, a linker, pkg-config or the shell did not find.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Missing<'a> {
    /// As in `#include`: `libxml/parser.h`.
    Header(&'a str),
    /// As in `-lpq`: `pq` for `libpq.so`.
    Library(&'a str),
    /// A name in pkg-config, such as `vips-cpp`.
    Module(&'a str),
    Program(&'a str),
}

impl<'a> Missing<'a> {
    /// What a line of a log says is missing.
    pub(super) fn in_line(line: &'a str) -> Option<Self> {
        let line = line.trim();
        header(line)
            .map(Self::Header)
            .or_else(|| library(line).map(Self::Library))
            .or_else(|| module(line).map(Self::Module))
            .or_else(|| program(line).map(Self::Program))
    }

    pub(super) fn in_words(self) -> String {
        match self {
            Self::Header(name) => format!("the header {name}"),
            Self::Library(name) => format!("the library lib{name}"),
            Self::Module(name) => format!("the pkg-config module {name}"),
            Self::Program(name) => format!("the program {name}"),
        }
    }

    /// The package of Debian and Ubuntu that has it, if it is in the tables below.
    pub(super) fn package(self) -> Option<&'a str> {
        let named = |names: &[&str], name: &str| names.contains(&name);
        let library = LIBRARIES.iter().find(|library| match self {
            Self::Header(name) => library.headers.iter().any(|header| {
                name == *header || (header.ends_with('/') && name.starts_with(header))
            }),
            Self::Library(name) => named(library.libraries, name),
            Self::Module(name) => named(library.modules, name),
            Self::Program(_) => false,
        });
        match (self, library) {
            (_, Some(library)) => Some(library.package),
            (Self::Program(name), None) => PROGRAMS
                .iter()
                .find(|(programs, _)| programs.contains(&name))
                .map(|(_, package)| *package)
                .or_else(|| versioned_compiler(name)),
            (_, None) => None,
        }
    }
}

/// A library that gems are compiled against.
struct Library {
    /// Files, and folders with a slash at the end.
    headers: &'static [&'static str],
    libraries: &'static [&'static str],
    /// Names in pkg-config.
    modules: &'static [&'static str],
    package: &'static str,
}

/// A row of [`LIBRARIES`].
macro_rules! library {
    ($package:literal: $headers:expr, $libraries:expr, $modules:expr) => {
        Library {
            headers: &$headers,
            libraries: &$libraries,
            modules: &$modules,
            package: $package,
        }
    };
}

/// The packages' names are the same in Debian (12, 13) and Ubuntu (22.04, 24.04).
#[rustfmt::skip]
const LIBRARIES: &[Library] = &[
    library!("libpq-dev": ["libpq-fe.h", "libpq/"], ["pq"], ["libpq"]),
    library!("default-libmysqlclient-dev":
        ["mysql.h", "mysql/"],
        ["mysqlclient", "mariadb", "mariadbclient"],
        ["mysqlclient", "libmariadb"]
    ),
    library!("libsqlite3-dev": ["sqlite3.h"], ["sqlite3"], ["sqlite3"]),
    library!("freetds-dev": ["sybfront.h", "sybdb.h"], ["sybdb"], ["freetds"]),
    library!("unixodbc-dev": ["sql.h", "sqlext.h"], ["odbc"], ["odbc"]),
    library!("libxml2-dev libxslt1-dev":
        ["libxml/", "libxslt/", "libexslt/"],
        ["xml2", "xslt", "exslt"],
        ["libxml-2.0", "libxslt", "libexslt"]
    ),
    library!("libyaml-dev": ["yaml.h"], ["yaml"], ["yaml-0.1"]),
    library!("libffi-dev": ["ffi.h", "ffi/"], ["ffi"], ["libffi"]),
    library!("libssl-dev": ["openssl/"], ["ssl", "crypto"], ["openssl", "libssl", "libcrypto"]),
    library!("zlib1g-dev": ["zlib.h"], ["z"], ["zlib"]),
    library!("libbz2-dev": ["bzlib.h"], ["bz2"], ["bzip2"]),
    library!("liblzma-dev": ["lzma.h"], ["lzma"], ["liblzma"]),
    library!("liblz4-dev": ["lz4.h"], ["lz4"], ["liblz4"]),
    library!("libzstd-dev": ["zstd.h"], ["zstd"], ["libzstd"]),
    library!("libsnappy-dev": ["snappy-c.h", "snappy.h"], ["snappy"], []),
    library!("libbrotli-dev":
        ["brotli/"],
        ["brotlienc", "brotlidec"],
        ["libbrotlienc", "libbrotlidec"]
    ),
    library!("libcurl4-openssl-dev": ["curl/"], ["curl"], ["libcurl"]),
    library!("libmagickwand-dev":
        ["MagickWand/", "MagickCore/", "wand/", "magick/"],
        ["MagickWand", "MagickCore"],
        ["MagickWand", "MagickCore", "Magick++", "ImageMagick"]
    ),
    library!("libvips-dev": ["vips/"], ["vips"], ["vips", "vips-cpp"]),
    library!("libjpeg-dev": ["jpeglib.h"], ["jpeg"], ["libjpeg"]),
    library!("libpng-dev": ["png.h"], ["png", "png16"], ["libpng"]),
    library!("libcairo2-dev": ["cairo.h", "cairo/"], ["cairo"], ["cairo"]),
    library!("libglib2.0-dev":
        ["glib.h", "glib-object.h"],
        ["glib-2.0", "gobject-2.0"],
        ["glib-2.0", "gobject-2.0", "gobject-introspection-1.0"]
    ),
    library!("libicu-dev": ["unicode/"], ["icuuc", "icui18n", "icudata"], ["icu-uc", "icu-i18n"]),
    library!("libidn-dev": ["idna.h", "stringprep.h"], ["idn"], ["libidn"]),
    library!("libidn2-dev": ["idn2.h"], ["idn2"], ["libidn2"]),
    library!("libgmp-dev": ["gmp.h"], ["gmp"], ["gmp"]),
    library!("libreadline-dev": ["readline/"], ["readline"], ["readline"]),
    library!("libncurses-dev": ["ncurses.h", "curses.h"], ["ncurses", "ncursesw"], ["ncurses"]),
    library!("libgeos-dev": ["geos_c.h"], ["geos_c"], ["geos"]),
    library!("libproj-dev": ["proj.h"], ["proj"], ["proj"]),
    library!("libgit2-dev": ["git2.h"], ["git2"], ["libgit2"]),
    library!("librdkafka-dev": ["librdkafka/"], ["rdkafka"], ["rdkafka"]),
    library!("libmemcached-dev": ["libmemcached/"], ["memcached"], ["libmemcached"]),
    library!("libhiredis-dev": ["hiredis/"], ["hiredis"], ["hiredis"]),
    library!("libsodium-dev": ["sodium.h"], ["sodium"], ["libsodium"]),
    library!("libsasl2-dev": ["sasl/"], ["sasl2"], ["libsasl2"]),
    library!("libldap-dev": ["ldap.h"], ["ldap"], ["ldap"]),
    library!("libkrb5-dev":
        ["krb5.h", "gssapi.h", "gssapi/"],
        ["krb5", "gssapi_krb5"],
        ["krb5", "krb5-gssapi"]
    ),
    library!("libuv1-dev": ["uv.h"], ["uv"], ["libuv"]),
    library!("libpcap-dev": ["pcap.h", "pcap/"], ["pcap"], ["libpcap"]),
    library!("libarchive-dev": ["archive.h"], ["archive"], ["libarchive"]),
    library!("libsystemd-dev": ["systemd/"], ["systemd"], ["libsystemd"]),
    library!("uuid-dev": ["uuid/"], ["uuid"], ["uuid"]),
];

/// Programs, and the package that has them.
const PROGRAMS: &[(&[&str], &str)] = &[
    (
        &["cc", "gcc", "g++", "c++", "make", "ar", "ld"],
        "build-essential",
    ),
    (&["clang", "clang++"], "clang"),
    (&["pkg-config", "pkgconf"], "pkg-config"),
    (&["cmake"], "cmake"),
    (&["cargo", "rustc"], "cargo"),
    (&["autoconf", "autoreconf"], "autoconf"),
    (&["automake", "aclocal"], "automake"),
    (&["libtool", "libtoolize"], "libtool"),
    (&["bison", "yacc"], "bison"),
    (&["git"], "git"),
    (&["pg_config"], "libpq-dev"),
    (
        &["mysql_config", "mariadb_config"],
        "default-libmysqlclient-dev",
    ),
];

/// The package of a compiler with its version, as Ruby names the one that it was built with: that of
/// `gcc-12` is called like it.
fn versioned_compiler(program: &str) -> Option<&str> {
    let (name, version) = program.rsplit_once('-')?;
    let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && ["gcc", "g++", "clang"].contains(&name)).then_some(program)
}

/// GCC: `x.c:3:10: fatal error: yaml.h: No such file or directory`; clang: `… fatal error: 'yaml.h'
/// file not found`.
fn header(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("fatal error: ")?;
    rest.strip_suffix(": No such file or directory")
        .or_else(|| Some(rest.strip_suffix(" file not found")?.trim_matches('\'')))
}

/// GNU ld: `cannot find -lpq: No such file or directory`; lld: `unable to find library -lpq`.
fn library(line: &str) -> Option<&str> {
    let (_, rest) = line
        .split_once("cannot find -l")
        .or_else(|| line.split_once("unable to find library -l"))?;
    rest.split([':', ' ']).next()
}

/// pkg-config: `Package vips was not found in the pkg-config search path`, `Package 'vips',
/// required by 'virtual:world', not found`, `No package 'vips' found`; Ruby's mkmf: `package
/// configuration for vips is not found`; rmagick: `Can't find ImageMagick with pkg-config`.
fn module(line: &str) -> Option<&str> {
    if let Some((_, rest)) = line.split_once("Can't find ")
        && let Some((name, _)) = rest.split_once(" with pkg-config")
    {
        return Some(name);
    }
    if !(line.contains("not found") || line.ends_with("' found")) {
        return None;
    }
    let (_, rest) = ["package configuration for ", "Package ", "No package "]
        .iter()
        .find_map(|words| line.split_once(words))?;
    let name = rest.split([' ', ',']).next()?.trim_matches('\'');
    (!name.is_empty()).then_some(name)
}

/// `sh: 1: cmake: not found`, `bash: cmake: command not found`, `No such file or directory -
/// cmake`; make: `make: g++: No such file or directory`.
fn program(line: &str) -> Option<&str> {
    if line.starts_with("make")
        && let Some(before) = line.strip_suffix(": No such file or directory")
        && let Some((_, name)) = before.split_once(": ")
        && !name.contains([' ', ':'])
    {
        return Some(name);
    }
    if let Some((_, name)) = line.split_once("No such file or directory - ") {
        return name.split_whitespace().next();
    }
    let (_, told) = line.split_once("sh: ")?;
    let before = told
        .strip_suffix(": command not found")
        .or_else(|| told.strip_suffix(": not found"))?;
    before.rsplit([' ', ':']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_did_not_find_is_read() {
        let said = [
            "sql.c:3:10: fatal error: mysql.h: No such file or directory",
            "conftest.c:3:10: fatal error: 'libpq-fe.h' file not found",
            "/usr/bin/ld: cannot find -lpq: No such file or directory",
            "/usr/bin/ld: cannot find -lmysqlclient",
            "ld.lld: error: unable to find library -lyaml",
            "Package vips-cpp was not found in the pkg-config search path.",
            "Package 'libcurl', required by 'virtual:world', not found",
            "No package 'icu-uc' found",
            "package configuration for MagickWand is not found",
            "sh: 1: cmake: not found",
            "/bin/bash: line 1: cargo: command not found",
            "Errno::ENOENT: No such file or directory - make",
            "make: g++-12: No such file or directory",
            "make[1]: clang++: No such file or directory",
            "Can't install RMagick 6.1.1. Can't find ImageMagick with pkg-config",
            "x.c:1:10: fatal error: our/own.h: No such file or directory",
            "x.c:1:10: fatal error: libxml/parser.h: No such file or directory",
        ];
        let understood: Vec<_> = said
            .into_iter()
            .map(|line| {
                let missing = Missing::in_line(line).expect(line);
                let package = missing.package().unwrap_or("?");
                format!("{line}\n  → {} ({package})", missing.in_words())
            })
            .collect();
        insta::assert_snapshot!(understood.join("\n"));
    }

    #[test]
    fn other_lines_name_nothing_that_is_missing() {
        for line in [
            "checking for mysql.h... no",
            "have_header: checking for mysql.h... -------------------- no",
            "x.c:3:1: error: unknown type name 'MYSQL'",
            "Gem::LoadError: Package not there",
            "make: *** [Makefile:248: x.o] Error 1",
            "make: *** depend: No such file or directory",
            "make: stat: own.mk: No such file or directory",
            "1: #include \"ruby.h\"",
            "page: not found",
        ] {
            assert_eq!(Missing::in_line(line), None, "{line}");
        }
    }

    #[test]
    fn every_name_is_in_one_package() {
        let names = |pick: fn(&Library) -> &'static [&'static str]| {
            let mut names: Vec<_> = LIBRARIES.iter().flat_map(pick).collect();
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all, "{names:?}");
        };
        names(|library| library.headers);
        names(|library| library.libraries);
        names(|library| library.modules);
    }
}
