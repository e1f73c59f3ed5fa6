//! What a select is made of and how it behaves towards itself: its auto traits, its places in the queues, what it tells
//! those who listen, and what is left of operations that were lent to it.

use std::cell::Cell;
use std::future::{Future, Pending, Ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use gochan::chan::{ClosedFuture, RecvFuture, ReserveFuture, SendFuture};
use gochan::hook::{self, ObjId, Park, Subscriber, WaitReason};
use gochan::select::{Fut, Nil, Select, SelectOr, Snoc};
use gochan::{Arm, Sel2, SelectList, chan, fut, never, select, try_select};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};

type Case<A> = <A as Arm>::Case;
type Four<T> = (
    Case<RecvFuture<'static, T>>,
    Case<SendFuture<'static, T>>,
    Case<ReserveFuture<'static, T>>,
    Case<ClosedFuture<'static, T>>,
);
type Lent<T> = (
    Case<&'static mut RecvFuture<'static, T>>,
    Case<&'static mut SendFuture<'static, T>>,
);
type Nested<T> = Snoc<Snoc<Nil, Case<RecvFuture<'static, T>>>, Case<SendFuture<'static, T>>>;

// A value that may cross threads is all that is asked, not one that may be shared.
assert_impl_all!(Select<Four<Cell<u8>>>: Send);
assert_impl_all!(Select<Lent<Cell<u8>>>: Send);
assert_impl_all!(Select<Nested<Cell<u8>>>: Send);
assert_impl_all!(SelectOr<Nested<Cell<u8>>>: Send);
assert_impl_all!(Select<(Fut<Ready<u8>>, Option<Fut<Pending<u8>>>)>: Send);
assert_not_impl_any!(Select<Four<Rc<u8>>>: Send, Sync);
assert_not_impl_any!(Select<Nested<Rc<u8>>>: Send, Sync);
assert_not_impl_any!(Select<(Fut<Ready<Rc<u8>>>, Fut<Ready<u8>>)>: Send);
// What peers may point into must not be moved.
assert_not_impl_any!(Select<Four<u8>>: Unpin);
assert_not_impl_any!(Select<Lent<u8>>: Unpin);
assert_not_impl_any!(Select<Nested<u8>>: Unpin);

// ---- meeting oneself

/// At capacity 0 a waiting receiver lets a wish for a permit through; not the one of its own select.
#[test]
fn a_select_grants_no_permit_to_itself() {
    for reserve_first in [false, true] {
        let (tx, rx) = chan::<u8>(0);
        let mut select = task::spawn(async {
            if reserve_first {
                select! { biased; _ = tx.reserve() => {}, _ = rx.recv() => {} }
            } else {
                select! { biased; _ = rx.recv() => {}, _ = tx.reserve() => {} }
            }
        });
        assert_pending!(select.poll());
        assert!(!select.is_woken(), "it has met itself");
        assert_pending!(select.poll());
        // Somebody else's permit it does serve.
        let permit = try_select((tx.reserve(), never::<()>().recv())).unwrap();
        let Sel2::A(Ok(permit)) = permit else {
            panic!("a receiver waits");
        };
        permit.send(1).unwrap();
        assert!(select.is_woken());
        assert_ready!(select.poll());
        assert!(rx.is_empty());
    }
}

// ---- order

/// Two cases of one object stand in its queue in the order in which they would be looked at.
#[test]
fn places_in_one_queue_follow_the_order() {
    let first_of = |biased: bool| {
        let (tx, rx) = chan::<u8>(0);
        let select = gochan::select((tx.send(0), tx.send(1)));
        let mut select = pin!(if biased { select.biased() } else { select });
        let mut cx = Context::from_waker(Waker::noop());
        assert!(select.as_mut().poll(&mut cx).is_pending());
        rx.try_recv().unwrap()
    };
    assert!((0..100).all(|_| first_of(true) == 0));
    // All the same by chance: 2^-99.
    assert_eq!((0..100).map(|_| first_of(false)).max(), Some(1));
    assert_eq!((0..100).map(|_| first_of(false)).min(), Some(0));
}

/// The limit of time is looked at last, so a limit of zero never keeps a ready arm out.
#[cfg(feature = "rt")]
#[test]
fn a_limit_wins_only_alone() {
    let (tx, rx) = chan(1);
    for n in 0..200 {
        tx.try_send(n).unwrap();
        let got = gochan::select_blocking! {
            v = rx.recv() => v.ok(),
            default(std::time::Duration::ZERO) => None,
        };
        assert_eq!(got, Some(n));
    }
    let got = gochan::select_blocking! { v = rx.recv() => v.ok(), default(std::time::Duration::ZERO) => None };
    assert_eq!(got, None);
}

