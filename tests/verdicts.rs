//! What a dump says before everything else, of programs that are stuck in ways that are known for certain; what channels say
//! of themselves; and the waits that are no sign of trouble.

#![cfg(feature = "rt")]

use gochan::diag::{Dump, Object, Verdict, VerdictKind, dump, idle_ok};
use gochan::hook::ObjId;
use gochan::sync::{Mutex, RwMutex, WaitGroup};
use gochan::time::Ticker;
use gochan::{Context, Runtime, chan, go, select, sleep, task};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(3_600);

/// Looks until `find` has found something.
fn until<T>(find: impl Fn(&Dump) -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        let dump = dump();
        if let Some(found) = find(&dump) {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{dump}");
        thread::yield_now();
    }
}

fn verdict(kind: VerdictKind, subject: ObjId) -> Verdict {
    until(|dump| {
        let mut all = dump.verdicts.iter();
        all.find(|verdict| verdict.kind == kind && verdict.subject == subject)
            .cloned()
    })
}

/// The dump in which each of `ids` waits, for at least 20 ms: longer than what is called long.
fn all_wait(ids: &[ObjId]) -> Dump {
    until(|dump| {
        let long = |id: &ObjId| {
            let wait = dump.task(*id)?.wait.as_ref()?;
            (wait.waited_ns > 20_000_000).then_some(())
        };
        ids.iter()
            .all(|id| long(id).is_some())
            .then(|| dump.clone())
    })
}

#[track_caller]
fn is_line(site: Option<&'static Location<'static>>, line: u32) {
    let site = site.expect("a place");
    assert_eq!((site.file(), site.line()), (file!(), line));
}

/// `tests/verdicts.rs:30`
fn place(line: u32) -> String {
    format!("{}:{line}", file!())
}

#[test]
fn a_lock_held_across_a_long_wait() {
    let ledger = Arc::new(Mutex::new(0).named("ledger"));
    let (tx, rx) = chan::<u64>(0);
    let lock = Arc::clone(&ledger);
    let holder = task::Builder::new().name("settle").go(async move {
        let mut guard = lock.lock().await;
        *guard += rx.recv().await.unwrap_or(0);
    });
    let (locked, awaited) = (line!() - 3, line!() - 2);
    all_wait(&[holder.id()]);
    let waiters: Vec<_> = (0..6)
        .map(|_| {
            let lock = Arc::clone(&ledger);
            go(async move { *lock.lock().await += 1 })
        })
        .collect();
    let last = line!() - 3;
    let ids: Vec<_> = waiters.iter().map(|task| task.id()).collect();
    let dump = all_wait(&ids);
    let found = verdict(VerdictKind::HolderWaits, ledger.id());
    is_line(found.site, awaited);
    let first = &found.lines[0];
    for part in [
        format!("{} \"ledger\"", ledger.id()),
        format!("held by task {} \"settle\" for ", holder.id().number()),
        format!("acquired at {}", place(locked)),
        format!("[chan receive] at {}", place(awaited)),
    ] {
        assert!(first.contains(&part), "{first}: {part}");
    }
    let second = &found.lines[1];
    assert!(second.starts_with("6 wait for it: task "), "{second}");
    assert!(
        second.ends_with(&format!("{}, and 2 more", place(last))),
        "{second}"
    );

    // They are told of already, and the lock knows its queue.
    let others =
        |verdict: &&Verdict| ids.contains(&verdict.subject) || verdict.subject == holder.id();
    assert!(dump.verdicts.iter().find(others).is_none(), "{dump}");
    let object = dump.object(ledger.id()).unwrap();
    assert_eq!((object.waiters, object.queue.len()), (6, 6));
    let waited: Vec<_> = object.queue.iter().map(|queued| queued.waited_ns).collect();
    assert!(waited.is_sorted_by(|a, b| a >= b));
    assert_eq!(object.holders[0].id, holder.id());

    tx.send_blocking(1).unwrap();
    holder.wait().unwrap();
    waiters.into_iter().for_each(|task| task.wait().unwrap());
}

