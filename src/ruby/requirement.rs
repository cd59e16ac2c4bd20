//! A Ruby version, or what it has to meet, as people write it: RubyGems' requirements, with what is only said of Rubies.

use crate::ruby::gem_version::{GemRequirement, NotAVersion};

/// Reads `3.3.8`, `3.3.8p144`, `~> 3.3.0`, `>= 3.2, < 4`, `3.*`.
///
/// # Errors
/// It is none. So is `3.x`, which RubyGems would take for a pre-release that nobody has made.
pub fn ruby_requirement(text: &str) -> Result<GemRequirement, NotAVersion> {
    let conditions: Vec<_> = text
        .split(',')
        .map(|condition| without_patch_level(condition.trim()))
        .collect();
    if conditions
        .iter()
        .any(|condition| has_placeholder(condition))
    {
        return Err(NotAVersion(text.to_string()));
    }
    conditions.join(", ").parse()
}

/// Reads what version managers and build variables hold: all of [`ruby_requirement`]; a version of one or two numbers, which stands
/// for its newest release; `latest` and `*`, the newest of all; `latest:3.3` of asdf and `prefix:3.3` of mise; RVM's gemset behind `@`.
///
/// # Errors
/// It is none.
pub fn managers_requirement(text: &str) -> Result<GemRequirement, NotAVersion> {
    if matches!(text, "latest" | "*") {
        return Ok(GemRequirement::any());
    }
    let series = ["latest:", "prefix:"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let version = series.unwrap_or(text);
    let version = version.split('@').next().unwrap_or_default();
    ruby_requirement(version).map(widened)
}

/// A version of one or two numbers stands for its newest release: no Ruby is called 3.3.
fn widened(requirement: GemRequirement) -> GemRequirement {
    match requirement.exact_version() {
        Some(version) if version.series(3) == version.series(2) && !version.is_prerelease() => {
            GemRequirement::series(version)
        }
        _ => requirement,
    }
}

/// Whether a version manager's value names no release: the machine's own Ruby, a commit, a folder.
#[must_use]
pub fn names_no_release(text: &str) -> bool {
    text == "system"
        || ["ref:", "path:", "tag:", "branch:"]
            .iter()
            .any(|kind| text.starts_with(kind))
}

/// `3.3.8p144` and `3.3.8-p144` are 3.3.8: every Ruby since 2.1 has one patch level for each version.
#[must_use]
pub fn without_patch_level(version: &str) -> &str {
    let parts = version.rsplit_once('p');
    match parts.map(|(number, level)| (number.strip_suffix('-').unwrap_or(number), level)) {
        Some((number, level))
            if number.ends_with(|c: char| c.is_ascii_digit())
                && !level.is_empty()
                && level.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            number
        }
        _ => version,
    }
}

/// What to write instead of a text that is no requirement.
#[must_use]
pub fn how_to_write(text: &str) -> String {
    if names_no_release(text) {
        return format!(
            "`{text}` is a Ruby of one machine, and an image has none of its own. Write a version such as 3.3.8."
        );
    }
    let series: Vec<_> = text.split('.').take_while(|part| !is_x(part)).collect();
    if has_placeholder(text) && !series.is_empty() {
        format!("Write `{}.*` for the newest of a series.", series.join("."))
    } else if let Some(version) = text
        .strip_prefix(['^', '~'])
        .filter(|rest| !rest.starts_with('>'))
    {
        format!("Write `~> {}`, as RubyGems does.", version.trim())
    } else if text.matches(['<', '>']).count() > 1 && !text.contains(',') {
        "Write a comma between requirements, as in `>= 3.2, < 4`.".to_string()
    } else {
        "Write a version such as 3.3.8, or a requirement such as `~> 3.3.0`.".to_string()
    }
}

fn has_placeholder(condition: &str) -> bool {
    condition.split('.').any(is_x)
}

fn is_x(segment: &str) -> bool {
    segment.trim().eq_ignore_ascii_case("x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_in_their_spellings() {
        for (text, expected) in [
            ("3.3.8", "3.3.8"),
            ("3.3.8p144", "3.3.8"),
            ("3.3.8-p144", "3.3.8"),
            ("~> 3.3.8p1", "~> 3.3.8"),
            (">= 3.2, < 4", ">= 3.2, < 4"),
            ("4.0.0-preview2", "4.0.0.preview2"),
            ("3.*", "~> 3.0"),
        ] {
            assert_eq!(ruby_requirement(text).unwrap().to_string(), expected);
        }
        for text in ["3.x", "3.3.X", "~> 3.x", "x", "", "latest"] {
            assert!(ruby_requirement(text).is_err(), "{text}");
        }
    }

    #[test]
    fn version_managers_say_more() {
        for (text, expected) in [
            ("3.3.8", "3.3.8"),
            ("3.3", "~> 3.3.0"),
            ("3", "~> 3.0"),
            ("~> 3.3", "~> 3.3"),
            ("latest", ">= 0"),
            ("*", ">= 0"),
            ("latest:3.3", "~> 3.3.0"),
            ("prefix:3", "~> 3.0"),
            ("3.3.8@gemset", "3.3.8"),
            ("4.0.0-preview2", "4.0.0.preview2"),
        ] {
            assert_eq!(managers_requirement(text).unwrap().to_string(), expected);
        }
        for text in [
            "system",
            "ref:main",
            "path:/opt",
            "sub-1:latest",
            "@",
            "head",
        ] {
            assert!(managers_requirement(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_meant_is_suggested() {
        assert!(how_to_write("3.x").contains("`3.*`"));
        assert!(how_to_write("3.3.x").contains("`3.3.*`"));
        assert!(how_to_write("newest").contains("3.3.8"));
        assert!(how_to_write("^3.3").contains("`~> 3.3`"));
        assert!(how_to_write("~3.3.1").contains("`~> 3.3.1`"));
        assert!(how_to_write(">=3.2 <4").contains("comma"));
        assert!(how_to_write("~> newest").contains("3.3.8"));
        assert!(how_to_write("x").contains("3.3.8"));
    }
}
