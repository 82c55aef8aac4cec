//! From one instant to the next.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use finis_engine::live::SessionKey;
use finis_engine::log::{Consumer, Log, LogRead, MemoryLog};
use finis_engine::{Contract, Denied, Engine, Retention, Source, Terms, Timestamp, Verify};
use finis_providers::signature::{Request, Verifier};

use super::consumers;
use super::log::SimulatedLog;
use super::operator;
use super::played::{Answer, Did, Ending, Kept, Played};
use super::pool::Pool;
use super::stage::Stage;
use super::time::{ReceiverClock, Time};
use crate::arrival::Arrival;
use crate::clock::{self, Micros, SECOND};
use crate::mishaps::{EVERYBODY, Mishap, milliseconds};
use crate::model;
use crate::story::{SOURCE, SetupError, Story, What};

/// After so long everything is finished, or never will be: longer than any deadline of any contract.
const PATIENCE: Micros = 40 * 86_400 * SECOND;
/// So many instants may pass after the last happening for each that was there.
const INSTANTS_MAX: u64 = 10_000;

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Happenings that are over.
    pub happened: usize,
    /// All of them.
    pub happenings: usize,
}

/// Plays a story to its end.
///
/// # Errors
/// When the receiver cannot be set up as the story says.
pub fn play(story: &Story, contract: &Contract, watch: &mut dyn FnMut(Progress)) -> Result<Played, SetupError> {
    let first = story.happenings.first().map_or(0, |happening| clock::micros(happening.at));
    let mut play = Play {
        story,
        contract: Arc::new(contract.clone()),
        terms: story.setup.terms(contract)?,
        // What was set up once can be set up again.
        source: story.arrivals().next().map_or(SOURCE, |(_, arrival)| &arrival.source).to_owned(),
        kept: Arc::default(),
        stage: Stage::new(Time::new(first - SECOND)),
        life: None,
        lives: 0,
        is_mended: !story.setup.misreads,
        start_at: None,
        panicked: None,
    };
    story.setup.verifier(contract)?;
    play.start();
    play.run();
    let happenings = story.happenings.len();
    let mut place = 0;
    while place < happenings && play.panicked.is_none() {
        let at = clock::micros(story.happenings[place].at);
        play.pass_until(at);
        // Those that come together are taken together.
        while let Some(happening) = story.happenings.get(place).filter(|next| clock::micros(next.at) <= at) {
            play.happen(place, &happening.what);
            place += 1;
        }
        play.run();
        watch(Progress { happened: place, happenings });
    }
    let unfinished = play.finish();
    Ok(play.end(unfinished))
}

/// A story that is being played.
struct Play<'s> {
    story: &'s Story,
    contract: Arc<Contract>,
    terms: Terms,
    source: String,
    kept: Arc<MemoryLog>,
    stage: Arc<Stage>,
    /// The process, when it is there.
    life: Option<Life>,
    lives: u64,
    /// The contract is as it is meant; it is not from the beginning where the setup misreads.
    is_mended: bool,
    /// When it is started, or opened again after its log failed.
    start_at: Option<Micros>,
    panicked: Option<String>,
}

/// A process.
struct Life {
    pool: Pool,
    /// Nothing in one that works on the log while nobody receives.
    engine: Option<Engine>,
    /// Writer and consumers that have not ended.
    running: Arc<AtomicUsize>,
    /// Deliveries that nobody has answered.
    open: Arc<AtomicUsize>,
    /// It is being closed, and will be down for so long.
    closing: Option<Micros>,
    /// The quarantine is read again when it is closed.
    rereads: bool,
}

/// What a source verifies with.
struct Proof(Verifier);

impl Verify for Proof {
    fn verify(&self, headers: &[(&str, &str)], body: &[u8], now: Timestamp) -> Result<(), Denied> {
        let request = Request { url: None, headers: headers.iter().copied(), body };
        self.0.verify(request, now).map(drop).map_err(|refused| Denied { reason: refused.to_string() })
    }
}

