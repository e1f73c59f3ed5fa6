//! What can be waited for, as a number, and the names that users gave to such things.
//!
//! What it is not: a list of the objects that exist. A number is a name tag and keeps nothing alive.
//!
//! 1. A number is given once in a process and never again, so an old tag can never mean a newer object.
//! 2. Numbers are handed to threads in blocks of [`BLOCK`], as Go hands goroutine numbers to its Ps: a new tag costs
//!    one locked instruction in 16. They therefore do not tell in which order two threads made their objects.
//! 3. A name is in the map from [`set_name`] until [`forget`]; whoever sets it forgets it. A [`Tag`] does so itself.
//! 4. A [`Tag`] has its number from the first time somebody asks for it, and keeps it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
// Numbers decide nothing in a model, so the statics are the real machine's under loom as well.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ::parking_lot::Mutex;

const BLOCK: u64 = 16;
const KIND_SHIFT: u32 = 56;
/// Of a [`Tag`]: there is a name to forget.
const NAMED: u64 = 1 << 55;
/// Of a [`Tag`]: there is a mode, or the mark of idle waits, to forget.
const MODED: u64 = 1 << 54;
const NUMBER: u64 = MODED - 1;
const SHARDS: usize = 16;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What sort of thing an [`ObjId`] stands for.
        ///
        /// ```
        /// use gochan::hook::Kind;
        ///
        /// assert_eq!(Kind::Chan.to_string(), "chan");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            const ALL: &'static [Kind] = &[$(Kind::$name,)*];

            /// The kind in lower case, as ids and dumps print it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// A task. Its tag is its bare number, as everything that has no other kind.
    Task = "task";
    /// A plain thread that waits.
    Thread = "thread";
    /// A channel.
    Chan = "chan";
    /// A timer or a ticker.
    Timer = "timer";
    /// A mutex.
    Mutex = "mutex";
    /// A read-write mutex.
    RwMutex = "rwmutex";
    /// A wait group.
    WaitGroup = "waitgroup";
    /// A condition variable.
    Cond = "cond";
    /// A value initialised once.
    Once = "once";
    /// A semaphore.
    Semaphore = "semaphore";
    /// A context.
    Context = "context";
    /// A file descriptor or socket.
    Io = "io";
    /// An executor.
    Runtime = "runtime";
    /// A barrier.
    Barrier = "barrier";
    /// A region of a task's work, as [`diag::region!`](crate::diag::region) begins it. Nobody waits for one.
    Region = "region";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The tag of a task or of an object that can be waited for: its kind and a number that no other one of that kind ever
/// gets in this process.
///
/// ```
/// use gochan::hook::{Kind, ObjId};
///
/// let nobody = ObjId::NONE;
/// assert!(nobody.is_none());
/// assert_eq!(nobody.kind(), Kind::Task);
/// assert_eq!(nobody.to_string(), "none");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct ObjId(u64);

impl ObjId {
    /// No object, or nobody.
    pub const NONE: ObjId = ObjId(0);

    /// A new tag. Numbers start at 1.
    pub(crate) fn fresh(kind: Kind) -> ObjId {
        ObjId((kind as u64) << KIND_SHIFT | next_number(kind))
    }

    /// A tag of another count than [`fresh`](Self::fresh) keeps.
    pub(crate) const fn of(kind: Kind, number: u64) -> ObjId {
        ObjId((kind as u64) << KIND_SHIFT | number)
    }

    pub(crate) const fn from_raw(raw: u64) -> ObjId {
        ObjId(raw)
    }

    /// The kind in the top byte, the number below. A task's raw tag is its number.
    pub(crate) const fn raw(self) -> u64 {
        self.0
    }

    /// What sort of thing it is.
    pub fn kind(self) -> Kind {
        let number = (self.0 >> KIND_SHIFT) as usize;
        Kind::ALL.get(number).copied().unwrap_or(Kind::Task)
    }

