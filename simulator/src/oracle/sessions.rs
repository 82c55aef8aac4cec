//! Records and notices of every session, against the model of the events that the log has had.

use std::collections::{BTreeMap, BTreeSet};

use finis_engine::Timestamp;
use finis_engine::live::{Notice, NoticeKind, SessionKey};

use super::{Findings, Given, Promise};
use crate::model::{Instant, Key, Model, Said};
use crate::run::{Batch, Did, Played};

pub(super) fn judge(given: &Given<'_>, played: &Played, findings: &mut Findings) {
    let mut models: BTreeMap<&str, Model<'_>> = BTreeMap::new();
    let mut told: BTreeMap<SessionKey, Vec<&Notice>> = BTreeMap::new();
    let mut let_go: BTreeMap<&SessionKey, Timestamp> = BTreeMap::new();
    let mut last: BTreeMap<&SessionKey, Last> = BTreeMap::new();
    let mut filled = Filled::default();
    for step in &played.steps {
        match &step.what {
            Did::Kept(batch) => {
                filled.reach(batch);
                let is_filled = !batch.released.is_empty();
                for (event, is_new) in batch.events.iter().filter(|(_, is_new)| *is_new || is_filled) {
                    if let_go.contains_key(&event.key) && !is_new {
                        continue;
                    }
                    let delivery = &event.delivery;
                    let (source, headers, body) = (event.key.source(), &delivery.headers, &delivery.body);
                    let model = models.entry(source).or_insert_with(|| given.model(source));
                    // There was one before it, in quarantine.
                    if let Some(log_at) = filled.log_at.filter(|_| is_filled) {
                        filled.open.insert(&event.key);
                        if !is_new || !filled.is_alone {
                            // It came earlier than anybody knew who judged it meanwhile; or whoever filled it goes on
                            // with other things, and judges it when it comes to that.
                            filled.left.insert(event.key.clone());
                        }
                        model.fill(source, headers, body, event.received_at, log_at);
                    } else {
                        model.take(source, headers, body, event.received_at);
                    }
                    let last = last.entry(&event.key).or_default();
                    // As they came: of those that were filled in, the last one need not be the latest.
                    last.event = event.received_at.or(last.event);
                }
                for (key, due) in &batch.deadlines {
                    let last = last.entry(key).or_default();
                    last.deadline = last.deadline.max(Some(*due));
                }
                for (notice, _) in batch.notices.iter().filter(|(_, is_first)| *is_first) {
                    told.entry(notice.key.clone()).or_default().push(notice);
                }
            }
            Did::Reread => filled.open.clear(),
            Did::Started { .. } => filled.leave(false),
            Did::Rereading => filled.leave(true),
            Did::LetGo { keys, at } => {
                filled.log_at = filled.log_at.max(Some(*at));
                for key in keys {
                    let_go.entry(key).or_insert(*at);
                }
            }
            _ => {}
        }
    }
    // Of entries at one instant each is a microsecond after the other, and so may be the last.
    // A clock that was set back is behind what passed before that.
    let events = last.values().filter_map(|last| last.event).chain(played.kept.latest);
    let until = Instant::from(events.fold(played.end.1, Timestamp::max));
    for (model, key) in models.values().flat_map(|model| model.keys().map(move |key| (model, key))) {
        let of = SessionKey::new(&key.source, &key.subject, &key.id);
        let told = told.remove(&of).unwrap_or_default();
        let last = last.get(&of).copied().unwrap_or_default();
        let Some(gone) = let_go.get(&of) else {
            record(model, key, played.kept.records.get(&of), until, findings);
            // In the middle of a run a deadline may be due that nobody has passed yet: what is said is that of
            // the entries that there are.
            let entry = last.event.max(last.deadline).map(Instant::from);
            let until = entry.filter(|_| !played.at_rest).unwrap_or(until);
            let detail = if filled.left.contains(&of) {
                let is_at_rest = played.at_rest;
                lacks_end(&told, &model.said(key, until))
                    .or_else(|| is_no_last_word(&told, model.certified(key, until)?.as_str()).filter(|_| is_at_rest))
            } else {
                // Whether a deadline passed before what was filled in, or with it, nobody wrote down.
                let both = || differs(&told, &model.said_if(key, until, true));
                differs(&told, &model.said(key, until)).filter(|_| both().is_some())
            };
            if let Some(detail) = detail {
                findings.note(Promise::Said, Some(&key.id), || detail);
            }
            continue;
        };
        findings.expect(!played.kept.sessions.contains_key(&of), Promise::LetGo, Some(&key.id), || {
            "it was let go, and is there".to_owned()
        });
        // Whether a deadline passed first that was due at the very time, is a matter of microseconds.
        let ends = [Some(*gone), last.event].into_iter().flatten();
        let ends = ends.flat_map(|end| [(end, false), (end, true)]);
        let mut ways = ends.map(|(end, passed)| differs(&told, &model.said_if(key, Instant::from(end), passed)));
        if filled.left.contains(&of) {
            continue;
        }
        if let Some(detail) = ways.next().flatten().filter(|_| ways.all(|way| way.is_some())) {
            findings.note(Promise::Said, Some(&key.id), || format!("until it was let go, {detail}"));
        }
    }
    for (key, told) in told {
        findings.note(Promise::Said, Some(key.id()), || {
            format!("{} notices of a session of which nothing is kept", told.len())
        });
    }
    for key in played.kept.sessions.keys() {
        let of = Key { source: key.source().to_owned(), subject: key.subject().to_owned(), id: key.id().to_owned() };
        let has_events = models.get(key.source()).is_some_and(|model| model.status(&of, until).is_some());
        findings.expect(has_events, Promise::Posted, Some(key.id()), || "nothing of it was kept".to_owned());
    }
}

