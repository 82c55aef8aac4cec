//! What becomes of a delivery.

use std::collections::{BTreeMap, BTreeSet};

use finis_engine::live::SessionKey;
use finis_engine::log::RefusedId;
use finis_engine::{Contract, Receipt, ReceiveError};

use super::{Findings, Given, Promise};
use crate::arrival::Arrival;
use crate::model::{self, Digest};
use crate::run::{Answer, Batch, Did, Played};

/// What an arrival is, by the model's reading.
#[derive(Clone)]
struct Read {
    key: SessionKey,
    digest: Digest,
}

/// What contract deliveries are read under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reads {
    /// The one that is meant.
    #[default]
    Right,
    /// One that looks for ids where none are: whatever comes is to be refused.
    Wrong,
    /// One or the other, while it is changed.
    Either,
}

/// All that is known at a step.
#[derive(Default)]
struct Known<'s> {
    /// Of each event that was posted so far, the bodies; and all of them that may be refused.
    posted: BTreeMap<(SessionKey, Digest), BTreeSet<&'s [u8]>>,
    unfit: BTreeSet<&'s [u8]>,
    /// What the log has had, as it was kept first.
    kept: BTreeMap<(SessionKey, Digest), &'s [u8]>,
    refused: BTreeSet<Vec<u8>>,
    /// What was refused and is an event since.
    released: BTreeSet<Vec<u8>>,
    /// The bodies of all that was ever refused.
    ids: BTreeMap<RefusedId, Vec<u8>>,
    /// Events of which somebody was told that they are new.
    stored: BTreeSet<(SessionKey, Digest)>,
    let_go: BTreeSet<SessionKey>,
    /// What contract they are read under.
    reads: Reads,
    /// Of each that was not answered yet, what contract it was posted under.
    posted_under: BTreeMap<usize, Reads>,
    /// How far the receiver's clock was ahead when each was posted.
    ahead: BTreeMap<usize, i64>,
    /// What each is that was not answered yet.
    read: BTreeMap<usize, Read>,
    answered: BTreeSet<usize>,
}

pub(super) fn judge(given: &Given<'_>, played: &Played, findings: &mut Findings) {
    let reads = if given.misreads { Reads::Wrong } else { Reads::Right };
    let mut known = Known { reads, ..Known::default() };
    for step in &played.steps {
        match &step.what {
            Did::Posted { place, ahead } => {
                known.ahead.insert(*place, *ahead);
                let Some(arrival) = given.arrivals.get(place) else { continue };
                known.posted_under.insert(*place, known.reads);
                if known.reads != Reads::Right {
                    known.unfit.insert(&arrival.body);
                }
                match read(given.contract, arrival) {
                    Some(read) => {
                        let Read { key, digest } = read.clone();
                        known.read.insert(*place, read);
                        known.posted.entry((key, digest)).or_default().insert(&arrival.body);
                    }
                    None => drop(known.unfit.insert(&arrival.body)),
                }
            }
            Did::Kept(batch) => known.keep(batch, findings),
            Did::Mending => known.reads = Reads::Either,
            // A process that comes after that has the new one from the beginning.
            Did::Rereading | Did::Mended => known.reads = Reads::Right,
            Did::Started { .. } if known.reads == Reads::Either => known.reads = Reads::Right,
            Did::LetGo { keys, .. } => known.let_go.extend(keys.iter().cloned()),
            Did::Answered { place, answer } => {
                if let Some(arrival) = given.arrivals.get(place) {
                    known.answer(*place, arrival, answer, given.calm, findings);
                }
            }
            _ => {}
        }
    }
    if given.calm {
        for place in given.arrivals.keys() {
            findings.expect(known.answered.contains(place), Promise::Answered, None, || {
                format!("nobody answered delivery {place}, and nothing went wrong")
            });
        }
    }
    known.is_there(given, played, findings);
}

fn read(contract: &Contract, arrival: &Arrival) -> Option<Read> {
    let body = std::str::from_utf8(&arrival.body).ok()?;
    let told = model::read(contract.draft(), &arrival.headers, body).ok()?;
    let subject = contract.draft().subjects[told.subject].name.clone();
    Some(Read { key: SessionKey::new(&arrival.source, &subject, &told.id), digest: told.digest })
}

impl<'s> Known<'s> {
    fn keep(&mut self, batch: &'s Batch, findings: &mut Findings) {
        for (event, is_new) in &batch.events {
            let place = (event.key.clone(), event.digest.to_bytes());
            let bodies = self.posted.get(&place);
            let was_posted = bodies.is_some_and(|bodies| bodies.contains(&event.delivery.body[..]));
            findings.expect(was_posted, Promise::Posted, Some(event.key.id()), || {
                format!("event {} is kept, and nobody posted it", event.digest)
            });
            let is_away = self.let_go.contains(&event.key);
            findings.expect(!(is_away && *is_new), Promise::LetGo, Some(event.key.id()), || {
                format!("event {} is kept of a session that was let go", event.digest)
            });
            let is_first = !self.kept.contains_key(&place);
            self.kept.entry(place).or_insert(&event.delivery.body);
            findings.expect(is_first || !is_new, Promise::Kept, Some(event.key.id()), || {
                format!("event {} was there before, and counts as new", event.digest)
            });
        }
        for refused in &batch.refused {
            let body = &refused.delivery.body;
            findings.expect(self.unfit.contains(&body[..]), Promise::Posted, None, || {
                format!("in quarantine is what nobody posted, or what can be read: {}", refused.reason)
            });
            self.refused.insert(body.to_vec());
            self.ids.insert(refused.id(), body.to_vec());
        }
        for released in &batch.released {
            let Some(body) = self.ids.get(released) else {
                findings.note(Promise::Kept, None, || format!("{released} comes out of quarantine, and was not there"));
                continue;
            };
            let is_event = batch.events.iter().any(|(event, _)| event.delivery.body[..] == body[..]);
            findings.expect(is_event, Promise::Kept, None, || {
                format!("{released} is not in quarantine any more, and is no event")
            });
            self.refused.remove(body);
            self.released.insert(body.clone());
        }
    }

