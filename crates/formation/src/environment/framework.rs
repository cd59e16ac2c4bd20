//! What a Ruby app and its framework find set, by the container's limits and by what the image has.
//! What the user has set stays.

use super::limits::Limits;
use super::{Change, Told, Variables};
use fs_err as fs;
use procfile::app_facts::AppFacts;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a process of a Rails app needs, with room for its growth: Redmine under load has 190 MB.
const MEMORY_OF_A_PROCESS: u64 = 256 << 20;

/// YJIT keeps what it compiles in memory.
const MEMORY_FOR_YJIT: u64 = 512 << 20;

/// Rails turns YJIT on itself from this version on, and Ruby can do it by a variable from that.
const RAILS_WITH_YJIT: [u64; 2] = [7, 2];
const RUBY_WITH_YJIT: [u64; 2] = [3, 3];

const JEMALLOC: &str = "libjemalloc.so.2";

/// Half of what Rails makes by `rails secret`, as hexadecimal digits all of it.
const SECRET_BYTES: usize = 64;

/// The app as the build knows it, in a container.
pub(super) struct Surroundings<'a> {
    pub(super) facts: &'a AppFacts,
    pub(super) limits: Limits,
    /// The folder of the app.
    pub(super) app: &'a Path,
    /// Where the linker looks for libraries.
    pub(super) libraries: Vec<PathBuf>,
}

impl Surroundings<'_> {
    pub(super) fn changes(&self, variables: &Variables) -> Vec<Change> {
        let is_open = |name: &str| !variables.contains_key(name);
        let mut changes = Vec::new();
        if is_open("WEB_CONCURRENCY") {
            changes.extend(self.concurrency());
        }
        changes.extend(self.jemalloc(variables.get("LD_PRELOAD").map(String::as_str)));
        if is_open("RUBY_YJIT_ENABLE") {
            changes.extend(self.yjit());
        }
        if [
            "SECRET_KEY_BASE",
            "SECRET_KEY_BASE_DUMMY",
            "RAILS_MASTER_KEY",
        ]
        .into_iter()
        .all(is_open)
        {
            let environment = variables
                .get("RAILS_ENV")
                .map_or("production", String::as_str);
            changes.extend(self.secret(environment));
        }
        changes
    }

    /// Ruby's threads use one processor: Puma starts a process for each, beside the one that has started them. Rails
    /// knows that they are forked; another framework may share its connections.
    fn concurrency(&self) -> Option<Change> {
        self.facts.rails?;
        let processors = self.limits.processors.filter(|count| *count >= 2.0)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let processors = processors as u64;
        let room = (self.limits.memory? / MEMORY_OF_A_PROCESS).saturating_sub(1);
        let count = processors.min(room);
        (count >= 2).then(|| Change {
            name: "WEB_CONCURRENCY".into(),
            value: count.to_string(),
            reason: format!("{processors} processors, and memory for {room} processes of a server"),
            told: Told::WhenAsked,
        })
    }

    /// Gives back memory that glibc's allocator keeps in a Ruby with threads.
    fn jemalloc(&self, preloaded: Option<&str>) -> Option<Change> {
        // Given as nothing, nothing is wanted.
        let is_chosen = |list: &str| list.is_empty() || list.contains("malloc");
        if self.facts.without_jemalloc || preloaded.is_some_and(is_chosen) {
            return None;
        }
        let mut files = self.libraries.iter().map(|folder| folder.join(JEMALLOC));
        let library = files.find(|file| file.is_file())?.display().to_string();
        Some(Change {
            name: "LD_PRELOAD".into(),
            value: preloaded.map_or(library.clone(), |others| format!("{library} {others}")),
            reason: "the image has jemalloc, which needs less memory".into(),
            told: Told::WhenAsked,
        })
    }

    fn yjit(&self) -> Option<Change> {
        let by_rails = self
            .facts
            .rails
            .is_some_and(|rails| rails >= RAILS_WITH_YJIT);
        let is_possible = self.facts.ruby >= RUBY_WITH_YJIT
            && self
                .limits
                .memory
                .is_some_and(|memory| memory >= MEMORY_FOR_YJIT);
        (is_possible && !by_rails).then(|| Change {
            name: "RUBY_YJIT_ENABLE".into(),
            value: "1".into(),
            reason: "Ruby's just-in-time compiler; there is memory for it".into(),
            told: Told::WhenAsked,
        })
    }

    /// A Rails app in production does not start without.
    fn secret(&self, environment: &str) -> Option<Change> {
        self.facts.rails?;
        let keys = [
            PathBuf::from("config/master.key"),
            PathBuf::from(format!("config/credentials/{environment}.key")),
        ];
        let makes_its_own =
            self.facts.names_its_secret || ["development", "test"].contains(&environment);
        if makes_its_own || keys.iter().any(|key| self.app.join(key).is_file()) {
            return None;
        }
        let mut bytes = [0; SECRET_BYTES];
        let mut random = fs::File::open("/dev/urandom").ok()?;
        random.read_exact(&mut bytes).ok()?;
        Some(Change {
            name: "SECRET_KEY_BASE".into(),
            value: hex::encode(bytes),
            reason: "made for this start alone: there is none, and no RAILS_MASTER_KEY. Sessions end with the container, and \
                     another one does not know them. Set it, by `rails secret`"
                .into(),
            told: Told::WithoutValue,
        })
    }
}

