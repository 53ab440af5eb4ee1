//! What it costs to append a page to a log, and to read what a shard sends in one round.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stream::log::writer::Writer;
use stream::log::{Epoch, Keep};
use stream::ogg::{Page, Stamp};

/// As encoders make them: about 4 KB, a quarter of a second at 128 kbit/s.
const SEGMENTS: usize = 17;
const PAGE_LENGTH: Duration = Duration::from_millis(260);
/// A ring is full after this.
const N_PAGES: u32 = 400;
/// Pages that a listener has not got yet when he is due: a pace of one second.
const N_PAGES_DUE: u64 = 4;
/// Listeners who are due in one tick of a shard: 10,000 of them at a pace of one second.
const N_DUE: usize = 200;
/// As the shard asks for them.
const WRITE_BYTES_MAX: usize = 64 * 1024;
const PIECES_MAX: usize = 63;

fn page(sequence: u32) -> Page {
    let stamp = Stamp {
        serial: 7,
        sequence,
        granule: i64::from(sequence) * 11_520,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &[250; SEGMENTS], &[1; SEGMENTS * 250])
}

/// When a page came, if the first came at `start`.
fn arrival(start: Instant, sequence: u32) -> Instant {
    start + PAGE_LENGTH * sequence
}

/// A writer whose ring is full, and when its first page came.
fn full() -> (Writer, Instant) {
    let mut writer = Writer::new(Epoch::new(1), Keep::default());
    let start = Instant::now();
    for n in 0..N_PAGES {
        writer
            .take(&page(n), arrival(start, n), || 0)
            .expect("these pages are one faultless stream");
    }
    (writer, start)
}

fn append(criterion: &mut Criterion) {
    let (mut writer, start) = full();
    let mut next = N_PAGES;
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Bytes(page(1).len() as u64));
    group.bench_function("append a page of 4 KB to a full ring", |bencher| {
        let setup = || {
            next += 1;
            (page(next - 1), arrival(start, next - 1))
        };
        bencher.iter_batched(
            setup,
            |(page, now)| black_box(writer.take(&page, now, || 0)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn round(criterion: &mut Criterion) {
    let (writer, _) = full();
    let log = writer.log();
    let from = log.head() - N_PAGES_DUE * page(1).len() as u64;
    let mut pieces = Vec::new();
    let mut group = criterion.benchmark_group("shard round");
    group.throughput(Throughput::Elements(N_DUE as u64));
    group.bench_function("everybody at the same place, looked up once", |bencher| {
        bencher.iter(|| {
            pieces.clear();
            let read = log.read(from, WRITE_BYTES_MAX, PIECES_MAX, &mut pieces);
            for _ in 0..N_DUE {
                black_box((&read, &pieces));
            }
        });
    });
    group.bench_function("everybody looks for himself", |bencher| {
        bencher.iter(|| {
            for _ in 0..N_DUE {
                pieces.clear();
                let read = log.read(from, WRITE_BYTES_MAX, PIECES_MAX, &mut pieces);
                black_box((&read, &pieces));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, append, round);
criterion_main!(benches);
