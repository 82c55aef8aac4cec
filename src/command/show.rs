//! `finis show`: how a session came to be what it is, entry by entry.

use std::fmt::Write as _;

use finis::engine::live::{Change, Notice, SessionKey};
use finis::engine::log::Arrivals;
use finis::engine::{By, Channel, Outcome as CallOutcome, Status, Timestamp, print_span};
use finis::store::{Look, Step, Viewed, What};
use serde_json::{Value, json};

use super::recordings::{self, Shown};
use super::store::{ReadArgs, block_on, check_source};
use super::words::{aside, bad, count, doubtful, heading, number, shown};
use super::{Failure, Outcome, say, say_lines};

/// Characters of a value that a line has room for.
const VALUE_CHARS_MAX: usize = 60;

/// Times at which an event came again that a line has room for.
const DOUBLES_MAX: usize = 3;

#[derive(clap::Args)]
#[command(after_help = "\
Entries stand in the order in which they count: by the receiver's time, or by the provider's where an event \
was imported without one. Of an event that came several times, the first counts; how often it came and when, \
the first 16 times and the last, changes nothing and stands beside it. What came at the same instant came once. \
While somebody has the store, or after it was not closed, the last of it may be missing. With --json there is \
a line for each entry and each recording, and a last one for where the session stands.")]
pub(crate) struct Args {
    #[command(flatten)]
    read: ReadArgs,

    /// The id of the session
    #[arg(value_name = "SESSION")]
    session: String,

    /// The source that it is of, when several have one with this id
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Print a line of JSON for each entry
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    block_on(async {
        let look = args.read.look().await?;
        check_source(&look, args.source.as_deref())?;
        let mut out = String::new();
        for (place, key) in find(args, &look).await?.iter().enumerate() {
            let viewed = look.session(key).await?;
            let recordings = recordings::of(&args.read.store.store, key)?;
            if args.json {
                write_json(&mut out, &viewed, &recordings);
                continue;
            }
            if place > 0 {
                out.push('\n');
            }
            // Writing into a String does not fail.
            let _ = write(&mut out, key, &viewed).and_then(|()| write_recordings(&mut out, &recordings));
        }
        if args.json {
            say_lines(&out)?;
        } else {
            say(&out)?;
        }
        Ok(Outcome::Fine)
    })
}

/// What has this id: of one source, a session and perhaps a campaign and the like.
async fn find(args: &Args, look: &Look) -> Result<Vec<SessionKey>, Failure> {
    let keys = look.find(&args.session, args.source.as_deref()).await?;
    let mut sources: Vec<&str> = keys.iter().map(SessionKey::source).collect();
    sources.dedup();
    let session = shown(&args.session);
    match sources.as_slice() {
        [] => Err(Failure(format!("no session of the store has the id `{session}`: `finis sessions` lists them"))),
        [_] => Ok(keys),
        several => Err(Failure(format!(
            "several sources have a session `{session}`: say which with --source: {}",
            several.join(", ")
        ))),
    }
}

fn write(out: &mut String, key: &SessionKey, viewed: &Viewed<'_>) -> std::fmt::Result {
    let subject = match key.subject() {
        "session" => "Session".to_owned(),
        subject => subject.to_owned(),
    };
    writeln!(out, "{}  {} {}", heading(&subject), shown(key.id()), aside(&format!("of {}", shown(key.source()))))?;
    let record: Value = serde_json::from_str(&viewed.record()).unwrap_or_default();
    let verdict = viewed.verdict();
    writeln!(out, "  status    {}", in_words(viewed, &record))?;
    if verdict.channel != Channel::Unknown {
        let outcome =
            verdict.outcome().map_or_else(String::new, |outcome: CallOutcome| format!(", {}", outcome.as_str()));
        writeln!(out, "  channel   {}{outcome}", verdict.channel.as_str())?;
    }
    if let Some(until) = viewed.awaits_until() {
        writeln!(out, "  awaits    {} until {until}", wanting(&record, verdict.status))?;
    }
    for rule in record["violations"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        writeln!(out, "  {}    {rule}", bad("broken"))?;
    }
    for conflict in record["conflicts"].as_array().into_iter().flatten() {
        let values = conflict["values"].as_array().into_iter().flatten();
        let values: Vec<String> =
            values.map(|value| format!("{} by {}", short(&value["value"].to_string()), text(value, "kind"))).collect();
        writeln!(out, "  {}  {}: {}", doubtful("conflict"), text(conflict, "field"), values.join(", "))?;
    }

    writeln!(out, "\n{}", heading("Timeline"))?;
    let timeline = viewed.timeline();
    for step in &timeline {
        write_step(out, step, viewed)?;
    }
    let events = timeline.iter().filter(|step| matches!(step.what, What::Event { .. })).count();
    let notices = timeline.iter().map(|step| step.said.len()).sum::<usize>();
    let doubles = match timeline.iter().map(doubles).sum() {
        0 => String::new(),
        doubles => format!(", {}", count(doubles, "double")),
    };
    writeln!(out, "\n{}{doubles}, {} said", count(events as u64, "event"), count(notices as u64, "notice"))
}

