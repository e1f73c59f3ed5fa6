//! Models of the tree: an end against whatever else may happen to the same nodes.
//!
//! What they are not: models of a wait (`wait/tests/loom.rs`) or of a timer (`time/driver/loom.rs`). Nodes are tracked, so a
//! model fails when one is never freed, and the shim lets loom see a touch after the free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use ::loom::thread;

use super::cancel::cancel;
use super::state::End;
use super::tree::{Node, Ref};
use crate::context::Context;
use crate::error::ContextError;
use crate::shim::{Arc, model};
use crate::wait::loom_models::{Count, block_on, poll};

const CANCELED: Option<ContextError> = Some(ContextError::Canceled);

#[test]
fn loom_ctx_cancel_v_new_child() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let cancelling = thread::spawn(move || handle.cancel());
        let (child, _) = root.with_cancel();
        let (below, _) = child.with_cancel();
        cancelling.join().unwrap();
        assert_eq!(child.err(), CANCELED);
        assert_eq!(below.err(), CANCELED);
        assert_eq!(below.cancellation().unwrap().context, root.id());
        assert_eq!(root.child_count(), 0);
    });
}

#[test]
fn loom_ctx_cancel_v_drop_child() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let (first, _) = root.with_cancel();
        let (second, _) = root.with_cancel();
        let cancelling = thread::spawn(move || handle.cancel());
        drop(first);
        cancelling.join().unwrap();
        assert_eq!(second.err(), CANCELED);
        assert_eq!(root.child_count(), 0);
    });
}

/// The last reference to a chain goes while it is being walked.
#[test]
fn loom_ctx_cancel_v_drop_chain() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let (child, _) = root.with_cancel();
        let (below, _) = child.with_cancel();
        drop(child);
        let cancelling = thread::spawn(move || handle.cancel());
        drop(below);
        cancelling.join().unwrap();
        assert_eq!(root.child_count(), 0);
    });
}

/// Two cancel, one above the other: each node ends once, and the lowest by one of the two.
#[test]
fn loom_ctx_cancel_v_cancel_below() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let (child, child_handle) = root.with_cancel();
        let (below, _) = child.with_cancel();
        let cancelling = thread::spawn(move || handle.cancel());
        child_handle.cancel();
        // Whoever lost, its own context has ended when the call is over, and all below.
        assert_eq!(child.err(), CANCELED);
        assert_eq!(below.err(), CANCELED);
        cancelling.join().unwrap();
        let by = child.cancellation().unwrap().context;
        assert_eq!(below.cancellation().unwrap().context, by);
        assert!(by == child.id() || by == root.id());
        assert_eq!(root.child_count(), 0);
    });
}

/// The one above, while somebody is at work below it: nothing is left alive when the call is over.
#[test]
fn loom_ctx_cancel_v_cancel_above() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let (child, child_handle) = root.with_cancel();
        let (below, _) = child.with_cancel();
        let cancelling = thread::spawn(move || child_handle.cancel());
        handle.cancel();
        assert_eq!(below.err(), CANCELED);
        assert_eq!(root.child_count() + child.child_count(), 0);
        cancelling.join().unwrap();
    });
}

/// The drop of a cause panics, whoever has the last reference to its node: the tree is in order afterwards.
#[test]
fn loom_ctx_cancel_v_cause_that_panics() {
    #[derive(Debug)]
    struct Bomb;
    impl std::fmt::Display for Bomb {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bomb")
        }
    }
    impl std::error::Error for Bomb {}
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("dropped"));
        }
    }
    model(|| {
        let (root, _handle) = Context::background().with_cancel();
        let (middle, handle) = root.with_cancel();
        let (child, child_handle) = middle.with_cancel_cause();
        drop(child);
        let cancelling = thread::spawn(move || {
            let cancel = AssertUnwindSafe(|| {
                child_handle.cancel(Bomb);
                drop(child_handle);
            });
            _ = catch_unwind(cancel);
        });
        _ = catch_unwind(AssertUnwindSafe(|| handle.cancel()));
        assert_eq!(root.child_count(), 0);
        cancelling.join().unwrap();
        drop((middle, handle));
        assert_eq!(root.child_count(), 0);
    });
}

