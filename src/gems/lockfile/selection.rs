//! Which variant of each locked gem is installed on a platform, as far as the lockfile tells.

use super::{Checksum, GemfileLock, Source, SourceKind, Spec};
use crate::gems::platform::GemPlatform;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The gems that Bundler would install. It may install fewer: the lockfile does not tell the groups
/// of gems, nor the gems that the Gemfile names for some platforms only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SelectedGems<'a> {
    /// One for each name: first the Gemfile's, then their dependencies, level by level.
    pub gems: Vec<SelectedGem<'a>>,
    /// Gems that are needed, but are locked for other platforms only, or not at all. Bundler fails
    /// on them if the Gemfile names them for this platform.
    pub unavailable: Vec<&'a str>,
    /// Whether Bundler asks the gem servers for a native variant of each gem of a GEM section,
    /// because the lockfile was resolved for the platform `ruby` only: [`SelectedGem::spec`] then
    /// has the right version, but Bundler may install the archive of another platform.
    pub servers_decide: bool,
}

/// A locked gem in the selected variant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SelectedGem<'a> {
    pub spec: &'a Spec,
    pub source: &'a Source,
    /// The CHECKSUMS of its archive: none without an entry, empty for an entry without a digest.
    pub checksums: Option<&'a [Checksum]>,
}

impl<'a> SelectedGem<'a> {
    /// The gem servers that have the archive; none for a gem of git, of the app or of a plugin.
    #[must_use]
    pub fn servers(&self) -> Option<&'a [String]> {
        match &self.source.kind {
            SourceKind::Gem(remotes) => Some(remotes),
            _ => None,
        }
    }
}

impl GemfileLock {
    /// The gems that Bundler installs on the `local` platform, one variant of each: those of
    /// DEPENDENCIES, and those that the selected variants depend on. With `force_ruby_platform`,
    /// Bundler's setting of that name, `local` does not matter.
    #[must_use]
    pub fn gems_for(&self, local: &GemPlatform, force_ruby_platform: bool) -> SelectedGems<'_> {
        let local = if force_ruby_platform {
            &GemPlatform::Ruby
        } else {
            local
        };
        let variants = self.variants();
        let mut selected = SelectedGems {
            gems: Vec::new(),
            unavailable: Vec::new(),
            servers_decide: !force_ruby_platform && self.is_for_ruby_only(),
        };
        // Bundler itself is in no section; it is installed in another way.
        let mut seen = BTreeSet::from(["bundler"]);
        let mut wanted: VecDeque<_> = self.dependencies.iter().collect();
        while let Some(dependency) = wanted.pop_front() {
            let name = dependency.name.as_str();
            if !seen.insert(name) {
                continue;
            }
            let fitting = variants.get(name).into_iter().flatten();
            // Of equal variants the first: Bundler sorts by full name.
            let best = fitting
                .filter(|(_, spec)| spec.platform.runs_on(local))
                .min_by_key(|(_, spec)| (spec.platform.distance_to(local), spec.full_name()));
            let Some((source, spec)) = best else {
                selected.unavailable.push(name);
                continue;
            };
            wanted.extend(&spec.dependencies);
            selected.gems.push(SelectedGem {
                spec,
                source,
                checksums: self.checksums_of(spec),
            });
        }
        selected
    }

    /// The CHECKSUMS of a locked gem: none without an entry, empty for an entry without a digest.
    #[must_use]
    pub fn checksums_of(&self, spec: &Spec) -> Option<&[Checksum]> {
        self.checksums.as_ref()?.of(&spec.full_name())
    }

    /// Whether PLATFORMS names `ruby` and nothing else.
    fn is_for_ruby_only(&self) -> bool {
        let mut platforms = self.platforms.iter();
        !self.platforms.is_empty() && platforms.all(|platform| *platform == GemPlatform::Ruby)
    }

    /// The locked gems by name. Of a gem that is locked twice, the last counts for Bundler.
    fn variants(&self) -> BTreeMap<&str, Vec<(&Source, &Spec)>> {
        let mut by_full_name = BTreeMap::new();
        for source in &self.sources {
            for spec in &source.specs {
                by_full_name.insert(spec.full_name(), (source, spec));
            }
        }
        let mut variants: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (source, spec) in by_full_name.into_values() {
            let same_name = variants.entry(spec.name.as_str()).or_default();
            same_name.push((source, spec));
        }
        variants
    }
}
