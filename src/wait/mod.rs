//! The waist: two nouns, three verbs. Everything that blocks in this crate blocks here.
//!
//! Nouns: the [`Waiter`](waiter::Waiter), one per blocked operation, and the [`Sudog`](queue::Sudog), its place in one
//! queue. Verbs: enqueue, park, ready. Reasons, times, sites and events hang on park (`hook::current::park`) and ready
//! (`Wakes::fire`), so a primitive names a reason and never a recorder.
//!
//! # Rules
//! * R1 No foreign code under a queue lock: no clone, wake or drop of a foreign waker, no drop or clone of a `T`, no
//!   closure of the user. The waker of the task that is being polled, known by its vtable, may be cloned.
//! * R2 The store of DONE is the peer's last touch.
//! * R3 Only `queue.rs` turns a node pointer into a reference, with `&mut Queue` in hand.
//! * R4 No park without reason, object and site. No wake except through `Wakes`.
//! * R5 Register the waker, then look again. Publish, then look again. (Queues do both under one lock hold.)
//! * R6 Close and broadcast complete every waiter in one lock hold; wakers fire after it.
//! * R7 Conservation: each value is in the channel, in a receiver's hand, or in an error. What was given to an operation
//!   that is then dropped goes to the next waiter and wakes it, else back to the front.
//! * R8 Nothing happens before the first poll. No peer is waited for inside `poll` or `drop`, but for the few dozen
//!   instructions of a lock hold.
//!
//! # A new primitive
//! 1. A `WaitReason`. 2. An object (`lock::Object`) with its face. 3. An [`Op`](op::Op): attempt, collect, abandon.
//! 4. A named future around [`Park`](op::Park). 5. Tests: Go's behaviours, cancel at every await, hostile waker, panic,
//!    a loom model, its reason in the dump, a benchmark against its best peer, auto-trait facts.

pub(crate) mod case;
pub(crate) mod idle;
pub(crate) mod lock;
pub(crate) mod note;
pub(crate) mod op;
pub(crate) mod parker;
#[cfg(feature = "rt")]
pub(crate) mod polled;
pub(crate) mod queue;
pub(crate) mod reason;
pub(crate) mod waiter;
pub(crate) mod wakes;

pub use case::Arm;
pub use idle::IdleOk;

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom.rs"]
pub(crate) mod loom_models;
