//! src/sync/waitgroup_test.go

use crate::common::{Place, Tally, everywhere, watch};
use gochan::sync::WaitGroup;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once};

/// The words of a panic.
fn panic_of(f: impl FnOnce()) -> String {
    words(&*catch_unwind(AssertUnwindSafe(f)).expect_err("it panics"))
}

fn words(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

/// What panics said, and where.
static HEARD: Mutex<Vec<(String, String, u32)>> = Mutex::new(Vec::new());

/// Writes down every panic of this process from now on.
fn hear_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let old = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let words = words(info.payload());
            let site = info.location().unwrap();
            let heard = (words, site.file().to_owned(), site.line());
            HEARD.lock().unwrap().push(heard);
            old(info);
        }));
    });
}

// TestWaitGroup
mod test_wait_group {
    use super::*;

    const N: usize = 16;

    async fn round(place: &Place, wg1: &WaitGroup, wg2: &WaitGroup) {
        wg1.add(N as isize);
        wg2.add(N as isize);
        let (exited, exits) = gochan::chan(N);
        for _ in 0..N {
            let (wg1, wg2, exited) = (wg1.clone(), wg2.clone(), exited.clone());
            place.go(async move {
                wg1.done();
                wg2.wait().await;
                exited.send(true).await.unwrap();
            });
        }
        wg1.wait().await;
        for _ in 0..N {
            assert!(
                exits.try_recv().is_err(),
                "WaitGroup released group too soon"
            );
            wg2.done();
        }
        for _ in 0..N {
            assert_eq!(exits.recv().await, Ok(true));
        }
    }

    /// Run the same test a few times to ensure barrier is in a proper state.
    async fn rounds(place: Place) {
        let (wg1, wg2) = (WaitGroup::new(), WaitGroup::new());
        for _ in 0..8 {
            round(&place, &wg1, &wg2).await;
        }
    }

    everywhere!(rounds);
}

// TestWaitGroupMisuse
mod misuse {
    use super::*;

    #[test]
    fn negative_counter() {
        let wg = WaitGroup::new();
        wg.add(1);
        wg.done();
        assert_eq!(panic_of(|| wg.done()), "sync: negative WaitGroup counter");
        // Unlike Go's, the group is as it was.
        assert_eq!(wg.count(), 0);
        wg.wait_blocking();
        wg.add(2);
        let words = panic_of(|| wg.add(-3));
        assert_eq!(words, "sync: negative WaitGroup counter");
        assert_eq!(wg.count(), 2);
    }

    #[test]
    fn reused_before_wait_has_returned() {
        let wg = WaitGroup::new();
        wg.add(1);
        let mut waiting = tokio_test::task::spawn(wg.wait());
        assert!(waiting.poll().is_pending());
        wg.done();
        wg.add(1);
        assert!(waiting.is_woken());
        let words = panic_of(|| _ = waiting.poll());
        let expected = "sync: WaitGroup is reused before previous Wait has returned";
        assert!(words.starts_with(expected), "{words}");
        assert!(words.contains(file!()), "it says whose wait: {words}");
    }

    /// The panic names the line of the caller.
    #[test]
    fn where_it_happened() {
        hear_panics();
        let line = line!() + 1;
        panic_of(|| WaitGroup::new().done());
        let words = "sync: negative WaitGroup counter".to_owned();
        let told = (words, file!().to_owned(), line);
        assert!(HEARD.lock().unwrap().contains(&told));
    }
}

// TestWaitGroupRace
mod race {
    use super::*;

    /// Run this test for about 1ms.
    async fn add_in_the_goroutine_that_waits(place: Place) {
        for _ in 0..place.scale(1000, 50) {
            let (wg, n) = (WaitGroup::new(), Tally::default());
            for _ in 0..2 {
                wg.add(1);
                let (wg, n) = (wg.clone(), n.clone());
                place.go(async move {
                    n.add(1);
                    wg.done();
                });
            }
            wg.wait().await;
            assert_eq!(n.get(), 2, "Spurious wakeup from Wait");
        }
    }

    everywhere!(add_in_the_goroutine_that_waits);
}

// TestWaitGroupGo
mod test_go {
    use super::*;

    async fn done(_: Place) {
        let (wg, done) = (WaitGroup::new(), Arc::new(AtomicBool::new(false)));
        let set = done.clone();
        wg.go(async move { set.store(true, SeqCst) });
        wg.wait().await;
        assert!(done.load(SeqCst), "the function has run");
    }

    everywhere!(done);
}

// TestIssue76126: when the function panics, nobody returns from Wait as if all were well before the panic is told. Go ends
// the program; here the panic has been reported and is in the handle.
mod issue_76126 {
    use super::*;

    #[test]
    fn the_panic_comes_first() {
        watch(|| {
            let wg = WaitGroup::new();
            let held = Arc::new(());
            let inside = held.clone();
            hear_panics();
            let member = wg.go(async move {
                let _inside = inside;
                panic!("test of issue 76126");
            });
            wg.wait_blocking();
            let heard = HEARD.lock().unwrap();
            assert!(
                heard
                    .iter()
                    .any(|(words, ..)| words == "test of issue 76126"),
                "Wait returned while the task was panicking"
            );
            assert_eq!(Arc::strong_count(&held), 1, "what it held is gone");
            let error = member.wait().unwrap_err();
            assert_eq!(
                *error.into_panic().downcast::<&str>().unwrap(),
                "test of issue 76126"
            );
        });
    }
}
