//! Every wait explained: for each primitive the dump says of the parked task why it waits, on what, who holds that, at which
//! line, and for how long; and of each classic program that stands still it names the line to blame in its first ten lines.

#![cfg(all(feature = "rt", feature = "diag"))]

#[allow(dead_code)] // the program around it
#[path = "../examples/stuck/programs.rs"]
mod programs;

use clap::ValueEnum;
use gochan::diag::{TaskInfo, Wait, dump};
use gochan::hook::{Kind, ObjId};
use gochan::sync::{
    Barrier, Cond, ErrGroup, Mutex, Once, OnceCell, RwMutex, Semaphore, SingleFlight, WaitGroup,
};
use gochan::time::{Ticker, Timer};
use gochan::{Context, JoinHandle, blocking, chan, fut, go, select, sleep};
use programs::Program;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(3_600);

/// The task, once its wait is `good`.
fn until(id: ObjId, good: impl Fn(&Wait) -> bool) -> (TaskInfo, Wait) {
    let begin = Instant::now();
    loop {
        let dump = dump();
        if let Some(task) = dump.task(id)
            && let Some(wait) = &task.wait
            && good(wait)
        {
            return (task.clone(), wait.clone());
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{dump}");
        thread::yield_now();
    }
}

fn waits(id: ObjId) -> (TaskInfo, Wait) {
    until(id, |_| true)
}

/// What the dump is to say of a wait, but for its age, which is to grow.
struct Told {
    reason: &'static str,
    line: u32,
    object: Option<(Kind, Option<ObjId>)>,
    /// Who holds it, and where it was acquired.
    holder: Option<(ObjId, u32)>,
}

impl Told {
    fn new(reason: &'static str, line: u32) -> Told {
        Told {
            reason,
            line,
            object: None,
            holder: None,
        }
    }

    fn on(self, kind: Kind, id: ObjId) -> Told {
        let object = Some((kind, Some(id)));
        Told { object, ..self }
    }

    fn on_some(self, kind: Kind) -> Told {
        let object = Some((kind, None));
        Told { object, ..self }
    }

    fn held_by(self, who: ObjId, line: u32) -> Told {
        let holder = Some((who, line));
        Told { holder, ..self }
    }

    fn of(self, id: ObjId) {
        let (task, wait) = waits(id);
        assert_eq!(wait.reason.as_str(), self.reason, "{task}");
        let site = wait.site.expect("a line");
        assert_eq!((site.file(), site.line()), (file!(), self.line), "{task}");
        let object = wait.object.as_ref();
        if let Some((kind, id)) = self.object {
            let object = object.expect("something to wait for");
            assert_eq!(object.id.kind(), kind, "{task}");
            assert!(id.is_none_or(|id| id == object.id), "{task}");
            assert!(object.made.is_some(), "{task}");
        }
        if let Some((who, line)) = self.holder {
            let holder = object.and_then(|object| object.holders.first());
            let holder = holder.expect("a holder");
            assert_eq!(
                (holder.id, holder.site.unwrap().line()),
                (who, line),
                "{task}"
            );
            assert!(!holder.gone, "{task}");
        }
        // Its text has all of that, and with every look it has waited longer.
        let text = task.to_string();
        let head = format!(" [{}, ", self.reason);
        let place = format!("{}:{}", file!(), self.line);
        assert!(text.contains(&head) && text.contains(&place), "{text}");
        until(id, |later| later.waited_ns > wait.waited_ns);
    }
}

/// Ends what never ends by itself.
fn end<T: Send + 'static>(tasks: impl IntoIterator<Item = JoinHandle<T>>) {
    for task in tasks {
        task.abort();
        _ = task.wait();
    }
}

/// A task that holds something for ever, and says so.
fn holds<F: Future<Output = G> + Send + 'static, G>(acquire: F) -> JoinHandle<()>
where
    G: Send,
{
    let (tell, told) = chan::<()>(0);
    let holder = go(async move {
        let _held = acquire.await;
        drop(tell);
        std::future::pending::<()>().await;
    });
    told.recv_blocking().unwrap_err();
    holder
}

#[test]
fn chan_receive() {
    let (_tx, rx) = chan::<u8>(0);
    let id = rx.id();
    let task = go(async move { rx.recv().await.is_ok() });
    Told::new("chan receive", line!() - 1)
        .on(Kind::Chan, id)
        .of(task.id());
    end([task]);
}

