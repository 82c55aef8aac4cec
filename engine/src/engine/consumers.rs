//! What a person does with consumers: looks at them, sets them back, lets parked notices go on.

use std::fmt;

use super::{Engine, Placed, StartAt};
use crate::log::{Cause, Consumer, LogError, Mark, Standing};

/// A consumer, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Its name.
    pub consumer: String,
    /// All notices up to this one are dealt with or parked.
    pub acknowledged: u64,
    /// How many notices are still to be handed over to it. Those that are parked are not among them, and those that
    /// were erased count only while one before them is still there to be handed over.
    pub behind: u64,
    /// How many are parked.
    pub parked: usize,
    /// How many of these are tried again by themselves.
    pub waiting: usize,
    /// Whether nothing is handed over to it, until somebody lets a notice go on that it was closed for.
    pub is_closed: bool,
    /// A handler is handed its notices at this time.
    pub is_served: bool,
}

/// A notice that is set aside for a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// The notice, with its place.
    pub placed: Placed,
    /// Why it is parked.
    pub cause: Cause,
}

/// Why an acknowledgement is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckError {
    /// No notice has this place yet.
    Ahead {
        /// The last place that is taken.
        last: u64,
    },
    /// A handler is handed the notices of this consumer, and acknowledges them itself.
    Served,
    /// The log did not take it.
    Log(LogError),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AckError::Ahead { last } => write!(f, "no notice has that place yet: the last is {last}"),
            AckError::Served => f.write_str("a handler has this consumer, and acknowledges by itself"),
            AckError::Log(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AckError {}

impl From<LogError> for AckError {
    fn from(error: LogError) -> Self {
        AckError::Log(error)
    }
}

impl Engine {
    /// Every consumer by name, and how far it is.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn consumers(&self) -> Result<Vec<Progress>, LogError> {
        let consumers = self.inner.log.consumers().await?;
        // Looked at later: nobody is ahead of it.
        let said = self.inner.log.last_seq().await?;
        let parked =
            |consumer: &Consumer, is: fn(&Cause) -> bool| consumer.parked().filter(|(_, cause)| is(cause)).count();
        let mut all = Vec::with_capacity(consumers.len());
        for consumer in consumers {
            all.push(Progress {
                acknowledged: consumer.acknowledged,
                behind: self.behind(&consumer, said).await?,
                parked: parked(&consumer, |_| true),
                waiting: parked(&consumer, |cause| matches!(cause, Cause::Later { .. })),
                is_closed: parked(&consumer, |cause| matches!(cause, Cause::Closed { .. })) > 0,
                is_served: self.inner.gates.is_served(&consumer.name),
                consumer: consumer.name,
            });
        }
        Ok(all)
    }

    /// How many notices are open for a consumer, but for places right behind its mark of which nothing is left: the
    /// mark moves over these with the next notice that is handed over, and there may be none for a long time.
    async fn behind(&self, consumer: &Consumer, said: u64) -> Result<u64, LogError> {
        let behind = consumer.behind(said);
        if behind == 0 {
            return Ok(0);
        }
        let first = self.inner.log.notices(consumer.acknowledged, 1).await?.pop();
        // What was said since counts the next time.
        let last_gone = first.map_or(said, |(seq, _)| seq.saturating_sub(1)).min(said);
        let mut moved = consumer.clone();
        moved.take(&Mark::UpTo(last_gone));
        Ok(moved.behind(said))
    }

    /// Makes a consumer, or leaves one that is known as it is. Says whether it is new.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn begin_consumer(&self, consumer: &str, start: StartAt) -> Result<bool, LogError> {
        let gate = self.inner.gates.of(consumer);
        let _turn = gate.turn().await;
        let is_new = self.inner.known_consumer(consumer).await?.is_none();
        self.inner.consumer(consumer, start).await?;
        Ok(is_new)
    }

    /// Says for a consumer that is not here, as one behind a network, that all notices up to a place are dealt
    /// with. To say it late, or twice, does no harm; one that is not known is made by it. What was acknowledged
    /// then is answered.
    ///
    /// Whoever is handed notices in this process acknowledges by [`Notices::ack`](super::Notices::ack), which
    /// knows what was handed over, and whether it was rewound since. This does not.
    ///
    /// # Errors
    /// When no notice has that place, when a handler has the consumer, or when the log does not take it.
    pub async fn acknowledge(&self, consumer: &str, seq: u64) -> Result<u64, AckError> {
        let last = self.inner.log.last_seq().await?;
        if seq > last {
            return Err(AckError::Ahead { last });
        }
        let gate = self.inner.gates.of(consumer);
        let _turn = gate.turn().await;
        if self.inner.gates.is_served(consumer) {
            return Err(AckError::Served);
        }
        let mut known = self.inner.consumer(consumer, StartAt::Oldest).await?;
        let mark = Mark::UpTo(seq);
        if known.is_news(&mark) {
            self.inner.log.mark(consumer, std::slice::from_ref(&mark)).await?;
            known.take(&mark);
        }
        Ok(known.acknowledged)
    }

    /// Sets a consumer back or forward: the next that it is told is the notice after `seq`. Whoever follows
    /// it goes on from there at once; an acknowledgement of what was handed over before comes too late.
    /// Notices that are parked before that place stay so. Nothing happens to one that is not known.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn rewind(&self, consumer: &str, seq: u64) -> Result<(), LogError> {
        let gate = self.inner.gates.of(consumer);
        let _turn = gate.turn().await;
        let seq = seq.min(self.inner.log.last_seq().await?);
        self.inner.log.mark(consumer, &[Mark::Reset(seq)]).await?;
        gate.tell_rewound(seq);
        Ok(())
    }

    /// Forgets a consumer, and all that was remembered of it: it keeps nothing from leaving the store any
    /// more. A handover to it ends. Whoever takes notices by this name afterwards is a new consumer.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn remove_consumer(&self, consumer: &str) -> Result<(), LogError> {
        let gate = self.inner.gates.of(consumer);
        let _turn = gate.turn().await;
        self.inner.log.remove_consumer(consumer).await?;
        gate.tell_removed();
        Ok(())
    }

    /// The notices that are parked for a consumer, in order, and why.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn parked(&self, consumer: &str) -> Result<Vec<Parked>, LogError> {
        self.parked_after(consumer, 0, usize::MAX).await
    }

    /// The same, those after a place, up to this many.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn parked_after(&self, consumer: &str, after: u64, limit: usize) -> Result<Vec<Parked>, LogError> {
        let Some(known) = self.inner.known_consumer(consumer).await? else { return Ok(Vec::new()) };
        let mut parked = Vec::new();
        for (seq, cause) in known.parked().filter(|(seq, _)| *seq > after).take(limit) {
            // One at a time: they are few, and may lie far apart.
            let found = self.inner.log.notices(seq.saturating_sub(1), 1).await?.pop();
            // What was erased is not there to be shown.
            let notice = found.filter(|(found, _)| *found == seq).map(|(_, notice)| notice);
            parked.extend(notice.map(|notice| Parked { placed: Placed { seq, notice }, cause: cause.clone() }));
        }
        Ok(parked)
    }

    /// Lets all notices that are parked for a consumer be handed over again, in the order of each session.
    /// Says how many there are.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn retry_parked(&self, consumer: &str) -> Result<usize, LogError> {
        self.unpark(consumer, retry_all).await
    }

    /// Lets one parked notice be handed over again, with those that are held behind it; of one that is held,
    /// the one that it is held behind. Says how many these are.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn retry_one_parked(&self, consumer: &str, seq: u64) -> Result<usize, LogError> {
        self.unpark(consumer, |known| retry_one(known, seq)).await
    }

    /// Lets a parked notice be: it counts as dealt with, and those held behind it are handed over. Says
    /// whether there is such a one.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn skip_parked(&self, consumer: &str, seq: u64) -> Result<bool, LogError> {
        Ok(self.unpark(consumer, |known| skip(known, seq)).await? > 0)
    }

    /// Puts another reason in the place of the one for which a notice is parked, which may quote what was erased
    /// since. Says whether there was one.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn reword_parked(&self, consumer: &str, seq: u64, reason: &str) -> Result<bool, LogError> {
        Ok(self.unpark(consumer, |known| reword(known, seq, reason)).await? > 0)
    }

    /// Makes marks on the state that they are made of. Says how many.
    async fn unpark(
        &self,
        consumer: &str,
        marks: impl FnOnce(&Consumer) -> Vec<Mark> + Send,
    ) -> Result<usize, LogError> {
        let gate = self.inner.gates.of(consumer);
        let _turn = gate.turn().await;
        let Some(known) = self.inner.known_consumer(consumer).await? else { return Ok(0) };
        let marks = marks(&known);
        if !marks.is_empty() {
            self.inner.log.mark(consumer, &marks).await?;
            gate.tell_changed();
        }
        Ok(marks.len())
    }
}

