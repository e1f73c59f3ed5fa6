//! Wakers from hell at sockets, and operations that are dropped wherever they wait: nothing hangs, no byte, connection or datagram
//! is lost, no waker is kept.

use crate::common::waker::{Action, Hooked, counting, hooked, poll_once, poll_with};
use crate::common::watch;
use crate::pair::pair;
use gochan::net::{TcpListener, TcpStream, UdpSocket};
use gochan::{Runtime, go};
use std::future::Future;
use std::io::Read;
use std::net::{Shutdown, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

// === hostile wakers ===

/// What a waker does to the socket that calls it.
type Misdeed = Arc<dyn Fn() + Send + Sync>;

/// The events of a waker: wake, clone, drop.
const EVENTS: usize = 3;

/// A waker that does its misdeed at one event, each time.
fn hostile(event: usize, misdeed: &Misdeed) -> Arc<Hooked> {
    let misdeed = Arc::clone(misdeed);
    let act: Action = Box::new(move || misdeed());
    let mut events = Hooked::default();
    match event {
        0 => events.on_wake = Some(act),
        1 => events.on_clone = Some(act),
        _ => events.on_drop = Some(act),
    }
    Arc::new(events)
}

/// A misdeed that panics, but for where that would be the end of the process whoever calls it.
fn throws() {
    assert!(thread::panicking(), "a waker that panics");
}

/// Parks `op` with the hostile waker, twice, has it woken by `provoke`, and sees it through with a good one.
fn play<F: Future + Unpin>(
    mut op: F,
    event: usize,
    misdeed: &Misdeed,
    provoke: impl FnOnce(),
) -> F::Output {
    let events = hostile(event, misdeed);
    for _ in 0..2 {
        let waker = hooked(&events);
        // A misdeed that panics comes out here, and is all that comes out.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let polled = poll_with(Pin::new(&mut op), &waker);
            drop(waker);
            polled
        }));
        if let Ok(Poll::Ready(output)) = polled {
            return output;
        }
    }
    provoke();
    if event == 0 {
        while events.wakes() == 0 {
            thread::yield_now();
        }
    }
    loop {
        // The last of its wakers may be dropped in here.
        if let Ok(output) = catch_unwind(AssertUnwindSafe(|| gochan::block_on(&mut op))) {
            return output;
        }
    }
}

/// What there is to be done to a stream from inside of a waker. The first three leave it usable.
fn misdeeds(stream: &Arc<TcpStream>) -> Vec<Misdeed> {
    let look = |stream: &TcpStream| {
        let _ = poll_once(std::pin::pin!(stream.readable()));
        let _ = poll_once(std::pin::pin!(stream.writable()));
    };
    let [uses, moves, lends, ends] = [(); 4].map(|()| Arc::clone(stream));
    vec![
        Arc::new(move || look(&uses)),
        Arc::new(move || {
            moves.set_deadline(Some(Instant::now() + Duration::from_secs(3600)));
            moves.set_deadline(None);
        }),
        // Another thread uses it, and we wait for that one.
        Arc::new(move || {
            let stream = Arc::clone(&lends);
            thread::spawn(move || look(&stream)).join().unwrap();
        }),
        Arc::new(throws),
        Arc::new(move || drop(ends.shutdown(Shutdown::Both))),
    ]
}

/// The number of the misdeed that ends the stream.
const ENDS: usize = 4;

#[test]
fn a_read_with_a_hostile_waker() {
    watch(|| {
        for (event, n) in (0..EVENTS).flat_map(|event| (0..=ENDS).map(move |n| (event, n))) {
            let (a, b) = gochan::block_on(pair());
            let a = Arc::new(a);
            let misdeed = &misdeeds(&a)[n];
            let mut buf = [0; 8];
            let read = play(a.read(&mut buf), event, misdeed, || {
                b.write(b"data").wait().unwrap();
            });
            match n {
                ENDS => drop(read),
                _ => assert_eq!((read.unwrap(), &buf[..4]), (4, &b"data"[..])),
            }
        }
    });
}

