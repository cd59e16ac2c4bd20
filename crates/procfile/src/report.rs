//! How errors and warnings are shown, and how messages write amounts.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Columns of a report. Wide enough for a lockfile line, narrow enough for a CI log.
const WIDTH: usize = 110;

static COLOURS: AtomicBool = AtomicBool::new(true);

/// Whether reports have colours, from now on.
pub fn use_colours(colours: bool) {
    COLOURS.store(colours, Ordering::Relaxed);
}

/// Prints a report to standard error.
pub fn error(diagnostic: &dyn Diagnostic) {
    let colours = COLOURS.load(Ordering::Relaxed);
    // If standard error is closed, nobody can be told.
    let _ = writeln!(io::stderr(), "\n{}", render(diagnostic, colours));
}

/// The text of a report without colours.
#[must_use]
pub fn plain(diagnostic: &dyn Diagnostic) -> String {
    render(diagnostic, false)
}

fn render(diagnostic: &dyn Diagnostic, colours: bool) -> String {
    let theme = if colours {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let mut text = String::new();
    let text = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_context_lines(1)
        .render_report(&mut text, diagnostic)
        .map_or_else(|_| diagnostic.to_string(), |()| text);
    // A NUL byte in a source excerpt makes tools treat the whole log as a binary file.
    text.replace('\0', "\u{2400}")
}

/// `1 gem`, `2 gems`. The count may be text: layer metadata keeps numbers as text.
#[must_use]
pub fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Millions of bytes with one decimal: `12.3`.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// For tests: compares the plain report with the test's snapshot file, which has the given name
/// if there is one.
#[macro_export]
macro_rules! assert_report {
    ($name:expr, $diagnostic:expr) => {
        insta::assert_snapshot!($name, $crate::report::plain(&$diagnostic))
    };
    ($diagnostic:expr) => {
        insta::assert_snapshot!($crate::report::plain(&$diagnostic))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_millions() {
        for (bytes, expected) in [
            (0, "0.0"),
            (99_999, "0.0"),
            (9_024_686, "9.0"),
            (38_250_000, "38.2"),
        ] {
            assert_eq!(megabytes(bytes), expected);
        }
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "gem"), "1 gem");
        assert_eq!(counted("0", "gem"), "0 gems");
    }
}
