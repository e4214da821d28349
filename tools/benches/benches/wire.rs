//! What a message costs on its way from bytes and back: the codec runs for every 16 KiB that come or go.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wire::codec::{decode, encode};
use wire::message::{Message, Range};

const BLOCK: u32 = 16 * 1024;

fn codec(criterion: &mut Criterion) {
    let block = Bytes::from(vec![7; BLOCK as usize]);
    let mut stream = Vec::new();
    for index in 0..16 {
        encode(&Message::Piece { index, begin: 0, data: block.clone() }, &mut stream);
        encode(&Message::Have(index), &mut stream);
    }
    let stream = Bytes::from(stream);
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("decode 16 blocks and 16 haves", |bencher| {
        bencher.iter(|| {
            let mut buffer = stream.clone();
            let mut messages = 0;
            while let Ok(Some(message)) = decode(&mut buffer) {
                black_box(message);
                messages += 1;
            }
            assert_eq!(messages, 32);
        });
    });
    group.bench_function("encode 500 requests", |bencher| {
        let mut to = Vec::with_capacity(500 * 17);
        bencher.iter(|| {
            to.clear();
            for index in 0..500 {
                encode(&Message::Request(Range { index, begin: 0, length: BLOCK }), &mut to);
            }
            black_box(to.len())
        });
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
