use super::{RubyInputs, RubyRequests};
use crate::app::Mistakes;
use crate::inputs::Inputs;
use crate::platform::variables::BuildVariables;
use libcnb::Env;
use procfile::assert_report;
use std::path::Path;

type Texts<'a> = &'a [(&'a str, &'a str)];

/// Reads an app of these files, and of a lockfile if it has a Gemfile. Names in capitals are build
/// variables.
fn app(texts: Texts<'_>) -> Result<Inputs, Mistakes> {
    let dir = tempfile::tempdir().unwrap();
    let mut env = Env::new();
    for (name, text) in texts {
        if name.starts_with("BP_") {
            env.insert(name, text);
            continue;
        }
        let path = dir.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        let lockfile = dir.path().join("Gemfile.lock");
        if *name == "Gemfile" && !lockfile.exists() {
            fs_err::write(lockfile, "GEM\n").unwrap();
        }
    }
    Inputs::read(dir.path(), BuildVariables::new(&env), Path::new("/nowhere"))
}

/// The app's request with its source, or the error.
fn verdict(texts: Texts<'_>) -> String {
    match app(texts) {
        Ok(app) => match (app.ruby.requests.first(), &app.ruby.computed) {
            (Some(first), _) => format!("{} from {}", first.requirement, first.source),
            (None, Some(computed)) => format!("computed by {}", computed.name),
            (None, None) => "nothing".to_string(),
        },
        Err(Mistakes(errors)) => {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            errors.join("; ")
        }
    }
}

fn errors(texts: Texts<'_>) -> Mistakes {
    app(texts).unwrap_err()
}

const LOCK: &str = "GEM\n\nRUBY VERSION\n   ruby 3.3.8p144\n";

#[test]
fn the_lockfile() {
    for (value, expected) in [
        ("ruby 3.3.5p100", "3.3.5 from Gemfile.lock"),
        ("ruby 3.3.8", "3.3.8 from Gemfile.lock"),
        ("ruby 3.4.0.rc1", "3.4.0.rc1 from Gemfile.lock"),
        ("ruby 4.0.0.preview2", "4.0.0.preview2 from Gemfile.lock"),
        (
            "ruby 3.1.4p0 (jruby 9.4.3.0)",
            "Gemfile.lock asks for jruby 9.4.3.0, but Formation installs only CRuby",
        ),
        (
            "ruby 3.3.5p0 (truffleruby 24.2.0)",
            "Gemfile.lock asks for truffleruby 24.2.0, but Formation installs only CRuby",
        ),
        ("ruby latest", "RUBY VERSION in Gemfile.lock cannot be read"),
    ] {
        let lockfile = format!("GEM\n\nRUBY VERSION\n  {value}\n");
        let texts = [("Gemfile.lock", lockfile.as_str()), ("Gemfile", "")];
        assert_eq!(verdict(&texts), expected, "{value}");
    }
}

#[test]
fn variables() {
    for (value, expected) in [
        ("3.3.8", "3.3.8 from BP_RUBY_VERSION"),
        ("ruby-3.3.8", "3.3.8 from BP_RUBY_VERSION"),
        ("3.3", "~> 3.3.0 from BP_RUBY_VERSION"),
        ("3", "~> 3.0 from BP_RUBY_VERSION"),
        ("3.4.*", "~> 3.4.0 from BP_RUBY_VERSION"),
        ("3.*", "~> 3.0 from BP_RUBY_VERSION"),
        ("*", ">= 0 from BP_RUBY_VERSION"),
        ("latest", ">= 0 from BP_RUBY_VERSION"),
        ("~> 3.3.0", "~> 3.3.0 from BP_RUBY_VERSION"),
        (">= 3.2, < 4", ">= 3.2, < 4 from BP_RUBY_VERSION"),
        ("4.0.0-preview2", "4.0.0.preview2 from BP_RUBY_VERSION"),
        ("", "nothing"),
        (
            "3.x",
            "BP_RUBY_VERSION asks for a Ruby version that cannot be read",
        ),
        (
            "newest",
            "BP_RUBY_VERSION asks for a Ruby version that cannot be read",
        ),
        (
            "jruby-9.4",
            "BP_RUBY_VERSION asks for jruby, but Formation installs only CRuby",
        ),
    ] {
        let texts = [("BP_RUBY_VERSION", value), ("app.rb", "")];
        assert_eq!(verdict(&texts), expected, "{value}");
    }
    assert_eq!(
        verdict(&[("BP_MRI_VERSION", "3.3.*")]),
        "~> 3.3.0 from BP_MRI_VERSION"
    );
    let both = [("BP_MRI_VERSION", "3.3.*"), ("BP_RUBY_VERSION", "3.4.*")];
    assert_eq!(verdict(&both), "~> 3.4.0 from BP_RUBY_VERSION");
    assert_eq!(app(&both).unwrap().ruby.requests.len(), 2);
}

