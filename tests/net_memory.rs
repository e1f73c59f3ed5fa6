//! What connections and requests leave behind: nothing. A burst of them holds as many bytes afterwards as the one before it did.
//!
//! What it counts is every byte that the process holds, with an allocator of its own: so it is a file of its own with one test.
//!
//! What is kept on purpose is kept once, and no larger than the largest burst was: the records of tasks and the places of sockets, which
//! the next burst uses again; a global queue of 1024 places; threads that have nothing to do, for ten seconds.

mod common;

use common::alloc::{Counting, held};
use common::watch;
use gochan::Runtime;
use gochan::net::{TcpListener, TcpStream};
use gochan::sync::Barrier;
use std::sync::Arc;
use std::thread;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Connections that are open at the same time, and requests over each.
const CONNECTIONS: usize = 200;
const REQUESTS: usize = 10;
/// A thread that the system lets wait has its slot taken over, and the one that is started for it costs some bytes: once.
const BURSTS: usize = 20;

async fn serve(stream: TcpStream) {
    let mut buf = [0; 64];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        stream.write_all(&buf[..n]).await.unwrap();
    }
}

async fn request(addr: std::net::SocketAddr, all_here: Arc<Barrier>) {
    let stream = TcpStream::connect(addr).await.unwrap();
    all_here.wait().await;
    let mut buf = [0; 64];
    for n in 0..REQUESTS {
        stream.write_all(&[n as u8; 64]).await.unwrap();
        stream.read_exact(&mut buf).await.unwrap();
        assert_eq!(buf, [n as u8; 64]);
    }
    all_here.wait().await;
}

/// Everybody connects, asks and goes; the bytes that are held when the last task has ended.
fn burst(rt: &Runtime, listener: &Arc<TcpListener>) -> isize {
    let addr = listener.local_addr();
    let server = Arc::clone(listener);
    let accepting = rt.go(async move {
        for _ in 0..CONNECTIONS {
            let (stream, _) = server.accept().await.unwrap();
            drop(gochan::go(serve(stream)));
        }
    });
    let all_here = Arc::new(Barrier::new(CONNECTIONS));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| rt.go(request(addr, Arc::clone(&all_here))))
        .collect();
    for client in clients {
        client.wait().unwrap();
    }
    accepting.wait().unwrap();
    drop(all_here);
    // All workers sleep: nobody has anything in hand.
    loop {
        let metrics = rt.metrics();
        let (tasks, idle, workers) = (metrics.tasks, metrics.idle_workers, metrics.workers.len());
        drop(metrics);
        if tasks == 0 && idle == workers {
            return held();
        }
        thread::yield_now();
    }
}

#[test]
fn a_burst_of_connections_leaves_no_byte() {
    watch(|| {
        let rt = Runtime::builder().workers(2).build().unwrap();
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        // What is kept on purpose.
        burst(&rt, &listener);
        let mut seen = vec![burst(&rt, &listener)];
        while seen.len() < BURSTS {
            seen.push(burst(&rt, &listener));
            if let [.., before, now] = seen[..]
                && before == now
            {
                println!("bytes held after each burst: {seen:?}");
                return;
            }
        }
        panic!("each burst leaves something behind: {seen:?}");
    });
}
