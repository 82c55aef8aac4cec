//! `finis sessions`: what is in a store.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use finis::engine::live::SessionKey;
use finis::engine::{STATUSES, Timestamp};
use finis::store::Look;
use serde_json::Value;

use super::reconcile::as_of as time;
use super::store::{ReadArgs, block_on, check_source};
use super::table::Table;
use super::words::{aside, count, number};
use super::{Failure, Outcome, say, say_lines, say_more};

/// Sessions that are read at once, and rows that are printed at once.
const PAGE: usize = 256;

#[derive(clap::Args)]
#[command(after_help = "\
Sessions are listed by source and id, as they are at the latest time that the store knows. With --json, \
each is its record with its certificate: what `finis reconcile --certify` makes of `finis export`.")]
pub(crate) struct Args {
    #[command(flatten)]
    read: ReadArgs,

    /// Sessions of this status alone: open, settling, complete or stalled
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<&'static str>,

    /// Sessions of this source alone
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Sessions that miss an event of this kind, as session.finalized
    #[arg(long, value_name = "KIND")]
    missing: Option<String>,

    /// Sessions of which something came at this time or later
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,

    /// Sessions of which nothing came at this time or later
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,

    /// So many sessions at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Print records, a line of JSON each
    #[arg(long)]
    json: bool,
}

fn status(text: &str) -> Result<&'static str, String> {
    let words = STATUSES.map(finis::engine::Status::as_str);
    let found = words.into_iter().find(|word| *word == text);
    found.ok_or_else(|| format!("a session is {}", words.join(", ")))
}

/// A session as it is listed.
struct Row {
    key: SessionKey,
    record: Value,
    /// When the last of it came, or happened, if nothing says when it came.
    latest: Option<Timestamp>,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    block_on(async {
        let look = args.read.look().await?;
        check_source(&look, args.source.as_deref())?;
        list(args, &look).await?;
        Ok(Outcome::Fine)
    })
}

async fn list(args: &Args, look: &Look) -> Result<(), Failure> {
    let mut table = Table::new(["source", "session", "status", "by", ">events", "latest", ""]);
    let mut listed: BTreeMap<String, u64> = BTreeMap::new();
    let (mut total, limit) = (0, args.limit.unwrap_or(u64::MAX));
    let mut after = None;
    while total < limit {
        let keys = look.sessions(args.source.as_deref(), after.as_ref(), PAGE).await?;
        let Some(last) = keys.last().cloned() else { break };
        after = Some(last);
        let mut lines = String::new();
        for key in keys {
            if total == limit {
                break;
            }
            let viewed = look.session(&key).await?;
            let record = viewed.record();
            // Made by ourselves, and JSON.
            let value: Value = serde_json::from_str(&record).unwrap_or_default();
            let row = Row { key, latest: viewed.latest(), record: value };
            if !args.wants(&row) {
                continue;
            }
            total += 1;
            if args.json {
                lines.push_str(&record);
                lines.push('\n');
            } else {
                *listed.entry(text(&row.record, "status")).or_default() += 1;
                table.add(row.cells());
            }
        }
        let listens = if args.json { say_lines(&lines)? } else { say_more(&table.take())? };
        if !listens {
            return Ok(());
        }
    }
    if args.json {
        return Ok(());
    }
    // Writing into a String does not fail.
    let mut end = table.take();
    if total > 0 {
        end.push('\n');
    }
    let words: Vec<String> =
        listed.iter().map(|(status, sessions)| format!("{} {status}", number(*sessions))).collect();
    let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) };
    let as_of = if look.as_of() > Timestamp::MIN { format!(", as of {}", look.as_of()) } else { String::new() };
    let _ = writeln!(end, "{}{words}{}", count(total, "session"), aside(&as_of));
    say(&end)
}

impl Args {
    fn wants(&self, row: &Row) -> bool {
        let record = &row.record;
        self.status.is_none_or(|status| record["status"] == status)
            && self.missing.as_ref().is_none_or(|kind| texts(record, "missing").contains(&kind.as_str()))
            && self.since.is_none_or(|since| row.latest.is_some_and(|latest| latest >= since))
            && self.until.is_none_or(|until| row.latest.is_none_or(|latest| latest < until))
    }
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let record = &self.record;
        let session = match self.key.subject() {
            "session" => self.key.id().to_owned(),
            subject => format!("{subject} {}", self.key.id()),
        };
        let mut notes = Vec::new();
        for part in ["missing", "inferred"] {
            let kinds = texts(record, part);
            if !kinds.is_empty() {
                notes.push(format!("{part} {}", kinds.join(", ")));
            }
        }
        notes.extend(texts(record, "violations").into_iter().map(str::to_owned));
        let conflicts = record["conflicts"].as_array().into_iter().flatten();
        let conflicts: Vec<String> = conflicts.map(|conflict| text(conflict, "field")).collect();
        if !conflicts.is_empty() {
            notes.push(format!("conflict in {}", conflicts.join(", ")));
        }
        let events = record["events"].as_array().map_or(0, Vec::len);
        [
            self.key.source().to_owned(),
            session,
            text(record, "status"),
            text(record, "by"),
            number(events as u64),
            self.latest.map_or_else(|| "no time".to_owned(), |at| at.to_string()),
            notes.join("; "),
        ]
    }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}

fn texts<'v>(value: &'v Value, member: &str) -> Vec<&'v str> {
    value[member].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
