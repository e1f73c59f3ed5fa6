//! The executor as a whole: nothing is lost, nobody starves, nothing is left behind.

use gochan::hook::{self, Events, LongPoll, LongPollCause, Subscriber};
use gochan::{BuildError, Runtime, block_on, blocking, chan, go, num_tasks, yield_now};
use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

fn named(workers: usize, name: &str) -> Runtime {
    Runtime::builder()
        .workers(workers)
        .name(name)
        .build()
        .unwrap()
}

/// The threads of this process whose names begin so.
fn threads_called(prefix: &str) -> usize {
    let names = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|entry| {
            // A thread that ends meanwhile has no name any more.
            std::fs::read_to_string(entry.ok()?.path().join("comm")).ok()
        });
    names.filter(|name| name.starts_with(prefix)).count()
}

/// Says that it was dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

// === nothing is lost ===

/// Go's `test/chan/goroutines.go`, with handles for channels.
#[test]
fn ten_thousand_tasks_chained() {
    fn link(n: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if n == 0 {
                return 0;
            }
            1 + go(link(n - 1)).await.unwrap()
        })
    }
    for workers in [1, 2, 4] {
        let rt = runtime(workers);
        let length = rt.block_on(async { go(link(10_000)).await.unwrap() });
        assert_eq!(length, 10_000);
        assert_eq!(rt.num_tasks(), 0);
    }
}

#[test]
fn more_tasks_than_the_rings_hold() {
    for workers in [1, 2, 4] {
        let rt = runtime(workers);
        let sum = rt.block_on(async {
            let spawner = go(async {
                let handles: Vec<_> = (0..5000_u64).map(|n| go(async move { n })).collect();
                let mut sum = 0;
                for handle in handles {
                    sum += handle.await.unwrap();
                }
                sum
            });
            spawner.await.unwrap()
        });
        assert_eq!(sum, 4999 * 5000 / 2);
    }
}

#[test]
fn spawned_from_everywhere() {
    let rt = Arc::new(runtime(2));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let rt = Arc::clone(&rt);
            std::thread::spawn(move || {
                let handles: Vec<_> = (0..1000_u64)
                    .map(|n| rt.go(async move { go(async move { n }).await }))
                    .collect();
                handles
                    .into_iter()
                    .map(|h| h.wait().unwrap().unwrap())
                    .sum::<u64>()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 999 * 500);
    }
    assert_eq!(rt.num_tasks(), 0);
}

#[test]
fn wakes_from_a_thread() {
    for workers in [1, 2] {
        let rt = runtime(workers);
        let (tx, rx) = chan::<u32>(0);
        let sum = rt.go(async move {
            let mut sum = 0;
            while let Ok(n) = rx.recv().await {
                sum += n;
            }
            sum
        });
        for n in 0..1000 {
            tx.send_blocking(n).unwrap();
        }
        drop(tx);
        assert_eq!(sum.wait().unwrap(), 499_500);
    }
}

/// Wakes race with the moment at which workers fall asleep.
#[test]
fn no_wake_is_lost_at_the_edge_of_sleep() {
    for workers in [1, 2, 3] {
        let rt = runtime(workers);
        for round in 0..2000_u32 {
            let handle = rt.go(async move { go(async move { round }).await.unwrap() });
            // A different distance to the workers' falling asleep each time.
            for _ in 0..round % 64 * 16 {
                std::hint::spin_loop();
            }
            assert_eq!(handle.wait().unwrap(), round);
        }
    }
}

#[test]
fn tasks_are_counted() {
    let rt = runtime(2);
    assert_eq!(rt.num_tasks(), 0);
    let sleepers: Vec<_> = (0..10).map(|_| rt.go(pending::<()>())).collect();
    assert_eq!(rt.num_tasks(), 10);
    rt.block_on(async {
        assert_eq!(num_tasks(), 10);
        go(async { assert_eq!(num_tasks(), 11) }).await.unwrap();
    });
    for sleeper in sleepers {
        sleeper.abort();
        sleeper.wait().unwrap_err();
    }
    assert_eq!(rt.num_tasks(), 0);
}

// === nobody starves ===

#[test]
fn everybody_gets_its_turn() {
    for workers in [1, 2] {
        let rt = runtime(workers);
        let count = Arc::new(AtomicUsize::new(0));
        let turns = |_| {
            let count = Arc::clone(&count);
            rt.go(async move {
                for _ in 0..1000 {
                    yield_now().await;
                    count.fetch_add(1, SeqCst);
                }
            })
        };
        let tasks: Vec<_> = (0..100).map(turns).collect();
        tasks.into_iter().for_each(|task| task.wait().unwrap());
        assert_eq!(count.load(SeqCst), 100_000);
    }
}

