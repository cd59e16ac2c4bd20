//! What the app's Gemfile and gemspecs asked for when they were evaluated, and what the answer is
//! now. `installer/observed.rb` notes the questions, each a line of text.

use crate::gems::file_pattern::find;
use crate::platform::variables::is_reserved;
use fs_err as fs;
use sha2::{Digest, Sha256};
use std::io;
use std::path::Path;

/// The answer to a question that only Ruby can ask: what a program says, or a server.
pub(super) const UNKNOWN: &str = "unknown";

/// How many characters of a variable's digest are kept: enough to see that the value is another
/// one, too few to find the value out.
const OF_VARIABLE: usize = 5;

/// A question, by its kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Question<'a> {
    /// The contents of a file of the app.
    File(&'a str),
    /// Whether a file or folder of the app is there.
    Presence(&'a str),
    /// The names of the files that a pattern finds in the app.
    List(&'a str),
    /// The same, with hidden files.
    FullList(&'a str),
    /// The value of a variable.
    Variable(&'a str),
    /// The app started a program, opened a socket, or did something else that cannot be watched.
    Other,
}

/// Where the answers are.
pub(super) struct Answers<'a> {
    pub(super) app: &'a Path,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Goes into the digests of variables. They are public, and a value may be a secret that other
    /// apps have too.
    pub(super) salt: String,
}

impl<'a> Question<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let (kind, subject) = match text.strip_prefix("full list ") {
            Some(pattern) => ("full list", pattern),
            None => text.split_once(' ').unwrap_or((text, "")),
        };
        match kind {
            "file" => Self::File(subject),
            "presence" => Self::Presence(subject),
            "list" => Self::List(subject),
            "full list" => Self::FullList(subject),
            "variable" => Self::Variable(subject),
            _ => Self::Other,
        }
    }

    /// The file, folder or pattern that is asked for, relative to the app's folder.
    pub(super) fn path(self) -> Option<&'a str> {
        match self {
            Self::File(path) | Self::Presence(path) | Self::List(path) | Self::FullList(path) => {
                Some(path)
            }
            Self::Variable(_) | Self::Other => None,
        }
    }

    /// Whether the answer can never be another one: variables that Formation sets itself depend on
    /// other inputs.
    pub(super) fn is_settled(self) -> bool {
        match self {
            Self::Variable(name) => is_reserved(name),
            Self::File(".") | Self::Presence(".") => true,
            _ => false,
        }
    }
}

impl Answers<'_> {
    /// The digest of the answer.
    pub(super) fn to(&self, question: Question<'_>) -> String {
        let list = |pattern, with_hidden| {
            let names = find(self.app, pattern, with_hidden);
            digest(names.into_iter().collect::<Vec<_>>().join("\0"))
        };
        match question {
            Question::File(path) => contents(&self.app.join(path)),
            Question::Presence(path) => presence(&self.app.join(path)).to_string(),
            Question::List(pattern) => list(pattern, false),
            Question::FullList(pattern) => list(pattern, true),
            Question::Variable(name) => self.variable(name),
            Question::Other => UNKNOWN.to_string(),
        }
    }

    fn variable(&self, name: &str) -> String {
        let Some(value) = (self.variable)(name) else {
            return "absent".to_string();
        };
        let mut digest = digest([&self.salt, name, &value].join("\0"));
        digest.truncate(OF_VARIABLE);
        digest
    }
}

fn digest(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn contents(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) => digest(bytes),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => "unreadable".to_string(),
        Err(_) => presence(path).to_string(),
    }
}

fn presence(path: &Path) -> &'static str {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => "folder",
        Ok(_) => "file",
        Err(_) => "absent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_is_read() {
        for (text, question) in [
            (
                "file config/my adapter",
                Question::File("config/my adapter"),
            ),
            (
                "presence Gemfile.local",
                Question::Presence("Gemfile.local"),
            ),
            (
                "list plugins/*/Gemfile",
                Question::List("plugins/*/Gemfile"),
            ),
            ("full list plugins/*", Question::FullList("plugins/*")),
            ("variable WITH_POOL", Question::Variable("WITH_POOL")),
            ("program git", Question::Other),
            ("network", Question::Other),
        ] {
            assert_eq!(Question::parse(text), question);
        }
    }

    #[test]
    fn an_answer_is_another_one_when_the_app_is() {
        let app = tempfile::tempdir().unwrap();
        let answer = |question: &str, value: Option<&str>| {
            Answers {
                app: app.path(),
                variable: &|_| value.map(String::from),
                salt: "salt".to_string(),
            }
            .to(Question::parse(question))
        };
        let file = app.path().join("a/b");
        let answers = || {
            ["file a/b", "presence a/b", "list a/*", "file a", "list */b"]
                .map(|question| answer(question, None))
        };
        let absent = answers();
        fs::create_dir(app.path().join("a")).unwrap();
        fs::write(&file, "1").unwrap();
        let there = answers();
        assert!(absent.iter().zip(&there).all(|(before, now)| before != now));
        fs::write(&file, "2").unwrap();
        assert_ne!(answers()[0], there[0]);
        assert_eq!(answers()[1..], there[1..]);
        let values = [None, Some(""), Some("1"), Some("2")];
        let digests = values.map(|value| answer("variable X", value));
        for (place, digest) in digests.iter().enumerate() {
            assert!(!digests[..place].contains(digest), "{digests:?}");
        }
        assert_eq!(answer("program git", None), UNKNOWN);
    }

    #[test]
    fn the_digest_of_a_variable_depends_on_the_salt_and_is_short() {
        let answer = |salt: &str| {
            Answers {
                app: Path::new("/nowhere"),
                variable: &|_| Some("secret".to_string()),
                salt: salt.to_string(),
            }
            .to(Question::Variable("TOKEN"))
        };
        assert_ne!(answer("1"), answer("2"));
        assert_eq!(answer("1").len(), OF_VARIABLE);
    }
}
