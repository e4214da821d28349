//! docs/beps.md against the tree: every file and every test that it names must be there.
//!
//! A name is what stands between backticks: `path/to/file.rs`, or `path/to/file.rs::test_name`.

use std::path::Path;

/// Findings, one line each; `read` gives the text of a file of the project by its relative path.
pub(super) fn check(paper: &str, read: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut named = 0;
    for (number, line) in paper.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2) {
            let (file, test) = word.split_once("::").map_or((word, None), |(file, test)| (file, Some(test)));
            if Path::new(file).extension().is_none_or(|ending| ending != "rs") {
                continue;
            }
            named += 1;
            let place = format!("docs/beps.md:{}", number + 1);
            match (read(Path::new(file)), test) {
                (None, _) => findings.push(format!("{place}: there is no file {file}")),
                (Some(text), Some(test)) if !text.contains(&format!("fn {test}(")) => {
                    findings.push(format!("{place}: {file} has no test {test}"));
                }
                _ => {}
            }
        }
    }
    if named == 0 {
        findings.push("docs/beps.md: names no file and no test".to_owned());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Option<String> {
        (path == Path::new("wire/src/a.rs")).then(|| "fn known() {}".to_owned())
    }

    #[test]
    fn what_is_there_is_in_order() {
        let paper = "| 3 | `wire/src/a.rs` | `wire/src/a.rs::known` | `a word` |";
        assert_eq!(check(paper, read), Vec::<String>::new());
    }

    #[test]
    fn a_lost_file_a_lost_test_and_an_empty_paper_are_found() {
        let found = check("`wire/src/b.rs`\n`wire/src/a.rs::unknown`", read);
        assert_eq!(
            found,
            [
                "docs/beps.md:1: there is no file wire/src/b.rs",
                "docs/beps.md:2: wire/src/a.rs has no test unknown"
            ]
        );
        assert_eq!(check("nothing", read).len(), 1);
    }
}
