//! Whether the app is a Ruby app.

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
    /// It has a `package.json`, so it may need Node.js for its assets.
    pub node: bool,
}

/// Looks at the names in the app's folder, and for the file that `BUNDLE_GEMFILE` names. No file is
/// read.
pub fn detect(app_dir: &Path, bundle_gemfile: Option<&str>) -> io::Result<Detected> {
    let names: Vec<String> = fs_err::read_dir(app_dir)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    let has = |name: &str| names.iter().any(|found| found == name);
    let has_extension = |extension: &str| names.iter().any(|found| found.ends_with(extension));
    Ok(Detected {
        ruby: MARKERS.iter().any(|marker| has(marker))
            || has_extension(".gemspec")
            || (has(procfile::FILE_NAME) && has_extension(".rb"))
            || bundle_gemfile.is_some_and(|gemfile| app_dir.join(gemfile).is_file()),
        node: has("package.json"),
    })
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
                detect(dir.path(), None).unwrap(),
                Detected { ruby, node },
                "{files:?}"
            );
        }
    }

    #[test]
    fn a_gemfile_that_a_variable_names_makes_a_ruby_app() {
        let dir = tempfile::tempdir().unwrap();
        let named = Some("gemfiles/next.gemfile");
        assert!(!detect(dir.path(), named).unwrap().ruby);
        fs_err::create_dir(dir.path().join("gemfiles")).unwrap();
        fs_err::write(dir.path().join("gemfiles/next.gemfile"), "").unwrap();
        assert!(detect(dir.path(), named).unwrap().ruby);
    }
}
