//! What the nouns cost where they are used most: bit by bit over a whole torrent.
#![expect(missing_docs, reason = "the macro of criterion makes public functions")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use shared::{Bitfield, Layout};

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

criterion_group!(benches, bitfield);
criterion_main!(benches);