/// Of two such locks in a row the one at the end comes first: the other waits for it.
#[test]
fn a_chain_of_locks_ends_somewhere() {
    let (a, b) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let (tx, rx) = chan::<()>(0);
    let lock = Arc::clone(&b);
    let end = go(async move {
        let _b = lock.lock().await;
        rx.recv().await.unwrap_err();
    });
    all_wait(&[end.id()]);
    let (first, second) = (Arc::clone(&a), Arc::clone(&b));
    let middle = go(async move {
        let _a = first.lock().await;
        let _b = second.lock().await;
    });
    all_wait(&[middle.id()]);
    let lock = Arc::clone(&a);
    let victim = go(async move { drop(lock.lock().await) });
    let dump = all_wait(&[victim.id()]);
    let of = |id| {
        dump.verdicts
            .iter()
            .position(|verdict| verdict.subject == id)
    };
    assert!(of(b.id()).unwrap() < of(a.id()).unwrap(), "{dump}");
    drop(tx);
    [end, middle, victim]
        .into_iter()
        .for_each(|task| task.wait().unwrap());
}

#[test]
fn who_waits_for_a_lock_of_its_own() {
    let lock = Arc::new(Mutex::new(()));
    let held = Arc::clone(&lock);
    let stuck = go(async move {
        let _first = held.lock().await;
        drop(held.lock().await);
    });
    let (locked, again) = (line!() - 3, line!() - 2);
    let found = verdict(VerdictKind::OwnLock, stuck.id());
    is_line(found.site, again);
    let line = &found.lines[0];
    assert!(
        line.contains(&format!("acquired itself at {}", place(locked))),
        "{line}"
    );
    assert!(line.contains(&place(again)), "{line}");
    stuck.abort();
    assert!(stuck.wait().unwrap_err().is_cancelled());
}

#[test]
fn a_lock_whose_holder_is_gone() {
    let lock = Arc::new(RwMutex::new(()));
    let forgets = Arc::clone(&lock);
    let gone = go(async move { std::mem::forget(forgets.write().await) });
    let locked = line!() - 1;
    let id = gone.id();
    gone.wait().unwrap();
    let reads = Arc::clone(&lock);
    let stuck = go(async move { drop(reads.read().await) });
    let found = verdict(VerdictKind::HolderGone, lock.id());
    is_line(found.site, locked);
    let line = &found.lines[0];
    assert!(
        line.contains(&format!("held by task {}, which is gone", id.number())),
        "{line}"
    );
    assert!(found.lines[1].starts_with("1 waits for it: task "));
    stuck.abort();
    assert!(stuck.wait().unwrap_err().is_cancelled());
}

#[test]
fn senders_whom_nobody_receives_from() {
    let (tx, rx) = chan::<u64>(1);
    let made = line!() - 1;
    let rx = rx.named("events");
    let id = rx.id();
    // Takes one, which lets the sender go on once more, and then sleeps.
    let consumer = task::Builder::new().name("consumer").go(async move {
        rx.recv().await.unwrap();
        sleep(LONG).await;
        drop(rx);
    });
    let sleeps = line!() - 3;
    let sender = go(async move { while tx.send(1).await.is_ok() {} });
    let sends = line!() - 1;
    let found = verdict(VerdictKind::SendersWait, id);
    is_line(found.site, sends);
    let line = &found.lines[0];
    let start = format!(
        "nobody receives from {id} \"events\", made at {}",
        place(made)
    );
    assert!(line.starts_with(&start), "{line}");
    assert!(
        line.contains(" (buffer 1/1, 1 sender, 1 receiver): 1 sender waiting, "),
        "{line}"
    );
    if let Some(line) = found.lines.get(1) {
        // If it was the consumer that woke it last, and not its own runtime.
        assert!(line.contains("\"consumer\", which waits "), "{line}");
        assert!(
            line.ends_with(&place(sleeps)) || line.contains(&place(sleeps)),
            "{line}"
        );
    }
    consumer.abort();
    sender.wait().unwrap();
    assert!(consumer.wait().unwrap_err().is_cancelled());
}

#[test]
fn a_poll_without_end() {
    let rt = Runtime::builder().workers(1).build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let on = Arc::clone(&stop);
    let spins = rt.go(async move {
        while !on.load(Relaxed) {
            thread::yield_now();
        }
    });
    let spawned = line!() - 5;
    let found = verdict(VerdictKind::LongPoll, spins.id());
    is_line(found.site, spawned);
    assert!(found.lasted_ns > 10_000_000);
    assert!(
        found.lines[0].contains(" has been in one poll for "),
        "{found:?}"
    );
    stop.store(true, Relaxed);
    spins.wait().unwrap();
}

/// The verdicts about these tasks.
fn told(dump: &Dump, ids: &[ObjId]) -> Vec<Verdict> {
    let of = |verdict: &&Verdict| ids.contains(&verdict.subject);
    dump.verdicts.iter().filter(of).cloned().collect()
}