/// Locks are taken by address also where the sort is another one.
#[test]
fn many_cases() {
    let channels: Vec<_> = (0..40).map(|_| chan::<u8>(1)).collect();
    let mut list: SelectList<'_, _> = channels.iter().map(|(_, rx)| rx.recv()).collect();
    let mut next = task::spawn(list.next());
    assert_pending!(next.poll());
    channels[17].0.try_send(3).unwrap();
    assert_ready_eq!(next.poll(), (17, Ok(3)));
    for (tx, _) in &channels {
        assert_eq!(tx.len(), 0);
        tx.try_send(1)
            .expect("room: nobody has been left in the queue");
    }
}

/// Thirty-two arms with guards, and two dozen more in a body, expand within the compiler's limit of recursion.
#[test]
fn thirty_two_arms() {
    macro_rules! all {
        ($($a:ident)*; $($b:ident)*) => {
            fn wide(rx: &gochan::Receiver<u8>, deep: bool) -> u8 {
                gochan::select_blocking! {
                    $($a = rx.recv(), if !deep || rx.is_empty() => { $a.unwrap() })*
                    default => gochan::select_blocking! {
                        biased;
                        $($b = rx.recv() => $b.unwrap(),)*
                        default => 0,
                    },
                }
            }
        };
    }
    all!(a b c d e f g h i j k l m n o p q r s t u v w x y z aa bb cc dd ee ff;
         a b c d e f g h i j k l m n o p q r s t u v w x);
    let (tx, rx) = chan(1);
    for deep in [false, true] {
        assert_eq!(wide(&rx, deep), 0);
        tx.try_send(9).unwrap();
        assert_eq!(wide(&rx, deep), 9);
    }
}

// ---- what listeners are told

#[derive(Default)]
struct Heard {
    parks: Mutex<Vec<(WaitReason, u32, Vec<ObjId>)>>,
    wakes: Mutex<Vec<(u32, ObjId)>>,
}

impl Subscriber for &'static Heard {
    fn on_park(&self, event: &Park<'_>) {
        if event.site.file() == file!() {
            let objects = event.arms.iter().map(|arm| arm.object).collect();
            self.parks
                .lock()
                .unwrap()
                .push((event.reason, event.site.line(), objects));
        }
    }

    fn on_ready(&self, event: &hook::Ready) {
        if event.site.file() == file!() {
            self.wakes
                .lock()
                .unwrap()
                .push((event.site.line(), event.object));
        }
    }
}