#[test]
fn chan_send() {
    let (tx, _rx) = chan::<u8>(0);
    let id = tx.id();
    let task = go(async move { tx.send(1).await.is_ok() });
    Told::new("chan send", line!() - 1)
        .on(Kind::Chan, id)
        .of(task.id());
    end([task]);
}

#[test]
fn a_blocked_thread() {
    let (tx, rx) = chan::<u8>(0);
    let (id, line) = (rx.id(), line!() + 2);
    let named = thread::Builder::new().name("reader".into());
    let thread = named.spawn(move || rx.recv_blocking()).unwrap();
    let begin = Instant::now();
    let found = loop {
        let on_it = |task: &&TaskInfo| {
            let object = task.wait.as_ref().and_then(|wait| wait.object.as_ref());
            object.is_some_and(|object| object.id == id)
        };
        if let Some(task) = dump().tasks.iter().find(on_it) {
            break task.id;
        }
        assert!(begin.elapsed() < Duration::from_secs(60));
        thread::yield_now();
    };
    Told::new("chan receive", line).on(Kind::Chan, id).of(found);
    drop(tx);
    thread.join().unwrap().unwrap_err();
}

#[test]
fn a_select_with_each_arm() {
    let ((_a, rx), (tx, _b)) = (chan::<u8>(0), chan::<u8>(0));
    let ids = [rx.id(), tx.id()];
    let first = line!() + 3;
    let task = go(async move {
        select! {
            _ = rx.recv() => (),
            _ = tx.send(1) => (),
            _ = fut(std::future::pending::<()>()) => (),
        }
    });
    let (task_info, wait) = until(task.id(), |wait| wait.waited_ns > 0);
    assert_eq!(wait.reason.as_str(), "select");
    let arm = |n: usize| {
        let arm = &wait.arms[n];
        let object = arm.object.as_ref().map(|object| object.id);
        (
            arm.reason.as_str(),
            object,
            arm.site.map(|site| site.line()),
        )
    };
    assert_eq!(
        arm(0),
        ("chan receive", Some(ids[0]), Some(first)),
        "{task_info}"
    );
    assert_eq!(
        arm(1),
        ("chan send", Some(ids[1]), Some(first + 1)),
        "{task_info}"
    );
    assert_eq!(arm(2).0, "foreign", "{task_info}");
    until(task.id(), |later| later.waited_ns > wait.waited_ns);
    end([task]);
}

#[test]
fn mutex() {
    let lock = Arc::new(Mutex::new(()));
    let id = lock.id();
    let (first, second) = (Arc::clone(&lock), lock);
    let holder = holds(async move { first.lock_owned().await });
    let locked = line!() - 1;
    let task = go(async move { drop(second.lock().await) });
    Told::new("sync.Mutex.Lock", line!() - 1)
        .on(Kind::Mutex, id)
        .held_by(holder.id(), locked)
        .of(task.id());
    end([task, holder]);
}

#[test]
fn rwmutex_read_and_write() {
    let lock = Arc::new(RwMutex::new(()));
    let id = lock.id();
    let [first, second, third] = [(); 3].map(|()| Arc::clone(&lock));
    let holder = holds(async move { first.read_owned().await });
    let locked = line!() - 1;
    let writer = go(async move { drop(second.write().await) });
    Told::new("sync.RWMutex.Lock", line!() - 1)
        .on(Kind::RwMutex, id)
        .held_by(holder.id(), locked)
        .of(writer.id());
    // A writer waits: readers stand behind it.
    let reader = go(async move { drop(third.read().await) });
    Told::new("sync.RWMutex.RLock", line!() - 1)
        .on(Kind::RwMutex, id)
        .held_by(holder.id(), locked)
        .of(reader.id());
    end([writer, reader, holder]);
}

#[test]
fn wait_group() {
    let wg = WaitGroup::new();
    let member = wg.go(std::future::pending::<()>());
    let counted = line!() - 1;
    let (id, group) = (wg.id(), wg.clone());
    let task = go(async move { group.wait().await });
    Told::new("sync.WaitGroup.Wait", line!() - 1)
        .on(Kind::WaitGroup, id)
        .held_by(member.id(), counted)
        .of(task.id());
    end([member, task]);
}

async fn until_late() -> Result<(), String> {
    sleep(LONG).await;
    Ok(())
}

