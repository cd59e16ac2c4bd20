use super::*;
use crate::assert_report;
use crate::report::plain;
use proptest::prelude::*;
use serde_json::json;

proptest! {
    /// Any text is either read or reported.
    #[test]
    fn any_text_is_read_or_reported(
        text in concat!(
            r#"(\PC|[\n\t\u{feff}]|[\[\]{}:,"0-9é]|"#,
            r#""(formation|cron|quantity|command|schedule|web)"){0,30}"#,
        )
    ) {
        if let Err(error) = AppJson::read(&text) {
            prop_assert!(!plain(&error).is_empty());
        }
    }

    /// The same for JSON with the right keys and any values.
    #[test]
    fn any_value_is_read_or_reported(value in value(), process_type in "\\PC{0,8}") {
        for text in [
            json!({ "formation": value.clone(), "cron": value.clone() }),
            json!({ "formation": { process_type: { "quantity": value.clone() } } }),
            json!({ "cron": [{ "command": value.clone(), "schedule": value }] }),
        ] {
            if let Err(error) = AppJson::read(&text.to_string()) {
                prop_assert!(plain(&error).contains("╰── "), "{}", plain(&error));
            }
        }
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(|number| json!(number)),
        "\\PC{0,8}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|values| json!(values)),
            prop::collection::btree_map("\\PC{0,3}", inner, 0..3).prop_map(|values| json!(values)),
        ]
    })
}

#[test]
fn a_formation_and_tasks() {
    let app_json = AppJson::read(
        r#"{
            "name": "shop", "buildpacks": [{}], "addons": null,
            "formation": {
                "web": { "size": "standard-1x" }, "worker": { "quantity": 2 }, "clock": {}
            },
            "cron": [{ "command": " rake report ", "schedule": "0 3 * * *", "priority": 1 }]
        }"#,
    )
    .unwrap();
    let quantities = ["web", "worker", "clock", "mailer"].map(|name| app_json.quantity(name));
    assert_eq!(quantities, [1, 2, 0, 0]);
    assert_eq!(app_json.cron[0].command, "rake report");
    assert_eq!(app_json.cron[0].schedule.to_string(), "0 3 * * *");
    assert!(!app_json.cron[0].suspended);
    assert_eq!(app_json.cron[0].concurrency, None);
}

#[test]
fn a_task_may_be_suspended_and_have_a_concurrency_policy() {
    let task = |keys: &str| {
        let text = format!(r#"{{ "cron": [{{ "command": "a", "schedule": "@daily", {keys} }}] }}"#);
        let mut app_json = AppJson::read(&text).unwrap();
        let task = app_json.cron.remove(0);
        (task.suspended, task.concurrency)
    };
    assert_eq!(task(r#""maintenance": true"#), (true, None));
    assert_eq!(task(r#""maintenance": null"#), (false, None));
    for (name, policy) in [
        ("allow", ConcurrencyPolicy::Allow),
        ("forbid", ConcurrencyPolicy::Forbid),
        ("Replace", ConcurrencyPolicy::Replace),
    ] {
        let keys = format!(r#""maintenance": false, "concurrency_policy": "{name}""#);
        assert_eq!(task(&keys), (false, Some(policy)));
    }
}

#[test]
fn a_byte_order_mark_makes_no_difference() {
    let text = r#"{ "formation": { "web": { "quantity": 3 } } }"#;
    let marked = AppJson::read(&format!("\u{feff}{text}")).unwrap();
    assert_eq!(marked, AppJson::read(text).unwrap());
}

#[test]
fn without_a_formation_there_is_one_of_each() {
    for text in ["{}", r#"{ "formation": null }"#] {
        let app_json = AppJson::read(text).unwrap();
        assert_eq!((app_json.quantity("web"), app_json.quantity("x")), (1, 1));
    }
    let only_web = AppJson::read(r#"{ "formation": {} }"#).unwrap();
    assert_eq!((only_web.quantity("web"), only_web.quantity("x")), (1, 0));
    let no_web = AppJson::read(r#"{ "formation": { "web": { "quantity": 0 } } }"#).unwrap();
    assert_eq!(no_web.quantity("web"), 0);
}

#[test]
fn every_mistake_is_shown() {
    assert_report!(
        AppJson::read(
            r#"{
  "formation": {
    "web": { "quantity": -1 },
    "worker": { "quantity": "2" },
    "clock": 1,
    "mailer": [1],
    "clicks": { "quantity": 70000 }
  },
  "cron": [
    { "command": "rake report" },
    { "command": "", "schedule": "* * * *" },
    { "command": ["rake"], "schedule": "61 * * * *" },
    { "command": "a", "schedule": "@daily", "maintenance": "yes", "concurrency_policy": "skip" }
  ]
}
"#
        )
        .unwrap_err()
    );
    assert_report!(
        "of_the_wrong_kind",
        AppJson::read(r#"{ "formation": ["web"], "cron": {} }"#).unwrap_err()
    );
}

#[test]
fn duplicate_keys_are_shown() {
    assert_report!(
        AppJson::read(
            r#"{
  "name": "shop", "name": "shop",
  "formation": {
    "web": { "quantity": 1, "size": "a", "size": "b", "quantity": 2 },
    "worker": { "quantity": 2 },
    "w\u006frker": { "quantity": 3 }
  },
  "cron": [{ "command": "rake report", "schedule": "0 3 * * *", "command": "rake stats" }],
  "formation": {}
}
"#
        )
        .unwrap_err()
    );
}

#[test]
fn a_build_shows_mistakes_as_a_warning() {
    let text = r#"{ "cron": [{ "command": "rake report", "schedule": "daily" }] }"#;
    assert_report!(AppJsonWarning::from(AppJson::read(text).unwrap_err()));
}

#[test]
fn a_text_that_is_not_json_is_shown() {
    assert_report!(
        AppJson::read("{\n  \"formation\": {\n    \"web\": { \"quantity\": 1 },\n  }\n}\n")
            .unwrap_err()
    );
    assert_report!("nothing", AppJson::read("").unwrap_err());
    assert_report!("a_list", AppJson::read("[]").unwrap_err());
}
