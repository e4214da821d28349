//! One `.rs` file: does it open with its purpose, is it short enough, is it named after a thing, and
//! does a brain keep its hands off the world?
//!
//! Works on text: comments and the tests at the foot of a file are set aside first.

use std::path::Path;

/// Most lines of a file without its tests.
const MOST_LINES: usize = 450;

/// Names that say nothing: a drawer fills up with strangers.
const DRAWERS: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "manager", "misc", "handler"];

/// Crates that decide and never do.
const BRAINS: [&str; 5] = ["shared", "wire", "swarm", "download_status", "registry"];

/// What a brain may not name, and what stands in its place.
const NOT_IN_A_BRAIN: [(&str, &str); 8] = [
    ("tokio", "a brain waits for nothing"),
    ("std::fs", "bytes are handed in and out"),
    ("std::net::Tcp", "bytes are handed in and out"),
    ("Instant", "time is handed in as Moment"),
    ("SystemTime", "time is handed in"),
    ("std::thread", "a brain has no threads"),
    ("Mutex", "a brain has one owner"),
    ("RwLock", "a brain has one owner"),
];

/// Findings, one line each; `path` is relative to the project's folder.
pub(super) fn check(path: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let place = path.display();
    if !text.trim_start().starts_with("//!") {
        findings.push(format!("{place}: does not open with //! and what the file is"));
    }
    for part in path.components() {
        let part = part.as_os_str().to_string_lossy();
        let stem = part.strip_suffix(".rs").unwrap_or(&part);
        if DRAWERS.contains(&stem) {
            findings.push(format!("{place}: \"{stem}\" names a drawer, not a thing"));
        }
    }
    let body = without_tests(text);
    let lines = body.lines().count();
    if lines > MOST_LINES && !is_test(path) {
        findings.push(format!("{place}: {lines} lines without tests, limit {MOST_LINES}: split it by noun"));
    }
    let first = path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    if first.is_some_and(|first| BRAINS.contains(&first.as_str())) && !is_test(path) {
        findings.extend(forbidden(path, body));
    }
    findings
}

fn is_test(path: &Path) -> bool {
    let is_tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs" || part == "benches";
    path.components().any(|part| is_tests(part.as_os_str()))
}

/// The file up to its inline test module.
fn without_tests(text: &str) -> &str {
    let end = ["#[cfg(test)]\nmod ", "#[cfg(test)]\r\nmod "].iter().filter_map(|mark| text.find(mark)).min();
    end.map_or(text, |end| &text[..end])
}

fn forbidden(path: &Path, body: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in body.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (word, instead) in NOT_IN_A_BRAIN {
            if names(code, word) {
                findings.push(format!("{}:{}: names {word}: {instead}", path.display(), number + 1));
            }
        }
    }
    findings
}

/// Does the code name this word, alone and not as a part of a longer one?
fn names(code: &str, word: &str) -> bool {
    let part_of_a_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let open = word.ends_with("Tcp");
        !before.is_some_and(part_of_a_name) && (open || !after.is_some_and(part_of_a_name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(Path::new(path), text)
    }

    #[test]
    fn a_short_file_with_a_head_is_in_order() {
        assert_eq!(
            findings("swarm/src/picker.rs", "//! Picks.\nuse shared::Moment;\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_missing_head_and_a_drawer_are_found() {
        let found = findings("engine/src/util.rs", "use std::io;\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(findings("engine/src/common/net.rs", "//! x\n").len(), 1);
        assert_eq!(findings("engine/src/utility_belt.rs", "//! x\n").len(), 0);
    }

    #[test]
    fn length_is_counted_without_the_tests_at_the_foot() {
        let long = format!("//! x\n{}", "let a = 1;\n".repeat(MOST_LINES));
        assert_eq!(findings("peer/src/a.rs", &long).len(), 1);
        let tested =
            format!("//! x\n{}#[cfg(test)]\nmod tests {{\n{}", "a\n".repeat(100), "b\n".repeat(MOST_LINES));
        assert_eq!(findings("peer/src/a.rs", &tested).len(), 0);
        assert_eq!(findings("peer/tests/a.rs", &long).len(), 0);
    }

    #[test]
    fn a_brain_may_speak_of_the_world_but_not_touch_it() {
        for code in [
            "use tokio::net;",
            "std::fs::read(p)",
            "Instant::now()",
            "std::thread::spawn",
            "Mutex<u8>",
            "std::net::TcpStream",
        ] {
            assert_eq!(findings("swarm/src/a.rs", &format!("//! x\n{code}\n")).len(), 1, "{code}");
            assert_eq!(findings("engine/src/a.rs", &format!("//! x\n{code}\n")).len(), 0, "{code}");
        }
        for said in
            ["// tokio does that", "/// An Instant would", "let instantaneous = 1;", "struct MyMutexLike;"]
        {
            assert_eq!(findings("swarm/src/a.rs", &format!("//! x\n{said}\n")).len(), 0, "{said}");
        }
        assert_eq!(findings("wire/tests/a.rs", "//! x\nuse std::fs;\n").len(), 0);
    }
}
