//! Values of every kind: without size, with a large alignment, of a mebibyte each, without `Send`, borrowed, and without
//! any value at all; and capacities that no memory can hold.

#![cfg(feature = "rt")]

mod common;

use common::waker::{now, poll_once};
use common::{Place, everywhere, watch};
use gochan::{Receiver, RecvError, Sender, TryRecvError, chan, select, unbounded};
use std::cell::Cell;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_test::{assert_ready, assert_ready_ok, task};

/// One channel for each way a value can travel: straight across, through a ring that wraps, through blocks.
fn channels<T>() -> Vec<(Sender<T>, Receiver<T>)> {
    vec![chan(0), chan(1), chan(3), chan(64), unbounded()]
}

/// Sends values by every road a channel has and checks each that arrives.
fn travels<T>(make: impl Fn(usize) -> T, check: impl Fn(usize, T)) {
    for (tx, rx) in channels() {
        // To a receiver that waits.
        let mut r = task::spawn(rx.recv());
        assert!(r.poll().is_pending());
        tx.try_send(make(0)).ok().unwrap();
        check(0, assert_ready_ok!(r.poll()));
        drop(r);
        // To a select that waits.
        let mut r = task::spawn(async {
            select! { v = rx.recv() => v.ok().unwrap(), v = rx.recv() => v.ok().unwrap() }
        });
        assert!(r.poll().is_pending());
        tx.try_send(make(1)).ok().unwrap();
        check(1, assert_ready!(r.poll()));
        drop(r);
        // Handed to one that goes away, and back.
        let mut r = task::spawn(rx.recv());
        assert!(r.poll().is_pending());
        tx.try_send(make(2)).ok().unwrap();
        drop(r);
        check(2, rx.try_recv().unwrap());
        // Through the buffer, often enough to go round it, and from senders that wait.
        for start in (10..300).step_by(70) {
            let mut sends: Vec<_> = (start..start + 70)
                .map(|i| Box::pin(tx.send(make(i))))
                .collect();
            for s in &mut sends {
                drop(poll_once(s.as_mut()));
            }
            let mut many = Vec::new();
            assert!(now(rx.recv_many(&mut many, 5)) > 0);
            let got = many.len();
            for (i, v) in many.into_iter().enumerate() {
                check(start + i, v);
            }
            for i in start + got..start + 70 {
                check(i, now(rx.recv()).ok().unwrap());
            }
        }
        // Refused.
        rx.close();
        check(5, tx.try_send(make(5)).unwrap_err().into_inner());
        check(6, now(tx.send(make(6))).unwrap_err().into_inner());
    }
}

#[test]
fn small() {
    travels(|i| i as u8, |i, v| assert_eq!(v, i as u8));
    travels(|i| i % 2 == 0, |i, v| assert_eq!(v, i % 2 == 0));
    travels(|i| [i as u8; 3], |i, v| assert_eq!(v, [i as u8; 3]));
    travels(
        |i| (i as u64, i as u8),
        |i, v| assert_eq!(v, (i as u64, i as u8)),
    );
}

#[test]
fn with_niches() {
    use std::num::NonZeroU8;
    let one = |i: usize| NonZeroU8::new(i as u8 | 1).unwrap();
    travels(one, |i, v| assert_eq!(v, one(i)));
    let maybe = |i: usize| (!i.is_multiple_of(3)).then(|| Box::new(i));
    travels(maybe, |i, v| assert_eq!(v, maybe(i)));
}

#[test]
fn borrowed() {
    let words: Vec<String> = (0..400).map(|i| i.to_string()).collect();
    travels(|i| words[i].as_str(), |i, v: &str| assert_eq!(v, words[i]));
}

/// Values that stay on one thread may travel on it.
#[test]
fn not_send() {
    let alive = Rc::new(Cell::new(0));
    travels(
        |i| (alive.clone(), i),
        |i, (rc, n)| {
            assert_eq!(n, i);
            rc.set(rc.get() + 1);
        },
    );
    assert!(alive.get() > 0);
    assert_eq!(Rc::strong_count(&alive), 1);
    // And between the tasks of one future.
    let (tx, rx) = chan(0);
    let sum: usize = gochan::block_on(async {
        let send = async {
            for i in 0..10 {
                tx.send(Rc::new(i)).await.unwrap();
            }
            tx.close();
        };
        let receive = async {
            let mut sum = 0;
            while let Ok(n) = rx.recv().await {
                sum += *n;
            }
            sum
        };
        futures::join!(send, receive).1
    });
    assert_eq!(sum, 45);
}

