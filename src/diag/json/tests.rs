//! The format, field by field.

use super::*;
use crate::diag::{Again, Arm, Buffer, Holder, Queued, RegionInfo, TaskState, VerdictKind, Wait};
use crate::hook::{Kind, LongPoll, LongPollCause, ObjId, WaitReason};
use serde_json::{Value, json};
use std::panic::Location;
use std::sync::LazyLock;
use std::time::Duration;

/// A dump in which nothing is left out, and its place.
fn full() -> (Dump, &'static Location<'static>) {
    let site = Location::caller();
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
        queue: vec![Queued {
            id: ObjId::from_raw(18),
            reason: WaitReason::ChanSend,
            waited_ns: 5,
            site: None,
        }],
        mode: Some("starving"),
        buffer: Some(Buffer {
            len: 1,
            capacity: None,
            senders: 2,
            receivers: 3,
            closed: true,
        }),
    };
    let chan = Arc::new(chan);
    let wait = Wait {
        reason: WaitReason::Select,
        waited_ns: 5,
        object: None,
        site: Some(site),
        arms: vec![Arm {
            reason: WaitReason::ChanSend,
            object: Some(chan.clone()),
            site: Some(site),
        }],
        arm_count: 9,
        again: Some(Again {
            site: Some(site),
            reads: true,
            behind: vec![ObjId::from_raw(6)],
        }),
        idle: true,
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
    let tasks = vec![task];
    let dump = Dump {
        taken: UNIX_EPOCH + Duration::from_nanos(77),
        took: Duration::from_nanos(8),
        verdicts: vec![Verdict {
            kind: VerdictKind::OldWait,
            subject: ObjId::from_raw(18),
            site: Some(site),
            lasted_ns: 9,
            lines: vec!["a long wait".into()],
        }],
        groups: Group::all(&tasks),
        tasks,
        objects: vec![chan],
    };
    (dump, site)
}

fn read(dump: &Dump) -> Value {
    serde_json::from_str(&dump.to_json()).unwrap()
}

#[test]
fn every_field_has_its_place() {
    let (dump, site) = full();
    let place = json!({ "file": site.file(), "line": site.line(), "column": site.column() });
    let named = json!({
        "id": "chan#7", "kind": "chan", "number": 7, "name": "the \"jobs\"", "made": place,
    });
    let object = json!({
        "id": "chan#7", "kind": "chan", "number": 7, "name": "the \"jobs\"", "made": place,
        "holders": [{
            "id": "task#4", "kind": "task", "number": 4, "name": "writer", "gone": true, "site": place, "held_ns": 6,
        }],
        "count": 3, "waiters": 2, "mode": "starving",
        "queue": [{
            "id": "task#18", "kind": "task", "number": 18, "reason": "chan send", "waited_ns": 5, "site": null,
        }],
        "buffer": { "len": 1, "capacity": null, "senders": 2, "receivers": 3, "closed": true },
    });
    let wait = json!({
        "reason": "select", "class": "chan", "waited_ns": 5, "object": null, "site": place,
        "arms": [{ "reason": "chan send", "object": named, "site": place }],
        "arm_count": 9,
        "again": { "reads": true, "site": place, "behind": ["task#6"] },
        "idle": true,
    });
    let expected = json!({
        "schema": "gochan.dump/1",
        "taken_unix_ns": 77,
        "took_ns": 8,
        "verdicts": [{
            "kind": "old_wait", "subject": { "id": "task#18", "kind": "task", "number": 18 }, "site": place,
            "lasted_ns": 9, "lines": ["a long wait"],
        }],
        "groups": [{
            "reason": "select", "class": "chan", "site": place, "object": named, "objects": 1, "kind": "chan",
            "made": place, "spawned": place, "age_ns": u64::MAX, "count": 1, "threads": 0, "oldest_ns": 5, "median_ns": 5,
            "oldest": "task#18", "idle": true,
        }],
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
            "runnable_ns": null,
            "unstable": false,
        }],
        "objects": [object],
    });
    assert_eq!(read(&dump), expected);
}

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(Dump::JSON_SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
});

fn complaints(dump: &Value) -> Vec<String> {
    let errors = SCHEMA.iter_errors(dump);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn it_keeps_to_its_schema() {
    let (mut dump, _) = full();
    assert_eq!(complaints(&read(&dump)), Vec::<String>::new());

    // With as little in it as there can be.
    let task = &mut dump.tasks[0];
    (task.spawned, task.parent, task.type_name) = (None, None, None);
    let wait = task.wait.as_mut().unwrap();
    (wait.site, wait.again) = (None, None);
    wait.arms[0].object = None;
    dump.groups = Group::all(&dump.tasks);
    assert_eq!(complaints(&read(&dump)), Vec::<String>::new());
    dump.tasks[0].wait = None;
    dump.tasks[0].long_poll = None;
    dump.groups.clear();
    dump.verdicts[0].site = None;
    assert_eq!(complaints(&read(&dump)), Vec::<String>::new());
}

/// Every field of the format is known to the schema, and asked for by it.
#[test]
fn the_schema_asks_for_every_field() {
    let whole = read(&full().0);
    let mut left_out = 0;
    // The keys of labels are the user's.
    let own = |at: &String| !at.contains("/labels/");
    for at in paths(&whole).into_iter().filter(own) {
        let mut broken = whole.clone();
        let (parent, field) = at.rsplit_once('/').unwrap();
        let parent = broken.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        parent.remove(field);
        assert!(!complaints(&broken).is_empty(), "without {at}");
        *broken.pointer_mut(at.rsplit_once('/').unwrap().0).unwrap() = json!(["not an object"]);
        assert!(
            !complaints(&broken).is_empty(),
            "instead of the parent of {at}"
        );
        left_out += 1;
    }
    assert!(left_out > 80, "{left_out} fields");
}

/// The way to each field of each object.
fn paths(value: &Value) -> Vec<String> {
    let below = |step: String, value: &Value| {
        let deeper = paths(value).into_iter();
        deeper
            .map(move |path| format!("/{step}{path}"))
            .collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                std::iter::once(format!("/{name}")).chain(below(name.clone(), value))
            })
            .collect(),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .flat_map(|(n, value)| below(n.to_string(), value))
                .collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn written_in_pieces_it_is_the_same() {
    let (dump, _) = full();
    let mut json = Vec::new();
    dump.write_json(&mut json).unwrap();
    assert_eq!(String::from_utf8(json).unwrap(), dump.to_json());
    let mut text = Vec::new();
    dump.write_text(&mut text).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), dump.to_string());
}

/// How much it was given at once, at most, and in all.
#[derive(Default)]
struct Pieces {
    largest: usize,
    all: usize,
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.largest = self.largest.max(bytes.len());
        self.all += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn many_tasks_are_never_in_memory_as_one_text() {
    let (mut dump, _) = full();
    dump.tasks = vec![dump.tasks[0].clone(); 4_000];
    let written = |write: fn(&Dump, &mut Pieces) -> io::Result<()>| {
        let mut pieces = Pieces::default();
        write(&dump, &mut pieces).unwrap();
        assert!(pieces.all > 5 * pieces.largest, "{}", pieces.all);
        assert!(pieces.largest <= 1 << 16, "{}", pieces.largest);
    };
    written(|dump, out| dump.write_json(out));
    written(|dump, out| dump.write_go_text(out));
}
