use super::*;
use indoc::indoc;
use procfile::assert_report;
use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt::Write as _;

const LOCKFILE: &str = indoc! {"
    PATH
      remote: engines/billing
      specs:
        billing (0.1.0)
          rack

    GIT
      remote: https://github.com/rails/rails.git
      revision: 0123456789abcdef0123456789abcdef01234567
      branch: main
      submodules: true
      specs:
        rails (8.1.0.alpha)
          rack (>= 2.2.4, < 3.2)

    GEM
      remote: https://rubygems.org/
      remote: https://gems.example.com/
      specs:
        nokogiri (1.18.2)
          mini_portile2 (~> 2.8.2)
        nokogiri (1.18.2-x86_64-linux-gnu)
        rack (3.1.20)

    PLATFORMS
      ruby
      x86_64-linux-gnu

    DEPENDENCIES
      billing!
      nokogiri

    CHECKSUMS
      nokogiri (1.18.2)
      rack (3.1.20) sha256=38f5510de81366e5a8f5d7084d88dbf075382703c74c6153a9d3aa8db848dcde

    RUBY VERSION
       ruby 3.3.8p144

    SOMETHING NEW
      what: ever

    BUNDLED WITH
       2.6.7
"};

fn read(text: &str) -> Result<GemfileLock, GemfileLockError> {
    GemfileLock::parse("Gemfile.lock", text)
}

/// A lockfile as Bundler would write it, except for the order of its entries.
fn print(lockfile: &GemfileLock) -> String {
    sections_of(lockfile).join("\n")
}

fn sections_of(lockfile: &GemfileLock) -> Vec<String> {
    let mut sections: Vec<_> = lockfile.sources.iter().map(print_source).collect();
    sections.push(print_list("PLATFORMS", lockfile.platforms.iter()));
    let dependencies = lockfile.dependencies.iter().map(print_dependency);
    sections.push(print_list("DEPENDENCIES", dependencies));
    if let Some(checksums) = &lockfile.checksums {
        let entries = checksums.iter().map(|(full_name, checksums)| {
            let spec = lockfile.specs().find(|spec| spec.full_name() == full_name);
            let name = spec.map_or_else(|| in_brackets(full_name), ToString::to_string);
            let list: Vec<_> = checksums.iter().map(ToString::to_string).collect();
            format!("{name} {}", list.join(",")).trim_end().to_string()
        });
        sections.push(print_list("CHECKSUMS", entries));
    }
    if let Some(ruby) = &lockfile.ruby {
        let engine = ruby.engine.iter().map(|engine| format!(" ({engine})"));
        let engine: String = engine.collect();
        sections.push(format!("RUBY VERSION\n  ruby {}{engine}\n", ruby.version));
    }
    if let Some(version) = &lockfile.bundled_with {
        sections.push(format!("BUNDLED WITH\n  {version}\n"));
    }
    sections
}

/// The entry of a gem that no section locks, and that has one variant.
fn in_brackets(full_name: &str) -> String {
    let (name, version) = full_name.rsplit_once('-').unwrap();
    format!("{name} ({version})")
}

fn print_list(heading: &str, entries: impl Iterator<Item = impl Display>) -> String {
    entries.fold(format!("{heading}\n"), |mut text, entry| {
        writeln!(text, "  {entry}").unwrap();
        text
    })
}

fn print_source(source: &Source) -> String {
    let remote = |remote: &str| vec![("remote".to_string(), remote.to_string())];
    let mut options = Vec::new();
    let mut add = |name: &str, value: &Option<String>| {
        options.extend(value.iter().map(|value| (name.to_string(), value.clone())));
    };
    let (heading, first) = match &source.kind {
        SourceKind::Gem(remotes) => ("GEM", remotes.iter().flat_map(|url| remote(url)).collect()),
        SourceKind::Git(git) => {
            add("revision", &Some(git.revision.clone()));
            add("ref", &git.reference);
            add("branch", &git.branch);
            add("tag", &git.tag);
            add(
                "submodules",
                &git.has_submodules.then(|| "true".to_string()),
            );
            add("glob", &git.glob);
            ("GIT", remote(&git.remote))
        }
        SourceKind::Path(path) => {
            add("glob", &path.glob);
            ("PATH", remote(&path.folder))
        }
        SourceKind::Plugin(plugin) => {
            add("type", &Some(plugin.source_type.clone()));
            options.extend(plugin.options.clone());
            ("PLUGIN SOURCE", remote(&plugin.remote))
        }
    };
    let mut text = format!("{heading}\n");
    for (name, value) in first.into_iter().chain(options) {
        writeln!(text, "  {name}: {value}").unwrap();
    }
    text.push_str("  specs:\n");
    for spec in &source.specs {
        writeln!(text, "    {spec}").unwrap();
        for dependency in &spec.dependencies {
            writeln!(text, "      {}", print_dependency(dependency)).unwrap();
        }
    }
    text
}

fn print_dependency(dependency: &Dependency) -> String {
    let mut text = dependency.name.clone();
    if dependency.requirement != GemRequirement::any() {
        write!(text, " ({})", dependency.requirement).unwrap();
    }
    if dependency.is_pinned {
        text.push('!');
    }
    text
}

#[test]
fn every_section_is_read() {
    insta::assert_debug_snapshot!(read(LOCKFILE).unwrap());
}

/// The fixtures, by name, with their text.
fn fixtures() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/lockfiles");
    let entries = fs_err::read_dir(folder).unwrap();
    let mut fixtures: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs_err::read_to_string(entry.path()).unwrap())
        })
        .collect();
    fixtures.sort();
    fixtures
}

