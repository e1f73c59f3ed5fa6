//! The parked one: one `Waiter` per blocked operation, however many queues it stands in.
//!
//! What it is not: a place in a queue (that is the `Sudog`), nor a task. A waiter may belong to a task of this runtime,
//! to a task of another executor or to a thread; it knows only a `Waker` and a `Note` of who waits for what.
//!
//! ```text
//! word            meaning                              linked?        who may touch slot and payload i   who leaves it
//! IDLE            not waiting                          none           owner                              owner -> PARKED
//! PARKED          published in one or more queues      all            holder of queue i's lock           peer -> CLAIMED; owner -> IDLE
//! CLAIMED         a peer won one case, holds its lock  case's is not  that peer                          that peer -> DONE
//! DONE|how|case   given, retry or closed               case's is not  owner, without a lock              owner -> IDLE
//! ```
//! Invariants
//! 1. A waiter in a single queue is claimed by holding that queue's lock; only a waiter in several queues (a select)
//!    needs the compare-and-swap PARKED -> CLAIMED, because two peers under different locks may want it.
//! 2. The store of DONE is the peer's last touch: the owner may free the waiter the moment it reads it (rule R2).
//! 3. The owner leaves PARKED only while it holds the locks of all queues it stands in (single: plain; select: by CAS,
//!    since a peer that holds no lock of ours cannot exist, this CAS fails only if DONE is already there).
//!
//! Ordering pair: DONE (Release) in `done` -> `Word::load` (Acquire) in the owner's poll: payload and slot.

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::task::Waker;

use crate::hook::{self, Note, ObjId, Woken};
use crate::shim::{AtomicU32, Ordering::*, UnsafeCell};

type Site = Option<&'static Location<'static>>;

const IDLE: u32 = 0;
const PARKED: u32 = 1;
const CLAIMED: u32 = 2;
const DONE: u32 = 3;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The peer did our operation for us: payload taken or filled.
    Given = 0,
    /// The object was closed; the payload is as it was.
    Closed = 1,
}

/// What the owner reads in its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Not published.
    Idle,
    /// Published and not decided, or claimed by a peer that is about to decide.
    Waiting,
    /// Decided.
    Done {
        /// Which case won; 0 for a single operation.
        case: u16,
        /// How.
        how: How,
    },
}

/// The state word.
#[derive(Debug)]
pub(crate) struct Word(AtomicU32);

impl Word {
    pub(crate) fn new() -> Self {
        Word(AtomicU32::new(IDLE))
    }

    #[inline(always)]
    pub(crate) fn load(&self) -> Seen {
        // ORDERING: Acquire pairs with the Release of `done`: payload and slot are ours after it.
        let word = self.0.load(Acquire);
        match word & 0xff {
            IDLE => Seen::Idle,
            DONE => Seen::Done {
                case: (word >> 16) as u16,
                how: if word >> 8 & 0xff == 0 {
                    How::Given
                } else {
                    How::Closed
                },
            },
            _ => Seen::Waiting,
        }
    }

    /// Owner, holding the locks of all queues it enters.
    #[inline(always)]
    pub(crate) fn start_parked(&self) {
        // ORDERING: Release for a peer's `claim` under another lock than the one it learns of us by.
        self.0.store(PARKED, Release);
    }

    /// A peer that found us in one of several queues. False: another peer was first.
    #[must_use]
    pub(crate) fn claim(&self) -> bool {
        // ORDERING: Acquire sees slot and payloads written before `start_parked`.
        self.0
            .compare_exchange(PARKED, CLAIMED, Acquire, Relaxed)
            .is_ok()
    }

    /// Whether another case has won, or is about to: a peer may then throw a place of ours out of its queue.
    pub(crate) fn is_taken(&self) -> bool {
        // ORDERING: Relaxed: the answer may be late, which only makes the peer stop at a place that is no use to it.
        self.0.load(Relaxed) != PARKED
    }

    /// The peer that claimed us. Nothing of the waiter may be touched after this.
    #[inline(always)]
    pub(crate) fn done(&self, case: u16, how: How) {
        // ORDERING: Release publishes the payload and the emptied slot to the owner's `load`.
        self.0
            .store(DONE | (how as u32) << 8 | u32::from(case) << 16, Release);
    }

    /// Owner of a select: takes itself out of the reach of peers. False: a peer has claimed it.
    #[must_use]
    pub(crate) fn withdraw(&self) -> bool {
        // ORDERING: Acquire/Relaxed: success needs nothing from a peer (none was there); failure is followed by `load`.
        self.0
            .compare_exchange(PARKED, IDLE, Acquire, Relaxed)
            .is_ok()
    }
}

