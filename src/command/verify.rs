//! `finis verify`: certified records against the exports they were made from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use finis::engine::{Certifier, Record, Timestamp};
use finis::files::Export;
use finis::reconcile::{Ndjson, Plan, Print};
use serde_json::Value;

use super::inputs::{Inputs, Prepared, Threads, is_stdin};
use super::reconcile::Watch;
use super::words::{self, bad, count, heading, number};
use super::{Failure, Outcome, say, warn};

#[derive(clap::Args)]
#[command(after_help = "\
Records are made with `finis reconcile --certify`. Give the same --provider, --source and --subscribe \
as then; when and where it ran does not matter, and so `status`, `by` and `source` are not certified.

Exits 0 when every record is confirmed; 1 when one differs or cannot be checked; 2 when something \
could not be read.")]
pub(crate) struct Args {
    /// Certified records, a line of JSON each
    #[arg(value_name = "RECORDS")]
    records: PathBuf,

    /// The exports they were made from; `-` is standard input
    #[arg(required = true, value_name = "EXPORT")]
    exports: Vec<PathBuf>,

    #[command(flatten)]
    inputs: Inputs,

    #[command(flatten)]
    threads: Threads,

    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Whose record it is: source, session, subject.
type Whose = (String, String, String);

/// What is wrong with a record.
struct Finding {
    line: Option<u64>,
    whose: Whose,
    why: String,
}

/// A record as it was given.
struct Given {
    line: u64,
    text: String,
    value: Value,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    if is_stdin(&args.records) && args.exports.iter().any(|export| is_stdin(export)) {
        return Err(Failure("standard input can be read only once: name `-` once".into()));
    }
    let mut findings = Vec::new();
    let given = read_records(&args.records, &mut findings)?;
    if given.is_empty() && !findings.is_empty() {
        let records = args.records.display();
        return Err(Failure(format!(
            "`{records}` is no file of records: no line has a `source` and a `session`; make one with `finis reconcile --certify`"
        )));
    }
    let total = (given.len() + findings.len()) as u64;
    let Prepared { reconciliation, sinks, .. } = args.inputs.prepare(args.exports, &args.threads)?;
    let events = {
        let _watch = Watch::start(&reconciliation);
        reconciliation.read(sinks)?
    };
    let compared = Mutex::new(Compared { waiting: given, findings: Vec::new() });
    // No certificate depends on when it is judged.
    let printer = || Compare { ndjson: Ndjson::new(&events, true), made: Vec::new(), compared: &compared };
    events.print(Timestamp::MAX, reconciliation.threads, printer, &mut std::io::sink())?;
    let compared = compared.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.extend(compared.findings);
    for (whose, given) in compared.waiting {
        findings.push(Finding { line: Some(given.line), whose, why: "no export has an event of it".into() });
    }
    findings.sort_by(|left, right| left.whose.cmp(&right.whose).then(left.line.cmp(&right.line)));
    say(&if args.json { json(total, &findings) } else { text(total, &findings) })?;
    let refused = events.reading.rejects.lines;
    if refused > 0 && !args.json {
        warn(&format!(
            "{} of the exports {} no event; `finis reconcile` says why",
            count(refused, "line"),
            are(refused as usize)
        ));
    }
    let mut outcome = if findings.is_empty() { Outcome::Fine } else { Outcome::Objection };
    for broken in &events.reading.broken {
        warn(&format!("{} {}", bad("Broken:"), words::shown(&broken.to_string())));
        outcome = Outcome::Incomplete;
    }
    Ok(outcome)
}

struct Compared {
    /// Records that no session was found for yet.
    waiting: BTreeMap<Whose, Given>,
    findings: Vec<Finding>,
}

/// Makes the record of each session anew, and holds what was given against it.
struct Compare<'c, 'f> {
    ndjson: Ndjson<'f>,
    made: Vec<u8>,
    compared: &'c Mutex<Compared>,
}

impl Print for Compare<'_, '_> {
    fn has_digests(&self) -> bool {
        true
    }

