//! Whether the app is a Ruby app.

use crate::app::javascript::{NodeNeeds, locks};
use std::io;
use std::path::Path;

/// Any of these makes a folder a Ruby app.
const MARKERS: [&str; 7] = [
    "Gemfile",
    "Gemfile.lock",
    "gems.rb",
    "gems.locked",
    "config.ru",
    "Rakefile",
    ".ruby-version",
];

/// What an app lacks that is not a Ruby app.
pub const NOT_FOUND: &str = "no Gemfile, gems.rb, config.ru, Rakefile, .ruby-version or *.gemspec, \
                             and no Procfile with *.rb files";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Detected {
    pub ruby: bool,
    pub node: NodeNeeds,
}

/// Looks at the names in the app's folder, and for the files that `BUNDLE_GEMFILE` and `BUNDLE_LOCKFILE`
/// name. Of the files only the lockfile is read.
pub fn detect(
    app_dir: &Path,
    bundle_gemfile: Option<&str>,
    bundle_lockfile: Option<&str>,
) -> io::Result<Detected> {
    let names: Vec<String> = fs_err::read_dir(app_dir)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    let has = |name: &str| names.iter().any(|found| found == name);
    let has_extension = |extension: &str| names.iter().any(|found| found.ends_with(extension));
    let lockfile = bundle_lockfile.map_or_else(
        || lockfile_name(bundle_gemfile, has("gems.rb")),
        String::from,
    );
    let lockfile = std::fs::read(app_dir.join(lockfile));
    let lockfile = String::from_utf8_lossy(&lockfile.unwrap_or_default()).into_owned();
    Ok(Detected {
        ruby: MARKERS.iter().any(|marker| has(marker))
            || has_extension(".gemspec")
            || (has(procfile::FILE_NAME) && has_extension(".rb"))
            || bundle_gemfile.is_some_and(|gemfile| app_dir.join(gemfile).is_file()),
        node: NodeNeeds::of(has("package.json"), |gem| locks(&lockfile, gem)),
    })
}

/// The lockfile of the Gemfile that Bundler takes. The build itself finds it more exactly.
fn lockfile_name(bundle_gemfile: Option<&str>, has_gems_rb: bool) -> String {
    match bundle_gemfile {
        Some(gemfile) => match gemfile.strip_suffix("gems.rb") {
            Some(folder) => format!("{folder}gems.locked"),
            None => format!("{gemfile}.lock"),
        },
        None if has_gems_rb => "gems.locked".to_string(),
        None => "Gemfile.lock".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_make_a_ruby_app() {
        for (files, ruby, node) in [
            (vec!["Gemfile"], true, false),
            (vec!["gems.rb"], true, false),
            (vec!["Gemfile.lock"], true, false),
            (vec!["config.ru"], true, false),
            (vec!["Rakefile"], true, false),
            (vec![".ruby-version"], true, false),
            (vec!["billing.gemspec"], true, false),
            (vec!["Procfile", "worker.rb"], true, false),
            (vec!["Gemfile", "package.json"], true, true),
            (vec!["worker.rb"], false, false),
            (vec!["Procfile"], false, false),
            (vec!["package.json"], false, true),
            (vec![], false, false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for file in &files {
                fs_err::write(dir.path().join(file), "").unwrap();
            }
            assert_eq!(
                detect(dir.path(), None, None).unwrap(),
                Detected {
                    ruby,
                    node: NodeNeeds {
                        packages: node,
                        runtime: false
                    }
                },
                "{files:?}"
            );
        }
    }

    #[test]
    fn a_gemfile_that_a_variable_names_makes_a_ruby_app() {
        let dir = tempfile::tempdir().unwrap();
        let named = Some("gemfiles/next.gemfile");
        assert!(!detect(dir.path(), named, None).unwrap().ruby);
        fs_err::create_dir(dir.path().join("gemfiles")).unwrap();
        fs_err::write(dir.path().join("gemfiles/next.gemfile"), "").unwrap();
        assert!(detect(dir.path(), named, None).unwrap().ruby);
    }

    #[test]
    fn a_gem_of_the_lockfile_may_need_node() {
        for (lockfile, gemfile, named) in [
            ("Gemfile.lock", None, None),
            ("gems.locked", None, None),
            ("next.gemfile.lock", Some("next.gemfile"), None),
            ("next/gems.locked", Some("next/gems.rb"), None),
            ("next/other.lock", None, Some("next/other.lock")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs_err::create_dir(dir.path().join("next")).unwrap();
            fs_err::write(dir.path().join(lockfile), "    execjs (2.10.0)\n").unwrap();
            if lockfile == "gems.locked" {
                fs_err::write(dir.path().join("gems.rb"), "").unwrap();
            }
            let detected = detect(dir.path(), gemfile, named).unwrap();
            assert!(detected.node.runtime, "{lockfile}");
        }
    }
}
