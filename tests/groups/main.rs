//! Wait groups, initialisation and barriers where Go's tests do not look: futures dropped at every await, wakers that
//! panic or call back, leaked tokens, arms of a select, what the dump says, auto traits.

#![cfg(feature = "rt")]

#[path = "../common/mod.rs"]
mod common;

mod barrier;
mod facts;
mod once;
mod told;
mod waitgroup;
