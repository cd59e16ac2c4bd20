//! Images that a test has built.

use crate::docker::{docker, try_docker};
use crate::http::get_when_ready;
use libcnb_test::{ContainerConfig, TestContext};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Runs the image's process of a type to its end and returns what it wrote to standard output.
pub fn output_of(context: &TestContext<'_>, process_type: &str) -> String {
    let mut output = String::new();
    context.start_container(
        ContainerConfig::new().entrypoint(process_type),
        |container| {
            output = container.logs_wait().stdout;
        },
    );
    output
}

/// Starts the image's default process and returns the body of the answer to `GET /`.
pub fn web_answer(context: &TestContext<'_>) -> String {
    let mut answer = String::new();
    context.start_container(ContainerConfig::new().expose_port(8080), |container| {
        let address = container.address_for_port(8080).to_string();
        answer = get_when_ready(&address, Duration::from_secs(30))
            .unwrap_or_else(|error| panic!("{error}: {}", container.logs_now()));
    });
    answer
}

/// What `docker inspect` says of the image, by a Go template.
pub fn inspect_image(context: &TestContext<'_>, format: &str) -> String {
    docker(&["inspect", "--format", format, &image_of(context)])
}

/// The image's name, for what libcnb-test has no function for. The container that gives the name
/// only has to exist.
///
/// Not its id: apps that are alike give the same image, and what is done to an id is done to the
/// images of other tests too.
pub fn image_of(context: &TestContext<'_>) -> String {
    let mut result = String::new();
    context.start_container(
        ContainerConfig::new()
            .entrypoint("launcher")
            .command(["--", "true"]),
        |container| {
            result = docker(&[
                "inspect",
                "--format",
                "{{.Config.Image}}",
                &container.container_name,
            ]);
        },
    );
    result.trim().to_string()
}

/// One more name of an image, until it is dropped: the image is removed by this name when another
/// one has taken its first name.
pub struct ImageTag(String);

impl ImageTag {
    pub fn of(image: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let tag = format!("{image}:before-{}", MADE.fetch_add(1, Relaxed));
        docker(&["image", "tag", image, &tag]);
        Self(tag)
    }
}

impl Drop for ImageTag {
    fn drop(&mut self) {
        let _ = try_docker(&["image", "rm", &self.0]);
    }
}
