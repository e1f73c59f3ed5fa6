//! What the behaviour tests share: the places a body runs on, a watchdog against deadlock, values that count their
//! drops, wakers that count their wakes, an allocator that counts per thread.
//!
//! It is not a test. Nothing here reads a clock to judge a result: the watchdog only turns a hang into a failure.

#![allow(dead_code)] // every test file uses its own part of it

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;

pub(crate) mod alloc;
pub(crate) mod value;
pub(crate) mod waker;

/// A test that has said nothing for so long is deadlocked. A healthy one is over long before.
const STUCK: Duration = Duration::from_secs(120);

/// How a test, or one goroutine of it, ended.
type Verdict = Result<(), Box<dyn Any + Send>>;

/// Runs `body` on a thread of its own and fails, with a dump of every task, if it never comes back.
pub(crate) fn watch(body: impl FnOnce() + Send + 'static) {
    judge(move |_| body());
}

fn judge(body: impl FnOnce(mpsc::Sender<Verdict>) + Send + 'static) {
    let (verdict, outcome) = mpsc::channel();
    let name = thread::current().name().unwrap_or("test").to_owned();
    let own = verdict.clone();
    thread::Builder::new()
        .name(name)
        .spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| body(verdict)));
            let _ = own.send(ended);
        })
        .unwrap();
    match outcome.recv_timeout(STUCK) {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("deadlock: nothing moved any more\n{}", gochan::diag::dump()),
    }
}

/// Where the goroutines of a test live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Tasks of a gochan runtime with two workers.
    Gochan,
    /// Tasks of a tokio runtime with two workers.
    Tokio,
    /// One plain thread for each.
    Threads,
}

/// One of three places to run the same body on. A goroutine that panics fails the test, as it ends a Go program, and a
/// test is over only when every goroutine it started is.
#[derive(Clone)]
pub(crate) struct Place {
    kind: Kind,
    verdict: mpsc::Sender<Verdict>,
    live: Live,
}

impl Place {
    /// Runs `body` on tasks of a gochan runtime.
    pub(crate) fn gochan<F: Future<Output = ()> + Send + 'static>(
        body: impl FnOnce(Place) -> F + Send + 'static,
    ) {
        Place::host(Kind::Gochan, body, |main, live| {
            let rt = gochan::Runtime::builder().workers(2).build().unwrap();
            rt.block_on(main);
            live.wait();
            rt.shutdown();
        });
    }

    /// Runs `body` on tasks of a tokio runtime.
    pub(crate) fn tokio<F: Future<Output = ()> + Send + 'static>(
        body: impl FnOnce(Place) -> F + Send + 'static,
    ) {
        Place::host(Kind::Tokio, body, |main, live| {
            let rt = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .build()
                .unwrap();
            rt.block_on(main);
            live.wait();
        });
    }

    /// Runs `body` on plain threads.
    pub(crate) fn threads<F: Future<Output = ()> + Send + 'static>(
        body: impl FnOnce(Place) -> F + Send + 'static,
    ) {
        Place::host(Kind::Threads, body, |main, live| {
            gochan::block_on(main);
            live.wait();
        });
    }

    fn host<F: Future<Output = ()> + Send + 'static>(
        kind: Kind,
        body: impl FnOnce(Place) -> F + Send + 'static,
        run: impl FnOnce(F, &Live) + Send + 'static,
    ) {
        judge(move |verdict| {
            let live = Live::default();
            let place = Place {
                kind,
                verdict,
                live: live.clone(),
            };
            run(body(place), &live);
        });
    }

    /// Go's `go` statement.
    pub(crate) fn go<T: Send + 'static>(
        &self,
        f: impl Future<Output = T> + Send + 'static,
    ) -> Joined<T> {
        let (give, result) = oneshot::channel();
        let token = self.live.enter();
        let verdict = self.verdict.clone();
        let body = async move {
            match AssertUnwindSafe(f).catch_unwind().await {
                Ok(value) => drop(give.send(value)),
                Err(panic) => drop(verdict.send(Err(panic))),
            }
            drop(token);
        };
        match self.kind {
            Kind::Gochan => drop(gochan::go(body)),
            Kind::Tokio => drop(tokio::spawn(body)),
            Kind::Threads => drop(
                thread::Builder::new()
                    .stack_size(1 << 20)
                    .spawn(move || gochan::block_on(body))
                    .unwrap(),
            ),
        }
        Joined(result)
    }

    /// Go's `runtime.Gosched()`.
    pub(crate) async fn pause(&self) {
        match self.kind {
            Kind::Gochan => gochan::yield_now().await,
            Kind::Tokio => tokio::task::yield_now().await,
            Kind::Threads => thread::yield_now(),
        }
    }

    /// Lets the others run until `ready` holds.
    pub(crate) async fn until(&self, mut ready: impl FnMut() -> bool) {
        while !ready() {
            self.pause().await;
        }
    }

    /// `tasks` where a goroutine is cheap, `threads` where it is a thread.
    pub(crate) fn scale(&self, tasks: usize, threads: usize) -> usize {
        match self.kind {
            Kind::Threads => threads,
            _ => tasks,
        }
    }
}

/// The result of a goroutine to come.
pub(crate) struct Joined<T>(oneshot::Receiver<T>);

impl<T> Joined<T> {
    /// What the goroutine returned. If it panicked the test has failed already, and this waits for that to be seen.
    pub(crate) async fn join(self) -> T {
        match self.0.await {
            Ok(value) => value,
            Err(oneshot::Canceled) => std::future::pending().await,
        }
    }
}

/// Counts the goroutines that still run.
#[derive(Clone, Default)]
struct Live(Arc<(Mutex<usize>, Condvar)>);

struct Token(Live);

impl Live {
    fn enter(&self) -> Token {
        *self.0.0.lock().unwrap() += 1;
        Token(self.clone())
    }

    fn wait(&self) {
        let (count, changed) = &*self.0;
        let guard = count.lock().unwrap();
        drop(changed.wait_while(guard, |n| *n > 0).unwrap());
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let (count, changed) = &*self.0.0;
        *count.lock().unwrap() -= 1;
        changed.notify_all();
    }
}

/// Declares one test for each place, all with the same body: `async fn body(place: Place)`.
#[allow(unused_macros)]
macro_rules! everywhere {
    ($body:ident) => {
        #[test]
        fn on_gochan() {
            crate::common::Place::gochan($body);
        }
        #[test]
        fn on_tokio() {
            crate::common::Place::tokio($body);
        }
        #[test]
        fn on_threads() {
            crate::common::Place::threads($body);
        }
    };
}
#[allow(unused_imports)]
pub(crate) use everywhere;

/// A small generator of its own, so that a failing run is the same run again.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number, below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 33) as usize) % n
    }
}

/// A counter that tasks and threads share.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<AtomicUsize>);

impl Tally {
    pub(crate) fn add(&self, n: usize) -> usize {
        self.0.fetch_add(n, Ordering::SeqCst).wrapping_add(n)
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
