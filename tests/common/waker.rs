//! Wakers made by hand: what they do on wake, on clone and on drop is up to the test.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// Called at each event of a [`Hooked`] waker.
pub(crate) type Action = Box<dyn Fn() + Send + Sync>;

/// What a waker does, and how often it was asked to.
#[derive(Default)]
pub(crate) struct Hooked {
    pub(crate) on_wake: Option<Action>,
    pub(crate) on_clone: Option<Action>,
    pub(crate) on_drop: Option<Action>,
    pub(crate) wakes: AtomicUsize,
    pub(crate) clones: AtomicUsize,
    pub(crate) drops: AtomicUsize,
}

impl Hooked {
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    /// Wakers that exist, the first one included.
    pub(crate) fn alive(&self) -> usize {
        1 + self.clones.load(Ordering::SeqCst) - self.drops.load(Ordering::SeqCst)
    }

    fn woken(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        if let Some(act) = &self.on_wake {
            act();
        }
    }

    fn cloned(&self) {
        self.clones.fetch_add(1, Ordering::SeqCst);
        if let Some(act) = &self.on_clone {
            act();
        }
    }

    fn dropped(&self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        if let Some(act) = &self.on_drop {
            act();
        }
    }
}

/// The first waker over `hooked`.
pub(crate) fn hooked(hooked: &Arc<Hooked>) -> Waker {
    let data = Arc::into_raw(hooked.clone()).cast::<()>();
    // SAFETY: the vtable below treats `data` as one strong count of an `Arc<Hooked>`, which it is.
    unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The `Arc` behind `data`, whose count stays with the waker.
///
/// # Safety
/// `data` comes from [`hooked`] or [`clone`] and its waker is alive.
unsafe fn borrow(data: *const ()) -> std::mem::ManuallyDrop<Arc<Hooked>> {
    // SAFETY: by the caller; ManuallyDrop leaves the count where it was.
    std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Hooked>()) })
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called by a living waker.
    let this = unsafe { borrow(data) };
    this.cloned();
    RawWaker::new(Arc::into_raw(Arc::clone(&this)).cast::<()>(), &VTABLE)
}

/// Gives one count back, also when an action panics.
unsafe fn wake(data: *const ()) {
    // SAFETY: waking by value hands the waker's count to this function.
    let this = unsafe { Arc::from_raw(data.cast::<Hooked>()) };
    this.drops.fetch_add(1, Ordering::SeqCst);
    this.woken();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called by a living waker.
    unsafe { borrow(data) }.woken();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the dropped waker's count belongs to this function.
    let this = unsafe { Arc::from_raw(data.cast::<Hooked>()) };
    this.dropped();
}

/// Calls `f` with a waker that is known by the place of `hooked`. Its clones are wakers like [`hooked`]'s and known by what
/// is there: allowed, and two such wakers at one place are not the same.
pub(crate) fn in_place<R>(hooked: &Arc<Hooked>, f: impl FnOnce(&Waker) -> R) -> R {
    let data = std::ptr::from_ref(hooked).cast::<()>();
    // SAFETY: the vtable below treats `data` as a `&Arc<Hooked>`, which outlives the waker: `f` only borrows that.
    f(&unsafe { Waker::from_raw(RawWaker::new(data, &IN_PLACE)) })
}

static IN_PLACE: RawWakerVTable =
    RawWakerVTable::new(clone_in_place, wake_in_place, wake_in_place, |_| {});

unsafe fn clone_in_place(data: *const ()) -> RawWaker {
    // SAFETY: called by a living waker.
    let this = unsafe { &*data.cast::<Arc<Hooked>>() };
    this.cloned();
    RawWaker::new(Arc::into_raw(Arc::clone(this)).cast::<()>(), &VTABLE)
}

unsafe fn wake_in_place(data: *const ()) {
    // SAFETY: called by a living waker.
    unsafe { &*data.cast::<Arc<Hooked>>() }.woken();
}

/// A waker that only counts.
pub(crate) fn counting() -> (Arc<Hooked>, Waker) {
    let counts = Arc::new(Hooked::default());
    let waker = hooked(&counts);
    (counts, waker)
}

/// A waker that does something at one of its events, once each time that it is armed.
pub(crate) struct Armed {
    pub(crate) waker: Waker,
    armed: Arc<AtomicBool>,
}

impl Armed {
    /// How many events there are: wake, clone and drop.
    pub(crate) const EVENTS: usize = 3;

    pub(crate) fn new(event: usize, act: impl Fn() + Send + Sync + 'static) -> Armed {
        let armed = Arc::new(AtomicBool::new(false));
        let flag = armed.clone();
        let once: Action = Box::new(move || {
            if flag.swap(false, Ordering::SeqCst) {
                act();
            }
        });
        let mut events = Hooked::default();
        match event {
            0 => events.on_wake = Some(once),
            1 => events.on_clone = Some(once),
            _ => events.on_drop = Some(once),
        }
        let waker = hooked(&Arc::new(events));
        Armed { waker, armed }
    }

    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn disarm(&self) {
        self.armed.store(false, Ordering::SeqCst);
    }
}

/// Polls once with `waker`.
pub(crate) fn poll_with<F: Future + ?Sized>(f: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    f.poll(&mut Context::from_waker(waker))
}

/// Polls once with a waker that does nothing.
pub(crate) fn poll_once<F: Future + ?Sized>(f: Pin<&mut F>) -> Poll<F::Output> {
    poll_with(f, Waker::noop())
}

/// The output of a future that must be ready at its first poll.
#[track_caller]
pub(crate) fn now<F: Future>(f: F) -> F::Output {
    match poll_once(std::pin::pin!(f)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the operation had to wait"),
    }
}

/// Fails unless the future has to wait at its first poll; then drops it.
#[track_caller]
pub(crate) fn blocks<F: Future>(f: F) {
    assert!(
        poll_once(std::pin::pin!(f)).is_pending(),
        "the operation did not wait"
    );
}
