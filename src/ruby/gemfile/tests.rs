use super::*;
use proptest::prelude::*;

fn requirement(text: &str) -> RubyDirective {
    RubyDirective::Requirement(text.parse().unwrap())
}

fn file(name: &str) -> RubyDirective {
    RubyDirective::File(name.into())
}

fn content(name: &str) -> RubyDirective {
    RubyDirective::Content(FileContent {
        file: name.into(),
        ..FileContent::default()
    })
}

fn directive(lines: &str) -> Option<RubyDirective> {
    let gemfile = format!("source \"https://rubygems.org\"\n{lines}\ngem \"rack\"\n");
    let found = ruby_directive(&gemfile).map(|(directive, _)| directive);
    let windows = ruby_directive(&gemfile.replace('\n', "\r\n"));
    assert_eq!(
        windows.map(|(directive, _)| directive),
        found,
        "CRLF: {lines}"
    );
    found
}

fn assert_directives(cases: &[(&str, RubyDirective)]) {
    for (lines, expected) in cases {
        assert_eq!(directive(lines).as_ref(), Some(expected), "{lines}");
    }
}

#[test]
fn literals_in_all_their_spellings() {
    assert_directives(&[
        ("ruby \"3.3.8\"", requirement("3.3.8")),
        ("ruby '3.3.8'", requirement("3.3.8")),
        ("ruby('3.3.8') # note", requirement("3.3.8")),
        ("ruby ('3.3.8')", requirement("3.3.8")),
        ("ruby(\n  '3.3.8',\n  # note\n)", requirement("3.3.8")),
        ("  ruby \"~> 3.3.0\"", requirement("~> 3.3.0")),
        ("ruby \">= 3.2\", \"< 4\"", requirement(">= 3.2, < 4")),
        (
            "ruby \">= 3.2\",\n\n  # below four\n  \"< 4\"",
            requirement(">= 3.2, < 4"),
        ),
        ("ruby([\"~> 3.3\", \"< 4\"])", requirement("~> 3.3, < 4")),
        ("ruby %w[~>3.3 <4]", requirement("~> 3.3, < 4")),
        ("ruby %q(3.3.8)", requirement("3.3.8")),
        ("ruby '3.3.8p144'", requirement("3.3.8")),
        ("ruby '3.3.8';", requirement("3.3.8")),
        ("ruby '3.3.8', :patchlevel => '144'", requirement("3.3.8")),
        ("ruby '3.3.8', engine: 'ruby'", requirement("3.3.8")),
        ("ruby ['3.3.8'], engine: 'ruby'", requirement("3.3.8")),
        (
            "ruby \"3.3.8\",\n  engine: \"ruby\",\n  engine_version: \"3.3.8\"",
            requirement("3.3.8"),
        ),
        ("ruby 'latest'", RubyDirective::Invalid("latest".into())),
        ("ruby '3.x'", RubyDirective::Invalid("3.x".into())),
    ]);
}

#[test]
fn files_and_engines() {
    let jruby = RubyDirective::Engine("jruby".into());
    assert_directives(&[
        ("ruby file: \".ruby-version\"", file(".ruby-version")),
        ("ruby(file: \".ruby-version\")", file(".ruby-version")),
        ("ruby :file => '.tool-versions'", file(".tool-versions")),
        ("ruby 'file': 'mise.toml'", file("mise.toml")),
        (
            "ruby file: File.join(__dir__, '.ruby-version')",
            file(".ruby-version"),
        ),
        (
            "ruby File.read('.ruby-version').strip",
            content(".ruby-version"),
        ),
        (
            "ruby IO.read(\".ruby-version\").chomp",
            content(".ruby-version"),
        ),
        (
            "ruby(File.read('.ruby-version').strip)",
            content(".ruby-version"),
        ),
        (
            "ruby '3.1.4', engine: 'jruby', engine_version: '9.4.3.0'",
            jruby.clone(),
        ),
        (
            "ruby '3.1.4',\n  :engine => :jruby,\n  :engine_version => '9.4'",
            jruby,
        ),
    ]);
}

#[test]
fn the_content_of_a_file_in_all_its_spellings() {
    for path in [
        "'.ruby-version'",
        "\"./.ruby-version\"",
        "\"#{__dir__}/.ruby-version\"",
        "\"#{Dir.pwd}/.ruby-version\"",
        "File.expand_path('.ruby-version')",
        "File.expand_path('.ruby-version', __dir__)",
        "File.expand_path(\"../.ruby-version\", __FILE__)",
        "File.expand_path('.ruby-version', File.dirname(__FILE__))",
        "File.join(__dir__, '.ruby-version')",
        "File.join(File.dirname(__FILE__), \".ruby-version\")",
    ] {
        for read in [
            format!("File.read({path})"),
            format!("IO.read({path}).strip"),
            format!("(File.read({path}).chomp)"),
            format!("\"#{{File.read({path}).strip}}\""),
            format!("File.open({path}) {{ |f| f.read.chomp }}"),
            format!("File.open({path}, 'rb') {{ |file| file.read }}.strip"),
        ] {
            assert_directives(&[(&format!("ruby {read}"), content(".ruby-version"))]);
        }
    }
    let changed = |operator: &str, drops_prefix| {
        RubyDirective::Content(FileContent {
            file: ".ruby-version".into(),
            operator: operator.into(),
            drops_prefix,
        })
    };
    assert_directives(&[
        (
            "ruby \"~> #{File.read('.ruby-version').strip}\"",
            changed("~> ", false),
        ),
        (
            "ruby File.read('.ruby-version').chomp.sub('ruby-', '')",
            changed("", true),
        ),
        (
            "ruby File.read('.ruby-version').delete_prefix('ruby-').strip",
            changed("", true),
        ),
    ]);
}

