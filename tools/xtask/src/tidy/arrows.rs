//! The crate arrows and doors written in ARCHITECTURE.md against those that cargo sees.
//!
//! The paper holds two fenced blocks, `arrows` and `doors`. A line of the first is
//! `crate -> crates it leans on`; of the second, `package: crates that may lean on it`. Both are
//! exact for arrows (a line too many is a lie as well) and an upper bound for doors.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::Leans;

/// Findings, one line each.
pub(super) fn check(paper: &str, members: &BTreeMap<String, Leans>) -> Vec<String> {
    let mut findings = Vec::new();
    let said = block(paper, "arrows", "->");
    let doors = block(paper, "doors", ":");
    if said.is_empty() || doors.is_empty() {
        findings.push("ARCHITECTURE.md: no fenced block `arrows` or `doors`".to_owned());
    }
    let house: BTreeMap<&String, &Leans> = members.iter().filter(|(_, leans)| !leans.is_tool).collect();
    for (name, leans) in &house {
        let Some(allowed) = said.get(name.as_str()) else {
            findings.push(format!("{name}: the crate has no line among the arrows of ARCHITECTURE.md"));
            continue;
        };
        for extra in leans.ours.difference(allowed) {
            findings
                .push(format!("{name}/Cargo.toml: leans on {extra}, which ARCHITECTURE.md does not allow"));
        }
        for unused in allowed.difference(&leans.ours) {
            findings.push(format!("ARCHITECTURE.md: says {name} leans on {unused}, but it does not"));
        }
        for (package, may) in &doors {
            if leans.foreign.contains(package) && !may.contains(name.as_str()) {
                findings.push(format!("{name}/Cargo.toml: {package} may not enter this crate"));
            }
        }
    }
    for name in said.keys().filter(|name| !members.contains_key(*name)) {
        findings.push(format!("ARCHITECTURE.md: the arrows name {name}, which is no crate"));
    }
    findings
}

/// The lines of one fenced block, split at a separator; words behind it by spaces or commas.
fn block(paper: &str, name: &str, separator: &str) -> BTreeMap<String, BTreeSet<String>> {
    let fence = format!("```{name}");
    let inside = paper.lines().skip_while(|line| line.trim() != fence).skip(1);
    inside
        .take_while(|line| line.trim() != "```")
        .filter_map(|line| line.split_once(separator))
        .map(|(left, right)| {
            let words = right.split([' ', ',']).filter(|word| !word.is_empty() && *word != "-");
            (left.trim().to_owned(), words.map(str::to_owned).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: &str = "\
text
```arrows
shared -> -
wire   -> shared
peer   -> shared wire
```
```doors
tokio: peer
```
";

    fn crates(list: &[(&str, &[&str], &[&str], bool)]) -> BTreeMap<String, Leans> {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        list.iter()
            .map(|(name, ours, foreign, is_tool)| {
                let leans = Leans { ours: set(ours), foreign: set(foreign), is_tool: *is_tool };
                ((*name).to_owned(), leans)
            })
            .collect()
    }

    #[test]
    fn a_house_as_on_paper_has_no_findings_and_tools_may_lean_on_anything() {
        let members = crates(&[
            ("shared", &[], &["sha2"], false),
            ("wire", &["shared"], &[], false),
            ("peer", &["shared", "wire"], &["tokio"], false),
            ("bench", &["peer"], &["tokio"], true),
        ]);
        assert_eq!(check(PAPER, &members), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_upward_a_missing_arrow_a_foreigner_and_a_stranger_are_all_found() {
        let members = crates(&[
            ("shared", &["wire"], &["tokio"], false),
            ("peer", &["shared"], &[], false),
            ("new", &[], &[], false),
        ]);
        let findings = check(PAPER, &members);
        let all = findings.join("\n");
        assert!(all.contains("shared/Cargo.toml: leans on wire"), "{all}");
        assert!(all.contains("shared/Cargo.toml: tokio may not enter"), "{all}");
        assert!(all.contains("says peer leans on wire, but it does not"), "{all}");
        assert!(all.contains("new: the crate has no line"), "{all}");
        assert!(all.contains("the arrows name wire, which is no crate"), "{all}");
        assert_eq!(findings.len(), 5, "{all}");
    }

    #[test]
    fn a_paper_without_arrows_is_itself_a_finding() {
        assert_eq!(check("nothing", &crates(&[])).len(), 1);
    }
}