    fn print(&mut self, record: &Record<'_>, plan: &Plan, place: usize, _out: &mut Vec<u8>) {
        self.made.clear();
        self.ndjson.print(record, plan, place, &mut self.made);
        let whose =
            (record.source.to_owned(), record.session.to_owned(), record.subject.unwrap_or("session").to_owned());
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        let given = compared.waiting.remove(&whose);
        let line = given.as_ref().map(|given| given.line);
        let why = match given {
            None => Some("the exports have events of it, but there is no record".to_owned()),
            Some(given) => {
                let made: Value = serde_json::from_slice(&self.made).unwrap_or_default();
                difference(&given, &made, &Certifier::new(&plan.contract, &plan.terms))
            }
        };
        if let Some(why) = why {
            compared.findings.push(Finding { line, whose, why });
        }
    }
}

/// Why a record is not confirmed; nothing when it is.
fn difference(given: &Given, made: &Value, certifier: &Certifier<'_>) -> Option<String> {
    let Some(certificate) = given.value.get("certificate").and_then(Value::as_str) else {
        return Some("cannot check: the record has no certificate; make it with --certify".into());
    };
    let own = match certifier.certificate(&given.text) {
        Ok(own) => own,
        Err(error) => return Some(format!("the record cannot be read: {error}")),
    };
    let intact = own == certificate;
    if intact && made.get("certificate").and_then(Value::as_str) == Some(certificate) {
        return None;
    }
    let (ours, theirs) = (digests(made), digests(&given.value));
    let (gone, new) = (theirs.difference(&ours).count(), ours.difference(&theirs).count());
    let mut parts = Vec::new();
    if gone > 0 {
        parts.push(format!("{} of the record {} in no export", count(gone as u64, "event"), are(gone)));
    }
    if new > 0 {
        parts.push(format!("{} of the exports {} not in the record", count(new as u64, "event"), are(new)));
    }
    let members = differing(&given.value, made);
    if !members.is_empty() {
        let differ = if members.len() == 1 { "differs" } else { "differ" };
        parts.push(format!("{} {differ}", members.join(", ")));
    }
    if !intact {
        parts.push(
            "the record does not match its own certificate: it was changed after it was made, or made on other terms"
                .into(),
        );
    } else if parts.is_empty() {
        parts.push("the certificate was made under another contract, version or subscription".into());
    }
    Some(parts.join("; "))
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn digests(record: &Value) -> BTreeSet<&str> {
    let events = record.get("events").and_then(Value::as_array);
    events.into_iter().flatten().filter_map(|event| event.get("digest")?.as_str()).collect()
}

/// Names of what differs, of the parts that a certificate speaks for.
fn differing(given: &Value, made: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for part in ["channel", "missing", "inferred", "violations", "conflicts"] {
        if given.get(part) != made.get(part) {
            names.push(format!("`{part}`"));
        }
    }
    let fields = |record: &Value| record.get("fields").and_then(Value::as_object).cloned().unwrap_or_default();
    let (given, made) = (fields(given), fields(made));
    let mut all: Vec<&String> = given.keys().chain(made.keys()).collect();
    all.sort();
    all.dedup();
    names.extend(
        all.into_iter().filter(|name| given.get(*name) != made.get(*name)).map(|name| format!("field `{name}`")),
    );
    names
}

fn read_records(path: &Path, findings: &mut Vec<Finding>) -> Result<BTreeMap<Whose, Given>, Failure> {
    let export = Export::open(path, &std::sync::Arc::default())?;
    let mut reader = BufReader::new(export.into_reader());
    let mut given = BTreeMap::new();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes);
        if read.map_err(|error| Failure(format!("cannot read `{}`: {error}", path.display())))? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        if text.is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let text_of = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(source), Some(session)) = (text_of("source"), text_of("session")) else {
            // Whose it was can only be guessed: by what stands where the names would.
            let guess = |key: &str| text.split(&format!("\"{key}\":\"")).nth(1).and_then(|rest| rest.split('"').next());
            let whose = |key: &str| guess(key).unwrap_or("unknown").to_owned();
            let whose = (whose("source"), whose("session"), "session".to_owned());
            findings.push(Finding { line: Some(number), whose, why: "the line is damaged: it is no record".into() });
            continue;
        };
        let whose = (source, session, text_of("subject").unwrap_or_else(|| "session".into()));
        let record = Given { line: number, text, value };
        if given.insert(whose.clone(), record).is_some() {
            findings.push(Finding { line: Some(number), whose, why: "there are two records of it".into() });
        }
    }
    Ok(given)
}

fn text(total: u64, findings: &[Finding]) -> String {
    // Writing into a String does not fail.
    let mut out = String::new();
    for finding in findings {
        let (source, session, subject) = &finding.whose;
        let subject = if subject == "session" { String::new() } else { format!("{subject} ") };
        let line = finding.line.map_or_else(String::new, |line| format!(" (line {})", number(line)));
        let (session, source) = (heading(&words::shown(session)), words::shown(source));
        let _ = write!(out, "{subject}{session} of {source}{line}\n  {}\n", words::shown(&finding.why));
    }
    if findings.is_empty() {
        let _ = writeln!(out, "{} confirmed: the exports say the same", count(total, "record"));
        return out;
    }
    let lacking = findings.iter().filter(|finding| finding.line.is_none()).count() as u64;
    let failed = findings.len() as u64 - lacking;
    let confirmed = number(total.saturating_sub(failed));
    let _ = write!(out, "\n{} of {} confirmed", bad(&confirmed), count(total, "record"));
    if lacking > 0 {
        let have = if lacking == 1 { "has" } else { "have" };
        let _ = write!(out, "; {} of the exports {have} no record", count(lacking, "session"));
    }
    out.push('\n');
    if failed == total && total > 1 {
        out.push_str("Every record fails: give the same --provider, --source, --subscribe and --contracts as when they were made.\n");
    }
    out
}

fn json(total: u64, findings: &[Finding]) -> String {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let (source, session, subject) = &finding.whose;
            serde_json::json!({"source": source, "session": session, "subject": subject, "line": finding.line, "why": finding.why})
        })
        .collect();
    format!("{:#}\n", serde_json::json!({"records": total, "findings": findings}))
}
