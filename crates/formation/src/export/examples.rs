//! For tests: options, an app.json, and process types to export.

use super::kubernetes::{KubernetesOptions, PodUser};
use super::plan::Options;
use procfile::app_json::AppJson;

/// Valid process types that YAML or an orchestrator could misread.
pub(super) const ODD_TYPES: [&str; 9] = [
    "on",
    "y",
    "null",
    "1_000",
    "0x1f",
    "12e03",
    "My_Worker-2",
    "web",
    "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
];

pub(super) fn options() -> Options {
    Options {
        image: Some("shop:42".into()),
        name: None,
        scale: Vec::new(),
        autoscale: Vec::new(),
        port: 8080,
        grace: "28".parse().unwrap(),
        health_path: None,
        health_host: None,
    }
}

pub(super) fn kubernetes_options() -> KubernetesOptions {
    KubernetesOptions {
        config_map: None,
        secret: None,
        cpu: "100m".parse().unwrap(),
        memory: "512Mi".parse().unwrap(),
        user: Some(PodUser {
            user: 1001,
            group: 1000,
        }),
    }
}

pub(super) fn app_json() -> AppJson {
    let text = r#"{
        "formation": { "worker": { "quantity": 2 } },
        "cron": [
            { "command": "rake report", "schedule": "0 3 * * *" },
            { "command": "echo $(date) > \"$LOG\" && rake 'clean up'", "schedule": "@hourly" },
            {
                "command": "report", "schedule": "@weekly",
                "maintenance": true, "concurrency_policy": "replace"
            }
        ]
    }"#;
    AppJson::read(text).unwrap()
}
