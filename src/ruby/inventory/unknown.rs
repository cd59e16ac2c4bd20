//! The error of a Ruby that no inventory lists: the nearest versions, and how to add one.

use super::{Inventory, VARIABLE, arch_name, is_for};
use crate::ruby::gem_version::{GemRequirement, GemVersion};
use libcnb::Target;
use miette::Diagnostic;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// How many versions an error lists.
const LISTED: usize = 12;

#[derive(Clone, Debug, Diagnostic, Error, Eq, PartialEq)]
#[error("there is no Ruby {asked} (asked for by {asked_by}) for {target}")]
#[diagnostic(help(
    "{available}\n\
     There are two ways to add a Ruby of your own:\n\
     1. Formation's `script/build-ruby` builds it for this distribution, and writes its \
     inventory.\n\
     2. Write an inventory with the URL and the SHA-256 of an archive that you have.\n\
     Set {VARIABLE} to the inventory's URL, or to its path in the build container."
))]
pub struct UnknownRuby {
    asked: String,
    asked_by: String,
    target: String,
    available: String,
}

/// The error for a requirement, with what the inventories list for this target and for others.
#[must_use]
pub fn unknown(
    inventories: &[Inventory],
    requirement: &GemRequirement,
    asked_by: String,
    target: &Target,
) -> UnknownRuby {
    let rows = || {
        inventories
            .iter()
            .flat_map(|inventory| &inventory.artifacts)
    };
    let versions: BTreeSet<_> = rows()
        .filter(|row| is_for(row, target))
        .map(|row| &row.version)
        .collect();
    let nearest = nearest_first(versions, requirement.anchor());
    let listed = list(nearest.iter().take(LISTED));
    let mut available = match nearest.len() {
        0 => "No Ruby is available for this target.".to_string(),
        count if count <= LISTED => format!("Available: {listed}."),
        count => format!("Nearest: {listed} (of {count} versions)."),
    };
    let elsewhere = rows()
        .filter(|row| requirement.matches(&row.version))
        .max_by(|left, right| left.version.cmp(&right.version));
    if let Some(newest) = elsewhere {
        let mut places: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for row in rows().filter(|row| row.version == newest.version) {
            let arches = places.entry(row.metadata.target_name()).or_default();
            arches.insert(arch_name(row));
        }
        let places = places
            .iter()
            .map(|(place, arches)| format!("{place} ({})", list(arches.iter())));
        available = format!(
            "{available}\nRuby {} is available for other targets: {}.",
            newest.version,
            list(places)
        );
    }
    UnknownRuby {
        asked: requirement.to_string(),
        asked_by,
        target: format!(
            "{} {} on {}",
            target.distro_name, target.distro_version, target.arch
        ),
        available,
    }
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    items.join(", ")
}

/// First the patch releases of the wanted series, the closest first; then the other series, the
/// nearest first, each with its newest release first.
fn nearest_first<'a>(
    versions: BTreeSet<&'a GemVersion>,
    wanted: &'a GemVersion,
) -> Vec<&'a GemVersion> {
    let series = |version: &GemVersion| (version.number(0), version.number(1));
    let all_series: BTreeSet<_> = versions
        .iter()
        .copied()
        .chain([wanted])
        .map(series)
        .collect();
    let rank = |version| {
        all_series
            .iter()
            .take_while(|other| **other < series(version))
            .count()
    };
    let mut sorted: Vec<_> = versions.into_iter().collect();
    sorted.sort_by_key(|version| {
        let distance = rank(version).abs_diff(rank(wanted));
        let patches = if distance == 0 {
            version.number(2).abs_diff(wanted.number(2))
        } else {
            0
        };
        let is_preview = version.is_prerelease() && !wanted.is_prerelease();
        (
            distance,
            Reverse(series(version)),
            is_preview,
            patches,
            Reverse(*version),
        )
    });
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first() {
        let versions: Vec<GemVersion> = [
            "3.2.9",
            "3.3.1",
            "3.3.4",
            "3.3.6",
            "3.4.0",
            "3.4.2",
            "4.0.0-preview2",
            "4.0.1",
        ]
        .iter()
        .map(|version| version.parse().unwrap())
        .collect();
        for (wanted, expected) in [
            (
                "3.3.5",
                "3.3.6, 3.3.4, 3.3.1, 3.4.2, 3.4.0, 3.2.9, 4.0.1, 4.0.0.preview2",
            ),
            (
                "4.0.9",
                "4.0.1, 4.0.0.preview2, 3.4.2, 3.4.0, 3.3.6, 3.3.4, 3.3.1, 3.2.9",
            ),
            (
                "2.7.8",
                "3.2.9, 3.3.6, 3.3.4, 3.3.1, 3.4.2, 3.4.0, 4.0.1, 4.0.0.preview2",
            ),
        ] {
            let wanted = wanted.parse().unwrap();
            let sorted = nearest_first(versions.iter().collect(), &wanted);
            assert_eq!(list(sorted.iter()), expected, "{wanted}");
        }
    }
}
