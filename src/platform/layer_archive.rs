//! A folder of a layer in the cache that holds other files as one archive, with a description. The
//! platform caches and restores one file much faster than thousands.

use crate::platform::files::{new_beside, remove_dir, remove_file, remove_others, replace_dir};
use fs_err as fs;
use libcnb::{read_toml_file, write_toml_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::Metadata as FileMetadata;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tar::{Archive, Builder, EntryType, Header};
use tempfile::NamedTempFile;
use walkdir::WalkDir;

/// The time of every file in an image, in seconds: 1980-01-01T00:00:01Z.
const TIME_IN_THE_IMAGE: u64 = 315_532_801;

/// The archive, whether it exists or not.
pub(crate) struct LayerArchive {
    /// It holds `NAME.tar` and its description, `NAME.toml`.
    pub(crate) folder: PathBuf,
    pub(crate) name: &'static str,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Description<M> {
    /// The bytes of the archive.
    length: String,
    /// The metadata of the layer.
    holds: M,
}

impl LayerArchive {
    fn archive(&self) -> PathBuf {
        self.folder.join(format!("{}.tar", self.name))
    }

    fn description(&self) -> PathBuf {
        self.folder.join(format!("{}.toml", self.name))
    }

    /// What was said of the files in the archive. None where there is no complete archive, or none
    /// of this version of Formation.
    pub(crate) fn metadata<M: DeserializeOwned>(&self) -> Option<M> {
        let description: Description<M> = read_toml_file(self.description()).ok()?;
        let length = self.archive().metadata().ok()?.len();
        // An archive that is cut off between two entries would unpack without an error.
        (description.length == length.to_string()).then_some(description.holds)
    }

    /// Unpacks its files into a folder, in the place of what is there, if they are asked for by their names.
    pub(crate) fn unpack_into(
        &self,
        folder: &Path,
        is_wanted: impl Fn(&Path) -> bool,
    ) -> io::Result<()> {
        let mut archive = Archive::new(BufReader::new(fs::File::open(self.archive())?));
        archive.set_preserve_permissions(true);
        for entry in archive.entries()? {
            let mut entry = entry?;
            if is_wanted(&entry.path()?) {
                entry.unpack_in(folder)?;
            }
        }
        Ok(())
    }

    /// Replaces `layer` with its files: all of them, or none.
    pub(crate) fn unpack(&self, layer: &Path) -> io::Result<()> {
        let new = new_beside(layer);
        remove_dir(&new)?;
        let mut archive = Archive::new(BufReader::new(fs::File::open(self.archive())?));
        archive.set_preserve_permissions(true);
        let unpacked = archive.unpack(&new).and_then(|()| replace_dir(&new, layer));
        if unpacked.is_err() {
            remove_dir(&new)?; // If the disk is full, the install needs the space.
        }
        unpacked
    }

    /// Archives the files of a layer, which may still change: [`keep`](Self::keep) finds out.
    pub(crate) fn draft(&self, layer: &Path) -> io::Result<Draft> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        let mut builder = Builder::new(BufWriter::with_capacity(1 << 16, &mut file));
        let files = files_of(layer)?;
        for LayerFile { name, metadata } in &files {
            append(&mut builder, &layer.join(name), name, metadata)?;
        }
        builder.into_inner()?.flush()?;
        Ok(Draft { file, files })
    }

    /// Archives a layer with its metadata; by the draft, if no file has changed since. A build that
    /// is killed in between leaves an archive without metadata.
    pub(crate) fn keep(
        &self,
        layer: &Path,
        metadata: &impl Serialize,
        draft: Option<Draft>,
    ) -> io::Result<()> {
        let now = files_of(layer)?;
        let draft = match draft.filter(|draft| draft.files == now) {
            Some(draft) => draft,
            None => self.draft(layer)?,
        };
        remove_file(&self.description())?;
        let length = draft.file.as_file().metadata()?.len().to_string();
        let kept = draft.file.persist(self.archive());
        kept.map_err(|error| error.error)?;
        let description = Description {
            length,
            holds: metadata,
        };
        write_toml_file(&description, self.description()).map_err(io::Error::other)?;
        remove_others(&self.folder, &[&self.archive(), &self.description()])
    }

    /// Removes the archive.
    pub(crate) fn clear(&self) -> io::Result<()> {
        // Without the description there is no archive.
        remove_file(&self.description())?;
        remove_others(&self.folder, &[])
    }
}

/// An archive that is not in its place yet, and the state of the files in it.
pub(crate) struct Draft {
    file: NamedTempFile,
    files: Vec<LayerFile>,
}

/// A file, folder or link of a layer.
struct LayerFile {
    name: PathBuf,
    metadata: FileMetadata,
}

impl PartialEq for LayerFile {
    /// Whether it is the same file, and nothing has written to it. Folders differ only by name and
    /// mode: their entries are compared themselves.
    fn eq(&self, other: &Self) -> bool {
        let identity = |metadata: &FileMetadata| {
            let of_file = (!metadata.is_dir()).then(|| {
                let modified = (metadata.mtime(), metadata.mtime_nsec());
                let changed = (metadata.ctime(), metadata.ctime_nsec());
                (metadata.ino(), metadata.size(), modified, changed)
            });
            (metadata.mode(), of_file)
        };
        self.name == other.name && identity(&self.metadata) == identity(&other.metadata)
    }
}

