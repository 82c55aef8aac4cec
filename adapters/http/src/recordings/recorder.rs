//! The one who fetches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use finis_engine::live::{Asset, Notice, NoticeId, SessionKey};
use finis_engine::{
    Clock, DeliverError, Engine, Failure, Handler, Handover, Placed, Policy, Seen, StartAt, Then, Timestamp, Viewed,
    Worker,
};

use super::archive::{Archive, Came, Outcome};
use super::content::Kind;
use super::decide::{Decision, Obstacle, decide};
use super::download::{Body as _, Download};
use super::tally::Tally;

/// The consumer that recordings are fetched by.
pub const CONSUMER: &str = "recordings";

/// So much is written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// After so long it is tried again to say what came of a recording, when that could not be written.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// A source whose recordings are fetched.
#[derive(Debug)]
pub struct Source<D> {
    /// Where they are kept.
    pub archive: Archive,
    /// What fetches them, with its own bounds of time.
    pub download: D,
    /// Bytes of the longest.
    pub bytes_max: u64,
}

/// Fetches recordings: a handler of notices.
pub struct Recorder<D> {
    engine: Engine,
    sources: BTreeMap<String, Source<D>>,
    clock: Arc<dyn Clock>,
    tally: Arc<Tally>,
    /// What came of a notice, until its handler has said it.
    ends: Mutex<BTreeMap<u64, Came>>,
}

/// Why nothing is known yet of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanting {
    seq: u64,
    id: NoticeId,
    source: String,
    began: Timestamp,
    until: Option<Timestamp>,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    /// It did not come.
    Obstacle(Obstacle),
    /// What came of it could not be written.
    Unsaid(Came, String),
}

impl fmt::Display for Wanting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Obstacle(obstacle) => obstacle.fmt(f),
            Why::Unsaid(came, reason) => write!(f, "{}, and that cannot be written: {reason}", came.as_str()),
        }
    }
}

/// How notices are handed to it: from now on, several at once, and none waits for another, of its session or not.
/// Those that are tried again later are set aside, so that none keeps others from being looked at.
#[must_use]
pub fn policy() -> Policy {
    Policy {
        start: StartAt::Now,
        at_once_max: 8,
        in_order: false,
        aside_after: Some(Duration::from_secs(10)),
        window_max: 1024,
        parked_max: 100_000,
        ..Policy::default()
    }
}

/// Fetches recordings from here on. Nothing is fetched until somebody runs the worker.
///
/// # Errors
/// When somebody fetches them already, or the log does not answer.
pub async fn deliver<D: Download>(
    engine: &Engine,
    recorder: Recorder<D>,
) -> Result<(Handover, Worker<Recorder<D>>), DeliverError> {
    engine.deliver(CONSUMER, policy(), recorder).await
}

impl<D: Download> Recorder<D> {
    /// One for these sources, by name. It goes by this clock, which is that of the engine.
    #[must_use]
    pub fn new(engine: Engine, sources: BTreeMap<String, Source<D>>, clock: Arc<dyn Clock>) -> Recorder<D> {
        let tally = Arc::new(Tally::new(sources.keys().map(String::as_str)));
        Recorder { engine, sources, clock, tally, ends: Mutex::default() }
    }

