//! Plain HTTP by a proxy: the request goes to the proxy and names the whole URL. ureq itself asks
//! for a tunnel (`CONNECT`) instead, which most proxies open to the port of https only.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};
use ureq::{Agent, Error, Proxy, ProxyProtocol};
use url::Url;

/// Whether a URL is requested in this way. A proxy that is itself reached by TLS is asked for a
/// tunnel.
pub(super) fn is_for(url: &Url, proxy: &Proxy) -> bool {
    url.scheme() == "http" && proxy.protocol() == ProxyProtocol::Http
}

/// An agent that sends the requests to a URL's server to a proxy. `config` names no proxy.
pub(super) fn agent(config: Config, url: &Url, proxy: &Proxy) -> Agent {
    let server = url.origin().ascii_serialization();
    Agent::with_parts(
        config,
        DefaultConnector::new().chain(NamingServer(server)),
        AlwaysAt(proxy.uri().clone()),
    )
}

/// Resolves every host name to the addresses of this one.
#[derive(Debug)]
struct AlwaysAt(Uri);

impl Resolver for AlwaysAt {
    fn resolve(
        &self,
        _: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        DefaultResolver::default().resolve(&self.0, config, timeout)
    }
}

/// Puts the server, `http://example.com`, before the path in a request's first line.
#[derive(Debug)]
struct NamingServer(String);

impl<T: Transport> Connector<T> for NamingServer {
    type Out = ToProxy<T>;

    fn connect(
        &self,
        _: &ConnectionDetails,
        chained: Option<T>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|transport| ToProxy {
            transport,
            server: Some(self.0.clone()),
        }))
    }
}

#[derive(Debug)]
struct ToProxy<T> {
    transport: T,
    /// None once it was sent.
    server: Option<String>,
}

impl<T: Transport> Transport for ToProxy<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, mut amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if let Some(server) = self.server.take() {
            let output = self.transport.buffers().output();
            let path = "GET ".len();
            if !output.starts_with(b"GET /") || amount + server.len() > output.len() {
                let reason = "the request cannot be sent to a proxy";
                return Err(std::io::Error::other(reason).into());
            }
            output.copy_within(path..amount, path + server.len());
            output[path..path + server.len()].copy_from_slice(server.as_bytes());
            amount += server.len();
        }
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.transport.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}