/// Where the linker looks: the variable's folders, and those of the distribution.
pub(super) fn library_folders(variables: &Variables) -> Vec<PathBuf> {
    let named = variables.get("LD_LIBRARY_PATH").map(String::as_str);
    let named = named
        .unwrap_or_default()
        .split(':')
        .filter(|folder| !folder.is_empty());
    let architecture = std::env::consts::ARCH;
    let own = [
        format!("/usr/lib/{architecture}-linux-gnu"),
        "/usr/lib64".to_string(),
        "/usr/lib".to_string(),
        "/usr/local/lib".to_string(),
    ];
    named
        .map(PathBuf::from)
        .chain(own.map(PathBuf::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    struct Case {
        app: tempfile::TempDir,
        facts: AppFacts,
        limits: Limits,
    }

    fn case(processors: Option<f64>, memory: u64) -> Case {
        Case {
            app: tempfile::tempdir().unwrap(),
            facts: AppFacts {
                ruby: [3, 3],
                ..AppFacts::default()
            },
            limits: Limits {
                processors,
                memory: Some(memory * MIB),
            },
        }
    }

    impl Case {
        /// What is set, but for the value of a secret.
        fn set(&self, variables: &[(&str, &str)]) -> Vec<String> {
            let surroundings = Surroundings {
                facts: &self.facts,
                limits: self.limits,
                app: self.app.path(),
                libraries: vec![self.app.path().join("lib")],
            };
            let variables = variables.iter();
            let variables = variables.map(|(name, value)| (name.to_string(), value.to_string()));
            let changes = surroundings.changes(&variables.collect());
            let shown = changes.iter().map(|change| match change.told {
                Told::WithoutValue => change.name.clone(),
                Told::WhenAsked | Told::Always => format!("{}={}", change.name, change.value),
            });
            shown.collect()
        }
    }

    #[test]
    fn processes_for_limited_processors_with_memory() {
        for (processors, memory, expected) in [
            (None, 8192, None),
            (Some(0.5), 8192, None),
            (Some(1.9), 8192, None),
            (Some(2.0), 256, None),
            (Some(2.0), 512, None),
            (Some(2.0), 768, Some("2")),
            (Some(4.0), 1024, Some("3")),
            (Some(4.0), 2048, Some("4")),
        ] {
            let mut case = case(processors, memory);
            let given = [("RUBY_YJIT_ENABLE", "0"), ("SECRET_KEY_BASE", "x")];
            assert_eq!(case.set(&given), Vec::<String>::new(), "without Rails");
            case.facts.rails = Some([7, 2]);
            let set = case.set(&given);
            let expected = expected.map(|count| format!("WEB_CONCURRENCY={count}"));
            assert_eq!(set, Vec::from_iter(expected), "{processors:?} {memory}");
        }
        let mut case = case(Some(4.0), 2048);
        case.facts.rails = Some([7, 2]);
        let given = [("WEB_CONCURRENCY", "1"), ("SECRET_KEY_BASE", "x")];
        assert_eq!(case.set(&given), Vec::<String>::new());
    }

    #[test]
    fn the_compiler_where_the_framework_does_not_turn_it_on() {
        for (rails, ruby, memory, expected) in [
            (None, [3, 3], 512, true),
            (None, [3, 3], 256, false),
            (None, [3, 2], 512, false),
            (Some([7, 1]), [3, 4], 512, true),
            (Some([7, 2]), [3, 4], 512, false),
        ] {
            let mut case = case(None, memory);
            case.facts = AppFacts {
                rails,
                ruby,
                ..AppFacts::default()
            };
            let set = case.set(&[("SECRET_KEY_BASE", "x")]);
            assert_eq!(
                set == ["RUBY_YJIT_ENABLE=1"],
                expected,
                "{rails:?} {ruby:?} {memory}"
            );
        }
    }

    #[test]
    fn a_secret_for_rails_without_one() {
        let mut case = case(None, 256);
        assert_eq!(case.set(&[]), Vec::<String>::new());
        case.facts.rails = Some([7, 2]);
        assert_eq!(case.set(&[]), ["SECRET_KEY_BASE"]);
        for (name, value) in [
            ("SECRET_KEY_BASE", "x"),
            ("RAILS_MASTER_KEY", "x"),
            ("SECRET_KEY_BASE_DUMMY", "1"),
            ("RAILS_ENV", "development"),
        ] {
            assert_eq!(case.set(&[(name, value)]), Vec::<String>::new(), "{name}");
        }
        case.facts.names_its_secret = true;
        assert_eq!(case.set(&[]), Vec::<String>::new());
        case.facts.names_its_secret = false;
        let key = case.app.path().join("config/credentials/production.key");
        fs::create_dir_all(key.parent().unwrap()).unwrap();
        fs::write(key, "").unwrap();
        assert_eq!(case.set(&[]), Vec::<String>::new());
    }

    #[test]
    fn jemalloc_where_the_image_has_it() {
        let mut case = case(None, 256);
        let library = case.app.path().join("lib").join(JEMALLOC);
        fs::create_dir(library.parent().unwrap()).unwrap();
        fs::write(&library, "").unwrap();
        let path = library.display();
        assert_eq!(case.set(&[]), [format!("LD_PRELOAD={path}")]);
        let with_another = [format!("LD_PRELOAD={path} /lib/x.so")];
        assert_eq!(case.set(&[("LD_PRELOAD", "/lib/x.so")]), with_another);
        for other in ["/lib/libtcmalloc.so", ""] {
            assert_eq!(case.set(&[("LD_PRELOAD", other)]), Vec::<String>::new());
        }
        case.facts.without_jemalloc = true;
        assert_eq!(case.set(&[]), Vec::<String>::new());
    }
}
