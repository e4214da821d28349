//! Files of tests that belong to no program: where a `main.rs` beneath `tests` names the files beside it, one that it
//! does not name would never be run, and nothing would say so.

use std::path::{Path, PathBuf};

/// Findings, one line each; `paths` are relative to the project's folder, `read` gives the text of one of them.
pub(super) fn check(paths: &[PathBuf], read: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let mut findings = Vec::new();
    let is_program = |path: &&PathBuf| path.ends_with("main.rs") && path.iter().any(|part| part == "tests");
    for main in paths.iter().filter(is_program) {
        let (folder, named) = (main.parent(), read(main).unwrap_or_default());
        for path in paths.iter().filter(|path| path.parent() == folder && *path != main) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            if !named.lines().any(|line| line.trim_end() == format!("mod {stem};")) {
                findings.push(format!(
                    "{}: {} does not name it, so it is never run",
                    path.display(),
                    main.display()
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_its_program_does_not_name_is_found() {
        let paths =
            ["a/tests/main.rs", "a/tests/in.rs", "a/tests/out.rs", "a/tests/lab/mod.rs", "b/tests/alone.rs"];
        let found = check(&paths.map(PathBuf::from), |_| Some("//! x\n\nmod in;\n// mod out;\n".to_owned()));
        assert_eq!(found, ["a/tests/out.rs: a/tests/main.rs does not name it, so it is never run"]);
    }
}
