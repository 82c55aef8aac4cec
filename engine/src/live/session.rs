//! The log of a session, judged entry by entry.

use super::changes::{Change, changes};
use super::key::SessionKey;
use super::notice::{Asset, EVENTS_MAX, Notice, NoticeId, NoticeKind, Said};
use super::wanting::Wanting;
use crate::certificate::Certifier;
use crate::contract::{Contract, SubjectId, Terms};
use crate::event::Event;
use crate::judge::{Status, Verdict, deadline, judge};
use crate::partial::Partial;
use crate::record::{Key, Record};
use crate::timestamp::Timestamp;

/// What a session is read and judged under.
#[derive(Clone, Copy, Debug)]
pub struct Under<'c> {
    /// What the provider promises.
    pub contract: &'c Contract,
    /// What the source has settled on.
    pub terms: &'c Terms,
    /// The subject that the session is.
    pub subject: SubjectId,
}

/// An event that came, apart from where it was read: a partial of nothing else.
///
/// Whoever receives makes it, so that whoever writes has only to join it.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub(super) digest: crate::digest::Digest,
    pub(super) event: Partial,
}

/// What became of an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is new, and this is what it caused to be said.
    Stored(Vec<Notice>),
    /// It was here before.
    Duplicate,
}

/// A session: the set of its events, the latest entry of its log, and what was said of it.
#[derive(Clone, Debug)]
pub struct Session {
    key: SessionKey,
    partial: Partial,
    said: Said,
    /// The time of the latest entry: what it is judged at.
    now: Option<Timestamp>,
}

impl Arrival {
    /// An event, to be joined to its session.
    #[must_use]
    pub fn new(contract: &Contract, event: &Event<'_>) -> Arrival {
        let mut partial = Partial::default();
        partial.add(contract, event, None);
        let digest = partial.events().first().map_or(crate::digest::Digest::NONE, |seen| seen.digest);
        Arrival { digest, event: partial }
    }

    /// What makes the event itself.
    #[must_use]
    pub fn digest(&self) -> crate::digest::Digest {
        self.digest
    }
}

impl Session {
    /// A session of which nothing has come yet.
    #[must_use]
    pub fn new(key: SessionKey) -> Session {
        Session { key, partial: Partial::default(), said: Said::default(), now: None }
    }

    /// A session as the log has it: the set of its events with their arrivals, the instants of its
    /// passed deadlines, and what was said. The order of each does not matter but that of what was said. An
    /// event that was imported may have no arrival: it then counts by the provider's time.
    #[must_use]
    pub fn restore(
        key: SessionKey,
        events: impl IntoIterator<Item = (Arrival, Option<Timestamp>)>,
        deadlines: impl IntoIterator<Item = Timestamp>,
        said: Said,
    ) -> Session {
        let mut session = Session { said, ..Session::new(key) };
        for (arrival, at) in events {
            session.add(arrival, at);
        }
        deadlines.into_iter().for_each(|due| session.reach(due));
        session
    }

    /// Whose log it is.
    #[must_use]
    pub fn key(&self) -> &SessionKey {
        &self.key
    }

    /// The set of its events.
    #[must_use]
    pub fn partial(&self) -> &Partial {
        &self.partial
    }

    /// What was said of it.
    #[must_use]
    pub fn said(&self) -> &Said {
        &self.said
    }

    /// Takes an event that came at `at`, and says what is to be said. Deadlines that were due before
    /// are passed first, by [`Session::pass`].
    pub fn receive(&mut self, under: Under<'_>, arrival: Arrival, at: Timestamp) -> Received {
        if self.has(&arrival) {
            return Received::Duplicate;
        }
        self.add(arrival, Some(at));
        Received::Stored(self.announce(under))
    }

    /// Passes the deadline that was due at `due`, and says what is to be said.
    pub fn pass(&mut self, under: Under<'_>, due: Timestamp) -> Vec<Notice> {
        self.reach(due);
        self.announce(under)
    }

    /// Takes note that more events came than are kept, and says what is to be said.
    pub fn crowd(&mut self, under: Under<'_>) -> Vec<Notice> {
        self.note_crowded();
        self.announce(under)
    }

