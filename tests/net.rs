//! Sockets: what they do when peers, deadlines, selects and the system interfere, and what a dump says of them.
#![cfg(feature = "net")]

mod common;

#[path = "net/tcp.rs"]
mod tcp;
