//! What Go's own tests of `sync` and `golang.org/x/sync` check, checked of this crate: one file for each primitive, one
//! module for each function, named as in Go. The behaviours are Go's, the code is not.

#![cfg(feature = "rt")]

#[path = "../common/mod.rs"]
mod common;

mod cond;
mod errgroup;
mod mutex;
mod once;
mod rwmutex;
mod semaphore;
mod singleflight;
mod waitgroup;
