//! Events per second of each step, one thread, on a generated export held in memory.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use finis::engine::{Key, LineReader, Partial, Record, Terms, Timestamp, canonical};
use finis::files::Lines;
use finis::providers::Catalogue;

/// Three thousand lines as Pathors would post them: those of the README's export.
const EXPORT: &[u8] = include_bytes!("../fixtures/pathors/export.jsonl");

fn lines() -> Vec<&'static [u8]> {
    let catalogue = Catalogue::shipped();
    let pathors = catalogue.get("pathors").expect("it ships with finis");
    let mut reader = LineReader::new(None);
    let good = |line: &&[u8]| reader.read(line, |_| Ok(((), pathors))).is_ok();
    let mut good = good;
    Lines::new(EXPORT).map(|(_, line)| line).filter(|line| good(line)).collect()
}

fn steps(criterion: &mut Criterion) {
    let catalogue = Catalogue::shipped();
    let pathors = catalogue.get("pathors").expect("it ships with finis");
    let lines = lines();
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    let mut group = criterion.benchmark_group("step");
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));

    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("canonical form (bytes)", |bench| {
        let texts: Vec<&str> = lines.iter().filter_map(|line| std::str::from_utf8(line).ok()).collect();
        bench.iter(|| texts.iter().for_each(|text| drop(black_box(canonical(text)))));
    });
    group.bench_function("extract (bytes)", |bench| {
        let mut reader = LineReader::new(None);
        bench.iter(|| {
            lines.iter().for_each(|line| {
                black_box(reader.read(line, |_| Ok(((), pathors))).is_ok());
            })
        });
    });
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("extract (events)", |bench| {
        let mut reader = LineReader::new(None);
        bench.iter(|| {
            lines.iter().for_each(|line| {
                black_box(reader.read(line, |_| Ok(((), pathors))).is_ok());
            })
        });
    });
    group.bench_function("extract and fold, four events a session (events)", |bench| {
        let mut reader = LineReader::new(None);
        bench.iter(|| {
            for four in lines.chunks(4) {
                let mut partial = Partial::default();
                for line in four {
                    if let Ok(arrival) = reader.read(line, |_| Ok(((), pathors))) {
                        partial.add(pathors, &arrival.event, None);
                    }
                }
                black_box(&partial);
            }
        });
    });
    let partials: Vec<Partial> = lines
        .chunks(4)
        .map(|four| {
            let mut reader = LineReader::new(None);
            let mut partial = Partial::default();
            for line in four {
                if let Ok(arrival) = reader.read(line, |_| Ok(((), pathors))) {
                    partial.add(pathors, &arrival.event, None);
                }
            }
            partial
        })
        .collect();
    group.throughput(Throughput::Elements(partials.len() as u64));
    group.bench_function("judge and print (records)", |bench| {
        let terms = Terms::new(pathors);
        let subject = pathors.subjects().next().expect("a contract has a subject").0;
        bench.iter_batched_ref(
            Vec::new,
            |out| {
                for partial in &partials {
                    let key = Key { source: "pathors", subject, id: "2c4f9a13-7e6b-4d8a-9f25-c81e3a7b6d04" };
                    Record::new(key, partial, pathors, &terms, Timestamp::MAX).write_json(out);
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
