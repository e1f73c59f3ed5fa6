//! Tasks by themselves: how often they are polled, queued and dropped, whatever happens to them.
//!
//! As in async-task's tests, each future counts: POLLs, and DROPs of the future and of its output. A runtime of one worker
//! is held at a gate, so that the steps of a test happen in the order in which they stand there.

// That waking by value and by reference are the same is what is tested.
#![allow(clippy::waker_clone_wake)]

use gochan::hook::Kind;
use gochan::{JoinHandle, Runtime, go, task};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};

/// One worker that does nothing unless let.
struct Bench {
    rt: Runtime,
}

impl Bench {
    fn new() -> Bench {
        let rt = Runtime::builder().workers(1).build().unwrap();
        Bench { rt }
    }

    /// Holds the worker in a poll until the gate is dropped.
    fn hold(&self) -> Gate {
        let (open, gate) = mpsc::channel::<()>();
        let (held, holds) = mpsc::channel();
        let task = self.rt.go(async move {
            held.send(()).unwrap();
            let _ = gate.recv();
        });
        holds.recv().unwrap();
        Gate { open, task }
    }

    /// Until everything that is queued has run, and what that queued.
    fn settle(&self) {
        for _ in 0..3 {
            self.rt.go(async {}).wait().unwrap();
        }
    }
}

struct Gate {
    open: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

impl Gate {
    fn open(self) {
        drop(self.open);
        self.task.wait().unwrap();
    }
}

#[derive(Default)]
struct Counts {
    polls: AtomicUsize,
    future_drops: AtomicUsize,
    output_drops: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Counts {
    fn new() -> Arc<Counts> {
        Arc::default()
    }
    #[track_caller]
    fn check(&self, polls: usize, future_drops: usize, output_drops: usize) {
        let seen = (
            self.polls.load(SeqCst),
            self.future_drops.load(SeqCst),
            self.output_drops.load(SeqCst),
        );
        assert_eq!(
            seen,
            (polls, future_drops, output_drops),
            "polls, drops of future and output"
        );
    }
    fn waker(&self) -> Waker {
        self.waker.lock().unwrap().clone().unwrap()
    }
    fn forget_waker(&self) {
        let waker = self.waker.lock().unwrap().take();
        drop(waker);
    }
}

/// Leaves its waker and pends `pends` times, then gives a value or panics.
struct Job {
    counts: Arc<Counts>,
    pends: usize,
    panics: bool,
    drop_panics: bool,
}

struct Value(Arc<Counts>, bool);

impl Future for Job {
    type Output = Value;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Value> {
        self.counts.polls.fetch_add(1, SeqCst);
        let old = self
            .counts
            .waker
            .lock()
            .unwrap()
            .replace(cx.waker().clone());
        drop(old);
        if self.pends > 0 {
            self.pends -= 1;
            return Poll::Pending;
        }
        assert!(!self.panics, "as told");
        Poll::Ready(Value(Arc::clone(&self.counts), false))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.counts.future_drops.fetch_add(1, SeqCst);
        assert!(!self.drop_panics, "dropped, as told");
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.output_drops.fetch_add(1, SeqCst);
        if self.1 {
            resume_unwind(Box::new("output"));
        }
    }
}

fn job(counts: &Arc<Counts>, pends: usize) -> Job {
    Job {
        counts: Arc::clone(counts),
        pends,
        panics: false,
        drop_panics: false,
    }
}

/// Everything that belonged to the task is gone: the cell and its future, its output and its wakers.
#[track_caller]
fn all_gone(counts: &Arc<Counts>) {
    counts.forget_waker();
    assert_eq!(Arc::strong_count(counts), 1);
}

// === the plain course of things ===

#[test]
fn a_value_comes_out() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let value = bench.rt.go(job(&counts, 0)).wait().unwrap();
    counts.check(1, 1, 0);
    drop(value);
    counts.check(1, 1, 1);
    all_gone(&counts);
}

#[test]
fn a_wake_is_a_poll() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let handle = bench.rt.go(job(&counts, 3));
    for polls in 1..=3 {
        bench.settle();
        counts.check(polls, 0, 0);
        assert!(!handle.is_finished());
        counts.waker().wake();
    }
    handle.wait().unwrap();
    counts.check(4, 1, 1);
    all_gone(&counts);
}