/// Where the session stands comes last.
fn write_json(out: &mut String, viewed: &Viewed<'_>, recordings: &[Shown]) {
    let mut lines = viewed.timeline_json();
    let last = lines.pop();
    let said =
        recordings.iter().map(|recording| json!({ "entry": "recording", "recording": recording.json }).to_string());
    lines.into_iter().chain(said).chain(last).for_each(|line| out.extend([line.as_str(), "\n"]));
}

fn write_recordings(out: &mut String, recordings: &[Shown]) -> std::fmt::Result {
    if recordings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", heading("Recordings"))?;
    for Shown { at, outcome, what, .. } in recordings {
        let word = if *outcome == "archived" { heading(outcome) } else { bad(outcome) };
        writeln!(out, "  {at:<30}  {word}  {}", shown(what))?;
    }
    Ok(())
}

fn write_step(out: &mut String, step: &Step, viewed: &Viewed<'_>) -> std::fmt::Result {
    let when = step.when.map_or_else(|| "no time".to_owned(), |when| when.to_string());
    match &step.what {
        What::Event { kind, at, received_at, again, came, arrivals, .. } => {
            let kind = kind.as_deref().map_or_else(|| bad("unreadable under the contract of today"), shown);
            let happened = match (received_at, at) {
                (None, Some(_)) => "imported without when it came".to_owned(),
                (None, None) => "imported without any time".to_owned(),
                (Some(_), Some(at)) => format!("happened {at}"),
                (Some(_), None) => "does not say when it happened".to_owned(),
            };
            let again = if *again { doubtful(", again, with other content") } else { String::new() };
            writeln!(out, "  {when:<30}  {}{again}  {}", heading(&kind), aside(&happened))?;
            if let Some(arrivals) = arrivals {
                writeln!(out, "  {:<30}    {}", "", doubtful(&doubles_in_words(*came, arrivals, *received_at)))?;
            }
        }
        What::Passed => {
            let (grace, stall) =
                (viewed.under.terms.grace(viewed.under.subject), viewed.under.terms.stall(viewed.under.subject));
            let is_stall = step.changes.iter().any(|change| change.new.as_deref() == Some("\"stalled\""));
            let waited = match stall.filter(|_| is_stall) {
                Some(stall) => format!("nothing came for {}", print_span(stall)),
                None => format!("the grace of {} is over", print_span(grace)),
            };
            writeln!(out, "  {when:<30}  {}  {}", heading("deadline"), aside(&waited))?;
        }
        What::Crowded => {
            let kept = aside("what comes is quarantined");
            writeln!(out, "  {:<30}  {}  {kept}", "", bad("too many events"))?;
        }
        What::Said => writeln!(out, "  {:<30}  {}", "", aside("said under other settings, or another contract:"))?,
    }
    let rows: Vec<(&str, String)> = step.changes.iter().filter_map(change_in_words).collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, change) in rows {
        writeln!(out, "  {:<30}    {name:<width$}  {change}", "")?;
    }
    for notice in &step.said {
        writeln!(out, "  {:<30}    {}", "", said(notice))?;
    }
    Ok(())
}

/// How often an entry came beyond the first time.
fn doubles(step: &Step) -> u64 {
    match &step.what {
        What::Event { came, .. } => came.saturating_sub(1),
        What::Passed | What::Crowded | What::Said => 0,
    }
}

