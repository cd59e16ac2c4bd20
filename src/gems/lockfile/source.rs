//! The sources of locked gems: the heading of a section, and the options between it and `specs:`.

use super::Spec;
use super::line_fault::LineFault;

/// One GEM, GIT, PATH or PLUGIN SOURCE section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    pub kind: SourceKind,
    pub specs: Vec<Spec>,
}

/// The kind of a section, with its options.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SourceKind {
    /// The URLs of gem servers, in the order of the file: none to many. Of several, which only old
    /// lockfiles have, Bundler takes a gem from the last one that has it.
    Gem(Vec<String>),
    /// A git repository.
    Git(GitSource),
    /// A folder of the app.
    Path(PathSource),
    /// A source of a Bundler plugin.
    Plugin(PluginSource),
}

/// A commit of a git repository.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GitSource {
    /// The repository's URL or path.
    pub remote: String,
    /// The commit's hash.
    pub revision: String,
    /// The Gemfile's `ref:`, such as a tag, a commit or `refs/pull/557/head`.
    pub reference: Option<String>,
    /// The Gemfile's `branch:`.
    pub branch: Option<String>,
    /// The Gemfile's `tag:`.
    pub tag: Option<String>,
    /// Whether its submodules are checked out too.
    pub has_submodules: bool,
    /// The pattern of its gemspecs, where it is not Bundler's default.
    pub glob: Option<String>,
}

/// A folder with one gem or more.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PathSource {
    /// Relative to the lockfile, or absolute.
    pub folder: String,
    /// The pattern of its gemspecs, where it is not Bundler's default.
    pub glob: Option<String>,
}

/// The options of a plugin; only the plugin knows their meaning.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PluginSource {
    /// The type that the plugin has registered.
    pub source_type: String,
    pub remote: String,
    /// All other options, in the order of the file.
    pub options: Vec<(String, String)>,
}

impl Source {
    /// The folder of a PATH section, as the lockfile spells it.
    #[must_use]
    pub fn folder(&self) -> Option<&str> {
        match &self.kind {
            SourceKind::Path(path) => Some(&path.folder),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_git(&self) -> bool {
        matches!(self.kind, SourceKind::Git(_))
    }
}

/// The headings of sections with specs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SourceHeading {
    Gem,
    Git,
    Path,
    Plugin,
}

/// Name and value of the options of a section, in the order of the file.
pub(super) type Options = Vec<(String, String)>;

/// Reads `  name: value`; none for any other line.
pub(super) fn read_option(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix("  ")?.split_once(": ")?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_name.then(|| (name.to_string(), value.to_string()))
}

impl SourceHeading {
    /// The source that a section's options describe. Of an option that may be there once, the last
    /// counts.
    pub(super) fn into_source(self, mut options: Options) -> Result<Source, LineFault> {
        let kind = match self {
            Self::Gem => SourceKind::Gem(
                options
                    .into_iter()
                    .filter(|(name, _)| name == "remote")
                    .map(|(_, url)| url)
                    .collect(),
            ),
            Self::Git => SourceKind::Git(GitSource {
                remote: needed(&mut options, "remote")?,
                revision: needed(&mut options, "revision")?,
                reference: take(&mut options, "ref"),
                branch: take(&mut options, "branch"),
                tag: take(&mut options, "tag"),
                has_submodules: take(&mut options, "submodules")
                    .is_some_and(|submodules| submodules != "false"),
                glob: take(&mut options, "glob"),
            }),
            Self::Path => SourceKind::Path(PathSource {
                folder: needed(&mut options, "remote")?,
                glob: take(&mut options, "glob"),
            }),
            Self::Plugin => SourceKind::Plugin(PluginSource {
                source_type: needed(&mut options, "type")?,
                remote: needed(&mut options, "remote")?,
                options,
            }),
        };
        Ok(Source {
            kind,
            specs: Vec::new(),
        })
    }
}

fn needed(options: &mut Options, name: &'static str) -> Result<String, LineFault> {
    take(options, name).ok_or(LineFault::OptionMissing(name))
}

fn take(options: &mut Options, wanted: &str) -> Option<String> {
    let value = options.iter().rev().find(|(name, _)| name == wanted);
    let value = value.map(|(_, value)| value.clone());
    options.retain(|(name, _)| name != wanted);
    value
}
