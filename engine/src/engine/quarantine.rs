//! Out of quarantine: what can be read by now goes into sessions.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::writer::Job;
use super::{Engine, Filled, Filler, Source};
use crate::digest::Digest;
use crate::event::{Reader, Unreadable};
use crate::live::SessionKey;
use crate::log::{EventEntry, Log, LogError, QuarantinePages, Refused, RefusedCursor, RefusedId};
use crate::timestamp::Timestamp;

/// Refused deliveries that are read again at a time, unless one session has more: whoever delivers meanwhile waits for
/// that.
const TOGETHER: usize = 16;

/// What became of the quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// What is an event now, and of which session.
    pub read: Vec<(RefusedId, SessionKey)>,
    /// What is none, with the reason of today.
    pub left: Vec<(RefusedId, String)>,
    /// What cannot be tried, since it is damaged: what and where. It stays.
    pub damaged: Vec<String>,
}

impl Retried {
    /// Takes what became of some behind those before them.
    fn add(&mut self, some: Retried) {
        self.read.extend(some.read);
        self.left.extend(some.left);
        self.damaged.extend(some.damaged);
    }
}

/// Reads all of the quarantine again, under the contracts of the filler's sources, and judges the sessions that
/// it belongs to. It counts as having come when it came. What that did to sessions stands beside it.
///
/// This is for whoever has the log for himself; beside an engine that runs, [`Engine::retry_refused`] does it.
///
/// # Errors
/// When the log does not answer, or takes no more. What was read by then is out of quarantine, and its sessions
/// are judged by whoever has the log next.
pub async fn retry_refused(log: &dyn Log, mut filler: Filler) -> Result<(Retried, Filled), LogError> {
    let mut retried = Retried::default();
    let mut reader = Reader::new();
    let mut pages = QuarantinePages::of(log);
    while let Some(page) = pages.next().await? {
        retried.damaged.extend(page.damaged);
        for refused in page.deliveries {
            let id = refused.id();
            match read_again(&mut reader, filler.source(&refused.source), refused) {
                Err(reason) => retried.left.push((id, reason)),
                Ok(event) => {
                    retried.read.push((id, event.key.clone()));
                    // Out of the one and into the other is one commit.
                    filler.append(vec![event], vec![id]).await?;
                }
            }
        }
    }
    // At the time of the log, which is never before the time of what it had in quarantine.
    Ok((retried, filler.settle(Timestamp::MIN, false).await?))
}

/// What a refused delivery is by now, as it came.
///
/// # Errors
/// Why it is still no event.
pub(super) fn read_again(reader: &mut Reader, source: Option<&Source>, refused: Refused) -> Result<EventEntry, String> {
    let Some(source) = source else { return Err(format!("the source `{}` is not known", refused.source)) };
    let (key, digest) = source.read_again(reader, &refused).map_err(|unreadable| unreadable.to_string())?;
    Ok(EventEntry { key, digest, received_at: Some(refused.received_at), delivery: refused.delivery })
}

impl Engine {
    /// Reads again what is in quarantine now, under the contracts of the sources of this engine, between the deliveries
    /// that come. What is an event by now counts as having come when it came, and what there is to be said of its
    /// session is said when all of that is in. What that did to sessions stands beside it.
    ///
    /// # Errors
    /// When the engine was closed or has stopped, or the log takes no more. What was read by then is out of
    /// quarantine, and its sessions are judged or due.
    pub async fn retry_refused(&self) -> Result<(Retried, Filled), LogError> {
        let (mut retried, sessions) = self.look_through().await?;
        let mut filled = Filled::default();
        let mut sessions = sessions.into_values().peekable();
        while let Some(mut some) = sessions.next() {
            // Sessions are whole: of one that is half there, nothing is to be said.
            while let Some(more) = sessions.next_if(|more| some.len() + more.len() <= TOGETHER) {
                some.extend(more);
            }
            let (read, did) = self.ask(|answer| Job::Reread(some, answer)).await?;
            retried.add(read);
            filled.add(did);
        }
        Ok((retried, filled))
    }

    /// Where in quarantine those are that can be read by now, by session; and what becomes of the others. What comes
    /// in meanwhile is not among them.
    async fn look_through(&self) -> Result<(Retried, BTreeMap<SessionKey, Vec<RefusedCursor>>), LogError> {
        let (mut retried, mut sessions) = (Retried::default(), BTreeMap::<_, Vec<_>>::new());
        let log = &self.inner.log;
        let Some(last) = log.latest().await? else { return Ok((retried, sessions)) };
        let (sources, mut reader) = (self.inner.sources.now(), Reader::new());
        let mut pages = QuarantinePages::of(&**log);
        while let Some(page) = pages.next().await? {
            retried.damaged.extend(page.damaged);
            for refused in page.deliveries {
                if refused.received_at > last {
                    return Ok((retried, sessions));
                }
                let cursor = refused.cursor();
                match read_again(&mut reader, sources.get(&refused.source), refused) {
                    Ok(event) => sessions.entry(event.key).or_default().push(cursor),
                    Err(reason) => retried.left.push((cursor.id, reason)),
                }
            }
        }
        Ok((retried, sessions))
    }

    /// Lets refused deliveries go. Those that are not there any more are passed over.
    ///
    /// # Errors
    /// When the engine was closed or has stopped, or the log does not take it.
    pub async fn let_go_refused(&self, ids: Vec<RefusedId>) -> Result<(), LogError> {
        self.ask(|answer| Job::Release(ids, answer)).await
    }

    /// Has the writer do something, in turn with what comes.
    pub(super) async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Job + Send,
    ) -> Result<T, LogError> {
        let ended = || LogError::Stopped { reason: self.reason().unwrap_or_else(|| "it was closed".to_owned()) };
        let (answer, answered) = oneshot::channel();
        self.queue.send(job(answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

impl Source {
    /// Of which session a refused delivery is by now, and what makes it itself.
    ///
    /// # Errors
    /// When it is still no event of the contract.
    pub fn read_again(&self, reader: &mut Reader, refused: &Refused) -> Result<(SessionKey, Digest), Unreadable> {
        self.read(reader, &refused.delivery).map(|(key, event)| (key, event.digest()))
    }
}
