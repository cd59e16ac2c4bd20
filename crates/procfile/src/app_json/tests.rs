use super::*;
use crate::assert_report;
use crate::report::plain;
use proptest::prelude::*;
use serde_json::json;

proptest! {
    /// Whatever is in the file: it is read, or there is a report of it.
    #[test]
    fn every_text_has_an_answer(
        text in r#"(\PC|[\n\t\u{feff}]|[\[\]{}:,"0-9é]|"(formation|cron|quantity|command|schedule|web)"){0,30}"#
    ) {
        if let Err(error) = AppJson::read(&text) {
            prop_assert!(!plain(&error).is_empty());
        }
    }

    /// The same where it is JSON, and has the right keys with anything in them.
    #[test]
    fn every_value_has_an_answer(value in value(), process_type in "\\PC{0,8}") {
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
            "formation": { "web": { "size": "standard-1x" }, "worker": { "quantity": 2 }, "clock": {} },
            "cron": [{ "command": " rake report ", "schedule": "0 3 * * *", "maintenance": true }]
        }"#,
    )
    .unwrap();
    let quantities = ["web", "worker", "clock", "mailer"].map(|name| app_json.quantity(name));
    assert_eq!(quantities, [1, 2, 0, 0]);
    assert_eq!(app_json.cron[0].command, "rake report");
    assert_eq!(app_json.cron[0].schedule.to_string(), "0 3 * * *");
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
fn every_mistake_has_its_place() {
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
    { "command": ["rake"], "schedule": "61 * * * *" }
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
fn what_stands_there_twice_has_its_place() {
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
fn for_a_build_it_is_a_warning() {
    let text = r#"{ "cron": [{ "command": "rake report", "schedule": "daily" }] }"#;
    assert_report!(AppJsonWarning::from(AppJson::read(text).unwrap_err()));
}

#[test]
fn what_is_no_json() {
    assert_report!(
        AppJson::read("{\n  \"formation\": {\n    \"web\": { \"quantity\": 1 },\n  }\n}\n")
            .unwrap_err()
    );
    assert_report!("nothing", AppJson::read("").unwrap_err());
    assert_report!("a_list", AppJson::read("[]").unwrap_err());
}