#[test]
fn a_write_with_a_hostile_waker() {
    watch(|| {
        for (event, n) in (0..EVENTS).flat_map(|event| (0..=ENDS).map(move |n| (event, n))) {
            let (a, b) = gochan::block_on(pair());
            let a = Arc::new(a);
            let mut written = 0;
            while let Poll::Ready(n) = poll_once(std::pin::pin!(a.write(&[7; 4096]))) {
                written += n.unwrap();
            }
            let misdeed = &misdeeds(&a)[n];
            let write = play(a.write(b"last"), event, misdeed, || {
                // Until there is room at the other end.
                let mut left = written;
                while left > 0 {
                    left -= b.read(&mut vec![0; left]).wait().unwrap();
                }
            });
            if n != ENDS {
                assert_eq!(write.unwrap(), 4);
                b.read_exact(&mut [0; 4]).wait().unwrap();
            }
        }
    });
}

#[test]
fn an_accept_with_a_hostile_waker() {
    watch(|| {
        for event in 0..EVENTS {
            for throw in [false, true] {
                let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
                let addr = listener.local_addr();
                let theirs = Arc::clone(&listener);
                let uses = move || {
                    let listener = Arc::clone(&theirs);
                    thread::spawn(move || listener.set_deadline(None))
                        .join()
                        .unwrap();
                    let _ = poll_once(Pin::new(&mut theirs.accept()));
                };
                let misdeed: Misdeed = if throw {
                    Arc::new(throws)
                } else {
                    Arc::new(uses)
                };
                // What the waker has accepted is gone with it: so they come until one is ours.
                let over = Arc::new(AtomicBool::new(false));
                let stop = Arc::clone(&over);
                let mut dialling = None;
                let accepted = play(listener.accept(), event, &misdeed, || {
                    dialling = Some(thread::spawn(move || {
                        while !stop.load(SeqCst) {
                            // Nobody accepts any more once ours is there, and the listener's queue may be full then.
                            let limit = std::time::Duration::from_millis(50);
                            drop(std::net::TcpStream::connect_timeout(&addr, limit));
                        }
                    }));
                });
                accepted.unwrap();
                over.store(true, SeqCst);
                dialling.expect("it waited").join().unwrap();
            }
            let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
            let addr = listener.local_addr();
            let theirs = Arc::clone(&listener);
            let closes: Misdeed = Arc::new(move || {
                theirs.close();
            });
            let _ = play(listener.accept(), event, &closes, || {
                drop(std::net::TcpStream::connect(addr));
            });
            assert!(listener.accept().wait().is_err(), "the waker has closed it");
        }
    });
}

#[test]
fn a_datagram_with_a_hostile_waker() {
    watch(|| {
        for event in 0..EVENTS {
            let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
            let addr = socket.local_addr().unwrap();
            let theirs = Arc::clone(&socket);
            let uses: Misdeed = Arc::new(move || {
                let socket = Arc::clone(&theirs);
                let deadline = move || {
                    socket.set_read_deadline(Some(Instant::now() + Duration::from_secs(3600)));
                    socket.set_read_deadline(None);
                };
                thread::spawn(deadline).join().unwrap();
            });
            let panics: Misdeed = Arc::new(throws);
            for misdeed in [uses, panics] {
                let mut buf = [0; 8];
                let received = play(socket.recv_from(&mut buf), event, &misdeed, || {
                    socket.send_to(b"gram", addr).wait().unwrap();
                });
                assert_eq!(received.unwrap(), (4, addr));
            }
        }
    });
}

/// A listener whose queue is full: a connection to it waits.
fn full() -> (std::net::TcpListener, SocketAddr, Vec<std::net::TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let listener = std::net::TcpListener::from(socket);
    let addr = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
        queued.push(stream);
    }
    (listener, addr, queued)
}