    fn answer(&mut self, place: usize, arrival: &Arrival, answer: &Answer, is_calm: bool, findings: &mut Findings) {
        findings.expect(self.answered.insert(place), Promise::Answered, None, || {
            format!("delivery {place} was answered twice")
        });
        let told = match answer {
            Answer::Down => {
                return findings.expect(!is_calm, Promise::Answered, None, || {
                    format!("nobody was there for delivery {place}, and nothing went wrong")
                });
            }
            Answer::Told(told) => told,
        };
        let read = self.read.remove(&place);
        let posted_under = self.posted_under.remove(&place).unwrap_or_default();
        let session = read.as_ref().map(|read| read.key.id().to_owned());
        let session = session.as_deref();
        let wrong = |should: &str| format!("delivery {place} is answered `{answer}`, and {should}");
        // A clock that is off may take what is old for new, and the other way round; but no forgery.
        let is_forged = arrival.is.faults.contains(&crate::faults::Fault::Forge);
        let is_sure = is_forged || self.ahead.get(&place).is_none_or(|ahead| *ahead == 0);
        match told {
            Err(ReceiveError::Denied { .. }) => {
                findings.expect(!arrival.is.proved || !is_sure, Promise::Proof, session, || wrong("it is proved"));
            }
            Err(_) => findings.expect(!is_calm, Promise::Answered, session, || wrong("nothing went wrong")),
            Ok(receipt) => {
                findings.expect(arrival.is.proved || !is_sure, Promise::Proof, session, || wrong("it proves nothing"));
                self.taken(receipt, read, posted_under, arrival, &wrong, findings);
            }
        }
    }

    fn taken(
        &mut self,
        receipt: &Receipt,
        read: Option<Read>,
        posted_under: Reads,
        arrival: &Arrival,
        wrong: &dyn Fn(&str) -> String,
        findings: &mut Findings,
    ) {
        // One that was posted under another contract was read under that, or again.
        let may_be_right = self.reads != Reads::Wrong;
        let may_be_wrong = posted_under != Reads::Right;
        let is_quarantined = matches!(receipt, Receipt::Quarantined { .. });
        let Some(Read { key, digest }) = read.filter(|_| may_be_right && !(may_be_wrong && is_quarantined)) else {
            findings.expect(is_quarantined, Promise::Answered, None, || wrong("nobody can read it"));
            // Whoever is told so may hear it when it was read again already.
            let is_kept = [&self.refused, &self.released].into_iter().any(|kept| kept.contains(&arrival.body));
            return findings.expect(is_kept || !is_quarantined, Promise::Kept, None, || wrong("it is not there"));
        };
        let session = Some(key.id().to_owned());
        let session = session.as_deref();
        let of = match receipt {
            Receipt::Quarantined { .. } => {
                return findings.note(Promise::Answered, session, || wrong("it can be read"));
            }
            Receipt::Stored { key }
            | Receipt::Duplicate { key }
            | Receipt::Expired { key }
            | Receipt::Forgotten { key } => key,
        };
        findings.expect(*of == key, Promise::Answered, session, || wrong("it is of this session"));
        let place = (key, digest);
        match receipt {
            Receipt::Stored { .. } => {
                findings
                    .expect(self.kept.contains_key(&place), Promise::Kept, session, || wrong("it is not in the log"));
                let is_first = self.stored.insert(place);
                findings.expect(is_first, Promise::Answered, session, || wrong("it was stored before"));
            }
            Receipt::Duplicate { .. } => {
                findings
                    .expect(self.kept.contains_key(&place), Promise::Kept, session, || wrong("it is not in the log"));
            }
            _ => {
                let is_away = self.let_go.contains(&place.0);
                findings.expect(is_away, Promise::Answered, session, || wrong("its session was not let go"));
            }
        }
    }

    /// What was kept is there at the end, byte for byte, and nothing else is.
    fn is_there(&self, given: &Given<'_>, played: &Played, findings: &mut Findings) {
        for ((key, digest), body) in &self.kept {
            let stored = played.kept.sessions.get(key);
            let event = stored.and_then(|stored| stored.events.iter().find(|event| event.digest.to_bytes() == *digest));
            let is_there = event.is_some_and(|event| event.delivery.body[..] == **body);
            findings.expect(is_there || self.let_go.contains(key), Promise::Kept, Some(key.id()), || {
                let digest = hex(digest);
                format!("event {digest} {}", if event.is_some() { "has changed" } else { "is not there any more" })
            });
        }
        for (key, stored) in &played.kept.sessions {
            for event in &stored.events {
                let was_kept = self.kept.contains_key(&(key.clone(), event.digest.to_bytes())) && event.key == *key;
                findings.expect(was_kept, Promise::Posted, Some(key.id()), || {
                    format!("event {} is there, and nobody saw it kept", event.digest)
                });
            }
        }
        let there: BTreeSet<&[u8]> = played.kept.refused.iter().map(|refused| &refused.delivery.body[..]).collect();
        for body in &there {
            findings.expect(self.refused.contains(*body), Promise::Posted, None, || {
                "in quarantine is what nobody saw kept".to_owned()
            });
        }
        let lost = self.refused.iter().filter(|body| !there.contains(&body[..])).count();
        findings.expect(lost == 0 || given.retains, Promise::Kept, None, || {
            format!("{lost} deliveries are not in quarantine any more")
        });
    }
}

fn hex(digest: &Digest) -> String {
    digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
