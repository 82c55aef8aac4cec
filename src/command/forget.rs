//! `finis forget`: a session, for good.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use finis::engine::live::SessionKey;
use finis::engine::log::LogRead as _;
use finis::store::{EmbeddedLog, Known};
use serde_json::json;

use super::store::{ReadArgs, block_on, check_name, now};
use super::words::{aside, bad, count, deliveries, heading, shown};
use super::{Failure, Outcome, recordings, say, warn};

#[derive(clap::Args)]
#[command(after_help = "\
What the store says of the session is overwritten: payloads and headers of its events, records of its notices, \
and refused deliveries in quarantine that name it. Its notices keep ids and places in the outbox; whoever is \
told of one from now on hears `forgotten`. Whatever comes of the session again is not kept. Recordings that \
`finis serve` keeps of it are removed, as files are.

The reason for which a notice was parked is replaced, and what it said before goes with the part of the journal \
that it stands in. Nothing is erased elsewhere: not in backups, exports and logs, not in what was set aside, and \
not with those who were told.")]
pub(crate) struct Args {
    #[command(flatten)]
    read: ReadArgs,

    /// The id of the session
    #[arg(value_name = "SESSION")]
    session: String,

    /// The source that it is of, when several have one with this id
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Print what was erased as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    block_on(async {
        let catalogue = args.read.catalogue()?;
        let log = args.read.store.open(false)?;
        let outcome = match find(args, &log, &catalogue).await {
            Ok(known) => forget(args, &log, &known).await,
            Err(failure) => Err(failure),
        };
        let closed = log.close().await;
        let outcome = outcome?;
        closed?;
        Ok(outcome)
    })
}

async fn find(args: &Args, log: &EmbeddedLog, catalogue: &finis::providers::Catalogue) -> Result<Known, Failure> {
    check_name(&log.sources().await?, args.source.as_deref())?;
    let known = Known::of(log, catalogue, &args.session, args.source.as_deref()).await?;
    let session = shown(&args.session);
    let mut sources: Vec<&str> = known.keys.iter().map(SessionKey::source).collect();
    sources.dedup();
    if sources.len() > 1 {
        return Err(Failure(format!(
            "several sources have a session `{session}`: say which with --source: {}",
            sources.join(", ")
        )));
    }
    if known.is_nothing() && known.before.is_empty() {
        return Err(Failure(format!(
            "nothing in the store has the id `{session}`: `finis sessions` lists what is there"
        )));
    }
    Ok(known)
}

async fn forget(args: &Args, log: &EmbeddedLog, known: &Known) -> Result<Outcome, Failure> {
    // Of what was forgotten before, too: that may not have come so far.
    let recordings = || recordings::erase(&args.read.store.store, known.keys.iter().chain(&known.before));
    if known.is_nothing() {
        let recordings = recordings()?;
        say(&if args.json {
            as_json(args, known, recordings)
        } else {
            format!("{} was forgotten before\n", shown(&args.session))
        })?;
        return Ok(Outcome::Fine);
    }
    if !args.yes && !is_wanted(&format!("{}Erase this for good?", what("To erase", args, known)))? {
        say("Nothing was erased.\n")?;
        return Ok(Outcome::Fine);
    }
    // They first: without the session, nobody would look for them.
    let recordings = recordings()?;
    known.forget(log, now()).await?;
    let elsewhere = "Copies elsewhere are not erased: backups, exports, logs, and what others were told.";
    let told = if args.json {
        as_json(args, known, recordings)
    } else {
        let recordings = match recordings {
            0 => String::new(),
            number => format!("  recordings  {number}\n"),
        };
        format!("{}{recordings}\n{}\n", what("Erased", args, known), aside(elsewhere))
    };
    say(&told)?;
    let Some(first) = known.unreadable.first() else { return Ok(Outcome::Fine) };
    warn(&format!(
        "{} {} in quarantine cannot be read, and may name it: `finis doctor --repair` sets them aside, in files that \
         you can erase; the first: {first}",
        bad("Damaged:"),
        deliveries(known.unreadable.len() as u64)
    ));
    Ok(Outcome::Incomplete)
}

/// Asks whoever sits at the terminal.
fn is_wanted(question: &str) -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure("nobody is there to be asked: say --yes if it is to be erased for good".into()));
    }
    let mut answer = String::new();
    write!(anstream::stderr(), "{question} [y/N] ")?;
    stdin.lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

fn what(title: &str, args: &Args, known: &Known) -> String {
    let of = match known.keys.first() {
        Some(key) => aside(&format!(" of {}", shown(key.source()))),
        None => String::new(),
    };
    // Writing into a String does not fail.
    let mut out = format!("{}  {}{of}\n", heading(title), shown(&args.session));
    let _ = writeln!(out, "  sessions    {}", names(known));
    let _ = writeln!(out, "  events      {}", known.events);
    let _ = writeln!(out, "  notices     {}{}", known.notices, aside("; their ids and places in the outbox stay"));
    let _ = writeln!(out, "  quarantine  {}", deliveries(known.refused.len() as u64));
    if !known.parked.is_empty() {
        let _ = writeln!(out, "  reasons     {}", count(known.parked.len() as u64, "parked notice"));
    }
    out
}

/// What has the id, as a session and perhaps a campaign.
fn names(known: &Known) -> String {
    let subjects: Vec<&str> = known.keys.iter().map(SessionKey::subject).collect();
    if subjects.is_empty() {
        "none in the store".to_owned()
    } else {
        format!("{} ({})", subjects.len(), subjects.join(", "))
    }
}

fn as_json(args: &Args, known: &Known, recordings: u64) -> String {
    let keys = known.keys.iter().map(|key| json!({"source": key.source(), "subject": key.subject()}));
    let told = json!({
        "session": args.session,
        "erased": keys.collect::<Vec<_>>(),
        "forgotten_before": !known.before.is_empty(),
        "events": known.events,
        "notices": known.notices,
        "refused": known.refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "reasons": known.parked.len(),
        "recordings": recordings,
    });
    format!("{told:#}\n")
}
