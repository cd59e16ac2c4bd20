//! Downloads: where a file comes from, and proof that it is the expected one.

pub mod archive;
pub mod digest;
pub mod download;
pub mod expected;
mod fetcher;
pub mod file;
pub mod masked;
pub mod settings;
mod staging;
pub(crate) mod unpack;

pub use fetcher::{Fetcher, Location};
pub(crate) use fetcher::{VENDORED, VENDORED_INVENTORY};
