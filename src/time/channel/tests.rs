//! `after` and `tick` with a clock made by hand.

use super::*;
use crate::error::{RecvError, TryRecvError};
use crate::time::driver::Driver;
use crate::time::enter;
use crate::time::tests::MS;

#[test]
fn after_sends_once_and_stays_open() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let start = current::now();
    let rx = after(2 * MS);
    driver.advance(MS);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    driver.advance(5 * MS);
    assert_eq!(rx.try_recv(), Ok(start + 2 * MS));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert!(!rx.is_closed());
    assert_eq!((driver.timers(), rx.capacity()), (0, Some(1)));
}

#[test]
fn tick_drops_ticks_for_a_slow_reader_and_keeps_its_phase() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let start = current::now();
    let rx = tick(10 * MS);
    driver.advance(10 * MS);
    driver.advance(12 * MS);
    assert_eq!(rx.try_recv(), Ok(start + 10 * MS));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    driver.advance(33 * MS);
    assert_eq!(
        rx.try_recv(),
        Ok(start + 30 * MS),
        "one for all that were missed"
    );
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    driver.advance(5 * MS);
    assert_eq!(rx.try_recv(), Ok(start + 60 * MS));
}

#[test]
fn the_last_receivers_drop_ends_the_ticking() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let rx = tick(MS);
    let other = rx.clone();
    drop(rx);
    driver.advance(MS);
    assert!(other.try_recv().is_ok());
    drop(other);
    driver.advance(MS);
    assert_eq!((driver.timers(), driver.next()), (0, None));
}

#[test]
fn a_closed_channel_ends_the_ticking() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let rx = tick(MS);
    rx.close();
    driver.advance(MS);
    assert_eq!(rx.recv_blocking(), Err(RecvError));
    assert_eq!(driver.timers(), 0);
}

#[test]
fn abandoned_channels_do_not_pile_up() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let kept = after(Duration::from_secs(3600));
    for _ in 0..10_000 {
        drop(after(Duration::from_secs(3600)));
        assert!(driver.timers() <= 100);
    }
    driver.advance(Duration::from_secs(3600));
    assert!(kept.try_recv().is_ok(), "the living are not swept out");
}

#[test]
fn never_is_never() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let channels = [
        after(Duration::MAX),
        tick(Duration::MAX),
        tick(Duration::ZERO),
    ];
    driver.advance(Duration::from_secs(1 << 32));
    assert!(
        channels
            .iter()
            .all(|rx| rx.try_recv() == Err(TryRecvError::Empty))
    );
    assert!(
        after(Duration::ZERO).try_recv().is_err(),
        "due, yet nobody drives"
    );
    driver.advance(Duration::ZERO);
    assert_eq!(driver.timers(), 0);
}

#[test]
fn a_channel_whose_runtime_ends_goes_on_elsewhere() {
    let (first, second) = (Driver::by_hand(), Driver::by_hand());
    let outer = enter(&first);
    let rx = tick(Duration::from_secs(60));
    drop(outer);
    let _in = enter(&second);
    first.shut();
    assert!(rx.is_empty());
    second.advance(Duration::from_secs(90));
    assert!(rx.try_recv().is_ok());
    second.advance(Duration::from_secs(60));
    assert!(rx.try_recv().is_ok());
}
