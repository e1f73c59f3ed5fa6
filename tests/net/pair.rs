//! What these tests share: a connection, a task that is known to wait, descriptors counted.

use gochan::diag::{TaskInfo, Wait, dump};
use gochan::go;
use gochan::hook::ObjId;
use gochan::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// A connection over loopback, both ends of it.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connecting = go(TcpStream::connect(listener.local_addr()));
    let (a, _) = listener.accept().await.unwrap();
    (a, connecting.await.unwrap().unwrap())
}

/// The task, once it waits for a socket.
pub(crate) fn waiting(id: ObjId) -> (TaskInfo, Wait) {
    let begin = Instant::now();
    loop {
        let dump = dump();
        let task = dump.task(id).filter(|task| task.wait.is_some());
        if let Some(task) = task {
            return (task.clone(), task.wait.clone().unwrap());
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{dump}");
        thread::yield_now();
    }
}

/// Descriptors that this process has open.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
