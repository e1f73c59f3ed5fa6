//! Parts of dumps made by hand, for the tests of everything that prints one.

use std::fmt::Display;
use std::panic::Location;
use std::sync::Arc;

use crate::diag::{Object, TaskInfo, TaskState, Wait};
use crate::hook::{Kind, ObjId, WaitReason};

/// The place where it is called.
#[track_caller]
pub(in crate::diag) fn here() -> &'static Location<'static> {
    Location::caller()
}

pub(in crate::diag) fn id(kind: Kind, number: u64) -> ObjId {
    ObjId::from_raw((kind as u64) << 56 | number)
}

pub(in crate::diag) fn task(number: u64) -> TaskInfo {
    TaskInfo {
        id: id(Kind::Task, number),
        name: None,
        state: TaskState::Running,
        wait: None,
        long_poll: None,
        runnable_ns: None,
        spawned: Some(here()),
        parent: None,
        age_ns: 61_000_000_000,
        type_name: None,
        runtime: 1,
        polls: 1,
        woken_by: None,
        regions: Vec::new(),
        labels: Vec::new(),
        unstable: false,
    }
}

pub(in crate::diag) fn object(kind: Kind, number: u64, name: Option<&str>) -> Object {
    Object {
        id: id(kind, number),
        name: name.map(Into::into),
        made: Some(here()),
        holders: Vec::new(),
        count: None,
        waiters: 1,
        queue: Vec::new(),
        mode: None,
        buffer: None,
    }
}

pub(in crate::diag) fn waiting(reason: WaitReason, waited_ns: u64, object: Option<Object>) -> Wait {
    Wait {
        reason,
        waited_ns,
        object: object.map(Arc::new),
        site: Some(here()),
        arms: Vec::new(),
        arm_count: 0,
        again: None,
        idle: false,
    }
}

/// The text with all places left out.
pub(in crate::diag) fn plain(text: impl Display) -> String {
    let place = regex::Regex::new(r"src/[a-z_/]+\.rs:[0-9]+").unwrap();
    place.replace_all(&text.to_string(), "PLACE").into_owned()
}
