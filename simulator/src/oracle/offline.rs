//! What the log kept, read once more as an export is read.
//!
//! The lines that stand for what was kept are packed, sorted into sessions and folded by the functions that
//! `finis reconcile` is made of, at the time of the log and under the receiver's terms. Nothing of a live session
//! takes part, so what both agree on was not arrived at twice in one way.

use std::collections::BTreeMap;

use finis_engine::contract::UnknownKind;
use finis_engine::live::SessionKey;
use finis_engine::log::{EventEntry, Stored};
use finis_engine::{Certifier, Contract, Folder, Forms, Key, Packed, Packer, Record, SubjectId, Terms, Timestamp};

use super::{Findings, Given, Promise};
use crate::json::Json;
use crate::run::Played;

pub(super) fn judge(given: &Given<'_>, played: &Played, findings: &mut Findings) {
    // A log without an entry has no time, and no record.
    let Some(as_of) = played.kept.latest else { return };
    let mut records = BTreeMap::new();
    let mut sources: BTreeMap<&str, Vec<&Stored>> = BTreeMap::new();
    for (key, stored) in &played.kept.sessions {
        sources.entry(key.source()).or_default().push(stored);
    }
    for (source, stored) in sources {
        // Terms were set up before it was played.
        let Ok(terms) = terms(given, source) else { continue };
        match records_of(&stored, given.contract, &terms, as_of) {
            Ok(more) => records.extend(more),
            Err(problem) => return findings.note(Promise::Offline, None, || problem),
        }
    }
    for key in played.kept.sessions.keys() {
        let (live, offline) = (played.kept.records.get(key), records.get(key));
        findings.expect(live == offline, Promise::Offline, Some(key.id()), || {
            let text = |record: Option<&String>| record.map_or("there is none", |record| record).to_owned();
            format!("\n   live it is {}\noffline it is {}", text(live), text(offline))
        });
    }
    for key in records.keys().filter(|key| !played.kept.sessions.contains_key(key)) {
        findings.note(Promise::Offline, Some(key.id()), || "offline it is there, and live it is not".to_owned());
    }
}

/// What a source has settled on with its provider.
fn terms(given: &Given<'_>, source: &str) -> Result<Terms, UnknownKind> {
    let mut terms = Terms::new(given.contract);
    if let Some(settled) = given.terms.get(source) {
        if let Some(subscribed) = &settled.subscribed {
            terms.subscribe(given.contract, subscribed.iter().map(String::as_str))?;
        }
        settled.grace.into_iter().for_each(|grace| terms.set_grace(grace));
        settled.stall.into_iter().for_each(|stall| terms.set_stall(stall));
    }
    Ok(terms)
}

/// The certified records of all that was kept of a source; or the line that no export may have.
fn records_of(
    sessions: &[&Stored],
    contract: &Contract,
    terms: &Terms,
    as_of: Timestamp,
) -> Result<BTreeMap<SessionKey, String>, String> {
    // The last first, and each twice: neither is to show.
    let mut events: Vec<&EventEntry> =
        sessions.iter().flat_map(|stored| [&stored.events, &stored.events]).flatten().collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.received_at));
    let forms = Forms::default();
    let mut packer = Packer::new(&forms, None);
    let mut packed: BTreeMap<(&str, SubjectId, String), Vec<Vec<u8>>> = BTreeMap::new();
    for event in events {
        let line = line(event);
        let arrival = packer.pack(&line, |_| Ok(((), 0, contract))).map_err(|error| format!("{error}: {line}"))?;
        let mut bytes = vec![0; arrival.packed_len()];
        arrival.write(&mut bytes);
        let (subject, id) = {
            let all = forms.all();
            let event = Packed::read(&bytes, &all);
            (event.subject(), String::from_utf8_lossy(event.id()).into_owned())
        };
        packed.entry((event.key.source(), subject, id)).or_default().push(bytes);
    }
    let all = forms.all();
    let (mut folder, certifier) = (Folder::default(), Certifier::new(contract, terms));
    let record = |((source, subject, id), events): ((&str, SubjectId, String), Vec<Vec<u8>>)| {
        let mut events: Vec<Packed<'_>> = events.iter().map(|event| Packed::read(event, &all)).collect();
        let partial = folder.fold(contract, &mut events, true);
        let mut out = Vec::new();
        let record = Record::new(Key { source, subject, id: &id }, partial, contract, terms, as_of);
        record.write_certified(&mut out, &certifier);
        let key = SessionKey::new(source, contract.subject_name(subject), &id);
        (key, String::from_utf8_lossy(&out).into_owned())
    };
    Ok(packed.into_iter().map(record).collect())
}

/// An event as it stands in an export.
fn line(event: &EventEntry) -> String {
    let text = |text: &str| Json::String(text.to_owned());
    let mut members = Vec::new();
    members.extend(event.received_at.map(|at| ("received_at".to_owned(), text(&at.to_string()))));
    members.push(("source".to_owned(), text(event.key.source())));
    let headers = event.delivery.headers.iter().map(|(name, value)| (name.clone(), text(value)));
    members.push(("headers".to_owned(), Json::Object(headers.collect())));
    let head = Json::Object(members).to_string();
    let head = head.strip_suffix('}').unwrap_or(&head);
    let body = String::from_utf8_lossy(&event.delivery.body);
    // An object stands in a line as it is, where no end of a line is in it.
    let is_object = body.starts_with('{') && body.ends_with('}') && !body.contains(['\n', '\r']);
    let body = if is_object { body.into_owned() } else { text(&body).to_string() };
    format!("{head},\"body\":{body}}}")
}
