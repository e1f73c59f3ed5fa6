//! Models of a timer that fires while its owner does something else. The time is made by hand: only the order matters.

use super::tests::{alarm, entry};
use super::*;
use crate::shim::{AtomicBool, Ordering, fence};
use ::loom::thread;
use Ordering::SeqCst;
use std::sync::atomic::Ordering::Relaxed as Real;

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(model);
}

/// Fires everything, on a thread of its own.
fn fire(driver: &Arc<Driver>) -> thread::JoinHandle<()> {
    let driver = Arc::clone(driver);
    thread::spawn(move || _ = driver.fire_due(driver.at(10)))
}

#[test]
fn loom_timer_fire_v_look_with_a_new_waker() {
    check(|| {
        let driver = Driver::new();
        let (first, w1) = alarm();
        let (second, w2) = alarm();
        let mut entry = entry(&driver, 1, &w1);
        let firing = fire(&driver);
        let look = entry.look(&w2);
        firing.join().unwrap();
        // Who is told to wait is woken by the waker it came with; who is told that it is over need not be woken.
        let (old, new) = (first.wakes.load(Real), second.wakes.load(Real));
        match look {
            Look::Waiting => assert_eq!((old, new), (0, 1)),
            Look::Fired => assert_eq!((old, new), (1, 0)),
            Look::Shut => unreachable!(),
        }
        if look == Look::Waiting {
            assert_eq!(entry.look(&w2), Look::Fired);
        }
    });
}

#[test]
fn loom_timer_fire_v_cancel() {
    check(|| {
        let driver = Driver::new();
        let (wakes, waker) = alarm();
        let entry = entry(&driver, 1, &waker);
        let firing = fire(&driver);
        drop(entry);
        firing.join().unwrap();
        assert!(wakes.wakes.load(Real) <= 1);
        assert_eq!((driver.timers(), driver.next()), (0, None));
        drop(waker);
        assert_eq!(std::sync::Arc::strong_count(&wakes), 1, "no waker kept");
    });
}

#[test]
fn loom_timer_register_v_fire() {
    check(|| {
        let driver = Driver::new();
        let (wakes, waker) = alarm();
        let firing = fire(&driver);
        let mut entry = entry(&driver, 1, &waker);
        firing.join().unwrap();
        let fired = wakes.wakes.load(Real) == 1;
        let expected = if fired { Look::Fired } else { Look::Waiting };
        assert_eq!(entry.look(&waker), expected);
        assert_eq!(driver.next().is_none(), fired);
    });
}

#[test]
fn loom_timer_fire_v_change() {
    check(|| {
        let driver = Driver::new();
        let (wakes, waker) = alarm();
        let mut entry = entry(&driver, 1, &waker);
        let firing = fire(&driver);
        let moved = entry.change(driver.at(20));
        firing.join().unwrap();
        assert_eq!(wakes.wakes.load(Real), usize::from(!moved));
        assert_eq!(driver.next().is_some(), moved);
        assert_eq!(entry.look(&waker) == Look::Waiting, moved);
    });
}

/// The owner moves the timer and then lets go of it, while it goes off.
#[test]
fn loom_timer_fire_v_change_v_drop() {
    check(|| {
        let driver = Driver::new();
        let (wakes, waker) = alarm();
        let entry = entry(&driver, 1, &waker);
        let firing = fire(&driver);
        // To a moment that is due as well, or to one that is not.
        let moved = entry.change(driver.at(5)) && entry.change(driver.at(20));
        drop(entry);
        firing.join().unwrap();
        let woken = wakes.wakes.load(Real);
        assert!(woken <= 1 && (woken == 1 || moved));
        assert_eq!((driver.timers(), driver.next()), (0, None));
        drop(waker);
        assert_eq!(std::sync::Arc::strong_count(&wakes), 1, "no waker kept");
    });
}

#[test]
fn loom_timer_register_v_shut() {
    check(|| {
        let driver = Driver::new();
        let (wakes, waker) = alarm();
        let closing = {
            let driver = Arc::clone(&driver);
            thread::spawn(move || driver.shut())
        };
        let slot = Slot {
            waker: Some(waker.clone()),
            note: None,
        };
        let entry = Entry::new(Arc::clone(&driver), driver.at(1), Action::Wake(slot));
        closing.join().unwrap();
        match entry {
            Err(_) => assert_eq!(wakes.wakes.load(Real), 0),
            Ok(mut entry) => {
                assert_eq!(wakes.wakes.load(Real), 1);
                assert_eq!(entry.look(&waker), Look::Shut);
            }
        }
        assert_eq!(driver.timers(), 0);
    });
}

/// The contract of `next` and `unpark`: a parker either sees the deadline or is woken.
#[test]
fn loom_timer_register_v_park() {
    check(|| {
        let driver = Driver::new();
        let parked = Arc::new(AtomicBool::new(false));
        let woken = Arc::new(AtomicBool::new(false));
        let (announced, wake) = (parked.clone(), woken.clone());
        driver.set_unpark(Box::new(move || {
            fence(SeqCst);
            if announced.load(Ordering::Relaxed) {
                wake.store(true, Ordering::Relaxed);
            }
        }));
        let parker = {
            let driver = Arc::clone(&driver);
            thread::spawn(move || {
                parked.store(true, Ordering::Relaxed);
                fence(SeqCst);
                driver.next().is_none()
            })
        };
        let (_, waker) = alarm();
        let entry = entry(&driver, 1, &waker);
        let sleeps = parker.join().unwrap();
        assert!(!sleeps || woken.load(Ordering::Relaxed));
        drop(entry);
    });
}