#[test]
fn the_gemfile() {
    for (gemfile, expected) in [
        ("ruby \"3.3.8\"", "3.3.8 from Gemfile"),
        ("ruby '~> 3.3.0'", "~> 3.3.0 from Gemfile"),
        ("ruby '>= 3.2', '< 4'", ">= 3.2, < 4 from Gemfile"),
        (
            "ruby ['~> 3.3', '!= 3.3.4']",
            "~> 3.3, != 3.3.4 from Gemfile",
        ),
        ("ruby(\"3.3.8\")\n", "3.3.8 from Gemfile"),
        (
            "ruby \"3.3.8\",\r\n  engine: \"ruby\"\r\n",
            "3.3.8 from Gemfile",
        ),
        ("group :test do\n  ruby '3.3.8'\nend", "3.3.8 from Gemfile"),
        ("\u{feff}ruby '3.3.8'", "3.3.8 from Gemfile"),
        ("# ruby '3.3.8'", "nothing"),
        ("=begin\nruby '3.3.8'\n=end", "nothing"),
        ("gem 'a'\n__END__\nruby '3.3.8'", "nothing"),
        ("puts <<~TEXT\n  ruby '3.3.8'\nTEXT", "nothing"),
        ("puts 'ruby \"3.3.8\"'", "nothing"),
        ("gem 'ruby', '3.3.8'", "nothing"),
        ("ruby RUBY_VERSION", "computed by Gemfile"),
        ("ruby ENV['RUBY']", "computed by Gemfile"),
        ("ruby \"3.#{minor}\"", "computed by Gemfile"),
        ("if ENV['NEXT']\n  ruby '4.0.6'\nend", "computed by Gemfile"),
        ("ruby '3.3.8' unless ENV['CI']", "computed by Gemfile"),
        (
            "ruby 'newest'",
            "Gemfile asks for a Ruby version that cannot be read",
        ),
        (
            "ruby '3.1.4', engine: 'jruby', engine_version: '9.4.3.0'",
            "Gemfile asks for jruby, but Formation installs only CRuby",
        ),
        (
            "ruby file: '.ruby'",
            "Gemfile takes the Ruby version from `.ruby`, which is not in the app",
        ),
    ] {
        assert_eq!(verdict(&[("Gemfile", gemfile)]), expected, "{gemfile}");
    }
}

