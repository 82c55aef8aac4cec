//! `finis quarantine`: deliveries that could not be read, kept whole until somebody looks.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::{Args, Subcommand};
use finis::engine::log::{Log, LogRead, QuarantinePages, Refused, RefusedId};
use finis::engine::{Filled, Filler};
use finis::providers::Catalogue;
use finis::store::{Retried, retry};
use serde_json::json;

use super::store::{ReadArgs, StoreArgs, block_on, known_sources};
use super::table::Table;
use super::words::{aside, bad, bytes, deliveries, heading, shown};
use super::{Failure, Outcome, running, say, say_lines, warn};

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
store knows, and consumers are told what is to be said of them. A `finis serve` that runs does it between the \
deliveries that come, under the contracts that it has and at its own time; with --contracts, the command needs the \
store for itself.")]
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

/// Looks at each, in order: of many, a few are in memory. What is damaged was said by whoever looked.
async fn each(store: &StoreArgs, mut see: impl FnMut(Refused)) -> Result<(), Failure> {
    // What is kept is told as it came, under whatever contract.
    let look = store.look(&Catalogue::default()).await?;
    let mut pages = QuarantinePages::of(look.log());
    while let Some(page) = pages.next().await? {
        page.deliveries.into_iter().for_each(&mut see);
    }
    Ok(())
}

async fn list(args: &List) -> Result<Outcome, Failure> {
    let (mut lines, mut count) = (String::new(), 0);
    let mut table = Table::new(["id", "source", "came", ">size", "reason"]);
    each(&args.store, |refused| {
        if args.source.as_ref().is_some_and(|source| refused.source != *source) {
            return;
        }
        count += 1;
        if args.json {
            // Writing into a String does not fail.
            let _ = writeln!(lines, "{}", as_json(&refused, false));
        } else {
            table.add([
                short(refused.id()),
                refused.source,
                refused.received_at.to_string(),
                bytes(refused.delivery.body.len() as u64),
                refused.reason,
            ]);
        }
    })
    .await?;
    if args.json {
        say_lines(&lines)?;
        return Ok(Outcome::Fine);
    }
    let end = format!("{} in quarantine\n", deliveries(count));
    let gap = if count == 0 { "" } else { "\n" };
    say(&format!("{}{gap}{end}", table.take()))?;
    Ok(Outcome::Fine)
}

async fn show(args: &Show) -> Result<Outcome, Failure> {
    let (mut first, mut ids) = (None, Vec::new());
    each(&args.store, |refused| {
        let id = refused.id();
        if id.to_string().starts_with(&args.id) {
            ids.push(id);
            first.get_or_insert(refused);
        }
    })
    .await?;
    let refused = match (first, ids.as_slice()) {
        (Some(refused), [_]) => refused,
        (None, _) => {
            return Err(Failure(format!(
                "nothing in quarantine has the id `{}`: `finis quarantine list` has them",
                args.id
            )));
        }
        (Some(_), several) => {
            let ids: Vec<String> = several.iter().copied().map(short).collect();
            return Err(Failure(format!("`{}` is the beginning of several ids: {}", args.id, ids.join(", "))));
        }
    };
    if args.json {
        say_lines(&format!("{}\n", as_json(&refused, true)))?;
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
    // Whoever has the store reads. When nobody has it, this does.
    let nobody = |known: Vec<String>| Failure(format!("the server knows {}", known.join(", ")));
    let asked = if args.read.brings_contracts() {
        None
    } else {
        running::done(running::retry_refused(&args.read.store.store), nobody)?
    };
    let (retried, filled) = match asked {
        Some(done) => done,
        None => alone(args).await?,
    };
    say(&if args.json { retried_json(&retried, &filled) } else { retried_text(&retried, &filled) })?;
    let Some(first) = retried.damaged.first() else { return Ok(Outcome::Fine) };
    warn(&format!(
        "{} {} cannot be tried: `finis doctor` has all of it; the first: {first}",
        bad("Damaged:"),
        deliveries(retried.damaged.len() as u64)
    ));
    Ok(Outcome::Incomplete)
}

/// Reads again what is in a store that nobody has.
async fn alone(args: &Retry) -> Result<(Retried, Filled), Failure> {
    let catalogue = args.read.catalogue()?;
    let log = Arc::new(args.read.store.open(false)?);
    let sources = known_sources(&log.sources().await?, &catalogue);
    let filler = Filler::new(Arc::clone(&log) as Arc<dyn Log>, sources).await?;
    let retried = retry(&*log, filler).await;
    // What was read is out of quarantine, however it ended.
    log.finish().await?;
    Ok(retried?)
}

fn retried_text(retried: &Retried, filled: &Filled) -> String {
    // Writing into a String does not fail.
    let mut out = String::new();
    let Retried { read, left, damaged } = retried;
    if read.is_empty() && left.is_empty() && damaged.is_empty() {
        return "Nothing is in quarantine.\n".to_owned();
    }
    let _ = writeln!(out, "{}  {}", heading("Read"), deliveries(read.len() as u64));
    for (id, key) in read {
        let (session, source) = (shown(key.id()), shown(key.source()));
        let _ = writeln!(out, "  {}  {} {session} of {source}", short(*id), key.subject());
    }
    for (kind, notices) in &filled.notices {
        let _ = writeln!(out, "  said  {} {notices}", kind.as_str());
    }
    for (gone, what) in [(filled.forgotten, "forgotten"), (filled.expired, "expired")] {
        if gone > 0 {
            let _ = writeln!(out, "  not kept  {} of sessions that are {what}", deliveries(gone));
        }
    }
    let _ = writeln!(out, "{}  {}", heading("Left"), deliveries(left.len() as u64));
    for (id, reason) in left {
        let _ = writeln!(out, "  {}  {}", aside(&short(*id)), shown(reason));
    }
    out
}

fn retried_json(retried: &Retried, filled: &Filled) -> String {
    let read = retried.read.iter().map(
        |(id, key)| json!({"id": id.to_string(), "source": key.source(), "subject": key.subject(), "session": key.id()}),
    );
    let left = retried.left.iter().map(|(id, reason)| json!({"id": id.to_string(), "reason": reason}));
    let notices = filled.notices.iter().map(|(kind, count)| (kind.as_str(), *count));
    let notices: std::collections::BTreeMap<_, _> = notices.collect();
    let told = json!({
        "read": read.collect::<Vec<_>>(),
        "left": left.collect::<Vec<_>>(),
        "notices": notices,
        "forgotten": filled.forgotten,
        "expired": filled.expired,
        "damaged": retried.damaged,
    });
    format!("{told:#}\n")
}

fn short(id: RefusedId) -> String {
    id.to_string()[..ID_DIGITS].to_owned()
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
