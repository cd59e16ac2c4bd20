//! A Redis for apps that have a job queue.

use crate::container::Container;
use crate::docker::docker;
use crate::environment::variable;
use std::time::Duration;

/// Returns the variable by which an app finds it, too: `REDIS_URL=…`.
pub fn start_redis() -> (Container, String) {
    let redis = Container::start(
        &variable("FORMATION_SERVER_IMAGE"),
        &[],
        &["redis-server", "--save", "", "--protected-mode", "no"],
    );
    let patience = Duration::from_secs(30);
    assert!(
        redis.wait_for("Ready to accept connections", patience),
        "{}",
        redis.logs()
    );
    let format = "{{.NetworkSettings.IPAddress}}";
    let address = docker(&["inspect", "--format", format, &redis.id]);
    let variable = format!("REDIS_URL=redis://{}:6379", address.trim());
    (redis, variable)
}
