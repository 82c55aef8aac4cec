//! What children said, put together with what the store has, for the oracle of the simulator to judge.
//!
//! What a process was told it says itself; what its store kept is seen when somebody looks, and was kept before
//! any of that was said. So a life is told to the oracle in this order: what was posted, what the log is found
//! to have kept since the last look, what was answered and handed over, and how far the log knows consumers to
//! be. All promises of [`finis_simulator::oracle`] hold after every fault, of the whole history of a store.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use finis::engine::live::{NoticeId, SessionKey};
use finis::engine::log::{Log, LogRead, Mark, RefusedId, Standing};
use finis::engine::{Clock, Placed, Policy, Receipt, ReceiveError, Timestamp};
use finis::live::{Finis, SystemClock};
use finis_simulator::Arrival;
use finis_simulator::mishaps::{EVERYBODY, Who};
use finis_simulator::oracle::{Given, judge_run};
use finis_simulator::run::{Answer, Batch, Did, Kept, Played, Step};
use finis_store::{EmbeddedLog, Report};

use crate::child::Spoken;
use crate::deliveries::{BRIEF, Identity, STALL, contract, identity, posted, terms};
use crate::look::Look;
use crate::process::PATIENCE;
use crate::store;

/// All that was said about one store, in all lives.
#[derive(Clone, Default)]
pub(crate) struct Claims {
    /// What happened, up to the last look, and what was said since.
    steps: Vec<Step>,
    said: Vec<Step>,
    lives: u64,
    /// There was a life since the last look: how far consumers are is not known.
    is_unseen: bool,
    found: Found,
    next: u64,
}

/// What the last look found.
#[derive(Clone, Default)]
struct Found {
    deliveries: BTreeSet<Identity>,
    deadlines: BTreeSet<(SessionKey, Timestamp)>,
    refused: BTreeSet<RefusedId>,
    notices: usize,
}

/// What there was to check.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) kept: usize,
    pub(crate) notices: usize,
    pub(crate) handed: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Counts) {
        self.kept += more.kept;
        self.notices += more.notices;
        self.handed += more.handed;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { kept, notices, handed } = self;
        write!(f, "{kept} deliveries acknowledged, {notices} notices made, {handed} handed over")
    }
}

impl Claims {
    /// Of these lines, deliveries that were said to be kept, and are not there.
    pub(crate) fn not_there(&self, lines: &[String]) -> usize {
        let kept = lines.iter().filter_map(|line| line.strip_prefix("kept ")?.split(' ').next()?.parse().ok());
        kept.filter(|number| !self.found.deliveries.contains(&identity(&posted(*number)))).count()
    }

    /// The number to go on from.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Up to the last look.
    pub(crate) fn counts(&self) -> Counts {
        let count = |is: &dyn Fn(&Did) -> bool| self.steps.iter().filter(|step| is(&step.what)).count();
        Counts {
            kept: count(&|did| matches!(did, Did::Answered { answer: Answer::Told(Ok(_)), .. })),
            notices: self.found.notices,
            handed: count(&|did| matches!(did, Did::Handed { .. })),
        }
    }

    /// Takes note of what one life said.
    #[track_caller]
    pub(crate) fn hear(&mut self, lines: &[String], what: &str) {
        self.hear_until(lines, lines.len(), what);
    }

    /// As [`Claims::hear`]; what was said from line `end` on, nobody outside has heard, so it binds
    /// nobody. It says what was under way.
    #[track_caller]
    pub(crate) fn hear_until(&mut self, lines: &[String], end: usize, what: &str) {
        let is_known = !std::mem::replace(&mut self.is_unseen, true);
        self.start();
        for (place, line) in lines.iter().enumerate() {
            // What sled does with a thread of its own is its own affair.
            let panicked = line.contains("panicked at") && !line.contains("/sled-");
            assert!(!panicked, "{what}: {}", lines.join("\n"));
            for did in read(line).into_iter().flatten() {
                let is_heard = match did {
                    Did::Answered { .. } | Did::Handed { .. } | Did::Acked { .. } => place < end,
                    // What it has to be handed again is known to whoever looked.
                    Did::Came { .. } => is_known,
                    _ => true,
                };
                if let Did::Posted { place, .. } = did {
                    self.next = self.next.max(place as u64 + 1);
                }
                if is_heard {
                    self.say(did);
                }
            }
        }
    }

    fn start(&mut self) {
        self.lives += 1;
        self.say(Did::Started { life: self.lives });
    }

