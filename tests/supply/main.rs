//! Downloads from servers that fail in every way in which servers fail. Each is installed after the
//! right number of tries, or ends in its error: the layer is then as it was, with nothing beside
//! it. No download takes longer than its limits allow.

// A broken expectation is a failed test, also in what the tests share.
#![allow(clippy::unwrap_used)]

mod answers;
mod archives;
mod connections;
mod faulty_server;
mod issuer;
mod places;
mod proxies;
mod responses;
mod rig;
mod secrets;
mod tarballs;
mod tls;
