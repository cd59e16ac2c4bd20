#![no_main]

use formation::app::gem_platform::GemPlatform;
use formation::app::gemfile_lock::GemfileLock;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(lockfile) = GemfileLock::parse("Gemfile.lock", text) {
        for platform in &lockfile.platforms {
            let _ = lockfile.gems_for(platform, false);
        }
        let _ = lockfile.gems_for(&GemPlatform::linux("amd64", false), true);
    }
});
