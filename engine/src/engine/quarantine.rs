//! Out of quarantine: what can be read by now goes into sessions.

use super::{Filled, Filler, Source};
use crate::digest::Digest;
use crate::event::{Reader, Unreadable};
use crate::live::SessionKey;
use crate::log::{EventEntry, Log, LogError, QuarantinePages, Refused, RefusedId};
use crate::timestamp::Timestamp;

/// What became of the quarantine.
#[derive(Clone, Debug, Default)]
pub struct Retried {
    /// What is an event now, and of which session.
    pub read: Vec<(RefusedId, SessionKey)>,
    /// What is none, with the reason of today.
    pub left: Vec<(RefusedId, String)>,
    /// What cannot be tried, since it is damaged: what and where. It stays.
    pub damaged: Vec<String>,
    /// What it did to sessions.
    pub filled: Filled,
}

/// Reads all of the quarantine again, under the contracts of the filler's sources, and judges the sessions that
/// it belongs to. It counts as having come when it came.
///
/// # Errors
/// When the log does not answer, or takes no more. What was read by then is out of quarantine, and its sessions
/// are judged by whoever has the log next.
pub async fn retry_refused(log: &dyn Log, mut filler: Filler) -> Result<Retried, LogError> {
    let mut retried = Retried::default();
    let mut reader = Reader::new();
    let mut pages = QuarantinePages::of(log);
    while let Some(page) = pages.next().await? {
        retried.damaged.extend(page.damaged);
        for refused in page.deliveries {
            let id = refused.id();
            let read = match filler.source(&refused.source) {
                None => Err(format!("the source `{}` is not known", refused.source)),
                Some(source) => {
                    source.read_again(&mut reader, &refused).map_err(|unreadable: Unreadable| unreadable.to_string())
                }
            };
            match read {
                Err(reason) => retried.left.push((id, reason)),
                Ok((key, digest)) => {
                    retried.read.push((id, key.clone()));
                    let (received_at, delivery) = (Some(refused.received_at), refused.delivery);
                    // Out of the one and into the other is one commit.
                    filler.append(vec![EventEntry { key, digest, received_at, delivery }], vec![id]).await?;
                }
            }
        }
    }
    // At the time of the log, which is never before the time of what it had in quarantine.
    retried.filled = filler.settle(Timestamp::MIN, false).await?;
    Ok(retried)
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
