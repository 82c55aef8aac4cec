//! What each step costs, on one thread and an export held in memory: canonical form, extract, pack, fold,
//! judge and print. `README.md` beside this file has the figures.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use finis::engine::{
    Contract, Folder, Forms, Key, LineReader, Packed, Packer, Partial, Record, Terms, Timestamp, canonical,
};
use finis::files::Lines;
use finis::providers::Catalogue;

/// Lines as Pathors would post them: those of the README's first command.
const EXPORT: &[u8] = include_bytes!("../fixtures/pathors/export.jsonl");

fn steps(criterion: &mut Criterion) {
    let catalogue = Catalogue::shipped();
    let pathors = catalogue.get("pathors").expect("it ships with finis");
    let sessions = sessions(pathors);
    let lines = sessions.concat();
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
    group.throughput(events.clone()).bench_function("extract and digest, by events", |bench| {
        bench.iter(|| {
            for line in &lines {
                if let Ok(arrival) = reader.read(line.as_bytes(), |_| Ok(((), pathors))) {
                    black_box(arrival.event.digest());
                }
            }
        });
    });
    let forms = Forms::default();
    let mut packer = Packer::new(&forms, None);
    let mut room = vec![0; 1 << 16];
    let mut pack = |line: &'static str, room: &mut [u8]| {
        let arrival = packer.pack(line, |_| Ok(((), 0, pathors))).ok()?;
        let length = arrival.packed_len();
        arrival.write(room.get_mut(..length)?);
        Some(length)
    };
    group.throughput(events.clone()).bench_function("pack, by events", |bench| {
        bench.iter(|| {
            for line in &lines {
                black_box(pack(line, &mut room));
            }
        });
    });
    let mut packed = |line: &&'static str| pack(line, &mut room).map(|length| room[..length].to_vec());
    let packed: Vec<Vec<Vec<u8>>> =
        sessions.iter().map(|session| session.iter().filter_map(&mut packed).collect()).collect();
    let all = forms.all();
    let mut folder = Folder::default();
    group.throughput(events.clone()).bench_function("fold packed events, by events", |bench| {
        bench.iter(|| {
            for session in &packed {
                let mut events: Vec<Packed<'_>> = session.iter().map(|packed| Packed::read(packed, &all)).collect();
                black_box(folder.fold(pathors, &mut events, false));
            }
        });
    });
    group.throughput(events).bench_function("extract, digest and fold, by events", |bench| {
        bench.iter(|| {
            for session in &sessions {
                black_box(fold(&mut reader, pathors, session));
            }
        });
    });
    let partials: Vec<Partial> = sessions.iter().map(|session| fold(&mut reader, pathors, session)).collect();
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

/// The lines of the export that are events, by session.
fn sessions(contract: &Contract) -> Vec<Vec<&'static str>> {
    let mut reader = LineReader::new(None);
    let mut sessions: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for (_, line) in Lines::new(EXPORT) {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        if let Ok(arrival) = reader.read(line, |_| Ok(((), contract))) {
            sessions.entry(arrival.event.id.to_owned()).or_default().push(text);
        }
    }
    sessions.into_values().collect()
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
