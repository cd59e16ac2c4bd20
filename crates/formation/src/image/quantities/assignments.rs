//! Words that assign a value to process types: `web=2 worker=4`, or `web=2-10`.

use super::problem::QuantityProblem;
use crate::image::Image;
use std::fmt::Display;

/// The syntax of the values that are assigned.
pub(crate) trait ValueSyntax {
    type Value: Display;

    /// The form of a whole word, as messages show it: `TYPE=N`.
    const FORM: &'static str;

    /// A value for the examples in messages.
    const EXAMPLE: &'static str;

    /// Whether a value can be assigned to that name.
    fn knows(&self, name: &str, image: &Image) -> bool {
        image.process(name).is_some()
    }

    fn parse(&self, process_type: &str, text: &str) -> Result<Self::Value, QuantityProblem>;
}

/// Reads words of the form `TYPE=VALUE`. A word may have several of them, which commas or spaces
/// separate. Each type has to be one of the image's, and is assigned one value only.
///
/// # Errors
/// Every problem with the words, in their order.
pub(crate) fn read_assignments<'a, S: ValueSyntax>(
    syntax: &S,
    words: impl IntoIterator<Item = &'a str>,
    image: &Image,
) -> Result<Vec<(String, S::Value)>, Vec<QuantityProblem>> {
    let mut assigned: Vec<(String, S::Value)> = Vec::new();
    let mut problems = Vec::new();
    let words = words.into_iter().flat_map(|word| word.split([',', ' ']));
    for word in words.map(str::trim).filter(|word| !word.is_empty()) {
        match read_assignment(syntax, word, image) {
            Ok((process_type, value)) => {
                match assigned.iter().find(|(name, _)| name == process_type) {
                    Some((_, first)) => problems.push(QuantityProblem::Twice {
                        process_type: process_type.into(),
                        first: first.to_string(),
                        second: value.to_string(),
                    }),
                    None => assigned.push((process_type.into(), value)),
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(assigned)
    } else {
        Err(problems)
    }
}

fn read_assignment<'a, S: ValueSyntax>(
    syntax: &S,
    word: &'a str,
    image: &Image,
) -> Result<(&'a str, S::Value), QuantityProblem> {
    let (process_type, text) = word
        .split_once('=')
        .filter(|(process_type, _)| !process_type.is_empty())
        .ok_or_else(|| wrong_form::<S>(word, image))?;
    if !syntax.knows(process_type, image) {
        return Err(QuantityProblem::unknown_type(process_type, image));
    }
    Ok((process_type, syntax.parse(process_type, text)?))
}

fn wrong_form<S: ValueSyntax>(word: &str, image: &Image) -> QuantityProblem {
    let process_type = image.process(word).map_or("worker", |_| word);
    QuantityProblem::WrongForm {
        word: word.into(),
        form: S::FORM,
        example: format!("{process_type}={}", S::EXAMPLE),
    }
}

/// A whole number without a sign, which `u16` would accept.
pub(crate) fn parse_number(text: &str) -> Option<u16> {
    let has_only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| has_only_digits)
}
