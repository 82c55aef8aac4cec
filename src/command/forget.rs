//! `finis forget`: a session, for good.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use finis::engine::log::LogRead as _;
use finis::store::{Erased, Known};
use serde_json::json;

use super::store::{ReadArgs, block_on, check_name, no_source, now};
use super::words::{aside, bad, count, deliveries, heading, shown};
use super::{Failure, Outcome, recordings, running, say, warn};

#[derive(clap::Args)]
#[command(after_help = "\
What the store says of the session is overwritten: payloads and headers of its events, records of its notices, \
and refused deliveries in quarantine that name it. Its notices keep ids and places in the outbox; whoever is \
told of one from now on hears `forgotten`. Whatever comes of the session again is not kept. Recordings that \
`finis serve` keeps of it are removed, as files are. A `finis serve` that runs does all of this, between the \
deliveries that come; when nobody has the store, this does it by itself.

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
    let (store, session, source) = (&args.read.store.store, &args.session, args.source.as_deref());
    let unknown = |known: Vec<String>| no_source(&format!("--source {}", source.unwrap_or_default()), &known);
    // Whoever has the store erases. When nobody has it, this does.
    let known = if args.read.brings_contracts() {
        None
    } else {
        running::done(running::known(store, session, source), unknown)?
    };
    block_on(async {
        let Some(known) = known else { return alone(args).await };
        let erase = async || {
            let erased = running::done(running::forget(store, session, source), unknown)?;
            erased.ok_or_else(|| {
                Failure("the server that had the store is gone; but for recordings, nothing was erased".into())
            })
        };
        forget(args, &known, erase).await
    })
}

/// Erases from a store that nobody has.
async fn alone(args: &Args) -> Result<Outcome, Failure> {
    let catalogue = args.read.catalogue()?;
    let log = args.read.store.open(false)?;
    let outcome = async {
        check_name(&log.sources().await?, args.source.as_deref())?;
        let known = Known::of(&log, &catalogue, &args.session, args.source.as_deref()).await?;
        let erased = Erased::of(&known);
        let erase = async || {
            known.forget(&log, now()).await?;
            Ok(erased.clone())
        };
        forget(args, &erased, erase).await
    };
    let outcome = outcome.await;
    let closed = log.close().await;
    let outcome = outcome?;
    closed?;
    Ok(outcome)
}

/// Erases what is known, if that is wanted, and says what it was.
async fn forget(
    args: &Args,
    known: &Erased,
    erase: impl AsyncFnOnce() -> Result<Erased, Failure>,
) -> Result<Outcome, Failure> {
    let session = shown(&args.session);
    let mut sources: Vec<&str> = known.erased.iter().map(|named| named.source.as_str()).collect();
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
    // Of what was forgotten before, too: that may not have come so far.
    let recordings = || recordings::erase(&args.read.store.store, known.keys(&args.session));
    if known.is_nothing() {
        let recordings = recordings()?;
        say(&if args.json { as_json(args, known, recordings) } else { format!("{session} was forgotten before\n") })?;
        return Ok(Outcome::Fine);
    }
    if !args.yes && !is_wanted(&format!("{}Erase this for good?", what("To erase", args, known)))? {
        say("Nothing was erased.\n")?;
        return Ok(Outcome::Fine);
    }
    // They first: without the session, nobody would look for them.
    let mut removed = recordings()?;
    let erased = erase().await?;
    // A server may have fetched another one meanwhile.
    let late = recordings();
    removed += late.as_ref().copied().unwrap_or(0);
    let elsewhere = "Copies elsewhere are not erased: backups, exports, logs, and what others were told.";
    let told = if args.json {
        as_json(args, &erased, removed)
    } else {
        let recordings = match removed {
            0 => String::new(),
            number => format!("  recordings  {number}\n"),
        };
        format!("{}{recordings}\n{}\n", what("Erased", args, &erased), aside(elsewhere))
    };
    say(&told)?;
    late?;
    let Some(first) = erased.unreadable.first() else { return Ok(Outcome::Fine) };
    warn(&format!(
        "{} {} in quarantine cannot be read, and may name it: `finis doctor --repair` sets them aside, in files that \
         you can erase; the first: {first}",
        bad("Damaged:"),
        deliveries(erased.unreadable.len() as u64)
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

fn what(title: &str, args: &Args, known: &Erased) -> String {
    let of = match known.erased.first() {
        Some(named) => aside(&format!(" of {}", shown(&named.source))),
        None => String::new(),
    };
    // Writing into a String does not fail.
    let mut out = format!("{}  {}{of}\n", heading(title), shown(&args.session));
    let _ = writeln!(out, "  sessions    {}", names(known));
    let _ = writeln!(out, "  events      {}", known.events);
    let _ = writeln!(out, "  notices     {}{}", known.notices, aside("; their ids and places in the outbox stay"));
    let _ = writeln!(out, "  quarantine  {}", deliveries(known.refused.len() as u64));
    if known.reasons > 0 {
        let _ = writeln!(out, "  reasons     {}", count(known.reasons, "parked notice"));
    }
    out
}

/// What has the id, as a session and perhaps a campaign.
fn names(known: &Erased) -> String {
    let subjects: Vec<&str> = known.erased.iter().map(|named| named.subject.as_str()).collect();
    if subjects.is_empty() {
        "none in the store".to_owned()
    } else {
        format!("{} ({})", subjects.len(), subjects.join(", "))
    }
}

fn as_json(args: &Args, erased: &Erased, recordings: u64) -> String {
    let told = json!({
        "session": args.session,
        "erased": erased.erased,
        "forgotten_before": !erased.before.is_empty(),
        "events": erased.events,
        "notices": erased.notices,
        "refused": erased.refused,
        "reasons": erased.reasons,
        "recordings": recordings,
    });
    format!("{told:#}\n")
}