/// Sessions that came out of quarantine.
#[derive(Default)]
struct Filled<'p> {
    /// The latest time of the log so far.
    log_at: Option<Timestamp>,
    /// Those that are filled and were not judged yet.
    open: BTreeSet<&'p SessionKey>,
    /// Whoever fills them does nothing else.
    is_alone: bool,
    /// Those that whoever filled them left to others: when they were judged, nobody wrote down.
    left: BTreeSet<SessionKey>,
}

impl Filled<'_> {
    fn reach(&mut self, batch: &Batch) {
        let events = batch.events.iter().filter_map(|(event, _)| event.received_at);
        let refused = batch.refused.iter().map(|refused| refused.received_at);
        let deadlines = batch.deadlines.iter().map(|(_, due)| *due);
        self.log_at = self.log_at.max(events.chain(refused).chain(deadlines).max());
    }

    fn leave(&mut self, is_alone: bool) {
        self.is_alone = is_alone;
        self.left.extend(std::mem::take(&mut self.open).into_iter().cloned());
    }
}

/// That there was no end, and had to be one; or the other way round.
fn lacks_end(told: &[&Notice], said: &[Said]) -> Option<String> {
    let (told, said) = (
        told.iter().any(|notice| notice.kind == NoticeKind::Complete),
        said.iter().any(|said| said.kind == "complete"),
    );
    (told != said).then(|| format!("an end was said: {told}; it was to be said: {said}"))
}

/// That the last word of an end is not what the record says: whatever changes of that after an end is said. Events
/// that change nothing of it are listed there, and no word by themselves.
fn is_no_last_word(told: &[&Notice], record: &str) -> Option<String> {
    let last = told.iter().rfind(|notice| matches!(notice.kind, NoticeKind::Complete | NoticeKind::Amended))?;
    let detail = || format!("the last word is another\n     it is {}\nit must be {record}", last.record);
    (without_events(&last.record) != without_events(record)).then(detail)
}

/// A record up to the list of its events.
fn without_events(record: &str) -> Option<&str> {
    record.split(r#","events":["#).next()
}

/// The last entries of a session that the log was seen to keep.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    event: Option<Timestamp>,
    deadline: Option<Timestamp>,
}

pub(super) fn record(model: &Model<'_>, key: &Key, record: Option<&String>, until: Instant, findings: &mut Findings) {
    let expected = model.certified(key, until);
    findings.expect(record == expected.as_ref(), Promise::Record, Some(&key.id), || {
        let text = |record: Option<&String>| record.map_or("there is none", |record| record).to_owned();
        format!("\n     it is {}\nit must be {}", text(record), text(expected.as_ref()))
    });
}

/// What the first difference is between what was said and what must have been.
fn differs(told: &[&Notice], said: &[Said]) -> Option<String> {
    let names = |names: Vec<String>| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let told_names = told.iter().map(|notice| format!("{} {}", notice.kind.as_str(), notice.revision)).collect();
    let said_names = said.iter().map(|said| format!("{} {} at {}", said.kind, said.revision, said.at)).collect();
    let both = || format!("said was {}; to be said was {}", names(told_names), names(said_names));
    if told.len() != said.len() {
        return Some(both());
    }
    for (notice, said) in told.iter().zip(said) {
        if (notice.kind.as_str(), notice.revision) != (said.kind, said.revision) {
            return Some(both());
        }
        let name = format!("{} {}", said.kind, said.revision);
        if notice.record != said.record {
            return Some(format!(
                "{name} has another record\n     it is {}\nit must be {}",
                notice.record, said.record
            ));
        }
        let changes = notice.changes.iter();
        let changes: BTreeMap<_, _> =
            changes.map(|change| (change.part.clone(), (change.old.clone(), change.new.clone()))).collect();
        if changes != said.changes {
            return Some(format!("{name} has other changes: {changes:?} and not {:?}", said.changes));
        }
        let asset = notice.asset.as_ref().map(|asset| {
            let until = asset.until.map(|at| Instant::from(at).to_string());
            (asset.field.clone(), asset.value.clone(), until)
        });
        let of_model = said.asset.clone();
        let of_model = of_model.map(|(field, value, until)| (field, value, until.map(|at| at.to_string())));
        if asset != of_model {
            return Some(format!("{name} says {asset:?} and not {of_model:?}"));
        }
    }
    None
}
