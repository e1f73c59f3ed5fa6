//! Models of the monitor's nap.

use super::*;
use crate::shim::{AtomicUsize, model, thread};

/// Who wakes while the monitor goes to sleep ends its nap, or is seen.
#[test]
fn loom_nap_v_wake() {
    model(|| {
        let nap = Arc::new(Nap::new());
        let awake = Arc::new(AtomicUsize::new(0));
        let monitor = thread::spawn({
            let (nap, awake) = (Arc::clone(&nap), Arc::clone(&awake));
            move || {
                let parker = Parker::new();
                nap.enter(&parker);
                while awake.load(Relaxed) == 0 {
                    nap.deep(&parker, None, || awake.load(Relaxed) > 0);
                }
            }
        });
        awake.fetch_add(1, Relaxed);
        nap.end();
        monitor.join().unwrap();
    });
}

/// The end of the runtime, which the monitor learns from a flag, comes before it has entered, or while it sleeps.
#[test]
fn loom_nap_v_close() {
    model(|| {
        let nap = Arc::new(Nap::new());
        let closing = Arc::new(AtomicUsize::new(0));
        let monitor = thread::spawn({
            let (nap, closing) = (Arc::clone(&nap), Arc::clone(&closing));
            move || {
                let parker = Parker::new();
                nap.enter(&parker);
                while closing.load(Relaxed) == 0 {
                    nap.deep(&parker, None, || false);
                }
            }
        });
        closing.store(1, Relaxed);
        nap.end_for_good();
        monitor.join().unwrap();
    });
}
