//! What a rebuild would change, or has changed: in words, and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use finis::engine::live::{Change, NoticeKind, SessionKey};
use finis::engine::log::SourceSettings;
use finis::engine::{Terms, Timestamp, print_span};
use finis::providers::Catalogue;
use finis::store::{Example, Part, Rebuilt, Resettled};
use serde_json::{Value, json};

use crate::command::show::{change_in_words, plain};
use crate::command::words::{aside, count, deliveries, doubtful, heading, number, shown};

/// Ways in which a part changes that a person is shown.
const WAYS: usize = 3;

/// What came of it, and how it is to be told.
pub(super) struct Report<'r> {
    pub(super) store: String,
    pub(super) applied: bool,
    pub(super) announce: bool,
    pub(super) catalogue: &'r Catalogue,
    pub(super) rebuilt: &'r Rebuilt,
    pub(super) elapsed: Duration,
}

impl Report<'_> {
    /// For a person.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a String does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Rebuilt { sources, sessions, changed, .. } = self.rebuilt;
        let as_of = self.rebuilt.as_of.map_or_else(String::new, |at| aside(&format!(", as of {at}")));
        writeln!(out, "{}  {}{as_of}", heading(if self.applied { "Rebuilt  " } else { "Rebuild  " }), self.store)?;
        let width = sources.iter().map(|source| shown(&source.new.name).chars().count()).max().unwrap_or(0).max(8);
        for source in sources {
            self.write_source(out, source, width)?;
        }
        let would = if self.applied { "changed" } else { "would change" };
        writeln!(out, "\n{}  {}, {} {would}", heading("Sessions "), number(*sessions), number(*changed))?;
        self.write_beside(out)?;
        if self.rebuilt.is_nothing() {
            return writeln!(out, "\nThe store is as the contracts have it: nothing is to be done.");
        }
        self.write_parts(out)?;
        self.write_said(out)?;
        self.write_examples(out)?;
        if !self.applied {
            let end = "Nothing was written. `finis rebuild --apply` does it, with the same options.";
            writeln!(out, "\n{end}")?;
        }
        Ok(())
    }

    fn write_source(&self, out: &mut String, Resettled { old, new }: &Resettled, width: usize) -> std::fmt::Result {
        let version = if old.version == new.version {
            format!("{}, as before", new.version)
        } else {
            format!("{} {} {}", old.version, aside("→"), new.version)
        };
        writeln!(out, "  {:<width$}  {} {version}", shown(&new.name), new.provider)?;
        let own = self.contract_says(new);
        let terms = [
            ("grace", span(Some(old.grace)), span(Some(new.grace)), own.as_ref().map(|own| span(Some(own.grace)))),
            ("stall", span(old.stall), span(new.stall), own.as_ref().map(|own| span(own.stall))),
            ("kinds", kinds(old), kinds(new), None),
        ];
        for (name, was, is, own) in terms {
            if was != is {
                writeln!(out, "  {:width$}  {name} {was} {} {is}", "", aside("→"))?;
            } else if let Some(own) = own.filter(|own| *own != is) {
                let remembered = format!("{name} {is}, as the store remembers; the contract says {own}");
                writeln!(out, "  {:width$}  {}", "", aside(&format!("{remembered} (--contract-deadlines)")))?;
            }
        }
        Ok(())
    }

    /// The settings of a source on the contract's own terms.
    fn contract_says(&self, settings: &SourceSettings) -> Option<SourceSettings> {
        let contract = self.catalogue.get(&settings.provider)?;
        Some(SourceSettings::new(&settings.name, contract, &Terms::new(contract)))
    }

    /// What stays as it is, and why.
    fn write_beside(&self, out: &mut String) -> std::fmt::Result {
        let Rebuilt { damaged, unreadable, misread, readable, .. } = self.rebuilt;
        let stay = |sessions: u64| {
            let stay = if sessions == 1 { "stays as it is" } else { "stay as they are" };
            format!("{} {stay}", count(sessions, "session"))
        };
        let rows = [
            (*damaged, "damaged", format!("{}: `finis doctor` names what is lost", stay(*damaged))),
            (*unreadable, "unreadable", format!("{}: the contract reads no event there", stay(*unreadable))),
            (misread.unreadable, "unreadable", format!("{} in the others", count(misread.unreadable, "event"))),
            (
                misread.elsewhere,
                "elsewhere",
                format!("{} by the contract in another session, left where it came", count(misread.elsewhere, "event")),
            ),
        ];
        for (_, name, text) in rows.iter().filter(|(number, ..)| *number > 0) {
            writeln!(out, "  {name:<10}  {}", doubtful(text))?;
        }
        if *readable > 0 {
            let text = format!("{} can be read now: `finis quarantine retry` takes them", deliveries(*readable));
            writeln!(out, "  quarantine  {text}")?;
        }
        Ok(())
    }

    fn write_parts(&self, out: &mut String) -> std::fmt::Result {
        let parts = &self.rebuilt.parts;
        if parts.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "\n{}  {}",
            heading("Changes  "),
            aside("of what was last said of a session, in so many of them")
        )?;
        let name = |part: &str| part.strip_prefix("fields.").unwrap_or(part).to_owned();
        let names = parts.keys().map(|part| name(part).chars().count()).max().unwrap_or(0);
        let numbers = parts.values().map(|part| number(part.sessions).len()).max().unwrap_or(0);
        // The verdict first, then fields.
        let (fields, verdict): (Vec<_>, Vec<_>) = parts.iter().partition(|(part, _)| part.starts_with("fields."));
        for (part, changes) in verdict.into_iter().chain(fields) {
            let line = format!("  {:<names$}  {:>numbers$}  {}", name(part), number(changes.sessions), ways(changes));
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn write_said(&self, out: &mut String) -> std::fmt::Result {
        let Rebuilt { notices, quiet, deadlines, due, .. } = self.rebuilt;
        writeln!(out)?;
        let to = if self.applied { "consumers are told" } else { "consumers would be told" };
        writeln!(out, "{}  {}", heading("Said     "), words(notices, to))?;
        if !quiet.is_empty() {
            let nobody = if self.applied { "nobody is told" } else { "nobody would be told (--announce)" };
            writeln!(out, "{}  {}", heading("Quietly  "), words(quiet, nobody))?;
        }
        let mut rest = Vec::new();
        if *deadlines > 0 {
            rest.push(format!("{} passed", count(*deadlines, "deadline")));
        }
        if *due > 0 {
            rest.push(format!("{} due at another time, or no more", count(*due, "session")));
        }
        if !rest.is_empty() {
            writeln!(out, "{}  {}", heading("Waiting  "), rest.join(", "))?;
        }
        Ok(())
    }

    fn write_examples(&self, out: &mut String) -> std::fmt::Result {
        let Rebuilt { examples, changed, .. } = self.rebuilt;
        if examples.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{}", heading("Examples"))?;
        for (key, example) in examples {
            write_example(out, key, example)?;
        }
        let more = changed.saturating_sub(examples.len() as u64);
        if more > 0 {
            writeln!(out, "  {}", aside(&format!("… {} more, with --limit N", number(more))))?;
        }
        Ok(())
    }

    /// For a machine.
    pub(super) fn json(&self) -> String {
        let Rebuilt { misread, .. } = self.rebuilt;
        let notices = |notices: &BTreeMap<NoticeKind, u64>| {
            notices.iter().map(|(kind, count)| (kind.as_str(), *count)).collect::<BTreeMap<_, _>>()
        };
        let sources = self.rebuilt.sources.iter().map(|Resettled { old, new }| {
            json!({
                "name": new.name,
                "provider": new.provider,
                "old": settings(old),
                "new": settings(new),
                "contract": self.contract_says(new).as_ref().map(settings),
                "changed": old != new,
            })
        });
        let parts = self.rebuilt.parts.iter().map(|(part, Part { sessions, ways })| {
            let ways = ways
                .iter()
                .map(|((old, new), sessions)| change(&[("old", old), ("new", new)], json!({"sessions": sessions})));
            json!({"part": part, "sessions": sessions, "ways": ways.collect::<Vec<_>>()})
        });
        let summary = json!({
            "store": self.store,
            "applied": self.applied,
            "announce": self.announce,
            "as_of": time(self.rebuilt.as_of),
            "sources": sources.collect::<Vec<_>>(),
            "sessions": self.rebuilt.sessions,
            "sessions_changed": self.rebuilt.changed,
            "sessions_damaged": self.rebuilt.damaged,
            "sessions_unreadable": self.rebuilt.unreadable,
            "events_unreadable": misread.unreadable,
            "events_elsewhere": misread.elsewhere,
            "quarantine_readable": self.rebuilt.readable,
            "parts": parts.collect::<Vec<_>>(),
            "notices": notices(&self.rebuilt.notices),
            "quiet_notices": notices(&self.rebuilt.quiet),
            "deadlines": self.rebuilt.deadlines,
            "due": self.rebuilt.due,
            "examples": self.rebuilt.examples.iter().map(|(key, example)| example_json(key, example)).collect::<Vec<_>>(),
            "changed": !self.rebuilt.is_nothing(),
            "seconds": self.elapsed.as_secs_f64(),
        });
        format!("{summary:#}\n")
    }
}

