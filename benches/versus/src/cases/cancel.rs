//! F03-F05: trees of cancellation. One operation is one child made and cancelled (F03), ten thousand waiters woken
//! by one cancellation (F04), one link of a chain a thousand deep (F05).

use super::share;
use crate::executor::{Executor, Gochan, Smol, Tokio, on};
use crate::measure::Spent;
use crate::registry::{BOTH, ONE, Registry};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const WAITERS: u64 = 10_000;
const DEPTH: u64 = 1000;

/// A cancellation tree as a peer.
trait Cancel: Clone + Send + Sync + 'static {
    fn root() -> Self;
    fn child(&self) -> Self;
    fn cancel(&self);
    fn is_cancelled(&self) -> bool;
    fn cancelled(&self) -> impl Future<Output = ()> + Send;
}

impl Cancel for CancellationToken {
    fn root() -> Self {
        CancellationToken::new()
    }
    fn child(&self) -> Self {
        self.child_token()
    }
    fn cancel(&self) {
        CancellationToken::cancel(self)
    }
    fn is_cancelled(&self) -> bool {
        CancellationToken::is_cancelled(self)
    }
    fn cancelled(&self) -> impl Future<Output = ()> + Send {
        CancellationToken::cancelled(self)
    }
}

/// gochan's context with the handle that cancels it.
#[derive(Clone)]
struct Cancellable(gochan::Context, gochan::CancelHandle);

impl Cancel for Cancellable {
    fn root() -> Self {
        let (context, handle) = gochan::Context::background().with_cancel();
        Cancellable(context, handle)
    }
    fn child(&self) -> Self {
        let (context, handle) = self.0.with_cancel();
        Cancellable(context, handle)
    }
    fn cancel(&self) {
        self.1.cancel();
    }
    fn is_cancelled(&self) -> bool {
        self.0.is_done()
    }
    async fn cancelled(&self) {
        self.0.done().await;
    }
}

/// What each waiter waits on.
#[derive(Clone, Copy)]
enum Waits {
    OnOwnChild,
    OnRoot,
}

/// Which part of a chain's life is timed.
#[derive(Clone, Copy, PartialEq)]
enum Timed {
    Creation,
    Cancellation,
}

pub fn register(rows: &mut Registry) {
    enter::<Gochan, Cancellable>(rows, "gochan");
    enter_fan_out::<Gochan, Cancellable>(rows, "gochan");
    enter::<Tokio, CancellationToken>(rows, "tokio-token");
    enter_fan_out::<Tokio, CancellationToken>(rows, "tokio-token");
    rows.whole(
        "F04_cancel_fanout10k_own_child",
        "token@smol",
        BOTH,
        on::<Smol, _, _>(|_| fan_out::<Smol, CancellationToken>(Waits::OnOwnChild)),
    );
}

fn enter<E: Executor, C: Cancel>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "F03_ctx_child_cancel",
        peer,
        ONE,
        on::<E, _, _>(child_cancel::<C>),
    );
    rows.repeated(
        "F05_chain1000_create_per_ctx",
        peer,
        ONE,
        on::<E, _, _>(|n| chain::<C>(n, Timed::Creation)),
    );
    rows.repeated(
        "F05_chain1000_cancel_per_ctx",
        peer,
        ONE,
        on::<E, _, _>(|n| chain::<C>(n, Timed::Cancellation)),
    );
}

fn enter_fan_out<E: Executor, C: Cancel>(rows: &mut Registry, peer: &'static str) {
    let own = on::<E, _, _>(|_| fan_out::<E, C>(Waits::OnOwnChild));
    let shared = on::<E, _, _>(|_| fan_out::<E, C>(Waits::OnRoot));
    rows.whole("F04_cancel_fanout10k_own_child", peer, BOTH, own);
    rows.whole("F04_cancel_fanout10k_shared", peer, BOTH, shared);
}

async fn child_cancel<C: Cancel>(n: u64) -> Spent {
    let root = C::root();
    let mut cancelled = 0;
    let start = Instant::now();
    for _ in 0..n {
        let child = root.child();
        child.cancel();
        cancelled += u64::from(child.is_cancelled());
    }
    let spent = Spent::since(start, n);
    assert_eq!(cancelled, n);
    assert!(!root.is_cancelled());
    spent
}

/// From the cancellation to the last waiter having woken.
async fn fan_out<E: Executor, C: Cancel>(waits: Waits) -> Spent {
    let root = C::root();
    let waiting = Arc::new(AtomicU64::new(0));
    let woken = Arc::new(AtomicU64::new(0));
    let all_woken = Arc::new(Notify::new());
    for _ in 0..WAITERS {
        let (root, waiting, woken, all_woken) = (
            root.clone(),
            waiting.clone(),
            woken.clone(),
            all_woken.clone(),
        );
        E::detach(E::spawn(async move {
            let mine = match waits {
                Waits::OnOwnChild => root.child(),
                Waits::OnRoot => root,
            };
            waiting.fetch_add(1, Relaxed);
            mine.cancelled().await;
            if woken.fetch_add(1, AcqRel) + 1 == WAITERS {
                all_woken.notify_one();
            }
        }));
    }
    while waiting.load(Relaxed) < WAITERS {
        E::yield_now().await;
    }
    // Let the last of them park.
    E::sleep(Duration::from_millis(3)).await;
    let start = Instant::now();
    root.cancel();
    all_woken.notified().await;
    let spent = Spent::since(start, 1);
    assert_eq!(woken.load(Acquire), WAITERS);
    spent
}

async fn chain<C: Cancel>(n: u64, timed: Timed) -> Spent {
    let rounds = share(n, DEPTH);
    let mut time = Duration::ZERO;
    for _ in 0..rounds {
        let start = Instant::now();
        let mut chain = Vec::with_capacity(DEPTH as usize);
        chain.push(C::root());
        for above in 0..DEPTH as usize - 1 {
            chain.push(chain[above].child());
        }
        let created = start.elapsed();
        chain[0].cancel();
        assert!(chain[DEPTH as usize - 1].is_cancelled());
        time += match timed {
            Timed::Creation => created,
            Timed::Cancellation => start.elapsed() - created,
        };
    }
    Spent {
        time,
        ops: rounds * DEPTH,
    }
}
