//! Who holds what: whoever acquires a lock, a permit or a turn notes it in a slot, so that a dump can say of everything
//! that is waited for who holds it, since when, and where it was acquired.
//!
//! What it is not: part of a lock. A lock may move or go away; slots never do, so a dump reads them at any time.
//!
//! ```text
//! near a thread: NEAR slots, used again and again          <-- as it begins and ends -->  COMMON, which also knows
//! a thread's list of free slots, when those are all in use <-- BATCH at a time ------->   all there are
//!
//! id of a slot     meaning                                     who writes it
//! 0                free                                        whoever takes it
//! WANTED | id      `who` waits for it                          whoever hands it over, or the owner when it gives up
//! id               `who` holds it                              whoever releases it, on any thread
//! ```
//!
//! 1. A slot that is not `near` is in exactly one place: a thread's list, the common list, or one [`Hold`]. It is taken
//!    from the list of the thread that acquires and goes to that of the thread that releases.
//! 2. A slot that is `near` belongs to one thread, or to none that lives (`orphans`), and only that thread, or who has
//!    the common lock, takes it, when its `id` is 0; who releases it does no more than to write that 0. Most often it
//!    says what is to be said already: the same task takes the same thing in the same line again.
//! 3. `who` and `site` are written before `id` and constant until it is 0 again; `since` once more by
//!    [`Hold::granted`], before the `id` that says so.
//! 4. A hold that is never released (a leaked guard) keeps its slot for ever, and a dump shows it for as long.
//!
//! ORDERING pairs, writer to reader: the fields, then `id` stored Release / `id` loaded Acquire, then the fields, fence
//! Acquire, `id` again: the same both times. A reader that saw a field of the next hold sees that `id` is not the old
//! one, for the fence Release before them stands behind the 0. Only two holds of the same object can be mistaken for one.
#![cfg_attr(gochan_off, allow(unused))]

use std::cell::Cell;
use std::panic::Location;
use std::ptr;
// Notes decide nothing in a model, so they are the real machine's under loom as well.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use ::parking_lot::Mutex;

use super::RELEASE;
use super::current;
use super::object::ObjId;
use super::record::{Record, State, StaticRef};
use super::sink::Released;
use crate::clock;
use crate::shim::const_fn;

use Ordering::{Acquire, Relaxed, Release};

type Site = &'static Location<'static>;

/// Slots that change hands between a thread and the common list at once.
const BATCH: usize = 16;
/// Slots that stay with a thread: as many as it often holds at a time, one inside the other.
const NEAR: usize = 4;
/// Not held yet.
const WANTED: u64 = 1 << 55;

/// One thing that somebody holds. A cache line of its own: threads that hold things would disturb each other.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Slot {
    id: AtomicU64,
    who: AtomicU64,
    site: StaticRef<Location<'static>>,
    since: AtomicU64,
    /// The next free one, while it is in a list.
    next: StaticRef<Slot>,
    /// Whether it stays with a thread. Changes only while it is free.
    near: AtomicBool,
}

/// What a slot said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) what: ObjId,
    /// [`ObjId::NONE`]: not known.
    pub(crate) who: ObjId,
    /// Where it was acquired.
    pub(crate) site: Option<Site>,
    /// When, in ticks.
    pub(crate) since: u64,
}

