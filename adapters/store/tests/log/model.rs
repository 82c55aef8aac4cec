//! Small worlds: batches of few sessions, and all that a log says.

use std::sync::Arc;
use std::time::Duration;

use finis_engine::live::{Asset, Change, Notice, NoticeId, NoticeKind, SessionKey};
use finis_engine::log::{
    Batch, Cause, Consumer, Delivery, EventEntry, Gone, LogRead, Mark, Refused, Repeat, SourceSettings, Stored, Why,
};
use finis_engine::{Digest, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Everything that a log can be asked.
#[derive(Debug, PartialEq)]
pub(crate) struct Everything {
    pub(crate) sessions: Vec<SessionKey>,
    pub(crate) stored: Vec<Stored>,
    pub(crate) gone: Vec<Option<Gone>>,
    pub(crate) due: Vec<(Timestamp, SessionKey)>,
    pub(crate) notices: Vec<(u64, Notice)>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) last_seq: u64,
    pub(crate) refused: Vec<Refused>,
    pub(crate) sources: Vec<SourceSettings>,
    pub(crate) latest: Option<Timestamp>,
}

pub(crate) async fn everything(log: &dyn LogRead) -> Everything {
    // The order is the log's own.
    let mut sessions = log.sessions(None, usize::MAX).await.unwrap();
    sessions.sort_unstable();
    let mut due = log.due(None, Timestamp::MAX, usize::MAX).await.unwrap();
    assert!(due.is_sorted_by_key(|(at, _)| *at));
    due.sort_unstable();
    Everything {
        stored: log.load(&sessions).await.unwrap(),
        gone: log.load(&[0, 1, 2, 3, 4, 5].map(key)).await.unwrap().into_iter().map(|stored| stored.gone).collect(),
        sessions,
        due,
        notices: log.notices(0, usize::MAX).await.unwrap(),
        consumers: log.consumers().await.unwrap(),
        last_seq: log.last_seq().await.unwrap(),
        refused: log.refused(None, usize::MAX).await.unwrap().deliveries,
        sources: log.sources().await.unwrap(),
        latest: log.latest().await.unwrap(),
    }
}

impl Everything {
    /// Without how often events came: what was counted last, who looks from beside does not see.
    pub(crate) fn uncounted(mut self) -> Everything {
        self.stored.iter_mut().for_each(|stored| stored.repeated.clear());
        self
    }

    /// How often all events came that came more than once.
    pub(crate) fn counts(&self) -> Vec<(SessionKey, Digest, u64)> {
        let of = |(key, stored): (&SessionKey, &Stored)| {
            let counts = stored.repeated.iter().map(|(digest, arrivals)| (key.clone(), *digest, arrivals.count()));
            counts.collect::<Vec<_>>()
        };
        self.sessions.iter().zip(&self.stored).flat_map(of).collect()
    }
}

pub(crate) fn key(number: u8) -> SessionKey {
    // One is the beginning of another, and one has what keys are parted by.
    let id = ["a", "ab", "a\0", "", "\u{1}é", "b"][usize::from(number) % 6];
    key_of(id)
}

pub(crate) fn key_of(id: &str) -> SessionKey {
    SessionKey::new("line", "session", id)
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_800_000_000 + second, 500_000_000, 3).unwrap()
}

pub(crate) fn digest(number: u32) -> Digest {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Digest::from_bytes(bytes)
}

pub(crate) fn delivery(number: u32, bytes: usize) -> Delivery {
    let body: Vec<u8> = (0..bytes).map(|place| (place as u32).wrapping_mul(number | 1).to_le_bytes()[1]).collect();
    Delivery { headers: vec![("x-number".to_owned(), number.to_string())], body: Arc::from(body) }
}

/// Some sources that are each read under one thing and another.
pub(crate) fn source(number: u8) -> SourceSettings {
    SourceSettings {
        name: format!("source {}", number % 2),
        provider: "acme".to_owned(),
        version: number.to_string(),
        subscription: (number > 2).then(|| vec!["ended".to_owned(); usize::from(number)]),
        grace: Duration::from_millis(u64::from(number)),
        stall: (number > 1).then_some(Duration::from_secs(9)),
    }
}

/// An event; one of an hour or later has no receiver's time.
pub(crate) fn event(session: u8, number: u32, second: i64) -> EventEntry {
    let delivery = delivery(number, 10 + number as usize % 700);
    EventEntry { key: key(session), digest: digest(number), received_at: (second < 3600).then(|| at(second)), delivery }
}

/// The same event once more.
pub(crate) fn repeat(session: u8, number: u32, second: i64) -> Repeat {
    Repeat { key: key(session), digest: digest(number), received_at: at(second) }
}

