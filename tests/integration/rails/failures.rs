//! An app whose assets cannot be compiled ends the build: with the task's own output, the cause, and
//! what helps.

use crate::rails::assets::{build, copy_of};
use libcnb_test::assert_contains;
use rig::files;

#[test]
#[ignore = "integration test"]
fn what_an_app_asks_for_when_it_boots() {
    let initializer = "config/initializers/needy.rb";
    for (name, file, text, expected) in [
        (
            "key",
            "config/environments/production.rb",
            "Rails.application.configure { config.require_master_key = true }\n",
            [
                "Missing encryption key to decrypt file with",
                "SECRET_KEY_BASE_DUMMY",
            ],
        ),
        (
            "database",
            initializer,
            "Rails.application.config.after_initialize { Note.count }\n",
            ["Could not find table 'notes'", "a build has none"],
        ),
        (
            "variable",
            initializer,
            "ENV.fetch('S3_BUCKET')\n",
            ["key not found: \"S3_BUCKET\"", "pack build --env NAME="],
        ),
        (
            "gem",
            initializer,
            "require 'debug'\n",
            ["cannot load such file -- debug", "`development` and `test`"],
        ),
    ] {
        let app = copy_of("fixtures/rails-app");
        files::write(&app.path().join(file), text);
        let build = build(&format!("assets-no-{name}"), app.path(), &[]);
        assert!(!build.succeeded, "{name}: {}", build.log);
        // A report is wrapped.
        let log = build
            .log
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace("│ ", "");
        assert_contains!(log, "the app's assets could not be compiled");
        for part in expected {
            assert_contains!(log, part);
        }
    }
}
