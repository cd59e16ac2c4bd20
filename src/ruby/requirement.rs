//! Ruby versions and requirements as users write them: those of RubyGems, with the spellings that
//! only Ruby versions have.

use crate::ruby::gem_version::{GemRequirement, NotAVersion};

/// Reads `3.3.8`, `3.3.8p144`, `~> 3.3.0`, `>= 3.2, < 4`, `3.*`.
///
/// # Errors
/// The text is not a requirement. Neither is `3.x`, which RubyGems would read as a pre-release.
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

/// Reads the values of version managers and build variables: all of [`ruby_requirement`]; a version
/// of one or two numbers for its newest release; `latest` and `*` for the newest of all; asdf's
/// `latest:3.3` and mise's `prefix:3.3`; a version before RVM's `@gemset`.
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

/// A version of one or two numbers means its newest release: there is no Ruby 3.3.
fn widened(requirement: GemRequirement) -> GemRequirement {
    match requirement.exact_version() {
        Some(version) if version.series(3) == version.series(2) && !version.is_prerelease() => {
            GemRequirement::series(version)
        }
        _ => requirement,
    }
}

/// Whether a version manager's value is not a release: the machine's own Ruby, a commit, a folder.
#[must_use]
pub fn names_no_release(text: &str) -> bool {
    text == "system"
        || ["ref:", "path:", "tag:", "branch:"]
            .iter()
            .any(|kind| text.starts_with(kind))
}

/// `3.3.8p144` and `3.3.8-p144` are 3.3.8: every Ruby since 2.1 has one patch level for each
/// version.
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

/// The help for a text that is not a requirement.
#[must_use]
pub fn how_to_write(text: &str) -> String {
    if names_no_release(text) {
        return format!(
            "`{text}` is not a release of Ruby, so it cannot be installed. Write a version such as \
             3.3.8."
        );
    }
    if text.contains("{{") || text.contains("{%") {
        return format!(
            "`{text}` is a template, which only mise can fill in. Write the version itself, such as \
             3.3.8, or name it in .ruby-version, which mise reads too (setting \
             `idiomatic_version_file_enable_tools`)."
        );
    }
    let series: Vec<_> = text.split('.').take_while(|part| !is_x(part)).collect();
    if has_placeholder(text) && !series.is_empty() {
        format!("Write `{}.*` for the newest of a series.", series.join("."))
    } else if let Some(version) = text
        .strip_prefix(['^', '~'])
        .filter(|rest| !rest.starts_with('>'))
    {
        format!("Write `~> {}`, as in RubyGems.", version.trim())
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
    fn requirements_in_all_their_spellings() {
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
    fn version_managers_have_more_spellings() {
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
    fn a_correct_spelling_is_suggested() {
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