#[test]
fn a_connect_with_a_hostile_waker() {
    watch(|| {
        let events: Vec<_> = (0..EVENTS)
            .map(|event| {
                thread::spawn(move || {
                    let (listener, addr, _queued) = full();
                    let deed: Misdeed = match event {
                        0 => Arc::new(throws),
                        _ => Arc::new(|| gochan::go(async {}).wait().unwrap()),
                    };
                    let accept = listener.try_clone().unwrap();
                    let connected = play(TcpStream::connect(addr), event, &deed, || {
                        // The system tries again when there is room.
                        thread::spawn(move || while accept.accept().is_ok() {});
                    });
                    assert_eq!(connected.unwrap().peer_addr().unwrap(), addr);
                })
            })
            .collect();
        for event in events {
            event.join().unwrap();
        }
    });
}

/// A busy runtime in which nobody looks at sockets: the monitor does. A waker that is not ours could keep it from its work, and so
/// does not run on its thread.
#[test]
fn the_monitor_calls_no_foreign_wakers() {
    watch(|| {
        let rt = Runtime::builder()
            .workers(1)
            .max_threads(1)
            .name("busy")
            .build()
            .unwrap();
        let (a, b) = rt.block_on(pair());
        let called_on = Arc::new(Mutex::new(None));
        let place = Arc::clone(&called_on);
        let deed: Misdeed = Arc::new(move || {
            let name = thread::current().name().map(str::to_owned);
            place.lock().unwrap().get_or_insert(name);
        });
        let events = hostile(0, &deed);
        let mut buf = [0; 4];
        let mut read = a.read(&mut buf);
        assert!(poll_with(Pin::new(&mut read), &hooked(&events)).is_pending());
        // A task of the runtime waits for another socket. It is queued when the monitor has looked, and the first socket, which is
        // ready before, was seen by then.
        let (c, d) = rt.block_on(pair());
        let reader = rt.go(async move { c.read(&mut [0; 4]).await.unwrap() });
        while rt.metrics().idle_workers == 0 {
            thread::yield_now();
        }
        // Its slot cannot be taken over, for there is no other thread.
        let seen = Arc::clone(&called_on);
        let (begun, begin) = std::sync::mpsc::channel();
        let stuck = rt.go(async move {
            begun.send(()).unwrap();
            while gochan::metrics().unwrap().global_queue == 0 && seen.lock().unwrap().is_none() {
                thread::yield_now();
            }
        });
        begin.recv().unwrap();
        b.write_all(b"data").wait().unwrap();
        d.write_all(b"data").wait().unwrap();
        assert_eq!(reader.wait().unwrap(), 4);
        stuck.wait().unwrap();
        while events.wakes() == 0 {
            thread::yield_now();
        }
        assert_eq!(gochan::block_on(read).unwrap(), 4);
        let name = called_on.lock().unwrap().clone().unwrap();
        assert_ne!(name.as_deref(), Some("busy-sysmon"));
    });
}

/// A waker that is not ours, which waits for a task that it spawns: from outside of the runtime, or as it runs on a worker.
struct WaitsForTask {
    rt: Arc<Runtime>,
    events: Arc<Hooked>,
    has_waited: Arc<AtomicBool>,
}

impl WaitsForTask {
    fn new(workers: usize, from_outside: bool) -> WaitsForTask {
        let rt = Arc::new(Runtime::builder().workers(workers).build().unwrap());
        let has_waited = Arc::new(AtomicBool::new(false));
        let (theirs, waited) = (Arc::downgrade(&rt), Arc::clone(&has_waited));
        let deed: Misdeed = Arc::new(move || {
            let (done, ran) = std::sync::mpsc::channel();
            let task = async move { done.send(()).unwrap() };
            drop(match theirs.upgrade() {
                Some(theirs) if from_outside => theirs.go(task),
                _ => gochan::go(task),
            });
            ran.recv().unwrap();
            waited.store(true, SeqCst);
        });
        WaitsForTask {
            rt,
            events: hostile(0, &deed),
            has_waited,
        }
    }

