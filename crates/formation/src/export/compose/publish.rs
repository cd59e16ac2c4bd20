//! Where `web` is published: a port of the host, of all its addresses or of one.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use thiserror::Error;

/// A port of the host that leads to `web`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Publish {
    /// `None` for all addresses of the host.
    pub address: Option<IpAddr>,
    pub port: u16,
}

#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("expected a port from 1 to 65535, such as 8080 or 127.0.0.1:8080")]
pub struct NotAPort;

impl FromStr for Publish {
    type Err = NotAPort;

    fn from_str(text: &str) -> Result<Self, NotAPort> {
        let published = match text.parse::<SocketAddr>() {
            Ok(socket) => Self {
                address: Some(socket.ip()),
                port: socket.port(),
            },
            Err(_) => Self {
                address: None,
                port: text.parse().map_err(|_| NotAPort)?,
            },
        };
        Some(published)
            .filter(|published| published.port > 0)
            .ok_or(NotAPort)
    }
}

impl Publish {
    /// As Compose writes it, for this port in the container. Each instance has a port of its own.
    pub(super) fn for_instances(self, instances: u16, container_port: u16) -> String {
        let last = self.port.saturating_add(instances.saturating_sub(1));
        let address = Address(self.address);
        if last == self.port {
            format!("{address}{}:{container_port}", self.port)
        } else {
            format!("{address}{}-{last}:{container_port}", self.port)
        }
    }
}

/// What stands before the port.
struct Address(Option<IpAddr>);

impl Display for Address {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(IpAddr::V4(address)) => write!(formatter, "{address}:"),
            Some(IpAddr::V6(address)) => write!(formatter, "[{address}]:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_have_an_address() {
        for (text, one, three) in [
            ("80", "80:8080", "80-82:8080"),
            ("127.0.0.1:80", "127.0.0.1:80:8080", "127.0.0.1:80-82:8080"),
            ("[::1]:80", "[::1]:80:8080", "[::1]:80-82:8080"),
        ] {
            let publish: Publish = text.parse().unwrap();
            assert_eq!(publish.for_instances(1, 8080), one);
            assert_eq!(publish.for_instances(0, 8080), one);
            assert_eq!(publish.for_instances(3, 8080), three);
        }
        for bad in [
            "",
            "0",
            "70000",
            "127.0.0.1",
            "localhost:80",
            "127.0.0.1:0",
            "::1:80",
            "80:80",
        ] {
            assert_eq!(bad.parse::<Publish>(), Err(NotAPort), "{bad}");
        }
    }
}