#[test]
fn wakes_before_the_poll_are_at_most_two_polls() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let handle = bench.rt.go(job(&counts, 9));
    bench.settle();
    let gate = bench.hold();
    for _ in 0..5 {
        counts.waker().wake_by_ref();
    }
    gate.open();
    bench.settle();
    let polls = counts.polls.load(SeqCst);
    assert!(polls == 2 || polls == 3, "1 + {}", polls - 1);
    handle.abort();
    bench.settle();
    counts.check(polls, 1, 0);
    drop(handle);
    all_gone(&counts);
}

#[test]
fn a_wake_in_its_own_poll_is_one_more_poll() {
    let bench = Bench::new();
    for by_value in [false, true] {
        let mut polls = 0;
        let handle = bench.rt.go(poll_fn(move |cx| {
            polls += 1;
            if polls == 10 {
                return Poll::Ready(polls);
            }
            if by_value {
                cx.waker().clone().wake();
            } else {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        }));
        assert_eq!(handle.wait().unwrap(), 10);
    }
}

#[test]
fn detached_it_runs_to_its_end() {
    let (bench, counts) = (Bench::new(), Counts::new());
    drop(bench.rt.go(job(&counts, 1)));
    bench.settle();
    counts.check(1, 0, 0);
    counts.waker().wake();
    bench.settle();
    counts.check(2, 1, 1);
    all_gone(&counts);
}

#[test]
fn the_handle_dropped_after_the_end_drops_the_output() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let handle = bench.rt.go(job(&counts, 0));
    bench.settle();
    assert!(handle.is_finished());
    counts.check(1, 1, 0);
    drop(handle);
    counts.check(1, 1, 1);
    all_gone(&counts);
}

#[test]
fn wakers_outlive_the_task() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let handle = bench.rt.go(job(&counts, 1));
    bench.settle();
    let wakers = [counts.waker(), counts.waker(), counts.waker()];
    counts.waker().wake();
    drop(handle.wait().unwrap());
    counts.check(2, 1, 1);
    let [by_ref, by_value, dropped] = wakers;
    by_ref.wake_by_ref();
    by_value.wake();
    drop(dropped);
    drop(bench);
    by_ref.wake_by_ref();
    by_ref.clone().wake();
    drop(by_ref);
    counts.check(2, 1, 1);
    all_gone(&counts);
}

// === panics ===

#[test]
fn a_panic_comes_out_of_the_handle() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let mut job = job(&counts, 1);
    job.panics = true;
    let handle = bench.rt.go(job);
    let id = handle.id();
    bench.settle();
    counts.waker().wake();
    let error = handle.wait().map(drop).unwrap_err();
    assert!(error.is_panic() && !error.is_cancelled());
    assert_eq!(error.to_string(), format!("{id} panicked: as told"));
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "as told");
    counts.check(2, 1, 0);
    all_gone(&counts);
}

#[test]
fn a_panic_of_a_detached_task_ends_nothing_else() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let mut job = job(&counts, 0);
    job.panics = true;
    drop(bench.rt.go(job));
    bench.settle();
    counts.check(1, 1, 0);
    all_gone(&counts);
}

#[test]
fn a_panic_in_the_drop_of_an_aborted_future() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let mut job = job(&counts, 1);
    job.drop_panics = true;
    let handle = bench.rt.go(job);
    bench.settle();
    handle.abort();
    let error = handle.wait().map(drop).unwrap_err();
    assert!(error.is_panic());
    counts.check(1, 1, 0);
    all_gone(&counts);
}

