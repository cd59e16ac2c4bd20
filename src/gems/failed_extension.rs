//! A gem that could not be compiled: which, by what command, and what it missed, as RubyGems' output and the compiler's tell.

use crate::fetch::masked::masked;
use crate::gems::missing::Missing;
use fs_err as fs;
use miette::Diagnostic;
use std::path::PathBuf;
use thiserror::Error;

/// How RubyGems says so.
pub(super) const FAILED_EXTENSION: &str = "Failed to build gem native extension";

/// How many lines of the log are repeated at the end.
const LAST_LINES: usize = 12;

/// How much of a line is repeated: a compiler is called with a hundred options.
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

/// The command that failed.
#[derive(Debug, Error)]
#[error("in {folder}:\n{command}\n\nThe end of {log}:\n{end}")]
struct FailedCommand {
    folder: String,
    command: String,
    /// What the lines are of.
    log: String,
    end: String,
}

impl FailedExtension {
    /// The first that the output of `bundle install` tells of, by the logs that it names.
    #[must_use]
    pub(super) fn find(output: &str) -> Option<Self> {
        let place = Place::find(output)?;
        let log = fs::read_to_string(&place.log).ok()?;
        let mkmf_log = place
            .mkmf_log
            .and_then(|path| fs::read_to_string(path).ok());
        Self::read(place.gem, &log, mkmf_log.as_deref())
    }

    /// `log` is RubyGems' (`gem_make.out`): each command, after its folder and before its output. The last is the one that failed.
    fn read(gem: String, log: &str, mkmf_log: Option<&str>) -> Option<Self> {
        let (_, failed) = log.rsplit_once("current directory: ")?;
        let (folder, failed) = failed.split_once('\n')?;
        let (command, output) = failed.split_once('\n').unwrap_or((failed, ""));
        // What `extconf.rb` looked for is in a log of its own; what `make` says, in its output.
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

/// Which extension failed, and where its logs are.
#[derive(Debug, Eq, PartialEq)]
struct Place {
    /// Name and version.
    gem: String,
    log: PathBuf,
    mkmf_log: Option<PathBuf>,
}

impl Place {
    /// Bundler breaks its lines wherever there is a space.
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

/// An extension looks for many things and can do without most: the last that it missed is what it ended at.
fn help_for(missing: &[Missing<'_>]) -> String {
    let known = missing
        .iter()
        .rev()
        .find_map(|missing| Some((missing, missing.package()?)));
    match (known, missing.last()) {
        (Some((missing, package)), _) => {
            let also = match missing {
                Missing::Program(_) => "",
                _ => ", and the run image the library itself",
            };
            format!(
                "Debian and Ubuntu have {} in the package {package}. The build image has to have it{also}: take a builder that has, or \
                 put a buildpack that installs packages, such as heroku/deb-packages, before this one.",
                missing.in_words()
            )
        }
        (None, Some(missing)) => format!(
            "The last that it missed is {}, of no package that Formation knows. A library's headers have to be in the build image, and the library itself in the run image.",
            missing.in_words()
        ),
        (None, None) => "The log above says what it missed. A library's headers have to be in the build image, and the library itself \
                         in the run image."
            .to_string(),
    }
}

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
    fn the_logs_are_where_bundler_says() {
        let extension = "/nowhere/ruby/3.3.0/extensions/x86_64-linux/3.3.0/mysql_lite-1.0.0";
        let expected = Place {
            gem: "mysql_lite (1.0.0)".into(),
            log: format!("{extension}/gem_make.out").into(),
            mkmf_log: Some(format!("{extension}/mkmf.log").into()),
        };
        assert_eq!(Place::find(OUTPUT), Some(expected));
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
    fn other_failures_are_none_of_it() {
        assert!(FailedExtension::find("Could not find rack-99").is_none());
        assert!(FailedExtension::find(FAILED_EXTENSION).is_none());
        assert!(FailedExtension::find(OUTPUT).is_none(), "no log is there");
    }
}
