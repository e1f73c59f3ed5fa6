//! What a dump of 100,000 parked tasks costs: `cargo bench --bench dump [-- TASKS]`.
//!
//! Half of the tasks wait for values, each on a channel of its own; a quarter for one mutex; a quarter sleeps. Each line is the
//! median of some rounds: taking the dump, and writing it in each form. Meanwhile a task on the runtime counts the microseconds;
//! the longest time that it did not come to it is told, beside that without a dump: nobody is stopped.

use gochan::diag::{Dump, dump};
use gochan::sync::Mutex;
use gochan::{JoinHandle, Runtime, chan, go, sleep, yield_now};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
const LONG: Duration = Duration::from_secs(3_600);

fn park(tasks: usize) -> (Vec<JoinHandle<()>>, impl Sized) {
    let lock = Arc::new(Mutex::new(()));
    let held = Arc::clone(&lock).try_lock_owned();
    let mut kept = Vec::new();
    let parked = (0..tasks).map(|n| match n % 4 {
        0 | 1 => {
            let (tx, rx) = chan::<u64>(0);
            kept.push(tx);
            go(async move { _ = rx.recv().await })
        }
        2 => {
            let lock = Arc::clone(&lock);
            go(async move { drop(lock.lock().await) })
        }
        _ => go(async { sleep(LONG).await }),
    });
    (parked.collect(), (held, kept))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn timed<T>(mut what: impl FnMut() -> T) -> (Duration, T) {
    let mut last = what();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let now = what();
        times.push(begin.elapsed());
        last = now;
    }
    (median(times), last)
}

/// Bytes that go nowhere.
#[derive(Default)]
struct Counted(u64);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn form(name: &str, dump: &Dump, write: impl Fn(&Dump, &mut Counted) -> io::Result<()>) {
    let (time, bytes) = timed(|| {
        let mut out = Counted::default();
        write(dump, &mut out).expect("it goes nowhere");
        out.0
    });
    println!("{name:<12} {:>9.1} ms  {bytes:>11} bytes", ms(time));
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The longest time that a task on `rt` was kept from running, while `meanwhile` goes on.
fn longest_gap(rt: &Runtime, meanwhile: impl FnOnce()) -> Duration {
    let (stop, longest) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let (stopped, gap) = (Arc::clone(&stop), Arc::clone(&longest));
    let counts = rt.go(async move {
        let mut last = Instant::now();
        while !stopped.load(Relaxed) {
            yield_now().await;
            let now = Instant::now();
            gap.fetch_max((now - last).as_nanos() as u64, Relaxed);
            last = now;
        }
    });
    meanwhile();
    stop.store(true, Relaxed);
    counts.wait().expect("it does not panic");
    Duration::from_nanos(longest.load(Relaxed))
}

fn main() {
    let number = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let tasks: usize = number.unwrap_or(100_000);
    let rt = Runtime::builder().workers(1).build().expect("a runtime");
    let (parked, kept) = rt.block_on(async move { park(tasks) });
    loop {
        let dump = dump();
        let waiting = dump.tasks.iter().filter(|task| task.wait.is_some());
        if waiting.count() >= tasks {
            break;
        }
    }
    let (time, last) = timed(dump);
    println!("{tasks} parked tasks, {} objects", last.objects.len());
    println!("{:<12} {:>9.1} ms", "dump()", ms(time));
    form("text", &last, |dump, out| dump.write_text(out));
    form("go text", &last, |dump, out| dump.write_go_text(out));
    #[cfg(feature = "diag")]
    form("json", &last, |dump, out| dump.write_json(out));
    form("dot", &last, |dump, out| dump.write_dot(out));
    let alone = longest_gap(&rt, || std::thread::sleep(time * ROUNDS as u32));
    let beside = longest_gap(&rt, || (0..ROUNDS).for_each(|_| _ = dump()));
    println!(
        "a task was kept waiting for {:.2} ms at most, {:.2} ms without dumps",
        ms(beside),
        ms(alone)
    );
    drop(kept);
    drop(parked);
    // Not worth the time to end each of them.
    std::process::exit(0);
}