/// The selected gems on three platforms.
fn print_selected(lockfile: &GemfileLock) -> String {
    let mut text = String::new();
    for (architecture, has_musl) in [("amd64", false), ("arm64", false), ("amd64", true)] {
        let local = GemPlatform::linux(architecture, has_musl);
        let selected = lockfile.gems_for(&local, false);
        let names: Vec<_> = selected
            .gems
            .iter()
            .map(|gem| gem.spec.full_name())
            .collect();
        writeln!(text, "\non {local}: {}", names.join(" ")).unwrap();
        if !selected.unavailable.is_empty() {
            writeln!(text, "  not available: {}", selected.unavailable.join(" ")).unwrap();
        }
        if selected.servers_decide {
            text.push_str("  the gem servers decide\n");
        }
    }
    text
}

#[test]
fn lockfiles_of_all_ages_and_shapes() {
    for (name, text) in fixtures() {
        let lockfile = read(&text).unwrap();
        let shown = format!("{}{}", print(&lockfile), print_selected(&lockfile));
        insta::assert_snapshot!(name, shown);
    }
}

#[test]
fn lockfiles_survive_printing_and_reading() {
    for (name, text) in fixtures() {
        let lockfile = read(&text).unwrap();
        assert_eq!(read(&print(&lockfile)).unwrap(), lockfile, "{name}");
    }
}

#[test]
fn line_endings_do_not_matter() {
    let windows = LOCKFILE.replace('\n', "\r\n");
    assert_eq!(read(&windows).unwrap(), read(LOCKFILE).unwrap());
}

#[test]
fn ruby_version_in_all_its_spellings() {
    for (value, version, engine) in [
        ("ruby 3.3.5p100", "3.3.5", None),
        ("ruby 3.4.0.rc1", "3.4.0.rc1", None),
        ("ruby 4.0.6", "4.0.6", None),
        ("ruby 4.0.0.preview2", "4.0.0.preview2", None),
        (
            "ruby 3.1.4p0 (jruby 9.4.3.0)",
            "3.1.4",
            Some("jruby 9.4.3.0"),
        ),
    ] {
        let text = format!("RUBY VERSION\n  {value}\n");
        let ruby = read(&text).unwrap().ruby.unwrap();
        assert_eq!(ruby.version.to_string(), version);
        assert_eq!(ruby.engine.as_deref(), engine);
    }
}

#[test]
fn an_unreadable_bundler_version_counts_as_none() {
    assert_eq!(read("BUNDLED WITH\n  latest\n").unwrap().bundled_with, None);
    let lockfile = read("BUNDLED WITH\n\t2.6.7\n  latest\n").unwrap();
    assert_eq!(lockfile.bundled_with, Some("2.6.7".parse().unwrap()));
}

