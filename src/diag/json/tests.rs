//! The format, field by field.

use super::*;
use crate::diag::TaskState;
use crate::hook::{Kind, LongPollCause, WaitReason};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn every_field_has_its_place() {
    let site = Location::caller();
    let place = json!({ "file": site.file(), "line": site.line(), "column": site.column() });
    let chan = Object {
        id: ObjId::from_raw((Kind::Chan as u64) << 56 | 7),
        name: Some("the \"jobs\"".into()),
        made: Some(site),
        holders: vec![Holder {
            id: ObjId::from_raw(4),
            name: Some("writer".into()),
            gone: true,
            site: Some(site),
            held_ns: 6,
        }],
        count: Some(3),
        waiters: 2,
        mode: Some("starving"),
    };
    let wait = Wait {
        reason: WaitReason::Select,
        waited_ns: 5,
        object: None,
        site: Some(site),
        arms: vec![Arm {
            reason: WaitReason::ChanSend,
            object: Some(chan),
            site: Some(site),
        }],
        arm_count: 9,
        again: Some(Again {
            site: Some(site),
            reads: true,
            behind: vec![ObjId::from_raw(6)],
        }),
    };
    let poll = LongPoll {
        task: ObjId::from_raw(18),
        spawned: None,
        type_name: None,
        after: Some(site),
        object: ObjId::NONE,
        lasted_ns: 12,
        cause: Some(LongPollCause::Asleep),
        taken_over: true,
        number: 3,
    };
    let task = TaskInfo {
        id: ObjId::from_raw(18),
        name: None,
        state: TaskState::Waiting,
        wait: Some(wait),
        long_poll: Some(poll),
        runnable_ns: None,
        spawned: Some(site),
        parent: Some(ObjId::from_raw(1)),
        age_ns: u64::MAX,
        type_name: Some("a::b"),
        runtime: 2,
        polls: 3,
        woken_by: None,
        regions: vec![RegionInfo {
            name: "parse",
            site: Some(site),
            since_ns: 7,
        }],
        labels: vec![("tenant".into(), "eu".into())],
        unstable: false,
    };
    let dump = Dump {
        taken: UNIX_EPOCH + Duration::from_nanos(77),
        took: Duration::from_nanos(8),
        tasks: vec![task],
    };
    let told: Value = serde_json::from_str(&dump.to_json()).unwrap();
    let object = json!({
        "id": "chan#7", "kind": "chan", "number": 7, "name": "the \"jobs\"", "made": place,
        "holders": [{
            "id": "task#4", "kind": "task", "number": 4, "name": "writer", "gone": true, "site": place, "held_ns": 6,
        }],
        "count": 3, "waiters": 2, "mode": "starving",
    });
    let wait = json!({
        "reason": "select", "class": "chan", "waited_ns": 5, "object": null, "site": place,
        "arms": [{ "reason": "chan send", "object": object, "site": place }],
        "arm_count": 9,
        "again": { "reads": true, "site": place, "behind": ["task#6"] },
    });
    let expected = json!({
        "version": 1,
        "taken_unix_ns": 77,
        "took_ns": 8,
        "tasks": [{
            "id": "task#18", "kind": "task", "number": 18, "name": null,
            "state": "waiting",
            "wait": wait,
            "long_poll": {
                "lasted_ns": 12, "cause": "asleep in the kernel", "after": place, "object": null, "taken_over": true,
            },
            "spawned": place, "parent": "task#1", "age_ns": u64::MAX, "type_name": "a::b",
            "runtime": 2, "polls": 3, "woken_by": null,
            "regions": [{ "name": "parse", "site": place, "since_ns": 7 }], "labels": { "tenant": "eu" },
            "unstable": false,
        }],
    });
    assert_eq!(told, expected);
}
