//! One place is the tests' own, and it is the process's, so these tests take turns and look at objects of their own.

use super::*;
use crate::hook::holder::{self, Hold};
use crate::hook::object::Kind;
use crate::hook::{self, Note, PARK, READY, RELEASE, Ready, Woken, on};
use ::parking_lot::Mutex;

static TURN: Mutex<()> = Mutex::new(());

struct Diary(Mutex<Vec<(&'static str, ObjId, u64)>>);

static DIARY: Diary = Diary(Mutex::new(Vec::new()));

impl Diary {
    fn of(&self, object: ObjId) -> Vec<(&'static str, u64)> {
        let lines = self.0.lock();
        let own = lines.iter().filter(|line| line.1 == object);
        own.map(|&(what, _, number)| (what, number)).collect()
    }
}

impl Sink for Diary {
    fn park(&self, event: &Park<'_>, now: u64) {
        self.0.lock().push(("park", event.object, now));
    }
    fn ready(&self, event: &Ready, now: u64) {
        assert!(now > 0);
        self.0
            .lock()
            .push(("ready", event.object, event.task.raw()));
    }
    fn release(&self, event: &Released, _: u64) {
        let site = event.acquired.expect("it was acquired somewhere");
        let what = match event.released {
            Some(_) => "release at",
            None => "release",
        };
        self.0.lock().push((what, event.object, site.line().into()));
    }
}

fn note(object: ObjId) -> Note {
    Note {
        task: 42,
        reason: WaitReason::MutexLock,
        object,
        made: None,
        site: Location::caller(),
        since: 7,
    }
}

#[test]
fn a_sink_is_told_what_its_place_wants() {
    let _turn = TURN.lock();
    let object = ObjId::fresh(Kind::Mutex);
    attach(Place::Test, &DIARY, PARK | READY | RELEASE);
    assert!(on(PARK) && on(READY) && on(RELEASE));
    hook::current::park(&note(object));
    hook::ready(&Woken::new(note(object)));
    let hold = Hold::acquired(object, Location::caller());
    let line = u64::from(line!() - 1);
    hold.released();

    attach(Place::Test, &DIARY, 0);
    hook::current::park(&note(object));
    hook::ready(&Woken::new(note(object)));
    Hold::acquired(object, Location::caller()).released();
    let told = DIARY.of(object);
    assert_eq!(told, [("park", 7), ("ready", 42), ("release", line)]);
}

#[test]
fn what_was_only_wanted_is_not_released() {
    let _turn = TURN.lock();
    let object = ObjId::fresh(Kind::Mutex);
    attach(Place::Test, &DIARY, RELEASE);
    Hold::wanted(object, Location::caller(), crate::clock::ticks()).given_up();
    assert!(DIARY.of(object).is_empty());
    let hold = Hold::wanted(object, Location::caller(), crate::clock::ticks());
    hold.granted(crate::clock::ticks());
    hold.released();
    attach(Place::Test, &DIARY, 0);
    assert_eq!(DIARY.of(object).len(), 1);
}

#[test]
fn a_release_that_panics_leaves_no_line_behind() {
    let _turn = TURN.lock();
    let [with, without] = [(); 2].map(|()| ObjId::fresh(Kind::Mutex));
    attach(Place::Test, &DIARY, RELEASE);
    let here = Location::caller();
    let (first, second) = (Hold::acquired(with, here), Hold::acquired(without, here));
    holder::released_at(here, || first.released());
    let release = || holder::released_at(here, || panic!("before anything is released"));
    std::panic::catch_unwind(release).unwrap_err();
    second.released();
    attach(Place::Test, &DIARY, 0);
    assert_eq!(DIARY.of(with)[0].0, "release at");
    assert_eq!(DIARY.of(without)[0].0, "release");
}

/// The mask is of both: neither the one nor the other forgets the one's wishes.
#[test]
fn sinks_and_subscribers_do_not_forget_each_other() {
    struct Nothing;
    impl hook::Subscriber for Nothing {}

    let _turn = TURN.lock();
    attach(Place::Test, &DIARY, RELEASE);
    let subscription = hook::subscribe(Nothing);
    assert!(on(PARK) && on(RELEASE));
    drop(subscription);
    assert!(on(RELEASE));
    let subscription = hook::subscribe(Nothing);
    attach(Place::Test, &DIARY, 0);
    assert!(on(PARK));
    drop(subscription);
}
