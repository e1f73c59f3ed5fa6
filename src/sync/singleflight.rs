//! `SingleFlight`: many who want the same at the same time share one piece of work (`golang.org/x/sync/singleflight`).
//!
//! What it is not: a cache. When the work is done it is forgotten; the next call does it again.
//!
//! ```text
//! calls: key -> Arc<Flight { cell, users }>
//!
//! flight              meaning                                      who ends it
//! in the map, empty   somebody works, all others wait              the worker: out of the map, then the cell is filled
//! out of the map      done, or forgotten                           its last user
//! ```
//! Invariants
//! 1. The cell is a [`OnceCell`]: one works, the others wait in order, and if the one who works is dropped the next one
//!    does its own work.
//! 2. A flight is out of the map before its cell is filled: a call that begins when another has returned works anew.
//! 3. `users` counts the calls that have the flight and are not done; the last one takes it out of the map. It changes under
//!    the lock.
//! 4. Of foreign code only a key's `Hash` and `Eq` run under the lock.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::once_cell::{CellRef, Init, OnceCell};
use crate::shim::{AtomicUsize, Mutex, Ordering::Relaxed};
use crate::util::CatchUnwind;
use crate::wait::parker;

type Site = &'static Location<'static>;
type Panic = Box<dyn Any + Send>;

/// Lets many calls for the same key share one piece of work. Follows `golang.org/x/sync/singleflight`.
///
/// The first call for a key does the work, those that come meanwhile wait and get a clone of its value. If the first is
/// dropped on its way, the next one in the queue does its own work. A panic comes out of all calls that share it.
///
/// A [dump](crate::diag::dump) shows for everybody who waits which task does the work, since when and from which line.
///
/// ```
/// use gochan::sync::SingleFlight;
///
/// static LOOKUPS: std::sync::LazyLock<SingleFlight<String, u32>> = std::sync::LazyLock::new(SingleFlight::new);
///
/// async fn lookup(host: &str) -> u32 {
///     LOOKUPS.run(host.to_owned(), async { expensive().await }).await
/// }
/// # async fn expensive() -> u32 { 7 }
/// # gochan::run(async {
/// assert_eq!(lookup("example.org").await, 7);
/// # });
/// ```
pub struct SingleFlight<K, V> {
    calls: Mutex<Calls<K, V>>,
    made: Site,
}

type Calls<K, V> = HashMap<K, Arc<Flight<V>>>;

struct Flight<V> {
    cell: OnceCell<Ended<V>>,
    users: AtomicUsize,
}

/// How the work ended.
enum Ended<V> {
    /// The value, and whether several calls have it.
    Value(V, bool),
    /// What the panic said.
    Panicked(String),
}

/// A flight, as the initialisation of its cell.
struct Seated<V>(Arc<Flight<V>>);

impl<V> Clone for Seated<V> {
    fn clone(&self) -> Self {
        Seated(self.0.clone())
    }
}

impl<V> CellRef for Seated<V> {
    type Value = Ended<V>;

    fn cell(&self) -> &OnceCell<Ended<V>> {
        &self.0.cell
    }
}

