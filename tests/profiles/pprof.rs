//! Go's `pprof`, as a reader of what we write. Not a test.

use gochan::diag::profile::Profile;
use std::ffi::OsString;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

fn go() -> Option<OsString> {
    let go = std::env::var_os("GO").unwrap_or_else(|| "go".into());
    let version = Command::new(&go).arg("version").output();
    version.is_ok_and(|out| out.status.success()).then_some(go)
}

/// What `go tool pprof ARGS` says of the profile; `None` without Go.
pub(crate) fn go_tool_pprof(profile: &Profile, args: &[&str]) -> Option<String> {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let Some(go) = go() else {
        eprintln!("skipped: no Go here to read the profile (GO, PATH)");
        return None;
    };
    let number = FILES.fetch_add(1, Relaxed);
    let name = format!("gochan-{}-{number}.pb.gz", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, profile.to_bytes()).expect("a temporary directory");
    let mut command = Command::new(go);
    command.args(["tool", "pprof"]).args(args).arg(&file);
    let out = command.output().expect("go runs");
    std::fs::remove_file(&file).expect("it is still there");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}{complaints}");
    Some(said)
}

/// Whether a line of `text` has all of `words`.
pub(crate) fn has_line(text: &str, words: &[&str]) -> bool {
    text.lines()
        .any(|line| words.iter().all(|word| line.contains(word)))
}