#[test]
fn the_oldest_waits_are_those_that_explain_others() {
    let (tx, rx) = chan::<()>(0);
    let rx = rx.named("results");
    let blocks = go(async move { rx.recv().await.is_ok() });
    let first = blocks.id();
    // Of these nothing is to be said: they wait for one who waits, for time, or for work.
    let wg = WaitGroup::new();
    let member = wg.clone();
    let counted = go(async move {
        let _token = member.token();
        blocks.await.unwrap()
    });
    all_wait(&[counted.id()]);
    let waits = go(async move { wg.wait().await });
    let sleeps = go(sleep(LONG));
    let (work, jobs) = chan::<()>(0);
    let idle = go(async move { jobs.recv().idle_ok().await.is_ok() });
    let dump = all_wait(&[counted.id(), waits.id(), sleeps.id(), idle.id()]);
    let quiet = [counted.id(), waits.id(), sleeps.id(), idle.id()];
    assert!(told(&dump, &quiet).is_empty(), "{dump}");
    assert!(dump.task(idle.id()).unwrap().wait.as_ref().unwrap().idle);
    // Others of this program may have waited longer.
    if let Some(found) = told(&dump, &[first]).first() {
        assert_eq!(found.kind, VerdictKind::OldWait);
        let line = &found.lines[0];
        assert!(line.contains("\"results\", made at "), "{line}");
        assert!(
            line.contains(" (no buffer, 1 sender, 1 receiver)"),
            "{line}"
        );
    }
    drop((tx, work));
    sleeps.abort();
    assert!(!counted.wait().unwrap() && !idle.wait().unwrap());
    waits.wait().unwrap();
}

#[test]
fn idle_waits_of_every_kind() {
    let (quit, quitting) = chan::<()>(0);
    let (ctx, cancel) = Context::background().with_cancel();
    let other = ctx.clone();
    let tasks = [
        go(async move { _ = quitting.recv().idle_ok().await }),
        go(async move { _ = ctx.done().idle_ok().await }),
        go(async move {
            idle_ok(async move {
                select! {
                    _ = other.done() => (),
                    _ = sleep(LONG) => (),
                }
            })
            .await;
        }),
        go(idle_ok(std::future::pending())),
    ];
    let ids: Vec<_> = tasks.iter().map(|task| task.id()).collect();
    let dump = all_wait(&ids);
    for id in ids {
        let task = dump.task(id).unwrap();
        assert!(task.wait.as_ref().unwrap().idle, "{task}");
    }
    cancel.cancel();
    drop(quit);
    tasks[3].abort();
    tasks.into_iter().for_each(|task| _ = task.wait());
}

/// The mark is for those who receive.
#[test]
fn a_send_to_idle_workers_is_no_idle_wait() {
    let (jobs, rx) = chan::<u64>(1);
    let rx = rx.idle_ok();
    let sends = go(async move { while jobs.send(1).await.is_ok() {} });
    let dump = all_wait(&[sends.id()]);
    assert!(!dump.task(sends.id()).unwrap().wait.as_ref().unwrap().idle);
    drop(rx);
    sends.wait().unwrap();
}

#[test]
fn a_worker_without_work_is_idle() {
    let (jobs, rx) = chan::<u64>(1);
    let rx = rx.idle_ok();
    let also = rx.clone();
    let (quit, quitting) = chan::<()>(0);
    let plain = go(async move { while rx.recv().await.is_ok() {} });
    let selects = go(async move {
        loop {
            select! {
                job = also.recv() => if job.is_err() { break },
                _ = quitting.recv() => break,
            }
        }
    });
    let dump = all_wait(&[plain.id(), selects.id()]);
    for id in [plain.id(), selects.id()] {
        assert!(dump.task(id).unwrap().wait.as_ref().unwrap().idle, "{dump}");
    }
    let id = plain.id();
    let text = dump.to_string();
    assert!(
        !text.contains(&format!("\ntask {} [", id.number())),
        "{text}"
    );
    assert!(text.contains("  idle, as marked: "), "{text}");
    drop((jobs, quit));
    plain.wait().unwrap();
    selects.wait().unwrap();
}

/// What the channel says, once somebody waits there.
fn facts(id: ObjId, waiters: usize) -> Object {
    until(|dump| {
        let object = dump.object(id).filter(|object| object.waiters == waiters);
        object.cloned()
    })
}