/// Tasks that only ever yield take their turns one after the other.
#[test]
fn yields_go_round() {
    let rt = runtime(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks = rt.block_on(async {
        let order = Arc::clone(&order);
        go(async move {
            let turns = |me| {
                let order = Arc::clone(&order);
                go(async move {
                    for _ in 0..50 {
                        order.lock().unwrap().push(me);
                        yield_now().await;
                    }
                })
            };
            (0..3).map(turns).collect::<Vec<_>>()
        })
        .await
        .unwrap()
    });
    tasks.into_iter().for_each(|task| task.wait().unwrap());
    let order = order.lock().unwrap();
    for turn in order.chunks(3) {
        let mut turn = turn.to_vec();
        turn.sort_unstable();
        assert_eq!(turn, [0, 1, 2]);
    }
}

/// What comes from outside has its turn although the worker's own tasks are always ready.
#[test]
fn the_global_queue_has_its_turn() {
    let rt = runtime(1);
    let stop = Arc::new(AtomicBool::new(false));
    let hogs: Vec<_> = (0..3)
        .map(|_| {
            let stop = Arc::clone(&stop);
            rt.go(async move {
                while !stop.load(SeqCst) {
                    yield_now().await;
                }
            })
        })
        .collect();
    rt.go(async move { stop.store(true, SeqCst) })
        .wait()
        .unwrap();
    hogs.into_iter().for_each(|hog| hog.wait().unwrap());
}

/// Two tasks that wake each other by `runnext` for ever leave their turn to others.
#[test]
fn a_pair_that_wakes_each_other_holds_nobody_up() {
    let rt = runtime(1);
    let (to, at) = chan::<()>(0);
    let (back, home) = chan::<()>(0);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let ping = rt.go(async move {
        let mut trips = 0_u64;
        while !stopped.load(SeqCst) {
            to.send(()).await.unwrap();
            home.recv().await.unwrap();
            trips += 1;
        }
        trips
    });
    let pong = rt.go(async move {
        while at.recv().await.is_ok() {
            back.send(()).await.unwrap();
        }
    });
    // From inside, so that it is the ring that has to have its turn.
    let other = rt.go(async move {
        for _ in 0..10 {
            yield_now().await;
            go(async {}).await.unwrap();
        }
        stop.store(true, SeqCst);
    });
    other.wait().unwrap();
    ping.wait().unwrap();
    pong.wait().unwrap();
}

/// Go's `TestPingPongHog` (`src/runtime/proc_test.go`): two pairs of tasks, one doing a hundred times as much per hop as
/// the other, get comparable shares of the one worker. (A thousand times there, with time slices fifty times as long.)
#[test]
fn ping_pong_hog() {
    const FACTOR: u64 = 20;
    fn player(
        rt: &Runtime,
        limit: u64,
        count: &Arc<AtomicU64>,
        wake: &(gochan::Sender<()>, gochan::Receiver<()>),
    ) {
        let (count, (tx, rx)) = (Arc::clone(count), wake.clone());
        drop(rt.go(async move {
            while rx.recv().await.is_ok() {
                // Some 2 ns a count, whether or not this is compiled for speed: more than the hop costs even so.
                let mut bytes = [0_u8; 1000];
                for _ in 0..limit / 10 {
                    bytes.fill(black_box(1));
                    black_box(&bytes);
                }
                count.fetch_add(limit, SeqCst);
                if tx.send(()).await.is_err() {
                    break;
                }
            }
        }));
    }
    let rt = runtime(1);
    let (hog, light) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (hogs, lights) = (chan::<()>(0), chan::<()>(0));
    for _ in 0..2 {
        player(&rt, 100_000, &hog, &hogs);
        player(&rt, 1_000, &light, &lights);
    }
    hogs.0.send_blocking(()).unwrap();
    lights.0.send_blocking(()).unwrap();
    // Shares, not times: both counts grow as long as the one worker has been going.
    while hog.load(SeqCst) + light.load(SeqCst) < 50_000_000 {
        std::thread::yield_now();
    }
    let (hog, light) = (hog.load(SeqCst), light.load(SeqCst));
    hogs.0.close();
    lights.0.close();
    assert!(
        hog / FACTOR <= light && light / FACTOR <= hog,
        "want hog {hog} and light {light} within {FACTOR}"
    );
}

/// Go's `TestGoroutineParallelism`: as many tasks as workers, each waiting in a busy loop for the others.
#[test]
fn tasks_run_at_the_same_time() {
    const WORKERS: u32 = 4;
    let rt = runtime(WORKERS as usize);
    for _ in 0..10 {
        let turn = Arc::new(AtomicUsize::new(0));
        let together = rt.block_on(async {
            let turn = Arc::clone(&turn);
            go(async move {
                let player = |me: usize| {
                    let turn = Arc::clone(&turn);
                    go(async move {
                        for round in 0..3 {
                            while turn.load(SeqCst) != WORKERS as usize * round + me {
                                std::thread::yield_now();
                            }
                            turn.fetch_add(1, SeqCst);
                        }
                    })
                };
                (0..WORKERS as usize).map(player).collect::<Vec<_>>()
            })
            .await
            .unwrap()
        });
        together.into_iter().for_each(|task| task.wait().unwrap());
    }
}

/// A task in `runnext` belongs to its worker. If that one stays in a long poll, an idle worker takes the task.
#[test]
fn a_long_poll_does_not_keep_its_runnext() {
    for workers in [2, 3] {
        let rt = runtime(workers);
        let long = rt.go(async {
            let done = Arc::new(AtomicBool::new(false));
            let set = Arc::clone(&done);
            drop(go(async move { set.store(true, SeqCst) }));
            while !done.load(SeqCst) {
                std::thread::yield_now();
            }
        });
        long.wait().unwrap();
    }
}

/// The same for tasks that were woken, not spawned, and again and again, when everybody has been asleep before.
#[test]
fn a_long_poll_does_not_keep_those_it_woke() {
    let rt = runtime(2);
    for _ in 0..20 {
        let (tx, rx) = chan::<()>(1);
        let done = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&done);
        let woken = rt.go(async move {
            rx.recv().await.unwrap();
            set.store(true, SeqCst);
        });
        let long = rt.go(async move {
            yield_now().await;
            tx.try_send(()).unwrap();
            while !done.load(SeqCst) {
                std::thread::yield_now();
            }
        });
        long.wait().unwrap();
        woken.wait().unwrap();
    }
}