    /// When it was heard is all that is known of when it was.
    fn say(&mut self, what: Did) {
        self.said.push(Step { at: SystemClock.now(), what });
    }

    /// Opens the store and looks; what opening found. Damage is none.
    #[track_caller]
    pub(crate) fn check(&mut self, folder: &Path, what: &str) -> Report {
        let (log, report) = match EmbeddedLog::open(folder, &store::settings()) {
            Ok(opened) => opened,
            Err(error) => panic!("{what}: {}", crate::child::chain(&error)),
        };
        assert!(report.journal.damage.is_empty() && report.unreadable == 0, "{what}: {report}");
        let look = store::runtime().block_on(Look::at(&log, STALL, what));
        self.judge(look, None, what);
        report
    }

    /// Holds all that was said against what is there; `rest` is when everything had come to an end.
    #[track_caller]
    fn judge(&mut self, look: Look, rest: Option<Timestamp>, what: &str) {
        let Look { kept, as_of, sessions_damaged, quarantine_damaged } = look;
        let damaged = (&sessions_damaged, &quarantine_damaged);
        assert_eq!(damaged, (&Vec::new(), &Vec::new()), "{what}: damaged");
        self.is_unseen = false;
        let batch = self.found.more(&kept);
        let said = std::mem::take(&mut self.said);
        let (first, then): (Vec<Step>, Vec<Step>) =
            said.into_iter().partition(|step| matches!(step.what, Did::Posted { .. }));
        let now = |what| Step { at: SystemClock.now(), what };
        self.steps.extend(first);
        self.steps.push(now(Did::Kept(Box::new(batch))));
        self.steps.extend(then);
        self.steps.extend(marks(&kept).map(now));

        let posted: Vec<(usize, Arc<Arrival>)> = self
            .steps
            .iter()
            .filter_map(|step| match step.what {
                Did::Posted { place, .. } => Some((place, posted(place as u64))),
                _ => None,
            })
            .collect();
        let arrivals = posted.iter().map(|(place, arrival)| (*place, &**arrival)).collect();
        let given =
            Given { contract: contract(), arrivals, terms: terms(STALL), calm: false, retains: false, misreads: false };
        let end = rest.or(as_of).unwrap_or(Timestamp::MIN);
        let steps = std::mem::take(&mut self.steps);
        let played =
            Played { steps, kept, unfinished: Vec::new(), panicked: None, at_rest: rest.is_some(), end: (end, end) };
        let broken: Vec<String> = judge_run(&given, &played).iter().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "{what}: {}", broken.join("\n"));
        self.steps = played.steps;
    }

    /// Faults are over: every deadline passes, every consumer gets what is left, and all that is said of every
    /// session is what was to be said.
    #[track_caller]
    pub(crate) fn comes_to_rest(&mut self, folder: &Path, what: &str) {
        store::runtime().block_on(async {
            let finis = store::open(folder).await.unwrap();
            self.start();
            wait_for(what, "deadlines", async || !is_due(finis.log()).await).await;
            self.pulls_the_rest(&finis).await;
            self.is_handed_the_rest(&finis, what).await;
            let mut look = Look::at(finis.log(), STALL, what).await;
            // As the engine has them, which knows what time it is.
            for (key, record) in &mut look.kept.records {
                *record = finis.session(key.source(), key.id()).await.unwrap().unwrap();
            }
            self.judge(look, Some(SystemClock.now()), what);
            finis.close().await.unwrap();
        });
        let report = self.check(folder, what);
        assert!(report.journal.closed && report.replayed == 0, "{what}: {report}");
    }

    async fn pulls_the_rest(&mut self, finis: &Finis) {
        let who = Who::Puller;
        let mut notices = finis.notices(who.name()).await.unwrap();
        self.comes(who);
        let mut last = None;
        while let Some(placed) = notices.try_next().await.unwrap() {
            last = Some(placed.seq);
            self.hand(who, placed);
        }
        if let Some(seq) = last {
            self.say(Did::Acking { who, seq });
            notices.ack(seq).await.unwrap();
            self.say(Did::Acked { who, seq });
        }
    }

    async fn is_handed_the_rest(&mut self, finis: &Finis, what: &str) {
        let who = Who::Handler;
        self.comes(who);
        let handed = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&handed);
        let handler = move |placed: Placed| {
            taken.lock().unwrap().push(placed);
            async { Ok::<(), Infallible>(()) }
        };
        let handover = finis.deliver(who.name(), Policy::default(), handler).await.unwrap();
        let last = finis.log().last_seq().await.unwrap();
        wait_for(what, "the rest to be handed over", async || {
            let consumers = finis.consumers().await.unwrap();
            consumers.iter().any(|known| known.consumer == who.name() && known.acknowledged >= last)
        })
        .await;
        handover.stop().await.unwrap();
        let handed = std::mem::take(&mut *handed.lock().unwrap());
        for placed in handed {
            self.hand(who, placed);
        }
    }

    /// A consumer comes when it is known how far it is.
    fn comes(&mut self, who: Who) {
        if !self.is_unseen {
            self.say(Did::Came { who });
        }
    }

    fn hand(&mut self, who: Who, Placed { seq, notice }: Placed) {
        self.say(Did::Handed { who, seq, id: notice.id, key: notice.key });
        self.say(Did::Dealt { who, seq, first: true });
    }
}

