//! The files of a crate, and what they import from each other.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static INLINE_PATH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:crate|super)(?:::\w+)+").expect("a pattern"));
static DECLARATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^ *(?:pub(?:\([a-z ]+\))? )?use ([^;]+);").expect("a pattern")
});

/// A crate's folder.
pub(crate) struct Crate {
    source: PathBuf,
}

impl Crate {
    pub(crate) fn at(folder: &str) -> Self {
        Self {
            source: Path::new(folder).join("src"),
        }
    }
}

/// The files of a crate by their module paths (`ruby::choice`; the crate's root has none), with the
/// imports among them.
pub(crate) struct Files {
    names: BTreeMap<Vec<String>, String>,
    imports: BTreeSet<(String, String)>,
}

impl Files {
    pub(crate) fn of(of: &Crate) -> Self {
        let mut texts = BTreeMap::new();
        read_folder(&of.source, &mut Vec::new(), &mut texts);
        let names: BTreeMap<_, _> = texts
            .iter()
            .map(|(module, (name, _))| (module.clone(), name.clone()))
            .collect();
        let mut imports = BTreeSet::new();
        for (module, (name, text)) in &texts {
            for path in paths_in(&without_tests(text)) {
                let Some(target) = resolve(module, &path, &names) else {
                    continue;
                };
                if !target.starts_with(module) {
                    imports.insert((name.clone(), names[&target].clone()));
                }
            }
        }
        Self { names, imports }
    }

    /// Pairs of file names: the first imports from the second.
    pub(crate) fn imports(&self) -> impl Iterator<Item = (&str, &str)> {
        self.imports
            .iter()
            .map(|(from, to)| (from.as_str(), to.as_str()))
    }

    pub(crate) fn top_level(&self) -> BTreeSet<String> {
        self.names
            .keys()
            .filter_map(|module| module.first().cloned())
            .collect()
    }

    /// The top-level module that a file belongs to.
    pub(crate) fn top_of(&self, file: &str) -> Option<&str> {
        let (module, _) = self.names.iter().find(|(_, name)| *name == file)?;
        module.first().map(String::as_str)
    }
}

type Texts = BTreeMap<Vec<String>, (String, String)>;

fn read_folder(folder: &Path, module: &mut Vec<String>, texts: &mut Texts) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            // Binaries are thin, and snapshots no source.
            if !["bin", "snapshots"].contains(&&*stem) {
                module.push(stem.into_owned());
                read_folder(&path, module, texts);
                module.pop();
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !["main", "tests", "against_bash"].contains(&&*stem)
        {
            let mut module = module.clone();
            if !["mod", "lib"].contains(&&*stem) {
                module.push(stem.into_owned());
            }
            let text = fs::read_to_string(&path).expect("a source file");
            texts.insert(module, (path.display().to_string(), text));
        }
    }
}

/// A file's text up to its tests, without comments.
fn without_tests(text: &str) -> String {
    let text = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// The paths that begin with `crate` or `super`, each as its parts.
fn paths_in(text: &str) -> Vec<Vec<String>> {
    let parts = |path: &str| {
        path.split("::")
            .map(|part| part.trim().to_string())
            .collect()
    };
    let mut paths: Vec<Vec<String>> = INLINE_PATH
        .find_iter(text)
        .map(|path| parts(path.as_str()))
        .collect();
    for declaration in DECLARATION.captures_iter(text) {
        let tree: String = declaration[1]
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let flat = flattened(&tree);
        paths.extend(flat.iter().map(|path| parts(path)));
    }
    paths.retain(|path| ["crate", "super"].contains(&path[0].as_str()));
    paths
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn flattened(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or(tree).to_string()];
    };
    let inside = &rest[..rest.rfind('}').unwrap_or(rest.len())];
    let mut depth = 0_usize;
    let items = inside.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    items
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .flat_map(flattened)
        .map(|item| format!("{prefix}{item}"))
        .collect()
}

/// The module of a crate that a path leads to or into.
fn resolve(
    module: &[String],
    path: &[String],
    names: &BTreeMap<Vec<String>, String>,
) -> Option<Vec<String>> {
    let mut target: Vec<String> = if path[0] == "crate" {
        Vec::new()
    } else {
        module[..module.len().checked_sub(1)?].to_vec()
    };
    for part in &path[1..] {
        match part.as_str() {
            "super" => drop(target.pop()),
            "self" => {}
            part => {
                target.push(part.to_string());
                if !names.contains_key(&target) {
                    target.pop();
                    break;
                }
            }
        }
    }
    names.contains_key(&target).then_some(target)
}
