//! The mask and the list are the process's, so these tests take turns, and look only at waits of their own objects.

use super::*;
use crate::hook::object::Kind;
use crate::hook::{self, on};
use ::parking_lot::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock()
}

fn note(object: ObjId) -> Note {
    Note {
        task: 42,
        reason: WaitReason::ChanSend,
        object,
        made: None,
        site: Location::caller(),
        since: clock::ticks(),
    }
}

/// Writes down what concerns one object.
struct Diary {
    object: ObjId,
    lines: Mutex<Vec<String>>,
}

impl Diary {
    fn new() -> Arc<Diary> {
        Arc::new(Diary {
            object: ObjId::fresh(Kind::Chan),
            lines: Mutex::default(),
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock())
    }
}

impl Subscriber for Diary {
    fn on_park(&self, event: &Park<'_>) {
        if event.object == self.object {
            let line = format!("{} parks: {}", event.task, event.reason);
            self.lines.lock().push(line);
        }
    }

    fn on_ready(&self, event: &Ready) {
        if event.object == self.object {
            let line = format!("{} ready: {}", event.task, event.reason);
            self.lines.lock().push(line);
        }
    }
}

#[test]
fn events_are_small() {
    assert!(size_of::<Spawn>() <= 96);
    assert!(size_of::<Park<'_>>() <= 96);
    assert!(size_of::<Ready>() <= 96);
    assert!(size_of::<Exit>() <= 96);
}

#[test]
fn a_subscriber_hears_from_the_beginning_to_the_end_of_its_subscription() {
    let _turn = turn();
    let diary = Diary::new();
    let note = note(diary.object);
    current::park(&note);
    assert!(!on(Events::ALL.0));
    let subscription = subscribe(Arc::clone(&diary));
    assert!(on(PARK) && on(READY));
    current::park(&note);
    hook::ready(&Woken::new(note));
    drop(subscription);
    assert!(!on(Events::ALL.0));
    current::park(&note);
    assert_eq!(
        diary.take(),
        ["task#42 parks: chan send", "task#42 ready: chan send"]
    );
}

#[test]
fn everybody_hears_and_everybody_leaves_alone() {
    let _turn = turn();
    let diaries = [Diary::new(), Diary::new()];
    let first = subscribe(Arc::clone(&diaries[0]));
    let second = subscribe(Arc::clone(&diaries[1]));
    let tell = || diaries.iter().for_each(|d| current::park(&note(d.object)));
    let heard = || diaries.each_ref().map(|d| d.take().len());
    tell();
    assert_eq!(heard(), [1, 1]);
    drop(first);
    tell();
    assert_eq!(heard(), [0, 1]);
    drop(second);
}

#[test]
fn only_the_events_asked_for_are_on() {
    let _turn = turn();
    struct Exits;
    impl Subscriber for Exits {
        fn events(&self) -> Events {
            Events::EXIT
        }
        fn on_park(&self, _: &Park<'_>) {
            unreachable!("not asked for")
        }
    }
    let exits = subscribe(Exits);
    assert!(on(EXIT) && !on(PARK));
    let diary = Diary::new();
    let all = subscribe(Arc::clone(&diary));
    current::park(&note(diary.object));
    assert_eq!(diary.take().len(), 1);
    drop(all);
    assert!(on(EXIT) && !on(PARK));
    assert_eq!(exits.panics(), 0);
}

#[test]
fn a_panic_stays_inside() {
    let _turn = turn();
    struct Bad;
    impl Subscriber for Bad {
        fn on_park(&self, event: &Park<'_>) {
            if event.task.raw() == 42 {
                std::panic::resume_unwind(Box::new("a subscriber's own trouble"));
            }
        }
    }
    let bad = subscribe(Bad);
    let diary = Diary::new();
    let good = subscribe(Arc::clone(&diary));
    current::park(&note(diary.object));
    current::park(&note(diary.object));
    assert_eq!(diary.take().len(), 2);
    assert_eq!((bad.panics(), good.panics()), (2, 0));
}

#[test]
fn a_payload_and_a_subscriber_that_panic_when_dropped_stay_inside() {
    let _turn = turn();
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("bomb"));
        }
    }
    struct Bad;
    impl Subscriber for Bad {
        fn on_ready(&self, event: &Ready) {
            if event.task.raw() == 42 {
                std::panic::resume_unwind(Box::new(Bomb));
            }
        }
    }
    let bad = subscribe(Bad);
    hook::ready(&Woken::new(note(ObjId::NONE)));
    assert_eq!(bad.panics(), 1);
    drop(bad);

    // One whose last reference is the delivery's own: it unsubscribes itself while it is told.
    struct Last(Mutex<Option<Subscription>>, #[allow(dead_code)] Bomb);
    impl Subscriber for Last {
        fn on_ready(&self, _: &Ready) {
            drop(self.0.lock().take());
        }
    }
    let last = Arc::new(Last(Mutex::new(None), Bomb));
    *last.0.lock() = Some(subscribe(Arc::clone(&last)));
    drop(last);
    hook::ready(&Woken::new(note(ObjId::NONE)));
    assert!(!on(READY));
}