impl Found {
    /// What is there, and was not when somebody looked last; it is not told from now on.
    fn more(&mut self, kept: &Kept) -> Batch {
        let mut batch = Batch::default();
        for (key, stored) in &kept.sessions {
            for event in &stored.events {
                if self.deliveries.insert(Identity::Event(key.clone(), event.digest.to_bytes())) {
                    batch.events.push((event.clone(), true));
                }
            }
            let deadlines = stored.deadlines.iter().map(|due| (key.clone(), *due));
            batch.deadlines.extend(deadlines.filter(|deadline| self.deadlines.insert(deadline.clone())));
        }
        for refused in &kept.refused {
            if self.refused.insert(refused.id()) {
                self.deliveries.insert(Identity::Unfit(refused.source.clone(), refused.delivery.body.to_vec()));
                batch.refused.push(refused.clone());
            }
        }
        batch.notices.extend(kept.outbox.iter().skip(self.notices).map(|(_, notice)| (notice.clone(), true)));
        self.notices = self.notices.max(kept.outbox.len());
        batch.events.sort_by_key(|(event, _)| event.received_at);
        batch.refused.sort_by_key(|refused| refused.received_at);
        batch
    }
}

/// How far the log knows consumers to be.
fn marks(kept: &Kept) -> impl Iterator<Item = Did> {
    EVERYBODY.into_iter().filter_map(|who| {
        let known = kept.consumers.iter().find(|known| known.name == who.name())?;
        let done = known.standing.iter().filter(|(_, standing)| **standing == Standing::Done);
        let marks = done.map(|(seq, _)| Mark::Done(*seq)).chain([Mark::UpTo(known.acknowledged)]).collect();
        Some(Did::Marked { who, marks })
    })
}

/// What a line of a child says; nothing when it is not about what is promised.
fn read(line: &str) -> Option<Vec<Did>> {
    let (word, rest) = line.split_once(' ')?;
    let (name, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let who = || EVERYBODY.into_iter().find(|who| who.name() == name);
    let answered = |told| Some(vec![Did::Answered { place: name.parse().ok()?, answer: Answer::Told(told) }]);
    let reason = after.to_owned();
    match word {
        "posting" => Some(vec![Did::Posted { place: name.parse().ok()?, ahead: 0 }]),
        "kept" => answered(Ok(Spoken::<Receipt>::read(after)?)),
        "denied" => answered(Err(ReceiveError::Denied { reason })),
        "refused" => answered(Err(ReceiveError::Stopped { reason })),
        "came" => Some(vec![Did::Came { who: who()? }]),
        "handed" => {
            let mut words = after.splitn(3, ' ');
            let (seq, id) = (words.next()?.parse().ok()?, notice_id(words.next()?)?);
            let (who, key) = (who()?, Spoken::<SessionKey>::read(words.next()?)?);
            Some(vec![Did::Handed { who, seq, id, key }, Did::Dealt { who, seq, first: true }])
        }
        "acking" => Some(vec![Did::Acking { who: who()?, seq: after.parse().ok()? }]),
        "acked" => Some(vec![Did::Acked { who: who()?, seq: after.parse().ok()? }]),
        _ => None,
    }
}

/// As it is printed.
fn notice_id(text: &str) -> Option<NoticeId> {
    let digits = text.strip_prefix("ntc_")?;
    Some(NoticeId::from_bytes(u128::from_str_radix(digits, 16).ok()?.to_be_bytes()))
}

/// Whether a session with brief deadlines waits for one.
async fn is_due(log: &dyn Log) -> bool {
    log.due(None, Timestamp::MAX, usize::MAX).await.unwrap().iter().any(|(_, key)| key.source() == BRIEF)
}

async fn wait_for(what: &str, whom: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < until, "{what}: waited in vain for {whom}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
