//! What goes wrong: resets, refusals, closed listeners, no descriptors left, runtimes that end.

use crate::common::watch;
use crate::pair::{descriptors, pair, waiting};
use gochan::net::{TcpListener, TcpStream};
use gochan::{Runtime, go};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_reset_by_the_peer_is_an_error_for_who_waits() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let reader = go(async move { a.read(&mut [0; 4]).await });
            waiting(reader.id());
            let socket = socket2::SockRef::from(&b);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
            drop(b);
            let error = reader.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        });
    });
}

#[test]
fn writing_to_a_peer_that_is_gone_fails() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            drop(b);
            let error = loop {
                if let Err(error) = a.write_all(&[0; 1024]).await {
                    break error;
                }
            };
            let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(gone.contains(&error.kind()), "{error}");
        });
    });
}

#[test]
fn an_exact_read_says_that_the_stream_has_ended() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            b.write_all(b"ab").await.unwrap();
            drop(b);
            let error = a.read_exact(&mut [0; 3]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        });
    });
}

#[test]
fn of_several_addresses_the_one_that_answers_is_taken() {
    watch(|| {
        gochan::run(async {
            let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
            let error = TcpStream::connect(nobody).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let addrs = [nobody, listener.local_addr()];
            let stream = TcpStream::connect(&addrs[..]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), addrs[1]);
            let none = TcpStream::connect(Vec::new()).await.unwrap_err();
            assert_eq!(none.kind(), ErrorKind::InvalidInput);
            let port = listener.local_addr().port();
            let named = TcpStream::connect(("localhost", port)).await.unwrap();
            assert_eq!(named.peer_addr().unwrap().port(), port);
            assert!(TcpStream::connect("no port here").await.is_err());
        });
    });
}

#[test]
fn a_listener_that_is_closed_tells_all_who_accept() {
    // In a process of its own: a child that another test starts shares our descriptors until it is another program, and the
    // listener takes connections for as long.
    if !in_a_child("faults::a_listener_that_is_closed_tells_all_who_accept") {
        return;
    }
    watch(|| {
        gochan::run(async {
            let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
            let acceptors: Vec<_> = (0..3)
                .map(|_| {
                    let listener = Arc::clone(&listener);
                    go(async move { listener.accept().await.unwrap_err() })
                })
                .collect();
            for acceptor in &acceptors {
                waiting(acceptor.id());
            }
            assert!(listener.close());
            assert!(!listener.close());
            for acceptor in acceptors {
                let error = acceptor.await.unwrap();
                assert_eq!(error.kind(), ErrorKind::NotConnected);
                assert_eq!(error.to_string(), "use of closed network connection");
            }
            assert!(listener.accept().await.is_err());
            let addr = listener.local_addr();
            let refused = TcpStream::connect(addr).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        });
    });
}

#[test]
fn dropping_what_waits_leaves_no_descriptor_and_the_rest_works() {
    // In a process of its own: others open and close descriptors at the same time.
    if !in_a_child("faults::dropping_what_waits_leaves_no_descriptor_and_the_rest_works") {
        return;
    }
    let rt = Runtime::builder().workers(2).build().unwrap();
    rt.block_on(async {
        drop(pair().await);
        let before = descriptors();
        for _ in 0..50 {
            let (a, b) = pair().await;
            let reader = go(async move { a.read(&mut [0; 4]).await });
            let connect = TcpStream::connect("127.0.0.1:1");
            reader.abort();
            assert!(reader.await.is_err());
            drop((b, connect));
        }
        assert_eq!(descriptors(), before);
        assert_eq!(rt.num_tasks(), 0);
    });
}

/// True in a child process that runs only this test. In the parent: runs it and judges it.
fn in_a_child(test: &str) -> bool {
    const MARK: &str = "GOCHAN_TEST_CHILD";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let me = std::env::current_exe().unwrap();
    let out = Command::new(me)
        .args([test, "--exact", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        out.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&out.stdout)
    );
    false
}

