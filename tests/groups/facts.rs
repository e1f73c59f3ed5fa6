//! Auto traits and sizes.

use gochan::SetError;
use gochan::sync::barrier::{BarrierFuture, BarrierStats, BarrierWaitResult};
use gochan::sync::once::CallOnce;
use gochan::sync::once_cell::{GetOrInit, GetOrTryInit, OnceFuture};
use gochan::sync::once_value::GetValue;
use gochan::sync::singleflight::{Run, WithShared};
use gochan::sync::waitgroup::{Token, WaitGroupFuture, WaitGroupStats};
use gochan::sync::{Barrier, Once, OnceCell, OnceFunc, OnceValue, SingleFlight, WaitGroup};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::cell::Cell;
use std::future::Ready;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

/// May move to another thread, may not be shared with one.
type Mover = Cell<u8>;
/// Bound to its thread.
type Local = Rc<u8>;
type Make<T> = fn() -> Ready<T>;

assert_impl_all!(WaitGroup: Send, Sync, Unpin, Clone, Default, UnwindSafe, RefUnwindSafe);
assert_impl_all!(Token: Send, Sync, Unpin, UnwindSafe);
assert_not_impl_any!(Token: Clone);
assert_impl_all!(WaitGroupFuture<'static>: Send);
assert_not_impl_any!(WaitGroupFuture<'static>: Unpin);
assert_impl_all!(WaitGroupStats: Send, Sync, Copy, Eq);

assert_impl_all!(Once: Send, Sync, Default);
assert_impl_all!(OnceCell<u8>: Send, Sync, Default);
assert_impl_all!(OnceCell<Mover>: Send);
assert_not_impl_any!(OnceCell<Mover>: Sync);
assert_not_impl_any!(OnceCell<Local>: Send, Sync);
assert_impl_all!(OnceFuture<'static, u8>: Send);
assert_not_impl_any!(OnceFuture<'static, Mover>: Send);
assert_impl_all!(GetOrInit<'static, u8, Make<u8>, Ready<u8>>: Send);
assert_not_impl_any!(GetOrInit<'static, Mover, Make<Mover>, Ready<Mover>>: Send);
assert_impl_all!(GetOrTryInit<'static, u8, Make<u8>, Ready<Result<u8, u8>>>: Send);
assert_impl_all!(CallOnce<'static, Make<()>, Ready<()>>: Send);
assert_impl_all!(SetError<u8>: Send, Sync, Copy, Eq, std::error::Error);
assert_not_impl_any!(SetError<Local>: Send, Sync);

assert_impl_all!(OnceValue<u8, Make<u8>>: Send, Sync);
assert_impl_all!(OnceFunc<Make<()>>: Send, Sync);
assert_not_impl_any!(OnceValue<Mover, Make<Mover>>: Sync);
assert_not_impl_any!(OnceValue<u8, Local>: Send, Sync);
assert_impl_all!(GetValue<'static, u8, Make<u8>, Ready<u8>>: Send);

assert_impl_all!(Barrier: Send, Sync);
assert_impl_all!(BarrierFuture<'static>: Send);
assert_not_impl_any!(BarrierFuture<'static>: Unpin);
assert_impl_all!(BarrierWaitResult: Send, Sync, Copy, Eq);
assert_impl_all!(BarrierStats: Send, Sync, Copy, Eq);

assert_impl_all!(SingleFlight<u8, u8>: Send, Sync, Default);
assert_not_impl_any!(SingleFlight<Local, u8>: Send, Sync);
assert_not_impl_any!(SingleFlight<u8, Local>: Send, Sync);
assert_impl_all!(Run<'static, u8, u8, Ready<u8>>: Send);
assert_impl_all!(WithShared<'static, u8, u8, Ready<u8>>: Send);

#[test]
fn small() {
    assert!(size_of::<WaitGroup>() <= 24);
    assert!(size_of::<Token>() <= 16);
    assert!(size_of::<WaitGroupFuture<'_>>() <= 128);
    assert!(size_of::<OnceCell<u64>>() <= 112);
}
