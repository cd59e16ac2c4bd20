//! A gem that could not be compiled: which gem, the command that failed, and what it did not find,
//! from the output of RubyGems and the compiler.

use crate::fetch::masked::masked;
use crate::gems::missing::Missing;
use fs_err as fs;
use miette::Diagnostic;
use std::path::PathBuf;
use thiserror::Error;

/// How RubyGems reports a compilation that failed.
pub(super) const FAILED_EXTENSION: &str = "Failed to build gem native extension";

/// How many lines at the end of the log are shown.
const LAST_LINES: usize = 12;

/// How many characters of a line are shown: a compiler may have a hundred options.
const LINE: usize = 100;

/// A gem with an extension that could not be compiled.
#[derive(Debug, Diagnostic, Error)]
#[error("{gem} could not be compiled")]
#[diagnostic(help("{help}"))]
pub struct FailedExtension {
    gem: String,
    help: String,
    #[source]
    command: FailedCommand,
}

#[derive(Debug, Error)]
#[error("in {folder}:\n{command}\n\nThe end of {log}:\n{end}")]
struct FailedCommand {
    folder: String,
    command: String,
    /// The log that the lines are from, in words.
    log: String,
    end: String,
}

impl FailedExtension {
    /// The first in the output of `bundle install`, from the logs that the output names.
    #[must_use]
    pub(super) fn find(output: &str) -> Option<Self> {
        let logs = ExtensionLogs::find(output)?;
        let log = fs::read_to_string(&logs.log).ok()?;
        let mkmf_log = logs.mkmf_log.and_then(|path| fs::read_to_string(path).ok());
        Self::read(logs.gem, &log, mkmf_log.as_deref())
    }

    /// `log` is RubyGems' `gem_make.out`: each command, between its folder and its output. The last
    /// command is the one that failed.
    fn read(gem: String, log: &str, mkmf_log: Option<&str>) -> Option<Self> {
        let (_, failed) = log.rsplit_once("current directory: ")?;
        let (folder, failed) = failed.split_once('\n')?;
        let (command, output) = failed.split_once('\n').unwrap_or((failed, ""));
        // `extconf.rb` has a log of its own; `make` has only its output.
        let (log, text) = match mkmf_log {
            Some(text) => ("its mkmf.log", text),
            None => ("its output", output),
        };
        let missing: Vec<_> = [mkmf_log.unwrap_or_default(), output]
            .into_iter()
            .flat_map(str::lines)
            .filter_map(Missing::in_line)
            .collect();
        Some(Self {
            gem,
            help: help_for(&missing),
            command: FailedCommand {
                folder: folder.to_string(),
                command: masked(command),
                log: log.to_string(),
                end: last_lines(text),
            },
        })
    }
}

/// The gem that failed, and the paths of its logs.
#[derive(Debug, Eq, PartialEq)]
struct ExtensionLogs {
    /// Name and version.
    gem: String,
    log: PathBuf,
    mkmf_log: Option<PathBuf>,
}

impl ExtensionLogs {
    /// Bundler may break a line at any space.
    fn find(output: &str) -> Option<Self> {
        let words: Vec<_> = output.split_whitespace().collect();
        let text = words.join(" ");
        let (_, report) = text.split_once(FAILED_EXTENSION)?;
        let (_, gem) = report.split_once("An error occurred while installing ")?;
        let (gem, _) = gem.split_once(", and Bundler")?;
        let (report, log) = report.split_once("Results logged to ")?;
        let mkmf_log = report.split(' ').find(|word| word.ends_with("/mkmf.log"));
        Some(Self {
            gem: gem.to_string(),
            log: log.split(' ').next()?.into(),
            mkmf_log: mkmf_log.map(PathBuf::from),
        })
    }
}

