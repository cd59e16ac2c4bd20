//! How `ps`, `scale` and `restart` reach a running formation: through a Unix socket.
//!
//! The socket has mode 0600 in a folder of its own with mode 0700: only the user of the processes,
//! and root, can use it.

pub mod client;
pub mod protocol;
pub mod server;
pub mod show;
mod socket_path;
