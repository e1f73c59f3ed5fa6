//! Sockets: what they do when peers, deadlines, selects and the system interfere, and what a dump says of them.

mod common;

#[path = "net/faults.rs"]
mod faults;
#[path = "net/hostile.rs"]
mod hostile;
#[cfg(feature = "hyper")]
#[path = "net/http.rs"]
mod http;
#[path = "net/others.rs"]
mod others;
#[path = "net/pair.rs"]
mod pair;
#[path = "net/tcp.rs"]
mod tcp;
