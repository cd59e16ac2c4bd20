//! Locales that the user has set and the image does not have, such as `en_US.UTF-8` from the
//! configuration of another platform. The C library then takes the locale C, and Ruby reads files
//! as US-ASCII.

use super::{Change, Told, Variables};
use fs_err::File;
use memchr::memmem;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The locale that every image has, and whose characters are all of Unicode.
const FALLBACK: &str = "C.UTF-8";

/// The variable with the locale for everything.
const FOR_ALL: &str = "LC_ALL";

/// Those for characters, and for what no other variable names.
const OTHERS: [&str; 2] = ["LC_CTYPE", "LANG"];

/// Where glibc looks for locales.
const FOLDER: &str = "/usr/lib/locale";

/// Variables that have locales looked for in another place.
const OTHER_PLACES: [&str; 2] = ["LOCPATH", "LOCALE_ARCHIVE"];

/// The file with many locales, and where the names of them stand in it (glibc's
/// `locale/locarchive.h`).
const ARCHIVE: &str = "locale-archive";
const ARCHIVE_MAGIC: u32 = 0xde02_0109;
const NAMES_OFFSET: usize = 20;
const NAMES_LENGTH: usize = 24;
const ARCHIVE_HEAD: usize = 28;

/// The locales of an image.
pub(super) struct Locales {
    /// None where it cannot be known which there are: then every one is taken for there.
    folder: Option<PathBuf>,
}

impl Locales {
    pub(super) fn of_this_image(variables: &Variables) -> Self {
        let elsewhere = OTHER_PLACES
            .iter()
            .any(|name| variables.contains_key(*name));
        Self::in_folder(Path::new(FOLDER)).unless(elsewhere)
    }

    /// Without the folder, the C library is not glibc: musl knows every name.
    fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.is_dir().then(|| folder.to_path_buf()),
        }
    }

    fn unless(self, elsewhere: bool) -> Self {
        Self {
            folder: self.folder.filter(|_| !elsewhere),
        }
    }

    fn has(&self, name: &str) -> bool {
        let Some(folder) = &self.folder else {
            return true;
        };
        let normalized = normalized(name);
        // glibc brings these along. A path is a place of its own.
        if ["C", "POSIX", "C.utf8"].contains(&normalized.as_str()) || name.contains('/') {
            return true;
        }
        let names = [name, &normalized];
        names.iter().any(|name| folder.join(name).is_dir())
            || archive_has(&folder.join(ARCHIVE), &names).unwrap_or(false)
    }
}

/// A name as glibc files it: `en_US.UTF-8` is `en_US.utf8`.
fn normalized(name: &str) -> String {
    let (name, modifier) = match name.split_once('@') {
        Some((name, modifier)) => (name, format!("@{modifier}")),
        None => (name, String::new()),
    };
    let Some((language, codeset)) = name.split_once('.') else {
        return format!("{name}{modifier}");
    };
    let codeset: String = codeset
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let iso = if codeset.chars().all(|letter| letter.is_ascii_digit()) {
        "iso"
    } else {
        ""
    };
    format!("{language}.{iso}{codeset}{modifier}")
}

/// Whether the file with many locales has one of these names. It may have hundreds of megabytes, of
/// which the names are a few kilobytes.
fn archive_has(archive: &Path, names: &[&str]) -> io::Result<bool> {
    let mut file = File::open(archive)?;
    let mut head = [0; ARCHIVE_HEAD];
    file.read_exact(&mut head)?;
    let number = |offset: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&head[offset..offset + 4]);
        u32::from_ne_bytes(bytes)
    };
    if number(0) != ARCHIVE_MAGIC {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(number(NAMES_OFFSET).into()))?;
    let mut known = Vec::from([0]);
    file.take(number(NAMES_LENGTH).into())
        .read_to_end(&mut known)?;
    known.push(0);
    let stands_there = |name: &&str| {
        let between_ends = [&[0], name.as_bytes(), &[0]].concat();
        memmem::find(&known, &between_ends).is_some()
    };
    Ok(names.iter().any(stands_there))
}

