//! Other sockets, other executors, other crates' traits, plain threads, signals.

use crate::common::watch;
use crate::pair::pair;
use futures::io::{AsyncReadExt as _, AsyncWriteExt as _};
use gochan::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use gochan::{Runtime, go, select};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

assert_impl_all!(TcpStream: Send, Sync, Unpin);
assert_impl_all!(TcpListener: Send, Sync, Unpin);
assert_impl_all!(UdpSocket: Send, Sync, Unpin);
assert_impl_all!(UnixStream: Send, Sync, Unpin);
assert_impl_all!(gochan::net::Connect: Send, Sync, Unpin);
assert_impl_all!(gochan::net::Accept: Send, Sync, Unpin);
assert_impl_all!(gochan::net::OwnedReadHalf<TcpStream>: Send, Sync, Unpin);
assert_not_impl_any!(TcpStream: Clone);

#[test]
fn udp_there_and_back_and_its_deadline() {
    watch(|| {
        gochan::run(async {
            let a = UdpSocket::bind("127.0.0.1:0").unwrap();
            let b = UdpSocket::bind("127.0.0.1:0").unwrap();
            let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
            let mut buf = [0; 16];
            for n in 0..100u8 {
                a.send_to(&[n; 9], at_b).await.unwrap();
                assert_eq!(b.peek_from(&mut buf).await.unwrap(), (9, at_a));
                assert_eq!(b.recv_from(&mut buf).await.unwrap(), (9, at_a));
                assert_eq!(buf[..9], [n; 9]);
            }
            b.set_read_deadline(Some(Instant::now() + Duration::from_millis(2)));
            let late = b.recv_from(&mut buf).await.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::TimedOut);
            b.set_read_deadline(None);
            let got = select! {
                got = b.recv_from(&mut buf) => Some(got.unwrap()),
                default => None,
            };
            assert_eq!(got, None);
        });
    });
}

#[test]
fn unix_streams_and_listeners() {
    watch(|| {
        gochan::run(async {
            let dir = std::env::temp_dir().join(format!("gochan-net-{}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            let path = dir.join("socket");
            let listener = UnixListener::bind(&path).unwrap();
            let client = UnixStream::connect(&path).unwrap();
            let (server, _) = listener.accept().await.unwrap();
            client.write_all(b"over a path").await.unwrap();
            let mut buf = [0; 32];
            assert_eq!(server.read(&mut buf).await.unwrap(), 11);
            listener.close();
            assert!(listener.accept().await.is_err());
            std::fs::remove_dir_all(&dir).unwrap();
        });
    });
}

#[test]
fn plain_threads_wait_for_sockets() {
    watch(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr();
        let client = std::thread::spawn(move || {
            let stream = TcpStream::connect(addr).wait().unwrap();
            stream.write_all(b"from a thread").wait().unwrap();
            let mut buf = [0; 4];
            stream.read_exact(&mut buf).wait().unwrap();
            buf
        });
        let (stream, _) = listener.accept().wait().unwrap();
        let mut buf = [0; 13];
        stream.read_exact(&mut buf).wait().unwrap();
        assert_eq!(&buf, b"from a thread");
        stream.write_all(b"back").wait().unwrap();
        assert_eq!(&client.join().unwrap(), b"back");
    });
}

/// Nothing of ours polls there: the default runtime's workers wake whoever waits.
#[test]
fn tasks_of_other_executors_wait_for_sockets() {
    watch(|| {
        let rt = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let addr = listener.local_addr();
            let echo = tokio::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                let mut buf = [0; 64];
                loop {
                    match stream.read(&mut buf).await.unwrap() {
                        0 => return,
                        n => stream.write_all(&buf[..n]).await.unwrap(),
                    }
                }
            });
            let client = TcpStream::connect(addr).await.unwrap();
            for n in 0..200u32 {
                client.write_all(&n.to_le_bytes()).await.unwrap();
                let mut back = [0; 4];
                client.read_exact(&mut back).await.unwrap();
                assert_eq!(u32::from_le_bytes(back), n);
            }
            drop(client);
            echo.await.unwrap();
        });
        futures::executor::block_on(async {
            let (a, b) = pair().await;
            b.write_all(b"futures").await.unwrap();
            assert_eq!(a.read(&mut [0; 16]).await.unwrap(), 7);
        });
    });
}

