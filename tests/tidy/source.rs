//! A source file as the rules see it: comments and literals blanked out, the rest cut into words and paths.
//!
//! What it is not: a Rust parser. It knows just enough to tell a lifetime from a character, to nest comments, and to
//! follow paths that begin with `crate::` or `super::`.

/// `text` with comments and the insides of literals blanked out. Lines stay where they are.
pub(crate) fn code_of(text: &str) -> String {
    let (b, mut out, mut i) = (text.as_bytes(), String::with_capacity(text.len()), 0);
    while i < b.len() {
        let end = skip(b, i).unwrap_or(i);
        if end > i {
            out.extend(
                text[i..end]
                    .chars()
                    .map(|c| if c == '\n' { c } else { ' ' }),
            );
            i = end;
        } else {
            let c = text[i..].chars().next().expect("i stands on a character");
            out.push(c);
            i += c.len_utf8();
        }
    }
    out
}

/// Where the comment or literal that begins at `i` ends, if one does.
fn skip(b: &[u8], i: usize) -> Option<usize> {
    let rest = &b[i..];
    if rest.starts_with(b"//") {
        return Some(i + rest.iter().position(|&c| c == b'\n').unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        let (mut depth, mut j) = (1, i + 2);
        while j < b.len() && depth > 0 {
            match &b[j..b.len().min(j + 2)] {
                b"/*" => (depth, j) = (depth + 1, j + 2),
                b"*/" => (depth, j) = (depth - 1, j + 2),
                _ => j += 1,
            }
        }
        return Some(j);
    }
    match rest[0] {
        b'"' => Some(end_of_quoted(b, i + 1, b'"')),
        b'\'' => end_of_char(b, i),
        b'r' if i == 0 || !is_word(b[i - 1]) || matches!(b[i - 1], b'b' | b'c') => {
            end_of_raw(b, i + 1)
        }
        _ => None,
    }
}

fn end_of_quoted(b: &[u8], mut j: usize, quote: u8) -> usize {
    while j < b.len() && b[j] != quote {
        j += if b[j] == b'\\' { 2 } else { 1 };
    }
    b.len().min(j + 1)
}

/// A character literal, as told from a lifetime: an escape, or one character and the closing quote.
fn end_of_char(b: &[u8], i: usize) -> Option<usize> {
    if b.get(i + 1) == Some(&b'\\') {
        return Some(end_of_quoted(b, i + 1, b'\''));
    }
    let width = match *b.get(i + 1)? {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    (b.get(i + 1 + width) == Some(&b'\'')).then_some(i + width + 2)
}

fn end_of_raw(b: &[u8], i: usize) -> Option<usize> {
    let hashes = b[i..].iter().take_while(|&&c| c == b'#').count();
    if b.get(i + hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = i + hashes + 1;
    let len = b[body..].windows(close.len()).position(|w| w == close);
    Some(len.map_or(b.len(), |l| body + l + close.len()))
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c >= 0x80
}

/// A word or a sign of the code, with its line.
#[derive(Clone, Copy)]
pub(crate) struct Word<'a>(pub(crate) &'a str, pub(crate) usize);

/// Cuts blanked code into words, `::`, and single signs.
pub(crate) fn words(code: &str) -> Vec<Word<'_>> {
    let mut out = Vec::new();
    for (n, line) in code.lines().enumerate() {
        let b = line.as_bytes();
        let mut i = 0;
        while i < b.len() {
            let end = match b[i] {
                c if is_word(c) => i + b[i..].iter().take_while(|&&c| is_word(c)).count(),
                b':' if b.get(i + 1) == Some(&b':') => i + 2,
                _ => i + 1,
            };
            if !b[i].is_ascii_whitespace() {
                out.push(Word(&line[i..end], n + 1));
            }
            i = end;
        }
    }
    out
}

/// A path from the crate's root: its first step after `crate`, its line, and whether it begins with `$crate`: then it is the
/// macro's user who follows it, by what the front door shows.
pub(crate) struct Use<'a>(pub(crate) &'a str, pub(crate) usize, pub(crate) bool);

/// All paths of a file that start at the crate's root, be it by `crate::` or by enough `super::`.
pub(crate) fn uses<'a>(file: &str, code: &'a str) -> Vec<Use<'a>> {
    let w = words(code);
    let word = |i: usize| w.get(i).map_or("", |w| w.0);
    let home = modules(file).len();
    let (mut depth, mut inner, mut out) = (0, Vec::new(), Vec::new());
    let mut i = 0;
    while i < w.len() {
        match w[i].0 {
            "{" => {
                depth += 1;
                if i >= 2 && word(i - 2) == "mod" {
                    inner.push(depth);
                }
            }
            "}" => {
                if inner.last() == Some(&depth) {
                    inner.pop();
                }
                depth -= 1;
            }
            "crate" if word(i + 1) == "::" => {
                let known = out.len();
                follow(&w, i + 2, None, &mut out);
                let in_macro = i > 0 && word(i - 1) == "$";
                out[known..].iter_mut().for_each(|u| u.2 = in_macro);
            }
            "super" if word(i + 1) == "::" => {
                let mut up = 1;
                while word(i + 2) == "super" && word(i + 3) == "::" {
                    (up, i) = (up + 1, i + 2);
                }
                if up == home + inner.len() {
                    follow(&w, i + 2, None, &mut out);
                }
            }
            _ => {}
        }
        i += 1;
    }
    out
}

/// Walks the path, or tree of paths in braces, at `i`; pushes one `Use` a branch. `room` is the first step, where that was
/// before the braces. Returns the place behind it.
fn follow<'a>(
    w: &[Word<'a>],
    mut i: usize,
    room: Option<&'a str>,
    out: &mut Vec<Use<'a>>,
) -> usize {
    let is = |i: usize, sign: &str| w.get(i).is_some_and(|w| w.0 == sign);
    if is(i, "{") {
        i += 1;
        while i < w.len() && !is(i, "}") {
            i = if is(i, ",") {
                i + 1
            } else {
                follow(w, i, room, out)
            };
        }
        return i + 1;
    }
    let Some(&Word(step, line)) = w.get(i) else {
        return i;
    };
    let room = room.unwrap_or(step);
    if is(i + 1, "::") {
        return follow(w, i + 2, Some(room), out);
    }
    out.push(Use(room, line, false));
    i + if is(i + 1, "as") { 3 } else { 1 }
}

/// The module path of a file of `src/`: `src/chan/ring.rs` is `[chan, ring]`.
pub(crate) fn modules(file: &str) -> Vec<&str> {
    let inside = file
        .strip_prefix("src/")
        .and_then(|f| f.strip_suffix(".rs"))
        .unwrap_or_default();
    inside
        .split('/')
        .filter(|s| !matches!(*s, "mod" | "lib" | ""))
        .collect()
}
