//! `OnceValue`: a function that is called once, and its value (Go's sync/oncefunc.go): a [`OnceCell`] with its initialiser.
//!
//! What it is not: a cell that anybody else may fill, or that tries again when its function has panicked: as in Go the panic
//! is the outcome then.
//!
//! Invariants
//! 1. The function runs under the turn of the cell, so once at a time; a panic is caught and fills the cell.
//! 2. Only a future that is dropped on its way leaves the cell empty, and the next who waits calls the function anew.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::once_cell::{Init, OnceCell};
use super::singleflight::text_of;
use crate::hook::ObjId;
use crate::shim::const_fn;
use crate::util::CatchUnwind;
use crate::wait::parker;

/// A function that is called once, by whoever comes first; all others wait for its value. Follows Go's `sync.OnceValue`
/// (src/sync/oncefunc.go): if it panics, every call does, and it is not called again. What Go has no word for: a call that is
/// dropped while the function runs lets the next one in the queue begin anew.
///
/// Where the value comes from several places, or a failure is to be tried again, use a [`OnceCell`].
///
/// ```
/// use gochan::sync::OnceValue;
///
/// gochan::run(async {
///     let config = OnceValue::new(|| async { "loaded".to_string() });
///     assert_eq!(config.get().await, "loaded");
///     assert_eq!(config.get().await, "loaded");
/// });
/// ```
pub struct OnceValue<T, F> {
    cell: OnceCell<Ended<T>>,
    make: F,
}

/// A function without a value that is called once. Follows Go's `sync.OnceFunc` (src/sync/oncefunc.go).
///
/// ```
/// use gochan::sync::OnceFunc;
///
/// gochan::run(async {
///     let setup = OnceFunc::new(|| async { println!("once") });
///     setup.call().await;
///     setup.call().await;
/// });
/// ```
pub type OnceFunc<F> = OnceValue<(), F>;

/// How the function ended.
enum Ended<T> {
    Value(T),
    /// What the panic said.
    Panicked(String),
}

impl<T, F> OnceValue<T, F> {
    const_fn! {
        /// `make` has not been called yet.
        #[must_use]
        #[track_caller]
        pub fn new(make: F) -> OnceValue<T, F> {
            OnceValue { cell: OnceCell::new(), make }
        }
    }

    /// Whether the function has ended, well or with a panic. Never waits.
    pub fn is_completed(&self) -> bool {
        self.cell.is_initialized()
    }

    /// Gives it a name, which dumps and reports show.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let (cell, make) = (self.cell.named(name), self.make);
        OnceValue { cell, make }
    }

    /// Its name.
    pub fn name(&self) -> Option<std::sync::Arc<str>> {
        self.cell.name()
    }

    /// Its number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.cell.id()
    }
}

impl<T, F, Fut> OnceValue<T, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    /// The value of the function, which is called if nobody has done so before.
    ///
    /// # Panics
    /// If the function or its future has panicked: whoever ran it with the payload, all others with what the panic said.
    ///
    /// # Cancellation
    /// Safe at any time. Dropped while the function's future runs, that is dropped too, and the next who waits begins anew.
    #[track_caller]
    pub fn get(&self) -> GetValue<'_, T, F, Fut> {
        GetValue {
            init: Init::new(&self.cell, &self.make, Location::caller()),
            value: self,
            panic: None,
        }
    }

    /// As [`get`](Self::get), blocking this thread. Not for tasks: it would block their worker.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    ///
    /// ```
    /// let seven = gochan::sync::OnceValue::new(|| async { 7 });
    /// assert_eq!(seven.get_blocking(), &7);
    /// ```
    #[track_caller]
    pub fn get_blocking(&self) -> &T {
        self.get().wait()
    }
}

impl<F, Fut> OnceValue<(), F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    /// Calls the function, if nobody has done so before. When this is over it has been called.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    ///
    /// # Cancellation
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn call(&self) -> GetValue<'_, (), F, Fut> {
        self.get()
    }

    /// As [`call`](Self::call), blocking this thread. Not for tasks: it would block their worker.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn call_blocking(&self) {
        self.get().wait();
    }
}

pin_project! {
    /// The function as it runs: called at the first poll, so that its panic is caught like that of its future.
    struct Called<'a, F, Fut> {
        make: &'a F,
        #[pin]
        future: Option<Fut>,
    }
}

impl<F, Fut> Future for Called<'_, F, Fut>
where
    F: Fn() -> Fut,
    Fut: Future,
{
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        let mut this = self.project();
        if this.future.is_none() {
            let future = (this.make)();
            this.future.set(Some(future));
        }
        this.future.as_pin_mut().expect("just made").poll(cx)
    }
}

pin_project! {
    /// The value of a function that is called once, made by [`OnceValue::get`].
    ///
    /// # Cancellation
    /// Safe at any time. Dropped while the function's future runs, that is dropped too, and the next who waits begins anew.
    #[must_use = "futures do nothing unless awaited"]
    pub struct GetValue<'a, T, F, Fut> {
        #[pin]
        init: Init<&'a OnceCell<Ended<T>>, &'a F, CatchUnwind<Called<'a, F, Fut>>>,
        value: &'a OnceValue<T, F>,
        panic: Option<Box<dyn Any + Send>>,
    }
}

impl<'a, T, F, Fut> GetValue<'a, T, F, Fut>
where
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    /// Blocks this thread until the value is there. Not for tasks: it would block their worker.
    pub fn wait(self) -> &'a T {
        parker::block_on(self)
    }
}

impl<'a, T, F, Fut> Future for GetValue<'a, T, F, Fut>
where
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    type Output = &'a T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'a T> {
        let this = self.project();
        let call = |make| CatchUnwind::new(Called { make, future: None });
        let done = this.init.poll(cx, call, |output| {
            Ok::<_, Infallible>(match output {
                Ok(value) => Ended::Value(value),
                Err(payload) => {
                    let text = text_of(&*payload);
                    *this.panic = Some(payload);
                    Ended::Panicked(text)
                }
            })
        });
        let Ok(()) = ready!(done);
        if let Some(panic) = this.panic.take() {
            resume_unwind(panic);
        }
        match this.value.cell.get() {
            Some(Ended::Value(value)) => Poll::Ready(value),
            Some(Ended::Panicked(text)) => {
                panic!("sync: the function of a OnceValue panicked: {text}")
            }
            None => unreachable!("the initialisation has filled the cell"),
        }
    }
}

impl<T, F, Fut> fmt::Debug for GetValue<'_, T, F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GetValue").field(self.value).finish()
    }
}

impl<T, F> fmt::Debug for OnceValue<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("OnceValue");
        out.field("id", &format_args!("{}", self.id()));
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        out.field("completed", &self.is_completed())
            .finish_non_exhaustive()
    }
}
