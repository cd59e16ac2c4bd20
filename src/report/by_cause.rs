//! An error whose help is chosen by its cause, where that is the disk: the place where it came up
//! only has advice about what is usual there.

use crate::disk::DiskFault;
use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};
use std::error::Error;
use std::fmt::{self, Display, Formatter};

/// Shows a diagnostic, and those in it, each with the help that its cause asks for.
#[derive(Debug)]
pub(super) struct ByCause<'a> {
    shown: &'a dyn Diagnostic,
    fault: Option<DiskFault>,
    /// The diagnostic that caused this one, which has a help of its own.
    cause: Option<Box<ByCause<'a>>>,
    related: Vec<ByCause<'a>>,
}

impl<'a> ByCause<'a> {
    pub(super) fn of(shown: &'a dyn Diagnostic) -> Self {
        Self {
            shown,
            fault: shown.source().and_then(DiskFault::of),
            cause: shown
                .diagnostic_source()
                .map(|cause| Box::new(Self::of(cause))),
            related: shown
                .related()
                .into_iter()
                .flatten()
                .map(Self::of)
                .collect(),
        }
    }
}

impl Display for ByCause<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self.shown, formatter)
    }
}

impl Error for ByCause<'_> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.shown.source()
    }
}

impl Diagnostic for ByCause<'_> {
    fn severity(&self) -> Option<Severity> {
        self.shown.severity()
    }

    fn help<'b>(&'b self) -> Option<Box<dyn Display + 'b>> {
        match self.fault {
            Some(_) if self.cause.is_some() => None,
            Some(fault) => Some(Box::new(fault.help())),
            None => self.shown.help(),
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.shown.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.shown.labels()
    }

    fn related<'b>(&'b self) -> Option<Box<dyn Iterator<Item = &'b dyn Diagnostic> + 'b>> {
        let related = || {
            self.related
                .iter()
                .map(|related| related as &dyn Diagnostic)
        };
        (!self.related.is_empty()).then(|| Box::new(related()) as Box<_>)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.cause.as_deref().map(|cause| cause as &dyn Diagnostic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::report::plain;
    use std::io;
    use thiserror::Error;

    #[derive(Debug, Diagnostic, Error)]
    #[error("the layer cannot be written")]
    #[diagnostic(help("Package the buildpack again."))]
    struct Write(#[source] io::Error);

    #[derive(Debug, Diagnostic, Error)]
    enum Sample {
        #[error("Ruby cannot be installed")]
        Outer(
            #[source]
            #[diagnostic_source]
            Write,
        ),
        #[error("the app cannot be built as it is")]
        Several(#[related] Vec<Write>),
    }

    fn shown(diagnostic: &dyn Diagnostic) -> String {
        plain(&ByCause::of(diagnostic))
    }

    #[test]
    fn the_cause_decides() {
        let of = |number| Write(io::Error::from_raw_os_error(number));
        insta::assert_snapshot!(
            [
                shown(&of(28)),
                shown(&of(2)),
                shown(&Sample::Outer(of(28))),
                shown(&Sample::Several(vec![of(2), of(30)])),
            ]
            .join("\n")
        );
    }
}
