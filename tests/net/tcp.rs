//! TCP streams and listeners: bytes there and back, ends, deadlines, selects.

use crate::common::watch;
use crate::pair::{pair, waiting};
use gochan::hook::WaitReason;
use gochan::net::{TcpListener, TcpStream};
use gochan::{Context, Runtime, go, select};
use std::future::Future;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn echo_until_the_peer_has_said_all() {
    for workers in [1, 2] {
        watch(move || {
            let rt = Runtime::builder().workers(workers).build().unwrap();
            rt.block_on(async {
                let (a, b) = pair().await;
                let echo = go(async move {
                    let mut buf = [0; 1000];
                    loop {
                        match a.read(&mut buf).await.unwrap() {
                            0 => return,
                            n => a.write_all(&buf[..n]).await.unwrap(),
                        }
                    }
                });
                for round in 0..1000u32 {
                    b.write_all(&round.to_le_bytes()).await.unwrap();
                    let mut back = [0; 4];
                    b.read_exact(&mut back).await.unwrap();
                    assert_eq!(u32::from_le_bytes(back), round);
                }
                b.shutdown(Shutdown::Write).unwrap();
                assert_eq!(b.read(&mut [0; 4]).await.unwrap(), 0);
                echo.await.unwrap();
            });
        });
    }
}

#[test]
fn many_megabytes_both_ways_at_once_through_small_buffers() {
    const SIZE: usize = 8 << 20;
    fn byte(at: usize) -> u8 {
        (at % 251) as u8
    }
    async fn send(stream: Arc<TcpStream>) {
        let all: Vec<u8> = (0..SIZE).map(byte).collect();
        stream.write_all(&all).await.unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }
    async fn receive(stream: Arc<TcpStream>) {
        let (mut done, mut buf) = (0, vec![0; 10_007]);
        loop {
            let n = stream.read(&mut buf).await.unwrap();
            if n == 0 {
                assert_eq!(done, SIZE);
                return;
            }
            assert!((0..n).all(|i| buf[i] == byte(done + i)), "after {done}");
            done += n;
        }
    }
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let (a, b) = (Arc::new(a), Arc::new(b));
            let all = [
                go(send(Arc::clone(&a))),
                go(receive(a)),
                go(send(Arc::clone(&b))),
                go(receive(b)),
            ];
            for one in all {
                one.await.unwrap();
            }
        });
    });
}

#[test]
fn vectored_there_and_back() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let out = [IoSlice::new(b"hel"), IoSlice::new(b"lo")];
            assert_eq!(a.write_vectored(&out).await.unwrap(), 5);
            let (mut x, mut y) = ([0; 2], [0; 9]);
            let mut bufs = [IoSliceMut::new(&mut x), IoSliceMut::new(&mut y)];
            b.readable().await.unwrap();
            assert_eq!(b.read_vectored(&mut bufs).await.unwrap(), 5);
            assert_eq!((&x, &y[..3]), (b"he", &b"llo"[..]));
        });
    });
}

#[test]
fn a_half_that_is_dropped_ends_what_the_peer_reads_and_nothing_else() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let (reader, writer) = a.into_split();
            writer.write_all(b"last words").await.unwrap();
            drop(writer);
            let mut all = [0; 10];
            b.read_exact(&mut all).await.unwrap();
            assert_eq!(b.read(&mut all).await.unwrap(), 0, "the end");
            b.write_all(b"answer").await.unwrap();
            assert_eq!(reader.read(&mut all).await.unwrap(), 6);
        });
    });
}

#[test]
fn an_end_behind_the_last_bytes_is_found_without_another_event() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            b.write_all(b"bye").await.unwrap();
            drop(b);
            // The bytes and the end are there. The read takes less than it has room for.
            a.readable().await.unwrap();
            let mut buf = [0; 64];
            while a.peek(&mut buf).await.unwrap() < 3 {}
            assert_eq!(a.read(&mut buf).await.unwrap(), 3);
            assert_eq!(a.read(&mut buf).await.unwrap(), 0);
            assert_eq!(a.read(&mut buf).await.unwrap(), 0, "for ever");
        });
    });
}

#[test]
fn a_deadline_ends_the_read_that_waits_and_another_one_revives() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            a.set_read_deadline(Some(Instant::now() + Duration::from_millis(3)));
            let late = a.read(&mut [0; 4]).await.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::TimedOut);
            assert_eq!(late.to_string(), "i/o timeout");
            b.write_all(b"data").await.unwrap();
            assert!(a.read(&mut [0; 4]).await.is_err(), "though there is data");
            a.write_all(b"the other way is open").await.unwrap();
            a.set_read_deadline(Some(Instant::now() + Duration::from_secs(600)));
            assert_eq!(a.read(&mut [0; 4]).await.unwrap(), 4);
        });
    });
}

