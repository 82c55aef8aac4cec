//! The process that writes: receives deliveries on several tasks, hands notices to a consumer that pulls and
//! to one that is handed over to, and says, a line each on standard error, what happened, *after* it happened.
//!
//! | line | when |
//! |---|---|
//! | `opened REPORT`, `unopened ERROR` | the store was opened, or not |
//! | `posting NUMBER` | before `receive` is called |
//! | `kept NUMBER RECEIPT` | `receive` returned `Ok` |
//! | `denied NUMBER REASON` | it did not prove where it comes from |
//! | `refused NUMBER ERROR` | it was not taken for any other reason |
//! | `came CONSUMER` | the consumer is heard |
//! | `handed CONSUMER SEQ ID KEY` | the consumer has the notice, and its effect is this line |
//! | `acking CONSUMER SEQ`, `acked CONSUMER SEQ` | before it acknowledges, and after that returned `Ok` |
//! | `unacked CONSUMER SEQ ERROR`, `unheard CONSUMER ERROR` | it did not; nothing more comes |
//! | `closed`, `unclosed ERROR` | the store was closed, or not |
//!
//! What a line says in words of its own is read back where it is written: `RECEIPT` and `KEY` by [`Spoken`].

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{Read, Write};
use std::path::Path;

use finis::engine::live::SessionKey;
use finis::engine::{Placed, Policy, Receipt, ReceiveError};
use finis::live::{Finis, OpenError};
use finis_simulator::mishaps::Who;

use crate::deliveries::{headers, posted};
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
    // Another number in every life, mostly.
    let acked_every = 1 + from % 3;
    let consumers = [tokio::spawn(pull(finis.clone(), acked_every)), tokio::spawn(hand_over(finis.clone()))];
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
        let arrival = posted(number);
        say(format_args!("posting {number}"));
        match finis.receive(&arrival.source, &headers(&arrival), &arrival.body).await {
            Ok(receipt) => {
                refusals = 0;
                say(format_args!("kept {number} {}", Spoken(&receipt)));
            }
            Err(ReceiveError::Denied { reason }) => say(format_args!("denied {number} {reason}")),
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

async fn pull(finis: Finis, acked_every: u64) {
    let who = Who::Puller;
    let unheard = |error: &dyn Display| say(format_args!("unheard {who} {error}"));
    let mut notices = match finis.notices(who.name()).await {
        Ok(notices) => notices,
        Err(error) => return unheard(&error),
    };
    say(format_args!("came {who}"));
    // The last handle that is not dropped keeps the engine running.
    drop(finis);
    loop {
        match notices.next().await {
            Ok(Some(placed)) => {
                hand(who, &placed);
                let seq = placed.seq;
                if seq % acked_every != 0 {
                    continue;
                }
                say(format_args!("acking {who} {seq}"));
                match notices.ack(seq).await {
                    Ok(()) => say(format_args!("acked {who} {seq}")),
                    Err(error) => return say(format_args!("unacked {who} {seq} {error}")),
                }
            }
            Ok(None) => return,
            Err(error) => return unheard(&error),
        }
    }
}

async fn hand_over(finis: Finis) {
    let who = Who::Handler;
    // Said before it is: from here on it may be handed something.
    say(format_args!("came {who}"));
    let handler = move |placed: Placed| {
        hand(who, &placed);
        async { Ok::<(), Infallible>(()) }
    };
    let handover = finis.deliver(who.name(), Policy::default(), handler).await;
    drop(finis);
    match handover {
        // It ends with the engine, and what became of it the log knows.
        Ok(handover) => drop(handover.ended().await),
        Err(error) => say(format_args!("unheard {who} {error}")),
    }
}

fn hand(who: Who, Placed { seq, notice }: &Placed) {
    say(format_args!("handed {who} {seq} {} {}", notice.id, Spoken(&notice.key)));
}

/// As a line says it, and as it is read from there.
pub(crate) struct Spoken<T>(pub(crate) T);

/// Of one source and of subjects without spaces: the id, which may have some, is the rest.
impl Display for Spoken<&SessionKey> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.0.source(), self.0.subject(), self.0.id())
    }
}

impl Display for Spoken<&Receipt> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Receipt::Stored { key } => write!(f, "stored {}", Spoken(key)),
            Receipt::Duplicate { key } => write!(f, "duplicate {}", Spoken(key)),
            Receipt::Expired { key } => write!(f, "expired {}", Spoken(key)),
            Receipt::Forgotten { key } => write!(f, "forgotten {}", Spoken(key)),
            Receipt::Quarantined { reason } => write!(f, "quarantined {reason}"),
        }
    }
}

impl Spoken<SessionKey> {
    pub(crate) fn read(text: &str) -> Option<SessionKey> {
        let mut words = text.splitn(3, ' ');
        Some(SessionKey::new(words.next()?, words.next()?, words.next()?))
    }
}

impl Spoken<Receipt> {
    pub(crate) fn read(text: &str) -> Option<Receipt> {
        let (word, rest) = text.split_once(' ')?;
        let key = || Spoken::<SessionKey>::read(rest);
        Some(match word {
            "stored" => Receipt::Stored { key: key()? },
            "duplicate" => Receipt::Duplicate { key: key()? },
            "expired" => Receipt::Expired { key: key()? },
            "forgotten" => Receipt::Forgotten { key: key()? },
            "quarantined" => Receipt::Quarantined { reason: rest.to_owned() },
            _ => return None,
        })
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
