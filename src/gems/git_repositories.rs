//! The repositories that gems from git are checked out of. They are kept between builds: Bundler
//! needs each of them whenever it installs, even if the gem is checked out already.

use crate::gems::bundle::Bundle;
use crate::gems::lockfile::SourceKind;
use crate::platform::files::{is_unfinished, remove_any, remove_dir, replace_dir};
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// What a bare repository needs, besides its configuration. Other files are not kept: they may hold
/// the URL that the repository was fetched from, with credentials.
const CONTENTS: [&str; 5] = ["HEAD", "objects", "packed-refs", "refs", "shallow"];

/// The configuration that git gives a bare repository.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";

/// The folder where they are kept between builds, and the one where Bundler looks for them.
pub(super) struct GitRepositories {
    kept: PathBuf,
    in_use: PathBuf,
}

impl GitRepositories {
    pub(super) fn new(kept: PathBuf, gem_home: &Path) -> Self {
        let in_use = gem_home.join("cache/bundler/git");
        Self { kept, in_use }
    }

    /// Gives Bundler the repositories with a commit that the lockfile names. The others are
    /// removed, so that Bundler clones them: to update a repository, it uses options that not every
    /// server knows.
    pub(super) fn lend(&self, bundle: &Bundle) -> io::Result<()> {
        let revisions: Vec<_> = bundle
            .lockfile
            .sources
            .iter()
            .filter_map(|source| match &source.kind {
                SourceKind::Git(git) => Some(git.revision.as_str()),
                _ => None,
            })
            .collect();
        for repository in folders(&self.kept)? {
            if has_any(&repository, &revisions)? {
                fs::create_dir_all(&self.in_use)?;
                let name = repository.file_name().unwrap_or_default();
                replace_dir(&repository, &self.in_use.join(name))?;
            }
        }
        remove_dir(&self.kept)
    }

    /// Takes them back. Only after an install that has succeeded: otherwise they may be incomplete.
    pub(super) fn keep(&self) -> io::Result<()> {
        for repository in folders(&self.in_use)? {
            if strip(&repository)? {
                fs::create_dir_all(&self.kept)?;
                let name = repository.file_name().unwrap_or_default();
                replace_dir(&repository, &self.kept.join(name))?;
            }
        }
        Ok(())
    }
}

/// The folders in a folder, without those that a killed build was removing.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    if !folder.is_dir() {
        return Ok(folders);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && !is_unfinished(&entry.file_name()) {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// Whether a branch, tag or other reference of the repository is one of these commits.
fn has_any(repository: &Path, revisions: &[&str]) -> io::Result<bool> {
    let references = ["HEAD", "packed-refs", "refs"].map(|name| repository.join(name));
    let files = references.iter().flat_map(WalkDir::new).flatten();
    for file in files.filter(|entry| entry.file_type().is_file()) {
        let text = fs::read(file.path())?;
        let text = String::from_utf8_lossy(&text);
        // In packed-refs, `^COMMIT` is the commit of the tag in the line before.
        let mut commits = text
            .split_whitespace()
            .map(|word| word.trim_start_matches('^'));
        if commits.any(|commit| revisions.contains(&commit)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes what a repository does not need. False where the repository needs more than that,
/// because it has another format.
fn strip(repository: &Path) -> io::Result<bool> {
    let config = fs::read_to_string(repository.join("config"));
    if config.map_or(true, |config| config.contains("[extensions]")) {
        return Ok(false);
    }
    for entry in fs::read_dir(repository)? {
        let entry = entry?;
        let name = entry.file_name();
        if CONTENTS.iter().any(|kept| name == *kept) {
            continue;
        }
        remove_any(&entry.path())?;
    }
    fs::write(repository.join("config"), CONFIG)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::variables::BuildVariables;
    use std::collections::BTreeSet;

    const REVISION: &str = "f2045f706e32121d75a5898ecbc9d0310b01f9b3";

    fn bundle(revision: &str) -> Bundle {
        let app = tempfile::tempdir().unwrap();
        let lockfile = format!(
            "GIT\n  remote: https://git.example.com/a.git\n  revision: {revision}\n  specs:\n    \
             a (1.0)\n"
        );
        fs::write(app.path().join("Gemfile"), "").unwrap();
        fs::write(app.path().join("Gemfile.lock"), lockfile).unwrap();
        Bundle::at(app.path(), &BuildVariables::default())
    }

    fn fetched(gem_home: &Path, references: &str, config: &str) {
        let repository = gem_home.join("cache/bundler/git/a-0123");
        for (name, text) in [
            ("HEAD", "ref: refs/heads/main\n"),
            ("config", config),
            ("FETCH_HEAD", "of https://user:secret@git.example.com/a"),
            ("hooks/update.sample", ""),
            (
                "logs/HEAD",
                "clone: from https://user:secret@git.example.com/a",
            ),
            ("objects/pack/a.pack", "PACK"),
            (references, &format!("^{REVISION}\n")),
        ] {
            let path = repository.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = WalkDir::new(folder).sort_by_file_name().into_iter();
        entries
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let name = entry.path().strip_prefix(folder).unwrap();
                name.display().to_string()
            })
            .collect()
    }

    #[test]
    fn kept_repositories_do_not_hold_the_url_they_were_fetched_from() {
        for references in ["refs/heads/main", "packed-refs", "HEAD"] {
            let folder = tempfile::tempdir().unwrap();
            let (kept, gem_home) = (folder.path().join("git"), folder.path().join("gems"));
            let repositories = GitRepositories::new(kept.clone(), &gem_home);
            repositories.lend(&bundle(REVISION)).unwrap();
            fetched(
                &gem_home,
                references,
                "[remote]\n\turl = https://user:secret@host\n",
            );
            repositories.keep().unwrap();
            let contents = BTreeSet::from(["HEAD", "config", "objects/pack/a.pack", references]);
            let contents: Vec<_> = contents
                .iter()
                .map(|name| format!("a-0123/{name}"))
                .collect();
            assert_eq!(files(&kept), contents);
            assert_eq!(
                fs::read_to_string(kept.join("a-0123/config")).unwrap(),
                CONFIG
            );

            repositories.lend(&bundle(REVISION)).unwrap();
            assert_eq!(files(&gem_home.join("cache/bundler/git")), contents);
            assert!(!kept.exists());
        }
    }

    #[test]
    fn a_repository_without_the_locked_commit_is_cloned_again() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, gem_home) = (folder.path().join("git"), folder.path().join("gems"));
        let repositories = GitRepositories::new(kept.clone(), &gem_home);
        fetched(&gem_home, "refs/heads/main", "");
        repositories.keep().unwrap();
        let other = REVISION.replace('f', "0");
        repositories.lend(&bundle(&other)).unwrap();
        assert_eq!(files(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn a_repository_of_another_format_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("git");
        let repositories = GitRepositories::new(kept.clone(), folder.path());
        fetched(
            folder.path(),
            "refs/heads/main",
            "[extensions]\n\tobjectformat = sha256\n",
        );
        repositories.keep().unwrap();
        assert!(!kept.exists());
    }
}