#[test]
fn what_a_subscriber_raises_itself_is_dropped_and_counted() {
    let _turn = turn();
    struct Echo(AtomicU64);
    impl Subscriber for Echo {
        fn on_park(&self, event: &Park<'_>) {
            if event.task.raw() == 42 {
                self.0.fetch_add(1, Relaxed);
                // As if it had sent to a channel: waits and wakes of its own.
                current::park(&note(event.object));
                hook::ready(&Woken::new(note(event.object)));
            }
        }
    }
    let echo = Arc::new(Echo(AtomicU64::new(0)));
    let subscription = subscribe(Arc::clone(&echo));
    let before = dropped_events();
    current::park(&note(ObjId::NONE));
    assert_eq!(echo.0.load(Relaxed), 1);
    assert_eq!(dropped_events(), before + 2);
    // The mark is gone again.
    current::park(&note(ObjId::NONE));
    assert_eq!(echo.0.load(Relaxed), 2);
    drop(subscription);
}

#[test]
fn a_subscriber_may_subscribe_others() {
    let _turn = turn();
    struct Opens(Mutex<Vec<Subscription>>, Arc<Diary>);
    impl Subscriber for Opens {
        fn on_park(&self, _: &Park<'_>) {
            self.0.lock().push(subscribe(Arc::clone(&self.1)));
        }
    }
    let diary = Diary::new();
    let opens = Arc::new(Opens(Mutex::default(), Arc::clone(&diary)));
    let subscription = subscribe(Arc::clone(&opens));
    current::park(&note(diary.object));
    assert_eq!(diary.take().len(), 0, "subscribed after the event");
    current::park(&note(diary.object));
    assert_eq!(diary.take().len(), 1);
    opens.0.lock().clear();
    drop(subscription);
    assert!(!on(Events::ALL.0));
}

#[test]
fn a_wait_is_timed() {
    let _turn = turn();
    struct Time(AtomicU64);
    impl Subscriber for Time {
        fn on_ready(&self, event: &Ready) {
            self.0.store(event.waited_ns, Relaxed);
        }
    }
    let time = Arc::new(Time(AtomicU64::new(0)));
    let subscription = subscribe(Arc::clone(&time));
    let note = note(ObjId::NONE);
    let begin = std::time::Instant::now();
    // sleep: it is what is measured
    std::thread::sleep(std::time::Duration::from_millis(3));
    hook::ready(&Woken::new(note));
    let most = begin.elapsed().as_nanos() as u64 + 1_000_000;
    let waited = time.0.load(Relaxed);
    assert!((2_900_000..most).contains(&waited), "{waited}");
    drop(subscription);
}
