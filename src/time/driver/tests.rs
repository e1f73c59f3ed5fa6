//! The driver with a clock made by hand: no test here waits for time to pass.

use super::*;
use crate::time::current;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

impl Driver {
    /// A driver whose time stands still until [`advance`](Self::advance).
    pub(crate) fn by_hand() -> Arc<Driver> {
        let driver = Driver::new();
        driver
            .hand
            .set(std::sync::Mutex::new(driver.epoch))
            .unwrap();
        driver
    }

    pub(crate) fn hand(&self) -> Option<Instant> {
        Some(*self.hand.get()?.lock().unwrap())
    }

    /// Moves the time on and fires what is due.
    pub(crate) fn advance(&self, by: Duration) -> Option<Instant> {
        let now = self.set_hand(by);
        self.fire_due(now)
    }

    /// Moves the time on and fires nothing.
    pub(crate) fn set_hand(&self, by: Duration) -> Instant {
        let mut hand = self.hand.get().unwrap().lock().unwrap();
        *hand += by;
        *hand
    }

    pub(crate) fn timers(&self) -> usize {
        self.state.lock().heap.len()
    }

    pub(super) fn at(&self, ms: u64) -> Instant {
        self.epoch + Duration::from_millis(ms)
    }
}

/// Counts its wakes, and does something at each.
pub(crate) struct Alarm<F = fn()> {
    pub(crate) wakes: AtomicUsize,
    then: F,
}

impl<F: Fn() + Send + Sync + 'static> Wake for Alarm<F> {
    fn wake(self: std::sync::Arc<Self>) {
        self.wakes.fetch_add(1, Relaxed);
        (self.then)();
    }
}

pub(crate) fn alarm() -> (std::sync::Arc<Alarm>, Waker) {
    alarm_then(|| ())
}

pub(crate) fn alarm_then<F>(then: F) -> (std::sync::Arc<Alarm<F>>, Waker)
where
    F: Fn() + Send + Sync + 'static,
{
    let wakes = AtomicUsize::new(0);
    let alarm = std::sync::Arc::new(Alarm { wakes, then });
    (alarm.clone(), Waker::from(alarm))
}

fn woken<F>(alarm: &Alarm<F>) -> usize {
    alarm.wakes.load(Relaxed)
}

fn wake(waker: &Waker) -> Action {
    Action::Wake(Slot {
        waker: Some(waker.clone()),
        note: None,
    })
}

pub(super) fn entry(driver: &Arc<Driver>, ms: u64, waker: &Waker) -> Entry {
    let action = wake(waker);
    Entry::new(driver.clone(), driver.at(ms), action).unwrap_or_else(|_| panic!("shut"))
}

#[test]
fn fires_what_is_due_and_says_what_is_next() {
    let driver = Driver::new();
    let (a, wa) = alarm();
    let (b, wb) = alarm();
    let mut ea = entry(&driver, 10, &wa);
    let mut eb = entry(&driver, 20, &wb);
    assert_eq!(driver.next(), Some(driver.at(10)));
    assert_eq!(driver.fire_due(driver.at(9)), Some(driver.at(10)));
    assert_eq!(woken(&a), 0);
    assert_eq!(ea.look(&wa), Look::Waiting);
    assert_eq!(driver.fire_due(driver.at(10)), Some(driver.at(20)));
    assert_eq!((woken(&a), woken(&b)), (1, 0));
    assert_eq!((ea.look(&wa), eb.look(&wb)), (Look::Fired, Look::Waiting));
    assert_eq!(driver.fire_due(driver.at(1_000)), None);
    assert_eq!((woken(&a), woken(&b)), (1, 1));
    assert_eq!(driver.next(), None);
    assert_eq!(eb.look(&wb), Look::Fired);
}

