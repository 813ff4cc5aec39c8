//! The engine: hold model on the event queue, cancelling, random streams and draws, fair sharing of bandwidth.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use lwsim::engine::{Distribution, LinkId, Purpose, Queue, Sharing, Span, Streams, Time, entity};
use std::hint::black_box;

const BENCH: Purpose = Purpose::named("bench");

/// Exponential gaps with a mean of a second, drawn beforehand so that the draw is not measured.
fn gaps() -> Vec<Span> {
    let mut stream = Streams::new(1).stream(BENCH, entity("gaps"));
    let gap = Distribution::Exponential { mean: 1.0 };
    (0..1 << 16).map(|_| gap.sample_span(&mut stream)).collect()
}

fn filled(gaps: &[Span], pending: usize) -> Queue<[u64; 2]> {
    let mut queue = Queue::new();
    for index in 0..pending {
        queue.after(gaps[index % gaps.len()], [index as u64, 0]);
    }
    queue
}

fn hold(criterion: &mut Criterion) {
    let gaps = gaps();
    let mut group = criterion.benchmark_group("hold");
    for pending in [1_000, 10_000, 100_000, 1_000_000] {
        let mut queue = filled(&gaps, pending);
        let mut index = pending;
        group.bench_function(BenchmarkId::from_parameter(pending), |bencher| {
            bencher.iter(|| {
                let event = queue.advance(Time::MAX).expect("the queue is never empty");
                index += 1;
                queue.after(gaps[index & (gaps.len() - 1)], event)
            });
        });
    }
    group.finish();
}

fn cancel(criterion: &mut Criterion) {
    let gaps = gaps();
    let mut queue = filled(&gaps, 10_000);
    let mut index = 0;
    criterion.bench_function("schedule and cancel, 10000 pending", |bencher| {
        bencher.iter(|| {
            index += 1;
            let ticket = queue.after(gaps[index & (gaps.len() - 1)], [0, 0]);
            queue.cancel(ticket)
        });
    });
}

fn streams(criterion: &mut Criterion) {
    let streams = Streams::new(1);
    let mut entity = 0;
    criterion.bench_function("new stream and first draw", |bencher| {
        bencher.iter(|| {
            entity += 1;
            streams.stream(BENCH, entity).bits()
        });
    });
    let mut group = criterion.benchmark_group("draw");
    let mut stream = streams.stream(BENCH, 0);
    for (name, distribution) in [
        ("exponential", Distribution::Exponential { mean: 3.0 }),
        ("lognormal", Distribution::LogNormal { median: 3.0, sigma: 0.4 }),
        ("weibull", Distribution::Weibull { scale: 3.0, shape: 1.5 }),
        ("gamma", Distribution::Gamma { mean: 3.0, shape: 2.0 }),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&distribution).sample(&mut stream));
        });
    }
    group.finish();
}

/// `count` nodes that pull an image each, or load weights at rates of their own.
fn pulling(count: usize, is_mixed: bool) -> (Sharing, Vec<LinkId>) {
    let mut sharing = Sharing::new();
    let mut stream = Streams::new(1).stream(BENCH, entity("rates"));
    let rate = Distribution::LogNormal { median: 3e8, sigma: 0.5 };
    let shared = [sharing.add_link(12_500_000_000), sharing.add_link(100_000_000_000)];
    let nics: Vec<LinkId> = (0..count).map(|_| sharing.add_link(3_125_000_000)).collect();
    for (index, nic) in nics.iter().enumerate() {
        let rate = Span::from_secs_f64(rate.sample(&mut stream) / 1e9).0;
        let from = shared[if is_mixed { index % 2 } else { 0 }];
        sharing.start(Time::ZERO, 10_000_000_000, &[from, *nic], rate);
    }
    (sharing, nics)
}

fn sharing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sharing");
    group.sample_size(10);
    for count in [100, 1_000, 5_000] {
        for is_mixed in [false, true] {
            let name = if is_mixed { "two sources" } else { "one source" };
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter_batched(
                    || pulling(count, is_mixed).0,
                    |mut sharing| {
                        let mut instants = 0;
                        while let Some(next) = sharing.next() {
                            instants += 1;
                            black_box(sharing.finish(next));
                        }
                        instants
                    },
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, hold, cancel, streams, sharing);
criterion_main!(benches);