#[test]
fn of_a_repeated_option_the_last_counts() {
    let text = "GIT\n  remote: a\n  branch: a\n  remote: b\n  revision: 1\n  submodules: false\n  branch: b\n  specs:\n";
    let expected = SourceKind::Git(GitSource {
        remote: "b".into(),
        revision: "1".into(),
        branch: Some("b".into()),
        ..GitSource::default()
    });
    assert_eq!(read(text).unwrap().sources[0].kind, expected);
}

#[test]
fn a_gem_that_is_locked_twice_comes_from_the_last_section() {
    let text = indoc! {"
        GEM
          remote: https://a.example.com/
          specs:
            rack (3.1.20)
              old

        GEM
          remote: https://b.example.com/
          specs:
            rack (3.1.20)

        DEPENDENCIES
          rack
    "};
    let lockfile = read(text).unwrap();
    let selected = lockfile.gems_for(&GemPlatform::linux("amd64", false), false);
    let [gem] = selected.gems.as_slice() else {
        panic!("{selected:?}");
    };
    assert_eq!(gem.servers().unwrap(), ["https://b.example.com/"]);
    assert!(gem.checksums.is_none());
}

#[test]
fn selected_gems_have_their_checksums() {
    let lockfile = read(LOCKFILE).unwrap();
    let selected = lockfile.gems_for(&GemPlatform::linux("amd64", true), false);
    let found: Vec<_> = selected
        .gems
        .iter()
        .map(|gem| (gem.spec.full_name(), gem.checksums.map(<[_]>::len)))
        .collect();
    let expected = [
        ("billing-0.1.0", None),
        ("nokogiri-1.18.2", Some(0)),
        ("rack-3.1.20", Some(1)),
    ];
    assert_eq!(
        found,
        expected.map(|(name, count)| (name.to_string(), count))
    );
    assert_eq!(selected.unavailable, ["mini_portile2"]);
}

#[test]
fn with_the_ruby_platform_forced_the_servers_do_not_decide() {
    let text = "GEM\n  specs:\n    ffi (1.17.2)\n    ffi (1.17.2-x86_64-linux)\nPLATFORMS\n  ruby\nDEPENDENCIES\n  ffi\n";
    let lockfile = read(text).unwrap();
    let local = GemPlatform::linux("amd64", false);
    let forced = lockfile.gems_for(&local, true);
    assert!(!forced.servers_decide);
    assert_eq!(forced.gems[0].spec.full_name(), "ffi-1.17.2");
    assert!(lockfile.gems_for(&local, false).servers_decide);
}

#[test]
fn lines_under_an_unknown_heading_are_ignored() {
    for heading in ["SOMETHING NEW", "gems", "_1"] {
        let text = format!("{heading}\n  rack (what\n\tever)\n");
        assert_eq!(read(&text).unwrap(), GemfileLock::default());
    }
    let lockfile = read("# Written by a tool.\n\nGEM\n  specs:\n    rack (3)\n").unwrap();
    assert!(lockfile.has_gem("rack"));
}

#[test]
fn a_merge_conflict_is_shown() {
    let text = LOCKFILE.replace(
        "    rack (3.1.20)\n",
        "<<<<<<< HEAD\n    rack (3.1.20)\n=======\n    rack (3.1.19)\n>>>>>>> main\n",
    );
    assert_report!(read(&text).unwrap_err());
}

#[test]
fn every_marker_of_a_merge_conflict_is_noticed() {
    for marker in ["<<<<<<< HEAD", "||||||| base", "=======", ">>>>>>> main"] {
        for text in [
            format!("GEM\n{marker}\n"),
            format!("GEM\n  remote: {marker}"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(
                matches!(error, GemfileLockError::MergeConflict { .. }),
                "{text}"
            );
        }
    }
}

#[test]
fn an_unreadable_ruby_version_is_shown() {
    let text = LOCKFILE.replace("3.3.8p144", "latest");
    assert_report!(read(&text).unwrap_err());
}

#[test]
fn a_byte_order_mark_is_shown() {
    assert_report!(read(&format!("\u{feff}{LOCKFILE}")).unwrap_err());
}

#[test]
fn a_line_that_bundler_ignores_is_shown() {
    let text = LOCKFILE.replace("    rack (3.1.20)\n", "   rack (3.1.20)\n");
    assert_report!(read(&text).unwrap_err());
}

#[test]
fn a_misspelled_heading_is_shown() {
    assert_report!(read(&LOCKFILE.replace("GEM\n", "GEM \n")).unwrap_err());
}

#[test]
fn lines_that_bundler_cannot_use() {
    for (text, expected) in [
        ("GEM\n  specs:\n    rack\n", LineFault::Version),
        ("GEM\n  specs:\n    rack (new)\n", LineFault::Version),
        ("GEM\n  specs:\n    rack ()\n", LineFault::Version),
        ("GEM\n  specs:\n    rack (3.1.20\n", LineFault::Version),
        ("GEM\n  specs:\n\track (3.1.20)\n", LineFault::Ignored),
        ("GEM\n  specs:\n      rack\n", LineFault::BeforeSpec),
        ("GEM\n    rack (3.1.20)\n", LineFault::BeforeSpecs),
        ("GEM\n  specs: \n    rack (3)\n", LineFault::BeforeSpecs),
        (
            "GEM\n  specs:\n    a (1)\n      b (?)\n",
            LineFault::Requirement,
        ),
        (
            "GIT\n  remote: a\n  specs:\n",
            LineFault::OptionMissing("revision"),
        ),
        ("PATH\n  specs:\n", LineFault::OptionMissing("remote")),
        (
            "PLUGIN SOURCE\n  remote: a\n  specs:\n",
            LineFault::OptionMissing("type"),
        ),
        ("PLATFORMS\n ruby\n", LineFault::Ignored),
        ("DEPENDENCIES\n    rack\n", LineFault::Ignored),
        ("DEPENDENCIES\n  rack (~> new)\n", LineFault::Requirement),
        ("CHECKSUMS\n    rack (3)\n", LineFault::Ignored),
        ("CHECKSUMS\n  rack sha1=f00\n", LineFault::Version),
        ("CHECKSUMS\n  rack (3) sha256=f00\n", LineFault::Checksum),
        (
            "CHECKSUMS\n  a (1) x=1\n  a (1) x=2\n",
            LineFault::ChecksumsDiffer,
        ),
        ("- GEM\n  specs:\n", LineFault::Heading),
        ("DEPENDENCIES:\n  rack\n", LineFault::Heading),
    ] {
        match read(text) {
            Err(GemfileLockError::Line { fault, .. }) => assert_eq!(fault, expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}"
}

fn version() -> impl Strategy<Value = GemVersion> {
    "[0-9]{1,2}(\\.[0-9a-z]{1,3}){0,3}".prop_map(|text| text.parse().unwrap())
}

fn platform() -> impl Strategy<Value = GemPlatform> {
    "(ruby|java|(x86_64|aarch64|universal)-(linux(-gnu|-musl)?|darwin(-2[0-9])?|mingw-ucrt))"
        .prop_map(|text| GemPlatform::parse(&text))
}

fn requirement() -> impl Strategy<Value = GemRequirement> {
    let condition = "((~>|>=|<=|!=|>|<|=) )?[0-9]{1,2}(\\.[0-9a-z]{1,3}){0,2}";
    vec(condition, 1..3).prop_map(|conditions| conditions.join(", ").parse().unwrap())
}

prop_compose! {
    fn dependency(pinned: bool)(name in name(), requirement in requirement(), is_pinned in any::<bool>()) -> Dependency {
        Dependency { name, requirement, is_pinned: pinned && is_pinned }
    }
}

prop_compose! {
    fn spec()(name in name(), version in version(), platform in platform(), dependencies in vec(dependency(false), 0..3)) -> Spec {
        Spec { name, version, platform, dependencies }
    }
}

fn source() -> impl Strategy<Value = Source> {
    let value = || "[!-~]([ -~]{0,10}[!-~])?";
    let maybe = move || prop::option::of(value());
    let gem = vec(value(), 0..3).prop_map(SourceKind::Gem);
    let path =
        (value(), maybe()).prop_map(|(folder, glob)| SourceKind::Path(PathSource { folder, glob }));
    let git = (
        value(),
        value(),
        maybe(),
        maybe(),
        maybe(),
        any::<bool>(),
        maybe(),
    )
        .prop_map(
            |(remote, revision, reference, branch, tag, has_submodules, glob)| {
                SourceKind::Git(GitSource {
                    remote,
                    revision,
                    reference,
                    branch,
                    tag,
                    has_submodules,
                    glob,
                })
            },
        );
    let options = vec(("[a-z]{1,3}", value()), 0..3);
    let plugin = (value(), value(), options).prop_map(|(source_type, remote, options)| {
        SourceKind::Plugin(PluginSource {
            source_type,
            remote,
            options,
        })
    });
    (prop_oneof![gem, git, path, plugin], vec(spec(), 0..4))
        .prop_map(|(kind, specs)| Source { kind, specs })
}

prop_compose! {
    fn ruby()(version in "[0-9]\\.[0-9]\\.[0-9](\\.rc1)?", engine in prop::option::of("jruby [0-9.]{1,5}")) -> LockedRuby {
        LockedRuby { version: version.parse().unwrap(), engine }
    }
}

prop_compose! {
    fn lockfile()(
        sources in vec(source(), 0..4),
        platforms in vec(platform(), 0..4),
        dependencies in vec(dependency(true), 0..4),
        digests in prop::option::of(vec("[0-9a-f]{64}", 0..4)),
        ruby in prop::option::of(ruby()),
        bundled_with in prop::option::of(version()),
    ) -> GemfileLock {
        let mut lockfile = GemfileLock { sources, platforms, dependencies: Vec::new(), checksums: None, ruby, bundled_with };
        for dependency in dependencies {
            if lockfile.dependencies.iter().all(|known| known.name != dependency.name) {
                lockfile.dependencies.push(dependency);
            }
        }
        lockfile.checksums = digests.map(|digests| {
            let mut checksums = Checksums::default();
            for (spec, digest) in lockfile.specs().zip(digests) {
                let list = format!("sha256={digest},sha512=f00");
                // The same gem may come twice, with another digest.
                let _ = checksums.add(&spec.name, &spec.version, &spec.platform, Some(&list));
            }
            checksums
        });
        lockfile
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn reading_never_panics(text in "(?s).*") {
        let _ = read(&text);
    }

    #[test]
    fn reading_lines_like_those_of_lockfiles_never_panics(lines in vec("(GEM|GIT|PATH|CHECKSUMS|DEPENDENCIES|( {0,7}(specs:|remote: a|revision: 1|[a-c() !,=.é-]{0,9})))\r?", 0..12)) {
        if let Ok(lockfile) = read(&lines.join("\n")) {
            let _ = lockfile.gems_for(&GemPlatform::linux("amd64", false), false);
        }
    }

    #[test]
    fn a_lockfile_is_read_as_it_was_printed(lockfile in lockfile()) {
        let text = print(&lockfile);
        prop_assert_eq!(read(&text).unwrap(), lockfile, "{}", text);
    }

    #[test]
    fn unknown_sections_may_be_anywhere(lockfile in lockfile(), places in vec(any::<prop::sample::Index>(), 0..3)) {
        let mut sections = sections_of(&lockfile);
        for place in places {
            sections.insert(place.index(sections.len() + 1), "SOMETHING NEW\n  what (ever)\n".to_string());
        }
        prop_assert_eq!(read(&sections.join("")).unwrap(), lockfile);
    }

    #[test]
    fn each_gem_is_selected_once(lockfile in lockfile(), local in platform()) {
        let selected = lockfile.gems_for(&local, false);
        let mut names: Vec<_> = selected.gems.iter().map(|gem| gem.spec.name.as_str()).chain(selected.unavailable.iter().copied()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        prop_assert_eq!(names.len(), all);
        prop_assert!(selected.gems.iter().all(|gem| gem.spec.platform.runs_on(&local)));
    }
}
