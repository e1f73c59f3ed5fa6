//! Models of the exchange: a core that is left is taken once, by its old thread or by a new one, and nobody sleeps beside one.

use super::*;
use crate::shim::{Mutex, model, thread};

type Exchange = Arc<Mutex<Spares<u32>>>;

/// As `Threads::wait_for_core`, without a limit of time.
fn wait_for_core(spares: &Exchange, parker: &Arc<Parker>) -> Option<u32> {
    let mut state = spares.lock();
    loop {
        if let Some(core) = state.take() {
            return Some(core);
        }
        if state.is_closed() {
            return None;
        }
        state.wait(parker);
        drop(state);
        while !parker.park(None) {}
        state = spares.lock();
        state.arrive();
    }
}

/// As `Threads::give`, on a system that has no more threads.
fn give(spares: &Exchange, core: u32) {
    let mut state = spares.lock();
    match state.leave(core) {
        Call::Wake(parker) => {
            drop(state);
            parker.wake();
        }
        Call::Start => state.gone(),
        Call::Nobody => {}
    }
}

fn close(spares: &Exchange) -> Vec<u32> {
    let (asleep, left) = spares.lock().close();
    asleep.iter().for_each(|parker| parker.wake());
    left
}

#[test]
fn a_core_calls_one_thread() {
    let mut spares = Spares::new();
    assert!(!spares.has_spare());
    assert!(matches!(spares.leave(1), Call::Start));
    assert_eq!(spares.take_back(|core| *core == 1), Some(1));
    assert_eq!(spares.take_back(|core| *core == 1), None);
    assert!(spares.has_spare(), "the one that is coming");
    assert!(matches!(spares.leave(2), Call::Nobody));
    assert!(!spares.has_spare());
    assert!(matches!(spares.leave(3), Call::Start));
    spares.gone();
    spares.arrive();
    assert!(spares.take().is_some());
    assert!(spares.take().is_some(), "a core that nobody came for");
    assert_eq!(spares.take(), None);
    let parker = Parker::new();
    spares.wait(&parker);
    assert!(spares.withdraw(&parker));
    assert!(!spares.withdraw(&parker));
    spares.wait(&parker);
    assert!(matches!(spares.leave(4), Call::Wake(_)));
    let (asleep, left) = spares.close();
    assert!(asleep.is_empty() && left == [4] && spares.is_closed());
}

#[test]
fn a_core_without_a_thread_calls_again() {
    let mut spares = Spares::new();
    assert!(matches!(spares.call(), Call::Nobody), "nothing is here");
    assert!(matches!(spares.leave(1), Call::Start));
    spares.gone();
    assert!(matches!(spares.call(), Call::Start), "nobody is coming");
    assert!(matches!(spares.call(), Call::Nobody), "one is");
    spares.gone();
    let parker = Parker::new();
    spares.asleep.push(Arc::clone(&parker));
    assert!(
        matches!(spares.call(), Call::Wake(_)),
        "one is spare by now"
    );
    spares.arrive();
    assert_eq!(spares.take(), Some(1));
    assert!(matches!(spares.call(), Call::Nobody));
}

/// A blocking call hands its core off and comes back for it, while a spare is just going to sleep.
#[test]
fn loom_hand_off_v_return() {
    model(|| {
        let spares: Exchange = Arc::new(Mutex::new(Spares::new()));
        let theirs = Arc::clone(&spares);
        let spare = thread::spawn(move || wait_for_core(&theirs, &Parker::new()));
        give(&spares, 7);
        let back = spares.lock().take_back(|core| *core == 7);
        let left = close(&spares);
        let taken = spare.join().unwrap();
        let seen: Vec<_> = back.into_iter().chain(left).chain(taken).collect();
        assert_eq!(seen, [7]);
    });
}

/// Handed off, taken back, handed off again: the spare that was woken for the first time serves the second.
#[test]
fn loom_hand_off_again() {
    model(|| {
        let spares: Exchange = Arc::new(Mutex::new(Spares::new()));
        let theirs = Arc::clone(&spares);
        let spare = thread::spawn(move || {
            let parker = Parker::new();
            let core = wait_for_core(&theirs, &parker);
            // A wake too many would end this thread's next sleep.
            assert!(!parker.take());
            core
        });
        give(&spares, 7);
        let back = spares.lock().take_back(|core| *core == 7);
        match back {
            None => assert_eq!(spare.join().unwrap(), Some(7)),
            Some(core) => {
                give(&spares, core);
                // It is coming, or comes later: nobody closes before it has.
                assert_eq!(spare.join().unwrap(), Some(7));
            }
        }
    });
}

/// A thread that is done with its call finds the core that another has left, though nobody was there to be called.
#[test]
fn loom_hand_off_without_a_spare() {
    model(|| {
        let spares: Exchange = Arc::new(Mutex::new(Spares::new()));
        let waiting = |spares: &Exchange| {
            let spares = Arc::clone(spares);
            thread::spawn(move || wait_for_core(&spares, &Parker::new()))
        };
        let (one, other) = (waiting(&spares), waiting(&spares));
        give(&spares, 1);
        give(&spares, 2);
        let mut taken = [one.join().unwrap(), other.join().unwrap()];
        taken.sort_unstable();
        assert_eq!(taken, [Some(1), Some(2)]);
    });
}
