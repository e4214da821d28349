//! A folder of 2,000 small files in nested folders, with an empty file and names that are not plain.

use std::time::Duration;

use e2e::tree::{assert_same_tree, make_file, tree};
use e2e::{Dice, Lab};

const FILES: usize = 2_000;

#[test]
fn two_thousand_nested_files_arrive_as_an_equal_tree() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("many files");
    let source = lab.folder("source").join("Tema 3");
    for number in 0..FILES - 5 {
        let (outer, inner) = (number % 13, number % 7);
        let length = if number % 400 == 0 { 300_000 } else { dice.below(4_000) };
        make_file(source.join(format!("part {outer}/{inner}/file-{number}.dat")), length, &mut dice);
    }
    for (name, length) in [
        ("vacío.txt", 0),
        ("con espacios y más.txt", 20),
        ("año/mañana/niño.txt", 40_000),
        ("🐝 enjambre/🍯.bin", 100),
        ("日本語/ファイル.bin", 16_384),
    ] {
        make_file(source.join(name), length, &mut dice);
    }
    std::fs::create_dir_all(source.join("an empty folder")).expect("a folder");
    assert_eq!(tree(&source).len(), FILES);

    let mut ana = lab.peer("ana", &tracker).started();
    let told = ana.program().mark();
    ana.share(&source);
    ana.program().line_with(told, &["empty folder"], Duration::from_secs(10));
    let mut bob = lab.peer("bob", &tracker).started();
    let told = bob.download("Tema 3");
    println!("{}", bob.is_done("Tema 3", told, Duration::from_secs(120)));
    assert_same_tree(&source, &bob.downloads().join("Tema 3"));
    assert!(!bob.downloads().join("Tema 3.part").exists(), "the part is gone");
}