#[test]
fn work_is_stolen() {
    let rt = runtime(2);
    let names = Arc::new(Mutex::new(std::collections::HashSet::new()));
    let all = Arc::clone(&names);
    // One task spawns all others; they meet in pairs, which takes two threads.
    let spawner = rt.go(async move {
        let barrier = Arc::new(Barrier::new(2));
        let meet = |_| {
            let (barrier, all) = (Arc::clone(&barrier), Arc::clone(&all));
            go(async move {
                barrier.wait();
                all.lock().unwrap().insert(std::thread::current().id());
            })
        };
        (0..100).map(meet).collect::<Vec<_>>()
    });
    spawner
        .wait()
        .unwrap()
        .into_iter()
        .for_each(|task| task.wait().unwrap());
    assert_eq!(names.lock().unwrap().len(), 2);
}

#[test]
fn timers_fire_beside_a_long_poll() {
    let rt = runtime(2);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let long = rt.go(async move {
        while !stopped.load(SeqCst) {
            std::thread::yield_now();
        }
    });
    let sleeper = rt.go(async move {
        for _ in 0..5 {
            gochan::sleep(Duration::from_millis(1)).await;
        }
        stop.store(true, SeqCst);
    });
    sleeper.wait().unwrap();
    long.wait().unwrap();
}

#[test]
fn timers_fire_beside_busy_tasks() {
    let rt = runtime(1);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let busy = rt.go(async move {
        while !stopped.load(SeqCst) {
            yield_now().await;
        }
    });
    rt.go(async move {
        gochan::sleep(Duration::from_millis(2)).await;
        stop.store(true, SeqCst);
    })
    .wait()
    .unwrap();
    busy.wait().unwrap();
}

/// The only worker looks at the timers, and at what comes from outside, more often when polls are long.
#[test]
fn long_polls_do_not_make_timers_late() {
    const SLEEPS: usize = 20;
    let rt = runtime(1);
    let stop = Arc::new(AtomicBool::new(false));
    let polls = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let (stop, polls) = (Arc::clone(&stop), Arc::clone(&polls));
        drop(rt.go(async move {
            while !stop.load(SeqCst) {
                polls.fetch_add(1, SeqCst);
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(1) {
                    std::hint::spin_loop();
                }
                yield_now().await;
            }
        }));
    }
    rt.go(async move {
        for _ in 0..SLEEPS {
            gochan::sleep(Duration::from_micros(1)).await;
        }
        stop.store(true, SeqCst);
    })
    .wait()
    .unwrap();
    let polls = polls.load(SeqCst);
    assert!(
        polls <= 10 * SLEEPS,
        "{polls} polls of 1 ms for {SLEEPS} sleeps of 1 us"
    );
}

