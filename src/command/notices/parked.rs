//! `finis notices parked`, `retry` and `skip`: what a consumer did not take, and what becomes of it.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::{Args, Subcommand};
use finis::engine::live::Notice;
use finis::engine::log::{Cause, Consumer, Log, LogError, LogRead};
use finis::engine::{Engine, Settings};
use finis::live::SystemClock;
use finis::providers::Catalogue;
use serde_json::json;

use super::super::store::{StoreArgs, block_on};
use super::super::table::Table;
use super::super::words::{bad, count, shown};
use super::super::{Failure, Outcome, running, say, say_lines};
use super::cells;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List notices that a consumer did not take: dead letters, and what waits for a late try
    Parked(Parked),
    /// Let parked notices be handed over again, all of a consumer or one
    Retry(Retry),
    /// Let a parked notice be: it counts as dealt with, and what is held behind it goes on
    Skip(Skip),
}

#[derive(Args)]
pub(crate) struct Parked {
    #[command(flatten)]
    store: StoreArgs,

    /// Notices of this consumer alone; that of a webhook is `webhook:` and the name of the endpoint
    #[arg(value_name = "CONSUMER")]
    consumer: Option<String>,

    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = "\
A notice that is held behind another of its session goes with that one. A `finis serve` that runs hands them over at \
once; otherwise that is done when the consumer is next there. An application in Rust that has the store does the same \
by `retry_parked`.")]
pub(crate) struct Retry {
    #[command(flatten)]
    store: StoreArgs,

    /// The consumer
    #[arg(value_name = "CONSUMER")]
    consumer: String,

    /// The place of one notice in the outbox
    #[arg(value_name = "SEQ")]
    seq: Option<u64>,
}

#[derive(Args)]
#[command(after_help = "\
A `finis serve` that runs goes on at once. An application in Rust that has the store does the same by `skip_parked`.")]
pub(crate) struct Skip {
    #[command(flatten)]
    store: StoreArgs,

    /// The consumer
    #[arg(value_name = "CONSUMER")]
    consumer: String,

    /// The place of the notice in the outbox
    #[arg(value_name = "SEQ")]
    seq: u64,
}

pub(crate) fn run(command: &Command) -> Result<Outcome, Failure> {
    block_on(async {
        match command {
            Command::Parked(args) => list(args).await,
            Command::Retry(args) => retry(args).await,
            Command::Skip(args) => skip(args).await,
        }
    })
}

async fn list(args: &Parked) -> Result<Outcome, Failure> {
    // A notice is told as it was said, under whatever contract.
    let look = args.store.look(&Catalogue::default()).await?;
    let mut consumers = look.log().consumers().await?;
    if let Some(name) = &args.consumer {
        known(&consumers, name)?;
        consumers.retain(|consumer| consumer.name == *name);
    }
    let mut table = Table::new(["consumer", ">seq", "kind", ">revision", "source", "session", "why"]);
    let (mut lines, mut total, mut closed) = (String::new(), 0, Vec::new());
    for consumer in &consumers {
        for (seq, cause) in consumer.parked() {
            let notice = look.log().notices(seq.saturating_sub(1), 1).await?.pop().filter(|(found, _)| *found == seq);
            total += 1;
            if matches!(cause, Cause::Closed { .. }) {
                closed.push(consumer.name.clone());
            }
            if args.json {
                lines.push_str(&as_json(&consumer.name, seq, cause, notice.as_ref().map(|(_, notice)| notice)));
                lines.push('\n');
            } else {
                let [_, kind, revision, source, session, _] =
                    notice.map_or_else(Default::default, |placed| cells(&placed));
                table.add([consumer.name.clone(), seq.to_string(), kind, revision, source, session, why(cause)]);
            }
        }
    }
    if args.json {
        say_lines(&lines)?;
        return Ok(Outcome::Fine);
    }
    let mut end = if total > 0 { "\n".to_owned() } else { String::new() };
    // Writing into a String does not fail.
    let _ = writeln!(end, "{} parked", count(total, "notice"));
    closed.dedup();
    for name in closed {
        let (closed, name) = (bad("Closed:"), shown(&name));
        let _ = writeln!(
            end,
            "{closed} {name} is gone, and nothing is sent to it: `finis notices retry {name}` sends again"
        );
    }
    say(&format!("{}{end}", table.take()))?;
    Ok(Outcome::Fine)
}

