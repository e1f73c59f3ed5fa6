//! An executor as a peer. One file below for each.
//!
//! 1. What is measured always runs in tasks on the workers, never on the thread that waits for it: the two are
//!    different machines in most executors.
//! 2. An executor is started once in a process and never shut down: what is left parked dies with the process.

mod gochan;
mod smol;
mod tokio;

pub use self::gochan::Gochan;
pub use self::smol::Smol;
pub use self::tokio::{Tokio, TokioCurrent};

use crate::measure::{Figure, Operation, Spent};
use pin_project_lite::pin_project;
use std::fmt::Debug;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pub trait Executor: Sized + Send + Sync + 'static {
    /// Joins a task by awaiting it.
    type Join<T: Send + 'static>: Future<Output = T> + Send + 'static;

    fn start(workers: usize) -> Self;

    /// Runs `f` as a task and blocks the calling thread, which is no worker, until it is done.
    fn run<T: Send + 'static>(&self, f: impl Future<Output = T> + Send + 'static) -> T;

    /// Spawns from a task.
    fn spawn<T: Send + 'static>(f: impl Future<Output = T> + Send + 'static) -> Self::Join<T>;

    /// Spawns from a thread that is no worker.
    fn spawn_from_outside<T: Send + 'static>(
        &self,
        f: impl Future<Output = T> + Send + 'static,
    ) -> Self::Join<T>;

    /// Joins from a thread that is no worker.
    fn wait<T: Send + 'static>(&self, join: Self::Join<T>) -> T;

    fn detach<T: Send + 'static>(join: Self::Join<T>);

    fn yield_now() -> impl Future<Output = ()> + Send;

    fn sleep(d: Duration) -> impl Future<Output = ()> + Send;
}

/// An executor that has sockets, or a crate that has them for it.
pub trait Net: Executor {
    type Listener: Send + Sync + 'static;
    type Stream: Send + 'static;

    /// Listens at a free port of the loopback address.
    fn bind() -> impl Future<Output = (Self::Listener, SocketAddr)> + Send;

    fn accept(listener: &Self::Listener) -> impl Future<Output = Self::Stream> + Send;

    fn connect(addr: SocketAddr) -> impl Future<Output = Self::Stream> + Send;

    fn read(stream: &mut Self::Stream, buf: &mut [u8]) -> impl Future<Output = usize> + Send;

    fn write_all(stream: &mut Self::Stream, buf: &[u8]) -> impl Future<Output = ()> + Send;
}

/// Sockets for hyper's server.
pub trait Http: Net {
    /// Answers all requests of a connection.
    fn serve(stream: Self::Stream) -> impl Future<Output = ()> + Send + 'static;
}

/// The address to listen at.
const LOOPBACK: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// Binds a case to an executor: each call runs it as a task there.
pub fn on<E, F, Fut>(case: F) -> impl Fn(usize) -> Operation + 'static
where
    E: Executor,
    F: Fn(u64) -> Fut + Clone + 'static,
    Fut: Future<Output = Spent> + Send + 'static,
{
    move |workers| {
        let executor = E::start(workers);
        let case = case.clone();
        Box::new(move |n| executor.run(case(n)))
    }
}

/// Likewise a case that gives figures.
pub fn figures_on<E, F, Fut>(case: F) -> impl Fn(usize) -> Vec<Figure> + 'static
where
    E: Executor,
    F: Fn() -> Fut + 'static,
    Fut: Future<Output = Vec<Figure>> + Send + 'static,
{
    // Leaked: some peers drop 200,000 parked tasks in quadratic time.
    move |workers| Box::leak(Box::new(E::start(workers))).run(case())
}

/// A case on plain threads, or on none.
pub fn on_threads(
    case: impl Fn(u64) -> Spent + Clone + 'static,
) -> impl Fn(usize) -> Operation + 'static {
    move |_| Box::new(case.clone())
}

pin_project! {
    /// A join handle whose task must have ended well.
    pub struct Succeeded<J> {
        #[pin]
        join: J,
    }
}

impl<J> Succeeded<J> {
    fn new(join: J) -> Self {
        Succeeded { join }
    }

    fn into_inner(self) -> J {
        self.join
    }
}

impl<J: Future<Output = Result<T, E>>, T, E: Debug> Future for Succeeded<J> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Poll::Ready(ready!(self.project().join.poll(cx)).expect("the task ends well"))
    }
}
