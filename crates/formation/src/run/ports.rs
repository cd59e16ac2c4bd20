//! Which port each instance gets in its variable PORT.

use super::instance_name::InstanceName;
use crate::image::Image;
use crate::image::quantities::MOST;
use miette::Diagnostic;
use procfile::ProcessType;
use thiserror::Error;

/// The port of an instance would be above 65535.
#[derive(Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("there is no port {port} for `{instance}`")]
#[diagnostic(help(
    "`{first}` gets PORT, which is {base}; each further process type begins 100 above. Set a \
     smaller PORT."
))]
pub struct NoPort {
    /// The name of the instance.
    instance: String,
    /// The number that it would get.
    port: u32,
    /// The process type that begins with PORT.
    first: String,
    /// PORT, from which the others are counted.
    base: u16,
}

/// The port of an instance: the first `web` has `base`, or where there is none, the first of the
/// type that stands for it. Each further process type begins a hundred above, and each further
/// instance is one above.
pub(super) fn port_of(name: &InstanceName, image: &Image, base: u16) -> Result<u16, NoPort> {
    let first = image.type_with_port().unwrap_or(ProcessType::WEB);
    let hundreds = if name.process_type == first {
        0
    } else {
        let before = image.processes.iter().take(name.type_position);
        let others = before.filter(|process| process.process_type != first);
        1 + others.count()
    };
    let hundreds = u32::try_from(hundreds).unwrap_or(u32::MAX / 1000);
    let port = u32::from(base) + u32::from(MOST) * hundreds + u32::from(name.number) - 1;
    u16::try_from(port).map_err(|_| NoPort {
        instance: name.to_string(),
        port,
        first: first.into(),
        base,
    })
}

/// Makes sure that there is a port for each instance of so many of each process type.
pub(super) fn check_ports<'a>(
    image: &Image,
    base: u16,
    quantities: impl IntoIterator<Item = (&'a str, u16)>,
) -> Result<(), NoPort> {
    for (process_type, number) in quantities {
        if number > 0 {
            let last = InstanceName::new(image, process_type, number);
            port_of(&last, image, base)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn without_web_the_type_that_the_image_starts_has_the_first_port() {
        let mut image = Image::of_types(&["release", "api", "worker"]);
        let port = |image: &Image, process_type: &str| {
            port_of(&InstanceName::new(image, process_type, 1), image, 8080).unwrap()
        };
        let ports = |image: &Image| ["api", "worker"].map(|name| port(image, name));
        assert_eq!(ports(&image), [8080, 8280]);
        image.processes[2].default = true;
        assert_eq!(ports(&image), [8280, 8080]);
    }

    #[test]
    fn web_has_the_first_port_wherever_it_stands() {
        let image = Image::of_types(&["clock", "web", "worker"]);
        let port = |process_type: &str, number, base| {
            port_of(
                &InstanceName::new(&image, process_type, number),
                &image,
                base,
            )
        };
        assert_eq!(port("web", 1, 8080), Ok(8080));
        assert_eq!(port("web", 100, 8080), Ok(8179));
        assert_eq!(port("clock", 1, 8080), Ok(8180));
        assert_eq!(port("worker", 1, 8080), Ok(8280));
        assert_eq!(port("worker", 3, 8080), Ok(8282));
        assert_report!(port("worker", 1, 65400).unwrap_err());
    }
}
