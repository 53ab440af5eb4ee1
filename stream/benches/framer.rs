//! What it costs to cut bytes from a source into checked pages.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stream::ogg::{Framer, Page, Stamp};

/// As encoders make them: about 4 KB, a quarter of a second at 128 kbit/s.
const SEGMENTS: usize = 17;
const N_PAGES: u32 = 256;
/// As the network delivers them.
const READS: [usize; 3] = [1448, 4096, 64 * 1024];

fn bytes() -> Vec<u8> {
    let body: Vec<u8> = (0..SEGMENTS * 250)
        .map(|n| u8::try_from(n * 31 % 251).unwrap_or(0))
        .collect();
    let page = |sequence: u32| {
        let stamp = Stamp {
            serial: 7,
            sequence,
            granule: i64::from(sequence) * 11_520,
            is_continued: false,
            is_first: sequence == 0,
            is_last: false,
        };
        Page::build(stamp, &[250; SEGMENTS], &body)
    };
    (0..N_PAGES)
        .flat_map(|n| page(n).bytes().to_vec())
        .collect()
}

fn framer(criterion: &mut Criterion) {
    let bytes = bytes();
    let mut group = criterion.benchmark_group("framer");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    for n_bytes in READS {
        group.bench_function(format!("pages of 4 KB in reads of {n_bytes}"), |bencher| {
            bencher.iter(|| {
                let mut framer = Framer::new();
                for mut read in bytes.chunks(n_bytes) {
                    while let Some(found) = framer.next(&mut read) {
                        black_box(found);
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, framer);
criterion_main!(benches);