#[test]
fn a_panic_in_the_poll_and_another_in_the_drop() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let mut job = job(&counts, 0);
    job.panics = true;
    job.drop_panics = true;
    let error = bench.rt.go(job).wait().map(drop).unwrap_err();
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "as told");
    counts.check(1, 1, 0);
    all_gone(&counts);
}

#[test]
fn a_panic_in_the_drop_of_a_finished_future() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let mut job = job(&counts, 0);
    job.drop_panics = true;
    drop(bench.rt.go(job).wait().unwrap());
    counts.check(1, 1, 1);
    all_gone(&counts);
}

#[test]
fn a_panic_in_the_drop_of_an_output_that_nobody_takes() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let future = |counts: &Arc<Counts>| {
        let job = job(counts, 0);
        async move {
            let mut value = job.await;
            value.1 = true;
            value
        }
    };
    // On the worker: it ends there.
    let gate = bench.hold();
    drop(bench.rt.go(future(&counts)));
    gate.open();
    bench.settle();
    counts.check(1, 1, 1);
    // In the hands of the handle's owner: it is his.
    let handle = bench.rt.go(future(&counts));
    bench.settle();
    let panic = catch_unwind(AssertUnwindSafe(|| drop(handle))).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "output");
    counts.check(2, 2, 2);
    counts.forget_waker();
    bench.settle();
}

#[test]
fn a_panic_payload_that_panics_as_it_is_dropped() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            resume_unwind(Box::new("bad"));
        }
    }
    let bench = Bench::new();
    let gate = bench.hold();
    drop(bench.rt.go(async { resume_unwind(Box::new(Bad)) }));
    gate.open();
    bench.settle();
    drop(bench);
}

// === abort ===

#[test]
fn aborted_before_its_first_poll() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let gate = bench.hold();
    let handle = bench.rt.go(job(&counts, 0));
    handle.abort();
    handle.abort();
    counts.check(0, 0, 0);
    assert!(!handle.is_finished());
    gate.open();
    let error = handle.wait().map(drop).unwrap_err();
    assert!(error.is_cancelled());
    assert!(error.to_string().ends_with("was cancelled"));
    counts.check(0, 1, 0);
    all_gone(&counts);
}

#[test]
fn aborted_while_it_waits_it_is_dropped_by_a_worker() {
    struct Where(mpsc::Sender<Option<String>>);
    impl Drop for Where {
        fn drop(&mut self) {
            self.0
                .send(std::thread::current().name().map(String::from))
                .unwrap();
        }
    }
    let rt = Runtime::builder().workers(1).name("drops").build().unwrap();
    let (tx, rx) = mpsc::channel();
    let place = Where(tx);
    let handle = rt.go(async move {
        let _place = place;
        pending::<()>().await;
    });
    rt.go(async {}).wait().unwrap();
    handle.abort();
    assert!(handle.wait().unwrap_err().is_cancelled());
    assert_eq!(rx.recv().unwrap().as_deref(), Some("drops-1"));
}

#[test]
fn aborted_in_its_poll_it_ends_after_it() {
    let bench = Bench::new();
    let (tx, rx) = mpsc::channel::<JoinHandle<u32>>();
    let (mine, counts) = (Counts::new(), Counts::new());
    let inner = Arc::clone(&counts);
    let handle = bench.rt.go(async move {
        let inner = Value(inner, false);
        let me = rx.recv().unwrap();
        me.abort();
        drop(me);
        mine.polls.fetch_add(1, SeqCst);
        gochan::yield_now().await;
        drop(inner);
        unreachable!("it was aborted in its first poll");
    });
    tx.send(handle).unwrap();
    bench.settle();
    counts.check(0, 0, 1);
}

#[test]
fn aborted_in_its_last_poll_it_ends_as_usual() {
    let bench = Bench::new();
    let (tx, rx) = mpsc::channel::<JoinHandle<()>>();
    let counts = Counts::new();
    let value = Value(Arc::clone(&counts), false);
    let handle = bench.rt.go(async move {
        let me = rx.recv().unwrap();
        me.abort();
        // The output is dropped here, in the middle of the poll that makes it.
        drop(me);
        drop(value);
    });
    tx.send(handle).unwrap();
    bench.settle();
    counts.check(0, 0, 1);
}