    /// Takes note that more events came than are kept, and says nothing of it, as a replay of the log does.
    pub fn note_crowded(&mut self) {
        self.partial.crowd();
    }

    /// Whether an event is here.
    #[must_use]
    pub fn has(&self, arrival: &Arrival) -> bool {
        self.partial.place(arrival.digest).is_some()
    }

    /// Takes an event, and says nothing of it yet: what came by an import is judged when all of it is in, by
    /// [`Session::settle`]. One that is here already may have come earlier than was known.
    pub fn add(&mut self, arrival: Arrival, at: Option<Timestamp>) {
        let place = self.partial.len();
        self.partial.absorb(arrival.event);
        let place = self.partial.place(arrival.digest).unwrap_or(place);
        self.partial.see_again(place, at);
        if let Some(at) = at {
            self.reach(at);
        }
    }

    /// Judges it when all that is known is in: passes the deadline that is over at `as_of`, if there is one,
    /// and says of the whole what is to be said.
    pub fn settle(&mut self, under: Under<'_>, as_of: Timestamp) -> (Option<Timestamp>, Vec<Notice>) {
        let passed = self.deadline(under).filter(|due| *due <= as_of);
        if let Some(due) = passed {
            self.reach(due);
        }
        (passed, self.announce(under))
    }

    /// When it has to be judged again though nothing comes; nothing when only an event can change it.
    #[must_use]
    pub fn deadline(&self, under: Under<'_>) -> Option<Timestamp> {
        let verdict = self.verdict(under);
        deadline(&self.partial, under.subject, under.terms, &verdict)
    }

    /// Where it stands.
    #[must_use]
    pub fn verdict(&self, under: Under<'_>) -> Verdict {
        judge(&self.partial, under.subject, under.contract, under.terms, self.now())
    }

    /// What is wanting now.
    pub(crate) fn wanting(&self, under: Under<'_>) -> Wanting {
        Wanting::judged(&self.verdict(under))
    }

    /// What was wanting when its end was last said, or else a stall; nothing when neither was.
    pub(crate) fn said_wanting(&self, under: Under<'_>) -> Option<Wanting> {
        self.said.last_record().map(|record| Wanting::recorded(record, under.contract))
    }

    /// The record, as JSON with its certificate.
    #[must_use]
    pub fn record(&self, under: Under<'_>) -> String {
        print(under, &self.read(under, self.now()), usize::MAX)
    }

    /// The record as it is at a later time than that of the latest entry, as JSON with its certificate.
    #[must_use]
    pub fn record_at(&self, under: Under<'_>, at: Timestamp) -> String {
        print(under, &self.read(under, at.max(self.now())), usize::MAX)
    }

    /// Where it stands at a later time than that of the latest entry.
    #[must_use]
    pub fn verdict_at(&self, under: Under<'_>, at: Timestamp) -> Verdict {
        judge(&self.partial, under.subject, under.contract, under.terms, at.max(self.now()))
    }

    /// What of its record is not as in another one, given as JSON; events and certificate aside.
    #[must_use]
    pub fn changes_since(&self, under: Under<'_>, record: &str) -> Vec<Change> {
        changes(record, &outline(&self.read(under, self.now())))
    }

    /// The record as it is at a later time than that of the latest entry, as JSON without events and
    /// certificate: however many events there are, it is no longer for them.
    pub(crate) fn outline_at(&self, under: Under<'_>, at: Timestamp) -> String {
        let key = Key { source: self.key.source(), subject: under.subject, id: self.key.id() };
        outline(&Record::without_events(key, &self.partial, under.contract, under.terms, at.max(self.now())))
    }

    /// What is known of it at a later time than that of the latest entry.
    pub(crate) fn view_at<'s>(&'s self, under: Under<'s>, at: Timestamp) -> Record<'s> {
        self.read(under, at.max(self.now()))
    }

    fn now(&self) -> Timestamp {
        self.now.unwrap_or(Timestamp::MIN)
    }

