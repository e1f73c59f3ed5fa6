//! Five small programs, each of which stands still in a classic way. The line to blame is marked in each.

use std::any::Any;
use std::time::Duration;

use gochan::diag::{self, Dump};
use gochan::hook::ObjId;
use gochan::sync::Mutex;
use gochan::task::Builder;
use gochan::time::Ticker;
use gochan::{Context, JoinHandle, chan, go, sleep, unbounded, yield_now};
use std::sync::Arc;

/// A program, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Program {
    /// The first answer is taken, and the receiver kept: the others wait for ever to hand theirs over.
    ForgottenReceiver,
    /// A lock is held while its holder waits for something else, and everybody waits for the lock.
    LockAcrossAwait,
    /// Who could cancel the context has put the handle away, and its task waits for an end that never comes.
    LostCancel,
    /// Each connection starts a heartbeat, and ends without it.
    LeakedTicker,
    /// One is slower than three who send to it.
    SlowConsumer,
}

/// A program that stands still: the tasks that are to wait, and what must not be dropped, or they would not.
struct Still {
    tasks: Vec<ObjId>,
    _kept: Box<dyn Any + Send>,
}

impl Still {
    fn new<T: Send + 'static>(tasks: Vec<JoinHandle<T>>, kept: impl Send + 'static) -> Still {
        Still {
            tasks: tasks.iter().map(JoinHandle::id).collect(),
            _kept: Box::new((tasks, kept)),
        }
    }

    /// Whether each of its tasks that has not ended has waited for a while.
    fn is_stuck(&self, dump: &Dump) -> bool {
        let waited = |id: &ObjId| Some(dump.task(*id)?.wait.as_ref().map_or(0, |w| w.waited_ns));
        let mut waits = self.tasks.iter().filter_map(waited);
        waits.all(|ns| ns > 20_000_000)
    }
}

/// Starts the program, waits until it stands still, and takes the dump.
pub(crate) async fn dump_of(program: Program) -> Dump {
    let still = match program {
        Program::ForgottenReceiver => forgotten_receiver().await,
        Program::LockAcrossAwait => lock_across_await().await,
        Program::LostCancel => lost_cancel(),
        Program::LeakedTicker => leaked_ticker().await,
        Program::SlowConsumer => slow_consumer().await,
    };
    loop {
        let dump = diag::dump();
        if still.is_stuck(&dump) {
            return dump;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn forgotten_receiver() -> Still {
    let (answers, first) = chan::<&str>(0);
    let first = first.named("answers");
    let ask = |mirror| {
        let answers = answers.clone();
        Builder::new().name(mirror).go(async move {
            answers.send(mirror).await.ok(); // the culprit
        })
    };
    let mirrors: Vec<_> = ["oslo", "lima", "pune"].map(ask).into();
    first.recv().await.ok();
    // Who has only wanted one answer had better drop the receiver, or make room for all of them.
    Still::new(mirrors, first)
}

async fn lock_across_await() -> Still {
    let ledger = Arc::new(Mutex::new(0).named("ledger"));
    let (bank, answer) = chan::<i32>(0);
    let book = Arc::clone(&ledger);
    let settle = Builder::new().name("settle").go(async move {
        let mut balance = book.lock().await; // the culprit
        *balance += answer.recv().await.unwrap_or(0); // the culprit
    });
    while ledger.try_lock().is_some() {
        yield_now().await;
    }
    let mut tasks = vec![settle];
    for _ in 0..5 {
        let book = Arc::clone(&ledger);
        tasks.push(go(async move { *book.lock().await -= 1 }));
    }
    Still::new(tasks, bank)
}

fn lost_cancel() -> Still {
    let (ctx, cancel) = Context::background().with_cancel(); // the culprit
    let watcher = Builder::new().name("watcher").go(async move {
        ctx.done().await; // the culprit
    });
    Still::new(vec![watcher], cancel)
}

async fn leaked_ticker() -> Still {
    let mut heartbeats = Vec::new();
    for _ in 0..20 {
        // Each of these has ended by now, and its heartbeat goes on.
        heartbeats.push(go(connection()).await.expect("it does not panic"));
    }
    Still::new(heartbeats, ())
}

async fn connection() -> JoinHandle<()> {
    let ticker = Ticker::new(Duration::from_secs(1));
    go(async move {
        loop {
            ticker.tick().await; // the culprit
        }
    })
}

async fn slow_consumer() -> Still {
    let (lines, queue) = chan::<u64>(2);
    let queue = queue.named("lines");
    let (tell, told) = unbounded();
    let consumer = Builder::new().name("consumer").go(async move {
        while let Ok(line) = queue.recv().await {
            tell.try_send(line).ok();
            sleep(Duration::from_millis(60)).await; // the culprit
        }
    });
    let mut tasks = vec![consumer];
    for producer in 0..3 {
        let lines = lines.clone();
        tasks.push(go(
            async move { while lines.send(producer).await.is_ok() {} },
        ));
    }
    for _ in 0..4 {
        told.recv().await.ok();
    }
    Still::new(tasks, lines)
}
