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
use finis_engine::log::{LogError, LogRead, MemoryLog};
use finis_engine::{Contract, Denied, Engine, Retention, Source, Terms, Timestamp, Verify};
use finis_providers::signature::{Request, Verifier};

use super::consumers;
use super::log::SimulatedLog;
use super::played::{Answer, Did, Ending, Kept, Played};
use super::pool::Pool;
use super::stage::Stage;
use super::time::{ReceiverClock, Time};
use crate::arrival::Arrival;
use crate::clock::{self, Micros, SECOND};
use crate::mishaps::{EVERYBODY, Mishap, Who, milliseconds};
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
    /// When it is started, or opened again after its log failed.
    start_at: Option<Micros>,
    panicked: Option<String>,
}

/// A process.
struct Life {
    pool: Pool,
    engine: Engine,
    /// Writer and consumers that have not ended.
    running: Arc<AtomicUsize>,
    /// Deliveries that nobody has answered.
    open: Arc<AtomicUsize>,
    /// It is being closed, and will be down for so long.
    closing: Option<Micros>,
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
        let Ok(verifier) = self.story.setup.verifier(&self.contract) else { return };
        let source = Source {
            name: self.source.clone(),
            contract: Arc::clone(&self.contract),
            terms: self.terms.clone(),
            verify: Box::new(Proof(verifier)),
        };
        let clock = Arc::new(ReceiverClock(Arc::clone(self.time())));
        let (engine, writer) = Engine::new(Arc::new(log), clock, [source], self.story.setup.engine());
        let mut life = Life {
            pool: Pool::default(),
            engine: engine.clone(),
            running: Arc::default(),
            open: Arc::default(),
            closing: None,
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
            self.lose(Ending::Closed, now + down);
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
        let Some(life) = &mut self.life else {
            return stage.note(Did::Answered { place, answer: Answer::Down });
        };
        let (engine, open) = (life.engine.clone(), Arc::clone(&life.open));
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
        let engine = life.engine.clone();
        match *mishap {
            Mishap::Kill { down_ms } => self.lose(Ending::Crashed, now + milliseconds(down_ms)),
            Mishap::Restart { down_ms } => {
                life.closing.get_or_insert(milliseconds(down_ms));
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
            Mishap::Rewind { who, by } => life.pool.spawn(async move { drop(rewind(&engine, who, by).await) }),
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
            Some(SessionKey { source: arrival.source.clone(), subject, id: told.id })
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
            let left = self.left();
            if left.is_empty() {
                return left;
            }
            let is_idle = self.retry_parked();
            match self.next() {
                Some(next) if next <= until => self.step_to(next),
                _ if !is_idle => {}
                _ => return left,
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
            if let Some((seq, _)) = consumer.parked().next() {
                left.push(format!("{seq} is parked for the {who}"));
            }
        }
        left
    }

    /// Lets what is parked go on. Whether there was nothing.
    fn retry_parked(&mut self) -> bool {
        let consumers = at_once(self.kept.consumers()).unwrap_or_default();
        let Some(life) = &mut self.life else { return true };
        let mut is_idle = true;
        for consumer in consumers.into_iter().filter(|consumer| consumer.parked().next().is_some()) {
            let engine = life.engine.clone();
            life.pool.spawn(async move { drop(engine.retry_parked(&consumer.name).await) });
            is_idle = false;
        }
        is_idle
    }

    /// Looks at what there is, and ends.
    fn end(mut self, unfinished: Vec<String>) -> Played {
        let mut kept = Kept {
            outbox: at_once(self.kept.notices(0, usize::MAX)).unwrap_or_default(),
            last_seq: at_once(self.kept.last_seq()).unwrap_or_default(),
            refused: at_once(self.kept.refused(usize::MAX)).unwrap_or_default(),
            consumers: at_once(self.kept.consumers()).unwrap_or_default(),
            ..Kept::default()
        };
        let keys = at_once(self.kept.sessions(None, usize::MAX)).unwrap_or_default();
        let stored = at_once(self.kept.load(&keys)).unwrap_or_default();
        let engine = self.life.take().map(|life| life.engine);
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

/// Sets a consumer back.
async fn rewind(engine: &Engine, who: Who, by: u64) -> Result<(), LogError> {
    let known = engine.consumers().await?.into_iter().find(|known| known.consumer == who.name());
    let Some(known) = known else { return Ok(()) };
    engine.rewind(who.name(), known.acknowledged.saturating_sub(by)).await
}

/// What needs no waiting, as whatever is in memory.
fn at_once<T, E>(asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    match pin!(asked).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.ok(),
        Poll::Pending => None,
    }
}
