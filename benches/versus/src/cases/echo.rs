//! H01, H02: sockets. H01: one operation is 64 bytes there and back over a loopback connection, clients and servers all tasks
//! of one runtime. H02: the resident bytes of a connection whose server waits for its first byte; the clients' ends
//! are the standard library's.

use super::share;
use crate::executor::Net;
use crate::measure::{Figure, Spent};
use crate::process::{more_descriptors, resident_bytes};
use crate::registry::{BOTH, Registry, TWO};
use std::mem::forget;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SIZE: usize = 64;
const IDLE: u64 = 4_000;

pub fn register(rows: &mut Registry) {
    with_sockets!(enter_executor!(
        rows,
        repeated,
        "H01_echo_64B_1conn",
        BOTH,
        echo(1)
    ));
    with_sockets!(enter_executor!(
        rows,
        repeated,
        "H01_echo_64B_64conn",
        BOTH,
        echo(64)
    ));
    with_sockets!(enter_executor_figures!(
        rows,
        2,
        "H02_mem_idle_conn",
        TWO,
        idle()
    ));
}

async fn echo<E: Net>(n: u64, connections: u64) -> Spent {
    let (listener, addr) = E::bind().await;
    let server = E::spawn(async move {
        for _ in 0..connections {
            let mut stream = E::accept(&listener).await;
            E::detach(E::spawn(async move {
                let mut buf = [0; 1024];
                loop {
                    match E::read(&mut stream, &mut buf).await {
                        0 => return,
                        n => E::write_all(&mut stream, &buf[..n]).await,
                    }
                }
            }));
        }
    });
    let rounds = share(n, connections);
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(E::connect(addr).await);
    }
    server.await;
    let start = Instant::now();
    let clients: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            E::spawn(async move {
                let (out, mut back) = ([7; SIZE], [0; SIZE]);
                for _ in 0..rounds {
                    E::write_all(&mut stream, &out).await;
                    let mut done = 0;
                    while done < SIZE {
                        done += E::read(&mut stream, &mut back[done..]).await;
                    }
                    assert_eq!(out, back);
                }
            })
        })
        .collect();
    for client in clients {
        client.await;
    }
    Spent::since(start, rounds * connections)
}

async fn idle<E: Net>() -> Vec<Figure> {
    more_descriptors();
    let (listener, addr) = E::bind().await;
    // What is made once is not counted.
    forget(TcpStream::connect(addr).expect("a connection"));
    let first = E::accept(&listener).await;
    let before = resident_bytes();
    for _ in 0..IDLE {
        forget(TcpStream::connect(addr).expect("a connection"));
        let mut stream = E::accept(&listener).await;
        E::detach(E::spawn(async move {
            let mut buf = [0; SIZE];
            E::read(&mut stream, &mut buf).await;
        }));
    }
    E::sleep(Duration::from_millis(100)).await;
    let bytes = resident_bytes() - before;
    forget(first);
    vec![Figure::new(
        "bytes_per_connection",
        "B",
        bytes / IDLE as f64,
    )]
}
