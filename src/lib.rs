//! Go-style channels, `select!`, tasks and timers for Rust, on a small work-stealing executor that can always say who
//! waits, for what, since when and where.
#![deny(unsafe_code)]

mod clock;
pub mod hook;
mod shim;
mod wait {
    pub(crate) mod reason;
}
