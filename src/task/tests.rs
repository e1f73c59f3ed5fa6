//! Models of the task cell: whoever wakes, aborts, joins or lets go at whatever moment, the task is polled after every wake,
//! its future and its output are dropped once, and its cell is freed once, by the last one to touch it.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize as Count, Ordering::SeqCst};
use std::task::{Context, Poll, Wake as StdWake, Waker};

use super::*;
use crate::shim::{Arc, Mutex, model, thread};

/// A scheduler that only keeps what is queued.
struct Sched(Mutex<VecDeque<Runnable>>);

impl Schedule for Sched {
    fn local(_: *const Self, task: Runnable, _: Place) -> Result<(), Runnable> {
        Err(task)
    }
    fn remote(this: Arc<Self>, task: Runnable) {
        this.0.lock().push_back(task);
    }
    fn finished(&self) {}
}

impl Sched {
    fn new() -> Arc<Sched> {
        Arc::new(Sched(Mutex::new(VecDeque::new())))
    }

    #[track_caller]
    fn spawn<F>(this: &Arc<Sched>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let spawn = Spawn::new(Location::caller());
        let (task, handle) = super::spawn(future, Arc::as_ptr(this), spawn);
        this.0.lock().push_back(task);
        handle
    }

    /// Runs what is queued until nothing is. The number of polls.
    fn drain(&self) -> usize {
        let mut polls = 0;
        loop {
            let next = self.0.lock().pop_front();
            let Some(task) = next else { return polls };
            polls += 1;
            if let Outcome::Again(task) | Outcome::Yield(task) = task.run() {
                self.0.lock().push_back(task);
            }
        }
    }
}

/// Where a future leaves its waker for others.
type Slot = Arc<Mutex<Option<Waker>>>;

/// Leaves a waker at its first poll, is done at its second.
struct Twice {
    slot: Slot,
    left: bool,
    /// Counts its drops.
    drops: std::sync::Arc<Count>,
}

impl Future for Twice {
    type Output = Value;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Value> {
        if std::mem::replace(&mut self.left, true) {
            return Poll::Ready(Value(std::sync::Arc::clone(&self.drops)));
        }
        let waker = cx.waker().clone();
        *self.slot.lock() = Some(waker);
        Poll::Pending
    }
}

impl Drop for Twice {
    fn drop(&mut self) {
        self.drops.fetch_add(1, SeqCst);
    }
}

/// Counts its drops as a hundred.
#[derive(Debug)]
struct Value(std::sync::Arc<Count>);

impl Drop for Value {
    fn drop(&mut self) {
        self.0.fetch_add(100, SeqCst);
    }
}

fn twice() -> (Twice, Slot, std::sync::Arc<Count>) {
    let slot = Arc::new(Mutex::new(None));
    let drops = std::sync::Arc::new(Count::new(0));
    let future = Twice {
        slot: Arc::clone(&slot),
        left: false,
        drops: std::sync::Arc::clone(&drops),
    };
    (future, slot, drops)
}

/// Polls `handle` once with a waker that counts.
fn poll_once<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

struct Wakes(Count);

