#![no_main]

use formation::app::gemfile_lock::GemfileLock;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = GemfileLock::parse("Gemfile.lock", text);
});