    /// Lets time go on to an entry of the log.
    pub fn reach(&mut self, at: Timestamp) {
        self.now = Some(self.now.map_or(at, |now| now.max(at)));
    }

    fn read<'s>(&'s self, under: Under<'s>, at: Timestamp) -> Record<'s> {
        let key = Key { source: self.key.source(), subject: under.subject, id: self.key.id() };
        Record::new(key, &self.partial, under.contract, under.terms, at)
    }

    /// Says what is to be said now and was not said yet, and takes note of it.
    fn announce(&mut self, under: Under<'_>) -> Vec<Notice> {
        let assets = self.new_assets(under);
        let status = self.verdict(under).status;
        let is_over = self.said.end.revision > 0 || status == Status::Complete;
        if assets.is_empty() && !is_over && status != Status::Stalled {
            return Vec::new();
        }
        let record = self.read(under, self.now());
        let mut kinds = Vec::new();
        let series = match status {
            _ if is_over => Some((&self.said.end, NoticeKind::Complete)),
            Status::Stalled => Some((&self.said.stalled, NoticeKind::Stalled)),
            _ => None,
        };
        if let Some((series, first)) = series {
            // Events are no change, and there may be many: all is printed only when there is more to say.
            let changes = if series.revision == 0 { Vec::new() } else { changes(&series.record, &outline(&record)) };
            if series.revision == 0 || !changes.is_empty() {
                let later = if first == NoticeKind::Complete { NoticeKind::Amended } else { first };
                let kind = if series.revision == 0 { first } else { later };
                kinds.push((kind, series.revision + 1, changes, None));
            }
        }
        if kinds.is_empty() && assets.is_empty() {
            return Vec::new();
        }
        let text = print(under, &record, EVENTS_MAX);
        let events = record.events.len();
        let revisions = self.said.assets + 1..;
        kinds.extend(
            assets
                .into_iter()
                .zip(revisions)
                .map(|(asset, revision)| (NoticeKind::Asset, revision, Vec::new(), Some(asset))),
        );
        let notices: Vec<Notice> = kinds
            .into_iter()
            .map(|(kind, revision, changes, asset)| Notice {
                id: NoticeId::new(&self.key, kind, revision),
                key: self.key.clone(),
                kind,
                revision,
                record: text.clone(),
                events,
                changes,
                asset,
            })
            .collect();
        for notice in &notices {
            self.said.note(notice);
        }
        notices
    }

    /// Assets of which nothing was said yet, or something else.
    fn new_assets(&self, under: Under<'_>) -> Vec<Asset> {
        let assets = under.contract.assets.iter().filter_map(|asset| {
            let name = &under.contract.field(asset.field).name;
            // What is kept of a payload is UTF-8.
            let value = std::str::from_utf8(self.partial.winner(asset.field)?).unwrap_or_default();
            // Where it is, is a text; without one there is nothing to fetch.
            let is_new = !self.said.asset_values.iter().any(|(known, said)| known == name && said == value);
            (value.starts_with('"') && value.len() > 2 && is_new).then(|| Asset {
                field: name.clone(),
                value: value.to_owned(),
                until: self.partial.claimed_at(asset.field).map(|at| at.plus(asset.expires_after)),
            })
        });
        assets.collect()
    }
}

/// Bytes of a usual record.
const RECORD_BYTES: usize = 2048;

/// A record as JSON, without events and certificate.
fn outline(record: &Record<'_>) -> String {
    let mut out = Vec::with_capacity(RECORD_BYTES);
    record.write_without_events(&mut out);
    // Made of str and of JSON that is one.
    String::from_utf8(out).unwrap_or_default()
}

/// A record as JSON with its certificate, and its first events alone when there are more than so many.
fn print(under: Under<'_>, record: &Record<'_>, events_max: usize) -> String {
    let certifier = Certifier::new(under.contract, under.terms);
    let mut out = Vec::with_capacity(RECORD_BYTES);
    record.write_certified_up_to(&mut out, &certifier, events_max);
    // Made of str and of JSON that is one.
    String::from_utf8(out).unwrap_or_default()
}
