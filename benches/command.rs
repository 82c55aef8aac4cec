//! The whole command: an export in, records out, as a process of its own.
//!
//! `FINIS_EXPORT` names the export; without it the small one of the fixtures is taken, which shows
//! little more than what it costs to start. For the million sessions of `README.md` beside this file:
//!
//! ```text
//! cargo run --release -p finis-simulator --example export -- target/export.jsonl
//! FINIS_EXPORT=target/export.jsonl cargo bench --bench command
//! ```

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn reconcile(criterion: &mut Criterion) {
    let export = std::env::var_os("FINIS_EXPORT").map_or_else(|| "fixtures/pathors/export.jsonl".into(), PathBuf::from);
    let bytes = fs::metadata(&export).expect("the export is there").len();
    let out = tempfile::tempdir().expect("there is room for the records");
    let records = out.path().join("records.ndjson");

    let mut group = criterion.benchmark_group("reconcile");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).throughput(Throughput::Bytes(bytes));
    for threads in ["1", "2"] {
        group.bench_function(format!("{threads} threads"), |bench| {
            bench.iter(|| {
                let status = Command::new(env!("CARGO_BIN_EXE_finis"))
                    .arg("reconcile")
                    .arg(&export)
                    .args(["--provider", "pathors", "--threads", threads, "--out"])
                    .arg(&records)
                    .stdout(Stdio::null())
                    .status();
                assert!(status.is_ok_and(|status| status.success()), "the command does its work");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reconcile);
criterion_main!(benches);
