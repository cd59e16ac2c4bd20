//! Gems that could not be compiled: which gems, the commands that failed, and what they did not find,
//! from the output of RubyGems and the compiler.

use crate::disk::DiskFault;
use crate::fetch::masked::masked;
use crate::gems::missing::Missing;
use crate::gems::mkmf_log::{compiler_that_does_not_start, without_options, without_test_programs};
use fs_err as fs;
use miette::Diagnostic;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How RubyGems reports a compilation that failed.
pub(super) const FAILED_EXTENSION: &str = "Failed to build gem native extension";

/// RubyGems' log of all commands of a compilation.
const LOG: &str = "gem_make.out";

/// The log of `extconf.rb`, beside the other.
const MKMF_LOG: &str = "mkmf.log";

/// RubyGems writes it beside the logs when the compilation is complete.
const COMPLETE: &str = "gem.build_complete";

/// How many lines at the end of the log are shown.
const LAST_LINES: usize = 12;

/// How many characters of a line are shown: a compiler may have a hundred options.
const LINE: usize = 100;

/// Gems that could not be compiled.
#[derive(Debug, Diagnostic, Error)]
pub enum FailedExtensions {
    #[error(transparent)]
    #[diagnostic(transparent)]
    One(FailedExtension),
    #[error("{} gems could not be compiled", .0.len())]
    #[diagnostic(help("{}", help_for_all(.0)))]
    Several(#[related] Vec<FailedExtension>),
}

/// A gem with an extension that could not be compiled.
#[derive(Debug, Diagnostic, Error)]
#[error("{gem} could not be compiled")]
#[diagnostic(help("{help}"))]
pub struct FailedExtension {
    gem: String,
    help: String,
    /// The package that has what is missing, if it is known.
    package: Option<String>,
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

impl FailedExtensions {
    /// That in the output of `bundle install`, and those whose compilation has failed beside it:
    /// Bundler ends at the first. All by the logs of RubyGems.
    #[must_use]
    pub(super) fn find(output: &str) -> Option<Self> {
        let logs = ExtensionLogs::find(output)?;
        let mut failed = vec![FailedExtension::read_logs(&logs)?];
        failed.extend(logs.others().iter().filter_map(FailedExtension::read_logs));
        Some(match failed.pop() {
            Some(only) if failed.is_empty() => Self::One(only),
            last => Self::Several(failed.into_iter().chain(last).collect()),
        })
    }
}

impl FailedExtension {
    fn read_logs(logs: &ExtensionLogs) -> Option<Self> {
        let log = lossy(&logs.log)?;
        let mkmf_log = logs.mkmf_log.as_deref().and_then(lossy);
        Self::read(logs.gem.clone(), &log, mkmf_log.as_deref())
    }