/// The note that something is held, or wanted. Lies in the guard; who drops it without [`released`](Self::released) has
/// leaked it.
#[derive(Clone, Copy, Debug)]
#[must_use = "a hold that is not released is shown for ever"]
pub(crate) struct Hold(&'static Slot);

impl Hold {
    /// Whoever runs here has acquired `id` at `site`.
    #[inline(always)]
    pub(crate) fn acquired(id: ObjId, site: Site) -> Hold {
        #[cfg(gochan_off)]
        return Hold(&NOBODYS);
        #[cfg(not(gochan_off))]
        Hold::enter(id.raw(), site)
    }

    /// Whoever runs here acquires `id` at `site`, if `take` says so. All is written down before: what stands between the
    /// taking and the giving back is in everybody's way.
    #[inline(always)]
    pub(crate) fn if_taken(id: ObjId, site: Site, take: impl FnOnce() -> bool) -> Option<Hold> {
        #[cfg(gochan_off)]
        return take().then_some(Hold(&NOBODYS));
        #[cfg(not(gochan_off))]
        Hold::if_taken_noted(id, site, take)
    }

    #[inline(always)]
    #[cfg_attr(gochan_off, allow(dead_code))]
    fn if_taken_noted(id: ObjId, site: Site, take: impl FnOnce() -> bool) -> Option<Hold> {
        let (who, since) = here();
        let slot = Slot::about(who, site, since);
        match take() {
            true => Some(slot.hold(id.raw())),
            false => {
                slot.put_back();
                None
            }
        }
    }

    /// `who` has it from now on, a task that does not run yet.
    pub(crate) fn acquired_for(id: ObjId, who: ObjId, site: Site) -> Hold {
        Slot::about(who, site, current::roughly_now()).hold(id.raw())
    }

    /// Whoever runs here is about to wait for `id`, at `now` in ticks. Nothing is shown until it is
    /// [`granted`](Self::granted).
    pub(crate) fn wanted(id: ObjId, site: Site, now: u64) -> Hold {
        let who = current::record_or_thread().map_or(ObjId::NONE, Record::id);
        Slot::about(who, site, now).hold(WANTED | id.raw())
    }

    /// Who noted it.
    pub(crate) fn who(&self) -> ObjId {
        ObjId::from_raw(self.0.who.load(Relaxed))
    }

    /// What was wanted is held from `now` on: for whoever hands it over, and for an owner that has taken it itself.
    pub(crate) fn granted(&self, now: u64) {
        self.0.since.store(now, Relaxed);
        // ORDERING: Relaxed: the owner wants it until then, and one hands it over, under the lock of the object.
        let id = self.0.id.load(Relaxed);
        // ORDERING: Release: who sees that it is held sees the fields.
        self.0.id.store(id & !WANTED, Release);
    }

    /// When it was acquired, in ticks; of one that is only wanted, when it began to be.
    pub(crate) fn since(&self) -> u64 {
        self.0.since.load(Relaxed)
    }

    /// It is held, or wanted, no more. Any thread may say so.
    #[inline(always)]
    pub(crate) fn released(self) {
        self.0.release();
    }

    /// As [`released`](Self::released), where that is rare.
    #[cold]
    #[inline(never)]
    pub(crate) fn given_up(self) {
        self.released();
    }

    #[inline(always)]
    fn enter(id: u64, site: Site) -> Hold {
        let (who, since) = here();
        Slot::about(who, site, since).hold(id)
    }
}

thread_local! {
    /// The line of the release that is under way here.
    static RELEASED_AT: Cell<Option<Site>> = const { Cell::new(None) };
}

/// `release` releases something, first of all, at `site`: for those who listen.
pub(crate) fn released_at(site: Site, release: impl FnOnce()) {
    if !super::on(RELEASE) {
        return release();
    }
    /// What is released may wake a waker that panics: the next release here is not at this line.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            RELEASED_AT.set(None);
        }
    }
    RELEASED_AT.set(Some(site));
    let _reset = Reset;
    release();
}

/// Who runs here, and the time as far as it is known.
#[inline(always)]
fn here() -> (ObjId, u64) {
    match current::record() {
        Some(record) => (record.id(), now()),
        None => thread(),
    }
}

/// Exact while somebody listens to how long things are held; else when this thread last looked at the clock.
#[inline(always)]
fn now() -> u64 {
    match super::on(RELEASE) {
        true => clock::ticks(),
        false => clock::recent(),
    }
}

/// Outside of tasks and waits: this thread, which does not look at the clock now and then, as a worker does.
#[inline(never)]
fn thread() -> (ObjId, u64) {
    let record = current::record_or_thread();
    let who = record.map_or(ObjId::NONE, |record| record.id());
    (who, clock::ticks())
}

/// Who holds a lock, as far as it says whether waiting for them on a processor may pay. Lies in the lock.
#[derive(Debug)]
pub(crate) struct Runner(StaticRef<Record>);

impl Runner {
    const_fn! {
        pub(crate) fn new() -> Runner {
            Runner(StaticRef::new())
        }
    }

    /// Whoever runs here has acquired it.
    #[inline(always)]
    pub(crate) fn set(&self) {
        let record = current::record();
        if !same(self.0.load(), record) {
            self.0.store(record);
        }
    }

