//! `finis quarantine`: deliveries that could not be read, kept whole until somebody looks.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::{Args, Subcommand};
use finis::engine::Filler;
use finis::engine::log::{Log, LogRead, Refused};
use finis::providers::Catalogue;
use finis::store::{Retried, retry};
use serde_json::json;

use super::store::{ReadArgs, StoreArgs, block_on, known_sources};
use super::table::Table;
use super::words::{aside, bad, bytes, deliveries, heading, shown};
use super::{Failure, Outcome, say, say_lines, warn};

/// Digits of an id that are listed, and enough to name it by.
const ID_DIGITS: usize = 12;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what was refused, and why
    List(List),
    /// Show a refused delivery whole
    Show(Show),
    /// Read all of it again, with the contracts of today, and put what can be read into sessions
    Retry(Retry),
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    store: StoreArgs,

    /// Deliveries of this source alone
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    store: StoreArgs,

    /// Its id, or as much of the beginning as no other has
    #[arg(value_name = "ID")]
    id: String,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = "\
It counts as having come when it came. Sessions that it belongs to are judged at the latest time that the \
store knows, and consumers are told what is to be said of them.")]
pub(crate) struct Retry {
    #[command(flatten)]
    read: ReadArgs,

    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: Command) -> Result<Outcome, Failure> {
    block_on(async {
        match command {
            Command::List(args) => list(&args).await,
            Command::Show(args) => show(&args).await,
            Command::Retry(args) => again(&args).await,
        }
    })
}

async fn all(store: &StoreArgs) -> Result<Vec<Refused>, Failure> {
    // What is kept is told as it came, under whatever contract.
    let look = store.look(&Catalogue::default()).await?;
    // What is damaged was said by whoever looked.
    Ok(look.log().refused(usize::MAX).await?.deliveries)
}

async fn list(args: &List) -> Result<Outcome, Failure> {
    let mut refused = all(&args.store).await?;
    refused.retain(|refused| args.source.as_ref().is_none_or(|source| refused.source == *source));
    if args.json {
        let mut lines = String::new();
        for refused in &refused {
            // Writing into a String does not fail.
            let _ = writeln!(lines, "{}", as_json(refused, false));
        }
        say_lines(&lines)?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(["id", "source", "came", ">size", "reason"]);
    for refused in &refused {
        table.add([
            short(refused),
            refused.source.clone(),
            refused.received_at.to_string(),
            bytes(refused.delivery.body.len() as u64),
            refused.reason.clone(),
        ]);
    }
    let end = format!("{} in quarantine\n", deliveries(refused.len() as u64));
    let gap = if refused.is_empty() { "" } else { "\n" };
    say(&format!("{}{gap}{end}", table.take()))?;
    Ok(Outcome::Fine)
}

async fn show(args: &Show) -> Result<Outcome, Failure> {
    let all = all(&args.store).await?;
    let found: Vec<&Refused> = all.iter().filter(|refused| refused.id().to_string().starts_with(&args.id)).collect();
    let refused = match found.as_slice() {
        [only] => *only,
        [] => {
            return Err(Failure(format!(
                "nothing in quarantine has the id `{}`: `finis quarantine list` has them",
                args.id
            )));
        }
        several => {
            let ids: Vec<String> = several.iter().map(|refused| short(refused)).collect();
            return Err(Failure(format!("`{}` is the beginning of several ids: {}", args.id, ids.join(", "))));
        }
    };
    if args.json {
        say_lines(&format!("{}\n", as_json(refused, true)))?;
        return Ok(Outcome::Fine);
    }
    // Writing into a String does not fail.
    let mut out = format!("{}  {}\n", heading("Refused"), refused.id());
    let _ = writeln!(out, "  source   {}", shown(&refused.source));
    let _ = writeln!(out, "  came     {}", refused.received_at);
    let _ = writeln!(out, "  reason   {}", shown(&refused.reason));
    for (name, value) in &refused.delivery.headers {
        let _ = writeln!(out, "  header   {}: {}", shown(name), shown(value));
    }
    let _ = writeln!(out, "  body     {}\n", bytes(refused.delivery.body.len() as u64));
    for line in String::from_utf8_lossy(&refused.delivery.body).lines() {
        out.push_str(&shown(line));
        out.push('\n');
    }
    say(&out)?;
    Ok(Outcome::Fine)
}

async fn again(args: &Retry) -> Result<Outcome, Failure> {
    let catalogue = args.read.catalogue()?;
    let log = Arc::new(args.read.store.open(false)?);
    let sources = known_sources(&log.sources().await?, &catalogue);
    let filler = Filler::new(Arc::clone(&log) as Arc<dyn Log>, sources).await?;
    let retried = retry(&*log, filler).await;
    // What was read is out of quarantine, however it ended.
    log.finish().await?;
    let retried = retried?;
    say(&if args.json { retried_json(&retried) } else { retried_text(&retried) })?;
    let Some(first) = retried.damaged.first() else { return Ok(Outcome::Fine) };
    warn(&format!(
        "{} {} cannot be tried: `finis doctor` has all of it; the first: {first}",
        bad("Damaged:"),
        deliveries(retried.damaged.len() as u64)
    ));
    Ok(Outcome::Incomplete)
}

fn retried_text(retried: &Retried) -> String {
    // Writing into a String does not fail.
    let mut out = String::new();
    let Retried { read, left, filled, damaged } = retried;
    if read.is_empty() && left.is_empty() && damaged.is_empty() {
        return "Nothing is in quarantine.\n".to_owned();
    }
    let _ = writeln!(out, "{}  {}", heading("Read"), deliveries(read.len() as u64));
    for (id, key) in read {
        let (session, source) = (shown(&key.id), shown(&key.source));
        let _ = writeln!(out, "  {}  {} {session} of {source}", &id.to_string()[..ID_DIGITS], key.subject);
    }
    for (kind, notices) in &filled.notices {
        let _ = writeln!(out, "  said  {} {notices}", kind.as_str());
    }
    let _ = writeln!(out, "{}  {}", heading("Left"), deliveries(left.len() as u64));
    for (refused, reason) in left {
        let _ = writeln!(out, "  {}  {}", aside(&short(refused)), shown(reason));
    }
    out
}

fn retried_json(retried: &Retried) -> String {
    let read = retried.read.iter().map(
        |(id, key)| json!({"id": id.to_string(), "source": key.source, "subject": key.subject, "session": key.id}),
    );
    let left = retried.left.iter().map(|(refused, reason)| json!({"id": refused.id().to_string(), "reason": reason}));
    let notices = retried.filled.notices.iter().map(|(kind, count)| (kind.as_str(), *count));
    let notices: std::collections::BTreeMap<_, _> = notices.collect();
    let told = json!({"read": read.collect::<Vec<_>>(), "left": left.collect::<Vec<_>>(), "notices": notices, "damaged": retried.damaged});
    format!("{told:#}\n")
}

fn short(refused: &Refused) -> String {
    refused.id().to_string()[..ID_DIGITS].to_owned()
}

fn as_json(refused: &Refused, with_body: bool) -> serde_json::Value {
    let mut line = json!({
        "id": refused.id().to_string(),
        "source": refused.source,
        "received_at": refused.received_at.to_string(),
        "reason": refused.reason,
        "bytes": refused.delivery.body.len(),
    });
    if with_body {
        line["headers"] = json!(refused.delivery.headers);
        line["body"] = json!(String::from_utf8_lossy(&refused.delivery.body));
    }
    line
}
