//! What must have been said of a session, each once.

use std::collections::BTreeMap;

use finis_engine::contract::Draft;
use finis_engine::parse_span;

use super::record::Page;
use super::time::Instant;
use super::verdict::judge;
use super::{Kept, Key, Terms};
use crate::json::{DEPTH_MAX, Json};

/// Events that a notice lists.
const EVENTS_MAX: usize = 100;

/// Something that must have been said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When: the time of the entry of the log that caused it.
    pub at: Instant,
    /// `complete`, `amended`, `stalled` or `asset`.
    pub kind: &'static str,
    /// `complete` and `amended` count together, the others each by itself; from 1.
    pub revision: u32,
    /// The certified record, with its first 100 events at most.
    pub record: String,
    /// What is not as it was said before, by part: old and new, as JSON.
    pub changes: BTreeMap<String, (Option<String>, Option<String>)>,
    /// Of `asset`: the field, its value as JSON, until when it is there.
    pub asset: Option<(String, String, Option<Instant>)>,
}

/// Lives through a session: each event when it came first, and between them every deadline at its
/// instant, up to and with `until`. What was filled came together, when the log was at that time; deadlines that
/// were due by then passed before it, or with it.
pub(super) fn live(
    contract: &Draft,
    terms: &Terms,
    key: &Key,
    events: &[Kept],
    until: Instant,
    passed_before: bool,
) -> Vec<Said> {
    let mut arrivals: Vec<&Kept> =
        events.iter().filter(|kept| kept.received_at.is_some_and(|at| at <= until)).collect();
    arrivals.sort_by_key(|kept| (kept.filled.or(kept.received_at), kept.filled.is_some(), kept.number));
    let mut teller = Teller { contract, terms, key, here: Vec::new(), said: Vec::new(), latest: None };
    for some in arrivals.chunk_by(|kept, next| kept.filled.is_some() && kept.filled == next.filled) {
        // Those without an arrival were left out.
        let at = some[0].received_at.unwrap_or(until);
        let filled = some[0].filled;
        if filled.is_none() || passed_before {
            teller.pass_deadlines(filled.unwrap_or(at));
        }
        teller.here.extend(some.iter().map(|kept| (*kept).clone()));
        match filled {
            None => teller.look(at),
            Some(log_at) => teller.settle(log_at),
        }
    }
    teller.pass_deadlines(until);
    teller.said
}

struct Teller<'c> {
    contract: &'c Draft,
    terms: &'c Terms,
    key: &'c Key,
    /// What is in the log so far.
    here: Vec<Kept>,
    said: Vec<Said>,
    /// The time of the latest entry that was looked at.
    latest: Option<Instant>,
}

impl Teller<'_> {
    /// Deadlines at the very instant that something comes are over before it comes.
    fn pass_deadlines(&mut self, now: Instant) {
        if let Some(due) = self.due().filter(|due| *due <= now) {
            self.look(due);
        }
    }

    /// When it is to be judged again, by the last that came.
    fn due(&self) -> Option<Instant> {
        let last = self.here.iter().filter_map(|kept| kept.received_at).max()?;
        judge(self.contract, self.terms, &self.key.subject, &self.here, last).deadline
    }

    /// Says of the whole what is to be said, when all of it is in: at the deadline that is over by then, or else
    /// at the latest entry.
    fn settle(&mut self, log_at: Instant) {
        let last = self.here.iter().filter_map(|kept| kept.received_at).max();
        let due = self.due().filter(|due| *due <= log_at);
        if let Some(at) = last.max(due).max(self.latest) {
            self.look(at);
        }
    }

    /// Says what is to be said at an entry of the log.
    fn look(&mut self, now: Instant) {
        self.latest = self.latest.max(Some(now));
        let page = Page::new(self.contract, self.terms, self.key, &self.here, now);
        let mut said = Vec::new();
        let last = |kinds: &[&str]| self.said.iter().rev().find(|said| kinds.contains(&said.kind));
        let ended = last(&["complete", "amended"]);
        let stalled = last(&["stalled"]);
        let (before, kind) = match (page.verdict.status, ended) {
            (_, Some(ended)) => (Some(ended), Some("amended")),
            ("complete", None) => (None, Some("complete")),
            ("stalled", None) => (stalled, Some("stalled")),
            _ => (None, None),
        };
        let changes = before.map(|before| changes(&before.record, &page.outline())).unwrap_or_default();
        let record = page.certified(EVENTS_MAX);
        if let Some(kind) = kind.filter(|_| before.is_none() || !changes.is_empty()) {
            let revision = before.map_or(1, |before| before.revision + 1);
            said.push(Said { at: now, kind, revision, record: record.clone(), changes, asset: None });
        }
        let mut revision = last(&["asset"]).map_or(0, |said| said.revision);
        for asset in &self.contract.assets {
            let Some(claim) = page.verdict.facts.registers.get(asset.field.as_str()).and_then(|all| all.winner())
            else {
                continue;
            };
            let known = self.said.iter().rev().filter_map(|said| said.asset.as_ref());
            let known = known.into_iter().find(|(field, ..)| *field == asset.field);
            // Where it is, is a text that is not empty.
            if !claim.value.starts_with('"')
                || claim.value.len() < 3
                || known.is_some_and(|known| known.1 == claim.value)
            {
                continue;
            }
            revision += 1;
            let from = claim.by.received_at.or(claim.by.told.at);
            let until = from.zip(parse_span(&asset.expires_after).ok()).map(|(from, span)| from.plus(span));
            let asset = Some((asset.field.clone(), claim.value.to_owned(), until));
            let changes = BTreeMap::new();
            said.push(Said { at: now, kind: "asset", revision, record: record.clone(), changes, asset });
        }
        self.said.extend(said);
    }
}

/// What differs between two records, but events and certificate; fields each by itself.
fn changes(old: &str, new: &str) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let (old, new) = (parts(old), parts(new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let both = names.into_iter().map(|name| (name.clone(), (old.get(name).cloned(), new.get(name).cloned())));
    both.filter(|(_, (old, new))| old != new).collect()
}

fn parts(record: &str) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    // A record that was printed here.
    if let Ok(Json::Object(members)) = Json::parse_deep(record, DEPTH_MAX + 8) {
        for (name, value) in members {
            match value {
                Json::Object(fields) if name == "fields" => {
                    parts.extend(
                        fields.into_iter().map(|(field, value)| (format!("fields.{field}"), value.to_string())),
                    );
                }
                _ if name == "events" || name == "certificate" => {}
                value => {
                    parts.insert(name, value.to_string());
                }
            }
        }
    }
    parts
}