fn write_example(out: &mut String, key: &SessionKey, example: &Example) -> std::fmt::Result {
    let subject = if key.subject() == "session" { String::new() } else { format!("{} ", key.subject()) };
    let mut line = format!("  {subject}{} of {}", shown(key.id()), shown(key.source()));
    let said = example.said.iter().map(|(kind, revision)| format!("{}, revision {revision}", kind.as_str()));
    let said: Vec<String> = said.collect();
    if !said.is_empty() {
        let quietly = if example.is_told { "" } else { ", quietly" };
        let _ = write!(line, "  {}", aside(&format!("{}{quietly}", said.join("; "))));
    }
    writeln!(out, "{line}")?;
    let mut rows: Vec<(&str, String)> = example.changes.iter().filter_map(change_in_words).collect();
    let (was, is) = example.due;
    if was != is {
        let until = |at: Option<Timestamp>| at.map_or_else(|| "nothing".to_owned(), |at| at.to_string());
        rows.push(("awaited until", format!("{} {} {}", until(was), aside("→"), until(is))));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, change) in rows {
        writeln!(out, "    {name:<width$}  {change}")?;
    }
    Ok(())
}

/// From what to what, the most frequent first.
fn ways(part: &Part) -> String {
    let mut ways: Vec<_> = part.ways.iter().collect();
    ways.sort_by_key(|(_, sessions)| std::cmp::Reverse(**sessions));
    let word = |json: &Option<String>| json.as_deref().map_or_else(|| "nothing".to_owned(), |json| shown(&plain(json)));
    let some = ways
        .iter()
        .take(WAYS)
        .map(|((old, new), sessions)| format!("{} {} {} {}", word(old), aside("→"), word(new), number(**sessions)));
    let mut some: Vec<String> = some.collect();
    if ways.len() > WAYS {
        some.push("…".to_owned());
    }
    some.join("; ")
}

