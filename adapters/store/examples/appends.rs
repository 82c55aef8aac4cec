//! Appends a second, and what opening costs: `cargo run --release -p finis-store --example appends`.
//!
//! Each task appends batches of one event of 600 bytes with its due instant, four to a session, and a
//! notice with the last: what a receiver does. A folder may be named; else one is made and removed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use finis_engine::live::{Notice, NoticeId, NoticeKind, SessionKey};
use finis_engine::log::{Batch, Delivery, EventEntry, Log, LogRead};
use finis_engine::{Digest, Timestamp};
use finis_store::{EmbeddedLog, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scratch = tempfile::tempdir()?;
    let folder = std::env::args_os().nth(1).map_or_else(|| scratch.path().to_owned(), Into::into);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    println!("{:>6} {:>10} {:>9} {:>9}", "tasks", "events/s", "p50 ms", "p99 ms");
    for tasks in [1, 16, 256] {
        let (log, _report) = EmbeddedLog::open(&folder.join(tasks.to_string()), &Settings::default())?;
        let log = Arc::new(log);
        let seconds = Duration::from_secs(4);
        let mut times = runtime.block_on(appends(&log, tasks, seconds));
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
        let rate = times.len() as f64 / seconds.as_secs_f64();
        println!("{tasks:>6} {rate:>10.0} {:>9.2} {:>9.2}", at(50), at(99));
        if tasks == 256 {
            let begin = Instant::now();
            let notices = runtime.block_on(log.notices(0, 1000))?.len();
            println!("{notices} notices read in {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
        }
        let log = Arc::into_inner(log).ok_or("a task has the log")?;
        let begin = Instant::now();
        runtime.block_on(log.close())?;
        println!("closed in {:.2} s", begin.elapsed().as_secs_f64());
    }
    let folder = folder.join("256");
    open(&runtime, &folder, "checked", &Settings::default())?;
    std::fs::remove_dir_all(folder.join("index"))?;
    open(&runtime, &folder, "made again", &Settings::default())
}

fn open(
    runtime: &tokio::runtime::Runtime,
    folder: &Path,
    what: &str,
    settings: &Settings,
) -> Result<(), Box<dyn std::error::Error>> {
    let begin = Instant::now();
    let (log, report) = EmbeddedLog::open(folder, settings)?;
    println!("opened, index {what}, in {:.2} s: {report}", begin.elapsed().as_secs_f64());
    Ok(runtime.block_on(log.close())?)
}

async fn appends(log: &Arc<EmbeddedLog>, tasks: u32, time: Duration) -> Vec<Duration> {
    let until = Instant::now() + time;
    let task = |task: u32| {
        let log = Arc::clone(log);
        async move {
            let mut times = Vec::new();
            for number in 0.. {
                let begin = Instant::now();
                if begin > until || log.append(batch(task, number)).await.is_err() {
                    break;
                }
                times.push(begin.elapsed());
            }
            times
        }
    };
    let tasks: Vec<_> = (0..tasks).map(|number| tokio::spawn(task(number))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap_or_default());
    }
    times
}

fn batch(task: u32, number: u32) -> Batch {
    let id = format!("{:08x}-{task:04x}-{:08x}", (number / 4).wrapping_mul(0x9E37_79B1), number / 4);
    let key = SessionKey::new("line", "session", &id);
    let at = Timestamp::from_unix(1_800_000_000 + i64::from(number), 0, 0).unwrap_or(Timestamp::MIN);
    let mut digest = [0; 16];
    digest[..4].copy_from_slice(&task.to_le_bytes());
    digest[4..8].copy_from_slice(&number.to_le_bytes());
    let lines = (0..30).map(|line| format!("{{\"{line:02}\":\"{:08x}\"}},,", number ^ line));
    let body = lines.collect::<Vec<_>>().concat();
    let delivery = Delivery { headers: Vec::new(), body: body.into_bytes().into() };
    let event = EventEntry { key: key.clone(), digest: Digest::from_bytes(digest), received_at: Some(at), delivery };
    let is_last = number % 4 == 3;
    let notice = Notice {
        id: NoticeId::new(&key, NoticeKind::Complete, 1),
        key: key.clone(),
        kind: NoticeKind::Complete,
        revision: 1,
        record: "{\"status\":\"complete\"}".repeat(20),
        events: 4,
        changes: Vec::new(),
        asset: None,
    };
    Batch {
        events: vec![event],
        notices: if is_last { vec![notice] } else { Vec::new() },
        due: vec![(key, (!is_last).then_some(at))],
        ..Batch::default()
    }
}
