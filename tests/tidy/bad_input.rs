//! The checkers checked: each is fed small bad inputs and must complain, and good ones and must not.

use crate::source::{code_of, uses, words};
use crate::*;
use std::collections::BTreeSet;

#[track_caller]
fn complains(check: fn(&str, &str) -> Vec<String>, file: &str, text: &str, about: &str) {
    let said = check(file, text);
    assert!(
        said.iter().any(|s| s.contains(about)),
        "{text:?} gave {said:?}, wanted {about:?}"
    );
}

#[track_caller]
fn passes(check: fn(&str, &str) -> Vec<String>, file: &str, text: &str) {
    assert_eq!(check(file, text), Vec::<String>::new(), "{text:?}");
}

#[test]
fn literals_and_comments_are_no_code() {
    let text = "a \"crate::rt\" 'x' '\\'' b // crate::rt\n/* /* x */ crate::rt */ r#\"\" crate::rt\"# b'\\n' 'a: 'é' c";
    let code = code_of(text);
    let seen: Vec<_> = words(&code).iter().map(|w| w.0).collect();
    assert_eq!(seen, ["a", "b", "b", "'", "a", ":", "c"]);
    assert_eq!(code.lines().count(), 2);
}

#[test]
fn paths_are_followed_into_braces_and_up() {
    let see = |file: &str, text: &str| {
        let code = code_of(text);
        let found: Vec<String> = uses(file, &code).iter().map(|u| u.0.to_owned()).collect();
        found.join(" ")
    };
    assert_eq!(
        see(
            "src/chan/ring.rs",
            "use crate::{rt::{self, a}, wait as w, util::*};"
        ),
        "rt rt wait util"
    );
    assert_eq!(
        see(
            "src/chan/ring.rs",
            "use super::super::rt; use super::hchan;"
        ),
        "rt"
    );
    assert_eq!(see("src/chan/mod.rs", "fn f() { super::rt::go() }"), "rt");
    assert_eq!(
        see(
            "src/chan.rs",
            "mod m { use super::x; use super::super::diag; }"
        ),
        "diag"
    );
}

#[test]
fn a_look_up_is_found() {
    complains(
        floors,
        "src/util.rs",
        "use crate::wait::Op;",
        "src/util.rs:1: util (floor 0) uses wait (floor 1)",
    );
    complains(
        floors,
        "src/chan/mod.rs",
        "\nuse crate::{task::Task, util::x};",
        ":2: chan (floor 2) uses task",
    );
    complains(
        floors,
        "src/select/mod.rs",
        "use crate::chan::Sender;",
        "select (floor 2) uses chan",
    );
    complains(
        floors,
        "src/task/mod.rs",
        "use super::rt::Worker;",
        "task (floor 2) uses rt (floor 4)",
    );
    complains(
        floors,
        "src/chan/mod.rs",
        "use crate::select::selectgo::run;",
        "chan (floor 2) uses select",
    );
    complains(
        floors,
        "src/rt/mod.rs",
        "use crate::Sender;",
        "names `crate::Sender`",
    );
    complains(
        floors,
        "src/wait/mod.rs",
        "macro_rules! m { () => { $crate::rt::go() } }",
        "wait (floor 1) uses rt",
    );
    passes(
        floors,
        "src/wait/mod.rs",
        "macro_rules! m { () => { $crate::__m!() } }",
    );
    complains(floors, "src/cellar.rs", "", "has no floor");
    complains(
        floors,
        "src/error.rs",
        "use crate::chan::Sender;",
        "uses nobody",
    );
    passes(
        floors,
        "src/chan/mod.rs",
        "use crate::{wait::{Arm, Op}, error::SendError}; // crate::rt",
    );
    passes(
        floors,
        "src/rt/mod.rs",
        "use crate::{chan, select::x, time, hook};",
    );
    passes(floors, "src/lib.rs", "pub use crate::rt::go;");
}

#[test]
fn unlisted_and_outlived_unsafe_is_found() {
    complains(
        unsafe_words,
        "src/rt/mod.rs",
        "fn f() { unsafe { g() } }",
        "not on the list",
    );
    complains(unsafe_words, UNSAFE[0].0, "fn f() {}", "take it off");
    passes(
        unsafe_words,
        "src/rt/mod.rs",
        "#![deny(unsafe_code)] // unsafe\nfn f() { \"unsafe\"; }",
    );
}

#[test]
fn a_missing_header_is_found() {
    complains(
        header,
        "src/x.rs",
        "use std::fs;\n//! late",
        "no `//!` header",
    );
    complains(header, "src/x.rs", "//!\n", "no `//!` header");
    passes(header, "src/x.rs", "//! What it is.\n");
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let line = "let x = 1; // one\n// none\n\n";
    assert_eq!(code_lines(&line.repeat(7)), 7);
    let tests = format!(
        "fn f() {{\n}}\n#[cfg(test)]\nmod t {{\n{}}}\nfn g() {{}}\n",
        line.repeat(9)
    );
    assert_eq!(code_lines(&tests), 3);
    assert_eq!(code_lines("#[cfg(test)]\nmod tests;\nfn g() {}\n"), 1);
    complains(
        size,
        "src/x.rs",
        &line.repeat(CODE_LINES + 1),
        "401 lines of code",
    );
    passes(size, "src/x.rs", &line.repeat(CODE_LINES));
    passes(size, "src/x/tests.rs", &line.repeat(CODE_LINES + 1));
}

#[test]
fn pretended_work_is_found() {
    let [todo, never, skipped, note] = [
        concat!("fn f() { to", "do !() }"),
        concat!("unimple", "mented!(\"x\")"),
        concat!("#[ig", "nore = \"slow\"]\nfn f() {}"),
        concat!("// FIX", "ME"),
    ];
    for bad in [todo, never, skipped, note] {
        complains(stubs, "src/x.rs", bad, "src/x.rs:1: ");
    }
    passes(stubs, "src/x.rs", r#"fn f() { "to do!() ignore"; }"#);
}

#[test]
fn an_unreasoned_sleep_is_found() {
    complains(
        sleeps,
        "tests/x.rs",
        "fn f() { std::thread::sleep(d) }",
        "tests/x.rs:1: thread::sleep",
    );
    complains(
        sleeps,
        "tests/x.rs",
        "// sleep: far above\n\nthread::sleep(d)",
        "tests/x.rs:3: ",
    );
    complains(sleeps, "src/x/tests.rs", "thread::sleep(d)", ":1: ");
    passes(sleeps, "src/x.rs", "thread::sleep(d)");
    passes(
        sleeps,
        "tests/x.rs",
        "// sleep: nobody reads this clock\nthread::sleep(d)",
    );
}

#[test]
fn the_list_names_each_file_once_with_a_reason() {
    let names: BTreeSet<_> = UNSAFE.iter().map(|(f, _)| f).collect();
    assert_eq!(names.len(), UNSAFE.len());
    assert!(UNSAFE.iter().all(|(_, why)| why.len() > 20));
}