#[test]
fn err_group() {
    let group = ErrGroup::<String>::new();
    let task = go(async move {
        group.go(until_late()).await;
        group.wait().await.is_ok()
    });
    let (counted, line) = (line!() - 3, line!() - 2);
    let (_, wait) = waits(task.id());
    let member = wait.object.unwrap().holders[0].id;
    Told::new("sync.WaitGroup.Wait", line)
        .on_some(Kind::WaitGroup)
        .held_by(member, counted)
        .of(task.id());
    assert_eq!(waits(member).1.reason.as_str(), "sleep");
    end([task]);
}

#[test]
fn cond() {
    let pair = Arc::new((Mutex::new(()), Cond::new()));
    let (id, waited) = (pair.1.id(), Arc::clone(&pair));
    let task = go(async move {
        let guard = waited.0.lock().await;
        drop(waited.1.wait(guard).await);
    });
    Told::new("sync.Cond.Wait", line!() - 2)
        .on(Kind::Cond, id)
        .of(task.id());
    pair.1.notify_all();
    task.wait().unwrap();
}

#[test]
fn once() {
    let once = Arc::new(Once::new());
    let (first, second) = (Arc::clone(&once), Arc::clone(&once));
    let holder = go(async move { first.call_once(|| sleep(LONG)).await });
    let begun = line!() - 1;
    waits(holder.id());
    let task = go(async move { second.call_once(async || {}).await });
    Told::new("once", line!() - 1)
        .on(Kind::Once, once.id())
        .held_by(holder.id(), begun)
        .of(task.id());
    end([task, holder]);
}

#[test]
fn once_cell() {
    let cell = Arc::new(OnceCell::<u8>::new());
    let (first, second) = (Arc::clone(&cell), Arc::clone(&cell));
    let holder = go(async move { *first.get_or_init(std::future::pending).await });
    let begun = line!() - 1;
    waits(holder.id());
    let task = go(async move { *second.wait().await });
    Told::new("once", line!() - 1)
        .on(Kind::Once, cell.id())
        .held_by(holder.id(), begun)
        .of(task.id());
    end([task, holder]);
}

#[test]
fn single_flight() {
    let flights = Arc::new(SingleFlight::<u8, u8>::new());
    let (first, second) = (Arc::clone(&flights), Arc::clone(&flights));
    let holder = go(async move { first.run(7, std::future::pending()).await });
    let begun = line!() - 1;
    waits(holder.id());
    let task = go(async move { second.run(7, async { 1 }).await });
    Told::new("once", line!() - 1)
        .on_some(Kind::Once)
        .held_by(holder.id(), begun)
        .of(task.id());
    end([task, holder]);
}

#[test]
fn semaphore() {
    let permits = Arc::new(Semaphore::new(1));
    let (first, second) = (Arc::clone(&permits), Arc::clone(&permits));
    let holder = holds(async move { first.acquire_owned().await.unwrap() });
    let taken = line!() - 1;
    let task = go(async move { drop(second.acquire().await) });
    Told::new("semacquire", line!() - 1)
        .on(Kind::Semaphore, permits.id())
        .held_by(holder.id(), taken)
        .of(task.id());
    end([task, holder]);
}

#[test]
fn barrier() {
    let barrier = Arc::new(Barrier::new(2));
    let comes = Arc::clone(&barrier);
    let task = go(async move { _ = comes.wait().await });
    Told::new("barrier", line!() - 1)
        .on(Kind::Barrier, barrier.id())
        .of(task.id());
    barrier.wait_blocking();
    task.wait().unwrap();
}

#[test]
fn join_and_sleep() {
    let joined = go(sleep(LONG));
    let line = line!() - 1;
    let id = joined.id();
    Told::new("sleep", line).on_some(Kind::Timer).of(id);
    let task = go(async move { joined.await.is_ok() });
    // A join is told with the place where the task was spawned.
    Told::new("join", line).on(Kind::Task, id).of(task.id());
    end([task]);
}

#[test]
fn timers_and_tickers() {
    let timer = Timer::new(LONG);
    let id = timer.id();
    let task = go(async move { _ = timer.recv().await });
    Told::new("timer", line!() - 1)
        .on(Kind::Timer, id)
        .of(task.id());
    let ticker = Ticker::new(LONG);
    let id = ticker.id();
    let other = go(async move { _ = ticker.tick().await });
    Told::new("timer", line!() - 1)
        .on(Kind::Timer, id)
        .of(other.id());
    end([task, other]);
}