#[test]
fn files_that_the_gemfile_names() {
    const FILE: &str = "ruby file: '.ruby-version'";
    const PESSIMISTIC: &str = "ruby \"~> #{File.read('.ruby-version').strip}\"";
    const CUT: &str = "ruby File.read('.ruby-version').chomp.sub('ruby-', '')";
    const READ: &str = "ruby File.read('.ruby-version').strip";
    for (gemfile, text, expected) in [
        (FILE, "3.3.8\n", "3.3.8 from .ruby-version"),
        (FILE, "ruby-3.3.8\r\n", "3.3.8 from .ruby-version"),
        (FILE, "~> 3.3.0\n", "~> 3.3.0 from .ruby-version"),
        // Literally, as Bundler takes it.
        (FILE, "3.3\n", "3.3 from .ruby-version"),
        (FILE, "4.0.0-preview2", "4.0.0.preview2 from .ruby-version"),
        (
            FILE,
            "jruby-9.4\n",
            ".ruby-version asks for jruby, but Formation installs only CRuby",
        ),
        (
            FILE,
            "3.3.8@gems\n",
            ".ruby-version asks for a Ruby version that cannot be read",
        ),
        (READ, "3.3.8\n", "3.3.8 from .ruby-version"),
        (PESSIMISTIC, "3.3.8\n", "~> 3.3.8 from .ruby-version"),
        (CUT, "ruby-3.3.8\n", "3.3.8 from .ruby-version"),
        (
            READ,
            "ruby-3.3.8\n",
            ".ruby-version asks for a Ruby version that cannot be read",
        ),
    ] {
        let texts = [("Gemfile", gemfile), (".ruby-version", text)];
        assert_eq!(verdict(&texts), expected, "{gemfile}: {text}");
    }
    for (name, text) in [
        (".tool-versions", "nodejs 22.1.0\nruby 3.3.8 3.2.9 # note\n"),
        ("mise.toml", "[tools]\nnode = \"22\"\nruby = \"3.3.8\"\n"),
    ] {
        let gemfile = format!("ruby :file => \"{name}\"");
        let texts = [("Gemfile", gemfile.as_str()), (name, text)];
        assert_eq!(verdict(&texts), format!("3.3.8 from {name}"));
        assert_eq!(app(&texts).unwrap().ruby.requests.len(), 1);
    }
}

#[test]
fn a_gemfile_in_a_folder_names_files_from_there() {
    for (gemfile, expected) in [
        (
            "ruby file: '.ruby-version'",
            vec![
                "3.3.1 from gemfiles/.ruby-version",
                "3.3.8 from .ruby-version",
            ],
        ),
        (
            "ruby file: '../.ruby-version'",
            vec!["3.3.8 from .ruby-version"],
        ),
    ] {
        let inputs = RubyInputs {
            gemfile: Some(("gemfiles/next.gemfile", gemfile)),
            ruby_version_file: Some("3.3.8\n"),
            ..RubyInputs::default()
        };
        let read_file = |name: &str| {
            let version = if name.starts_with("..") {
                "3.3.8"
            } else {
                "3.3.1"
            };
            Some(version.to_string())
        };
        let found = RubyRequests::read(inputs, &read_file).unwrap();
        let requests: Vec<_> = found
            .requests
            .iter()
            .map(|request| format!("{} from {}", request.requirement, request.source))
            .collect();
        assert_eq!(requests, expected, "{gemfile}");
    }
}

#[test]
fn ruby_version() {
    for (text, expected) in [
        ("3.3.8\n", "3.3.8 from .ruby-version"),
        ("\n\n  ruby-3.3.8  \r\n", "3.3.8 from .ruby-version"),
        ("# the newest\n3.3\n", "~> 3.3.0 from .ruby-version"),
        ("3.3.8 # note\n", "3.3.8 from .ruby-version"),
        ("ruby 3.3.8\n", "3.3.8 from .ruby-version"),
        ("ruby-3.3.8p144", "3.3.8 from .ruby-version"),
        ("ruby-3.3.8-p144", "3.3.8 from .ruby-version"),
        ("ruby-3.3.8@gemset\n", "3.3.8 from .ruby-version"),
        ("4.0.0-preview2", "4.0.0.preview2 from .ruby-version"),
        ("\u{feff}3.3.8", "3.3.8 from .ruby-version"),
        ("\r\n", "nothing"),
        (
            "system\n",
            ".ruby-version asks for a Ruby version that cannot be read",
        ),
        (
            "ruby-head\n",
            ".ruby-version asks for a Ruby version that cannot be read",
        ),
        (
            "truffleruby+graalvm-24.2.0",
            ".ruby-version asks for truffleruby, but Formation installs only CRuby",
        ),
    ] {
        assert_eq!(verdict(&[(".ruby-version", text)]), expected, "{text:?}");
    }
}