/// Everything in a layer, in an order that is always the same.
fn files_of(layer: &Path) -> io::Result<Vec<LayerFile>> {
    let entries = WalkDir::new(layer).min_depth(1).sort_by_file_name();
    entries
        .into_iter()
        .map(|entry| {
            let entry = entry?;
            let name = entry.path().strip_prefix(layer).unwrap_or(entry.path());
            Ok(LayerFile {
                name: name.to_path_buf(),
                metadata: entry.metadata()?,
            })
        })
        .collect()
}

/// Leaves out owners, times and everything else that differs from build to build: equal archives
/// are cached once.
fn append(
    builder: &mut Builder<impl Write>,
    path: &Path,
    name: &Path,
    metadata: &FileMetadata,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_metadata_in_mode(metadata, tar::HeaderMode::Complete);
    header.set_mtime(TIME_IN_THE_IMAGE);
    header.set_uid(0);
    header.set_gid(0);
    if metadata.is_file() {
        builder.append_data(&mut header, name, fs::File::open(path)?)
    } else if metadata.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        builder.append_link(&mut header, name, fs::read_link(path)?)
    } else {
        builder.append_data(&mut header, name, io::empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Each path below a folder, with its mode and what it holds.
    fn tree(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let entries = WalkDir::new(folder).min_depth(1).into_iter();
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                let holds = match entry.path() {
                    path if entry.path_is_symlink() => {
                        let target = fs::read_link(path).unwrap();
                        target.into_os_string().into_encoded_bytes()
                    }
                    path if path.is_file() => fs::read(path).unwrap(),
                    _ => Vec::new(),
                };
                let mode = entry.metadata().unwrap().permissions().mode();
                let name = entry.path().strip_prefix(folder).unwrap();
                (name.to_path_buf(), (mode, holds))
            })
            .collect()
    }

    fn layer(folder: &Path) -> PathBuf {
        let layer = folder.join("gems");
        let long = "a-name-that-is-long/".repeat(10);
        for (name, mode) in [
            ("bin/puma", 0o755),
            ("lib/read only.rb", 0o444),
            (&*format!("{long}x.rb"), 0o640),
        ] {
            let path = layer.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(layer.join("empty")).unwrap();
        symlink("../lib/read only.rb", layer.join("bin/link")).unwrap();
        symlink(format!("/nowhere/{long}"), layer.join("long-link")).unwrap();
        layer
    }

    #[test]
    fn what_comes_out_is_what_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let layer = layer(folder.path());
        let before = tree(&layer);
        let archive = LayerArchive {
            folder: folder.path().join("archive"),
            name: "gems",
        };
        fs::create_dir(&archive.folder).unwrap();
        assert_eq!(archive.metadata::<BTreeMap<String, String>>(), None);
        fs::write(archive.folder.join(".tmpAbCdEf"), "left by a killed build").unwrap();

        let metadata = BTreeMap::from([("layout".to_string(), "1".to_string())]);
        archive.keep(&layer, &metadata, None).unwrap();
        assert_eq!(tree(&archive.folder).len(), 2);
        let bytes = fs::read(archive.archive()).unwrap();
        let draft = archive.draft(&layer).unwrap();
        archive.keep(&layer, &metadata, Some(draft)).unwrap();
        assert_eq!(fs::read(archive.archive()).unwrap(), bytes);
        fs::write(layer.join("new"), "").unwrap();
        assert_eq!(archive.metadata(), Some(metadata));
        archive.unpack(&layer).unwrap();
        assert_eq!(tree(&layer), before);

        fs::write(archive.archive(), "").unwrap();
        assert_eq!(archive.metadata::<BTreeMap<String, String>>(), None);
        archive.clear().unwrap();
        assert_eq!(archive.metadata::<BTreeMap<String, String>>(), None);
    }

    #[test]
    fn a_draft_is_used_only_if_no_file_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let layer = layer(folder.path());
        let archive = LayerArchive {
            folder: folder.path().join("archive"),
            name: "gems",
        };
        fs::create_dir(&archive.folder).unwrap();
        let metadata: BTreeMap<String, String> = BTreeMap::new();
        let file = layer.join("bin/puma");
        let changes: [&dyn Fn(); 6] = [
            &|| fs::write(layer.join("new"), "").unwrap(),
            &|| fs::write(&file, "bin/pumb").unwrap(),
            &|| fs::set_permissions(&file, Permissions::from_mode(0o700)).unwrap(),
            &|| fs::rename(&file, layer.join("bin/renamed")).unwrap(),
            &|| fs::remove_file(layer.join("bin/link")).unwrap(),
            &|| fs::remove_dir(layer.join("empty")).unwrap(),
        ];
        for change in changes {
            let draft = archive.draft(&layer).unwrap();
            change();
            let now = tree(&layer);
            archive.keep(&layer, &metadata, Some(draft)).unwrap();
            archive.unpack(&layer).unwrap();
            assert_eq!(tree(&layer), now);
        }
    }
}