#[test]
fn context_done() {
    let (ctx, cancel) = Context::background().with_cancel();
    let id = ctx.id();
    let task = go(async move { _ = ctx.done().await });
    Told::new("context done", line!() - 1)
        .on(Kind::Context, id)
        .of(task.id());
    cancel.cancel();
    task.wait().unwrap();
}

#[test]
fn a_blocking_call() {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let task = go(async move { blocking(move || told.recv().is_ok()) });
    Told::new("blocking", line!() - 1).of(task.id());
    drop(tell);
    assert!(!task.wait().unwrap());
}

// === the classics ===

const CHILD: &str = "GOCHAN_TEST_CHILD";

/// What the other tests start this program again for: nothing when it runs among them.
#[test]
fn the_child() {
    match std::env::var(CHILD).as_deref() {
        Ok("wedged") => wedged(),
        Ok(name) => {
            let program = Program::from_str(name, false).unwrap();
            print!("\n{}", gochan::run(programs::dump_of(program)));
        }
        Err(_) => {}
    }
}

/// This program again, of which only [`the_child`] runs.
fn child(part: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "the_child", "--nocapture"])
        .env(CHILD, part);
    child
}

/// The lines of `programs.rs` that are to blame, of the program whose name in the source this is.
fn culprits(function: &str) -> Vec<u32> {
    let source = include_str!("../examples/stuck/programs.rs");
    let begin = format!("fn {function}(");
    let inside = source.lines().zip(1..);
    let inside = inside.skip_while(|(line, _)| !line.contains(&begin));
    let blamed = inside
        .skip(1)
        // A leaked worker is spawned in a function of its own.
        .take_while(|(line, _)| !line.contains("-> Still {"))
        .filter(|(line, _)| line.ends_with("// the culprit"));
    blamed.map(|(_, number)| number).collect()
}

#[test]
fn each_classic_names_its_culprit() {
    let programs = Program::value_variants();
    assert_eq!(programs.len(), 5);
    for program in programs {
        let name = program.to_possible_value().unwrap().get_name().to_owned();
        let out = child(&name).output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success(), "{said}");
        let dump: Vec<_> = said
            .lines()
            .skip_while(|line| !line.starts_with("gochan dump:"))
            .collect();
        let first = dump[..10].join("\n");
        let culprits = culprits(&name.replace('-', "_"));
        assert!(!culprits.is_empty(), "{name}");
        for line in culprits {
            let place = format!("examples/stuck/programs.rs:{line}");
            let found = first.match_indices(&place).any(|(at, _)| {
                // Not the beginning of a longer number.
                !first[at + place.len()..].starts_with(|c: char| c.is_ascii_digit())
            });
            assert!(found, "{name}: {place} is not in\n{first}");
        }
    }
}

// === the dump on a signal ===

/// Every worker is stuck in a poll, and one of them holds the lock of standard error.
#[cfg(unix)]
fn wedged() {
    gochan::diag::install_signal_dump().unwrap();
    gochan::diag::install_signal_dump().unwrap();
    let rt = gochan::Runtime::builder()
        .workers(2)
        .max_threads(2)
        .build()
        .unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    for n in 0..2 {
        let tell = tell.clone();
        let wedged = gochan::task::Builder::new().name("wedged");
        let stuck = async move {
            let _lock = (n == 0).then(|| std::io::stderr().lock());
            tell.send(()).unwrap();
            loop {
                thread::park();
            }
        };
        rt.block_on(async { drop(wedged.go(stuck)) });
    }
    told.recv().unwrap();
    told.recv().unwrap();
    println!("\nwedged");
    loop {
        thread::park();
    }
}

#[cfg(not(unix))]
fn wedged() {}

#[cfg(unix)]
#[test]
fn a_signal_dumps_a_wedged_program() {
    use signal_hook::consts::SIGQUIT;
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let mut child = child("wedged")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "wedged"), "it ended");
    let mut dumps = BufReader::new(child.stderr.take().unwrap()).lines();
    let process = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    let quit = rustix::process::Signal::from_named_raw(SIGQUIT).unwrap();
    // Twice: the program goes on.
    for _ in 0..2 {
        rustix::process::kill_process(process, quit).unwrap();
        assert!(
            dumps.any(|line| line.unwrap().starts_with("gochan dump: 2 tasks")),
            "no dump"
        );
        for _ in 0..2 {
            let is_wedged = |line: String| line.contains("\"wedged\" [running");
            assert!(dumps.any(|line| is_wedged(line.unwrap())), "no task");
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