#[test]
fn tool_versions_and_mise() {
    for (text, expected) in [
        ("ruby 3.3.8 3.2.9\n", "3.3.8 from .tool-versions"),
        (
            "nodejs 22\r\nruby\t3.3.8 # note\r\n",
            "3.3.8 from .tool-versions",
        ),
        ("ruby 3.3\n", "~> 3.3.0 from .tool-versions"),
        ("ruby latest\n", ">= 0 from .tool-versions"),
        ("ruby latest:3.3\n", "~> 3.3.0 from .tool-versions"),
        ("ruby system 3.3.8\n", "3.3.8 from .tool-versions"),
        (
            "ruby ref:main path:/opt/ruby 3.3.8\n",
            "3.3.8 from .tool-versions",
        ),
        (
            "ruby system\n",
            ".tool-versions asks for a Ruby version that cannot be read",
        ),
        (
            "ruby ref:main\n",
            ".tool-versions asks for a Ruby version that cannot be read",
        ),
        (
            "ruby jruby-9.4.3.0\n",
            ".tool-versions asks for jruby, but Formation installs only CRuby",
        ),
        ("# ruby 3.3.8\nnodejs 22\n", "nothing"),
    ] {
        assert_eq!(verdict(&[(".tool-versions", text)]), expected, "{text:?}");
    }
    for (text, expected) in [
        ("[tools]\nruby = \"3.3.8\"\n", "3.3.8 from mise.toml"),
        (
            "[tools]\nruby = { version = \"3.3\" }\n",
            "~> 3.3.0 from mise.toml",
        ),
        (
            "[tools]\nruby = [\"3.3.8\", \"3.2\"]\n",
            "3.3.8 from mise.toml",
        ),
        ("[tools]\nruby = \"latest\"\n", ">= 0 from mise.toml"),
        (
            "[tools]\n\"core:ruby\" = \"3.4\"\n",
            "~> 3.4.0 from mise.toml",
        ),
        (
            "[tools]\nruby = \"prefix:3.3\"\n",
            "~> 3.3.0 from mise.toml",
        ),
        (
            "[tools]\nruby = [\"system\", \"3.3.8\"]\n",
            "3.3.8 from mise.toml",
        ),
        ("[tools]\nnode = \"22\"\n", "nothing"),
        (
            "[tools]\nruby = 3.3\n",
            "mise.toml asks for a Ruby version that cannot be read",
        ),
        (
            "[tools]\nruby = \"truffleruby-24\"\n",
            "mise.toml asks for truffleruby, but Formation installs only CRuby",
        ),
    ] {
        assert_eq!(verdict(&[("mise.toml", text)]), expected, "{text:?}");
    }
    for name in [
        ".mise.toml",
        "mise.local.toml",
        "mise/config.toml",
        ".config/mise.toml",
        ".config/mise/config.toml",
    ] {
        let texts = [(name, "[tools]\nruby = '3.3.8'")];
        assert_eq!(verdict(&texts), format!("3.3.8 from {name}"));
    }
    let of_one_machine = ("mise.local.toml", "[tools]\nruby = '3.3.8'");
    let of_the_app = ("mise.toml", "[tools]\nruby = '3.4.1'");
    assert_eq!(
        verdict(&[of_the_app, of_one_machine]),
        "3.3.8 from mise.local.toml"
    );
    let of_node = ("mise.local.toml", "[tools]\nnode = '22'");
    assert_eq!(verdict(&[of_the_app, of_node]), "3.4.1 from mise.toml");
    assert!(verdict(&[("mise.toml", "[tools\n")]).starts_with("mise.toml cannot be read: "));
}

