//! Every size at which an edge lies: nothing, one byte, around a block, one piece, more than 32 bits can count.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab};

const BLOCK: u64 = 16 * 1024;
const PIECE: u64 = 128 * 1024;

#[test]
fn files_of_every_edge_size_arrive_equal() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("sizes");
    let mut ana = lab.peer("ana", &tracker).started();
    let mut bob = lab.peer("bob", &tracker).started();
    let source = lab.folder("source");
    for (name, length) in [
        ("nothing.bin", 0),
        ("one-byte.bin", 1),
        ("block-less-one.bin", BLOCK - 1),
        ("block.bin", BLOCK),
        ("block-and-one.bin", BLOCK + 1),
        ("piece.bin", PIECE),
        ("piece-and-one.bin", PIECE + 1),
    ] {
        let file = make_file(source.join(name), length, &mut dice);
        ana.share(&file);
        let told = bob.download(name);
        bob.is_done(name, told, Duration::from_secs(30));
        assert_same_file(&file, &bob.downloads().join(name));
        assert!(!bob.downloads().join(format!("{name}.part")).exists(), "{name}: the part is gone");
    }
}

#[test]
fn a_sparse_file_over_4_gib_arrives_equal() {
    let lab = Lab::in_memory();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("over 4 GiB");
    let name = "over-4-gib.img";
    let path = lab.folder("source").join(name);
    let file = File::create(&path).expect("a file");
    let length = (4 << 30) + 12_345;
    file.set_len(length).expect("a sparse file");
    let mut bytes = vec![0; 100_000];
    for offset in [0, (2 << 30) - 50_000, (4 << 30) - 50_000, length - 100_000] {
        dice.fill(&mut bytes);
        file.write_all_at(&bytes, offset).expect("bytes in a hole");
    }
    let mut ana = lab.peer("ana", &tracker).started();
    let mut bob = lab.peer("bob", &tracker).started();
    ana.share(&path);
    let told = bob.download(name);
    println!("{}", bob.is_done(name, told, Duration::from_secs(240)));
    assert_same_file(&path, &bob.downloads().join(name));
}
