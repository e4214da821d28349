//! Replays the whole corpus, and seeded mutations of every entry, through every body.

use std::panic::catch_unwind;
use std::path::Path;

use fuzz::TARGETS;
use fuzz::mutate::mutate;

/// Mutations of each entry unless `FUZZ_ROUNDS` says otherwise: a few seconds in all.
const ROUNDS: u64 = 10_000;

#[test]
fn no_entry_of_the_corpus_and_no_mutation_of_it_breaks_a_law() {
    let rounds = std::env::var("FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let mut entries = vec![(String::from("nothing"), Vec::new())];
        let folder = corpus.join(target.name);
        for entry in
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            entries.push((name, std::fs::read(&path).unwrap()));
        }
        assert!(entries.len() > 1, "{}: the corpus is empty", folder.display());
        for (name, bytes) in &entries {
            strike(target.name, target.body, name, "as it is", bytes);
            for seed in 0..rounds / target.cost {
                strike(target.name, target.body, name, &format!("seed {seed}"), &mutate(bytes, seed));
            }
        }
        println!("{}: {} entries, {} mutations of each", target.name, entries.len(), rounds / target.cost);
    }
}

fn strike(target: &str, body: fn(&[u8]), entry: &str, how: &str, bytes: &[u8]) {
    assert!(catch_unwind(|| body(bytes)).is_ok(), "{target}/{entry}, {how}: {bytes:02x?}");
}

#[test]
fn every_folder_of_the_corpus_has_a_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in std::fs::read_dir(corpus).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(TARGETS.iter().any(|target| target.name == name), "no target is called {name}");
    }
}
