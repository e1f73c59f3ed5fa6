//! A mutex with more readers than can be made in a test.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};

use super::super::RwMutex;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_reader_that_waits_for_room_is_let_in_by_the_next_that_leaves() {
    let mutex = RwMutex::new(());
    mutex.raw.word.crowd();
    let last = mutex.try_read().expect("there is room for one");
    assert!(mutex.try_read().is_none());
    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    let mut waits = pin!(mutex.read());
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    let readers = mutex.stats().readers;
    drop(last);
    assert_eq!(woken.0.load(SeqCst), 1);
    assert!(waits.as_mut().poll(&mut cx).is_ready());
    assert_eq!(mutex.stats().readers, readers - 1);
}