/// The site is the line of the macro, each arm is named, and a wake names the object that brought it.
#[test]
fn sites_and_objects() {
    let heard: &'static Heard = Box::leak(Box::default());
    let listening = hook::subscribe(heard);
    let (tx, rx) = chan::<u8>(0);
    let (_other, never) = chan::<u8>(0);
    let line = line!() + 2;
    let mut select = task::spawn(async {
        select! {
            _ = never.recv() => unreachable!(),
            v = rx.recv() => v,
        }
    });
    assert_pending!(select.poll());
    tx.try_send(5).unwrap();
    assert_ready_eq!(select.poll(), Ok(5));
    let no_case = line!() + 2;
    let mut nothing = task::spawn(async {
        select! { _ = never.recv(), if false => {} }
    });
    assert_pending!(nothing.poll());
    drop(listening);

    let at = |line: u32| {
        let parks = heard.parks.lock().unwrap();
        let here = parks.iter().filter(|park| park.1 == line);
        here.map(|park| (park.0, park.2.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(at(line), [(WaitReason::Select, vec![never.id(), rx.id()])]);
    assert_eq!(
        at(no_case),
        [(WaitReason::SelectNoCases, vec![ObjId::NONE])]
    );
    let wakes = heard.wakes.lock().unwrap();
    let here: Vec<_> = wakes.iter().filter(|wake| wake.0 == line).collect();
    assert_eq!(here, [&(line, rx.id())]);
}

// ---- lent operations

/// Leaks a select that waits, with what was lent to it.
fn leak<F: Future>(select: F) {
    let mut select: Pin<Box<F>> = Box::pin(select);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(select.as_mut().poll(&mut cx).is_pending());
    std::mem::forget(select);
}

/// An operation that a leaked select never gave back waits again like a new one.
#[test]
fn an_operation_outlives_a_leaked_select() {
    let (tx, rx) = chan::<u8>(1);
    tx.try_send(1).unwrap();
    let never = never::<()>();
    let mut reserve = tx.reserve();
    leak(gochan::select((&mut reserve, never.recv())));
    let mut again = task::spawn(reserve);
    assert_pending!(again.poll());
    // The first place went to the leaked select, the second to us.
    assert_eq!(rx.try_recv(), Ok(1));
    assert_pending!(again.poll());
    assert!(tx.try_send(2).is_err(), "a permit is out");
}

/// A send that was taken while its select was dropped says so, and is not sent twice.
#[test]
fn a_send_is_taken_while_its_select_is_dropped() {
    let (tx, rx) = chan::<u8>(0);
    let never = never::<u8>();
    let mut send = tx.send(7);
    {
        let mut select = task::spawn(gochan::select((&mut send, never.recv())));
        assert_pending!(select.poll());
        assert_eq!(rx.try_recv(), Ok(7));
    }
    assert_eq!(try_select((rx.recv(), never.recv())), None);
    assert_eq!(send.wait(), Ok(()));
}

/// A wish for a permit, which waits for room, keeps nobody from the value behind it; won elsewhere, it leaves nothing.
#[test]
fn a_wish_that_loses_lets_others_by() {
    let (tx, rx) = chan::<u8>(1);
    let (other, won) = chan::<u8>(0);
    let held = tx.try_reserve().unwrap();
    let mut wish = task::spawn(gochan::select((tx.reserve(), won.recv())));
    assert_pending!(wish.poll());
    let mut send = task::spawn(tx.send(1));
    assert_pending!(send.poll());
    let mut recv = task::spawn(rx.recv());
    assert_ready_eq!(recv.poll(), Ok(1));
    assert!(send.is_woken());
    assert_ready_eq!(send.poll(), Ok(()));
    other.try_send(0).unwrap();
    drop(held);
    assert_eq!(tx.try_send(2), Ok(()), "the place is nobody's");
    let Poll::Ready(Sel2::B(Ok(0))) = wish.poll() else {
        panic!("the other arm was served");
    };
    assert_eq!(rx.try_recv(), Ok(2));
}

/// A permit whose value goes straight to a receiver leaves its room to the next who waits.
#[test]
fn a_permit_leaves_its_room() {
    let (tx, rx) = chan::<u8>(1);
    let permit = tx.try_reserve().unwrap();
    let mut recv = task::spawn(rx.recv());
    assert_pending!(recv.poll());
    let mut next = task::spawn(tx.reserve());
    assert_pending!(next.poll());
    permit.send(1).unwrap();
    assert_ready_eq!(recv.poll(), Ok(1));
    assert!(next.is_woken());
    assert!(assert_ready!(next.poll()).is_ok());
}

// ---- foreign futures

/// Polling a foreign future takes the select out of all queues; it is back in them afterwards, and its wait is one wait.
#[test]
fn a_foreign_future_does_not_end_the_wait() {
    static POLLS: AtomicU32 = AtomicU32::new(0);
    let heard = Arc::new(Mutex::new(Vec::new()));
    struct Since(Arc<Mutex<Vec<u64>>>, u32);
    impl Subscriber for Since {
        fn on_ready(&self, event: &hook::Ready) {
            if event.site.file() == file!() && event.site.line() == self.1 {
                self.0.lock().unwrap().push(event.waited_ns);
            }
        }
    }
    let line = line!() + 7;
    let listening = hook::subscribe(Since(heard.clone(), line));
    let (tx, rx) = chan::<u8>(0);
    let counting = std::future::poll_fn(|_| {
        POLLS.fetch_add(1, Relaxed);
        Poll::<()>::Pending
    });
    let mut select = task::spawn(gochan::select((fut(counting), rx.recv())));
    assert_pending!(select.poll());
    let begin = std::time::Instant::now();
    for polls in 2..5 {
        std::hint::black_box((0..20_000).sum::<u64>());
        assert_pending!(select.poll());
        assert_eq!(POLLS.load(Relaxed), polls);
    }
    let waited = begin.elapsed();
    tx.try_send(1).unwrap();
    assert_ready_eq!(select.poll(), Sel2::B(Ok(1)));
    drop(listening);
    let told = u128::from(heard.lock().unwrap()[0]);
    // It began before `begin`; the clocks may differ by a little.
    assert!(told * 10 >= waited.as_nanos() * 9, "{told} of {waited:?}");
}

// ---- tasks

/// A lent handle that loses has its task still, and has forgotten who waited.
#[cfg(feature = "rt")]
#[test]
fn a_handle_outlives_a_select() {
    struct Silent;
    impl std::task::Wake for Silent {
        fn wake(self: Arc<Self>) {}
    }
    let silent = Arc::new(Silent);
    let waker = Waker::from(silent.clone());
    let mut cx = Context::from_waker(&waker);
    let (end, ended) = chan::<()>(0);
    let mut handle = gochan::go(async move { ended.recv().await.is_err() });
    let (tx, rx) = chan::<u8>(0);
    {
        let mut both = pin!(gochan::select((&mut handle, rx.recv())));
        assert!(both.as_mut().poll(&mut cx).is_pending());
        assert!(Arc::strong_count(&silent) > 2);
        tx.try_send(1).unwrap();
        let Poll::Ready(Sel2::B(Ok(1))) = both.as_mut().poll(&mut cx) else {
            panic!("the other one was ready");
        };
        assert_eq!(Arc::strong_count(&silent), 2, "a waker is left in the task");
    }
    end.close();
    let won = gochan::select((&mut handle, never::<()>().recv())).wait();
    let Sel2::A(Ok(true)) = won else {
        panic!("the task has ended");
    };
    assert!(handle.is_finished());
    let by_value = gochan::go(async { 5 });
    gochan::select_blocking! { n = by_value => assert_eq!(n.unwrap(), 5) }
}