#[test]
fn versions_that_only_ruby_can_compute() {
    for lines in [
        "ruby ENV.fetch(\"RUBY\", \"3.3.8\")",
        "ruby RUBY_VERSION",
        "ruby \"3.#{minor}\"",
        "ruby version",
        "ruby \"3.3.8\" if ENV[\"CI\"]",
        "ruby(\"3.3.8\") unless ENV[\"CI\"]",
        "ruby ['3.3.8'",
        "ruby ['3.3.8'].first",
        "ruby []",
        "ruby \"~> #{`cat .ruby-version`.strip}\"",
        "ruby \"~> #{File.read('.ruby-version').strip}.0\"",
        "ruby File.read(\"#{__dir__}/.ruby-version\")[5..]",
        "ruby File.read('.ruby-version').sub('a', '')",
        "ruby File.read(File.join(File.expand_path('~'), '.ruby-version'))",
        "ruby File.open('.ruby-version') { |f| other.read }",
        "ruby File.open('.ruby-version')",
        "ruby File.read('.ruby-version').lines.first",
        "ruby File.read(name).strip",
        "ruby '3.3.8', engine: ENV['ENGINE']",
        "ruby <<~VERSION.strip\n  3.3.8\nVERSION",
        "if ENV['NEXT']\n  ruby '4.0.6'\nelse\n  ruby '3.3.8'\nend",
        "ruby '3.3.8'\nruby '4.0.6' if ENV['NEXT']",
        "case ENV['R']\nwhen 'a' then ruby '3.3.8'\nend",
        "x = if y\n  ruby '3.3.8'\nend",
        "begin\n  a\nrescue LoadError\n  ruby '3.3.8'\nend",
        "def version\n  ruby '3.3.8'\nend",
    ] {
        assert_directives(&[(lines, RubyDirective::Computed)]);
    }
}

#[test]
fn text_that_only_looks_like_a_statement() {
    for lines in [
        "# ruby \"3.3.8\"",
        "gem \"ruby\"",
        "rubyzip = 1",
        "ruby = '3.3.8'",
        "ruby == '3.3.8'",
        "ruby.version",
        "config.ruby '3.3.8'",
        "=begin\nruby '3.3.8'\n=end",
        "__END__\nruby '3.3.8'",
        "text = \"\nruby '3.3.8'\n\"",
        "text = <<~TEXT\n  ruby '3.3.8'\nTEXT",
        "gem 'a',\n  ruby '3.3.8'",
        "gem 'a', require: %w[\nruby\n]",
        "ruby if x",
        "",
    ] {
        assert_eq!(directive(lines), None, "{lines}");
    }
}

#[test]
fn statements_in_blocks_that_always_run() {
    assert_directives(&[
        ("source 'x' do\n  ruby '3.3.8'\nend", requirement("3.3.8")),
        ("group :a do |x|\n  ruby '3.3.8'\nend", requirement("3.3.8")),
        ("gem 'a' if b\nruby '3.3.8'", requirement("3.3.8")),
        ("if a\n  gem 'b'\nend\nruby '3.3.8'", requirement("3.3.8")),
        (
            "a = if b then 1 else 2 end\nruby '3.3.8'",
            requirement("3.3.8"),
        ),
        ("while a do\n  b\nend\nruby '3.3.8'", requirement("3.3.8")),
        ("x.each { |a| gem a }; ruby '3.3.8'", requirement("3.3.8")),
        ("gem 'a', if: b\nruby '3.3.8'", requirement("3.3.8")),
        ("return if b\nruby '3.3.8'", requirement("3.3.8")),
        ("ruby '3.2.9'\nruby '3.3.8'", requirement("3.3.8")),
        (
            "=begin\nruby '3.3.8'\n=end\nruby '3.4.1'",
            requirement("3.4.1"),
        ),
    ]);
}

#[test]
fn the_place_is_that_of_the_statement() {
    let gemfile = "source \"x\"\n  ruby \"3.3.8\",\r\n engine: 'ruby' \r\n";
    let (_, place) = ruby_directive(gemfile).unwrap();
    assert_eq!(&gemfile[place], "ruby \"3.3.8\",\r\n engine: 'ruby'");
}

proptest! {
    #[test]
    fn reading_never_panics(text in "(?s).*", arguments in "\\PC*") {
        let _ = ruby_directive(&text);
        let _ = ruby_directive(&format!("ruby {arguments}"));
    }
}