#[test]
fn a_deadline_in_the_past_ends_all_that_wait() {
    watch(|| {
        gochan::run(async {
            let (a, _b) = pair().await;
            let a = Arc::new(a);
            let readers: Vec<_> = (0..5)
                .map(|_| {
                    let a = Arc::clone(&a);
                    go(async move { a.read(&mut [0; 4]).await.unwrap_err().kind() })
                })
                .collect();
            for reader in &readers {
                waiting(reader.id());
            }
            a.set_deadline(Some(Instant::now()));
            for reader in readers {
                assert_eq!(reader.await.unwrap(), ErrorKind::TimedOut);
            }
            let write = a.write(b"x").await.unwrap_err();
            assert_eq!(write.kind(), ErrorKind::TimedOut);
        });
    });
}

#[test]
fn a_deadline_that_is_moved_before_it_comes_does_not_come() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            for _ in 0..200 {
                a.set_read_deadline(Some(Instant::now() + Duration::from_micros(200)));
                a.set_read_deadline(Some(Instant::now() + Duration::from_secs(600)));
                b.write_all(b"x").await.unwrap();
                assert_eq!(a.read(&mut [0; 4]).await.unwrap(), 1);
            }
        });
    });
}

#[test]
fn a_write_that_waits_ends_at_its_deadline() {
    watch(|| {
        gochan::run(async {
            let (a, _b) = pair().await;
            a.set_write_deadline(Some(Instant::now() + Duration::from_millis(20)));
            let full = a.write_all(&vec![0; 64 << 20]).await.unwrap_err();
            assert_eq!(full.kind(), ErrorKind::TimedOut);
        });
    });
}

#[test]
fn accept_read_and_a_context_in_one_select() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let addr = listener.local_addr();
            let (ctx, cancel) = Context::background().with_cancel();
            let server = go(async move {
                let (mut bytes, mut peers, mut buf) = (0, 0, [0; 16]);
                loop {
                    select! {
                        n = a.read(&mut buf) => bytes += n.unwrap(),
                        peer = listener.accept() => { peer.unwrap(); peers += 1; }
                        _ = ctx.done() => return (bytes, peers),
                    }
                    if (bytes, peers) == (300, 100) {
                        return (bytes, peers);
                    }
                }
            });
            for _ in 0..100 {
                b.write_all(b"abc").await.unwrap();
                drop(TcpStream::connect(addr).await.unwrap());
            }
            assert_eq!(server.await.unwrap(), (300, 100));
            cancel.cancel();
        });
    });
}

#[test]
fn the_end_of_a_context_ends_a_select_of_sockets_that_wait() {
    watch(|| {
        gochan::run(async {
            let (a, _b) = pair().await;
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (ctx, cancel) = Context::background().with_cancel();
            let server = go(async move {
                let mut buf = [0; 16];
                select! {
                    _ = a.read(&mut buf) => panic!("nothing was sent"),
                    _ = listener.accept() => panic!("nobody connects"),
                    _ = ctx.done() => {}
                }
            });
            let (_, wait) = waiting(server.id());
            assert_eq!(wait.reason, WaitReason::Select);
            assert_eq!(wait.arms[0].reason, WaitReason::IoWait);
            assert_eq!(wait.arms[1].reason, WaitReason::IoWait);
            cancel.cancel();
            server.await.unwrap();
        });
    });
}

#[test]
fn reads_that_lose_or_are_dropped_take_no_byte() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            const ROUNDS: u32 = 2_000;
            let sender = go(async move {
                for n in 0..ROUNDS {
                    b.write_all(&n.to_le_bytes()).await.unwrap();
                    if n % 7 == 0 {
                        gochan::yield_now().await;
                    }
                }
                b.shutdown(Shutdown::Write).unwrap();
                b
            });
            let (mut all, mut buf) = (Vec::new(), [0; 3]);
            loop {
                // Sometimes the read wins, sometimes the other arm, sometimes it is dropped in mid-wait.
                let n = select! {
                    n = a.read(&mut buf) => Some(n.unwrap()),
                    _ = gochan::fut(gochan::yield_now()) => None,
                };
                match n {
                    Some(0) => break,
                    Some(n) => all.extend_from_slice(&buf[..n]),
                    None => {}
                }
            }
            let want: Vec<u8> = (0..ROUNDS).flat_map(u32::to_le_bytes).collect();
            assert!(all == want, "{} of {} bytes", all.len(), want.len());
            drop(sender.await.unwrap());
        });
    });
}

