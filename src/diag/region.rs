//! What a task says of itself: regions, which it is in for a while, and labels, which it has.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{profile, trace};
use crate::hook::intern::NAMES;
use crate::hook::region::{self, Open};
use crate::hook::{ObjId, label as labels};

/// Begins a region of the current task's work: what it is doing now, in your words.
///
/// The region lasts until the guard, a [`Region`](crate::diag::Region), is dropped, across every wait in between. Regions nest:
/// the dump shows those that a task is in, the outermost first, and they stand as frames in profiles and as slices in
/// traces. Outside of tasks it is a region of the thread. It costs some nanoseconds.
///
/// The name is a string constant.
///
/// # Examples
///
/// ```
/// use gochan::diag;
///
/// gochan::run(async {
///     let parsing = diag::region!("parse");
///     gochan::yield_now().await;
///     let me = gochan::task::current().unwrap().id();
///     assert_eq!(diag::dump().task(me).unwrap().regions[0].name, "parse");
///     drop(parsing);
///     assert!(diag::dump().task(me).unwrap().regions.is_empty());
/// });
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __region {
    ($name:expr) => {{
        static PLACE: $crate::diag::RegionName = $crate::diag::RegionName::new($name);
        PLACE.enter()
    }};
}

#[doc(inline)]
pub use __region as region;

/// The name of a region, and its number once it has one.
#[doc(hidden)]
#[derive(Debug)]
pub struct RegionName {
    name: &'static str,
    number: AtomicU32,
}

impl RegionName {
    pub const fn new(name: &'static str) -> RegionName {
        RegionName {
            name,
            number: AtomicU32::new(u32::MAX),
        }
    }

    /// Begins a region.
    #[track_caller]
    #[inline]
    pub fn enter(&'static self) -> Region {
        let (name, site) = (self.number(), Location::caller());
        let open = region::open(name, site);
        trace::region(true, open.who(), name, Some(site));
        profile::region_began(open.who(), NAMES.get(name).unwrap_or("?"), Some(site));
        Region(Some((open, name)))
    }

    #[inline]
    fn number(&self) -> u16 {
        match u16::try_from(self.number.load(Relaxed)) {
            Ok(number) => number,
            Err(_) => self.draw(),
        }
    }

    #[cold]
    fn draw(&self) -> u16 {
        let number = NAMES.number(self.name);
        self.number.store(number.into(), Relaxed);
        number
    }
}

/// A region of a task's work, as `region!` begins it; it ends when this is dropped.
///
/// It is the region of the task that began it, even if another one drops the guard.
#[must_use = "a region lasts as long as its guard"]
pub struct Region(Option<(Open, u16)>);

impl Region {
    /// One of which no place is known.
    #[cfg(feature = "tracing")]
    pub(super) fn nowhere(name: &'static str) -> Region {
        let name = NAMES.number(name);
        let open = region::open_nowhere(name);
        trace::region(true, open.who(), name, None);
        profile::region_began(open.who(), NAMES.get(name).unwrap_or("?"), None);
        Region(Some((open, name)))
    }

    /// The task or thread whose region it is; [`ObjId::NONE`] if that was a thread about to end.
    ///
    /// ```
    /// gochan::run(async {
    ///     let me = gochan::task::current().unwrap().id();
    ///     assert_eq!(gochan::diag::region!("all").task(), me);
    /// });
    /// ```
    pub fn task(&self) -> ObjId {
        self.0.as_ref().map_or(ObjId::NONE, |(open, _)| open.who())
    }
}

impl Drop for Region {
    #[inline]
    fn drop(&mut self) {
        if let Some((open, name)) = self.0.take() {
            trace::region(false, open.who(), name, None);
            profile::region_ended(open.who(), NAMES.get(name).unwrap_or("?"));
            open.close();
        }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("task", &self.task())
            .finish()
    }
}

/// Labels the current task, outside of tasks the thread: `key` says what `value` is of, as in `label("tenant", "eu")`. A
/// label of the same key is replaced.
///
/// Labels last as long as the task. The dump shows them, and profiles and traces carry them. Tasks do not inherit them.
/// Each costs an allocation or two and a lock: they are for the beginning of a request, not for every step.
///
/// # Examples
///
/// ```
/// use gochan::diag;
///
/// gochan::run(async {
///     diag::label("tenant", "eu");
///     let me = gochan::task::current().unwrap().id();
///     let dump = diag::dump();
///     let (key, value) = &dump.task(me).unwrap().labels[0];
///     assert_eq!((&**key, &**value), ("tenant", "eu"));
/// });
/// ```
pub fn label(key: &str, value: &str) {
    labels::set(key, value);
}
