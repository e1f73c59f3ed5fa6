//! Models of the group: a slot that becomes free, those who wait for it and one who leaves, and the first error.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ::loom::thread;

use super::*;
use crate::shim::model_with;
use crate::wait::loom_models::{Count, block_on, poll};
use crate::wait::op::Park;

async fn wait(slots: Arc<Slots>) -> Slot {
    let site = Location::caller();
    let mut park = pin!(Park::new(SlotOp { slots, site }, ()));
    poll_fn(|cx| park.as_mut().poll(cx)).await
}

/// The only slot is given back while the first who waits for it leaves: the second has it.
#[test]
fn loom_errgroup_slot_v_acquire_v_cancel() {
    model_with(3, || {
        let slots = Arc::new(Slots::new(1, Location::caller()));
        let held = slots.try_acquire().unwrap();
        let (_, waker) = Count::new();
        let mut leaver = Box::pin(wait(slots.clone()));
        let mut next = Box::pin(wait(slots.clone()));
        assert!(poll(leaver.as_mut(), &waker).is_pending());
        assert!(poll(next.as_mut(), &waker).is_pending());
        let leaver = thread::spawn(move || drop(leaver));
        drop(held);
        drop(block_on(next));
        leaver.join().unwrap();
        let slot = slots.try_acquire();
        assert!(slot.is_some() && slots.try_acquire().is_none());
    });
}

/// The only slot is given back while somebody comes for it.
#[test]
fn loom_errgroup_slot_v_newcomer() {
    model_with(3, || {
        let slots = Arc::new(Slots::new(1, Location::caller()));
        let held = slots.try_acquire().unwrap();
        let other = {
            let slots = slots.clone();
            thread::spawn(move || drop(block_on(wait(slots))))
        };
        drop(held);
        drop(block_on(wait(slots.clone())));
        other.join().unwrap();
        let slot = slots.try_acquire();
        assert!(slot.is_some() && slots.try_acquire().is_none());
    });
}

fn enter(group: &ErrGroup<u32>) -> Member<u32> {
    group.enter(ObjId::NONE, None, Location::caller())
}

/// Two fail at the same time: the group ends with the one error that its context was told, and is as new then.
#[test]
fn loom_errgroup_first_error_wins() {
    model_with(3, || {
        let told = Arc::new([0, 0].map(AtomicUsize::new));
        let hears = told.clone();
        let on_end: OnEnd<u32> = Box::new(move |how, _| match how {
            Ending::Error(error) => {
                hears[0].fetch_add(1, SeqCst);
                hears[1].store(*error as usize, SeqCst);
            }
            Ending::Panic(_) => unreachable!("nobody panics"),
            Ending::Over => {}
        });
        let group = ErrGroup::with_end(Some(on_end));
        let members = [1, 2].map(|error| (error, enter(&group)));
        let tasks = members
            .map(|(error, member)| thread::spawn(move || member.end(Ok(Err(error)), Ok(()))));
        let first = block_on(group.wait()).unwrap_err();
        assert_eq!(told[0].load(SeqCst), 1);
        assert_eq!(told[1].load(SeqCst), first as usize);
        tasks.into_iter().for_each(|task| task.join().unwrap());
        assert_eq!(block_on(group.wait()), Ok(()));
    });
}

/// A task fails and another one ends well, with a slot each: who has waited sees the error and both slots.
#[test]
fn loom_errgroup_all_is_given_back_before_the_end() {
    model_with(3, || {
        let group = ErrGroup::<u32>::new();
        group.set_limit(1);
        let slots = group.slots().unwrap();
        let first = group.enter(ObjId::NONE, slots.try_acquire(), Location::caller());
        let task = thread::spawn(move || first.end(Ok(Err(7)), Ok(())));
        let slot = block_on(wait(slots.clone()));
        group
            .enter(ObjId::NONE, Some(slot), Location::caller())
            .end(Ok(Ok(())), Ok(()));
        assert_eq!(block_on(group.wait()), Err(7));
        assert!(slots.try_acquire().is_some());
        task.join().unwrap();
    });
}
