//! Torrents that another program made are understood, so that the corpus is not only refusals.

use std::path::Path;

use shared::metainfo::Metainfo;

#[test]
fn torrents_of_another_program_are_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/metainfo");
    let mut accepted = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "torrent") {
            let parsed = Metainfo::parse(&std::fs::read(&path).unwrap());
            assert!(parsed.is_ok(), "{}: {parsed:?}", path.display());
            accepted += 1;
        }
    }
    assert_eq!(accepted, 6, "version 1, version 2 and hybrid, a file and a folder");
}
