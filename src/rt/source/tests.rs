//! Models of a socket's readiness: no event, deadline or close is lost on whoever begins to wait.

use super::*;
use crate::shim::{AtomicBool, model, thread};
use std::panic::Location;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

/// Counts its wakes.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Bell {
    fn rung(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

fn look(source: &Source, wait: &mut Wait, bell: &Arc<Bell>) -> Poll<Result<Seen, Stop>> {
    let waker = Waker::from(Arc::clone(bell));
    source.poll_ready(Way::Read, wait, &waker, Location::caller())
}

fn event(source: &Source) {
    let mut wakes = Wakes::new();
    source.way(Way::Read).report(false, &mut wakes);
    wakes.fire();
}

/// Somebody tries, finds nothing and waits, while `other` puts something in: it is found, or the one who waits is woken.
fn empty_v(other: fn(&Arc<Source>)) {
    model(move || {
        let source = Source::new(Location::caller());
        let socket = Arc::new(AtomicBool::new(false));
        let (theirs, data) = (Arc::clone(&source), Arc::clone(&socket));
        let happening = thread::spawn(move || {
            data.store(true, Relaxed);
            other(&theirs);
        });
        let (bell, mut wait) = (Arc::<Bell>::default(), Wait::default());
        let waits = loop {
            match look(&source, &mut wait, &bell) {
                Poll::Ready(Ok(seen)) if !socket.load(Relaxed) => {
                    source.way(Way::Read).blocked(seen);
                }
                Poll::Ready(_) => break false,
                Poll::Pending => break true,
            }
        };
        happening.join().unwrap();
        assert!(!waits || bell.rung());
        source.way(Way::Read).leave(&mut wait);
    });
}

#[test]
fn loom_event_v_wait() {
    empty_v(|source| event(source));
}

#[test]
fn loom_deadline_v_wait() {
    empty_v(|source| source.set_deadline(Way::Read, Some(Instant::now())));
}

#[test]
fn loom_close_v_wait() {
    empty_v(|source| source.close());
}

#[test]
fn loom_end_of_the_poller_v_wait() {
    empty_v(|source| source.go_astray());
}

/// Of two that wait for the same both are told.
#[test]
fn loom_event_v_two_waits() {
    model(|| {
        let source = Source::new(Location::caller());
        let theirs = Arc::clone(&source);
        let waiting = thread::spawn(move || {
            let (bell, mut wait) = (Arc::<Bell>::default(), Wait::default());
            let told = look(&theirs, &mut wait, &bell).is_ready();
            (told, bell)
        });
        let (bell, mut wait) = (Arc::<Bell>::default(), Wait::default());
        let first = look(&source, &mut wait, &bell);
        let Poll::Ready(Ok(seen)) = first else {
            unreachable!("ready at first")
        };
        source.way(Way::Read).blocked(seen);
        let told = look(&source, &mut wait, &bell).is_ready();
        assert!(!told, "no event has come");
        event(&source);
        assert!(bell.rung());
        let (told, theirs) = waiting.join().unwrap();
        assert!(told || theirs.rung());
        source.way(Way::Read).leave(&mut wait);
    });
}

fn drained(source: &Source) {
    let (bell, mut wait) = (Arc::<Bell>::default(), Wait::default());
    while let Poll::Ready(Ok(seen)) = look(source, &mut wait, &bell) {
        source.way(Way::Read).used_up(seen);
    }
    source.way(Way::Read).leave(&mut wait);
}

#[test]
fn an_end_of_the_stream_outlasts_what_takes_all() {
    let source = Source::new(Location::caller());
    let mut wakes = Wakes::new();
    source.way(Way::Read).report(true, &mut wakes);
    let (bell, mut wait) = (Arc::<Bell>::default(), Wait::default());
    for _ in 0..3 {
        let Poll::Ready(Ok(seen)) = look(&source, &mut wait, &bell) else {
            panic!("the end is there for ever")
        };
        source.way(Way::Read).used_up(seen);
    }
}

#[test]
fn whoever_leaves_is_not_woken() {
    let source = Source::new(Location::caller());
    drained(&source);
    let (one, other) = (Arc::<Bell>::default(), Arc::<Bell>::default());
    let (mut first, mut second) = (Wait::default(), Wait::default());
    assert!(look(&source, &mut first, &one).is_pending());
    assert!(look(&source, &mut second, &other).is_pending());
    source.way(Way::Read).leave(&mut first);
    event(&source);
    assert!(!one.rung() && other.rung());
    assert_eq!(Arc::strong_count(&one), 1, "its waker is gone as well");
}

#[test]
fn polled_again_the_last_waker_counts() {
    let source = Source::new(Location::caller());
    drained(&source);
    let (one, other) = (Arc::<Bell>::default(), Arc::<Bell>::default());
    let mut wait = Wait::default();
    assert!(look(&source, &mut wait, &one).is_pending());
    assert!(look(&source, &mut wait, &other).is_pending());
    event(&source);
    assert!(!one.rung() && other.rung());
}

#[test]
fn a_deadline_revives_and_a_moved_timer_does_not_expire() {
    let driver = time::Driver::new();
    let _entered = time::enter(&driver);
    let source = Source::new(Location::caller());
    let (bell, mut wait) = (Arc::<Bell>::default(), Wait::default());
    let now = Instant::now();
    let hour = std::time::Duration::from_secs(3600);
    source.set_deadline(Way::Read, Some(now + hour));
    source.set_deadline(Way::Read, Some(now + 2 * hour));
    driver.fire_due(now + hour);
    assert!(matches!(
        look(&source, &mut wait, &bell),
        Poll::Ready(Ok(_))
    ));
    // The time has not come, but the driver says it has: it is asked again at another one.
    source
        .way(Way::Read)
        .expire(now + hour, || source.expiry(Way::Read));
    assert!(matches!(
        look(&source, &mut wait, &bell),
        Poll::Ready(Ok(_))
    ));
    driver.fire_due(now + 3 * hour);
    let late = look(&source, &mut wait, &bell);
    assert!(matches!(late, Poll::Ready(Err(Stop::Expired))));
    source.set_deadline(Way::Read, None);
    assert!(matches!(
        look(&source, &mut wait, &bell),
        Poll::Ready(Ok(_))
    ));
    assert_eq!(driver.next(), None);
}

#[test]
fn a_socket_that_is_gone_leaves_no_timer_that_matters() {
    let driver = time::Driver::new();
    let _entered = time::enter(&driver);
    let source = Source::new(Location::caller());
    source.set_deadline(
        Way::Write,
        Some(Instant::now() + std::time::Duration::from_secs(9)),
    );
    source.close();
    assert_eq!(driver.next(), None, "closing takes it out");
}