/// The variables that name a locale which the image does not have, with the one that it has.
/// `LC_ALL` counts before the others, whatever they are.
pub(super) fn changes(variables: &Variables, locales: &Locales) -> Vec<Change> {
    let locale_of = |name| {
        let locale = variables.get(name).map(String::as_str);
        locale.filter(|locale| !locale.is_empty())
    };
    let counting = match locale_of(FOR_ALL) {
        Some(_) => &[FOR_ALL][..],
        None => &OTHERS,
    };
    let named = counting
        .iter()
        .filter_map(|name| Some((*name, locale_of(name)?)));
    named
        .filter(|(_, locale)| !locales.has(locale))
        .map(|(name, locale)| Change {
            name: name.to_string(),
            value: FALLBACK.to_string(),
            reason: format!("this image does not have the locale {locale}"),
            told: Told::Always,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;

    /// A folder with the locale `de_DE.utf8` and an archive of others.
    fn locales(archived: &[&str]) -> (tempfile::TempDir, Locales) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("de_DE.utf8")).unwrap();
        let names = archived.join("\0") + "\0";
        let length = u32::try_from(names.len()).unwrap();
        let head = [ARCHIVE_MAGIC, 0, 56, 0, 0, 60, length, length];
        let mut archive: Vec<u8> = head.iter().flat_map(|word| word.to_ne_bytes()).collect();
        archive.resize(60, 1);
        archive.extend(names.as_bytes());
        archive.extend(b"\0fr_FR.utf8\0");
        fs::write(folder.path().join(ARCHIVE), archive).unwrap();
        let locales = Locales::in_folder(folder.path());
        (folder, locales)
    }

    #[test]
    fn a_locale_is_there_by_either_of_its_names() {
        let (_folder, locales) = locales(&["en_US.utf8", "ja_JP.eucjp", "sr_RS.utf8@latin"]);
        for (name, expected) in [
            ("C", true),
            ("POSIX", true),
            ("C.UTF-8", true),
            ("C.utf8", true),
            ("de_DE.UTF-8", true),
            ("de_DE.utf8", true),
            ("en_US.UTF-8", true),
            ("ja_JP.eucJP", true),
            ("sr_RS.UTF-8@latin", true),
            ("/app/locales/own", true),
            ("de_DE", false),
            ("en_US", false),
            ("US.utf8", false),
            ("fr_FR.UTF-8", false),
            ("de_DE.88591", false),
        ] {
            assert_eq!(locales.has(name), expected, "{name}");
        }
    }

    #[test]
    fn a_broken_archive_has_no_locale() {
        let folder = tempfile::tempdir().unwrap();
        for archive in [&b""[..], b"short", &[7; 64], &[0xff; 64]] {
            fs::write(folder.path().join(ARCHIVE), archive).unwrap();
            assert!(!Locales::in_folder(folder.path()).has("en_US.UTF-8"));
        }
    }

    #[test]
    fn where_locales_cannot_be_known_every_one_is_there() {
        assert!(Locales::in_folder(Path::new("/nowhere")).has("en_US.UTF-8"));
        let folder = tempfile::tempdir().unwrap();
        assert!(
            Locales::in_folder(folder.path())
                .unless(true)
                .has("en_US.UTF-8")
        );
    }

    #[test]
    fn a_variable_with_a_missing_locale_gets_the_one_that_is_there() {
        let (_folder, locales) = locales(&[]);
        for (variables, expected) in [
            (&[][..], &[][..]),
            (&[("LANG", "C.UTF-8"), ("LC_ALL", "")], &[]),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "de_DE.UTF-8")], &[]),
            (&[("LANG", "C"), ("LC_CTYPE", "POSIX")], &[]),
            (&[("LANG", "en_US.UTF-8")], &["LANG"]),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "en_US")], &["LC_ALL"]),
            (&[("LANG", "C"), ("LC_CTYPE", "en_US")], &["LC_CTYPE"]),
            (
                &[("LANG", "en_US"), ("LC_CTYPE", "en_US")],
                &["LC_CTYPE", "LANG"],
            ),
        ] {
            let given = variables
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()));
            let changes = changes(&given.collect(), &locales);
            let names: Vec<_> = changes.iter().map(|change| change.name.as_str()).collect();
            assert_eq!(names, expected, "{variables:?}");
            assert!(changes.iter().all(|change| change.value == "C.UTF-8"));
        }
    }
}
