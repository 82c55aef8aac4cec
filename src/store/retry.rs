//! Out of quarantine: what can be read by now goes into sessions.

use crate::engine::live::SessionKey;
use crate::engine::log::{EventEntry, Log, LogError, Refused, RefusedId};
use crate::engine::{Digest, Filled, Filler, Reader, Source, Timestamp, Unreadable};

/// What became of the quarantine.
#[derive(Clone, Debug, Default)]
pub struct Retried {
    /// What is an event now, and of which session.
    pub read: Vec<(RefusedId, SessionKey)>,
    /// What is none, with the reason of today.
    pub left: Vec<(Refused, String)>,
    /// What it did to sessions.
    pub filled: Filled,
}

/// Reads all of the quarantine again, under the contracts of the filler's sources, and judges the sessions that
/// it belongs to. It counts as having come when it came.
///
/// # Errors
/// When the log does not answer, or takes no more. What was read by then is out of quarantine.
pub async fn retry(log: &dyn Log, mut filler: Filler) -> Result<Retried, LogError> {
    let mut retried = Retried::default();
    let mut reader = Reader::new();
    for refused in log.refused(usize::MAX).await? {
        let read = match filler.source(&refused.source) {
            None => Err(format!("the source `{}` is not known", refused.source)),
            Some(source) => read_again(source, &mut reader, &refused).map_err(|unreadable| unreadable.to_string()),
        };
        match read {
            Err(reason) => retried.left.push((refused, reason)),
            Ok((key, digest)) => {
                let id = refused.id();
                retried.read.push((id, key.clone()));
                let (received_at, delivery) = (Some(refused.received_at), refused.delivery);
                // Out of the one and into the other is one commit.
                filler.append(vec![EventEntry { key, digest, received_at, delivery }], vec![id]).await?;
            }
        }
    }
    // At the time of the log, which is never before the time of what it had in quarantine.
    retried.filled = filler.settle(Timestamp::MIN, false).await?;
    Ok(retried)
}

/// Of which session a refused delivery is by now, and what makes it itself.
pub(super) fn read_again(
    source: &Source,
    reader: &mut Reader,
    refused: &Refused,
) -> Result<(SessionKey, Digest), Unreadable> {
    source.read(reader, &refused.delivery).map(|(key, event)| (key, event.digest()))
}
