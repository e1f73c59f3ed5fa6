//! Labels: keys and values that a program gives to its tasks.
//!
//! 1. Labels are in the map from the first [`set`] until [`forget`], which [`object::forget`](super::object::forget) calls at
//!    the end of the task's record.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::parking_lot::Mutex;

use super::current;
use super::object::ObjId;

/// A key and its value.
pub(crate) type Label = (Arc<str>, Arc<str>);

const SHARDS: usize = 16;
static LABELS: [Mutex<BTreeMap<u64, Vec<Label>>>; SHARDS] =
    [const { Mutex::new(BTreeMap::new()) }; SHARDS];

fn shard(id: ObjId) -> &'static Mutex<BTreeMap<u64, Vec<Label>>> {
    &LABELS[(id.raw() as usize) % SHARDS]
}

/// Labels whoever runs here: the task, else the thread. False: it is a thread that is about to end.
pub(crate) fn set(key: &str, value: &str) -> bool {
    let Some(record) = current::record_or_thread() else {
        return false;
    };
    record.set_labeled();
    let id = record.id();
    let value: Arc<str> = value.into();
    let mut shard = shard(id).lock();
    let labels = shard.entry(id.raw()).or_default();
    match labels.iter_mut().find(|(old, _)| **old == *key) {
        Some((_, old)) => *old = value,
        None => labels.push((key.into(), value)),
    }
    true
}

/// In the order in which their keys were set first.
pub(crate) fn of(id: ObjId) -> Vec<Label> {
    shard(id).lock().get(&id.raw()).cloned().unwrap_or_default()
}

pub(super) fn forget(id: ObjId) {
    shard(id).lock().remove(&id.raw());
}