fn words(notices: &BTreeMap<NoticeKind, u64>, who: &str) -> String {
    if notices.is_empty() {
        return "nothing".to_owned();
    }
    let words = notices.iter().map(|(kind, notices)| format!("{} {}", kind.as_str(), number(*notices)));
    format!("{}{}", words.collect::<Vec<_>>().join(", "), aside(&format!(": {who}")))
}

fn span(span: Option<Duration>) -> String {
    span.map_or_else(|| "for ever".to_owned(), print_span)
}

fn kinds(settings: &SourceSettings) -> String {
    settings.subscription.as_ref().map_or_else(|| "all".to_owned(), |kinds| shown(&kinds.join(", ")))
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn settings(settings: &SourceSettings) -> Value {
    json!({
        "version": settings.version,
        "subscription": settings.subscription,
        "grace": print_span(settings.grace),
        "stall": settings.stall.map(print_span),
    })
}

/// Old and new beside what else there is of a change; either may be absent, which is not null.
fn change(values: &[(&str, &Option<String>)], mut of: Value) -> Value {
    for (name, json) in values {
        // Made by ourselves, and JSON.
        if let Some(value) = json.as_deref().and_then(|json| serde_json::from_str::<Value>(json).ok()) {
            of[*name] = value;
        }
    }
    of
}

fn example_json(key: &SessionKey, example: &Example) -> Value {
    let said = example.said.iter();
    let said =
        said.map(|(kind, revision)| json!({"kind": kind.as_str(), "revision": revision, "told": example.is_told}));
    let changes = example
        .changes
        .iter()
        .map(|Change { part, old, new }| change(&[("old", old), ("new", new)], json!({"part": part})));
    let (was_due, due) = example.due;
    json!({
        "source": key.source(),
        "subject": key.subject(),
        "session": key.id(),
        "said": said.collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
        "awaited_until": time(was_due),
        "awaits_until": time(due),
    })
}