impl StdWake for Wakes {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn wakes() -> (std::sync::Arc<Wakes>, Waker) {
    let wakes = std::sync::Arc::new(Wakes(Count::new(0)));
    (std::sync::Arc::clone(&wakes), Waker::from(wakes))
}

#[test]
fn loom_wake_while_polled() {
    model(|| {
        let sched = Sched::new();
        let (future, slot, drops) = twice();
        let handle = Sched::spawn(&sched, future);
        let waking = thread::spawn(move || {
            let waker = slot.lock().take();
            waker.map(Waker::wake).is_some()
        });
        sched.drain();
        let woken = waking.join().unwrap();
        sched.drain();
        assert_eq!(handle.is_finished(), woken);
        if !woken {
            handle.abort();
            sched.drain();
        }
        assert_eq!(drops.load(SeqCst), 1);
        drop(handle);
        assert_eq!(drops.load(SeqCst), if woken { 101 } else { 1 });
    });
}

#[test]
fn loom_wake_v_complete_v_abort() {
    model(|| {
        let sched = Sched::new();
        let (future, slot, drops) = twice();
        let handle = Sched::spawn(&sched, future);
        sched.drain();
        let waker = slot.lock().take().unwrap();
        let waking = thread::spawn(move || waker.wake());
        let other = Arc::clone(&sched);
        let working = thread::spawn(move || other.drain());
        handle.abort();
        waking.join().unwrap();
        working.join().unwrap();
        sched.drain();
        assert!(handle.is_finished(), "woken and aborted, and still there");
        assert_eq!(drops.load(SeqCst), 1);
        let result = crate::wait::parker::block_on(handle);
        assert!(result.is_ok() || result.as_ref().unwrap_err().is_cancelled());
        let value = result.is_ok();
        drop(result);
        assert_eq!(drops.load(SeqCst), if value { 101 } else { 1 });
    });
}

/// An abort that finds the task in its poll, which then waits for nobody.
#[test]
fn loom_abort_while_polled() {
    model(|| {
        let sched = Sched::new();
        let drops = std::sync::Arc::new(Count::new(0));
        let value = Value(std::sync::Arc::clone(&drops));
        let handle = Sched::spawn(&sched, async move {
            let _value = value;
            std::future::pending::<()>().await;
        });
        let other = Arc::clone(&sched);
        let working = thread::spawn(move || other.drain());
        handle.abort();
        working.join().unwrap();
        sched.drain();
        assert!(handle.is_finished());
        assert_eq!(drops.load(SeqCst), 100);
    });
}

/// References that a poll makes are settled at its end; by then others may have used them up or dropped them.
#[test]
fn loom_owed_settled_while_used_up() {
    for drop_it in [false, true] {
        model(move || {
            let sched = Sched::new();
            let slot: Slot = Arc::new(Mutex::new(None));
            let (leave, kept) = (Arc::clone(&slot), Arc::new(Mutex::new(None)));
            let keep = Arc::clone(&kept);
            let mut polls = 0;
            let handle = Sched::spawn(
                &sched,
                std::future::poll_fn(move |cx| {
                    polls += 1;
                    if polls > 1 {
                        return Poll::Ready(());
                    }
                    *leave.lock() = Some(cx.waker().clone());
                    // One more that dies here, and one that stays.
                    drop(cx.waker().clone());
                    *keep.lock() = Some(cx.waker().clone());
                    Poll::Pending
                }),
            );
            drop(handle);
            let peer = thread::spawn(move || match slot.lock().take() {
                Some(waker) if drop_it => drop(waker),
                Some(waker) => waker.wake(),
                None => {}
            });
            sched.drain();
            let last: Waker = kept.lock().take().unwrap();
            peer.join().unwrap();
            last.wake();
            sched.drain();
        });
    }
}

#[test]
fn loom_join_waker_v_complete() {
    model(|| {
        let sched = Sched::new();
        let mut handle = Sched::spawn(&sched, async { 5 });
        let other = Arc::clone(&sched);
        let working = thread::spawn(move || other.drain());
        let (count, waker) = wakes();
        let mut polled = poll_once(&mut handle, &waker);
        working.join().unwrap();
        if polled.is_pending() {
            assert_eq!(count.0.load(SeqCst), 1, "it waits and was not woken");
            polled = poll_once(&mut handle, &waker);
        }
        assert!(matches!(polled, Poll::Ready(Ok(5))));
        drop((waker, handle));
        assert_eq!(std::sync::Arc::strong_count(&count), 1, "a waker leaked");
    });
}

#[test]
fn loom_join_waker_changes_v_complete() {
    model(|| {
        let sched = Sched::new();
        let mut handle = Sched::spawn(&sched, async { 5 });
        let (first, old) = wakes();
        assert!(poll_once(&mut handle, &old).is_pending());
        let other = Arc::clone(&sched);
        let working = thread::spawn(move || other.drain());
        let (second, new) = wakes();
        let polled = poll_once(&mut handle, &new);
        working.join().unwrap();
        if polled.is_pending() {
            assert_eq!(second.0.load(SeqCst), 1, "it waits and was not woken");
        }
        drop((old, new, handle));
        assert_eq!(std::sync::Arc::strong_count(&first), 1, "a waker leaked");
        assert_eq!(std::sync::Arc::strong_count(&second), 1, "a waker leaked");
    });
}

#[test]
fn loom_handle_dropped_v_complete() {
    for waits in [false, true] {
        model(move || {
            let sched = Sched::new();
            let drops = std::sync::Arc::new(Count::new(0));
            let value = Value(std::sync::Arc::clone(&drops));
            let mut handle = Sched::spawn(&sched, async { value });
            let (count, waker) = wakes();
            if waits {
                assert!(poll_once(&mut handle, &waker).is_pending());
            }
            let other = Arc::clone(&sched);
            let working = thread::spawn(move || other.drain());
            drop(handle);
            working.join().unwrap();
            assert_eq!(drops.load(SeqCst), 100);
            drop(waker);
            assert_eq!(std::sync::Arc::strong_count(&count), 1, "a waker leaked");
        });
    }
}

/// A waker, the handle and the task itself end at the same time: one of them frees the cell.
#[test]
fn loom_last_reference_v_complete() {
    model(|| {
        let sched = Sched::new();
        let (future, slot, drops) = twice();
        let handle = Sched::spawn(&sched, future);
        sched.drain();
        let waker = slot.lock().take().unwrap();
        waker.wake_by_ref();
        let other = Arc::clone(&sched);
        let working = thread::spawn(move || other.drain());
        let dropping = thread::spawn(move || drop(waker));
        drop(handle);
        working.join().unwrap();
        dropping.join().unwrap();
        assert_eq!(drops.load(SeqCst), 101);
    });
}

/// A task that its joiner wakes from the end of another task, on another worker.
#[test]
fn loom_joiner_is_a_task() {
    model(|| {
        let sched = Sched::new();
        let child = Sched::spawn(&sched, async { 1 });
        let parent = Sched::spawn(&sched, async { child.await.unwrap() + 1 });
        let other = Arc::clone(&sched);
        let working = thread::spawn(move || other.drain());
        sched.drain();
        working.join().unwrap();
        sched.drain();
        assert!(parent.is_finished());
        assert_eq!(crate::wait::parker::block_on(parent).unwrap(), 2);
    });
}
