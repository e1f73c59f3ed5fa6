//! gochan's own runtime.

use super::{Executor, Succeeded};
use gochan::Runtime;
use gochan::task::JoinHandle;
use std::future::Future;
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
