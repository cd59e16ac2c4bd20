//! How many instances of which process type: `web=2 worker=4`, in the words of Heroku's `ps:scale`.

use super::Image;
use miette::Diagnostic;
use procfile::ProcessType;
use thiserror::Error;

/// Instances of one type at most: each has a port of its own, and the next type's begin a hundred above.
pub const MOST: u16 = 100;

/// Numbers of instances, in the order in which they were asked for; types that were not named are missing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Quantities(Vec<(String, u16)>);

/// They cannot be used: everything that is wrong with them.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("this formation cannot be made")]
pub struct QuantitiesError {
    /// Each by itself.
    #[related]
    pub problems: Vec<QuantityProblem>,
}

/// One of them is wrong.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
pub enum QuantityProblem {
    /// It is not of that form.
    #[error("`{word}` is not TYPE=N")]
    #[diagnostic(help("Write a process type, `=`, and a number of instances: `{example}`."))]
    NotAQuantity {
        /// As it was given.
        word: String,
        /// What may be meant.
        example: String,
    },
    /// The number is none, or too large.
    #[error("`{number}` is no number of instances for `{process_type}`")]
    #[diagnostic(help("Write a whole number from 0 to {most}.{}", why_not_more(*most)))]
    BadNumber {
        /// The type that it is for.
        process_type: String,
        /// As it was given.
        number: String,
        /// The largest.
        most: u16,
    },
    /// The image has no such type.
    #[error("there is no process type `{process_type}`")]
    #[diagnostic(help("{}", types_there_are(known)))]
    UnknownType {
        /// As it was given.
        process_type: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Which of them counts?
    #[error("`{process_type}` is named twice: {first} and {second}")]
    #[diagnostic(help("Name each process type once."))]
    Twice {
        /// The type.
        process_type: String,
        /// Its first number.
        first: u16,
        /// Its second one.
        second: u16,
    },
    /// A task is no process of a formation.
    #[error("`release` is a task that runs once before a release, not a process that goes on")]
    #[diagnostic(help("Run it by itself: `docker run --rm --entrypoint release IMAGE`."))]
    Release,
    /// A type that is to be restarted, and is not there.
    #[error("`--restart {process_type}`: there is no process type of that name")]
    #[diagnostic(help("{} `all` stands for every type.", types_there_are(known)))]
    UnknownRestart {
        /// As it was given.
        process_type: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

impl QuantityProblem {
    /// A type that the image does not have.
    #[must_use]
    pub fn unknown_type(process_type: &str, image: &Image) -> Self {
        Self::UnknownType {
            process_type: process_type.into(),
            known: known_types(image),
        }
    }

    /// The same for one that is to be restarted.
    #[must_use]
    pub fn unknown_restart(process_type: &str, image: &Image) -> Self {
        Self::UnknownRestart {
            process_type: process_type.into(),
            known: known_types(image),
        }
    }
}

fn known_types(image: &Image) -> Vec<String> {
    let names = image.processes.iter().map(|process| &process.process_type);
    names
        .filter(|name| *name != ProcessType::RELEASE)
        .cloned()
        .collect()
}

fn types_there_are(known: &[String]) -> String {
    match known {
        [] => "The image has none.".to_string(),
        known => format!("The image has {}.", known.join(", ")),
    }
}

fn why_not_more(most: u16) -> String {
    if most == MOST {
        format!(
            " More than that is work for several containers: each instance has a port of its own, and the ports of the next type begin \
             {MOST} above."
        )
    } else {
        String::new()
    }
}

impl Quantities {
    /// Reads words like `web=2`, several in a word where a comma parts them, for one container: up to [`MOST`]. Each type has to be one of
    /// the image's.
    ///
    /// # Errors
    /// Anything in it cannot be used: all of it.
    pub fn read<'a>(
        words: impl IntoIterator<Item = &'a str>,
        image: &Image,
    ) -> Result<Self, QuantitiesError> {
        Self::read_up_to(MOST, words, image)
    }

    /// The same for as many containers as there are instances.
    ///
    /// # Errors
    /// Anything in it cannot be used: all of it.
    pub fn read_up_to<'a>(
        most: u16,
        words: impl IntoIterator<Item = &'a str>,
        image: &Image,
    ) -> Result<Self, QuantitiesError> {
        let mut quantities: Vec<(String, u16)> = Vec::new();
        let mut problems = Vec::new();
        let words = words.into_iter().flat_map(|word| word.split([',', ' ']));
        for word in words.map(str::trim).filter(|word| !word.is_empty()) {
            match read_one(word, most, image) {
                Err(problem) => problems.push(problem),
                Ok((process_type, second)) => {
                    match quantities.iter().find(|(first, _)| *first == process_type) {
                        Some((_, first)) => problems.push(QuantityProblem::Twice {
                            process_type,
                            first: *first,
                            second,
                        }),
                        None => quantities.push((process_type, second)),
                    }
                }
            }
        }
        if problems.is_empty() {
            Ok(Self(quantities))
        } else {
            Err(QuantitiesError { problems })
        }
    }

    /// The number of instances of a type, where it was named.
    #[must_use]
    pub fn of(&self, process_type: &str) -> Option<u16> {
        self.iter()
            .find(|(name, _)| *name == process_type)
            .map(|(_, number)| number)
    }

    /// Each type that was named, with its number.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u16)> {
        self.0.iter().map(|(name, number)| (name.as_str(), *number))
    }