#[test]
fn a_channel_tells_how_full_it_is_and_who_has_it() {
    let (tx, rx) = chan::<u64>(2);
    let id = tx.id();
    assert!(dump().object(id).is_none(), "nobody has waited there");
    let (more, other) = (tx.clone(), rx.clone());
    let sends = go(async move {
        for n in 0..3 {
            more.send(n).await.unwrap();
        }
        more
    });
    let sent = line!() - 4;
    let object = facts(id, 1);
    let buffer = object.buffer.unwrap();
    assert_eq!((buffer.len, buffer.capacity), (2, Some(2)));
    assert_eq!(
        (buffer.senders, buffer.receivers, buffer.closed),
        (2, 2, false)
    );
    let queued = object.queue[0];
    assert_eq!(
        (queued.id, queued.reason.as_str()),
        (sends.id(), "chan send")
    );
    is_line(queued.site, sent);

    assert_eq!(other.recv_blocking(), Ok(0));
    drop((sends.wait().unwrap(), tx, other));
    // Nobody waits any more, and it still tells.
    let buffer = facts(id, 0).buffer.unwrap();
    assert_eq!((buffer.len, buffer.senders, buffer.receivers), (2, 0, 1));
    assert!(buffer.closed);
    drop(rx);
    assert!(dump().object(id).is_none(), "it is gone");
}

/// Channels that are made, waited for and dropped all the time, on all threads, while others look; the values in them are
/// borrowed from the stack.
#[test]
fn channels_come_and_go_while_one_looks() {
    let stop = AtomicBool::new(false);
    let value = 7u64;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let (tx, rx) = chan::<&u64>(0);
                    thread::scope(|scope| {
                        scope.spawn(|| rx.recv_blocking().unwrap());
                        tx.send_blocking(&value).unwrap();
                    });
                }
            });
        }
        for _ in 0..200 {
            let dump = dump();
            for object in &dump.objects {
                if let Some(buffer) = object.buffer {
                    assert!(buffer.capacity.is_some_and(|cap| buffer.len <= cap));
                    assert!(object.made.is_some());
                }
            }
        }
        stop.store(true, Relaxed);
    });
}

// === ticks ===

/// One at a time: those of another test are alike, and a dump has them all.
static HEARTBEATS: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Each of the tasks that it is called in leaves one behind.
fn heartbeat() -> (ObjId, u32, u32) {
    let ticker = Ticker::new(LONG);
    let wait = line!() + 1;
    let beat = async move { while ticker.tick().await > Instant::now() {} };
    let spawned = line!() + 1;
    (go(beat).id(), wait, spawned)
}

#[test]
fn tickers_that_nobody_has_stopped() {
    let _alone = HEARTBEATS.lock().unwrap_or_else(|e| e.into_inner());
    let rt = Runtime::builder().workers(1).build().unwrap();
    let spawn = |_| rt.go(async { heartbeat() }).wait().unwrap();
    let left: Vec<_> = (0..4).map(spawn).collect();
    let found = verdict(VerdictKind::LeftTicking, left[0].0);
    is_line(found.site, left[0].1);
    let said = &found.lines[0];
    let (spawned, waits) = (place(left[0].2), place(left[0].1));
    assert!(
        said.starts_with("4 tasks wait for nothing but ticks"),
        "{said}"
    );
    assert!(
        said.contains("by 4 tasks, all of which have ended"),
        "{said}"
    );
    assert!(said.contains(&spawned) && said.contains(&waits), "{said}");
}

/// One task that starts many is a program's beginning, not its habit; and who lives may stop what it has started.
#[test]
fn tickers_of_who_lives_or_of_one() {
    let _alone = HEARTBEATS.lock().unwrap_or_else(|e| e.into_inner());
    let rt = Runtime::builder().workers(1).build().unwrap();
    let of_one = rt
        .go(async { [(); 4].map(|()| heartbeat().0) })
        .wait()
        .unwrap();
    let (stay, stays) = chan::<()>(0);
    let alive = [(); 4].map(|()| {
        let (stays, (tell, told)) = (stays.clone(), chan(1));
        rt.go(async move {
            tell.send(heartbeat().0).await.unwrap();
            stays.recv().await
        });
        told.recv().wait().unwrap()
    });
    let ids: Vec<_> = of_one.into_iter().chain(alive).collect();
    let dump = all_wait(&ids);
    let told = dump
        .verdicts
        .iter()
        .filter(|told| told.kind == VerdictKind::LeftTicking);
    let about: Vec<_> = told.map(|told| told.subject).collect();
    assert!(ids.iter().all(|id| !about.contains(id)), "{dump}");
    drop(stay);
}