#[test]
fn the_traits_of_futures_io() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let copy = go(async move {
                let (reader, writer) = a.into_split();
                futures::io::copy(reader, &mut { writer }).await.unwrap()
            });
            let (mut reader, mut writer) = b.into_split();
            let sent = vec![7; 1 << 20];
            let theirs = sent.clone();
            let writing = go(async move {
                futures::io::AsyncWriteExt::write_all(&mut writer, &theirs)
                    .await
                    .unwrap();
                writer.close().await.unwrap();
            });
            let mut back = Vec::new();
            reader.read_to_end(&mut back).await.unwrap();
            assert!(back == sent);
            writing.await.unwrap();
            assert_eq!(copy.await.unwrap(), 1 << 20);
        });
    });
}

#[test]
#[cfg(feature = "tokio-io")]
fn the_traits_of_tokio() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    watch(|| {
        gochan::run(async {
            let (a, mut b) = pair().await;
            let copy = go(async move {
                let (mut reader, mut writer) = a.into_split();
                tokio::io::copy(&mut reader, &mut writer).await.unwrap()
            });
            let sent = vec![9; 1 << 16];
            AsyncWriteExt::write_all(&mut b, &sent).await.unwrap();
            AsyncWriteExt::shutdown(&mut b).await.unwrap();
            let mut back = Vec::new();
            AsyncReadExt::read_to_end(&mut b, &mut back).await.unwrap();
            assert!(back == sent);
            assert_eq!(copy.await.unwrap(), 1 << 16);
        });
    });
}

#[test]
fn halves_are_made_whole_only_with_their_own() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let ((ra, wa), (rb, wb)) = (a.into_split(), b.into_split());
            let error = ra.reunite(wb).unwrap_err();
            assert_eq!(error.to_string(), "the halves are of different streams");
            let a = error.0.reunite(wa).unwrap();
            let b = rb.reunite(error.1).unwrap();
            a.write_all(b"whole").await.unwrap();
            assert_eq!(b.read(&mut [0; 8]).await.unwrap(), 5);
        });
    });
}

/// While a task keeps the only worker busy with others, and while all sleep.
#[test]
fn sockets_have_their_turn_beside_tasks_that_never_end() {
    watch(|| {
        let rt = Runtime::builder().workers(1).build().unwrap();
        rt.block_on(async {
            let (a, b) = pair().await;
            let busy = go(async {
                loop {
                    gochan::yield_now().await;
                }
            });
            let echo = go(async move {
                let mut buf = [0; 4];
                for _ in 0..100 {
                    a.read_exact(&mut buf).await.unwrap();
                    a.write_all(&buf).await.unwrap();
                }
            });
            for _ in 0..100 {
                b.write_all(b"ping").await.unwrap();
                b.read_exact(&mut [0; 4]).await.unwrap();
            }
            echo.await.unwrap();
            busy.abort();
        });
    });
}

#[test]
fn timers_come_while_the_only_worker_waits_for_sockets() {
    watch(|| {
        let rt = Runtime::builder().workers(1).build().unwrap();
        let (a, _b) = rt.block_on(pair());
        let idle = rt.go(async move { a.read(&mut [0; 4]).await });
        crate::pair::waiting(idle.id());
        // From another thread, while the worker is in the poller: the timer must get it out.
        for _ in 0..50 {
            let begin = Instant::now();
            let nap = Duration::from_micros(300);
            rt.go(async move { gochan::sleep(nap).await })
                .wait()
                .unwrap();
            assert!(begin.elapsed() >= nap);
        }
    });
}

#[test]
fn a_signal_is_received_and_its_end_leaves_nothing() {
    use gochan::signal::{Signal, notify};
    watch(|| {
        let rt = Runtime::builder().workers(1).build().unwrap();
        rt.block_on(async {
            let signals = notify(&[Signal::USR2, Signal::WINCH]).unwrap();
            signal_hook::low_level::raise(Signal::USR2.number()).unwrap();
            assert_eq!(signals.recv().await, Ok(Signal::USR2));
            signal_hook::low_level::raise(Signal::WINCH.number()).unwrap();
            assert_eq!(signals.recv().await, Ok(Signal::WINCH));
            drop(signals);
            while rt.num_tasks() > 0 {
                gochan::yield_now().await;
            }
            let error = notify(&[Signal::from_number(9)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        });
    });
}
