//! Who was spawned by whom, also when some of them are gone, and what selects wait for.

use super::*;
use crate::hook::ArmNote;

fn task(id: u64, parent: u64, type_name: &'static str) -> Snapshot {
    Snapshot {
        id: ObjId::from_raw(id),
        spawned: None,
        spawned_at: 0,
        parent: ObjId::from_raw(parent),
        type_name: Some(type_name),
        runtime: 0,
        state: State::Waiting,
        named: false,
        polls: 1,
        woken_by: ObjId::NONE,
        wait: None,
        runnable_since: None,
        after: None,
        unstable: false,
    }
}

fn stacks(tasks: Vec<Snapshot>) -> Vec<String> {
    let mut lineages = Lineages::default();
    let seen = number(tasks, &mut lineages);
    let stack = |seen: &Seen| {
        let frames = seen.doing().stack(&lineages);
        let names: Vec<_> = frames.into_iter().map(|frame| frame.function).collect();
        names.join("<")
    };
    seen.iter().map(stack).collect()
}

#[test]
fn creators_are_found_in_any_order() {
    let tasks = vec![task(3, 2, "c"), task(1, 0, "a"), task(2, 1, "b")];
    assert_eq!(stacks(tasks), ["c<b<a", "a", "b<a"]);
}

#[test]
fn a_creator_that_is_gone_ends_the_chain() {
    let tasks = vec![task(3, 2, "c"), task(4, 3, "d")];
    assert_eq!(stacks(tasks), ["c", "d<c"]);
}

fn select(arms: &[(u64, Option<Site>)], count: u16) -> WaitSnapshot {
    let arm = |&(number, made): &(u64, Option<Site>)| ArmNote {
        object: ObjId::from_raw((Kind::Chan as u64) << 56 | number),
        made,
        ..ArmNote::NIL
    };
    WaitSnapshot {
        reason: WaitReason::Select,
        object: ObjId::NONE,
        made: None,
        site: Some(Location::caller()),
        since: 1,
        idle: false,
        arm_count: count,
        arms: arms.iter().map(arm).collect(),
    }
}

#[test]
fn a_select_has_a_class_if_all_its_arms_have_the_same() {
    let (here, there) = (Location::caller(), Some(ArmNote::NIL.site));
    let chan = Some((Kind::Chan, Some(here)));
    assert_eq!(class(&select(&[(1, Some(here))], 1)), chan);
    assert_eq!(class(&select(&[(1, Some(here)), (2, Some(here))], 2)), chan);
    assert_eq!(class(&select(&[(1, Some(here)), (2, there)], 2)), None);
    let four = [1, 2, 3, 4].map(|n| (n, Some(here)));
    assert_eq!(class(&select(&four, 4)), chan);
    assert_eq!(class(&select(&four, 5)), None, "the fifth is not known");
}

#[test]
fn what_runs_is_named_by_its_last_wait() {
    let mut running = task(1, 0, "a");
    (running.state, running.after) = (State::Running, Some((ObjId::NONE, Location::caller())));
    let names = stacks(vec![running]);
    assert!(
        names[0].starts_with("running since its wait at src/"),
        "{names:?}"
    );
}