impl Play<'_> {
    fn time(&self) -> &Arc<Time> {
        &self.stage.time
    }

    /// Starts the process over what is kept.
    fn start(&mut self) {
        self.start_at = None;
        self.lives += 1;
        self.stage.note(Did::Started { life: self.lives });
        let log = SimulatedLog::open(Arc::clone(&self.kept), Arc::clone(&self.stage));
        let Some(source) = self.source() else { return };
        let clock = Arc::new(ReceiverClock(Arc::clone(self.time())));
        let (engine, writer) = Engine::new(Arc::new(log), clock, [source], self.story.setup.engine());
        let mut life = Life {
            pool: Pool::default(),
            engine: Some(engine.clone()),
            running: Arc::default(),
            open: Arc::default(),
            closing: None,
            rereads: false,
        };
        life.task(async move {
            // What became of it, the log knows.
            let _ = writer.run().await;
        });
        let (stage, setup) = (&self.stage, &self.story.setup);
        life.task(consumers::pull(Arc::clone(stage), engine.clone(), setup.ack_each));
        life.task(consumers::hand_over(Arc::clone(stage), engine, setup.clone()));
        self.life = Some(life);
    }

    /// Where deliveries come from, under the contract of now.
    fn source(&self) -> Option<Source> {
        let contract =
            if self.is_mended { Arc::clone(&self.contract) } else { Arc::new(operator::misreading(&self.contract)?) };
        // What was set up once can be set up again.
        let verify = Box::new(Proof(self.story.setup.verifier(&contract).ok()?));
        Some(Source { name: self.source.clone(), contract, terms: self.terms.clone(), verify })
    }

    /// Reads the quarantine again, while nobody receives: a process of its own, that ends by itself.
    fn reread(&mut self, down: Micros) {
        (self.start_at, self.is_mended) = (None, true);
        self.stage.note(Did::Rereading);
        let log: Arc<dyn Log> = Arc::new(SimulatedLog::open(Arc::clone(&self.kept), Arc::clone(&self.stage)));
        let Some(source) = self.source() else { return };
        let mut life = Life {
            pool: Pool::default(),
            engine: None,
            running: Arc::default(),
            open: Arc::default(),
            closing: Some(down),
            rereads: false,
        };
        let stage = Arc::clone(&self.stage);
        life.task(async move {
            let retried = operator::reread(log, source).await;
            if retried.is_ok() {
                stage.note(Did::Reread);
            }
        });
        self.life = Some(life);
        self.run();
    }

    /// Mends the contract, if it is not as it is meant, and then reads the quarantine again, while deliveries go on.
    fn mend(&mut self, engine: Engine, after: Micros) {
        let is_mended = std::mem::replace(&mut self.is_mended, true);
        let source = if is_mended { None } else { self.source() };
        let (Some(life), stage) = (&mut self.life, Arc::clone(&self.stage)) else { return };
        if source.is_some() {
            // Whatever process comes after this one has it from the beginning.
            stage.note(Did::Mending);
        }
        life.pool.spawn(async move {
            if let Some(source) = source
                && engine.set_sources([source]).await.is_ok()
            {
                stage.note(Did::Mended);
            }
            stage.time.sleep(after).await;
            // What it does not come to is in quarantine still.
            drop(engine.retry_refused().await);
        });
    }

    /// Lets everybody go on who can, and sees what became of the process.
    fn run(&mut self) {
        let Some(life) = &mut self.life else { return };
        let stage = &self.stage;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| life.pool.run(|| stage.is_dead()))) {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            self.panicked = Some(text.unwrap_or_else(|| "it did not say why".to_owned()));
            self.life = None;
            return;
        }
        let now = stage.time.right();
        if let Some(down) = stage.take_death() {
            self.lose(Ending::Crashed, now + down);
        } else if let Some(down) = stage.take_failure() {
            // It is still there, and answers that it takes nothing.
            self.start_at = Some(now + down);
        } else if let Some(down) = life.closing.filter(|_| life.running.load(Ordering::Relaxed) == 0) {
            let rereads = life.rereads;
            self.lose(Ending::Closed, now + down);
            if rereads {
                self.reread(down);
            }
        }
    }

    /// The process is gone, with all that it had in memory.
    fn lose(&mut self, how: Ending, start_at: Micros) {
        self.life = None;
        self.stage.note(Did::Ended { how });
        self.start_at = Some(start_at);
        // Those of the life that is over.
        let _ = (self.stage.take_death(), self.stage.take_failure());
    }

    /// When something is to be done next, though nothing happens.
    fn next(&self) -> Option<Micros> {
        [self.time().next(), self.start_at].into_iter().flatten().min()
    }

    /// Lets it be a later instant.
    fn step_to(&mut self, at: Micros) {
        self.time().set(at);
        if self.start_at.is_some_and(|start| start <= at) {
            if self.life.is_some() {
                self.lose(Ending::Failed, at);
            }
            self.start();
        }
        self.run();
    }

    /// Lets time pass up to an instant, and all that is due on the way be done.
    fn pass_until(&mut self, at: Micros) {
        while let Some(next) = self.next().filter(|next| *next < at && self.panicked.is_none()) {
            self.step_to(next);
        }
        self.time().set(at);
        if self.next().is_some_and(|next| next <= at) {
            self.step_to(at);
        }
    }

    fn happen(&mut self, place: usize, what: &What) {
        match what {
            What::Arrival(arrival) => self.post(place, arrival),
            What::Mishap(mishap) => {
                // What came before it is taken before it.
                self.run();
                self.stage.note(Did::Befell { place });
                self.befall(mishap);
                self.run();
            }
        }
    }

    fn post(&mut self, place: usize, arrival: &Arrival) {
        let stage = Arc::clone(&self.stage);
        stage.note(Did::Posted { place, ahead: stage.time.ahead() });
        let life = self.life.as_mut().and_then(|life| Some((life.engine.clone()?, life)));
        let Some((engine, life)) = life else {
            return stage.note(Did::Answered { place, answer: Answer::Down });
        };
        let open = Arc::clone(&life.open);
        let refuses = self.story.setup.refuses_when_busy;
        let Arrival { source, headers, body, .. } = arrival.clone();
        open.fetch_add(1, Ordering::Relaxed);
        life.pool.spawn(async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let told = if refuses {
                engine.try_receive(&source, &headers, &body).await
            } else {
                engine.receive(&source, &headers, &body).await
            };
            stage.note(Did::Answered { place, answer: Answer::Told(told) });
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn befall(&mut self, mishap: &Mishap) {
        let now = self.time().right();
        let key = match mishap {
            Mishap::Forget { session } => self.key_of(*session),
            _ => None,
        };
        self.stage.arm(mishap);
        if let Mishap::Clock { by_ms } = mishap {
            self.time().step(by_ms.saturating_mul(1000).clamp(-PATIENCE, PATIENCE));
        }
        let Some(life) = &mut self.life else { return };
        if let Mishap::Kill { down_ms } = *mishap {
            return self.lose(Ending::Crashed, now + milliseconds(down_ms));
        }
        let Some(engine) = life.engine.clone() else { return };
        match *mishap {
            Mishap::Restart { down_ms } | Mishap::Reread { down_ms } => {
                life.closing.get_or_insert(milliseconds(down_ms));
                life.rereads |= matches!(mishap, Mishap::Reread { .. });
                life.pool.spawn(async move { engine.close().await });
            }
            Mishap::Forget { .. } => {
                if let Some(key) = key {
                    // One that fails is not done, and nobody was told that it was.
                    life.pool.spawn(async move { drop(engine.forget(&key).await) });
                }
            }
            Mishap::Retain { after_s } => {
                let retention = Retention::new(Duration::from_secs(after_s));
                life.pool.spawn(async move { drop(engine.retain(&retention).await) });
            }
            Mishap::Rewind { who, by } => {
                life.pool.spawn(async move { drop(operator::rewind(&engine, who, by).await) });
            }
            Mishap::Unpark { who, all } => {
                life.pool.spawn(async move { drop(operator::unpark(&engine, who, all).await) });
            }
            Mishap::Mend { after_ms } => self.mend(engine, milliseconds(after_ms)),
            _ => {}
        }
    }

    /// The key of a session of the world, by what comes of it.
    fn key_of(&self, session: u64) -> Option<SessionKey> {
        let mut of_session = self.story.arrivals().filter(|(_, arrival)| arrival.is.session == session);
        of_session.find_map(|(_, arrival)| {
            let body = std::str::from_utf8(&arrival.body).ok()?;
            let told = model::read(self.contract.draft(), &arrival.headers, body).ok()?;
            let subject = self.contract.draft().subjects[told.subject].name.clone();
            Some(SessionKey::new(&arrival.source, &subject, &told.id))
        })
    }

    /// Lets everything be finished, and says what is not.
    fn finish(&mut self) -> Vec<String> {
        if self.panicked.is_some() {
            return Vec::new();
        }
        self.stage.heal();
        let until = self.time().right() + PATIENCE;
        for _ in 0..INSTANTS_MAX.saturating_mul(self.story.happenings.len() as u64 + 1) {
            self.run();
            if self.panicked.is_some() {
                return Vec::new();
            }
            let (left, parked) = (self.left(), self.parked());
            match self.next() {
                _ if left.is_empty() && parked.is_empty() => return left,
                Some(next) if next <= until => self.step_to(next),
                // Only now: whatever is not parked goes on without that.
                _ if left.is_empty() => self.retry_parked(),
                _ => return left.into_iter().chain(parked).collect(),
            }
        }
        vec!["time goes on, and nothing comes of it".to_owned()]
    }

    /// What is still to be done.
    fn left(&self) -> Vec<String> {
        let Some(life) = &self.life else { return vec!["the process is not there".to_owned()] };
        let mut left = Vec::new();
        let open = life.open.load(Ordering::Relaxed);
        if self.start_at.is_some() || life.closing.is_some() {
            left.push("the process is not there".to_owned());
        }
        if open > 0 {
            left.push(format!("{open} deliveries are not answered"));
        }
        if let Some(due) = at_once(self.kept.next_due()).flatten() {
            left.push(format!("a deadline is due at {due}"));
        }
        let last = at_once(self.kept.last_seq()).unwrap_or_default();
        let consumers = at_once(self.kept.consumers()).unwrap_or_default();
        for who in EVERYBODY {
            let Some(consumer) = consumers.iter().find(|consumer| consumer.name == who.name()) else {
                left.push(format!("the {who} is not known"));
                continue;
            };
            // What was erased meanwhile counts as open, and nobody will ever be handed it.
            let is_left = |seq: &u64| {
                let next = at_once(self.kept.notices(seq - 1, 1)).unwrap_or_default();
                next.iter().any(|(at, _)| at == seq)
            };
            let open = consumer.released().chain(consumer.acknowledged + 1..=last);
            if let Some(seq) = open.filter(|seq| consumer.is_open(*seq)).find(is_left) {
                left.push(format!("the {who} was not told {seq}"));
            }
        }
        left
    }

    /// What waits for somebody to let it go on.
    fn parked(&self) -> Vec<String> {
        let consumers = at_once(self.kept.consumers()).unwrap_or_default();
        let parked = |consumer: &Consumer| {
            let seqs: Vec<String> = consumer.parked().map(|(seq, _)| seq.to_string()).collect();
            format!("parked for the {}: {}", consumer.name, seqs.join(", "))
        };
        consumers.iter().filter(|consumer| consumer.parked().next().is_some()).map(parked).collect()
    }

    /// Lets what is parked go on.
    fn retry_parked(&mut self) {
        let consumers = at_once(self.kept.consumers()).unwrap_or_default();
        let life = self.life.as_mut().and_then(|life| Some((life.engine.clone()?, life)));
        let Some((engine, life)) = life else { return };
        for consumer in consumers.into_iter().filter(|consumer| consumer.parked().next().is_some()) {
            let engine = engine.clone();
            life.pool.spawn(async move { drop(engine.retry_parked(&consumer.name).await) });
        }
    }

    /// Looks at what there is, and ends.
    fn end(mut self, unfinished: Vec<String>) -> Played {
        let mut kept = Kept {
            outbox: at_once(self.kept.notices(0, usize::MAX)).unwrap_or_default(),
            last_seq: at_once(self.kept.last_seq()).unwrap_or_default(),
            refused: at_once(self.kept.refused(None, usize::MAX)).unwrap_or_default().deliveries,
            consumers: at_once(self.kept.consumers()).unwrap_or_default(),
            latest: at_once(self.kept.latest()).flatten(),
            ..Kept::default()
        };
        let keys = at_once(self.kept.sessions(None, usize::MAX)).unwrap_or_default();
        let stored = at_once(self.kept.load(&keys)).unwrap_or_default();
        let engine = self.life.take().and_then(|life| life.engine);
        let records = keys.iter().filter_map(|key| {
            // Nothing is slow any more.
            let record = at_once(engine.as_ref()?.session(key))??;
            Some((key.clone(), record))
        });
        kept.records = records.collect::<BTreeMap<_, _>>();
        kept.sessions = keys.into_iter().zip(stored).collect();
        let end = (clock::timestamp(self.time().right()), clock::timestamp(self.time().receiver()));
        Played { steps: self.stage.take_steps(), kept, unfinished, panicked: self.panicked, at_rest: true, end }
    }
}

impl Life {
    /// Runs a task that ends with the engine.
    fn task(&mut self, task: impl Future<Output = ()> + 'static) {
        let running = Arc::clone(&self.running);
        running.fetch_add(1, Ordering::Relaxed);
        self.pool.spawn(async move {
            task.await;
            running.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// What needs no waiting, as whatever is in memory.
fn at_once<T, E>(asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    match pin!(asked).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.ok(),
        Poll::Pending => None,
    }
}
