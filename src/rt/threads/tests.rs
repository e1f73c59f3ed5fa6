//! Cores that change hands, without threads.

use super::*;
use crate::hook::current;

/// The poll that the thread before is in is not the next one's: the monitor would take the core away at once.
#[test]
fn a_core_that_changes_hands_shows_no_poll() {
    let (shared, mut cores) = Shared::new(1, "nobody".into(), None);
    let mut core = cores.pop().unwrap();
    core.local.set_polled(current::record_or_thread().unwrap());
    let call = shared.threads.state.lock().spares.leave(core);
    assert!(matches!(call, Call::Start));
    let core = shared.threads.wait_for_core(&Parker::new()).unwrap();
    assert!(core.polled().is_none());
}
