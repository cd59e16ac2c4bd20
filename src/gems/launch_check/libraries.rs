//! Which shared libraries the compiled files of the gems need, other than those that Formation's
//! layers and every image of the distribution have.

use crate::platform::base_packages::BasePackages;
use fs_err as fs;
use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, EM_AARCH64, EM_X86_64, ET_DYN, FileHeader64};
use object::read::elf::FileHeader;
use object::{Endianness, ReadCache, ReadRef};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Where a dynamic linker looks, besides the folders of `/etc/ld.so.conf`.
const DEFAULT_FOLDERS: [&str; 4] = ["lib", "usr/lib", "lib64", "usr/lib64"];

/// What the compiled files of gems need.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Needs {
    /// The gems that need it, by the package of the distribution that has it, or by the library's
    /// name where none has.
    pub(super) packages: BTreeMap<String, BTreeSet<String>>,
    /// The gems that need it, by the name of a library that the build image does not have either.
    pub(super) missing: BTreeMap<String, BTreeSet<String>>,
}

/// A compiled file, as far as it concerns the dynamic linker.
#[derive(Debug, Default)]
struct Compiled {
    needed: Vec<String>,
    /// Folders beside it where its libraries are looked for.
    folders: Vec<PathBuf>,
}

/// Reads every compiled file of the gems in `gem_home`. `folders` are those of libraries in the layers
/// of the image. What `ruby` needs of the run image is there too.
pub(super) fn needs(
    gem_home: &Path,
    ruby: &Path,
    folders: &[PathBuf],
    packages: &BasePackages,
) -> Needs {
    let files = compiled_files(gem_home);
    let names: BTreeSet<_> = files.iter().filter_map(|file| file.file_name()).collect();
    let image = Libraries::of(packages.root());
    let mut needs = Needs::default();
    let mut in_image: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    let mut of_ruby: Option<BTreeSet<String>> = None;
    for file in &files {
        let compiled = Compiled::read(file);
        for name in compiled.needed {
            let mut in_layers = folders.iter().chain(&compiled.folders);
            if names.contains(OsStr::new(&name))
                || in_layers.any(|folder| folder.join(&name).is_file())
            {
                continue;
            }
            let found = image.find(&name);
            if found.as_ref().is_some_and(|path| packages.have(path)) {
                continue;
            }
            if of_ruby
                .get_or_insert_with(|| needed_in(&ruby.join("lib")))
                .contains(&name)
            {
                continue;
            }
            let gem = gem_of(file, gem_home);
            match found {
                Some(path) => in_image.entry(path).or_default().insert(gem),
                None => needs.missing.entry(name).or_default().insert(gem),
            };
        }
    }
    let mut owners = packages.packages_of(in_image.keys());
    for (path, gems) in in_image {
        let library = || path.file_name().unwrap_or_default().to_string_lossy();
        let package = owners.remove(&path);
        let package = package.unwrap_or_else(|| library().into_owned());
        needs.packages.entry(package).or_default().extend(gems);
    }
    needs
}

/// Files of gems that Ruby may load, without links.
fn compiled_files(folder: &Path) -> Vec<PathBuf> {
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter();
    let files = entries.flatten().filter(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.file_type().is_file() && (name.ends_with(".so") || name.contains(".so."))
    });
    files.map(walkdir::DirEntry::into_path).collect()
}

fn needed_in(folder: &Path) -> BTreeSet<String> {
    let files = compiled_files(folder);
    files
        .iter()
        .flat_map(|file| Compiled::read(file).needed)
        .collect()
}

/// Such as `pg-1.5.9`: the folder of a gem below `gems` or `bundler/gems`.
fn gem_of(file: &Path, gem_home: &Path) -> String {
    let inside = file.strip_prefix(gem_home).unwrap_or(file);
    let mut names = inside.iter().map(|name| name.to_string_lossy());
    let gem = names.by_ref().find(|name| name == "gems");
    let gem = gem.and_then(|_| names.next());
    gem.map_or_else(
        || inside.display().to_string(),
        std::borrow::Cow::into_owned,
    )
}

impl Compiled {
    /// Nothing is known of a file that is none, or one for another machine or C library: gems may
    /// come with files for several.
    fn read(file: &Path) -> Self {
        let compiled = std::fs::File::open(file)
            .ok()
            .and_then(|opened| Self::parse(&ReadCache::new(opened), file).ok());
        compiled
            .filter(|compiled| {
                !compiled
                    .needed
                    .iter()
                    .any(|name| name.contains("musl") || name == "libc.so")
            })
            .unwrap_or_default()
    }

