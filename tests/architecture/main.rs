//! The order of the modules is the one that docs/architecture.md gives, and no two files import
//! each other.
//!
//! Read are `use` declarations and paths that start with `crate::` or `super::`, outside of tests.
//! A module that names its own submodules is no import: that is its table of contents.

mod source;

use sha2::{Digest, Sha256};
use source::{Crate, Files};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The heading in the page, above a table whose first column are the crate's modules in order, and
/// the crate's folder.
const CRATES: [(&str, &str); 3] = [
    ("## The buildpack", "."),
    ("## The program in the image", "crates/formation"),
    ("## What both share", "crates/procfile"),
];

/// The names in the first column of the first table below a heading.
fn order_in_page(heading: &str) -> Vec<String> {
    let page = fs::read_to_string("docs/architecture.md").expect("docs/architecture.md");
    let (_, section) = page
        .split_once(&format!("{heading}\n"))
        .unwrap_or_else(|| panic!("docs/architecture.md has no heading `{heading}`"));
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with("| `"))
        .take_while(|line| line.starts_with("| `"));
    rows.filter_map(|row| row.split('`').nth(1).map(String::from))
        .collect()
}

#[test]
fn every_module_imports_only_from_modules_above_it() {
    let mut against = Vec::new();
    for (heading, folder) in CRATES {
        let order = order_in_page(heading);
        let files = Files::of(&Crate::at(folder));
        let named: BTreeSet<_> = order.iter().cloned().collect();
        assert_eq!(files.top_level(), named, "the table below `{heading}`");
        let place = |module: &str| order.iter().position(|name| name == module);
        for (from, to) in files.imports() {
            let (Some(upper), Some(lower)) = (files.top_of(to), files.top_of(from)) else {
                continue; // lib.rs and main.rs are the tables of contents.
            };
            if place(upper) > place(lower) {
                against.push(format!("{from} imports {to}, which stands below it"));
            }
        }
    }
    assert!(against.is_empty(), "\n{}", against.join("\n"));
}

#[test]
fn the_drawing_is_that_of_its_text() {
    let text = fs::read("docs/architecture.dot").expect("the text");
    let drawing = fs::read_to_string("docs/architecture.svg").expect("the drawing");
    let digest = hex::encode(Sha256::digest(text));
    assert!(drawing.contains(&digest), "run script/draw");
}

#[test]
fn no_two_files_import_each_other() {
    let mut cycles = Vec::new();
    for (_, folder) in CRATES {
        let files = Files::of(&Crate::at(folder));
        let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, to) in files.imports() {
            imports.entry(from).or_default().insert(to);
        }
        cycles.extend(cycles_of(&imports));
    }
    assert!(cycles.is_empty(), "\n{}", cycles.join("\n"));
}

/// For each file that can be reached from itself: the shortest way back.
fn cycles_of(imports: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut cycles = Vec::new();
    for start in imports.keys() {
        let mut ways = vec![vec![*start]];
        let mut reached = BTreeSet::new();
        let mut cycle = None;
        while let Some(way) = (cycle.is_none() && !ways.is_empty()).then(|| ways.remove(0)) {
            let last = way.last().copied().unwrap_or_default();
            for next in imports.get(last).into_iter().flatten() {
                if next == start {
                    cycle = Some(way.clone());
                } else if reached.insert(*next) {
                    ways.push([way.as_slice(), &[*next]].concat());
                }
            }
        }
        if let Some(cycle) = cycle
            && !cycle.iter().any(|file| seen.contains(file))
        {
            seen.extend(cycle.iter().copied());
            cycles.push([cycle.join(" -> "), (*start).to_string()].join(" -> "));
        }
    }
    cycles
}
