//! What the nouns cost where they are used most: over a whole torrent, or for every block.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up says why and ends")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shared::bencode::{self, Dict, List};
use shared::metainfo::Metainfo;
use shared::{BLOCK_LENGTH, Bitfield, Layout, merkle};

const PIECES: u32 = 100_000;

fn bitfield(criterion: &mut Criterion) {
    let layout = Layout::new(u64::from(PIECES) << 18, 1 << 18).expect("a layout");
    criterion.bench_function("bitfield, set and count 100k pieces", |bencher| {
        bencher.iter(|| {
            let mut have = Bitfield::empty(PIECES);
            for piece in layout.iter() {
                have.set(piece);
            }
            black_box(have.count())
        });
    });
    let full = Bitfield::full(PIECES);
    criterion.bench_function("bitfield, from the wire, 100k pieces", |bencher| {
        bencher.iter(|| Bitfield::from_wire(black_box(full.as_bytes()), PIECES));
    });
}

fn hashing(criterion: &mut Criterion) {
    let block = vec![7; BLOCK_LENGTH as usize];
    let mut group = criterion.benchmark_group("merkle");
    group.throughput(Throughput::Bytes(block.len() as u64));
    group.bench_function("leaf of one block", |bencher| {
        bencher.iter(|| merkle::hash_block(black_box(&block)));
    });
    group.finish();
    let mut group = criterion.benchmark_group("two blocks");
    group.throughput(Throughput::Bytes(2 * block.len() as u64));
    group.bench_function("SHA-256, side by side", |bencher| {
        bencher.iter(|| hashes::sha256_each(black_box(&[&block, &block])));
    });
    group.bench_function("SHA-1, side by side", |bencher| {
        bencher.iter(|| {
            let mut two = <[hashes::Sha1; 2]>::default();
            hashes::Sha1::update_two(two.each_mut(), black_box([&block, &block]));
            two.map(hashes::Sha1::finish)
        });
    });
    group.finish();
    let leaves: Vec<_> = (0..4096_u32).map(|leaf| merkle::hash_block(&leaf.to_be_bytes())).collect();
    criterion.bench_function("merkle, root of 4,096 leaves", |bencher| {
        bencher.iter(|| merkle::root(black_box(&leaves), 0, merkle::height(4096)));
    });
}

fn torrent_file(criterion: &mut Criterion) {
    let files = (0..2_000).map(|number| {
        let path = List::default().bytes("folder").bytes(format!("file-{number}.bin"));
        Dict::default().int("length", 4_000).raw(b"path", path.encode()).encode()
    });
    let list = files.fold(List::default(), |list, file| list.raw(&file)).encode();
    let pieces = vec![7; (2_000 * 4_000_usize).div_ceil(16_384) * 20];
    let info = Dict::default().raw(b"files", list).bytes("name", "folder").int("piece length", 16_384);
    let file = Dict::default().raw(b"info", info.bytes("pieces", pieces).encode()).encode();
    let mut group = criterion.benchmark_group("torrent of 2,000 files");
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("bencode", |bencher| {
        bencher.iter(|| bencode::decode(black_box(&file), bencode::Limits::TORRENT).is_ok());
    });
    assert!(Metainfo::parse(&file).is_ok(), "the benchmark is of a good torrent");
    group.bench_function("metainfo", |bencher| bencher.iter(|| Metainfo::parse(black_box(&file)).is_ok()));
    group.finish();
}

criterion_group!(benches, bitfield, hashing, torrent_file);
criterion_main!(benches);
