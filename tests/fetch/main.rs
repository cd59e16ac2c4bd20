//! Downloads from servers that fail in every way: each archive is installed after the expected
//! number of tries, or the download ends with the expected error and leaves the layer and the
//! folders beside it unchanged. None takes longer than its limit.

// A panic fails the test, also in a function that several tests call.
#![allow(clippy::unwrap_used)]

mod answers;
mod archives;
mod case;
mod connections;
mod download;
mod mirrors;
mod proxies;
mod responses;
mod secrets;
mod tarballs;
mod tls;
