//! The main job, run as a program: its output against `sha256sum`, its exit codes, Ctrl-C, and its report.

#![cfg(all(unix, feature = "rt"))]

use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

// === the program and its trees ===

/// The example's program. `cargo test` builds it beside the tests; a run of this test alone may have to.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let me = std::env::current_exe().expect("the test's own path");
        let profile = me.ancestors().nth(2).expect("PROFILE/deps/test");
        let program = profile.join("examples/pipeline");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = ["examples/pipeline", "src"].map(|dir| files(&root.join(dir)));
        let time = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
        if sources
            .iter()
            .flatten()
            .any(|source| time(&program) < time(source))
        {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--example", "pipeline", "--target-dir"]);
            build
                .arg(profile.parent().expect("TARGET/PROFILE"))
                .current_dir(root);
            if profile.ends_with("release") {
                build.arg("--release");
            }
            let built = build.status().expect("cargo runs");
            assert!(built.success(), "the example does not build");
        }
        program
    })
}

fn pipeline(args: &[&OsStr]) -> Command {
    let mut command = Command::new(program());
    command.args(args).stdin(Stdio::null());
    command
}

fn run(dir: &Path, more: &[&str]) -> Output {
    let mut args = vec![dir.as_os_str()];
    args.extend(more.iter().map(OsStr::new));
    pipeline(&args).output().expect("the example runs")
}

