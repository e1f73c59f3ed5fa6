//! TCP streams and listeners.

use crate::common::watch;
use gochan::net::{TcpListener, TcpStream};
use gochan::{Runtime, go, select};
use std::io::ErrorKind;
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// A connection over loopback, both ends of it.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr();
    let connecting = go(TcpStream::connect(addr));
    let (a, _) = listener.accept().await.unwrap();
    (a, connecting.await.unwrap().unwrap())
}

#[test]
fn echo_until_the_peer_has_said_all() {
    watch(|| {
        let rt = Runtime::builder().workers(2).build().unwrap();
        rt.block_on(async {
            let (a, b) = pair().await;
            let echo = go(async move {
                let (mut buf, mut total) = ([0; 1000], 0);
                loop {
                    match a.read(&mut buf).await.unwrap() {
                        0 => return total,
                        n => a.write_all(&buf[..n]).await.unwrap(),
                    }
                    total += 1;
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
            assert!(echo.await.unwrap() >= 1000);
        });
    });
}

#[test]
fn a_deadline_ends_the_read_that_waits_and_a_new_one_revives() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            a.set_read_deadline(Some(Instant::now() + Duration::from_millis(3)));
            let late = a.read(&mut [0; 4]).await.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::TimedOut);
            b.write_all(b"data").await.unwrap();
            assert!(a.read(&mut [0; 4]).await.is_err(), "though there is data");
            a.set_read_deadline(None);
            assert_eq!(a.read(&mut [0; 4]).await.unwrap(), 4);
        });
    });
}

#[test]
fn reads_and_accepts_are_arms() {
    watch(|| {
        gochan::run(async {
            let (a, b) = pair().await;
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut buf = [0; 4];
            let n = select! {
                n = a.read(&mut buf) => n.unwrap(),
                _ = listener.accept() => unreachable!(),
                default => 99,
            };
            assert_eq!(n, 99);
            go(async move {
                b.write_all(b"abc").await.unwrap();
                gochan::sleep(Duration::from_secs(60)).await
            });
            let n = select! {
                n = a.read(&mut buf) => n.unwrap(),
                _ = listener.accept() => unreachable!(),
            };
            assert_eq!(&buf[..n], b"abc");
        });
    });
}
