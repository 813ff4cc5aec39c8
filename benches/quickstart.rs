//! The quickstart from scenario to end of run: reading and lowering, and the run itself.

use criterion::{Criterion, criterion_group, criterion_main};
use lwsim::backend::sim;
use lwsim::scenario::{load, lower};
use std::hint::black_box;
use std::path::Path;

fn quickstart(criterion: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/quickstart.yaml");
    criterion.bench_function("quickstart/read and lower", |bencher| {
        bencher.iter(|| {
            let loaded = load(&path, &[]).expect("the scenario is valid");
            black_box(lower(&loaded, "base").expect("the scenario is valid"));
        });
    });
    let loaded = load(&path, &[]).expect("the scenario is valid");
    let lowered = lower(&loaded, "base").expect("the scenario is valid");
    criterion.bench_function("quickstart/run", |bencher| {
        bencher.iter(|| {
            let mut records = 0_u64;
            let end = sim::run(&lowered.setup, 1, &mut |_| records += 1);
            black_box((end, records))
        });
    });
}

criterion_group!(benches, quickstart);
criterion_main!(benches);