    /// How it goes, in numbers.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    async fn deal(&self, seq: u64, notice: &Notice, asset: &Asset, source: &Source<D>) -> Result<(), Why> {
        if self.is_gone(&notice.key).await? {
            return Ok(erase(source, &notice.key).await?);
        }
        // Taken out, so that it cannot stay for ever.
        let ended = self.ends().remove(&seq);
        if let Some(came) = ended {
            return self.say(notice, asset, source, came).await;
        }
        let (archive, key, id) = (source.archive.clone(), notice.key.clone(), notice.id);
        let known = blocking(move || Ok((archive.outcome(&key, id)?, archive.unsaid(&key, id)?))).await?;
        match known {
            (Some(Outcome { came: Came::Archived { .. }, .. }), _) => return Ok(()),
            (_, Some(came)) => return self.say(notice, asset, source, came).await,
            (_, None) => {}
        }
        let came = self.fetch(notice, asset, source).await?;
        self.say(notice, asset, source, came).await?;
        // Whoever forgot the session meanwhile may have come too early to erase this.
        if self.is_gone(&notice.key).await? {
            erase(source, &notice.key).await?;
        }
        Ok(())
    }

    /// Fetches it once, all of it.
    async fn fetch(&self, notice: &Notice, asset: &Asset, source: &Source<D>) -> Result<Came, Obstacle> {
        let never = |reason: &str| Obstacle::Never { reason: reason.to_owned() };
        let too_large = || Obstacle::Never { reason: format!("it has more than {} bytes", source.bytes_max) };
        let url: String = serde_json::from_str(&asset.value).map_err(|_| never("where it is, is not a text"))?;
        let (head, mut body) = source.download.open(&url, self.clock.now()).await?;
        let kind = Kind::of(&head.headers).map_err(|reason| Obstacle::Other { reason })?;
        let promised = head.length();
        if promised.is_some_and(|bytes| bytes > source.bytes_max) {
            return Err(too_large());
        }
        let (archive, key, id) = (source.archive.clone(), notice.key.clone(), notice.id);
        let mut draft = blocking(move || archive.draft(&key, id)).await?;
        let (mut total, mut buffer) = (0_u64, Vec::new());
        while let Some(chunk) = body.next().await? {
            total = total.saturating_add(chunk.len() as u64);
            if total > source.bytes_max {
                return Err(too_large());
            }
            buffer.extend_from_slice(&chunk);
            if buffer.len() >= BUFFER_BYTES {
                let full = std::mem::take(&mut buffer);
                draft = blocking(move || draft.write(&full).map(|()| draft)).await?;
            }
        }
        if promised.is_some_and(|bytes| bytes != total) {
            return Err(Obstacle::not_yet("it ended in the middle"));
        }
        let draft = blocking(move || draft.write(&buffer).map(|()| draft)).await?;
        let extension = kind.extension(draft.first()).map_err(|reason| Obstacle::Other { reason })?;
        Ok(blocking(move || draft.keep(extension, &kind.content_type)).await?)
    }

    /// Says what came of it, durably.
    async fn say(&self, notice: &Notice, asset: &Asset, source: &Source<D>, came: Came) -> Result<(), Why> {
        let key = &notice.key;
        let outcome = Outcome {
            notice: notice.id.to_string(),
            source: key.source().to_owned(),
            subject: key.subject().to_owned(),
            session: key.id().to_owned(),
            field: asset.field.clone(),
            came: came.clone(),
            at: self.clock.now(),
            until: asset.until,
        };
        let (archive, key, id) = (source.archive.clone(), key.clone(), notice.id);
        let said = blocking(move || archive.say(&key, id, &outcome)).await;
        said.map_err(|error| Why::Unsaid(came.clone(), error.to_string()))?;
        let (source, id) = (notice.key.source(), notice.id);
        match &came {
            Came::Archived { bytes, .. } => {
                self.tally.count(source, |counts| {
                    counts.archived += 1;
                    counts.bytes += bytes;
                });
                tracing::debug!(source, %id, bytes, "a recording was archived");
            }
            Came::Failed { reason } => {
                self.tally.count(source, |counts| counts.failed += 1);
                tracing::warn!(source, %id, "a recording cannot be had: {reason}");
            }
            Came::Missed { reason } => {
                self.tally.count(source, |counts| counts.missed += 1);
                tracing::warn!(source, %id, "a recording was missed, its time is over: {reason}");
            }
        }
        Ok(())
    }

    /// Whether the session was forgotten, or has expired.
    async fn is_gone(&self, key: &SessionKey) -> Result<bool, Obstacle> {
        let seen = self.engine.view(key, |_: &Viewed<'_>| ()).await;
        let seen = seen.map_err(|error| Obstacle::Disk { reason: error.to_string() })?;
        Ok(matches!(seen, Seen::Gone(_)))
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Came>> {
        // Each change leaves it whole.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Download> Handler for Recorder<D> {
    type Error = Wanting;

    async fn handle(&self, placed: Placed) -> Result<(), Wanting> {
        let Placed { seq, notice } = placed;
        let Some((asset, source)) = notice.asset.as_ref().zip(self.sources.get(notice.key.source())) else {
            return Ok(());
        };
        let began = self.clock.now();
        self.deal(seq, &notice, asset, source).await.map_err(|why| Wanting {
            seq,
            id: notice.id,
            source: notice.key.source().to_owned(),
            began,
            until: asset.until,
            why,
        })
    }

    /// What is decided here is said by the next call of the handler, at once: this is no place to wait for a disk.
    fn failed(&self, wanting: Wanting, tries: u32, now: Timestamp) -> Failure {
        let told = format!("{wanting} (try {tries}, at {now})");
        let Wanting { seq, id, source, began, until, why } = wanting;
        let then = match why {
            Why::Unsaid(came, reason) => {
                tracing::error!(source, %id, "what came of a recording cannot be written: {reason}");
                // Whatever came is beside it, and found again.
                if !matches!(came, Came::Archived { .. }) {
                    self.ends().insert(seq, came);
                }
                Then::At(now.plus(SAY_AGAIN))
            }
            Why::Obstacle(obstacle) => {
                let reason = obstacle.reason().to_owned();
                match decide(tries, &obstacle, began, now, until) {
                    Decision::Again(at) => {
                        self.tally.count(&source, |counts| counts.retries += 1);
                        tracing::debug!(source, %id, tries, again = %at, "a recording did not come: {reason}");
                        Then::At(at)
                    }
                    Decision::Failed => {
                        self.ends().insert(seq, Came::Failed { reason });
                        Then::At(now)
                    }
                    Decision::Missed => {
                        self.ends().insert(seq, Came::Missed { reason });
                        Then::At(now)
                    }
                }
            }
        };
        Failure::new(told, then)
    }
}

impl<D> fmt::Debug for Recorder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("sources", &self.sources.keys()).finish_non_exhaustive()
    }
}

impl From<Obstacle> for Why {
    fn from(obstacle: Obstacle) -> Why {
        Why::Obstacle(obstacle)
    }
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Why {
        Why::Obstacle(error.into())
    }
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Obstacle {
        Obstacle::Disk { reason: error.to_string() }
    }
}

async fn erase<D>(source: &Source<D>, key: &SessionKey) -> io::Result<()> {
    let (archive, key) = (source.archive.clone(), key.clone());
    blocking(move || archive.erase(&key).map(drop)).await
}

/// Does what waits for a disk on a thread for that.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
