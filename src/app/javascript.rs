//! What a Ruby app needs of Node.js: packages for its assets, or a JavaScript runtime for gems that
//! run JavaScript.

use crate::report;
use std::path::Path;

/// What of Node.js the app needs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NodeNeeds {
    /// It has a `package.json`: its assets may be made with Node.js and its packages.
    pub packages: bool,
    /// A gem runs JavaScript (`execjs`), at build and at launch, and no gem brings an engine.
    pub runtime: bool,
}

/// Has JavaScript run by whatever engine it finds, and does not load without one.
const RUNS_JAVASCRIPT: &str = "execjs";

/// The gems with an engine of their own that `execjs` finds.
const ENGINES: [&str; 3] = ["mini_racer", "duktape", "therubyracer"];

impl NodeNeeds {
    /// `has_gem` says whether a gem is locked.
    #[must_use]
    pub fn of(has_package_json: bool, has_gem: impl Fn(&str) -> bool) -> Self {
        Self {
            packages: has_package_json,
            runtime: has_gem(RUNS_JAVASCRIPT) && !ENGINES.into_iter().any(has_gem),
        }
    }

    #[must_use]
    pub fn any(self) -> bool {
        self.packages || self.runtime
    }

    /// Says in the log what to add where nothing in this build provides Node.js: the build goes on.
    pub fn show(self) {
        let path = std::env::var("PATH").unwrap_or_default();
        if let Some(hint) = self.hint(has_node(&path)) {
            report::step("Node.js");
            report::detail(hint);
        }
    }

    fn hint(self, has_node: bool) -> Option<String> {
        let (why, add) = match self {
            _ if has_node => return None,
            Self { packages: true, .. } => (
                "the app has a package.json",
                "--buildpack heroku/nodejs --buildpack formation/ruby",
            ),
            Self { runtime: true, .. } => (
                "the locked gem execjs runs JavaScript, and does not load without a runtime",
                "--buildpack paketo-buildpacks/node-engine --buildpack formation/ruby",
            ),
            Self { .. } => return None,
        };
        let engine = if self.runtime {
            "; or lock the gem mini_racer, which brings a JavaScript engine"
        } else {
            ""
        };
        Some(format!(
            "There is no Node.js in this build, but {why}. If it is needed, put a buildpack that \
             provides it before this one: `pack build {add}`{engine}"
        ))
    }
}

/// Whether a lockfile's text locks a gem. It need not be a valid lockfile.
#[must_use]
pub fn locks(lockfile: &str, gem: &str) -> bool {
    let locked = |line: &str| {
        line.strip_prefix("    ")?
            .strip_prefix(gem)
            .map(String::from)
    };
    lockfile
        .lines()
        .filter_map(locked)
        .any(|rest| rest.starts_with(" ("))
}

fn has_node(path: &str) -> bool {
    path.split(':')
        .any(|folder| Path::new(folder).join("node").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gems_that_run_javascript_need_a_runtime() {
        let of = |gems: &[&str]| NodeNeeds::of(false, |gem| gems.contains(&gem)).runtime;
        assert!(of(&["execjs", "rack"]));
        assert!(!of(&["rack"]));
        assert!(!of(&["execjs", "mini_racer"]));
    }

    #[test]
    fn a_gem_is_locked_by_its_whole_name() {
        let lockfile =
            "GEM\n  specs:\n    execjs (2.10.0)\n    uglifier (4.2.0)\n      racc (>= 1)\n";
        assert!(locks(lockfile, "execjs") && locks(lockfile, "uglifier"));
        for gem in ["exec", "execjs-x", "racc", "js"] {
            assert!(!locks(lockfile, gem), "{gem}");
        }
    }

    #[test]
    fn the_log_says_what_to_add_where_there_is_no_node() {
        let hint = |packages, runtime| NodeNeeds { packages, runtime }.hint(false);
        insta::assert_snapshot!(
            [(true, false), (false, true), (true, true), (false, false)]
                .map(|(packages, runtime)| format!("{:?}", hint(packages, runtime)))
                .join("\n")
        );
        let needs = NodeNeeds {
            packages: true,
            runtime: true,
        };
        assert_eq!(needs.hint(true), None);
    }

    #[test]
    fn node_is_a_program_on_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = format!("/nowhere:{}", folder.path().display());
        assert!(!has_node(&path));
        fs_err::write(folder.path().join("node"), "").unwrap();
        assert!(has_node(&path));
    }
}
