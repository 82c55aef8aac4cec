//! Who is told what.

use std::collections::{BTreeMap, BTreeSet};

use finis_engine::live::{NoticeId, SessionKey};
use finis_engine::log::Mark;

use super::{Findings, Promise};
use crate::mishaps::{EVERYBODY, Who};
use crate::run::{Did, Played};

/// A consumer, as anybody would first write it.
#[derive(Default)]
struct Told {
    /// All up to here are settled, and some beyond, but for those that are parked or let out again.
    up_to: u64,
    beyond: BTreeSet<u64>,
    parked: BTreeSet<u64>,
    released: BTreeSet<u64>,
    /// What it had its effect of, whether the log knows or not; ever, and since it came.
    dealt: BTreeSet<u64>,
    dealt_since: BTreeSet<u64>,
    /// Nothing up to here is open.
    closed_to: u64,
    /// Where it began, and all before is none of its business.
    begun: u64,
    /// What it was handed last since it was set back, if it was.
    handed: u64,
    /// Up to where it tried to acknowledge, and was told that this is kept.
    acking: u64,
    acked: u64,
}

pub(super) fn judge(played: &Played, findings: &mut Findings) {
    let mut said: Vec<(NoticeId, &SessionKey)> = Vec::new();
    let mut of_session: BTreeMap<&SessionKey, Vec<u64>> = BTreeMap::new();
    let mut let_go: BTreeSet<&SessionKey> = BTreeSet::new();
    let mut told: BTreeMap<Who, Told> = EVERYBODY.into_iter().map(|who| (who, Told::default())).collect();
    for step in &played.steps {
        match &step.what {
            Did::Kept(batch) => {
                for (notice, _) in batch.notices.iter().filter(|(_, is_first)| *is_first) {
                    said.push((notice.id, &notice.key));
                    of_session.entry(&notice.key).or_default().push(said.len() as u64);
                }
            }
            Did::LetGo { keys, .. } => let_go.extend(keys),
            Did::Marked { who, marks } => {
                let told = told.entry(*who).or_default();
                for mark in marks {
                    told.mark(mark);
                }
            }
            Did::Handed { who, seq, id, .. } => {
                let told = told.entry(*who).or_default();
                // Places count from 1.
                let known = usize::try_from(*seq).ok().and_then(|seq| said.get(seq.checked_sub(1)?));
                let Some((known, key)) = known.filter(|(known, _)| known == id) else {
                    findings.note(Promise::Outbox, None, || {
                        format!("the {who} is handed {id} at place {seq}, which nobody has kept there")
                    });
                    continue;
                };
                let session = Some(key.id());
                findings.expect(!told.is_settled(*seq), Promise::NotAgain, session, || {
                    format!("the {who} has acknowledged {seq}, and is handed it again as {known}")
                });
                told.handed = *seq;
                let is_open = |told: &Told, before: u64| {
                    // Below what was said, which is in memory.
                    told.is_open(before) && !let_go.contains(said[before as usize - 1].1)
                };
                // Those before it are dealt with; by the one that pulls all of them, whatever the session.
                let first_open = match who {
                    Who::Puller => {
                        while told.closed_to + 1 < *seq && !is_open(told, told.closed_to + 1) {
                            told.closed_to += 1;
                        }
                        Some(told.closed_to + 1).filter(|before| before < seq)
                    }
                    Who::Handler => {
                        let of_session = of_session.get(key).into_iter().flatten();
                        of_session.copied().take_while(|before| before < seq).find(|before| is_open(told, *before))
                    }
                };
                if let Some(before) = first_open {
                    findings.note(Promise::InOrder, session, || {
                        format!("the {who} is handed {seq}, and has not dealt with {before}")
                    });
                }
            }
            Did::Dealt { who, seq, .. } => {
                let told = told.entry(*who).or_default();
                told.dealt.insert(*seq);
                told.dealt_since.insert(*seq);
            }
            Did::Came { who } => told.entry(*who).or_default().come(),
            Did::Acking { who, seq } => {
                let told = told.entry(*who).or_default();
                told.acking = told.acking.max(*seq);
            }
            Did::Acked { who, seq } => {
                let told = told.entry(*who).or_default();
                // What it was handed before it was set back counts no more.
                told.acked = told.acked.max(*seq.min(&told.handed));
            }
            _ => {}
        }
    }
    for (who, told) in told {
        let remembered = played.kept.consumers.iter().find(|known| known.name == who.name());
        for (seq, (id, key)) in (1..).zip(&said) {
            let may_be_away = let_go.contains(*key);
            let session = Some(key.id());
            let is_remembered = remembered.is_some_and(|known| !known.is_open(seq));
            findings.expect(
                is_remembered || !(told.is_settled(seq) || told.parked.contains(&seq)),
                Promise::NotAgain,
                session,
                || format!("the {who} has acknowledged {seq}, {id}, and the log has forgotten it"),
            );
            let is_dealt = seq <= told.begun
                || told.parked.contains(&seq)
                || match who {
                    Who::Puller => seq <= told.acking,
                    Who::Handler => told.dealt.contains(&seq),
                };
            findings.expect(is_dealt || may_be_away || !is_remembered, Promise::Told, session, || {
                format!("the {who} has not acknowledged {seq}, {id}, and the log says that it has")
            });
            if !played.at_rest {
                continue;
            }
            let is_told = told.dealt.contains(&seq) && told.is_settled(seq);
            findings.expect(is_told || may_be_away, Promise::Told, session, || {
                format!("the {who} has not dealt with {seq}, {id}")
            });
        }
    }
}

impl Told {
    fn is_settled(&self, seq: u64) -> bool {
        let is_aside = self.parked.contains(&seq) || self.released.contains(&seq);
        !is_aside && (seq <= self.up_to.max(self.acked) || self.beyond.contains(&seq))
    }

    fn is_open(&self, seq: u64) -> bool {
        !self.is_settled(seq) && !self.dealt_since.contains(&seq)
    }

    /// It begins where the log knows it to be: what it had its effect of before counts, but comes again.
    fn come(&mut self) {
        self.dealt_since.clear();
        self.closed_to = self.closed_to.min(self.up_to);
    }

    fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::UpTo(to) => self.up_to = self.up_to.max(*to),
            Mark::Begin(to) => {
                self.begun = self.begun.max(*to);
                self.up_to = self.up_to.max(*to);
            }
            Mark::Done(seq) => {
                self.parked.remove(seq);
                self.released.remove(seq);
                self.beyond.insert(*seq);
            }
            Mark::Park(seq, _) => {
                if !self.is_settled(*seq) {
                    self.released.remove(seq);
                    self.parked.insert(*seq);
                }
            }
            Mark::Release(seq) => {
                if self.parked.remove(seq) {
                    self.released.insert(*seq);
                }
            }
            Mark::Reset(to) => {
                // Set forward, as by somebody who set it back when another already had: what is between is let be.
                let skipped: Vec<u64> = (self.up_to + 1..=*to).filter(|seq| self.is_open(*seq)).collect();
                self.dealt.extend(skipped);
                for beyond in [&mut self.beyond, &mut self.parked, &mut self.released] {
                    beyond.split_off(&(to + 1));
                }
                self.begun = self.begun.max(if *to > self.up_to { *to } else { 0 });
                self.up_to = *to;
                self.closed_to = self.closed_to.min(*to);
                self.acked = self.acked.min(*to);
                self.handed = 0;
            }
        }
        while self.beyond.remove(&(self.up_to + 1)) {
            self.up_to += 1;
        }
    }
}