fn limit_descriptors(current: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(current);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

#[test]
fn without_descriptors_accept_waits_says_so_and_recovers() {
    if !in_a_child("faults::without_descriptors_accept_waits_says_so_and_recovers") {
        return;
    }
    watch(|| {
        gochan::run(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr()).await.unwrap();
            // One past the highest there is: no new one can be had.
            let highest = client.as_raw_fd() as u64 + 1;
            limit_descriptors(highest);
            let mut filled = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                filled.push(file);
            }
            let accepting = go(async move { (listener.accept().await, listener) });
            // It naps for want of descriptors.
            let (_, wait) = waiting(accepting.id());
            assert_eq!(wait.reason.as_str(), "sleep");
            drop(filled);
            limit_descriptors(highest + 16);
            let (accepted, listener) = accepting.await.unwrap();
            let (stream, _) = accepted.unwrap();
            stream.write_all(b"at last").await.unwrap();
            assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 7);

            // Closed in its nap, it ends.
            let _late = TcpStream::connect(listener.local_addr()).await.unwrap();
            limit_descriptors(3);
            let listener = Arc::new(listener);
            let theirs = Arc::clone(&listener);
            let accepting = go(async move { theirs.accept().await.map(drop) });
            waiting(accepting.id());
            listener.close();
            let error = accepting.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotConnected);
        });
    });
}

#[test]
fn ten_thousand_idle_connections() {
    if !in_a_child("faults::ten_thousand_idle_connections") {
        return;
    }
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    limit_descriptors(limit);
    // Both ends are ours: two descriptors each.
    let count = 10_000.min((limit as usize - 200) / 2);
    println!("connections: {count}, for a limit of {limit} descriptors");
    watch(move || {
        let rt = Runtime::builder().workers(2).build().unwrap();
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (mut ends, mut servers) = (Vec::new(), Vec::new());
            for _ in 0..count {
                ends.push(TcpStream::connect(listener.local_addr()).await.unwrap());
                let (stream, _) = listener.accept().await.unwrap();
                servers.push(go(async move {
                    let mut buf = [0; 8];
                    let n = stream.read(&mut buf).await.unwrap();
                    stream.write_all(&buf[..n]).await.unwrap();
                }));
            }
            assert_eq!(rt.num_tasks(), count);
            // All of them are still alive.
            for (n, end) in ends.iter().enumerate() {
                end.write_all(&n.to_le_bytes()).await.unwrap();
            }
            for (n, end) in ends.iter().enumerate() {
                let mut back = [0; 8];
                end.read_exact(&mut back).await.unwrap();
                assert_eq!(usize::from_le_bytes(back), n);
            }
            for server in servers {
                server.await.unwrap();
            }
        });
    });
}

#[test]
fn a_socket_outlives_the_runtime_that_it_was_made_in() {
    watch(|| (0..100).for_each(|_| outlives()));
}

/// Again and again: the reader may move its socket while the old poller is still telling the writer.
fn outlives() {
    let rt = Runtime::builder().workers(1).build().unwrap();
    let (a, b) = rt.block_on(pair());
    let waits = go(async move { (a.read(&mut [0; 4]).await.unwrap(), a) });
    waiting(waits.id());
    rt.shutdown();
    // The one who waits has moved to the default runtime's poller, by being woken.
    gochan::block_on(async {
        b.write_all(b"data").await.unwrap();
        let (n, a) = waits.await.unwrap();
        assert_eq!(n, 4);
        a.write_all(b"back").await.unwrap();
        assert_eq!(b.read(&mut [0; 8]).await.unwrap(), 4);
    });
}

#[test]
fn a_runtime_that_ends_drops_tasks_that_wait_for_sockets() {
    watch(|| {
        let rt = Runtime::builder().workers(2).build().unwrap();
        let (a, b) = rt.block_on(pair());
        let waits = rt.go(async move { a.read(&mut [0; 4]).await });
        waiting(waits.id());
        rt.shutdown();
        assert!(waits.wait().unwrap_err().is_cancelled());
        assert_eq!(b.read(&mut [0; 4]).wait().unwrap(), 0, "its end is closed");
    });
}