/// How often an event came, and when it came again, as far as a line has room for it.
fn doubles_in_words(came: u64, arrivals: &Arrivals, received_at: Option<Timestamp>) -> String {
    let again = arrivals.first().iter().filter(|at| Some(**at) != received_at);
    let mut shown: Vec<String> = again.take(DOUBLES_MAX).map(Timestamp::to_string).collect();
    let others = (came - 1).saturating_sub(shown.len() as u64);
    match others {
        0 => {}
        1 => shown.push(arrivals.last().to_string()),
        others => shown.push(format!("{} more, the last {}", number(others), arrivals.last())),
    }
    format!("came {} times: again {}", number(came), shown.join(", "))
}

/// Where it stands, in a sentence.
fn in_words(viewed: &Viewed<'_>, record: &Value) -> String {
    let verdict = viewed.verdict();
    let wanting = wanting(record, verdict.status);
    match (verdict.status, verdict.by) {
        (Status::Open, _) => "open: it has not ended".to_owned(),
        (Status::Settling, _) => "settling: it has ended, and the grace still runs".to_owned(),
        (Status::Complete, Some(By::Evidence)) => "complete by evidence: all that is due is here".to_owned(),
        (Status::Complete, _) => format!("complete by deadline: {wanting}"),
        (Status::Stalled, _) => doubtful(&format!("stalled: nothing came for so long; {wanting}")),
    }
}

/// What is not as it should be.
fn wanting(record: &Value, status: Status) -> String {
    let kinds = |part: &str| {
        let kinds: Vec<&str> = record[part].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        kinds.join(", ")
    };
    let is_over = matches!(status, Status::Complete | Status::Stalled);
    let mut parts = Vec::new();
    for (part, over) in [("missing", "never came"), ("inferred", "never came, and its facts came with another")] {
        let kinds = kinds(part);
        if !kinds.is_empty() {
            parts.push(if is_over { format!("{kinds} {over}") } else { kinds });
        }
    }
    if !kinds("violations").is_empty() {
        parts.push(if is_over { "a rule is broken".to_owned() } else { "what mends the broken rule".to_owned() });
    }
    if parts.is_empty() { "its end".to_owned() } else { parts.join("; ") }
}

/// What changed, and how. That nothing is missing or in conflict yet is no change to speak of.
pub(super) fn change_in_words(change: &Change) -> Option<(&str, String)> {
    // A value of a field stands as JSON, so that a text and a number are told apart; the rest is words.
    let (name, is_field) = match change.part.strip_prefix("fields.") {
        Some(name) => (name, true),
        None => (change.part.as_str(), false),
    };
    let value = |json: &String| short(&if is_field { json.clone() } else { plain(json) });
    let arrow = aside("→");
    let change = match (&change.old, &change.new) {
        (None, Some(new)) if new == "[]" => return None,
        (None, Some(new)) => value(new),
        (Some(old), Some(new)) => format!("{} {arrow} {}", value(old), value(new)),
        (Some(old), None) => format!("{} {arrow} nothing", value(old)),
        (None, None) => return None,
    };
    Some((name, change))
}

/// A word, or a list of words or of conflicts, as people write it.
pub(super) fn plain(json: &str) -> String {
    let word = |value: &Value| match value {
        Value::String(word) => word.clone(),
        other => text(other, "field"),
    };
    match serde_json::from_str::<Value>(json) {
        Ok(Value::Array(list)) if list.is_empty() => "none".to_owned(),
        Ok(Value::Array(list)) => list.iter().map(word).collect::<Vec<_>>().join(", "),
        Ok(value) => word(&value),
        Err(_) => json.to_owned(),
    }
}

fn said(notice: &Notice) -> String {
    let asset = match &notice.asset {
        Some(asset) => {
            let until = asset.until.map_or_else(String::new, |until: Timestamp| format!(" until {until}"));
            format!(" {}{until}", asset.field)
        }
        None => String::new(),
    };
    let word = heading(&format!("said {}", notice.kind.as_str()));
    format!("{word}{asset}, revision {}  {}", notice.revision, aside(&notice.id.to_string()))
}

/// A value as a line has room for it.
fn short(json: &str) -> String {
    let text = shown(json);
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(VALUE_CHARS_MAX - 1).collect();
    format!("{cut}…")
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().map(shown).unwrap_or_default()
}