/// What lets everything that is parked be handed over again.
pub(super) fn retry_all(consumer: &Consumer) -> Vec<Mark> {
    consumer.parked().map(|(seq, _)| Mark::Release(seq)).collect()
}

/// What lets one, or the one that it is held behind, be handed over again.
pub(super) fn retry_one(consumer: &Consumer, seq: u64) -> Vec<Mark> {
    let Some((_, cause)) = consumer.parked().find(|(parked, _)| *parked == seq) else { return Vec::new() };
    let first_seq = match cause {
        Cause::Failed { .. } | Cause::Later { .. } | Cause::Closed { .. } => seq,
        Cause::Held { behind } => *behind,
    };
    let first = is_parked(consumer, first_seq).then_some(Mark::Release(first_seq));
    first.into_iter().chain(held_behind(consumer, first_seq)).collect()
}

/// What lets one be, and those go on that it held.
pub(super) fn skip(consumer: &Consumer, seq: u64) -> Vec<Mark> {
    if !is_parked(consumer, seq) {
        return Vec::new();
    }
    let held = held_behind(consumer, seq);
    std::iter::once(Mark::Done(seq)).chain(held).collect()
}

/// What puts another reason in the place of that for which one is parked, if it has any.
fn reword(consumer: &Consumer, seq: u64, reason: &str) -> Vec<Mark> {
    let parked = consumer.parked().find(|(parked, cause)| *parked == seq && cause.reason().is_some());
    parked.map(|(_, cause)| Mark::Park(seq, cause.clone().with_reason(reason))).into_iter().collect()
}

/// What lets those go on that are held behind nothing: they were held by somebody who did not know yet that
/// what they are behind is parked no more.
pub(super) fn release_orphans(consumer: &Consumer) -> Vec<Mark> {
    let orphan = |(seq, cause): (u64, &Cause)| match cause {
        Cause::Held { behind } if !is_parked(consumer, *behind) => Some(Mark::Release(seq)),
        _ => None,
    };
    consumer.parked().filter_map(orphan).collect()
}

fn is_parked(consumer: &Consumer, seq: u64) -> bool {
    matches!(consumer.standing.get(&seq), Some(Standing::Parked(_)))
}

fn held_behind(consumer: &Consumer, seq: u64) -> impl Iterator<Item = Mark> {
    consumer.parked().filter_map(move |(held, cause)| match cause {
        Cause::Held { behind } if *behind == seq => Some(Mark::Release(held)),
        _ => None,
    })
}
