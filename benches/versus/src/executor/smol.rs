//! smol: one `async-executor` driven by as many threads as workers are asked for, each in `async-io`'s block_on, as
//! the smol crate sets it up.

use super::{Executor, LOOPBACK, Net};
use async_executor::{Executor as Global, Task};
use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::future::{Future, pending};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

static GLOBAL: Global<'static> = Global::new();

pub struct Smol(());

impl Executor for Smol {
    type Join<T: Send + 'static> = Task<T>;

    fn start(workers: usize) -> Self {
        for _ in 0..workers {
            std::thread::spawn(|| async_io::block_on(GLOBAL.run(pending::<()>())));
        }
        Smol(())
    }

    fn run<T: Send + 'static>(&self, f: impl Future<Output = T> + Send + 'static) -> T {
        let (tx, rx) = mpsc::channel();
        let task = GLOBAL.spawn(async move {
            let answer = f.await;
            // The other end waits below and leaves only with this value.
            let _ = tx.send(answer);
        });
        task.detach();
        rx.recv().expect("the task ends well")
    }

    fn spawn<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> Task<T> {
        GLOBAL.spawn(f)
    }

    fn spawn_from_outside<T: Send + 'static>(
        &self,
        f: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        GLOBAL.spawn(f)
    }

    fn wait<T: Send + 'static>(&self, join: Task<T>) -> T {
        futures_lite::future::block_on(join)
    }

    fn detach<T: Send + 'static>(join: Task<T>) {
        join.detach()
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        futures_lite::future::yield_now()
    }

    async fn sleep(d: Duration) {
        async_io::Timer::after(d).await;
    }
}

impl Net for Smol {
    type Listener = Async<TcpListener>;
    type Stream = Async<TcpStream>;

    async fn bind() -> (Async<TcpListener>, SocketAddr) {
        let listener = Async::<TcpListener>::bind(LOOPBACK).expect("a listener");
        let addr = listener.get_ref().local_addr().expect("an address");
        (listener, addr)
    }

    async fn accept(listener: &Async<TcpListener>) -> Async<TcpStream> {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.get_ref().set_nodelay(true).expect("an option");
        stream
    }

    async fn connect(addr: SocketAddr) -> Async<TcpStream> {
        let stream = Async::<TcpStream>::connect(addr)
            .await
            .expect("a connection");
        stream.get_ref().set_nodelay(true).expect("an option");
        stream
    }

    async fn read(stream: &mut Async<TcpStream>, buf: &mut [u8]) -> usize {
        stream.read(buf).await.expect("bytes")
    }

    async fn write_all(stream: &mut Async<TcpStream>, buf: &[u8]) {
        stream.write_all(buf).await.expect("room");
    }
}