    /// Before the runtime goes, which would end the wait as well.
    fn until_it_has_waited(&self) {
        while !self.has_waited.load(SeqCst) {
            thread::yield_now();
        }
    }
}

/// Workers, and whether from outside. One worker's slot has to be taken over, which not every system lets us do.
const WAITS: &[(usize, bool)] = match cfg!(target_os = "linux") {
    true => &[(2, true), (2, false), (1, false)],
    false => &[(2, true), (2, false)],
};

fn all_asleep(rt: &Runtime) {
    while rt.metrics().idle_workers < rt.metrics().workers.len() {
        thread::yield_now();
    }
}

/// It takes its time on the worker that found the socket ready: the task is run by another one, which was asleep. (The first was
/// searching, and who posts work while somebody searches wakes nobody; and it was to run next what was spawned on it.)
#[test]
fn a_waker_at_a_socket_that_waits_for_a_task() {
    watch(|| {
        for (workers, from_outside) in WAITS.iter().copied() {
            for _ in 0..10 {
                let waker = WaitsForTask::new(workers, from_outside);
                let (a, b) = waker.rt.block_on(pair());
                let mut buf = [0; 4];
                let mut read = a.read(&mut buf);
                assert!(poll_with(Pin::new(&mut read), &hooked(&waker.events)).is_pending());
                all_asleep(&waker.rt);
                b.write_all(b"data").wait().unwrap();
                waker.until_it_has_waited();
                assert_eq!(gochan::block_on(read).unwrap(), 4);
            }
        }
    });
}

/// The same when a timer is due.
#[test]
fn a_waker_of_a_timer_that_waits_for_a_task() {
    watch(|| {
        for (workers, from_outside) in WAITS.iter().copied() {
            for _ in 0..10 {
                let waker = WaitsForTask::new(workers, from_outside);
                let hooked = hooked(&waker.events);
                let sleep = waker.rt.go(async move {
                    let mut sleep = Box::pin(gochan::sleep(Duration::from_millis(1)));
                    (poll_with(sleep.as_mut(), &hooked).is_pending()).then_some(sleep)
                });
                let sleep = sleep.wait().unwrap();
                if let Some(sleep) = sleep {
                    waker.until_it_has_waited();
                    gochan::block_on(sleep);
                }
            }
        }
    });
}

// === dropped wherever it waits ===

/// Polls until it has had to wait so many times, with `provoke` in between, which is told whether that has woken it; then drops it.
/// True: it came to its end before.
fn drop_at<F: Future>(wait: usize, f: F, mut provoke: impl FnMut(&dyn Fn() -> bool)) -> bool {
    let (count, waker) = counting();
    let mut f = Box::pin(f);
    for waits in 0.. {
        let woken = count.wakes();
        if poll_with(f.as_mut(), &waker).is_ready() {
            return true;
        }
        if waits == wait {
            break;
        }
        provoke(&|| count.wakes() > woken);
        while count.wakes() == woken {
            thread::yield_now();
        }
    }
    drop(f);
    // The poller may just be calling the one that it has taken.
    while count.alive() > 1 {
        thread::yield_now();
    }
    false
}

/// Runs `scene` for each wait that it has.
fn at_every_wait(scene: impl Fn(usize) -> bool + Send + 'static) {
    watch(move || {
        let ended = (0..).take_while(|wait| !scene(*wait)).count();
        assert!(ended > 2, "it did not wait: {ended}");
    });
}