/// What a peer takes from the waiter it claimed.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Present while PARKED; gone when DONE.
    pub(crate) waker: Option<Waker>,
    /// Who waits for what, for those who listen to wakes. Boxed, so that a wait that nobody listens to is small: an
    /// operation is moved into its future, and every byte of it with it.
    pub(crate) note: Option<Box<Waited>>,
}

impl Slot {
    /// Whether to wake it calls nothing foreign: no subscriber listens, and `is_own` says so of its waker.
    pub(crate) fn is_silent(&self, is_own: impl Fn(&Waker) -> bool) -> bool {
        let told = self.note.is_some() && hook::is_subscribed(hook::READY);
        !told && self.waker.as_ref().is_none_or(is_own)
    }
}

/// A wait, for those who listen to wakes.
#[derive(Debug)]
pub(crate) struct Waited {
    woken: Woken,
    /// The object of each case, and where it was made; empty for a single operation, whose object is in the note.
    objects: Box<[(ObjId, Site)]>,
}

std::thread_local! {
    /// The last one that was told here, to be used again.
    static SPARE: Cell<Option<Box<Waited>>> = const { Cell::new(None) };
}

impl Waited {
    fn new(woken: Woken, objects: Box<[(ObjId, Site)]>) -> Box<Waited> {
        let waited = Waited { woken, objects };
        match SPARE.try_with(Cell::take) {
            Ok(Some(mut spare)) => {
                *spare = waited;
                spare
            }
            _ => Box::new(waited),
        }
    }

    /// The wait as it ended with this case; with what it waited for, if it was `handed`.
    pub(crate) fn ended_by(mut self: Box<Self>, case: u16, handed: bool) -> Box<Self> {
        let this = &mut *self;
        if let Some((object, made)) = this.objects.get(usize::from(case)) {
            (this.woken.note.object, this.woken.note.made) = (*object, *made);
        }
        this.woken.more.handed = handed;
        self
    }

    /// Tells those who listen. No lock may be held.
    #[cold]
    pub(crate) fn tell(self: Box<Self>) {
        hook::ready(&self.woken);
        // A thread that ends frees it.
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }
}

/// One blocked operation.
#[derive(Debug)]
pub struct Waiter {
    pub(crate) word: Word,
    /// Touched as the table above says; the accesses are in `queue.rs`.
    pub(crate) slot: UnsafeCell<Slot>,
    /// Peers reach a parked waiter by its address, so a `&mut` to what holds one must not claim to be the only way.
    _pin: PhantomPinned,
}

impl Waiter {
    /// A waiter that is about to be queued, once.
    #[inline(always)]
    pub(crate) fn parked(waker: Waker, note: Option<Box<Waited>>) -> Self {
        let slot = UnsafeCell::new(Slot {
            waker: Some(waker),
            note,
        });
        Waiter {
            word: Word(AtomicU32::new(PARKED)),
            slot,
            _pin: PhantomPinned,
        }
    }

    #[inline(always)]
    pub(crate) fn new() -> Self {
        Waiter {
            word: Word::new(),
            slot: UnsafeCell::new(Slot {
                waker: None,
                note: None,
            }),
            _pin: PhantomPinned,
        }
    }
}

impl Slot {
    /// The note of a wait, if somebody listens.
    #[inline(always)]
    pub(crate) fn note_of(note: impl FnOnce() -> Note) -> Option<Box<Waited>> {
        Slot::note_in_queue(|| (note(), 0, false))
    }

    /// The same of one that stands in a queue: with how many do so, and whether it was told already that it was woken.
    #[inline(always)]
    pub(crate) fn note_in_queue(note: impl FnOnce() -> (Note, usize, bool)) -> Option<Box<Waited>> {
        hook::on(hook::READY).then(|| {
            let (note, depth, again) = note();
            let mut woken = Woken::new(note);
            woken.more.depth = u32::try_from(depth).unwrap_or(u32::MAX);
            woken.more.again = again;
            Waited::new(woken, Box::default())
        })
    }

    /// The same for a wait for one of several objects.
    #[inline(always)]
    pub(crate) fn note_of_select(
        note: impl FnOnce() -> (Note, Box<[(ObjId, Site)]>),
    ) -> Option<Box<Waited>> {
        hook::on(hook::READY).then(|| {
            let (note, objects) = note();
            Waited::new(Woken::new(note), objects)
        })
    }
}
