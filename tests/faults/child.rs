//! The process that writes: receives deliveries on several tasks, hands notices to two consumers, and
//! says, a line each on standard error, what happened, *after* it happened.
//!
//! | line | when |
//! |---|---|
//! | `opened REPORT`, `unopened ERROR` | the store was opened, or not |
//! | `kept NUMBER` | `receive` returned `Ok` |
//! | `refused NUMBER ERROR` | it did not |
//! | `handed CONSUMER SEQ ID KEY` | the consumer has the notice |
//! | `acking CONSUMER SEQ`, `acked CONSUMER SEQ` | before it acknowledges, and after that returned `Ok` |
//! | `unacked CONSUMER SEQ ERROR`, `unheard CONSUMER ERROR` | it did not; nothing more comes |
//! | `closed`, `unclosed ERROR` | the store was closed, or not |

use std::fmt::Display;
use std::io::{Read, Write};
use std::path::Path;

use finis::engine::Placed;
use finis::live::{Finis, OpenError};

use crate::deliveries::{HEADERS, posted};
use crate::store;

/// Where the store is. Without it, nothing is done: this is then no child.
pub(crate) const FOLDER: &str = "FINIS_FAULTS_FOLDER";
/// The number of the first delivery.
pub(crate) const FROM: &str = "FINIS_FAULTS_FROM";
/// How many deliveries there are before it closes the store; without it, it goes on for ever.
pub(crate) const COUNT: &str = "FINIS_FAULTS_COUNT";

/// Deliveries that are under way at the same time.
const TASKS: u64 = 4;

/// In a row, after which a task gives up: enough to see that a refusal lasts.
const REFUSALS_MAX: u32 = 3;

#[test]
fn writes() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let from = number(FROM).unwrap_or(0);
    let until = number(COUNT).map_or(u64::MAX, |count| from + count);
    ends_with_its_parent();
    store::runtime().block_on(live(Path::new(&folder), from, until));
}

/// A child that nobody holds any more ends, whatever became of its parent.
pub(crate) fn ends_with_its_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::abort();
    });
}

async fn live(folder: &Path, from: u64, until: u64) {
    let finis = loop {
        match store::open(folder).await {
            // Whoever looked before is about to let go.
            Err(OpenError::Store(finis_store::OpenError::Held { .. })) => {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            Err(error) => return say(format_args!("unopened {}", chain(&error))),
            Ok(finis) => break finis,
        }
    };
    say(format_args!("opened {}", finis.report()));
    let consumers =
        [("crm", 1), ("ops", 3)].map(|(consumer, every)| tokio::spawn(consume(finis.clone(), consumer, every)));
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(receive(finis.clone(), from + task, until))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    match finis.close().await {
        Ok(()) => say("closed"),
        Err(error) => say(format_args!("unclosed {error}")),
    }
    for consumer in consumers {
        consumer.await.unwrap();
    }
}

async fn receive(finis: Finis, from: u64, until: u64) {
    let mut refusals = 0;
    for number in (from..until).step_by(TASKS as usize) {
        let posted = posted(number);
        match finis.receive(posted.source, &HEADERS, posted.body.as_bytes()).await {
            Ok(_) => {
                refusals = 0;
                say(format_args!("kept {number}"));
            }
            Err(error) => {
                refusals += 1;
                say(format_args!("refused {number} {error}"));
                if refusals == REFUSALS_MAX {
                    return;
                }
            }
        }
    }
}

async fn consume(finis: Finis, consumer: &'static str, acked_every: u64) {
    let unheard = |error: &dyn Display| say(format_args!("unheard {consumer} {error}"));
    let mut notices = match finis.notices(consumer).await {
        Ok(notices) => notices,
        Err(error) => return unheard(&error),
    };
    // The last handle that is not dropped keeps the engine running.
    drop(finis);
    loop {
        match notices.next().await {
            Ok(Some(Placed { seq, notice })) => {
                say(format_args!("handed {consumer} {seq} {} {}", notice.id, notice.key.id));
                if seq % acked_every != 0 {
                    continue;
                }
                say(format_args!("acking {consumer} {seq}"));
                match notices.ack(seq).await {
                    Ok(()) => say(format_args!("acked {consumer} {seq}")),
                    Err(error) => return say(format_args!("unacked {consumer} {seq} {error}")),
                }
            }
            Ok(None) => return,
            Err(error) => return unheard(&error),
        }
    }
}

/// A line is written at once, or not at all.
pub(crate) fn say(line: impl Display) {
    let line = line.to_string().replace('\n', " ");
    // When nobody listens any more, there is nothing left to say.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |all, cause| format!("{all}: {cause}"))
}
