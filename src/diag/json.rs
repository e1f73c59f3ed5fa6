//! The dump as JSON. The structures in `parts` are the format; the value's own fields may change without it.
//!
//! A field that is not there or `null` means "none" or "not known". New fields may come at any time; whatever changes the
//! meaning of old ones raises the number in [`SCHEMA`].

mod parts;

use std::io;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::{Serialize, Serializer};

use super::text::streamed;
use super::{Dump, Group, Object, TaskInfo, Verdict};
use parts::{Each, GroupJson, ObjectJson, TaskJson, VerdictJson};

const SCHEMA: &str = "gochan.dump/1";

impl Dump {
    /// The dump as one JSON object.
    ///
    /// The format is that of `schema/dump-1.schema.json` in this package, also in [`JSON_SCHEMA`](Dump::JSON_SCHEMA):
    ///
    /// ```json
    /// {
    ///   "schema": "gochan.dump/1",
    ///   "taken_unix_ns": 1790000000000000000, "took_ns": 31000,
    ///   "verdicts": [
    ///     {
    ///       "kind": "senders_wait", "subject": { "id": "chan#7", "kind": "chan", "number": 7 },
    ///       "site": { "file": "src/main.rs", "line": 44, "column": 12 }, "lasted_ns": 5200000000,
    ///       "lines": ["nobody receives from chan#7 \"jobs\", made at src/main.rs:20 (buffer 1/1, 1 sender, 1 receiver): ..."]
    ///     }
    ///   ],
    ///   "groups": [
    ///     {
    ///       "reason": "chan send", "class": "chan", "site": { "file": "src/main.rs", "line": 44, "column": 12 },
    ///       "object": { "id": "chan#7", "kind": "chan", "number": 7, "name": "jobs", "made": null }, "objects": 1,
    ///       "kind": "chan", "made": null, "spawned": null, "age_ns": 5300000000, "count": 1, "threads": 0,
    ///       "oldest_ns": 5200000000, "median_ns": 5200000000, "oldest": "task#18", "idle": false
    ///     }
    ///   ],
    ///   "tasks": [
    ///     {
    ///       "id": "task#18", "kind": "task", "number": 18, "name": "digest",
    ///       "state": "waiting",
    ///       "wait": {
    ///         "reason": "chan send", "class": "chan", "waited_ns": 5200000000,
    ///         "object": {
    ///           "id": "chan#7", "kind": "chan", "number": 7, "name": "jobs",
    ///           "made": { "file": "src/main.rs", "line": 20, "column": 20 }
    ///         },
    ///         "site": { "file": "src/main.rs", "line": 44, "column": 12 },
    ///         "arms": [], "arm_count": 0, "again": null, "idle": false
    ///       },
    ///       "long_poll": null,
    ///       "spawned": { "file": "src/main.rs", "line": 30, "column": 9 },
    ///       "parent": "task#1", "age_ns": 5300000000,
    ///       "type_name": "pipeline::digest::{{closure}}",
    ///       "runtime": 1, "polls": 17, "woken_by": "task#4",
    ///       "regions": [{ "name": "parse", "site": { "file": "src/main.rs", "line": 41, "column": 17 }, "since_ns": 5200000000 }],
    ///       "labels": { "tenant": "eu" }, "runnable_ns": null, "unstable": false
    ///     }
    ///   ],
    ///   "objects": [
    ///     {
    ///       "id": "chan#7", "kind": "chan", "number": 7, "name": "jobs", "made": null,
    ///       "holders": [], "count": null, "waiters": 1, "mode": null,
    ///       "queue": [{
    ///         "id": "task#18", "kind": "task", "number": 18, "reason": "chan send", "waited_ns": 5200000000, "site": null
    ///       }],
    ///       "buffer": { "len": 1, "capacity": 1, "senders": 1, "receivers": 1, "closed": false }
    ///     }
    ///   ]
    /// }
    /// ```
    ///
    /// * `state` is `running`, `runnable` or `waiting`; `wait` is there only for the last.
    /// * A task that has been in one poll for more than 10 ms has `long_poll`: `{ "lasted_ns", "cause", "after", "object",
    ///   "taken_over" }`; `after` is where it waited last, `cause` what its thread does.
    /// * `kind` of a plain thread inside a blocking wait is `thread`; it has no `spawned`, `parent` and `type_name`.
    /// * An arm of a select is `{ "reason", "object", "site" }`; the first four are listed and all are counted.
    /// * Who holds a lock or a permit is `{ "id", "kind", "number", "name", "gone", "site", "held_ns" }`.
    /// * `again` is there if it waits for a lock that it has acquired itself: `{ "reads", "site", "behind" }`; `reads` if it
    ///   asks to read what it acquired before, `behind` the writers that came in between, `site` where it acquired it.
    /// * `idle` is a wait that was marked as no sign of trouble.
    /// * Times ending in `_ns` are nanoseconds.
    /// * The order is that of the lists in [`Dump`]. New fields may be added to this version; other changes raise it.
    ///
    /// # Examples
    ///
    /// ```
    /// gochan::run(async {
    ///     let json = gochan::diag::dump().to_json();
    ///     assert!(json.starts_with(r#"{"schema":"gochan.dump/1","#));
    /// });
    /// ```
    pub fn to_json(&self) -> String {
        // Only a map with keys that are no strings, or a failing `Serialize`, could make this fail; we have neither.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Writes what [`to_json`](Dump::to_json) gives, piece by piece: however many tasks there are, it is never in memory as
    /// a whole.
    ///
    /// ```
    /// gochan::diag::dump().write_json(&mut std::io::stdout()).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json<W: io::Write + ?Sized>(&self, out: &mut W) -> io::Result<()> {
        streamed(out, |out| Ok(serde_json::to_writer(out, self)?))
    }

    /// The JSON Schema (2020-12) of the format, as shipped in `schema/dump-1.schema.json`.
    pub const JSON_SCHEMA: &'static str = include_str!("../../schema/dump-1.schema.json");
}

/// In the format of [`Dump::to_json`].
impl Serialize for Dump {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since_epoch = self.taken.duration_since(UNIX_EPOCH).unwrap_or_default();
        DumpJson {
            schema: SCHEMA,
            taken_unix_ns: u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX),
            took_ns: u64::try_from(self.took.as_nanos()).unwrap_or(u64::MAX),
            verdicts: Each::new(&self.verdicts),
            groups: Each::new(&self.groups),
            tasks: Each::new(&self.tasks),
            objects: Each::new(&self.objects),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct DumpJson<'a> {
    schema: &'static str,
    taken_unix_ns: u64,
    took_ns: u64,
    verdicts: Each<'a, Verdict, VerdictJson<'a>>,
    groups: Each<'a, Group, GroupJson<'a>>,
    tasks: Each<'a, TaskInfo, TaskJson<'a>>,
    objects: Each<'a, Arc<Object>, ObjectJson<'a>>,
}

#[cfg(test)]
mod tests;
