//! What each step costs, on one thread and an export held in memory: canonical form, extract, fold,
//! judge and print. `README.md` beside this file has the figures.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use finis::engine::{Contract, Key, LineReader, Partial, Record, Terms, Timestamp, canonical};
use finis::files::Lines;
use finis::providers::Catalogue;

/// Lines as Pathors would post them: those of the README's first command.
const EXPORT: &[u8] = include_bytes!("../fixtures/pathors/export.jsonl");

/// Events of a session that lived as most do.
const EVENTS_A_SESSION: usize = 4;

fn steps(criterion: &mut Criterion) {
    let catalogue = Catalogue::shipped();
    let pathors = catalogue.get("pathors").expect("it ships with finis");
    let lines = events(pathors);
    let bytes = Throughput::Bytes(lines.iter().map(|line| line.len() as u64 + 1).sum());
    let events = Throughput::Elements(lines.len() as u64);
    let mut reader = LineReader::new(None);

    let mut group = criterion.benchmark_group("steps");
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
    group.throughput(bytes.clone()).bench_function("canonical form, by bytes", |bench| {
        bench.iter(|| {
            for line in &lines {
                let _ = black_box(canonical(line));
            }
        });
    });
    for (unit, throughput) in [("bytes", bytes), ("events", events.clone())] {
        group.throughput(throughput).bench_function(format!("extract, by {unit}"), |bench| {
            bench.iter(|| {
                for line in &lines {
                    let _ = black_box(reader.read(line.as_bytes(), |_| Ok(((), pathors))));
                }
            });
        });
    }
    group.throughput(events).bench_function("extract and fold, by events", |bench| {
        bench.iter(|| {
            for session in lines.chunks(EVENTS_A_SESSION) {
                black_box(fold(&mut reader, pathors, session));
            }
        });
    });
    let partials: Vec<Partial> =
        lines.chunks(EVENTS_A_SESSION).map(|session| fold(&mut reader, pathors, session)).collect();
    let sessions = Throughput::Elements(partials.len() as u64);
    group.throughput(sessions).bench_function("judge and print, by sessions", |bench| {
        let terms = Terms::new(pathors);
        let (subject, _) = pathors.subjects().next().expect("a contract has a subject");
        let key = Key { source: "pathors", subject, id: "2c4f9a13-7e6b-4d8a-9f25-c81e3a7b6d04" };
        let mut out = Vec::new();
        bench.iter(|| {
            out.clear();
            for partial in &partials {
                Record::new(key, partial, pathors, &terms, Timestamp::MAX).write_json(&mut out);
            }
            black_box(out.len())
        });
    });
    group.finish();
}

/// The lines of the export that are events.
fn events(contract: &Contract) -> Vec<&'static str> {
    let mut reader = LineReader::new(None);
    let mut is_event = |line: &[u8]| reader.read(line, |_| Ok(((), contract))).is_ok();
    let lines = Lines::new(EXPORT).map(|(_, line)| line).filter(|line| is_event(line));
    lines.filter_map(|line| std::str::from_utf8(line).ok()).collect()
}

fn fold(reader: &mut LineReader, contract: &Contract, lines: &[&str]) -> Partial {
    let mut partial = Partial::default();
    for line in lines {
        if let Ok(arrival) = reader.read(line.as_bytes(), |_| Ok(((), contract))) {
            partial.add(contract, &arrival.event, None);
        }
    }
    partial
}

criterion_group!(benches, steps);
criterion_main!(benches);
