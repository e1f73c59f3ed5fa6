//! The example `rw_cache`: each key is loaded once, and the dump of what is stuck names locks, holders and lines.

#![cfg(feature = "rt")]

#[allow(dead_code)] // the program around it
#[path = "../examples/rw_cache.rs"]
mod rw_cache;

const SOURCE: &str = include_str!("../examples/rw_cache.rs");

/// The line of the example with this text.
fn line(text: &str) -> usize {
    1 + SOURCE.lines().position(|line| line.contains(text)).unwrap()
}

/// The paragraph of the task with this name.
fn paragraph<'a>(dump: &'a str, name: &str) -> &'a str {
    let told = dump.split("\n\n").find(|told| {
        let head = told.trim_start().lines().next().unwrap_or_default();
        head.contains(&format!("{name:?}"))
    });
    told.unwrap_or_else(|| panic!("no {name:?} in {dump}"))
}

#[test]
fn each_key_is_loaded_once() {
    for (tasks, keys) in [(1, 1), (50, 1), (100, 20)] {
        let counts = gochan::run(rw_cache::asked(tasks, keys));
        assert_eq!(counts, ((tasks * keys) as usize, keys as usize));
    }
}

#[test]
fn whoever_is_stuck_is_told_why() {
    let dump = gochan::run(rw_cache::stuck());
    let taken = line("let mut map = cache.map.write().await;");
    for name in ["page one", "page two"] {
        let told = paragraph(&dump, name);
        assert!(told.contains("sync.RWMutex.RLock"), "{told}");
        assert!(told.contains("\"values\""), "{told}");
        let holder = told.lines().find(|line| line.contains("held by")).unwrap();
        assert!(holder.contains("\"rebuild\" for "), "{holder}");
        assert!(holder.contains(&format!("rw_cache.rs:{taken}")), "{holder}");
    }
    let told = paragraph(&dump, "sign up");
    let read = line("let map = cache.map.read().await;");
    let holder = told.lines().find(|line| line.contains("held by")).unwrap();
    assert!(holder.contains("\"report\" for "), "{holder}");
    assert!(holder.contains(&format!("rw_cache.rs:{read}")), "{holder}");
    let told = paragraph(&dump, "report");
    assert!(
        told.contains("waits to read what it has acquired already"),
        "{told}"
    );
    assert!(told.contains("\"sign up\" waits in between"), "{told}");
}
