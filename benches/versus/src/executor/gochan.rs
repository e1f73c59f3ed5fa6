//! gochan's own runtime.

use super::{Executor, Http, LOOPBACK, Net, Succeeded};
use crate::cases::http::hello;
use gochan::Runtime;
use gochan::net::hyper::Timer;
use gochan::net::{TcpListener, TcpStream};
use gochan::task::JoinHandle;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

pub struct Gochan(Runtime);

impl Executor for Gochan {
    type Join<T: Send + 'static> = Succeeded<JoinHandle<T>>;

    fn start(workers: usize) -> Self {
        Gochan(
            Runtime::builder()
                .workers(workers)
                .build()
                .expect("a runtime"),
        )
    }

    fn run<T: Send + 'static>(&self, f: impl Future<Output = T> + Send + 'static) -> T {
        self.wait(self.spawn_from_outside(f))
    }

    fn spawn<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Succeeded::new(gochan::go(f))
    }

    fn spawn_from_outside<T: Send + 'static>(
        &self,
        f: impl Future<Output = T> + Send + 'static,
    ) -> Self::Join<T> {
        Succeeded::new(self.0.go(f))
    }

    fn wait<T: Send + 'static>(&self, join: Self::Join<T>) -> T {
        join.into_inner().wait().expect("the task ends well")
    }

    fn detach<T: Send + 'static>(_: Self::Join<T>) {}

    fn yield_now() -> impl Future<Output = ()> + Send {
        gochan::yield_now()
    }

    fn sleep(d: Duration) -> impl Future<Output = ()> + Send {
        gochan::sleep(d)
    }
}

impl Net for Gochan {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn bind() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(LOOPBACK).expect("a listener");
        let addr = listener.local_addr();
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

impl Http for Gochan {
    async fn serve(stream: TcpStream) {
        // How a connection ends is the peer's affair.
        let _ = http1::Builder::new()
            .timer(Timer::new())
            .serve_connection(stream, service_fn(hello))
            .await;
    }
}