    /// Whether no type was named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn not_a_quantity(word: &str, image: &Image) -> QuantityProblem {
    let is_type = image.process(word).is_some();
    QuantityProblem::NotAQuantity {
        word: word.into(),
        example: if is_type {
            format!("{word}=1")
        } else {
            "worker=2".into()
        },
    }
}

fn read_one(word: &str, most: u16, image: &Image) -> Result<(String, u16), QuantityProblem> {
    let (process_type, number) = word
        .split_once('=')
        .filter(|(process_type, _)| !process_type.is_empty())
        .ok_or_else(|| not_a_quantity(word, image))?;
    if image.process(process_type).is_none() {
        return Err(QuantityProblem::unknown_type(process_type, image));
    }
    // `u16` would take a sign.
    let digits = Some(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let count = digits
        .and_then(|digits| digits.parse().ok())
        .filter(|count| *count <= most)
        .ok_or_else(|| QuantityProblem::BadNumber {
            process_type: process_type.into(),
            number: number.into(),
            most,
        })?;
    if process_type == ProcessType::RELEASE && count > 0 {
        return Err(QuantityProblem::Release);
    }
    Ok((process_type.into(), count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    fn image() -> Image {
        Image::of_types(&["web", "worker", "release"])
    }

    #[test]
    fn words_and_commas_part_them() {
        for words in [
            vec!["web=2", "worker=0"],
            vec!["web=2,worker=0"],
            vec![" web=2, worker=0 ,"],
            vec!["web=2", "worker=0", "release=0"],
        ] {
            let quantities = Quantities::read(words.clone(), &image()).unwrap();
            assert_eq!(quantities.of("web"), Some(2), "{words:?}");
            assert_eq!(quantities.of("worker"), Some(0), "{words:?}");
            assert_eq!(quantities.of("clock"), None);
        }
        assert!(Quantities::read([" , "], &image()).unwrap().is_empty());
    }

    #[test]
    fn all_that_is_wrong_is_shown() {
        let words = "web web=2 wrker=1 worker=-1 worker=+1 worker=101 worker= =3 web=3 release=1";
        assert_report!(Quantities::read([words], &image()).unwrap_err());
        assert_report!(
            "no_types",
            Quantities::read(["web=1"], &Image::default()).unwrap_err()
        );
    }
}