/// Why, and what comes of it by itself.
fn why(cause: &Cause) -> String {
    match cause {
        Cause::Failed { reason } | Cause::Closed { reason } => reason.clone(),
        Cause::Held { behind } => format!("held behind {behind}"),
        Cause::Later { reason, again, .. } => format!("{reason}; again at {again}"),
    }
}

fn as_json(consumer: &str, seq: u64, cause: &Cause, notice: Option<&Notice>) -> String {
    let (state, behind, tries, again) = match cause {
        Cause::Failed { .. } => ("dead", None, None, None),
        Cause::Closed { .. } => ("closed", None, None, None),
        Cause::Held { behind } => ("held", Some(*behind), None, None),
        Cause::Later { tries, again, .. } => ("waiting", None, Some(*tries), Some(again.to_string())),
    };
    let mut line = json!({"consumer": consumer, "seq": seq, "state": state});
    let members = [
        ("reason", cause.reason().map(|reason| json!(reason))),
        ("behind", behind.map(|behind| json!(behind))),
        ("tries", tries.map(|tries| json!(tries))),
        ("again_at", again.map(|again| json!(again))),
        ("id", notice.map(|notice| json!(notice.id.to_string()))),
        ("kind", notice.map(|notice| json!(notice.kind.as_str()))),
        ("revision", notice.map(|notice| json!(notice.revision))),
        ("source", notice.map(|notice| json!(notice.key.source()))),
        ("session", notice.map(|notice| json!(notice.key.id()))),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            line[name] = value;
        }
    }
    line.to_string()
}

async fn retry(args: &Retry) -> Result<Outcome, Failure> {
    let Retry { store, consumer, seq } = args;
    let retry = async |engine: &Engine| match seq {
        Some(seq) => engine.retry_one_parked(consumer, *seq).await,
        None => engine.retry_parked(consumer).await,
    };
    let released =
        match running::done(running::retry_parked(&store.store, consumer, *seq), |known| unknown(consumer, &known))? {
            Some(released) => released,
            None => change(store, consumer, retry).await? as u64,
        };
    if let (Some(seq), 0) = (seq, released) {
        return Err(not_parked(consumer, *seq));
    }
    say(&format!("{} to be handed over to {} again\n", count(released, "notice"), shown(consumer)))?;
    Ok(Outcome::Fine)
}

async fn skip(args: &Skip) -> Result<Outcome, Failure> {
    let Skip { store, consumer, seq } = args;
    let was_parked =
        match running::done(running::skip_parked(&store.store, consumer, *seq), |known| unknown(consumer, &known))? {
            Some(was_parked) => was_parked,
            None => change(store, consumer, async |engine| engine.skip_parked(consumer, *seq).await).await?,
        };
    if !was_parked {
        return Err(not_parked(consumer, *seq));
    }
    say(&format!("notice {seq} counts as dealt with by {}\n", shown(consumer)))?;
    Ok(Outcome::Fine)
}

/// Changes something of a consumer that the store knows.
async fn change<T>(
    store: &StoreArgs,
    consumer: &str,
    change: impl AsyncFnOnce(&Engine) -> Result<T, LogError>,
) -> Result<T, Failure> {
    let log = Arc::new(store.open(false)?);
    let known = log.consumers().await.map_err(Failure::from).and_then(|consumers| known(&consumers, consumer));
    // It takes no deliveries, so nobody runs its writer.
    let (engine, _) = Engine::new(Arc::clone(&log) as Arc<dyn Log>, Arc::new(SystemClock), [], Settings::default());
    let changed = match known {
        Ok(()) => change(&engine).await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    log.finish().await?;
    changed
}

fn known(consumers: &[Consumer], name: &str) -> Result<(), Failure> {
    let names: Vec<String> = consumers.iter().map(|consumer| consumer.name.clone()).collect();
    if names.iter().any(|known| known == name) { Ok(()) } else { Err(unknown(name, &names)) }
}

fn unknown(name: &str, known: &[String]) -> Failure {
    let known: Vec<String> = known.iter().map(|name| shown(name)).collect();
    let known = if known.is_empty() { "there are none".to_owned() } else { format!("there are {}", known.join(", ")) };
    Failure(format!("no consumer of the store is called {}: {known}", shown(name)))
}

fn not_parked(consumer: &str, seq: u64) -> Failure {
    let name = shown(consumer);
    Failure(format!("notice {seq} is not parked for {name}: `finis notices parked {name}` lists those that are"))
}