#[test]
fn fires_in_the_order_of_deadlines_then_of_arrival() {
    let driver = Driver::new();
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let entries: Vec<_> = (0..100u64)
        .map(|n| {
            let order = order.clone();
            let (_, waker) = alarm_then(move || order.lock().unwrap().push(n));
            entry(&driver, n * 37 % 10, &waker)
        })
        .collect();
    driver.fire_due(driver.at(10));
    let mut sorted: Vec<u64> = (0..100).collect();
    sorted.sort_by_key(|n| n * 37 % 10);
    assert_eq!(*order.lock().unwrap(), sorted);
    drop(entries);
}

#[test]
fn a_dropped_entry_neither_fires_nor_stays() {
    let driver = Driver::new();
    let (a, wa) = alarm();
    let first = entry(&driver, 1, &wa);
    let second = entry(&driver, 2, &wa);
    drop(first);
    assert_eq!(driver.next(), Some(driver.at(2)));
    drop(second);
    assert_eq!(driver.next(), None);
    driver.fire_due(driver.at(5));
    assert_eq!((woken(&a), driver.timers()), (0, 0));
    drop(wa);
    assert_eq!(std::sync::Arc::strong_count(&a), 1, "no waker kept");
}

#[test]
fn another_waker_takes_the_place_of_the_first() {
    let driver = Driver::new();
    let (a, wa) = alarm();
    let (b, wb) = alarm();
    let mut e = entry(&driver, 1, &wa);
    drop(wa);
    assert_eq!(e.look(&wb), Look::Waiting);
    assert_eq!(std::sync::Arc::strong_count(&a), 1, "the old waker is gone");
    driver.fire_due(driver.at(1));
    assert_eq!((woken(&a), woken(&b)), (0, 1));
}

#[test]
fn change_moves_both_ways_and_only_while_it_waits() {
    let driver = Driver::new();
    let (a, wa) = alarm();
    let mut e = entry(&driver, 10, &wa);
    assert!(e.change(driver.at(5)));
    assert_eq!(driver.next(), Some(driver.at(5)));
    assert!(e.change(driver.at(50)));
    assert_eq!(driver.fire_due(driver.at(49)), Some(driver.at(50)));
    assert_eq!(woken(&a), 0);
    driver.fire_due(driver.at(50));
    assert!(!e.change(driver.at(60)));
    assert_eq!(e.look(&wa), Look::Fired);
    assert!(!e.change(driver.at(60)));
    assert_eq!((woken(&a), driver.next()), (1, None));
}

// loom's `Arc` has no `Weak`.
#[cfg(not(gochan_loom))]
#[test]
fn unpark_is_called_for_a_new_earliest_only() {
    let driver = Driver::new();
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let (count, inner) = (calls.clone(), std::sync::Arc::downgrade(&driver));
    driver.set_unpark(Box::new(move || {
        // Neither lock is held, and the new deadline is already to be seen.
        let driver = inner.upgrade().unwrap();
        assert!(driver.next().is_some());
        assert!(driver.state.try_lock().is_some());
        count.fetch_add(1, Relaxed);
    }));
    let (_, w) = alarm();
    let calls = || calls.load(Relaxed);
    let a = entry(&driver, 10, &w);
    assert_eq!(calls(), 1);
    let b = entry(&driver, 10, &w);
    let c = entry(&driver, 20, &w);
    assert_eq!(calls(), 1);
    assert!(c.change(driver.at(15)));
    assert_eq!(calls(), 1);
    assert!(c.change(driver.at(9)));
    assert_eq!(calls(), 2);
    drop((a, b, c));
    assert_eq!(calls(), 2);
}