    /// `log` is RubyGems' `gem_make.out`: each command, between its folder and its output. The last
    /// command is the one that failed.
    fn read(gem: String, log: &str, mkmf_log: Option<&str>) -> Option<Self> {
        let (_, failed) = log.rsplit_once("current directory: ")?;
        let (folder, failed) = failed.split_once('\n')?;
        let (command, output) = failed.split_once('\n').unwrap_or((failed, ""));
        // `make` has only its output.
        let mkmf_log = mkmf_log.filter(|_| command.contains("extconf"));
        let compiler = mkmf_log.and_then(|log| compiler_that_does_not_start(log, output));
        // Where `extconf.rb` gives up by itself, mkmf knows of no error.
        let knows_why =
            |log: &str| log.contains("error") || log.lines().any(|l| Missing::in_line(l).is_some());
        let (name, text) = match mkmf_log.map(without_test_programs) {
            Some(text) if compiler.is_some() || knows_why(&text) => ("its mkmf.log", text),
            _ => ("its output", without_options(output).to_string()),
        };
        let logs = [mkmf_log.unwrap_or_default(), output];
        let mut missing: Vec<_> = logs
            .into_iter()
            .flat_map(str::lines)
            .filter_map(Missing::in_line)
            .collect();
        missing.extend(compiler.map(Missing::Program));
        let disk = logs.into_iter().find_map(DiskFault::told_in);
        Some(Self {
            gem,
            help: disk.map_or_else(|| help_for(&missing), |fault| fault.help().to_string()),
            package: in_package(&missing).map(|(_, package)| package.to_string()),
            command: FailedCommand {
                folder: folder.to_string(),
                command: masked(command),
                log: name.to_string(),
                end: last_lines(&text),
            },
        })
    }
}

/// A log's text: compilers quote source in any encoding.
fn lossy(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Installing the packages one by one would take a build for each.
fn help_for_all(failed: &[FailedExtension]) -> String {
    let packages: BTreeSet<_> = failed
        .iter()
        .filter_map(|gem| gem.package.as_deref())
        .flat_map(str::split_whitespace)
        .collect();
    if packages.is_empty() {
        return "Each is shown below.".to_string();
    }
    let packages: Vec<_> = packages.into_iter().collect();
    format!(
        "On Debian and Ubuntu, the build image needs these packages: {}. What each gem lacks is \
         shown below.",
        packages.join(" ")
    )
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

    /// The logs of the other gems that were tried, in the folders beside that of this one.
    fn others(&self) -> Vec<Self> {
        let Some(folder) = self.log.parent() else {
            return Vec::new();
        };
        let all = folder.parent().and_then(|all| fs::read_dir(all).ok());
        let folders = all.into_iter().flatten().filter_map(Result::ok);
        let mut others: Vec<_> = folders
            .map(|entry| entry.path())
            .filter(|other| other != folder && !other.join(COMPLETE).exists())
            .filter_map(|other| Self::in_folder(&other))
            .collect();
        others.sort_by(|left, right| left.gem.cmp(&right.gem));
        others
    }

    /// The folder is named like the gem: `mysql_lite-1.0.0`.
    fn in_folder(folder: &Path) -> Option<Self> {
        let name = folder.file_name()?.to_str()?;
        let (name, version) = name.rsplit_once('-')?;
        let [log, mkmf_log] = [LOG, MKMF_LOG].map(|file| folder.join(file));
        log.is_file().then(|| Self {
            gem: format!("{name} ({version})"),
            log,
            mkmf_log: mkmf_log.is_file().then_some(mkmf_log),
        })
    }
}

/// An extension may look for many things that it does not need: it fails at the last missing one.
fn in_package<'a>(missing: &[Missing<'a>]) -> Option<(Missing<'a>, &'a str)> {
    let with_package = |missing: &Missing<'a>| Some((*missing, missing.package()?));
    missing.iter().rev().find_map(with_package)
}

fn help_for(missing: &[Missing<'_>]) -> String {
    match (in_package(missing), missing.last()) {
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
        (None, Some(Missing::Program(program))) => format!(
            "The program {program} is not in the build image: use a builder that has it. If it is a \
             compiler, it is the one that this Ruby was built with, and names for its gems."
        ),
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
    use crate::report::plain;
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

    /// What `extconf.rb` of rmagick says where it finds no library: mkmf is not asked.
    const GIVES_UP: &str = indoc! {"
        current directory: /layers/gems/ruby/3.3.0/gems/rmagick-6.1.1/ext/RMagick
        /layers/ruby/bin/ruby -I /layers/ruby/lib/ruby/3.3.0 extconf.rb
        checking for brew... no
        Can't install RMagick 6.1.1. Can't find ImageMagick with pkg-config
        *** extconf.rb failed ***
        Could not create Makefile due to some reason, probably lack of necessary
        libraries and/or headers.

        Provided configuration options:
        \t--with-opt-dir
        \t--without-opt-dir
    "};

    /// Ruby names a compiler that is not there. Nothing stands between the command and the program.
    const NO_COMPILER: &str = indoc! {r#"
        LD_LIBRARY_PATH=.:/layers/ruby/lib "gcc-12 -o conftest -I/layers/ruby/include conftest.c -lruby"
        checked program was:
        /* begin */
        1: #include "ruby.h"
        /* end */

    "#};

    const NO_COMPILER_OUTPUT: &str = indoc! {"
        current directory: /layers/gems/ruby/3.3.0/gems/own-1.0.0/ext
        /layers/ruby/bin/ruby -I /layers/ruby/lib/ruby/3.3.0 extconf.rb
        /layers/ruby/lib/ruby/3.3.0/mkmf.rb:490:in `try_do': The compiler failed to generate an executable file. (RuntimeError)
        You have to install development tools first.
    "};

    const LINKER: &str = indoc! {r#"
        have_library: checking for own_start() in -lmysqlclient... -------------------- no

        LD_LIBRARY_PATH=.:/layers/ruby/lib "gcc -o conftest -I/layers/ruby/include conftest.c -lmysqlclient"
        /usr/bin/ld: cannot find -lmysqlclient: No such file or directory
        collect2: error: ld returned 1 exit status
        checked program was:
        /* begin */
         1: #include "ruby.h"
         2:
         3: /*top*/
         4: extern int t(void);
         5: int main(int argc, char **argv)
         6: {
         7:   if (argc > 1000000) {
         8:     int (* volatile tp)(void)=(int (*)(void))&t;
         9:     printf("%d", (*tp)());
        10:   }
        11:   return !!argv[argc];
        12: }
        /* end */

        --------------------

    "#};

    fn shown(log: &str, mkmf_log: Option<&str>) -> String {
        plain(&FailedExtension::read("own (1.0.0)".into(), log, mkmf_log).unwrap())
    }

    #[test]
    fn the_linkers_error_is_shown_and_not_the_test_program() {
        insta::assert_snapshot!(shown(EXTCONF, Some(LINKER)));
    }

    #[test]
    fn a_compiler_that_only_ruby_knows_is_named() {
        insta::assert_snapshot!(shown(NO_COMPILER_OUTPUT, Some(NO_COMPILER)));
        let by_shell = NO_COMPILER.replace("checked", "sh: 1: gcc-12: not found\nchecked");
        let report = shown(NO_COMPILER_OUTPUT, Some(&by_shell));
        assert!(report.contains("the package gcc-12"), "{report}");
        assert!(report.contains("sh: 1: gcc-12: not found"), "{report}");
        let other = NO_COMPILER.replace("gcc-12", "icx");
        let report = shown(NO_COMPILER_OUTPUT, Some(&other));
        assert!(
            report.contains("The program icx is not in the build image"),
            "{report}"
        );
    }

    #[test]
    fn an_extconf_that_gives_up_by_itself_is_shown_with_its_package() {
        insta::assert_snapshot!(shown(GIVES_UP, None));
    }

    #[test]
    fn a_compiler_that_has_no_room_has_the_help_of_the_disk() {
        let full = MAKE.replace(
            "own.c:1:10: fatal error: corp/own.h: No such file or directory",
            "/tmp/cc1.s: fatal error: error writing to /tmp/cc1.s: No space left on device",
        );
        let report = shown(&full, None);
        assert!(report.contains("The disk of the build is full"), "{report}");
    }

    #[test]
    fn all_gems_that_failed_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let extensions = "nowhere/ruby/3.3.0/extensions/x86_64-linux/3.3.0";
        let extensions = folder.path().join(extensions);
        for (name, log, mkmf_log, is_complete) in [
            ("mysql_lite-1.0.0", EXTCONF, Some(MKMF_LOG), false),
            ("own-1.0.0", MAKE, None, false),
            ("rmagick-6.1.1", GIVES_UP, None, false),
            ("bigdecimal-3.1.9", MAKE, None, true),
        ] {
            let place = extensions.join(name);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(LOG), log).unwrap();
            if let Some(text) = mkmf_log {
                fs::write(place.join("mkmf.log"), text).unwrap();
            }
            if is_complete {
                fs::write(place.join(COMPLETE), "").unwrap();
            }
        }
        let output = OUTPUT.replace("/nowhere", &format!("{}/nowhere", folder.path().display()));
        insta::assert_snapshot!(plain(&FailedExtensions::find(&output).unwrap()));

        for name in ["own-1.0.0", "rmagick-6.1.1"] {
            fs::remove_dir_all(extensions.join(name)).unwrap();
        }
        let one = FailedExtensions::find(&output).unwrap();
        assert!(plain(&one).contains("mysql_lite (1.0.0) could not be compiled"));
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
        assert!(FailedExtensions::find("Could not find rack-99").is_none());
        assert!(FailedExtensions::find(FAILED_EXTENSION).is_none());
        assert!(
            FailedExtensions::find(OUTPUT).is_none(),
            "the logs do not exist"
        );
    }
}