impl<K: Hash + Eq, V> SingleFlight<K, V> {
    /// Nobody works.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        SingleFlight {
            calls: Mutex::new(HashMap::new()),
            made: Location::caller(),
        }
    }

    /// The value of `work`, or of that of another call for the same key that is under way. `work` is dropped unused then.
    ///
    /// In [`select!`](crate::select!) write `fut(flights.run(..))`.
    ///
    /// # Panics
    /// If the work that it shares panics: the one who did it with the payload, the others with what the panic said.
    ///
    /// # Cancellation
    /// Safe at any time. If it is the one who works, its work is dropped, and the next who waits does its own.
    #[track_caller]
    pub fn run<F>(&self, key: K, work: F) -> Run<'_, K, V, F>
    where
        K: Clone,
        V: Clone,
        F: Future<Output = V>,
    {
        Run {
            work: Some(work),
            init: None,
            seat: None,
            key: Some(key),
            flights: self,
            panic: None,
            site: Location::caller(),
        }
    }

    /// As [`run`](Self::run) with a function, blocking this thread. Not for tasks: it would block their worker.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    ///
    /// ```
    /// let flights = gochan::sync::SingleFlight::new();
    /// assert_eq!(flights.run_blocking("key", || 1), 1);
    /// assert_eq!(flights.run_blocking("key", || 2), 2);
    /// ```
    #[track_caller]
    pub fn run_blocking(&self, key: K, work: impl FnOnce() -> V) -> V
    where
        K: Clone,
        V: Clone,
    {
        self.run(key, async { work() }).wait()
    }

    /// Forgets the work for `key` that is under way: the next call does it anew. Those who wait for it still get its value.
    pub fn forget(&self, key: &K) {
        let gone = self.calls.lock().remove_entry(key);
        drop(gone);
    }

    /// The number of keys for which work is under way.
    pub fn len(&self) -> usize {
        self.calls.lock().len()
    }

    /// Whether nobody works.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn enter(&self, key: K) -> Seat<'_, K, V>
    where
        K: Clone,
    {
        // Invariant 4: cloned before the lock is taken and, if it is not needed, dropped after it was given back.
        let mut own = Some(key.clone());
        let mut calls = self.calls.lock();
        let flight = match calls.get(&key) {
            Some(flight) => flight.clone(),
            None => {
                let (cell, users) = (OnceCell::made_at(self.made), AtomicUsize::new(0));
                let flight = Arc::new(Flight { cell, users });
                calls.extend(own.take().map(|own| (own, flight.clone())));
                flight
            }
        };
        flight.users.fetch_add(1, Relaxed);
        drop(calls);
        drop(own);
        Seat {
            flights: self,
            key,
            flight,
        }
    }
}

/// One call that has a flight.
struct Seat<'a, K: Hash + Eq, V> {
    flights: &'a SingleFlight<K, V>,
    key: K,
    flight: Arc<Flight<V>>,
}

impl<K: Hash + Eq, V> Seat<'_, K, V> {
    /// Nobody can join any more. Whether others have.
    fn close(&self) -> bool {
        let mut calls = self.flights.calls.lock();
        let gone = self.take_out(&mut calls);
        let shared = self.flight.users.load(Relaxed) > 1;
        drop(calls);
        // Key and value are dropped without the lock (invariant 4).
        drop(gone);
        shared
    }

    /// The flight's entry, if it is still in the map.
    #[must_use]
    fn take_out(&self, calls: &mut Calls<K, V>) -> Option<(K, Arc<Flight<V>>)> {
        let mine = calls.get(&self.key);
        let mine = mine.is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        mine.then(|| calls.remove_entry(&self.key)).flatten()
    }
}

impl<K: Hash + Eq, V> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let mut calls = self.flights.calls.lock();
        let last = self.flight.users.fetch_sub(1, Relaxed) == 1;
        let gone = last.then(|| self.take_out(&mut calls));
        drop(calls);
        drop(gone);
    }
}

pin_project! {
    /// A call that shares its work, made by [`SingleFlight::run`].
    ///
    /// # Cancellation
    /// Safe at any time. If it is the one who works, its work is dropped, and the next who waits does its own.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Run<'a, K, V, F>
    where
        K: Hash,
        K: Eq,
    {
        work: Option<F>,
        // Before the seat: the work is passed on while we still count as a user.
        #[pin]
        init: Option<Init<Seated<V>, F, CatchUnwind<F>>>,
        seat: Option<Seat<'a, K, V>>,
        key: Option<K>,
        flights: &'a SingleFlight<K, V>,
        panic: Option<Panic>,
        site: Site,
    }
}

