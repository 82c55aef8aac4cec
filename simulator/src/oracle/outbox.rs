//! What is said, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use finis_engine::live::{Notice, NoticeId, NoticeKind, SessionKey};

use super::{Findings, Promise};
use crate::run::{Did, Played};

pub(super) fn judge(played: &Played, findings: &mut Findings) {
    let mut said: Vec<&Notice> = Vec::new();
    let mut ids: BTreeMap<NoticeId, (&SessionKey, NoticeKind, u32)> = BTreeMap::new();
    let mut revisions: BTreeMap<(&SessionKey, NoticeKind), u32> = BTreeMap::new();
    let mut let_go: BTreeSet<&SessionKey> = BTreeSet::new();
    for step in &played.steps {
        match &step.what {
            Did::LetGo { keys, .. } => let_go.extend(keys),
            Did::Kept(batch) => {
                for (notice, is_first) in &batch.notices {
                    let session = Some(notice.key.id());
                    let name = || format!("{} {}", notice.kind.as_str(), notice.revision);
                    let is_away = let_go.contains(&notice.key);
                    // Of what was let go meanwhile the log knows better than the writer.
                    findings.expect(*is_first || is_away, Promise::Numbered, session, || {
                        format!("{} is made twice", name())
                    });
                    if !is_first {
                        continue;
                    }
                    findings.expect(!is_away, Promise::LetGo, session, || {
                        format!("{} is said of a session that was let go", name())
                    });
                    let is_same_id = ids.insert(notice.id, (&notice.key, notice.kind, notice.revision)).is_none();
                    findings.expect(is_same_id, Promise::Numbered, session, || {
                        format!("{} has the id of another notice: {}", name(), notice.id)
                    });
                    let is_its_own = notice.id == NoticeId::new(&notice.key, notice.kind, notice.revision);
                    findings.expect(is_its_own, Promise::Numbered, session, || {
                        format!("{} has the id of something else: {}", name(), notice.id)
                    });
                    let is_end = matches!(notice.kind, NoticeKind::Complete | NoticeKind::Amended);
                    let series = if is_end { NoticeKind::Complete } else { notice.kind };
                    let before = revisions.insert((&notice.key, series), notice.revision).unwrap_or(0);
                    let is_next = notice.revision == before + 1;
                    let is_named = !is_end || (notice.kind == NoticeKind::Complete) == (notice.revision == 1);
                    findings.expect(is_next && is_named, Promise::Numbered, session, || {
                        format!("{} comes after revision {before}", name())
                    });
                    said.push(notice);
                }
            }
            _ => {}
        }
    }
    let last = played.kept.last_seq;
    findings.expect(last == said.len() as u64, Promise::Outbox, None, || {
        format!("{} places of the outbox are taken, and {} notices were kept", last, said.len())
    });
    for (seq, notice) in &played.kept.outbox {
        // Places count from 1.
        let expected = usize::try_from(*seq).ok().and_then(|seq| said.get(seq.checked_sub(1)?));
        let is_right = expected.is_some_and(|expected| {
            notice.id == expected.id && (notice.kind == NoticeKind::Forgotten || notice == *expected)
        });
        findings.expect(is_right, Promise::Outbox, Some(notice.key.id()), || {
            format!("at place {seq} of the outbox stands {}, and not what was kept there", notice.id)
        });
    }
    let there: BTreeSet<u64> = played.kept.outbox.iter().map(|(seq, _)| *seq).collect();
    for (seq, notice) in (1..).zip(&said) {
        let may_be_away = let_go.contains(&notice.key);
        findings.expect(there.contains(&seq) || may_be_away, Promise::Outbox, Some(notice.key.id()), || {
            format!("nothing stands at place {seq} of the outbox")
        });
    }
}