#[test]
fn functions_and_objects() {
    travels(
        |i| -> Box<dyn Fn() -> usize> { Box::new(move || i) },
        |i, f| assert_eq!(f(), i),
    );
    travels(
        |i| -> Arc<[usize]> { (0..i).collect() },
        |i, v| assert_eq!(v.len(), i),
    );
}

/// There is no value to send: the channel is only good for being closed.
#[test]
fn uninhabited() {
    enum Never {}
    for (tx, rx) in channels::<Never>() {
        assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
        let mut r = task::spawn(rx.recv());
        assert!(r.poll().is_pending());
        drop(tx);
        assert!(matches!(assert_ready!(r.poll()), Err(RecvError)));
    }
}

/// A channel in its own queue: what it holds keeps it alive until somebody takes it.
#[test]
fn a_channel_in_itself() {
    struct Knot(Option<Receiver<Knot>>);
    for (tx, rx) in channels::<Knot>().into_iter().skip(1) {
        tx.try_send(Knot(Some(rx.clone()))).ok().unwrap();
        let Knot(inner) = rx.try_recv().ok().unwrap();
        assert!(inner.unwrap().same_channel(&rx));
        assert_eq!(rx.receiver_count(), 1);
    }
}

mod zero_sized {
    use super::*;

    #[test]
    fn travel() {
        travels(|_| (), |_, ()| {});
        travels(|_| [0_u64; 0], |_, v| assert_eq!(v, [0_u64; 0]));
    }

    /// The length is all there is, and it counts; each is dropped once.
    #[test]
    fn counted() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        struct Tick;
        impl Drop for Tick {
            fn drop(&mut self) {
                DROPS.fetch_add(1, Ordering::SeqCst);
            }
        }
        for (tx, rx) in [chan::<Tick>(100), unbounded()] {
            DROPS.store(0, Ordering::SeqCst);
            for n in 1..=100 {
                tx.try_send(Tick).ok().unwrap();
                assert_eq!(rx.len(), n);
            }
            _ = rx.drain().take(40).count();
            assert_eq!((rx.len(), DROPS.load(Ordering::SeqCst)), (60, 40));
            drop((tx, rx));
            assert_eq!(DROPS.load(Ordering::SeqCst), 100);
        }
    }

    /// Alignment without size.
    #[test]
    fn aligned() {
        #[derive(Debug, PartialEq)]
        #[repr(align(256))]
        struct Nothing;
        travels(
            |_| Nothing,
            |_, v| assert!((&raw const v).addr().is_multiple_of(256)),
        );
    }

    /// Any capacity fits in no memory.
    #[test]
    fn any_capacity() {
        for cap in [usize::MAX, usize::MAX - 1, usize::MAX / 2 + 1, 1 << 40] {
            let (tx, rx) = chan::<()>(cap);
            for _ in 0..10 {
                now(tx.send(())).unwrap();
            }
            assert_eq!(rx.len(), 10);
            assert!(tx.capacity().is_some_and(|c| c >= cap - 1));
            assert!(!tx.is_full());
            assert_eq!(rx.drain().count(), 10);
        }
    }

    async fn across(place: Place) {
        for cap in [0, 1, 7] {
            let n = place.scale(5_000, 1_000);
            let (tx, rx) = chan::<()>(cap);
            place.go(async move {
                for _ in 0..n {
                    tx.send(()).await.unwrap();
                }
            });
            let mut got = 0;
            while rx.recv().await.is_ok() {
                got += 1;
            }
            assert_eq!(got, n);
        }
    }
    everywhere!(across);
}

mod over_aligned {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(128))]
    struct Wide(usize, u8);

    fn check(i: usize, v: &Wide) {
        assert!((&raw const *v).addr().is_multiple_of(128));
        assert_eq!(*v, Wide(i, i as u8));
    }

    #[test]
    fn travel() {
        travels(|i| Wide(i, i as u8), |i, v| check(i, &v));
    }

    async fn across(place: Place) {
        for cap in [0, 3] {
            let n = place.scale(2_000, 500);
            let (tx, rx) = chan(cap);
            place.go(async move {
                for i in 0..n {
                    if i % 2 == 0 {
                        tx.send(Wide(i, i as u8)).await.unwrap();
                    } else {
                        select! { r = tx.send(Wide(i, i as u8)) => r.unwrap() }
                    }
                }
            });
            for i in 0..n {
                check(i, &rx.recv().await.unwrap());
            }
        }
    }
    everywhere!(across);
}