impl<'a, K, V, F> Run<'a, K, V, F>
where
    K: Hash + Eq + Clone,
    V: Clone,
    F: Future<Output = V>,
{
    /// Blocks this thread until the value is there. Not for tasks: it would block their worker.
    pub fn wait(self) -> V {
        parker::block_on(self)
    }

    /// The same call, whose result also says whether several calls have got the value: the third result of Go's `Do`.
    ///
    /// ```
    /// let flights = gochan::sync::SingleFlight::new();
    /// let call = flights.run("key", async { 7 });
    /// assert_eq!(call.with_shared().wait(), (7, false));
    /// ```
    ///
    /// # Cancellation
    /// As of the call.
    pub fn with_shared(self) -> WithShared<'a, K, V, F> {
        WithShared { run: self }
    }

    fn poll_shared(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(V, bool)> {
        let mut this = self.project();
        if let Some(key) = this.key.take() {
            let seat = this.flights.enter(key);
            let work = this.work.take().expect("a call begins once");
            let cell = Seated(seat.flight.clone());
            this.init.set(Some(Init::new(cell, work, this.site)));
            *this.seat = Some(seat);
        }
        let seat = this.seat.as_ref();
        let seat = seat.expect("an operation was polled after it had completed");
        let init = this.init.as_mut().as_pin_mut().expect("as its seat");
        let panic = &mut *this.panic;
        let done = init.poll(cx, CatchUnwind::new, |output| {
            // Invariant 2.
            let shared = seat.close();
            Ok::<_, std::convert::Infallible>(match output {
                Ok(value) => Ended::Value(value, shared),
                Err(payload) => {
                    let text = text_of(&*payload);
                    *panic = Some(payload);
                    Ended::Panicked(text)
                }
            })
        });
        let _ = ready!(done);
        this.init.set(None);
        let seat = this.seat.take().expect("seen above");
        if let Some(panic) = this.panic.take() {
            resume_unwind(panic);
        }
        match seat.flight.cell.get() {
            Some(Ended::Value(value, shared)) => Poll::Ready((value.clone(), *shared)),
            Some(Ended::Panicked(text)) => panic!("singleflight: the shared work panicked: {text}"),
            None => unreachable!("the initialisation has filled the cell"),
        }
    }
}

impl<K, V, F> Future for Run<'_, K, V, F>
where
    K: Hash + Eq + Clone,
    V: Clone,
    F: Future<Output = V>,
{
    type Output = V;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<V> {
        self.poll_shared(cx).map(|(value, _)| value)
    }
}

pin_project! {
    /// A call that shares its work and says so, made by [`Run::with_shared`].
    ///
    /// # Cancellation
    /// As of [`Run`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct WithShared<'a, K, V, F>
    where
        K: Hash,
        K: Eq,
    {
        #[pin]
        run: Run<'a, K, V, F>,
    }
}

impl<K, V, F> WithShared<'_, K, V, F>
where
    K: Hash + Eq + Clone,
    V: Clone,
    F: Future<Output = V>,
{
    /// Blocks this thread until the value is there. Not for tasks: it would block their worker.
    pub fn wait(self) -> (V, bool) {
        parker::block_on(self)
    }
}

impl<K, V, F> Future for WithShared<'_, K, V, F>
where
    K: Hash + Eq + Clone,
    V: Clone,
    F: Future<Output = V>,
{
    type Output = (V, bool);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(V, bool)> {
        self.project().run.poll_shared(cx)
    }
}

impl<K: Hash + Eq, V, F> fmt::Debug for WithShared<'_, K, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.run.fmt(f)
    }
}

/// The text of a panic that has one.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(no text)").to_owned()
}

impl<K: Hash + Eq, V> Default for SingleFlight<K, V> {
    #[track_caller]
    fn default() -> Self {
        SingleFlight::new()
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("SingleFlight");
        match self.calls.try_lock() {
            Some(calls) => out.field("len", &calls.len()),
            None => out.field("len", &format_args!("<locked>")),
        };
        out.finish_non_exhaustive()
    }
}

impl<K: Hash + Eq, V, F> fmt::Debug for Run<'_, K, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("site", &self.site)
            .field("begun", &self.seat.is_some())
            .finish()
    }
}

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom_singleflight.rs"]
mod loom_models;