#[test]
fn fires_for_as_long_as_there_is_room() {
    let driver = Driver::new();
    let (a, waker) = alarm();
    let timers = 4 * BATCH as u64;
    let entries: Vec<_> = (1..=timers).map(|n| entry(&driver, n, &waker)).collect();
    let now = driver.at(timers);
    let fire = |rooms: &[usize]| {
        let mut rooms = rooms.iter().copied();
        let next = driver.fire_some(now, |_| true, || rooms.next().unwrap_or(0));
        assert_eq!(next.is_none(), driver.timers() == 0);
        woken(&a)
    };
    assert_eq!(fire(&[0]), 0);
    assert_eq!(fire(&[1]), 1);
    assert_eq!(fire(&[2, BATCH + 9]), 1 + 2 + BATCH);
    assert_eq!(
        driver.next(),
        Some(driver.at(4 + BATCH as u64)),
        "the earliest went"
    );
    assert_eq!(fire(&[usize::MAX; 4]), 4 * BATCH);
    assert_eq!(driver.next(), None);
    drop(entries);
}

/// While code runs that may take its time, no other timer is in the hands of who fires them: another thread can.
#[test]
fn a_timer_that_may_take_its_time_is_fired_alone() {
    let driver = Driver::new();
    let other = driver.clone();
    let (late, late_waker) = alarm();
    let seen = late.clone();
    let woken_meanwhile = std::sync::Arc::new(AtomicUsize::new(0));
    let meanwhile = woken_meanwhile.clone();
    let (_, slow) = alarm_then(move || {
        other.fire_due(other.at(9));
        meanwhile.store(woken(&seen), Relaxed);
    });
    let foreign = slow.clone();
    let entries = [entry(&driver, 1, &slow), entry(&driver, 2, &late_waker)];
    driver.fire_some(
        driver.at(9),
        |waker| !waker.will_wake(&foreign),
        || usize::MAX,
    );
    assert_eq!(woken_meanwhile.load(Relaxed), 1, "it was due after it");
    assert_eq!(woken(&late), 1);
    drop(entries);
}

#[test]
fn deadlines_before_the_epoch_and_at_the_end_of_time() {
    let driver = Driver::new();
    let (a, wa) = alarm();
    let past = driver
        .epoch
        .checked_sub(Duration::from_secs(1))
        .unwrap_or(driver.epoch);
    let mut e = Entry::new(driver.clone(), past, wake(&wa)).ok().unwrap();
    assert_eq!(driver.fire_due(driver.epoch), None);
    assert_eq!((woken(&a), e.look(&wa)), (1, Look::Fired));
    // As far as an Instant goes: most likely more than the driver's 584 years.
    let mut secs = u64::MAX;
    let far = loop {
        match driver.epoch.checked_add(Duration::from_secs(secs)) {
            Some(far) => break far,
            None => secs /= 2,
        }
    };
    let far = Entry::new(driver.clone(), far, wake(&wa)).ok().unwrap();
    driver.fire_due(driver.at(1_000_000_000_000));
    assert_eq!((woken(&a), driver.timers()), (1, 1));
    assert!(driver.next().is_some(), "there is a timer, however far");
    drop(far);
    assert_eq!(driver.next(), None);
}

#[test]
fn wakers_may_come_back_to_the_driver() {
    let driver = Driver::by_hand();
    let slot = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (d, s) = (driver.clone(), slot.clone());
    // Each wake registers a timer that is due at once, drops an entry, changes one and fires.
    let (_, nop) = alarm();
    let (hostile, waker) = alarm_then(move || {
        let other = entry(&d, 0, &nop);
        assert!(other.change(d.at(3)));
        d.fire_due(d.at(2));
        drop(other);
        s.lock().unwrap().push(entry(&d, 0, &nop));
    });
    let entries: Vec<_> = (0..40).map(|_| entry(&driver, 1, &waker)).collect();
    driver.advance(Duration::from_millis(1));
    assert_eq!(woken(&hostile), 40);
    drop(entries);
    slot.lock().unwrap().clear();
    assert_eq!(driver.timers(), 0);
}

/// Registers itself again each time, for a time that has passed.
struct Again {
    driver: Arc<Driver>,
    fired: AtomicUsize,
}