mod mebibyte {
    use super::*;

    const SIZE: usize = 1 << 20;
    /// Room for the copies that an unoptimised build makes on the way; an optimised one makes a dozen.
    const STACK: usize = if cfg!(debug_assertions) {
        128 << 20
    } else {
        24 << 20
    };

    struct Big([u8; SIZE]);

    impl Big {
        #[inline(always)]
        fn new(i: usize) -> Big {
            Big([i as u8; SIZE])
        }

        fn check(&self, i: usize) {
            assert!(self.0.iter().step_by(4099).all(|b| *b == i as u8));
            assert_eq!(self.0[SIZE - 1], i as u8);
        }
    }

    fn on_small_stack(f: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(f)
            .unwrap()
    }

    /// Through the buffer of one thread: the buffer is on the heap and never passes over the stack as a whole.
    #[test]
    fn buffered() {
        watch(|| {
            let by_ring = || {
                let (tx, rx) = chan::<Big>(64);
                for i in 0..64 {
                    assert!(tx.try_send(Big::new(i)).is_ok());
                }
                for i in 0..64 {
                    rx.try_recv().ok().unwrap().check(i);
                }
            };
            let by_blocks = || {
                let (tx, rx) = unbounded::<Big>();
                for i in 0..70 {
                    assert!(tx.try_send(Big::new(i)).is_ok());
                }
                for i in 0..70 {
                    rx.try_recv().ok().unwrap().check(i);
                }
            };
            on_small_stack(by_ring).join().unwrap();
            on_small_stack(by_blocks).join().unwrap();
        });
    }

    /// Straight from the waiting sender to the receiver of another thread, both ways round.
    #[test]
    fn handed_over() {
        watch(|| {
            for cap in [0, 1] {
                let (tx, rx) = chan::<Big>(cap);
                let sender = on_small_stack(move || {
                    for i in 0..20 {
                        assert!(tx.send_blocking(Big::new(i)).is_ok());
                    }
                });
                let receiver = on_small_stack(move || {
                    for i in 0..20 {
                        rx.recv_blocking().ok().unwrap().check(i);
                    }
                });
                sender.join().unwrap();
                receiver.join().unwrap();
            }
        });
    }
}

mod capacity {
    use super::*;

    /// What `chan::<T>(cap)` panics with.
    fn refused<T: 'static>(cap: usize) -> String {
        let made = catch_unwind(|| drop(chan::<T>(cap)));
        let panic = made.expect_err("no memory holds that");
        let text = panic
            .downcast_ref::<String>()
            .expect("a message with numbers");
        text.clone()
    }

    /// Go's words, and the numbers that were asked for; a panic, not an abort.
    #[test]
    fn out_of_range() {
        let text = refused::<u8>(usize::MAX);
        assert!(text.starts_with("makechan: size out of range"), "{text}");
        assert!(text.contains(&usize::MAX.to_string()), "{text}");
    }

    /// Capacity times size is more than a word holds, or more than the largest object, or more than there is.
    #[test]
    fn overflow() {
        for text in [
            refused::<u64>(usize::MAX),
            refused::<u64>(usize::MAX / 8 + 1),
            refused::<u64>(usize::MAX / 8 + 2),
            refused::<u64>(isize::MAX as usize / 8 + 1),
            refused::<[u8; 3]>(usize::MAX / 3 + 1),
            refused::<u8>(isize::MAX as usize + 1),
            refused::<u8>(isize::MAX as usize),
            refused::<[u64; 512]>(isize::MAX as usize / 4096),
        ] {
            assert!(text.starts_with("makechan: size out of range"), "{text}");
        }
    }

    /// Odd capacities are exactly what was asked for.
    #[test]
    fn exact() {
        for cap in [1, 2, 3, 5, 7, 63, 65, 1000, 4097] {
            let (tx, rx) = chan::<[u8; 3]>(cap);
            for i in 0..cap {
                tx.try_send([i as u8; 3]).unwrap();
            }
            assert!(tx.is_full() && tx.try_send([0; 3]).is_err());
            assert_eq!(rx.drain().count(), cap);
        }
    }
}