#[test]
fn the_order_of_the_sources() {
    let mut texts = vec![
        ("BP_RUBY_VERSION", "3.3.8"),
        ("Gemfile.lock", LOCK),
        ("Gemfile", "ruby '~> 3.3.0'"),
        (".ruby-version", "3.3.7"),
        (".tool-versions", "ruby 3.3.6"),
        ("mise.toml", "[tools]\nruby = '3.3.5'"),
    ];
    let mut order = Vec::new();
    while !texts.is_empty() {
        order.push(verdict(&texts));
        match texts.remove(0) {
            // A Gemfile without its lockfile is an error of its own.
            ("Gemfile.lock", _) => texts.insert(0, ("Gemfile.lock", "GEM\n")),
            _ => continue,
        }
        order.push(verdict(&texts));
        texts.retain(|(name, _)| !name.starts_with("Gemfile"));
    }
    assert_eq!(
        order,
        [
            "3.3.8 from BP_RUBY_VERSION",
            "3.3.8 from Gemfile.lock",
            "~> 3.3.0 from Gemfile",
            "3.3.7 from .ruby-version",
            "3.3.6 from .tool-versions",
            "3.3.5 from mise.toml",
        ]
    );
}

#[test]
fn a_source_that_cannot_be_used_is_passed_over_behind_one_that_can() {
    let app = app(&[
        ("Gemfile.lock", LOCK),
        ("Gemfile", "ruby ENV.fetch('RUBY_VERSION')\n"),
        (".ruby-version", "truffleruby-24\n"),
        ("mise.toml", "tools = [\n"),
    ])
    .unwrap();
    assert_eq!(app.ruby.requests.len(), 1);
    assert!(app.ruby.computed.is_some());
    assert_report!(app.ruby.passed_over[0]);
    assert_report!("a_broken_file_behind_an_answer", app.ruby.passed_over[1]);
}

#[test]
fn a_gemfile_that_cannot_be_used_is_always_an_error() {
    let texts = [
        ("BP_RUBY_VERSION", "3.3.8"),
        ("Gemfile", "ruby '9.4', engine: 'jruby'\n"),
    ];
    assert_eq!(errors(&texts).0.len(), 1);
}

#[test]
fn a_ruby_that_bundler_would_refuse_is_an_error() {
    let lockfile = [
        ("Gemfile.lock", LOCK),
        ("Gemfile", "source 'x'\nruby '~> 3.4.0'\n"),
    ];
    assert_report!("refused_lockfile", errors(&lockfile));
    let variable = [
        ("BP_RUBY_VERSION", "3.4.1"),
        ("Gemfile.lock", LOCK),
        ("Gemfile", "source 'x'\nruby file: '.ruby-version'\n"),
        (".ruby-version", "3.3.8\n"),
    ];
    assert_report!("refused_variable", errors(&variable));
    // Bundler compares as RubyGems does: a pre-release of 4 is greater than 3.2.
    let preview = [
        ("BP_RUBY_VERSION", "4.0.0-preview2"),
        ("Gemfile", "ruby '>= 3.2'"),
    ];
    assert_eq!(verdict(&preview), "4.0.0.preview2 from BP_RUBY_VERSION");
}

#[test]
fn errors_are_shown() {
    for (name, texts) in [
        ("a_placeholder", [("BP_RUBY_VERSION", "3.x")].as_slice()),
        ("no_version", &[("BP_RUBY_VERSION", "newest")]),
        (
            "lockfile_of_jruby",
            &[
                (
                    "Gemfile.lock",
                    "RUBY VERSION\n   ruby 3.1.4p0 (jruby 9.4.3.0)\n",
                ),
                ("Gemfile", ""),
            ],
        ),
        (
            "file_missing",
            &[(
                "Gemfile",
                "source \"https://rubygems.org\"\nruby file: \".ruby\"\n",
            )],
        ),
        ("system", &[(".ruby-version", "system\n")]),
        (
            "tool_versions",
            &[(".tool-versions", "nodejs 22.1.0\nruby ref:main\n")],
        ),
        (
            "mise",
            &[("mise.toml", "[tools]\nnode = \"22\"\nruby = [\"lts\"]\n")],
        ),
        (
            "mise_template",
            &[("mise.toml", "[tools]\nruby = \"{{ env.RUBY }}\"\n")],
        ),
        (
            "broken_mise",
            &[("mise.toml", "[tools]\nnode = \"22\nruby = \"3.3.8\"\n")],
        ),
    ] {
        assert_report!(name, errors(texts));
    }
}
