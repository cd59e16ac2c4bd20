//! How errors, warnings and the build log are shown: the one place that knows.
//!
//! The log goes to standard output in the look that buildpack users know (bullet points, a timer
//! behind long work), errors go to standard error. Colours are left out where the user sets
//! `NO_COLOR`.

mod by_cause;

use bullet_stream::global::{self, print};
use by_cause::ByCause;
use miette::Diagnostic;
use procfile::report;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use bullet_stream::style::{command, value};
pub use procfile::report::{counted, megabytes};

/// Whether a line of the log is still open: a timer's dots stand at its end.
static UNDER_TIMER: AtomicBool = AtomicBool::new(false);

/// Decides whether colours are shown, for everything that follows.
pub fn use_colours(colours: bool) {
    report::use_colours(colours);
    if colours {
        global::set_writer(io::stdout());
    } else {
        global::set_writer(anstream::StripStream::new(io::stdout()));
    }
}

/// The head of the log. Give what it returns to [`done`].
#[must_use]
pub fn start(title: &str) -> Instant {
    print::buildpack(title)
}

/// A step of the build.
pub fn step(title: impl AsRef<str>) {
    print::bullet(title);
}

/// What a step found or did.
pub fn detail(text: impl AsRef<str>) {
    print::sub_bullet(text);
}

/// Does work that may take long: a timer stands behind the text until it is done.
pub fn timed<T>(text: impl AsRef<str>, work: impl FnOnce() -> T) -> T {
    let timer = print::sub_start_timer(text);
    UNDER_TIMER.store(true, Ordering::Relaxed);
    let result = work();
    UNDER_TIMER.store(false, Ordering::Relaxed);
    timer.done();
    result
}

/// What happened in the middle of a step, on a line of its own even where a timer runs.
pub fn interjection(text: impl AsRef<str>) {
    if UNDER_TIMER.load(Ordering::Relaxed) {
        print::plain("");
    }
    print::sub_bullet(text);
}

/// Does work that writes a log of its own, which is shown as it comes.
pub fn streamed<T: 'static>(
    text: impl AsRef<str>,
    work: impl FnMut(Box<dyn Write + Send + Sync>, Box<dyn Write + Send + Sync>) -> T,
) -> T {
    print::sub_stream_with(text, work)
}

/// The foot of the log.
pub fn done(started: Instant) {
    print::all_done(&Some(started));
}

/// Shows something that may not be meant, and goes on.
pub fn warning(diagnostic: &dyn Diagnostic) {
    print::warning(plain(diagnostic).trim_end());
}

/// Prints the report of an error to standard error.
pub fn error(diagnostic: &dyn Diagnostic) {
    report::error(&ByCause::of(diagnostic));
}

/// The text of a report without colours.
#[must_use]
pub fn plain(diagnostic: &dyn Diagnostic) -> String {
    report::plain(&ByCause::of(diagnostic))
}