    /// The number among those of its kind, from 1; 0 for [`ObjId::NONE`].
    pub const fn number(self) -> u64 {
        self.0 & ((1 << KIND_SHIFT) - 1)
    }

    /// Whether this is [`ObjId::NONE`].
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ObjId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.pad("none");
        }
        write!(f, "{}#{}", self.kind(), self.number())
    }
}

impl fmt::Debug for ObjId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === an object's own tag ===

/// The tag of an object, inside of it: drawn when somebody first asks for it, so that it can be made in a constant and
/// an object that nobody ever waits for costs nothing. Takes the object's name back when it is dropped.
#[derive(Debug)]
pub(crate) struct Tag(AtomicU64);

impl Tag {
    pub(crate) const fn new(kind: Kind) -> Tag {
        Tag(AtomicU64::new((kind as u64) << KIND_SHIFT))
    }

    #[inline(always)]
    pub(crate) fn id(&self) -> ObjId {
        // ORDERING: Relaxed: the number is all there is to it.
        let word = self.0.load(Relaxed);
        match word & NUMBER {
            0 => self.draw(word),
            _ => ObjId(word & !(NAMED | MODED)),
        }
    }

    /// Of several threads that draw one wins; the numbers of the others are nobody's.
    #[cold]
    fn draw(&self, word: u64) -> ObjId {
        let number = next_number(ObjId(word).kind());
        let drawn = self
            .0
            .compare_exchange(word, word | number, Relaxed, Relaxed);
        ObjId(drawn.map_or_else(|other| other, |_| word | number) & !(NAMED | MODED))
    }

    pub(crate) fn set_name(&self, name: &str) {
        set_name(self.id(), name);
        self.0.fetch_or(NAMED, Relaxed);
    }

    pub(crate) fn name(&self) -> Option<Arc<str>> {
        name(self.id())
    }

    /// Says how the object works at the moment, where that is not as always: for dumps.
    #[cold]
    pub(crate) fn set_mode(&self, mode: Option<&'static str>) {
        let id = self.id();
        match mode {
            Some(mode) => drop(MODES.lock().insert(id.0, mode)),
            None => drop(MODES.lock().remove(&id.0)),
        }
        self.0.fetch_or(MODED, Relaxed);
        if super::on(super::MODE) {
            super::mode_changed(id);
        }
    }

    /// Says that who waits here for work is in no trouble, however long it takes: for dumps.
    #[cold]
    pub(crate) fn set_idle(&self) {
        IDLE.lock().insert(self.id().0);
        self.0.fetch_or(MODED, Relaxed);
    }

    #[cold]
    fn forget(&self) {
        let id = self.id();
        forget(id);
        MODES.lock().remove(&id.0);
        IDLE.lock().remove(&id.0);
    }
}

impl Drop for Tag {
    #[inline]
    fn drop(&mut self) {
        if *self.0.get_mut() & (NAMED | MODED) != 0 {
            self.forget();
        }
    }
}

/// Objects that do not work as always.
static MODES: Mutex<BTreeMap<u64, &'static str>> = Mutex::new(BTreeMap::new());

/// Objects at which one waits for work.
static IDLE: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// Whether the object's [`Tag`] was told that it is idle.
pub(crate) fn is_idle(id: ObjId) -> bool {
    IDLE.lock().contains(&id.0)
}

/// The mode that the object's [`Tag`] was last given.
pub(crate) fn mode(id: ObjId) -> Option<&'static str> {
    MODES.lock().get(&id.0).copied()
}

// === numbers ===

const KINDS: usize = Kind::ALL.len();
static NEXT_BLOCK: [AtomicU64; KINDS] = [const { AtomicU64::new(1) }; KINDS];

thread_local! {
    /// The next number of each kind and the end of this thread's block of it.
    static MINE: [Cell<(u64, u64)>; KINDS] = const { [const { Cell::new((0, 0)) }; KINDS] };
}

#[inline]
fn next_number(kind: Kind) -> u64 {
    MINE.with(|mine| {
        let block = &mine[kind as usize];
        let (next, end) = block.get();
        if next < end {
            block.set((next + 1, end));
            next
        } else {
            next_block(kind, block)
        }
    })
}

