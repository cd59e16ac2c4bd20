//! How many instances of which process types: `web=2 worker=4`, as in Heroku's `ps:scale`.

pub(crate) mod assignments;
mod problem;

pub(crate) use problem::available_types;
pub use problem::{QuantitiesError, QuantityProblem};

use super::{Image, TASKS};
use assignments::{ValueSyntax, parse_number, read_assignments};
use procfile::ProcessType;

/// The highest number of instances of one type in one container: each instance has its own port,
/// and the ports of the next type start a hundred higher.
pub const MOST: u16 = 100;

/// Stands for every process type that is not named, without the tasks; unless a process type has
/// that name.
pub const ALL: &str = "all";

/// Numbers of instances, in the order in which a user named the process types. Types that were not
/// named are missing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Quantities(Vec<(String, u16)>);

/// The numbers from 0 to a maximum.
struct UpTo(u16);

impl ValueSyntax for UpTo {
    type Value = u16;
    const FORM: &'static str = "TYPE=N";
    const EXAMPLE: &'static str = "1";

    fn knows(&self, name: &str, image: &Image) -> bool {
        name == ALL || image.process(name).is_some()
    }

    fn parse(&self, process_type: &str, text: &str) -> Result<u16, QuantityProblem> {
        let number = parse_number(text)
            .filter(|number| *number <= self.0)
            .ok_or_else(|| QuantityProblem::BadNumber {
                process_type: process_type.into(),
                number: text.into(),
                help: self.help(),
            })?;
        if process_type == ProcessType::RELEASE && number > 0 {
            return Err(QuantityProblem::Release);
        }
        Ok(number)
    }
}

impl UpTo {
    fn help(&self) -> String {
        let Self(max) = self;
        let write = format!("Write a whole number from 0 to {max}.");
        if *max != MOST {
            return write;
        }
        format!(
            "{write} For more, use several containers: each instance has its own port, and the \
             ports of the next process type start {max} higher."
        )
    }
}

impl Quantities {
    /// Reads words like `web=2` for one container: numbers up to [`MOST`].
    ///
    /// # Errors
    /// Every problem with the words.
    pub fn read<'a>(
        words: impl IntoIterator<Item = &'a str>,
        image: &Image,
    ) -> Result<Self, QuantitiesError> {
        Self::read_up_to(MOST, words, image)
    }

    /// The same with another maximum.
    ///
    /// # Errors
    /// Every problem with the words.
    pub fn read_up_to<'a>(
        max: u16,
        words: impl IntoIterator<Item = &'a str>,
        image: &Image,
    ) -> Result<Self, QuantitiesError> {
        read_assignments(&UpTo(max), words, image)
            .map(|assigned| Self(with_all(assigned, image)))
            .map_err(|problems| QuantitiesError { problems })
    }

    /// The number of instances of a type; `None` if it was not named.
    #[must_use]
    pub fn of(&self, process_type: &str) -> Option<u16> {
        self.iter()
            .find(|(name, _)| *name == process_type)
            .map(|(_, number)| number)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, u16)> {
        self.0.iter().map(|(name, number)| (name.as_str(), *number))
    }

    /// Whether no type was named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The same, with the number for [`ALL`] given to each process type that it stands for.
fn with_all(mut assigned: Vec<(String, u16)>, image: &Image) -> Vec<(String, u16)> {
    let position = (assigned.iter())
        .position(|(name, _)| name == ALL)
        .filter(|_| image.process(ALL).is_none());
    if let Some(position) = position {
        let (_, number) = assigned.remove(position);
        let types = image.processes.iter().map(|process| &process.process_type);
        for name in types.filter(|name| !TASKS.contains(&name.as_str())) {
            if !assigned.iter().any(|(named, _)| named == name) {
                assigned.push((name.clone(), number));
            }
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    fn image() -> Image {
        Image::of_types(&["web", "worker", "release"])
    }

    #[test]
    fn spaces_and_commas_separate_quantities() {
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
    fn all_stands_for_the_types_that_are_not_named() {
        let image = Image::of_types(&["release", "web", "worker", "clock", "rake"]);
        let read = |words| {
            let quantities = Quantities::read([words], &image).unwrap();
            let shown = quantities
                .iter()
                .map(|(name, number)| format!("{name}={number}"));
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read("all=1 worker=0"), "worker=0 web=1 clock=1");
        assert_eq!(read("worker=3,all=2"), "worker=3 web=2 clock=2");
        assert_eq!(read("all=0 rake=1"), "rake=1 web=0 worker=0 clock=0");
        let image = Image::of_types(&["all", "web"]);
        let quantities = Quantities::read(["all=2"], &image).unwrap();
        assert_eq!(
            (quantities.of("all"), quantities.of("web")),
            (Some(2), None)
        );
    }

    #[test]
    fn every_problem_is_shown() {
        let words = "web web=2 wrker=1 worker=-1 worker=+1 worker=101 worker= =3 web=3 release=1";
        assert_report!(Quantities::read([words], &image()).unwrap_err());
        assert_report!(
            "no_types",
            Quantities::read(["web=1"], &Image::default()).unwrap_err()
        );
    }
}