#[test]
fn a_read_lent_to_a_select_goes_on_after_it() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let mut buf = [0; 8];
            let mut read = a.read(&mut buf);
            select! {
                _ = &mut read => panic!("nothing was sent"),
                default => {}
            }
            b.write_all(b"later").await.unwrap();
            assert_eq!(read.await.unwrap(), 5);
            assert_eq!(&buf[..5], b"later");
        });
    });
}

#[test]
#[should_panic = "an operation was polled after it had completed"]
fn a_read_that_is_over_is_over() {
    gochan::block_on(async {
        let (a, b) = gochan::net::UnixStream::pair().unwrap();
        b.write_all(b"once").await.unwrap();
        let mut buf = [0; 8];
        let mut read = a.read(&mut buf);
        assert_eq!((&mut read).await.unwrap(), 4);
        let _ = read.await;
    });
}

#[test]
fn the_dump_names_the_peer_and_the_line() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let peer = a.peer_addr().unwrap();
            let reader = go(async move { a.read(&mut [0; 4]).await });
            let line = line!() - 1;
            let (task, wait) = waiting(reader.id());
            assert_eq!(wait.reason.as_str(), "IO wait");
            let site = wait.site.unwrap();
            assert_eq!((site.file(), site.line()), (file!(), line));
            let object = wait.object.unwrap().id;
            let name = gochan::hook::name(object).unwrap();
            assert_eq!(&*name, format!("tcp {peer}"));
            let text = gochan::diag::dump().to_string();
            let id = task.id.number();
            assert!(text.contains(&format!("task {id} [IO wait")), "{text}");
            assert!(text.contains(&format!("\"tcp {peer}\"")), "{text}");
            drop(b);
            assert_eq!(reader.await.unwrap().unwrap(), 0);
            assert_eq!(gochan::hook::name(object), None, "it is closed");
        });
    });
}

#[test]
fn many_accept_at_one_listener_and_each_connection_is_had_once() {
    watch(|| {
        gochan::run(async {
            let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
            let addr = listener.local_addr();
            let acceptors: Vec<_> = (0..8)
                .map(|_| {
                    let listener = Arc::clone(&listener);
                    go(async move {
                        let mut peers = Vec::new();
                        while let Ok((_, peer)) = listener.accept().await {
                            peers.push(peer);
                        }
                        peers
                    })
                })
                .collect();
            let mut want = Vec::new();
            let mut streams = Vec::new();
            for _ in 0..200 {
                let stream = TcpStream::connect(addr).await.unwrap();
                want.push(stream.local_addr().unwrap());
                streams.push(stream);
            }
            // The last connection is accepted when its stream is closed.
            let mut have = Vec::new();
            for stream in &streams {
                assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
            }
            assert!(listener.close());
            for acceptor in acceptors {
                have.extend(acceptor.await.unwrap());
            }
            have.sort();
            want.sort();
            assert_eq!(have, want);
        });
    });
}

/// Also of a stream that is not ready, which a short read has just found: a frame of no bytes is there.
#[test]
fn what_is_empty_is_done_at_once() {
    watch(|| {
        let rt = Runtime::builder().workers(1).build().unwrap();
        rt.block_on(async {
            let (a, b) = pair().await;
            a.write_all(b"x").await.unwrap();
            assert_eq!(b.read(&mut [0; 8]).await.unwrap(), 1);
            b.read_exact(&mut []).await.unwrap();
            assert_eq!(b.read(&mut []).await.unwrap(), 0);
            b.write_all(&[]).await.unwrap();
            assert_eq!(b.write(&[]).await.unwrap(), 0);
        });
    });
}

#[test]
fn a_read_that_is_dropped_in_mid_wait_forgets_its_waker() {
    struct Nobody;
    impl std::task::Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    watch(|| {
        gochan::run(async {
            let (a, _b) = pair().await;
            let nobody = Arc::new(Nobody);
            let waker = std::task::Waker::from(Arc::clone(&nobody));
            let mut cx = std::task::Context::from_waker(&waker);
            let mut buf = [0; 4];
            let mut read = a.read(&mut buf);
            assert!(std::pin::Pin::new(&mut read).poll(&mut cx).is_pending());
            assert_eq!(
                Arc::strong_count(&nobody),
                3,
                "ours, the waker's, the socket's"
            );
            drop(read);
            assert_eq!(Arc::strong_count(&nobody), 2);
            let (mut reader, _writer) = a.into_split();
            let poll =
                futures::AsyncRead::poll_read(std::pin::Pin::new(&mut reader), &mut cx, &mut buf);
            assert!(poll.is_pending());
            drop(reader);
            assert_eq!(Arc::strong_count(&nobody), 2, "the half has left");
        });
    });
}