#[cold]
fn next_block(kind: Kind, block: &Cell<(u64, u64)>) -> u64 {
    // ORDERING: Relaxed: the addition alone keeps blocks apart, nothing else is published with them.
    let first = NEXT_BLOCK[kind as usize].fetch_add(BLOCK, Relaxed);
    block.set((first + 1, first + BLOCK));
    first
}

// === names ===

static NAMES: [Mutex<BTreeMap<u64, Arc<str>>>; SHARDS] =
    [const { Mutex::new(BTreeMap::new()) }; SHARDS];

fn shard(id: ObjId) -> &'static Mutex<BTreeMap<u64, Arc<str>>> {
    &NAMES[(id.0 as usize) % SHARDS]
}

/// Names `id`; an earlier name is gone.
#[cold]
pub(crate) fn set_name(id: ObjId, name: &str) {
    shard(id).lock().insert(id.0, Arc::from(name));
}

/// The name that a task, thread or object was given; `None` when it has none, or is gone.
///
/// ```
/// use gochan::hook::{self, ObjId};
///
/// assert_eq!(hook::name(ObjId::NONE), None);
/// ```
pub fn name(id: ObjId) -> Option<Arc<str>> {
    shard(id).lock().get(&id.0).cloned()
}

/// Takes the name of `id` back, and its labels: for the end of everything that ever had either.
#[cold]
pub(crate) fn forget(id: ObjId) {
    shard(id).lock().remove(&id.0);
    super::label::forget(id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_tag_keeps_its_kind_and_prints_it() {
        for kind in Kind::ALL {
            let id = ObjId::fresh(*kind);
            assert_eq!(id.kind(), *kind);
            assert!(!id.is_none());
            assert_eq!(id, ObjId::from_raw(id.raw()));
            assert_eq!(id.to_string(), format!("{kind}#{}", id.number()));
        }
        assert_eq!(ObjId::fresh(Kind::Task).raw() >> KIND_SHIFT, 0);
    }

    #[test]
    fn no_number_is_given_twice() {
        let take = || {
            (0..1_000)
                .map(|_| ObjId::fresh(Kind::Once))
                .collect::<Vec<_>>()
        };
        let others: Vec<_> = (0..4).map(|_| std::thread::spawn(take)).collect();
        let mut all = take();
        for thread in others {
            all.extend(thread.join().unwrap());
        }
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn a_tag_in_an_object_is_drawn_once() {
        static TAG: Tag = Tag::new(Kind::Mutex);
        let others: Vec<_> = (0..4).map(|_| std::thread::spawn(|| TAG.id())).collect();
        let id = TAG.id();
        assert_eq!(id.kind(), Kind::Mutex);
        for other in others {
            assert_eq!(other.join().unwrap(), id);
        }
    }

    #[test]
    fn a_tag_in_an_object_takes_name_and_mode_along() {
        let tag = Tag::new(Kind::Mutex);
        tag.set_name("cache");
        tag.set_mode(Some("starving"));
        let id = tag.id();
        assert_eq!(
            id.number(),
            id.0 & NUMBER,
            "the flags are no part of the tag"
        );
        assert_eq!(tag.name().as_deref(), Some("cache"));
        assert_eq!(mode(id), Some("starving"));
        tag.set_mode(None);
        assert_eq!(mode(id), None);
        tag.set_mode(Some("starving"));
        tag.set_idle();
        assert!(is_idle(id));
        drop(tag);
        assert_eq!((name(id), mode(id)), (None, None));
        assert!(!is_idle(id));
    }

    #[test]
    fn a_name_lasts_until_it_is_forgotten() {
        let id = ObjId::fresh(Kind::Chan);
        assert_eq!(name(id), None);
        set_name(id, "orders");
        set_name(id, "jobs");
        assert_eq!(name(id).as_deref(), Some("jobs"));
        forget(id);
        assert_eq!(name(id), None);
    }
}
