//! What is left of a store of which bytes have changed, against what it had when it was whole.

use finis_engine::Timestamp;
use finis_engine::live::NoticeKind;

use super::{Broken, Findings, Given, Promise, sessions};
use crate::model::{Instant, Key};
use crate::run::Kept;

/// Says what a damaged store serves that is false; nothing when all of it is true. What it does not serve any
/// more is of no matter here: whether that is named, knows who knows which bytes have changed.
///
/// Both were looked at while nobody wrote; `as_of` is the receiver's time at which records of the damaged one
/// were read.
#[must_use]
pub fn judge_damaged(given: &Given<'_>, whole: &Kept, damaged: &Kept, as_of: Timestamp) -> Vec<Broken> {
    let mut findings = Findings::default();
    for (key, stored) in &damaged.sessions {
        let session = Some(key.id());
        let before = whole.sessions.get(key);
        let mut model = given.model(key.source());
        for event in &stored.events {
            let is_true = before.is_some_and(|before| before.events.contains(event));
            findings
                .expect(is_true, Promise::Posted, session, || format!("event {} is not as it was kept", event.digest));
            model.take(key.source(), &event.delivery.headers, &event.delivery.body, event.received_at);
        }
        for due in &stored.deadlines {
            let is_true = before.is_some_and(|before| before.deadlines.contains(due));
            findings.expect(is_true, Promise::Deadlines, session, || format!("the deadline of {due} never passed"));
        }
        for notice in &stored.notices {
            let is_true = before.is_some_and(|before| before.notices.contains(notice));
            findings.expect(is_true, Promise::Numbered, session, || format!("{} is not as it was said", notice.id));
        }
        if stored.events.is_empty() {
            // There is nothing to hold its record against.
            continue;
        }
        let of = Key { source: key.source().to_owned(), subject: key.subject().to_owned(), id: key.id().to_owned() };
        sessions::record(&model, &of, damaged.records.get(key), Instant::from(as_of), &mut findings);
    }
    for refused in &damaged.refused {
        findings.expect(whole.refused.contains(refused), Promise::Posted, None, || {
            format!("in quarantine is what nobody saw kept: {}", refused.reason)
        });
    }
    for (seq, notice) in &damaged.outbox {
        let before = whole.outbox.iter().find(|(known, _)| known == seq).map(|(_, before)| before);
        let is_true = before
            .is_some_and(|before| notice == before || (notice.kind == NoticeKind::Forgotten && notice.id == before.id));
        findings.expect(is_true, Promise::Outbox, Some(notice.key.id()), || {
            format!("at place {seq} of the outbox stands {}, and not what was kept there", notice.id)
        });
    }
    findings.expect(damaged.outbox.is_sorted_by(|one, next| one.0 < next.0), Promise::Outbox, None, || {
        "places of the outbox are out of order".to_owned()
    });
    for consumer in &damaged.consumers {
        let before = whole.consumers.iter().find(|before| before.name == consumer.name);
        let is_ahead = |seq: &u64| !consumer.is_open(*seq) && before.is_none_or(|before| before.is_open(*seq));
        if let Some(seq) = (1..=whole.last_seq).find(is_ahead) {
            findings.note(Promise::Told, None, || {
                format!("`{}` has not acknowledged {seq}, and the log says that it has", consumer.name)
            });
        }
    }
    findings.0
}
