#![no_main]

use formation_buildpack::gems::lockfile::GemfileLock;
use formation_buildpack::gems::platform::GemPlatform;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(lockfile) = GemfileLock::parse("Gemfile.lock", text) {
        for platform in &lockfile.platforms {
            let _ = lockfile.gems_for(platform, false);
        }
        let _ = lockfile.gems_for(&GemPlatform::linux("amd64", false), true);
    }
});
