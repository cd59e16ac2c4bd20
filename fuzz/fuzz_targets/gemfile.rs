#![no_main]

use formation_buildpack::ruby::gemfile::ruby_directive;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some((_, place)) = ruby_directive(text) {
        assert!(text[place].starts_with("ruby"));
    }
});
