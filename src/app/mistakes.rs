//! All mistakes in the inputs of a build, in one report.

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};
use std::error::Error;
use std::fmt::{self, Display, Formatter};

/// An error in an input, with which the app cannot be built.
pub type Mistake = Box<dyn Diagnostic + Send + Sync>;

/// A single mistake is shown as it is, several under a heading.
#[derive(Debug, Default)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// The value of a result. An error is added to the mistakes, and gives none.
    pub fn keep<T, E: Into<Mistake>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|mistake| self.0.push(mistake.into())).ok()
    }

    /// The same for a result with several errors.
    pub fn keep_all<T, E: Into<Mistake>>(&mut self, result: Result<T, Vec<E>>) -> Option<T> {
        result.map_err(|mistakes| self.add(mistakes)).ok()
    }

    pub fn add<E: Into<Mistake>>(&mut self, mistakes: impl IntoIterator<Item = E>) {
        self.0.extend(mistakes.into_iter().map(Into::into));
    }

    /// An error if there is any mistake.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    fn only(&self) -> Option<&Mistake> {
        match self.0.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

impl Display for Mistakes {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.only() {
            Some(only) => only.fmt(formatter),
            None => formatter.write_str("the app cannot be built as it is"),
        }
    }
}

impl Error for Mistakes {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.only()?.source()
    }
}

impl Diagnostic for Mistakes {
    fn severity(&self) -> Option<Severity> {
        self.only()?.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.only()?.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.only()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.only()?.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self.only() {
            Some(only) => only.related(),
            None => Some(Box::new(
                self.0
                    .iter()
                    .map(|mistake| mistake.as_ref() as &dyn Diagnostic),
            )),
        }
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.only()?.diagnostic_source()
    }
}
