//! Problems with the quantities of process types that a user asks for.

use crate::image::Image;
use miette::Diagnostic;
use thiserror::Error;

/// Every problem with the quantities that a user asks for.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("the requested formation is not valid")]
pub struct QuantitiesError {
    #[related]
    pub problems: Vec<QuantityProblem>,
}

/// A problem with the quantity of one process type.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
pub enum QuantityProblem {
    #[error("`{word}` is not of the form {form}")]
    #[diagnostic(help("For example: `{example}`."))]
    WrongForm {
        word: String,
        /// `TYPE=N`, or another form.
        form: &'static str,
        example: String,
    },
    #[error("`{number}` is not a number of instances for `{process_type}`")]
    #[diagnostic(help("{help}"))]
    BadNumber {
        process_type: String,
        number: String,
        help: String,
    },
    #[error("`{range}` is not a range of instances for `{process_type}`")]
    #[diagnostic(help(
        "Write two whole numbers, the first at least 1 and not above the second: \
         `{process_type}=2-10`."
    ))]
    BadRange { process_type: String, range: String },
    #[error("there is no process type `{process_type}`")]
    #[diagnostic(help("{available}"))]
    UnknownType {
        process_type: String,
        /// See [`available_types`].
        available: String,
    },
    #[error("`{process_type}` is named twice: {first} and {second}")]
    #[diagnostic(help("Name each process type once."))]
    Twice {
        process_type: String,
        first: String,
        second: String,
    },
    #[error("`release` is not a long-running process type: it runs once before each release")]
    #[diagnostic(help("Run it by itself: `docker run --rm --entrypoint release IMAGE`."))]
    Release,
    #[error("`{option} {process_type}`: there is no such process type")]
    #[diagnostic(help("{available} `all` stands for every type."))]
    UnknownInOption {
        /// `--restart`, or another option that names process types.
        option: &'static str,
        process_type: String,
        /// See [`available_types`].
        available: String,
    },
}

impl QuantityProblem {
    #[must_use]
    pub fn unknown_type(process_type: &str, image: &Image) -> Self {
        Self::UnknownType {
            process_type: process_type.into(),
            available: available_types(image),
        }
    }

    /// For a type that an option names.
    #[must_use]
    pub fn unknown_in_option(option: &'static str, process_type: &str, image: &Image) -> Self {
        Self::UnknownInOption {
            option,
            process_type: process_type.into(),
            available: available_types(image),
        }
    }
}

/// A sentence for help texts: which process types a user can name.
pub(crate) fn available_types(image: &Image) -> String {
    match image.scalable_types().collect::<Vec<_>>().as_slice() {
        [] => "The image has none.".to_string(),
        types => format!("The image has {}.", types.join(", ")),
    }
}