#[test]
fn aborted_after_its_end() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let handle = bench.rt.go(job(&counts, 0));
    bench.settle();
    handle.abort();
    drop(handle.wait().unwrap());
    counts.check(1, 1, 1);
    all_gone(&counts);
}

// === handles ===

#[test]
fn a_handle_polled_by_several_in_turn() {
    let (bench, counts) = (Bench::new(), Counts::new());
    let mut handle = bench.rt.go(job(&counts, 1));
    for _ in 0..3 {
        let waker = futures::task::noop_waker();
        assert!(
            Pin::new(&mut handle)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let mut spawned = tokio_test::task::spawn(&mut handle);
        assert!(spawned.poll().is_pending());
        assert!(spawned.poll().is_pending());
    }
    bench.settle();
    let mut last = tokio_test::task::spawn(&mut handle);
    assert!(last.poll().is_pending());
    assert!(!last.is_woken());
    counts.waker().wake();
    bench.settle();
    assert!(last.is_woken());
    tokio_test::assert_ready!(last.poll()).unwrap();
    drop(last);
    let again = catch_unwind(AssertUnwindSafe(|| {
        let waker = futures::task::noop_waker();
        let _ = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
    }));
    assert!(again.is_err(), "it gave its result already");
    drop(handle);
    all_gone(&counts);
}

#[test]
fn a_handle_forgotten_costs_the_cell_only() {
    let (bench, counts) = (Bench::new(), Counts::new());
    std::mem::forget(bench.rt.go(job(&counts, 0)));
    bench.settle();
    counts.check(1, 1, 0);
    bench.settle();
}

#[test]
fn a_joiner_that_panics_in_its_waker() {
    struct Bad;
    impl std::task::Wake for Bad {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new("waker"));
        }
    }
    let (bench, counts) = (Bench::new(), Counts::new());
    let gate = bench.hold();
    let mut handle = bench.rt.go(job(&counts, 0));
    let bad = Waker::from(Arc::new(Bad));
    assert!(
        Pin::new(&mut handle)
            .poll(&mut Context::from_waker(&bad))
            .is_pending()
    );
    gate.open();
    bench.settle();
    counts.check(1, 1, 0);
    drop(handle);
    all_gone(&counts);
}

#[test]
fn handles_cross_threads_and_catch_unwind() {
    fn check<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe + Unpin>() {}
    check::<JoinHandle<std::cell::Cell<u32>>>();
    fn send<T: Send + Sync>() {}
    send::<gochan::JoinError>();
}

// === who am I ===

#[test]
fn a_task_knows_its_id_and_name() {
    let rt = Runtime::builder().workers(1).build().unwrap();
    let (id, name, handle_id) = rt.block_on(async {
        let handle = task::Builder::new().name("worker bee").go(async {
            let me = task::current().unwrap();
            (me.id(), me.name())
        });
        let handle_id = handle.id();
        let (id, name) = handle.await.unwrap();
        (id, name, handle_id)
    });
    assert_eq!(id, handle_id);
    assert_eq!(id.kind(), Kind::Task);
    assert_eq!(name.as_deref(), Some("worker bee"));
    assert!(
        gochan::hook::name(id).is_none(),
        "the name goes with the task"
    );
    assert!(task::current().is_none());
}

#[test]
fn no_two_tasks_share_an_id() {
    let rt = Runtime::builder().workers(2).build().unwrap();
    let mut ids = rt.block_on(async {
        let handles: Vec<_> = (0..1000).map(|_| go(async { go(async {}).id() })).collect();
        let mut ids: Vec<_> = handles.iter().map(JoinHandle::id).collect();
        for handle in handles {
            ids.push(handle.await.unwrap());
        }
        ids
    });
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2000);
}
