//! Patterns of files, as Ruby's `Dir.glob` reads them: `plugins/*/Gemfile`, `{app,lib}/**/*.rb`.
//!
//! What is found may be more than Ruby finds, never less: a build that installs once too often does
//! no harm. A range such as `[a-z]` is any one character, and a name with a backslash is any name.

use fs_err as fs;
use std::collections::BTreeSet;
use std::path::Path;

/// The names, relative to a folder, of everything that a pattern finds in it, sorted. Hidden files
/// are found where `with_hidden` is set, or by a pattern that starts with a dot.
pub(super) fn find(folder: &Path, pattern: &str, with_hidden: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for pattern in alternatives(pattern) {
        let parts: Vec<_> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        walk(folder, "", &parts, with_hidden, &mut found);
    }
    found
}

fn walk(
    root: &Path,
    folder: &str,
    parts: &[&str],
    with_hidden: bool,
    found: &mut BTreeSet<String>,
) {
    let Some((part, rest)) = parts.split_first() else {
        return;
    };
    let is_deep = *part == "**";
    if is_deep {
        walk(root, folder, rest, with_hidden, found);
    }
    for name in names_in(&root.join(folder)) {
        let is_hidden = name.starts_with('.') && !with_hidden && !part.starts_with('.');
        if is_hidden || !(is_deep || matches(part.as_bytes(), name.as_bytes())) {
            continue;
        }
        let path = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        if rest.is_empty() {
            found.insert(path.clone());
        } else if !is_deep {
            walk(root, &path, rest, with_hidden, found);
        }
        // As in Ruby, `**` follows no links.
        if is_deep
            && root
                .join(&path)
                .symlink_metadata()
                .is_ok_and(|m| m.is_dir())
        {
            walk(root, &path, parts, with_hidden, found);
        }
    }
}

/// A folder that is not there, or cannot be read, has no names.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The patterns that a pattern with braces stands for.
fn alternatives(pattern: &str) -> Vec<String> {
    let Some((start, commas, end)) = first_braces(pattern) else {
        return vec![pattern.to_string()];
    };
    let bounds = std::iter::once(start).chain(commas.iter().copied());
    let ends = commas.iter().copied().chain([end]);
    bounds
        .zip(ends)
        .flat_map(|(from, to)| {
            let (before, choice, after) = (
                &pattern[..start],
                &pattern[from + 1..to],
                &pattern[end + 1..],
            );
            alternatives(&format!("{before}{choice}{after}"))
        })
        .collect()
}

/// The places of the first brace, of the commas that belong to it, and of the brace that closes it.
fn first_braces(pattern: &str) -> Option<(usize, Vec<usize>, usize)> {
    let start = pattern.find('{')?;
    let mut depth = 0;
    let mut commas = Vec::new();
    for (place, byte) in pattern.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b',' if depth == 1 => commas.push(place),
            b'}' if depth == 1 => return Some((start, commas, place)),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether a name is one of a pattern without slashes and braces.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if pattern.contains(&b'\\') {
        return true;
    }
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|start| matches(rest, &name[start..])),
        Some((b'[', rest)) if rest.contains(&b']') => {
            let end = rest
                .iter()
                .position(|byte| *byte == b']')
                .unwrap_or_default();
            any_character(name).any(|name| matches(&rest[end + 1..], name))
        }
        Some((b'?', rest)) => any_character(name).any(|name| matches(rest, name)),
        Some((byte, rest)) => name
            .split_first()
            .is_some_and(|(first, name)| byte == first && matches(rest, name)),
    }
}

/// What is left of a name without its first character, which has up to four bytes.
fn any_character(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    (1..=name.len().min(4)).map(|length| &name[length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "Gemfile",
            ".ruby-version",
            ".git/HEAD",
            "plugins/a/Gemfile",
            "plugins/a/lib/a.rb",
            "plugins/bä/PluginGemfile",
            "plugins/.c/Gemfile",
            "lib/deep/er/x.rb",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    #[test]
    fn as_in_ruby() {
        let app = app();
        for (pattern, expected) in [
            ("Gemfile", "Gemfile"),
            ("gone/*", ""),
            ("plugins/*/Gemfile", "plugins/a/Gemfile"),
            (
                "plugins/*/{Gemfile,PluginGemfile}",
                "plugins/a/Gemfile plugins/bä/PluginGemfile",
            ),
            ("{,plugins/{a,b}/}Gemfile", "Gemfile plugins/a/Gemfile"),
            ("plugins/??/*", "plugins/bä/PluginGemfile"),
            ("plugins/[a-c]/G*e", "plugins/a/Gemfile"),
            ("plugins/.*/Gemfile", "plugins/.c/Gemfile"),
            ("**/*.rb", "lib/deep/er/x.rb plugins/a/lib/a.rb"),
            ("lib/**/x.rb", "lib/deep/er/x.rb"),
            ("*", "Gemfile lib plugins"),
            ("lib/**", "lib/deep lib/deep/er lib/deep/er/x.rb"),
            ("{Gemfile", ""),
        ] {
            let found: Vec<_> = find(app.path(), pattern, false).into_iter().collect();
            assert_eq!(found.join(" "), expected, "{pattern}");
        }
    }

    #[test]
    fn hidden_files_are_found_where_they_are_asked_for() {
        let app = app();
        let found = find(app.path(), "*", true);
        assert!(found.contains(".git") && found.contains("lib"), "{found:?}");
        assert!(find(app.path(), "**", true).contains(".git/HEAD"));
    }

    #[test]
    fn a_link_that_leads_in_a_circle_ends() {
        let app = app();
        std::os::unix::fs::symlink("..", app.path().join("lib/up")).unwrap();
        let found = find(app.path(), "**/Gemfile", false);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