// === long polls ===

/// Ticks of one millisecond that come while `hold` keeps the only worker's thread to itself.
fn ticks_beside(hold: impl Fn(&AtomicBool) + Send + 'static) -> u64 {
    const ENOUGH: u64 = 50;
    let rt = runtime(1);
    let flag = || Arc::new(AtomicBool::new(false));
    let (stop, holds, ticks) = (flag(), flag(), Arc::new(AtomicU64::new(0)));
    let ticker = rt.go({
        let (stop, holds, ticks) = (Arc::clone(&stop), Arc::clone(&holds), Arc::clone(&ticks));
        async move {
            let ticker = gochan::time::Ticker::new(Duration::from_millis(1));
            while !stop.load(SeqCst) {
                ticker.tick().await;
                if holds.load(SeqCst) && ticks.fetch_add(1, SeqCst) >= ENOUGH {
                    stop.store(true, SeqCst);
                }
            }
        }
    });
    let (held, during) = (Arc::clone(&stop), Arc::clone(&ticks));
    let before = rt.go(async move {
        holds.store(true, SeqCst);
        hold(&held);
        during.load(SeqCst)
    });
    let during = before.wait().unwrap();
    stop.store(true, SeqCst);
    ticker.wait().unwrap();
    during
}

#[test]
fn a_task_that_never_waits_holds_nobody_up() {
    // It ends because the ticker ends it.
    let ticks = ticks_beside(|stop| {
        while !stop.load(SeqCst) {
            std::hint::spin_loop();
        }
    });
    assert!(ticks >= 50, "{ticks} ticks");
}

