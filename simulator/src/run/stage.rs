//! What outlives a process: time, what happened so far, and what is going to go wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use finis_engine::Placed;
use finis_engine::live::NoticeId;

use super::played::{Did, Step};
use super::time::Time;
use crate::clock::{self, Micros};
use crate::mishaps::{How, Mishap, Moment, Who};

/// The state of the world around a process.
pub(super) struct Stage {
    pub(super) time: Arc<Time>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    steps: Vec<Step>,
    /// What befalls the next writes, one each.
    armed: VecDeque<Armed>,
    /// Until when every call takes how long.
    slow: Option<(Micros, Micros)>,
    full_until: Option<Micros>,
    stumbles: BTreeMap<Who, VecDeque<How>>,
    /// What each consumer has had an effect of: it keeps the id with it.
    effects: BTreeMap<Who, BTreeSet<NoticeId>>,
    /// The process died, and is down for so long.
    died: Option<Micros>,
    /// The log failed, and is opened again after so long.
    failed: Option<Micros>,
}

/// What befalls a write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Armed {
    Crash(Moment, Micros),
    Fail { kept: bool, down: Micros },
}

/// How a write fares.
pub(super) struct Write {
    /// How long it takes.
    pub(super) takes: Option<Micros>,
    pub(super) is_full: bool,
}

impl Stage {
    pub(super) fn new(time: Arc<Time>) -> Arc<Stage> {
        Arc::new(Stage { time, inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is one step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what happened, now.
    pub(super) fn note(&self, what: Did) {
        let at = clock::timestamp(self.time.right());
        self.lock().steps.push(Step { at, what });
    }

    pub(super) fn take_steps(&self) -> Vec<Step> {
        std::mem::take(&mut self.lock().steps)
    }

    /// Lets a mishap be felt by whoever comes across it.
    pub(super) fn arm(&self, mishap: &Mishap) {
        let now = self.time.right();
        let long = |ms: u64| clock::length(ms.saturating_mul(1000));
        let mut inner = self.lock();
        match *mishap {
            Mishap::Crash { at, down_ms } => inner.armed.push_back(Armed::Crash(at, long(down_ms))),
            Mishap::Fail { kept, down_ms } => inner.armed.push_back(Armed::Fail { kept, down: long(down_ms) }),
            Mishap::Slow { call_ms, lasts_ms } => inner.slow = Some((now + long(lasts_ms), long(call_ms))),
            Mishap::Full { lasts_ms } => inner.full_until = Some(now + long(lasts_ms)),
            Mishap::Stumble { who, how, times } => {
                let stumbles = inner.stumbles.entry(who).or_default();
                stumbles.extend((0..times.min(1000)).map(|_| how));
            }
            // These are done to the process, and not come across.
            Mishap::Kill { .. }
            | Mishap::Restart { .. }
            | Mishap::Clock { .. }
            | Mishap::Forget { .. }
            | Mishap::Retain { .. }
            | Mishap::Rewind { .. }
            | Mishap::Unpark { .. }
            | Mishap::Reread { .. }
            | Mishap::Mend { .. } => {}
        }
    }

    /// From here on nothing goes wrong any more.
    pub(super) fn heal(&self) {
        let mut inner = self.lock();
        (inner.slow, inner.full_until) = (None, None);
        inner.armed.clear();
        inner.stumbles.clear();
    }

    /// How long a call of the log takes now, and whether there is room.
    pub(super) fn disk(&self) -> Write {
        let now = self.time.right();
        let inner = self.lock();
        let takes = inner.slow.filter(|(until, _)| now < *until).map(|(_, takes)| takes);
        Write { takes, is_full: inner.full_until.is_some_and(|until| now < until) }
    }

    /// What befalls this write.
    pub(super) fn strike(&self) -> Option<Armed> {
        self.lock().armed.pop_front()
    }

    /// The process dies at once.
    pub(super) fn die(&self, down: Micros) {
        self.lock().died.get_or_insert(down);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.lock().died.is_some()
    }

    pub(super) fn take_death(&self) -> Option<Micros> {
        self.lock().died.take()
    }

    /// The log takes nothing more in this life.
    pub(super) fn fail(&self, down: Micros) {
        self.lock().failed.get_or_insert(down);
    }

    pub(super) fn take_failure(&self) -> Option<Micros> {
        self.lock().failed.take()
    }

    /// Somebody is handed a notice; how it stumbles, if it does.
    pub(super) fn hand(&self, who: Who, placed: &Placed) -> Option<How> {
        let (seq, id, key) = (placed.seq, placed.notice.id, placed.notice.key.clone());
        self.note(Did::Handed { who, seq, id, key });
        self.lock().stumbles.get_mut(&who).and_then(VecDeque::pop_front)
    }

    /// A consumer has its effect, unless it knows the id.
    pub(super) fn deal(&self, who: Who, placed: &Placed) {
        let first = self.lock().effects.entry(who).or_default().insert(placed.notice.id);
        self.note(Did::Dealt { who, seq: placed.seq, first });
    }

    pub(super) fn stumble(&self, who: Who, placed: &Placed) {
        self.note(Did::Stumbled { who, seq: placed.seq });
    }
}
