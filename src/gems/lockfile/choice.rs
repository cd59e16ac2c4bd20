//! Which variant of each locked gem is installed on a platform, as far as the lockfile tells.

use super::{Checksum, GemfileLock, Source, SourceKind, Spec};
use crate::gems::platform::GemPlatform;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What Bundler would install. It may install less: the lockfile does not say which gems belong to which groups, and which the
/// Gemfile asks for on some platforms only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Choice<'a> {
    /// One for each name, in the order in which the Gemfile's gems lead to them.
    pub gems: Vec<ChosenGem<'a>>,
    /// Gems that are needed, but locked for other platforms only, or not at all. Bundler fails on them where the Gemfile asks for
    /// them on this platform.
    pub unavailable: Vec<&'a str>,
    /// Bundler asks the gem servers for a native variant of each gem of a GEM section, because the lockfile was resolved for the
    /// platform `ruby` only: [`ChosenGem::spec`] then has the right version, but its archive may be another's.
    pub servers_decide: bool,
}

/// A locked gem in the variant that is chosen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChosenGem<'a> {
    /// The variant.
    pub spec: &'a Spec,
    /// Where it comes from.
    pub source: &'a Source,
    /// The CHECKSUMS of its archive: none where there is no entry, empty where it has no digest.
    pub checksums: Option<&'a [Checksum]>,
}

impl<'a> ChosenGem<'a> {
    /// The gem servers that have the archive; none for a gem of git, of the app, or of a plugin.
    #[must_use]
    pub fn servers(&self) -> Option<&'a [String]> {
        match &self.source.kind {
            SourceKind::Gem(remotes) => Some(remotes),
            _ => None,
        }
    }
}

impl GemfileLock {
    /// The gems that Bundler installs on the `local` platform, one variant of each: those that DEPENDENCIES names, and those that the
    /// chosen variants depend on. With `force_ruby_platform`, Bundler's setting of that name, `local` does not matter.
    #[must_use]
    pub fn gems_for(&self, local: &GemPlatform, force_ruby_platform: bool) -> Choice<'_> {
        let local = if force_ruby_platform {
            &GemPlatform::Ruby
        } else {
            local
        };
        let variants = self.variants();
        let mut choice = Choice {
            gems: Vec::new(),
            unavailable: Vec::new(),
            servers_decide: !force_ruby_platform && self.is_for_ruby_only(),
        };
        // Bundler itself stands in no section, and comes by other ways.
        let mut seen = BTreeSet::from(["bundler"]);
        let mut wanted: VecDeque<_> = self.dependencies.iter().collect();
        while let Some(dependency) = wanted.pop_front() {
            let name = dependency.name.as_str();
            if !seen.insert(name) {
                continue;
            }
            let fitting = variants.get(name).into_iter().flatten();
            // Of equals, the first: Bundler sorts by full name.
            let best = fitting
                .filter(|(_, spec)| spec.platform.runs_on(local))
                .min_by_key(|(_, spec)| (spec.platform.distance_to(local), spec.full_name()));
            let Some((source, spec)) = best else {
                choice.unavailable.push(name);
                continue;
            };
            wanted.extend(&spec.dependencies);
            choice.gems.push(ChosenGem {
                spec,
                source,
                checksums: self.checksums_of(spec),
            });
        }
        choice
    }

    /// The CHECKSUMS entry of a locked gem: none where there is no entry, empty where it has no digest.
    #[must_use]
    pub fn checksums_of(&self, spec: &Spec) -> Option<&[Checksum]> {
        self.checksums.as_ref()?.of(&spec.full_name())
    }

    /// Whether no native platform was resolved for. Of several platforms, Bundler takes `ruby` for the least specific.
    fn is_for_ruby_only(&self) -> bool {
        let mut platforms = self.platforms.iter();
        !self.platforms.is_empty() && platforms.all(|platform| *platform == GemPlatform::Ruby)
    }

    /// The locked gems by name. Of one that is locked twice, Bundler knows the last.
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