/// An extension may look for many things that it does not need: it fails at the last missing one.
fn help_for(missing: &[Missing<'_>]) -> String {
    let in_package = missing
        .iter()
        .rev()
        .find_map(|missing| Some((missing, missing.package()?)));
    match (in_package, missing.last()) {
        (Some((missing, package)), _) => {
            let (needs, them) = match missing {
                Missing::Program(_) => ("", "it"),
                _ => (", and the run image the library itself", "them"),
            };
            format!(
                "On Debian and Ubuntu, {} is in the package {package}. The build image needs that \
                 package{needs}: use a builder that has {them}, or a buildpack before this one \
                 that installs packages, such as heroku/deb-packages.",
                missing.in_words()
            )
        }
        (None, Some(missing)) => format!(
            "The last thing that was not found is {}; Formation knows no package that has it. {NEEDED}",
            missing.in_words()
        ),
        (None, None) => format!("The log above says what is missing. {NEEDED}"),
    }
}

/// What an extension needs in general.
const NEEDED: &str = "The build image needs the headers of a library, and the run image the \
                      library itself.";

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .map(|line| match line.char_indices().nth(LINE) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.to_string(),
        })
        .collect();
    masked(&lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use indoc::indoc;
    use procfile::assert_report;

    const OUTPUT: &str = indoc! {"
        Installing mysql_lite 1.0.0 with native extensions
        Gem::Ext::BuildError: ERROR: Failed to build gem native extension.

        current directory:
        /layers/gems/ruby/3.3.0/gems/mysql_lite-1.0.0/ext/mysql_lite
        /layers/ruby/bin/ruby -I /layers/ruby/lib/ruby/3.3.0 extconf.rb
        checking for mysql.h... no

        To see why this extension failed to compile, please check the mkmf.log which can
        be found here:

        /nowhere/ruby/3.3.0/extensions/x86_64-linux/3.3.0/mysql_lite-1.0.0/mkmf.log

        extconf failed, exit code 1

        Gem files will remain installed in
        /layers/gems/ruby/3.3.0/gems/mysql_lite-1.0.0 for inspection.
        Results logged to
        /nowhere/ruby/3.3.0/extensions/x86_64-linux/3.3.0/mysql_lite-1.0.0/gem_make.out

        An error occurred while installing mysql_lite (1.0.0), and Bundler cannot
        continue.
    "};

    const EXTCONF: &str = indoc! {"
        current directory: /layers/gems/ruby/3.3.0/gems/mysql_lite-1.0.0/ext/mysql_lite
        /layers/ruby/bin/ruby -I /layers/ruby/lib/ruby/3.3.0 extconf.rb
        checking for mysql.h... no
        *** extconf.rb failed ***

        To see why this extension failed to compile, please check the mkmf.log which can be found here:

          /nowhere/ruby/3.3.0/extensions/x86_64-linux/3.3.0/mysql_lite-1.0.0/mkmf.log

        extconf failed, exit code 1
    "};

    const MKMF_LOG: &str = indoc! {r#"
        "gcc -o conftest -I/layers/ruby/include/ruby-3.3.0 conftest.c -lruby-3.3"
        checked program was:
        /* begin */
        1: #include "ruby.h"
        /* end */

        have_header: checking for optional.h... -------------------- no

        conftest.c:3:10: fatal error: optional.h: No such file or directory

        have_header: checking for mysql.h... -------------------- no

        "gcc -I/layers/ruby/include/ruby-3.3.0/x86_64-linux -I/layers/ruby/include/ruby-3.3.0 -O2 -Wall -Wextra -fPIC -c conftest.c"
        conftest.c:3:10: fatal error: mysql.h: No such file or directory
            3 | #include <mysql.h>
              |          ^~~~~~~~~
        compilation terminated.
        checked program was:
        /* begin */
        1: #include "ruby.h"
        2:
        3: #include <mysql.h>
        /* end */

        --------------------

    "#};

    const MAKE: &str = indoc! {r"
        current directory: /layers/gems/ruby/3.3.0/gems/own-1.0.0/ext
        /layers/ruby/bin/ruby -I /layers/ruby/lib/ruby/3.3.0 extconf.rb
        creating Makefile

        current directory: /layers/gems/ruby/3.3.0/gems/own-1.0.0/ext
        make DESTDIR\= sitearchdir\=./.gem.1 sitelibdir\=./.gem.1
        compiling own.c
        own.c:1:10: fatal error: corp/own.h: No such file or directory
            1 | #include <corp/own.h>
              |          ^~~~~~~~~~~~
        compilation terminated.
        make: *** [Makefile:248: own.o] Error 1

        make failed, exit code 2
    "};

    #[test]
    fn the_logs_are_those_that_bundler_names() {
        let extension = "/nowhere/ruby/3.3.0/extensions/x86_64-linux/3.3.0/mysql_lite-1.0.0";
        let expected = ExtensionLogs {
            gem: "mysql_lite (1.0.0)".into(),
            log: format!("{extension}/gem_make.out").into(),
            mkmf_log: Some(format!("{extension}/mkmf.log").into()),
        };
        assert_eq!(ExtensionLogs::find(OUTPUT), Some(expected));
    }

    #[test]
    fn a_missing_header_is_shown_with_its_package() {
        let gem = "mysql_lite (1.0.0)".to_string();
        assert_report!(FailedExtension::read(gem, EXTCONF, Some(MKMF_LOG)).unwrap());
    }

    #[test]
    fn a_failed_make_is_shown_with_its_output() {
        assert_report!(FailedExtension::read("own (1.0.0)".to_string(), MAKE, None).unwrap());
    }

    #[test]
    fn the_remedy_depends_on_what_is_missing() {
        let remedies = [
            vec![],
            vec![Missing::Header("corp/own.h")],
            vec![Missing::Library("pq"), Missing::Header("corp/own.h")],
            vec![Missing::Program("cmake")],
        ];
        let remedies = remedies.map(|missing| format!("{missing:?}\n  → {}", help_for(&missing)));
        insta::assert_snapshot!(remedies.join("\n"));
    }

    #[test]
    fn other_failures_are_not_taken_for_it() {
        assert!(FailedExtension::find("Could not find rack-99").is_none());
        assert!(FailedExtension::find(FAILED_EXTENSION).is_none());
        assert!(
            FailedExtension::find(OUTPUT).is_none(),
            "the logs do not exist"
        );
    }
}