#[test]
fn reads_dropped_at_every_wait_lose_no_byte() {
    at_every_wait(|wait| {
        let (a, b) = gochan::block_on(pair());
        let got = Mutex::new(Vec::new());
        let mut sent = Vec::new();
        let mut say = |last: bool| {
            let n = sent.len() as u8;
            if !last && n < 40 {
                b.write_all(&[n, n + 1, n + 2, n + 3]).wait().unwrap();
                sent.extend([n, n + 1, n + 2, n + 3]);
            } else {
                b.shutdown(Shutdown::Write).unwrap();
            }
        };
        let reads = async {
            let mut buf = [0; 3];
            loop {
                match a.read(&mut buf).await.unwrap() {
                    0 => break,
                    n => got.lock().unwrap().extend_from_slice(&buf[..n]),
                }
            }
        };
        let over = drop_at(wait, reads, |_| say(false));
        if !over {
            say(false);
            say(true);
            let mut a = a.into_std();
            a.set_nonblocking(false).unwrap();
            a.read_to_end(&mut got.lock().unwrap()).unwrap();
        }
        assert_eq!(*got.lock().unwrap(), sent);
        over
    });
}

#[test]
fn writes_dropped_at_every_wait_write_nothing_more() {
    at_every_wait(|wait| {
        let (a, b) = gochan::block_on(pair());
        let said = Mutex::new(0);
        let mut heard = 0;
        let mut buf = vec![0; 1 << 22];
        let writes = async {
            let data = vec![1; 1 << 20];
            while *said.lock().unwrap() < 40 << 20 {
                let n = a.write(&data).await.unwrap();
                *said.lock().unwrap() += n;
            }
        };
        // The system tells of room only when there is enough of it.
        let over = drop_at(wait, writes, |woken| {
            while !woken() {
                match poll_once(std::pin::pin!(b.read(&mut buf))) {
                    Poll::Ready(n) => heard += n.unwrap(),
                    Poll::Pending => thread::yield_now(),
                }
            }
        });
        drop(a);
        while heard < *said.lock().unwrap() {
            heard += b.read(&mut buf).wait().unwrap();
        }
        assert_eq!(b.read(&mut buf).wait().unwrap(), 0, "no more than was said");
        assert_eq!(heard, *said.lock().unwrap());
        over || wait > 20
    });
}

#[test]
fn accepts_dropped_at_every_wait_lose_no_connection() {
    at_every_wait(|wait| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr();
        let got = Mutex::new(Vec::new());
        let mut peers = Vec::new();
        let mut dial = || peers.push(std::net::TcpStream::connect(addr).unwrap());
        let take = async || {
            let (_, peer) = listener.accept().await.unwrap();
            got.lock().unwrap().push(peer);
        };
        let accepts = async {
            for _ in 0..8 {
                take().await;
            }
        };
        let over = drop_at(wait, accepts, |_| dial());
        if !over {
            dial();
            gochan::block_on(take());
        }
        let want: Vec<_> = peers
            .iter()
            .map(|peer| peer.local_addr().unwrap())
            .collect();
        assert_eq!(*got.lock().unwrap(), want);
        over
    });
}

#[test]
fn datagrams_are_not_lost_with_a_receive_that_is_dropped() {
    at_every_wait(|wait| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let got = Mutex::new(Vec::new());
        let mut sent = 0u8;
        let take = async || {
            let mut buf = [0; 2];
            let (n, _) = socket.recv_from(&mut buf).await.unwrap();
            assert_eq!(n, 1);
            got.lock().unwrap().push(buf[0]);
        };
        let receives = async {
            for _ in 0..8 {
                take().await;
            }
        };
        let mut send = || {
            peer.send_to(&[sent], addr).unwrap();
            sent += 1;
        };
        let over = drop_at(wait, receives, |_| send());
        if !over {
            send();
            gochan::block_on(take());
        }
        let want: Vec<u8> = (0..sent).collect();
        assert_eq!(*got.lock().unwrap(), want);
        over
    });
}

#[test]
fn a_connect_that_is_dropped_leaves_nothing() {
    watch(|| {
        let (listener, addr, queued) = full();
        let over = drop_at(0, TcpStream::connect(addr), |_| ());
        assert!(!over, "it had to wait");
        drop((listener, queued));
        let task = go(async move { TcpStream::connect(addr).await.map(drop) });
        assert!(task.wait().unwrap().is_err(), "nobody listens any more");
    });
}