pub(crate) fn notice(session: u8, kind: NoticeKind, revision: u32) -> Notice {
    let key = key(session);
    let changes = vec![Change { part: "status".to_owned(), old: None, new: Some("\"é\"".to_owned()) }];
    let asset = Asset { field: "recording".to_owned(), value: "\"u\"".to_owned(), until: Some(at(9)) };
    Notice {
        id: NoticeId::new(&key, kind, revision),
        key,
        kind,
        revision,
        record: format!("{{\"revision\":{revision}}}"),
        events: revision as usize * 3,
        changes: if revision > 1 { changes } else { Vec::new() },
        asset: (kind == NoticeKind::Asset).then_some(asset),
    }
}

pub(crate) fn refused(number: u32, second: i64) -> Refused {
    Refused {
        source: "line".to_owned(),
        received_at: at(second),
        reason: "not JSON".to_owned(),
        delivery: delivery(number, 40),
    }
}

pub(crate) fn kinds() -> impl Strategy<Value = NoticeKind> {
    prop_oneof![
        Just(NoticeKind::Complete),
        Just(NoticeKind::Amended),
        Just(NoticeKind::Stalled),
        Just(NoticeKind::Asset)
    ]
}

/// Batches over few sessions and few events, so that much comes twice.
pub(crate) fn batches() -> impl Strategy<Value = Batch> {
    let session = || 0_u8..6;
    let second = || 0_i64..40;
    let parts = (
        vec((session(), 0_u32..40, prop_oneof![8 => second(), 1 => Just(3600)]), 0..6),
        vec((session(), 0_u32..40, second()), 0..6),
        vec((session(), second()), 0..2),
        vec((session(), kinds(), 1_u32..4), 0..3),
        vec(session(), 0..2),
        vec((session(), option::of(second())), 0..3),
        vec((0_u32..4, second()), 0..2),
        vec((0_u32..4, second()), 0..2),
        vec((0_u8..5).prop_map(source), 0..2),
        any::<bool>(),
    );
    parts.prop_map(|(events, repeats, deadlines, notices, crowded, due, bad, released, sources, quiet)| Batch {
        events: events.into_iter().map(|(session, number, second)| event(session, number, second)).collect(),
        ready: Vec::new(),
        repeats: repeats.into_iter().map(|(session, number, second)| repeat(session, number, second)).collect(),
        deadlines: deadlines.into_iter().map(|(session, second)| (key(session), at(second))).collect(),
        notices: notices.into_iter().map(|(session, kind, revision)| notice(session, kind, revision)).collect(),
        crowded: crowded.into_iter().map(key).collect(),
        due: due.into_iter().map(|(session, second)| (key(session), second.map(at))).collect(),
        quiet,
        released: released.into_iter().map(|(number, second)| refused(number, second).id()).collect(),
        sources,
        refused: bad.into_iter().map(|(number, second)| refused(number, second)).collect(),
    })
}

pub(crate) fn causes() -> impl Strategy<Value = Cause> {
    prop_oneof![
        "[a-zé]{0,3}".prop_map(|reason| Cause::Failed { reason }),
        (0_u64..20).prop_map(|behind| Cause::Held { behind }),
        ("[a-zé]{0,3}", any::<u32>(), (0_i64..60).prop_map(at)).prop_map(|(reason, tries, again)| Cause::Later {
            reason,
            tries,
            again
        }),
        "[a-zé]{0,3}".prop_map(|reason| Cause::Closed { reason }),
    ]
}

/// Marks over few places, so that they meet.
pub(crate) fn marks() -> impl Strategy<Value = Mark> {
    let seq = || 0_u64..20;
    prop_oneof![
        2 => seq().prop_map(Mark::Begin),
        1 => seq().prop_map(Mark::UpTo),
        4 => seq().prop_map(Mark::Done),
        4 => (seq(), causes()).prop_map(|(seq, cause)| Mark::Park(seq, cause)),
        2 => seq().prop_map(Mark::Release),
        1 => seq().prop_map(Mark::Reset),
    ]
}

/// What is done to a log.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Append(Box<Batch>),
    Mark(u8, Vec<Mark>),
    Remove(u8),
    LetGo(u8, Gone),
    /// Closed, or just dropped, and opened again.
    Restart {
        closed: bool,
    },
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => batches().prop_map(|batch| Step::Append(Box::new(batch))),
        4 => (0_u8..3, vec(marks(), 1..6)).prop_map(|(consumer, marks)| Step::Mark(consumer, marks)),
        1 => (0_u8..3).prop_map(Step::Remove),
        1 => (0_u8..6, any::<bool>(), 0_i64..60).prop_map(|(session, forgotten, second)| {
            let why = if forgotten { Why::Forgotten } else { Why::Expired };
            Step::LetGo(session, Gone { why, at: at(second) })
        }),
        2 => any::<bool>().prop_map(|closed| Step::Restart { closed }),
    ];
    vec(step, 1..25)
}
