//! tokio: its multi-threaded runtime, and its current-thread runtime for what one worker can do without any care
//! for others.

use super::{Executor, Http, LOOPBACK, Net, Succeeded};
use crate::cases::http::hello;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

pub struct Tokio(Runtime);

/// One worker: the thread that calls `run`.
pub struct TokioCurrent(Runtime);

impl Executor for Tokio {
    type Join<T: Send + 'static> = Succeeded<JoinHandle<T>>;

    fn start(workers: usize) -> Self {
        Tokio(
            Builder::new_multi_thread()
                .worker_threads(workers)
                .enable_all()
                .build()
                .expect("a runtime"),
        )
    }

    fn run<T: Send + 'static>(&self, f: impl Future<Output = T> + Send + 'static) -> T {
        self.wait(self.spawn_from_outside(f))
    }

    fn spawn<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Succeeded::new(tokio::spawn(f))
    }

    fn spawn_from_outside<T: Send + 'static>(
        &self,
        f: impl Future<Output = T> + Send + 'static,
    ) -> Self::Join<T> {
        Succeeded::new(self.0.spawn(f))
    }

    fn wait<T: Send + 'static>(&self, join: Self::Join<T>) -> T {
        self.0.block_on(join)
    }

    fn detach<T: Send + 'static>(_: Self::Join<T>) {}

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn sleep(d: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(d)
    }
}

impl Executor for TokioCurrent {
    type Join<T: Send + 'static> = Succeeded<JoinHandle<T>>;

    fn start(_: usize) -> Self {
        TokioCurrent(
            Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
        )
    }

    fn run<T: Send + 'static>(&self, f: impl Future<Output = T> + Send + 'static) -> T {
        self.wait(self.spawn_from_outside(f))
    }

    fn spawn<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Tokio::spawn(f)
    }

    fn spawn_from_outside<T: Send + 'static>(
        &self,
        f: impl Future<Output = T> + Send + 'static,
    ) -> Self::Join<T> {
        Succeeded::new(self.0.spawn(f))
    }

    fn wait<T: Send + 'static>(&self, join: Self::Join<T>) -> T {
        self.0.block_on(join)
    }

    fn detach<T: Send + 'static>(_: Self::Join<T>) {}

    fn yield_now() -> impl Future<Output = ()> + Send {
        Tokio::yield_now()
    }

    fn sleep(d: Duration) -> impl Future<Output = ()> + Send {
        Tokio::sleep(d)
    }
}

impl Net for Tokio {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn bind() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a listener");
        let addr = listener.local_addr().expect("an address");
        (listener, addr)
    }

    async fn accept(listener: &TcpListener) -> TcpStream {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream
    }

    async fn connect(addr: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(addr).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream
    }

    async fn read(stream: &mut TcpStream, buf: &mut [u8]) -> usize {
        stream.read(buf).await.expect("bytes")
    }

    async fn write_all(stream: &mut TcpStream, buf: &[u8]) {
        stream.write_all(buf).await.expect("room");
    }
}

impl Http for Tokio {
    async fn serve(stream: TcpStream) {
        // How a connection ends is the peer's affair.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service_fn(hello))
            .await;
    }
}