#[test]
fn a_task_that_sleeps_like_a_thread_holds_nobody_up() {
    let ticks = ticks_beside(|stop| {
        while !stop.load(SeqCst) {
            // sleep: a system call without `blocking` is what is tested
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    assert!(ticks >= 50, "{ticks} ticks");
}

/// Its ring, its `runnext` and what it still spawns run elsewhere, although there is but one worker.
#[test]
fn a_stuck_worker_s_tasks_are_taken_over() {
    let rt = runtime(1);
    let stuck = rt.go(async {
        let left = Arc::new(AtomicUsize::new(600));
        let spawn = |n: usize| {
            for _ in 0..n {
                let left = Arc::clone(&left);
                drop(go(async move {
                    left.fetch_sub(1, SeqCst);
                }));
            }
        };
        spawn(300);
        while left.load(SeqCst) > 300 {
            std::thread::yield_now();
        }
        spawn(300);
        while left.load(SeqCst) > 0 {
            std::thread::yield_now();
        }
        yield_now().await;
    });
    stuck.wait().unwrap();
    assert_eq!(rt.num_tasks(), 0);
}

/// Many at the same time, and each ends only when all have begun: a thread for each, and they are used again.
#[test]
fn stuck_threads_become_spares() {
    let rt = named(2, "stuckspare");
    for _ in 0..3 {
        let barrier = Arc::new(Barrier::new(10));
        let meet = |_| {
            let barrier = Arc::clone(&barrier);
            rt.go(async move {
                barrier.wait();
                yield_now().await;
            })
        };
        let tasks: Vec<_> = (0..10).map(meet).collect();
        tasks.into_iter().for_each(|task| task.wait().unwrap());
    }
    let threads = threads_called("stuckspare");
    assert!(threads <= 2 + 10 + 1, "{threads} threads for 12 at a time");
    rt.shutdown();
}

/// Who subscribes is told while it lasts.
struct Told(Mutex<Vec<LongPoll>>);

impl Subscriber for Told {
    fn events(&self) -> Events {
        Events::LONG_POLL
    }
    fn on_long_poll(&self, event: &LongPoll) {
        self.0.lock().unwrap().push(*event);
    }
}

#[test]
fn a_long_poll_is_told_while_it_lasts() {
    let told = Arc::new(Told(Mutex::default()));
    let subscribed = hook::subscribe(Arc::clone(&told));
    let rt = runtime(1);
    let (tx, rx) = chan::<u32>(0);
    let seen = Arc::clone(&told);
    let (spawned, stuck) = (
        line!() + 1,
        rt.go(async move {
            let received = line!() + 1;
            rx.recv().await.unwrap();
            let me = gochan::task::current().unwrap().id();
            let poll = loop {
                let events = seen.0.lock().unwrap();
                if let Some(poll) = events.iter().find(|poll| poll.task == me) {
                    break *poll;
                }
            };
            let dump = gochan::diag::dump();
            (received, poll, dump.task(me).unwrap().clone())
        }),
    );
    let id = stuck.id();
    rt.go(async move { tx.send(1).await.unwrap() })
        .wait()
        .unwrap();
    let (received, poll, info) = stuck.wait().unwrap();
    let text = info.to_string();
    for poll in [poll, info.long_poll.expect("the dump shows it, too")] {
        assert_eq!(poll.task, id);
        assert_eq!(poll.spawned.unwrap().line(), spawned);
        assert_eq!(poll.after.unwrap().line(), received);
        assert_eq!(poll.object.kind(), hook::Kind::Chan);
        assert!(poll.lasted_ns >= 10_000_000, "{poll:?}");
        assert!(poll.taken_over);
    }
    assert!(text.contains("long poll"), "{text}");
    assert!(
        text.contains(&format!("runtime.rs:{received} on chan#")),
        "{text}"
    );
    let line = poll.to_string();
    assert!(line.contains(", spawned at tests/runtime.rs"), "{line}");
    drop(subscribed);
    // When it is over, nothing is left of it.
    let next = rt.go(async {
        gochan::diag::dump()
            .task(gochan::task::current()?.id())?
            .long_poll
    });
    assert!(next.wait().unwrap().is_none());
}

/// Told of one task's long poll, it listens until it is let go.
struct Blocks {
    of: Mutex<Option<hook::ObjId>>,
    called: AtomicBool,
    let_go: Mutex<mpsc::Receiver<()>>,
}

impl Subscriber for Blocks {
    fn events(&self) -> Events {
        Events::LONG_POLL
    }
    fn on_long_poll(&self, event: &LongPoll) {
        if *self.of.lock().unwrap() == Some(event.task) {
            self.called.store(true, SeqCst);
            let _ = self.let_go.lock().unwrap().recv();
        }
    }
}

/// The monitor goes on: it takes the next stuck poll's slot over.
#[test]
fn a_subscriber_that_blocks_holds_nobody_up() {
    let (let_go, gate) = mpsc::channel();
    let blocks = Arc::new(Blocks {
        of: Mutex::default(),
        called: AtomicBool::new(false),
        let_go: Mutex::new(gate),
    });
    let _subscribed = hook::subscribe(Arc::clone(&blocks));
    let rt = runtime(1);
    let done = Arc::new(AtomicBool::new(false));
    let stuck = || {
        let done = Arc::clone(&done);
        rt.go(async move {
            while !done.load(SeqCst) {
                std::thread::yield_now();
            }
        })
    };
    let first = stuck();
    *blocks.of.lock().unwrap() = Some(first.id());
    while !blocks.called.load(SeqCst) {
        std::thread::yield_now();
    }
    let second = stuck();
    let set = Arc::clone(&done);
    let third = rt.go(async move { set.store(true, SeqCst) });
    for task in [first, second, third] {
        task.wait().unwrap();
    }
    let_go.send(()).unwrap();
}

/// A poll that blocks for moments, again and again, is one poll to the monitor. There is no thread that could go on with its slot.
#[test]
fn a_poll_that_blocks_for_moments_does_not_keep_its_runnext() {
    let rt = Runtime::builder()
        .workers(2)
        .max_threads(2)
        .build()
        .unwrap();
    let (tx, rx) = chan::<()>(0);
    let sending = std::thread::spawn(move || while tx.send_blocking(()).is_ok() {});
    let ran = rt.go(async move {
        let ran = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&ran);
        drop(go(async move { set.store(true, SeqCst) }));
        for _ in 0..500_000 {
            if ran.load(SeqCst) {
                return true;
            }
            rx.recv_blocking().unwrap();
        }
        false
    });
    assert!(ran.wait().unwrap(), "in half a million waits");
    sending.join().unwrap();
}

/// What the thread does tells whether the task computes or waits where it should not.
#[test]
#[cfg(target_os = "linux")]
fn a_long_poll_says_what_its_thread_does() {
    let told = Arc::new(Told(Mutex::default()));
    let _subscribed = hook::subscribe(Arc::clone(&told));
    let rt = runtime(2);
    let until_told = |hold: fn()| {
        let seen = Arc::clone(&told);
        rt.go(async move {
            let me = gochan::task::current().unwrap().id();
            loop {
                hold();
                let events = seen.0.lock().unwrap();
                if let Some(poll) = events.iter().find(|poll| poll.task == me) {
                    return poll.cause;
                }
            }
        })
    };
    let asleep = until_told(|| {
        // sleep: a thread that sleeps is what is tested
        std::thread::sleep(Duration::from_secs(1));
    });
    assert_eq!(asleep.wait().unwrap(), Some(LongPollCause::Asleep));
    // On a busy machine the kernel may have run others for most of the time.
    let ran = until_told(|| {}).wait().unwrap();
    assert!(
        matches!(
            ran,
            Some(LongPollCause::Running | LongPollCause::Descheduled)
        ),
        "{ran:?}"
    );
}

/// A call of `blocking` is none: its task waits.
#[test]
fn a_blocking_call_is_no_long_poll() {
    let told = Arc::new(Told(Mutex::default()));
    let _subscribed = hook::subscribe(Arc::clone(&told));
    let rt = runtime(1);
    let (tx, rx) = mpsc::channel();
    let (begun, begin) = mpsc::channel();
    let blocked = rt.go(async move {
        blocking(|| {
            begun.send(()).unwrap();
            rx.recv().unwrap()
        })
    });
    begin.recv().unwrap();
    // A long poll that is told shows that the monitor has looked for longer than that.
    let seen = Arc::clone(&told);
    let marker = rt.go(async move {
        let me = gochan::task::current().unwrap().id();
        while seen.0.lock().unwrap().iter().all(|poll| poll.task != me) {
            std::thread::yield_now();
        }
    });
    marker.wait().unwrap();
    tx.send(()).unwrap();
    let id = blocked.id();
    blocked.wait().unwrap();
    assert!(told.0.lock().unwrap().iter().all(|poll| poll.task != id));
}

#[test]
fn a_runtime_ends_beside_a_stuck_poll() {
    for _ in 0..5 {
        let rt = named(1, "stuckend");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let stuck = rt.go(async move {
            while !stopped.load(SeqCst) {
                std::thread::yield_now();
            }
            pending::<()>().await;
        });
        // It runs only once the slot was taken over.
        rt.go(async {}).wait().unwrap();
        let ending = std::thread::spawn(move || rt.shutdown());
        stop.store(true, SeqCst);
        ending.join().unwrap();
        assert!(stuck.wait().unwrap_err().is_cancelled());
    }
}

#[test]
fn an_earlier_timer_ends_a_longer_sleep_of_the_workers() {
    let rt = runtime(2);
    let late = rt.go(gochan::sleep(Duration::from_secs(3600)));
    let start = Instant::now();
    rt.block_on(gochan::sleep(Duration::from_millis(5)));
    assert!(start.elapsed() >= Duration::from_millis(5));
    late.abort();
    late.wait().unwrap_err();
}

// === blocking ===

#[test]
fn a_blocked_task_holds_nobody_up() {
    let rt = runtime(1);
    let (tx, rx) = mpsc::channel();
    let blocked = rt.go(async move { blocking(|| rx.recv().unwrap()) });
    let other = rt.go(async move { tx.send(7).unwrap() });
    other.wait().unwrap();
    assert_eq!(blocked.wait().unwrap(), 7);
}

/// Whoever waits like a plain thread inside a task gives the worker's slot away before it sleeps.
#[test]
fn a_thread_s_wait_inside_a_task_holds_nobody_up() {
    let rt = runtime(1);
    let (tx, rx) = chan::<u32>(0);
    let receiver = rt.go(async move { rx.recv_blocking().unwrap() + rx.recv_blocking().unwrap() });
    let sender = rt.go(async move {
        tx.send(1).await.unwrap();
        tx.send_blocking(2).unwrap();
    });
    assert_eq!(receiver.wait().unwrap(), 3);
    sender.wait().unwrap();
    let joined = rt.go(async { go(async { 5 }).wait().unwrap() });
    assert_eq!(joined.wait().unwrap(), 5);
}

#[test]
fn many_blocked_tasks_share_no_slot() {
    let rt = named(2, "manyblocked");
    let barrier = Arc::new(Barrier::new(20));
    for _ in 0..3 {
        let meet = |_| {
            let barrier = Arc::clone(&barrier);
            rt.go(async move {
                blocking(|| barrier.wait());
                yield_now().await;
            })
        };
        let tasks: Vec<_> = (0..20).map(meet).collect();
        tasks.into_iter().for_each(|task| task.wait().unwrap());
    }
    let threads = threads_called("manyblocked");
    assert!(
        threads <= 2 * 22,
        "{threads} threads for 22 at a time: they are used again"
    );
    rt.shutdown();
}

#[test]
fn after_blocking_a_task_still_wakes_and_spawns() {
    let rt = runtime(1);
    let (tx, rx) = chan::<u32>(4);
    let consumer = rt.go(async move { rx.recv().await.unwrap() + rx.recv().await.unwrap() });
    let producer = rt.go(async move {
        blocking(|| tx.try_send(1).unwrap());
        let child = go(async move { tx.send(2).await.unwrap() });
        blocking(|| ());
        yield_now().await;
        child.await.unwrap();
    });
    assert_eq!(consumer.wait().unwrap(), 3);
    producer.wait().unwrap();
}

#[test]
fn a_panic_in_blocking_goes_into_the_task() {
    let rt = runtime(1);
    let error = rt
        .go(async { blocking(|| panic!("deep down")) })
        .wait()
        .map(drop)
        .unwrap_err();
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "deep down");
    rt.go(async {}).wait().unwrap();
    assert_eq!(blocking(|| 3), 3);
}

#[test]
fn block_on_inside_a_task() {
    let rt = runtime(1);
    let out = rt.go(async { block_on(async { go(async { 3 }).await.unwrap() }) });
    assert_eq!(out.wait().unwrap(), 3);
    let other = Arc::new(runtime(1));
    let inner = Arc::clone(&other);
    let out = rt.go(async move {
        inner.block_on(async { (num_tasks(), go(async { num_tasks() }).await.unwrap()) })
    });
    assert_eq!(out.wait().unwrap(), (0, 1), "in the inner runtime");
}

#[test]
fn block_on_takes_what_is_not_send() {
    let rt = runtime(1);
    let local = std::rc::Rc::new(5);
    let sum = rt.block_on(async { *local + go(async { 1 }).await.unwrap() });
    assert_eq!(sum, 6);
}

// === nothing is left behind ===

#[test]
fn shutdown_drops_every_task_and_leaves_no_thread() {
    for workers in [1, 2, 4] {
        let name = format!("gone{workers}");
        let rt = named(workers, &name);
        let drops = Arc::new(AtomicUsize::new(0));
        let (_tx, rx) = chan::<()>(0);
        for n in 0..400 {
            let (drops, rx) = (Dropped(Arc::clone(&drops)), rx.clone());
            drop(rt.go(async move {
                let _drops = drops;
                match n % 5 {
                    0 => pending().await,
                    1 => drop(rx.recv().await),
                    2 => gochan::sleep(Duration::from_secs(3600)).await,
                    3 => loop {
                        yield_now().await;
                    },
                    _ => go(pending::<()>()).await.unwrap(),
                }
            }));
        }
        rt.go(async { blocking(|| ()) }).wait().unwrap();
        assert!(threads_called(&name) >= workers);
        rt.shutdown();
        assert_eq!(drops.load(SeqCst), 400);
        // The kernel lists a thread for a moment after it was joined.
        while threads_called(&name) > 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn handles_of_dropped_tasks_say_so() {
    let rt = runtime(2);
    let waiting = rt.go(pending::<()>());
    let waiter = std::thread::spawn({
        let other = rt.go(pending::<()>());
        move || other.wait()
    });
    drop(rt);
    assert!(waiting.wait().unwrap_err().is_cancelled());
    assert!(waiter.join().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn wakes_during_and_after_shutdown_are_harmless() {
    for workers in [1, 2] {
        for _ in 0..50 {
            let rt = runtime(workers);
            let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
            let drops = Arc::new(AtomicUsize::new(0));
            for _ in 0..50 {
                let (wakers, drops) = (Arc::clone(&wakers), Dropped(Arc::clone(&drops)));
                drop(rt.go(poll_fn(move |cx| {
                    let _ = &drops;
                    wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::<()>::Pending
                })));
            }
            while wakers.lock().unwrap().len() < 50 {
                std::thread::yield_now();
            }
            let stop = Arc::new(AtomicBool::new(false));
            let waking = std::thread::spawn({
                let (stop, wakers) = (Arc::clone(&stop), wakers.lock().unwrap().clone());
                move || {
                    while !stop.load(SeqCst) {
                        wakers.iter().for_each(Waker::wake_by_ref);
                    }
                    wakers.into_iter().for_each(Waker::wake);
                }
            });
            rt.shutdown();
            assert_eq!(drops.load(SeqCst), 50);
            stop.store(true, SeqCst);
            waking.join().unwrap();
            wakers.lock().unwrap().drain(..).for_each(Waker::wake);
        }
    }
}

#[test]
fn tasks_spawned_by_destructors_during_shutdown_are_dropped() {
    struct Spawns(Arc<AtomicUsize>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let drops = Dropped(Arc::clone(&self.0));
            let handle = go(async move {
                let _drops = drops;
                unreachable!("the runtime is closing");
            });
            assert!(handle.is_finished());
        }
    }
    let rt = runtime(2);
    let drops = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let spawns = Spawns(Arc::clone(&drops));
        drop(rt.go(async move {
            let _spawns = spawns;
            pending::<()>().await;
        }));
    }
    rt.shutdown();
    assert_eq!(drops.load(SeqCst), 10);
}

#[test]
fn spawning_races_with_shutdown() {
    for _ in 0..50 {
        let rt = Arc::new(runtime(2));
        let drops = Arc::new(AtomicUsize::new(0));
        let (started, start) = mpsc::channel();
        let spawner = std::thread::spawn({
            let (rt, drops) = (Arc::clone(&rt), Arc::clone(&drops));
            move || {
                let runtime = rt;
                started.send(()).unwrap();
                for _ in 0..200 {
                    let drops = Dropped(Arc::clone(&drops));
                    drop(runtime.go(async move {
                        let _drops = drops;
                        pending::<()>().await;
                    }));
                }
            }
        });
        start.recv().unwrap();
        drop(rt);
        // Whoever lets go last shuts it down.
        spawner.join().unwrap();
        assert_eq!(drops.load(SeqCst), 200);
    }
}

#[test]
fn a_runtime_dropped_by_its_own_task() {
    let rt = named(2, "owndrop");
    let drops = Arc::new(AtomicUsize::new(0));
    let sleeper = Dropped(Arc::clone(&drops));
    drop(rt.go(async move {
        let _sleeper = sleeper;
        pending::<()>().await;
    }));
    let (tx, rx) = mpsc::channel::<Runtime>();
    let (done, ended) = mpsc::channel();
    drop(rt.go(async move {
        drop(rx.recv().unwrap());
        done.send(()).unwrap();
    }));
    tx.send(rt).unwrap();
    ended.recv().unwrap();
    // Nobody waits for its end, which comes all the same: a thread may not even have begun yet.
    while drops.load(SeqCst) == 0 || threads_called("owndrop") > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_runtime_dropped_by_another_ones_task() {
    let outer = runtime(1);
    let inner = named(1, "otherdrop");
    drop(inner.go(pending::<()>()));
    outer.go(async move { drop(inner) }).wait().unwrap();
    // The kernel lists a thread for a moment after it was joined.
    while threads_called("otherdrop") > 0 {
        std::thread::yield_now();
    }
    outer.go(async {}).wait().unwrap();
}

#[test]
fn shutdown_waits_for_a_blocking_call() {
    let rt = runtime(1);
    let (tx, rx) = mpsc::channel::<()>();
    let (begun, begin) = mpsc::channel();
    let ended = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&ended);
    drop(rt.go(async move {
        blocking(|| {
            begun.send(()).unwrap();
            rx.recv().unwrap();
            set.store(true, SeqCst);
        });
        pending::<()>().await;
    }));
    begin.recv().unwrap();
    let closing = std::thread::spawn(move || rt.shutdown());
    tx.send(()).unwrap();
    closing.join().unwrap();
    assert!(ended.load(SeqCst));
}

// === building ===

#[test]
fn what_cannot_be_built() {
    let none = Runtime::builder().workers(0).build().unwrap_err();
    assert!(matches!(none, BuildError::NoWorkers));
    let many = Runtime::builder().workers(usize::MAX).build().unwrap_err();
    assert_eq!(
        many.to_string(),
        format!("{} are more workers than a runtime can have", usize::MAX)
    );
}

/// The environment is that of a whole process, so this looks from another one.
#[test]
fn maxprocs_of_the_environment() {
    const CHILD: &str = "GOCHAN_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        match Runtime::builder().build() {
            Ok(rt) => println!(
                "child: {} {}",
                rt.workers(),
                gochan::run(async { gochan::max_procs() })
            ),
            Err(error) => println!("child: {error}"),
        }
        return;
    }
    let child = |value: &str| {
        let out = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "maxprocs_of_the_environment", "--nocapture"])
            .env(CHILD, "1")
            .env("GOCHAN_MAXPROCS", value)
            .output()
            .unwrap();
        let out = String::from_utf8(out.stdout).unwrap();
        let line = out.lines().find_map(|line| line.split_once("child: "));
        line.unwrap_or_else(|| panic!("no answer in {out}"))
            .1
            .to_owned()
    };
    assert_eq!(child("3"), "3 3");
    for bad in ["0", "-1", "two", "", "99999999999999999999"] {
        assert_eq!(
            child(bad),
            format!("GOCHAN_MAXPROCS must be a number of workers, at least 1, and is {bad:?}")
        );
    }
}

#[test]
fn run_gives_the_value_or_the_panic() {
    assert_eq!(gochan::run(async { go(async { 2 }).await.unwrap() }), 2);
    let panic =
        std::panic::catch_unwind(|| gochan::run(async { panic!("the main job") })).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "the main job");
    assert_eq!(gochan::run(async { gochan::run(async { 4 }) }), 4);
}