    /// Whether the holder may be on a processor. A thread that is in no wait is thought to be.
    pub(crate) fn is_running(&self) -> bool {
        let state = self.0.load().map_or(State::Running, Record::state);
        matches!(state, State::Running | State::Idle)
    }
}

#[inline(always)]
fn same<T>(one: Option<&T>, other: Option<&T>) -> bool {
    ptr::eq(
        one.map_or(ptr::null(), ptr::from_ref),
        other.map_or(ptr::null(), ptr::from_ref),
    )
}

impl Slot {
    const_fn! {
        fn new() -> Slot {
            Slot {
                id: AtomicU64::new(0),
                who: AtomicU64::new(0),
                site: StaticRef::new(),
                since: AtomicU64::new(0),
                next: StaticRef::new(),
                near: AtomicBool::new(false),
            }
        }
    }

    #[inline(always)]
    fn is_free(&self) -> bool {
        // ORDERING: Acquire pairs with `released`: who releases it is through with it.
        self.id.load(Acquire) == 0
    }

    /// A free one that says all but what is held.
    #[inline(always)]
    fn about(who: ObjId, site: Site, since: u64) -> &'static Slot {
        let slot = MINE.with(Mine::take);
        // ORDERING: who reads a field below already sees that `id` is not the one it read before.
        fence(Release);
        if slot.who.load(Relaxed) != who.raw() {
            slot.who.store(who.raw(), Relaxed);
        }
        if !same(slot.site.load(), Some(site)) {
            slot.site.store(Some(site));
        }
        // As the two others, most often the same: stores that are not made need not be waited for by the instruction
        // that takes the lock.
        if slot.since.load(Relaxed) != since {
            slot.since.store(since, Relaxed);
        }
        slot
    }

    #[inline(always)]
    fn hold(&'static self, id: u64) -> Hold {
        // ORDERING: who sees the new `id` sees everything that was written in `about`.
        self.id.store(id, Release);
        Hold(self)
    }

    #[inline(always)]
    fn release(&'static self) {
        #[cfg(gochan_off)]
        if ptr::eq(self, &NOBODYS) {
            return;
        }
        if super::on(RELEASE) {
            self.tell_released();
        }
        let near = self.near.load(Relaxed);
        // ORDERING: Release: gone from every dump before the next one takes it; a near one is the next one's at once.
        self.id.store(0, Release);
        if !near {
            list(self);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_released(&self) {
        // Still the releaser's: nobody writes to it before it is 0.
        let id = self.id.load(Relaxed);
        if id & WANTED == 0 {
            super::released(Released {
                object: ObjId::from_raw(id),
                holder: ObjId::from_raw(self.who.load(Relaxed)),
                acquired: self.site.load(),
                since: self.since.load(Relaxed),
                released: RELEASED_AT.take(),
            });
        }
    }

    /// What was never held.
    #[inline(always)]
    fn put_back(&'static self) {
        if !self.near.load(Relaxed) {
            list(self);
        }
    }

    /// What is held here, if something is.
    fn read(&self) -> Option<Holding> {
        // ORDERING: pairs with `hold` and `granted`, as said at the top.
        let id = self.id.load(Acquire);
        let seen = Holding {
            what: ObjId::from_raw(id),
            who: ObjId::from_raw(self.who.load(Relaxed)),
            site: self.site.load(),
            since: self.since.load(Relaxed),
        };
        fence(Acquire);
        let held = id != 0 && id & WANTED == 0 && self.id.load(Relaxed) == id;
        held.then_some(seen)
    }
}

// === free slots ===

/// Where nothing is recorded: the hold of whoever did not have to wait.
#[cfg(gochan_off)]
static NOBODYS: Slot = Slot::new();

/// A thread's own slots.
struct Mine {
    near: [Cell<Option<&'static Slot>>; NEAR],
    /// A list of free ones.
    first: Cell<Option<&'static Slot>>,
    count: Cell<usize>,
}

thread_local! {
    /// Without a destructor, so that it is one load away and works until the thread's last instruction.
    static MINE: Mine = const {
        Mine { near: [const { Cell::new(None) }; NEAR], first: Cell::new(None), count: Cell::new(0) }
    };
    /// Gives the thread's slots back at its end.
    static LEAVING: Leaving = const { Leaving };
}

struct Leaving;

impl Drop for Leaving {
    fn drop(&mut self) {
        MINE.with(|mine| {
            mine.part();
            mine.give_back(usize::MAX);
        });
    }
}

#[derive(Default)]
struct Common {
    all: Vec<&'static Slot>,
    free: Vec<&'static Slot>,
    /// Near to threads that have ended, and held at that time.
    orphans: Vec<&'static Slot>,
}

static COMMON: Mutex<Common> = Mutex::new(Common {
    all: Vec::new(),
    free: Vec::new(),
    orphans: Vec::new(),
});

#[inline(never)]
fn list(slot: &'static Slot) {
    MINE.with(|mine| mine.put(slot));
}

impl Mine {
    #[inline(always)]
    fn take(&self) -> &'static Slot {
        match self.near[0].get() {
            Some(slot) if slot.is_free() => slot,
            _ => self.take_other(),
        }
    }

    /// The nearest one is in use: something else is held meanwhile.
    #[inline(never)]
    fn take_other(&self) -> &'static Slot {
        let near = self.near[1..].iter().filter_map(Cell::get);
        match near.into_iter().find(|slot| slot.is_free()) {
            Some(slot) => slot,
            None => self.take_listed(),
        }
    }

    fn take_listed(&self) -> &'static Slot {
        match self.first.get() {
            Some(slot) => {
                self.first.set(slot.next.load());
                self.count.set(self.count.get() - 1);
                slot
            }
            None => self.refill(),
        }
    }

    fn put(&self, slot: &'static Slot) {
        match self.first.get() {
            Some(_) => self.push(slot),
            None => self.put_first(slot),
        }
    }

    /// A thread that only releases never comes through `refill`, and has to give its slots back as well.
    #[cold]
    #[inline(never)]
    fn put_first(&self, slot: &'static Slot) {
        match LEAVING.try_with(|_| ()) {
            Ok(()) => self.push(slot),
            Err(_) => COMMON.lock().free.push(slot),
        }
    }

    fn push(&self, slot: &'static Slot) {
        slot.next.store(self.first.replace(Some(slot)));
        self.count.set(self.count.get() + 1);
        if self.count.get() >= 2 * BATCH {
            self.give_back(BATCH);
        }
    }

    /// Fails while the thread's values are being dropped: what it took by then would not be given back.
    #[cold]
    #[inline(never)]
    fn refill(&self) -> &'static Slot {
        let goes_on = LEAVING.try_with(|_| ()).is_ok();
        let mut common = COMMON.lock();
        common.adopt();
        if goes_on && self.near[0].get().is_none() {
            self.near
                .iter()
                .for_each(|near| near.set(Some(common.take_near())));
        } else if goes_on {
            (1..BATCH).for_each(|_| self.push(common.take()));
        }
        common.take()
    }

    #[cold]
    #[inline(never)]
    fn give_back(&self, count: usize) {
        let mut common = COMMON.lock();
        for _ in 0..count.min(self.count.get()) {
            common.free.push(self.take_listed());
        }
    }

    /// From the near ones. Who holds one of them may release it at any time.
    fn part(&self) {
        let mut common = COMMON.lock();
        let near = self.near.iter().filter_map(Cell::take);
        common.orphans.extend(near);
    }
}

impl Common {
    fn take(&mut self) -> &'static Slot {
        self.free.pop().unwrap_or_else(|| {
            let slot: &'static Slot = Box::leak(Box::new(Slot::new()));
            self.all.push(slot);
            slot
        })
    }

    fn take_near(&mut self) -> &'static Slot {
        let slot = self.take();
        slot.near.store(true, Relaxed);
        slot
    }

    /// Makes common ones of the orphans that are not held any more, when there are no others.
    fn adopt(&mut self) {
        if !self.free.is_empty() {
            return;
        }
        let free = self.orphans.extract_if(.., |slot| slot.is_free());
        self.free
            .extend(free.inspect(|slot| slot.near.store(false, Relaxed)));
    }
}

/// Everything that is held by somebody.
pub(crate) fn all() -> Vec<Holding> {
    // Copied, so that the lock is held for a moment.
    let slots = COMMON.lock().all.clone();
    slots.into_iter().filter_map(Slot::read).collect()
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