impl Fire for Again {
    fn fire(self: std::sync::Arc<Self>, due: Instant, _: Instant) {
        self.fired.fetch_add(1, Relaxed);
        let action = Action::Fire(self.clone());
        let entry = Entry::new(self.driver.clone(), due, action);
        entry.ok().into_iter().for_each(Entry::detach);
    }
}

#[test]
fn what_comes_in_while_firing_waits_for_the_next_call() {
    let driver = Driver::new();
    let many: Vec<_> = (0..3 * BATCH)
        .map(|_| {
            let again = std::sync::Arc::new(Again {
                driver: driver.clone(),
                fired: AtomicUsize::new(0),
            });
            again.clone().fire(driver.epoch, driver.epoch);
            again
        })
        .collect();
    for n in 2..5 {
        assert_eq!(driver.fire_due(driver.at(1)), Some(driver.epoch));
        assert!(many.iter().all(|again| again.fired.load(Relaxed) == n));
    }
    while driver.with(|s| s.heap.pop()).is_some() {}
}

#[test]
fn a_waker_that_panics_does_not_keep_the_others_asleep() {
    let driver = Driver::new();
    let (bad, wb) = alarm_then(|| panic!("a waker of the user's"));
    let (good, wg) = alarm();
    let entries = [
        entry(&driver, 1, &wb),
        entry(&driver, 1, &wg),
        entry(&driver, 1, &wb),
        entry(&driver, 1, &wg),
    ];
    driver.fire_due(driver.at(1));
    assert_eq!((woken(&bad), woken(&good)), (2, 2));
    drop(entries);
}

#[test]
fn shut_wakes_everybody_and_takes_nobody() {
    let driver = Driver::new();
    let (a, wa) = alarm();
    let mut e = entry(&driver, 1_000, &wa);
    driver.shut();
    assert_eq!((woken(&a), e.look(&wa)), (1, Look::Shut));
    let again = Entry::new(driver.clone(), driver.at(1), wake(&wa));
    assert!(matches!(again, Err(Action::Wake(_))));
    assert_eq!((driver.next(), driver.timers()), (None, 0));
}

struct Mortal(crate::shim::AtomicBool);

impl Fire for Mortal {
    fn fire(self: std::sync::Arc<Self>, _: Instant, _: Instant) {}
    fn is_dead(&self) -> bool {
        self.0.load(Relaxed)
    }
}

#[test]
fn dead_timers_do_not_pile_up() {
    let driver = Driver::new();
    let mut most = 0;
    let mut kept = Vec::new();
    for n in 0..10_000 {
        let mortal = std::sync::Arc::new(Mortal(crate::shim::AtomicBool::new(false)));
        let action = Action::Fire(mortal.clone());
        kept.push(
            Entry::new(driver.clone(), driver.at(3_600_000), action)
                .ok()
                .unwrap(),
        );
        if n >= 10 {
            mortal.0.store(true, Relaxed);
        }
        most = most.max(driver.timers());
    }
    assert!(most <= SWEEP, "{most}");
    assert!(driver.timers() >= 10);
}

#[test]
fn the_innermost_driver_serves_and_the_one_before_it_after_that() {
    let (outer, inner) = (Driver::by_hand(), Driver::by_hand());
    let (_, w) = alarm();
    let register = || current::register(outer.at(1), wake(&w));
    let a = current::enter(&outer);
    let first = register();
    {
        let _b = current::enter(&inner);
        let _second = register();
        assert_eq!((outer.timers(), inner.timers()), (1, 1));
    }
    let third = register();
    assert_eq!((outer.timers(), inner.timers()), (2, 0));
    drop((first, third, a));
}

#[test]
fn a_shut_driver_sends_new_timers_to_the_default() {
    let driver = Driver::new();
    driver.shut();
    let _in = current::enter(&driver);
    let (tx, rx) = std::sync::mpsc::channel();
    let (_, waker) = alarm_then(move || tx.send(()).unwrap());
    let _entry = current::register(Instant::now(), wake(&waker));
    rx.recv().unwrap();
}