    fn parse<'data>(data: impl ReadRef<'data>, file: &Path) -> object::Result<Self> {
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let mut compiled = Self::default();
        if header.e_type(endian) != ET_DYN || Some(header.e_machine(endian)) != this_machine() {
            return Ok(compiled);
        }
        let table = header.sections(endian, data)?.dynamic_table(endian, data)?;
        for entry in &table {
            if ![DT_NEEDED, DT_RPATH, DT_RUNPATH].contains(&entry.tag) {
                continue;
            }
            let text = String::from_utf8_lossy(table.string(entry)?).into_owned();
            if entry.tag == DT_NEEDED {
                compiled.needed.push(text);
                continue;
            }
            let own = file.parent().unwrap_or(file).to_string_lossy();
            // The others are folders of the machine where it was compiled.
            let origins = text.split(':').filter(|folder| folder.contains("ORIGIN"));
            let folders = origins.map(|folder| {
                PathBuf::from(folder.replace("${ORIGIN}", &own).replace("$ORIGIN", &own))
            });
            compiled.folders.extend(folders);
        }
        Ok(compiled)
    }
}

fn this_machine() -> Option<u16> {
    match std::env::consts::ARCH {
        "x86_64" => Some(EM_X86_64),
        "aarch64" => Some(EM_AARCH64),
        _ => None,
    }
}

/// The libraries of an image.
struct Libraries(Vec<PathBuf>);

impl Libraries {
    fn of(root: &Path) -> Self {
        let mut folders: Vec<_> = DEFAULT_FOLDERS.iter().map(|name| root.join(name)).collect();
        let listed = fs::read_dir(root.join("etc/ld.so.conf.d"));
        for entry in listed.into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let lines = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix('/'));
            folders.extend(lines.map(|folder| root.join(folder)));
        }
        Self(folders)
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let places = self.0.iter().map(|folder| folder.join(name));
        places.into_iter().find(|path| path.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of this machine stands for a compiled file of a gem: this test itself.
    fn this_program() -> PathBuf {
        std::env::current_exe().unwrap()
    }

    #[test]
    fn the_libraries_of_a_compiled_file_are_read() {
        let compiled = Compiled::read(&this_program());
        assert!(
            compiled.needed.contains(&"libc.so.6".to_string()),
            "{compiled:?}"
        );
    }

    #[test]
    fn what_is_no_compiled_file_needs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.so");
        let program = fs::read(this_program()).unwrap();
        for bytes in [&b""[..], b"INPUT ( -lfoo )", &program[..100], &[0x7f; 4096]] {
            fs::write(&file, bytes).unwrap();
            assert!(Compiled::read(&file).needed.is_empty());
        }
        assert!(
            Compiled::read(&folder.path().join("gone"))
                .needed
                .is_empty()
        );
    }

    #[test]
    fn what_neither_layers_nor_base_packages_have_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write("var/lib/dpkg/status", b"Package: libc6\nEssential: yes\n\n");
        write("etc/ld.so.conf.d/x.conf", b"# multiarch\n/usr/lib/x\n");
        write("var/lib/dpkg/info/libc6.list", b"/bin/ldd\n");
        let program = fs::read(this_program()).unwrap();
        let gems = root.join("layer/ruby/3.3.0");
        write("layer/ruby/3.3.0/gems/pg-1.5/lib/pg_ext.so", &program);
        let needs = |folders: &[PathBuf]| {
            let packages = BasePackages::read(&root).unwrap();
            needs(&gems, &root.join("ruby"), folders, &packages)
        };
        let gem = |needs: &BTreeMap<String, BTreeSet<String>>, of: &str| {
            needs.get(of).map(|gems| gems.iter().cloned().collect())
        };
        let pg = Some(vec!["pg-1.5".to_string()]);
        assert_eq!(gem(&needs(&[]).missing, "libc.so.6"), pg);
        write("usr/lib/x/libc.so.6", b"");
        assert_eq!(gem(&needs(&[]).packages, "libc.so.6"), pg);
        write(
            "var/lib/dpkg/info/foo:amd64.list",
            b"/usr/lib/x/libc.so.6\n",
        );
        assert_eq!(gem(&needs(&[]).packages, "foo"), pg);
        // Each of these has it.
        let found = needs(&[root.join("usr/lib/x")]);
        assert_eq!(gem(&found.packages, "foo"), None);
        write("var/lib/dpkg/info/libc6.list", b"/lib/x/libc.so.6\n");
        assert_eq!(gem(&needs(&[]).packages, "foo"), None);
        write("var/lib/dpkg/info/libc6.list", b"/bin/ldd\n");
        write("ruby/lib/ruby/x.so", &program);
        assert_eq!(needs(&[]), Needs::default());
    }
}