/// A directory of the test's own, gone at its end.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Tree {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("gochan-pipeline-{}-{n}", std::process::id()));
        fs::create_dir(&dir).expect("a fresh directory");
        Tree(dir)
    }

    fn file(&self, name: impl AsRef<OsStr>, contents: &[u8]) -> PathBuf {
        let path = self.0.join(name.as_ref());
        fs::create_dir_all(path.parent().expect("below the tree")).expect("its directories");
        fs::write(&path, contents).expect("a file");
        path
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A tree with everything that is odd.
fn odd_tree() -> Tree {
    let tree = Tree::new();
    tree.file("empty", b"");
    tree.file("b/inner", b"after b-dash and b.txt, by bytes");
    tree.file("b-dash", b"-");
    tree.file("b.txt", b".");
    tree.file("b/deep/er/still", b"deep");
    tree.file("b0", b"0");
    tree.file(" leading and trailing ", b" ");
    tree.file("-n", b"looks like an option");
    tree.file("back\\slash", b"\\");
    tree.file("new\nline", b"\n");
    tree.file("carriage\rreturn", b"\r");
    tree.file("quote\"'*?", b"q");
    tree.file("ünï/cødé", b"u");
    tree.file(OsStr::from_bytes(b"not\xff\xfeutf8/\x80"), b"bytes");
    // Lengths around the chunk, and a long one that is not the same in every chunk.
    for len in [1, 63, 64, 65, (256 << 10) - 1, 256 << 10, (256 << 10) + 1] {
        tree.file(format!("length/{len}"), &vec![7; len]);
    }
    let long: Vec<u8> = (0..5_000_001u32).map(|n| (n % 251) as u8).collect();
    tree.file("length/long", &long);
    fs::create_dir(tree.0.join("no files")).expect("an empty directory");
    for (to, link) in [
        ("..", "b/up"),
        ("self", "self"),
        ("empty", "to a file"),
        ("b", "to a dir"),
        ("gone", "dangling"),
    ] {
        symlink(to, tree.0.join(link)).expect("a link");
    }
    let made = Command::new("mkfifo").arg(tree.0.join("fifo")).status();
    assert!(made.is_ok_and(|s| s.success()), "mkfifo");
    tree
}

// === references ===

/// The regular files below `dir`, links not followed, sorted by the bytes of their paths.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir)
            .expect("a readable directory")
            .map(|e| e.expect("an entry"))
        {
            let kind = entry.file_type().expect("its type");
            if kind.is_dir() {
                dirs.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    found
}

/// What `sha256sum` says of `files`, by our own reading of its manual.
fn reference(files: &[PathBuf]) -> Vec<u8> {
    let mut out = Vec::new();
    for path in files {
        let name = path.as_os_str().as_bytes();
        let escaped: Vec<u8> = name
            .iter()
            .flat_map(|&b| match b {
                b'\n' => b"\\n".to_vec(),
                b'\r' => b"\\r".to_vec(),
                b'\\' => b"\\\\".to_vec(),
                _ => vec![b],
            })
            .collect();
        let mark = if escaped == name { "" } else { "\\" };
        let digest = Sha256::digest(fs::read(path).expect("a readable file"));
        out.extend(format!("{mark}{digest:x}  ").bytes());
        out.extend(escaped);
        out.push(b'\n');
    }
    out
}

/// What the real `sha256sum` says, where there is one.
fn sha256sum(files: &[PathBuf]) -> Option<Vec<u8>> {
    let output = Command::new("sha256sum")
        .arg("--")
        .args(files)
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

#[track_caller]
fn same(got: &[u8], want: &[u8]) {
    let lines = |text: &[u8]| {
        text.split(|&b| b == b'\n')
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    };
    for (got, want) in lines(got).iter().zip(&lines(want)) {
        assert_eq!(
            got.escape_ascii().to_string(),
            want.escape_ascii().to_string()
        );
    }
    assert_eq!(got.len(), want.len(), "the beginning is the same");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// === the tests ===

#[test]
fn prints_what_sha256sum_prints() {
    let tree = odd_tree();
    let files = files(&tree.0);
    let want = reference(&files);
    if let Some(real) = sha256sum(&files) {
        same(&want, &real);
    }
    for more in [&[][..], &["--workers", "1"], &["--workers", "7"]] {
        let output = run(&tree.0, more);
        same(&output.stdout, &want);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}

#[test]
fn a_path_is_printed_as_it_was_given() {
    let tree = Tree::new();
    tree.file("a/x", b"x");
    for (arg, shown) in [
        (".", "./a/x"),
        ("a", "a/x"),
        ("a/", "a/x"),
        ("./a//", "./a//x"),
        ("a/../a", "a/../a/x"),
    ] {
        let output = pipeline(&[OsStr::new(arg)])
            .current_dir(&tree.0)
            .output()
            .expect("the example runs");
        assert!(
            text(&output.stdout).ends_with(&format!("  {shown}\n")),
            "{arg}: {}",
            text(&output.stdout)
        );
    }
}

#[test]
fn an_empty_tree_prints_nothing() {
    let tree = Tree::new();
    let output = run(&tree.0, &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
}

#[test]
fn no_such_directory_is_refused() {
    let tree = Tree::new();
    let file = tree.file("file", b"");
    for (path, why) in [
        (tree.0.join("none"), "No such file or directory"),
        (file, "Not a directory"),
    ] {
        let output = run(&path, &[]);
        let said = text(&output.stderr);
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(2), 0),
            "{said}"
        );
        assert!(
            said.contains(&format!("{}: {why}", path.display())),
            "{said}"
        );
    }
    assert_eq!(run(&tree.0, &["--workers", "0"]).status.code(), Some(2));
}

/// Many files with long names: more output than a pipe and all channels together can hold.
fn wide_tree(count: u32) -> Tree {
    let tree = Tree::new();
    for n in 0..count {
        tree.file(format!("{n:05}{}", "-".repeat(200)), &n.to_le_bytes());
    }
    tree
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_are_done() {
    let tree = wide_tree(2_000);
    let files = files(&tree.0);
    let (gone, left) = files.split_last().expect("there are files");
    let want = reference(left);

    // The program cannot come to the last file before its output is read, for it is blocked on the pipe.
    let mut child = pipeline(&[tree.0.as_os_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example runs");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut got = Vec::new();
    out.read_until(b'\n', &mut got).expect("a first line");
    fs::remove_file(gone).expect("the last file is there");
    out.read_to_end(&mut got).expect("the other lines");

    let output = child.wait_with_output().expect("the example ends");
    let said = text(&output.stderr);
    same(&got, &want);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!(
            "{}: No such file or directory (os error 2)",
            gone.display()
        )),
        "{said}"
    );
}

#[test]
fn a_directory_that_cannot_be_listed_is_named_and_the_others_are_done() {
    let tree = Tree::new();
    let (first, last) = (tree.file("a", b"a"), tree.file("z", b"z"));
    let (dir, why) = unlistable(&tree);
    let output = run(&tree.0, &[]);
    fs::set_permissions(tree.0.join("m"), fs::Permissions::from_mode(0o755)).expect("ours");

    let said = text(&output.stderr);
    same(&output.stdout, &reference(&[first, last]));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("{}: {why}", dir.display())),
        "{said}"
    );
}

/// A directory `m` that cannot be listed, or has one below it, and why: a forbidden one, or for root, to whom nothing is
/// forbidden, one whose path is too long for the system.
fn unlistable(tree: &Tree) -> (PathBuf, &'static str) {
    let dir = tree.0.join("m");
    fs::create_dir(&dir).expect("a directory");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o000)).expect("ours");
    if fs::read_dir(&dir).is_err() {
        return (dir, "Permission denied");
    }
    let name = "n".repeat(250);
    let script =
        format!("cd \"$0\" && for i in $(seq 20); do mkdir {name} && cd -P {name} || exit 1; done");
    let made = Command::new("sh").args(["-c", &script]).arg(&dir).status();
    assert!(made.is_ok_and(|s| s.success()), "a deep directory");
    let mut deep = dir;
    while deep.as_os_str().len() < 4_096 {
        deep.push(&name);
    }
    (deep, "File name too long")
}

#[test]
fn a_closed_output_ends_it() {
    let tree = wide_tree(2_000);
    let mut child = pipeline(&[tree.0.as_os_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the example ends");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("standard output: Broken pipe"), "{said}");
}

#[test]
fn time_that_is_up_stops_it_like_ctrl_c() {
    let tree = wide_tree(2_000);
    let want = reference(&files(&tree.0));
    // At this pace the whole tree would take minutes.
    let output = run(&tree.0, &["--slow-read", "200", "--timeout", "0.7"]);
    let (got, said) = (output.stdout, text(&output.stderr));
    assert_eq!(output.status.code(), Some(124), "{said}");
    assert!(
        got.len() < want.len() && want.starts_with(&got),
        "whole lines, in order"
    );
    let lines = got.iter().filter(|&&b| b == b'\n').count();
    assert!(
        said.contains(&format!("stopped by --timeout: {lines} of the ")),
        "{lines} lines: {said}"
    );

    for late in ["3600", "1e30", "x", "-1"] {
        let output = run(&odd_tree().0, &["--timeout", late]);
        let code = if late == "3600" { 0 } else { 2 };
        assert_eq!(
            output.status.code(),
            Some(code),
            "{late}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn ctrl_c_stops_it_and_it_says_how_far_it_came() {
    let tree = wide_tree(2_000);
    let want = reference(&files(&tree.0));
    // At this pace the whole tree would take minutes.
    let args = [
        tree.0.as_os_str(),
        OsStr::new("--slow-read"),
        OsStr::new("200"),
    ];
    let mut child = pipeline(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example runs");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut got = Vec::new();
    out.read_until(b'\n', &mut got).expect("a first line");
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.is_ok_and(|s| s.success()), "kill");
    out.read_to_end(&mut got).expect("what was complete");

    let output = child.wait_with_output().expect("the example ends");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        got.ends_with(b"\n") && got.len() < want.len(),
        "{} bytes",
        got.len()
    );
    assert!(want.starts_with(&got), "whole lines, in order");
    let lines = got.iter().filter(|&&b| b == b'\n').count();
    assert!(
        said.contains(&format!("stopped by Ctrl-C: {lines} of the ")),
        "{lines} lines: {said}"
    );
    assert!(said.contains("holds the rest up"), "{said}");
}

#[test]
fn the_report_names_the_slow_stage() {
    let tree = Tree::new();
    for n in 0..100 {
        tree.file(format!("{n}"), b"same");
    }
    let want = reference(&files(&tree.0));
    for (slow, stage) in [("--slow-digest", "digest"), ("--slow-read", "read")] {
        for workers in ["1", "2", "4"] {
            let output = run(&tree.0, &[slow, "5", "--workers", workers]);
            let said = text(&output.stderr);
            same(&output.stdout, &want);
            assert!(
                said.contains(&format!("The {stage} stage holds the rest up")),
                "{slow} with {workers}: {said}"
            );
            assert_eq!(said.matches("holds the rest up").count(), 1, "{said}");
            for part in [
                "walk",
                "collect",
                "chan send on paths",
                "chan receive on sums",
            ] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
}

#[test]
fn standard_error_that_is_no_terminal_gets_no_bar() {
    let tree = Tree::new();
    tree.file("x", b"");
    let said = run(&tree.0, &[]).stderr;
    assert!(
        !said.contains(&b'\r') && !said.contains(&0x1b),
        "{}",
        text(&said)
    );
}
