//! A cache: many read it at a time, and what is not in it is loaded once, however many ask for it.
//!
//! ```console
//! cargo run --example rw_cache
//! cargo run --example rw_cache -- --stuck
//! ```
//!
//! The map is behind an `RwMutex`. A miss goes through a `SingleFlight`: of all who miss the same key at the same time one
//! loads it and takes the lock to write, for a moment.
//!
//! With `--stuck` somebody takes the lock to write and waits, with the lock, for a word that never comes; somebody else
//! reads a second cache, and then asks to read it again while a writer waits in between. The dump says for each who waits
//! on which lock, who holds it, where it was taken and for how long.

use gochan::sync::{RwMutex, SingleFlight};
use gochan::task::Builder;
use gochan::{chan, go, sleep, yield_now};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

type Value = Arc<str>;

struct Cache {
    map: RwMutex<HashMap<u32, Value>>,
    flights: SingleFlight<u32, Value>,
    loads: AtomicUsize,
}

impl Cache {
    fn new(name: &str) -> Arc<Cache> {
        Arc::new(Cache {
            map: RwMutex::new(HashMap::new()).named(name),
            flights: SingleFlight::new(),
            loads: AtomicUsize::new(0),
        })
    }

    async fn get(&self, key: u32) -> Value {
        if let Some(value) = self.map.read().await.get(&key) {
            return value.clone();
        }
        self.flights.run(key, self.fill(key)).await
    }

    /// Of one task at a time for each key.
    async fn fill(&self, key: u32) -> Value {
        // Another may have filled it since we looked.
        if let Some(value) = self.map.read().await.get(&key) {
            return value.clone();
        }
        let value = self.load(key).await;
        self.map.write().await.insert(key, value.clone());
        value
    }

    /// Stands for a data base far away.
    async fn load(&self, key: u32) -> Value {
        self.loads.fetch_add(1, Relaxed);
        sleep(Duration::from_millis(2)).await;
        format!("value {key}").into()
    }
}

/// Asks `tasks` times, each task for all of `keys`; returns how many answers there were and how many loads.
pub(crate) async fn asked(tasks: u32, keys: u32) -> (usize, usize) {
    let cache = Cache::new("values");
    let all: Vec<_> = (0..tasks)
        .map(|task| {
            let cache = cache.clone();
            go(async move {
                for n in 0..keys {
                    let key = (task + n) % keys;
                    assert_eq!(*cache.get(key).await, *format!("value {key}"));
                }
                keys as usize
            })
        })
        .collect();
    let mut answers = 0;
    for task in all {
        answers += task.await.expect("no task panics");
    }
    (answers, cache.loads.load(Relaxed))
}

/// Two caches that nobody gets out of; returns the dump.
pub(crate) async fn stuck() -> String {
    let mut tasks = Vec::new();
    let (_never_sent, word) = chan::<()>(0);

    let values = Cache::new("values");
    let (cache, rebuild) = (values.clone(), word.clone());
    tasks.push(Builder::new().name("rebuild").go(async move {
        let mut map = cache.map.write().await;
        let _ = rebuild.recv().await; // with the lock
        map.clear();
    }));
    while !values.map.stats().writer {
        yield_now().await;
    }
    for name in ["page one", "page two"] {
        let cache = values.clone();
        tasks.push(Builder::new().name(name).go(async move {
            cache.get(1).await;
        }));
    }

    let users = Cache::new("users");
    let (cache, next) = (users.clone(), chan::<()>(0));
    tasks.push(Builder::new().name("report").go(async move {
        let map = cache.map.read().await;
        let _ = next.1.recv().await;
        let _again = cache.map.read().await; // behind a writer that waits for `map`
        drop(map);
    }));
    while users.map.stats().readers == 0 {
        yield_now().await;
    }
    let cache = users.clone();
    tasks.push(Builder::new().name("sign up").go(async move {
        cache.map.write().await.insert(7, "seven".into());
    }));
    while users.map.stats().waiting_writers == 0 {
        yield_now().await;
    }
    drop(next.0);
    while values.map.stats().waiting_readers < 2 || users.map.stats().waiting_readers == 0 {
        yield_now().await;
    }

    let dump = gochan::diag::dump().to_string();
    tasks.iter().for_each(|task| task.abort());
    dump
}

fn main() {
    let stand = std::env::args().any(|arg| arg == "--stuck");
    gochan::run(async move {
        if stand {
            println!("{}", stuck().await);
        } else {
            let (answers, loads) = asked(100, 20).await;
            println!("{answers} answers, {loads} loads");
        }
    });
}
