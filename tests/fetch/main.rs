//! Downloads from servers that fail in every way that servers fail: each is installed after the right number of tries, or ends in its
//! error; the layer is then as it was, nothing lies beside it, and none takes longer than it may.

// A broken expectation is a failed test, also in what the tests share.
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