#[test]
fn loom_ctx_cancel_v_done() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let (child, _) = root.with_cancel();
        let cancelling = thread::spawn(move || handle.cancel());
        assert_eq!(block_on(child.done()), ContextError::Canceled);
        cancelling.join().unwrap();
    });
}

#[test]
fn loom_ctx_cancel_v_drop_done() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let (child, _) = root.with_cancel();
        let (count, waker) = Count::new();
        let pending = {
            let mut done = pin!(child.done());
            let pending = poll(done.as_mut(), &waker).is_pending();
            assert!(pending);
            let cancelling = thread::spawn(move || handle.cancel());
            let again = poll(done.as_mut(), &waker);
            (again.is_pending(), cancelling)
        };
        pending.1.join().unwrap();
        assert!(count.get() <= 1);
        drop(waker);
        assert_eq!(std::sync::Arc::strong_count(&count), 1, "no waker is kept");
        assert_eq!(child.err(), CANCELED);
    });
}

/// Another waker comes while the end does: the one that was told to wait is woken.
#[test]
fn loom_ctx_cancel_v_new_waker() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let (first, w1) = Count::new();
        let (second, w2) = Count::new();
        let mut done = pin!(root.done());
        assert!(poll(done.as_mut(), &w1).is_pending());
        let cancelling = thread::spawn(move || handle.cancel());
        let look = poll(done.as_mut(), &w2);
        cancelling.join().unwrap();
        assert_eq!(first.get() + second.get(), 1);
        if look.is_pending() {
            assert_eq!(second.get(), 1, "it was told to wait");
        }
    });
}

/// A timer that looks at a node while the last owner drops it.
#[test]
fn loom_ctx_timer_v_drop() {
    model(|| {
        let weak = std::sync::Arc::new(Default::default());
        let shared = Arc::new(());
        let (root, _handle) = Context::background().with_cancel();
        let (node, _) = {
            let site = std::panic::Location::caller();
            let pair = Node::below(root.node(), None, Some(std::sync::Arc::clone(&weak)), site);
            (pair.0, drop(pair.1))
        };
        let timer = {
            let weak = weak.clone();
            let shared = shared.clone();
            thread::spawn(move || {
                let node: Option<Ref> = weak.upgrade();
                if let Some(node) = node {
                    let site = std::panic::Location::caller();
                    cancel(&node, End::EXCEEDED, None, site);
                }
                drop(shared);
            })
        };
        drop(node);
        timer.join().unwrap();
        assert!(weak.upgrade().is_none());
        assert_eq!(root.child_count(), 0);
    });
}

/// The function is called or taken back, not both and not neither.
#[test]
fn loom_ctx_cancel_v_stop() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let called = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&called);
        super::spawn::set_spawner(|func, _| func());
        let stop = root.after_func(move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
        let cancelling = thread::spawn(move || handle.cancel());
        let stopped = stop.stop();
        cancelling.join().unwrap();
        let called = called.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(called, usize::from(!stopped));
    });
}

/// The same as an arm beside another wait of the same poll.
#[test]
fn loom_ctx_run_v_cancel() {
    model(|| {
        let (root, handle) = Context::background().with_cancel();
        let (tx, rx) = crate::chan::chan::<u8>(1);
        let cancelling = thread::spawn(move || handle.cancel());
        let sending = thread::spawn(move || _ = tx.try_send(7));
        match block_on(root.run(rx.recv())) {
            Ok(got) => assert!(got == Ok(7) || got.is_err()),
            Err(error) => assert_eq!(error, ContextError::Canceled),
        }
        cancelling.join().unwrap();
        sending.join().unwrap();
    });
}
