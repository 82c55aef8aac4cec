//! A session, for good: all that a store says of it is erased.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::engine::live::SessionKey;
use crate::engine::log::{Batch, Cause, Gone, Log, LogError, LogRead, Mark, QuarantinePages, Refused, RefusedId, Why};
use crate::engine::{Engine, Timestamp};
use crate::providers::Catalogue;

/// What stands in place of the reason for which a notice was parked.
const REASON: &str = "forgotten";

/// What a store knows of sessions of one id, before it is erased.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What has this id: a session, and perhaps a campaign and the like. By source.
    pub keys: Vec<SessionKey>,
    /// What has this id and was forgotten before.
    pub before: Vec<SessionKey>,
    /// Events of them.
    pub events: u64,
    /// Notices of them. Of each, id and place in the outbox stay.
    pub notices: u64,
    /// Refused deliveries that name it.
    pub refused: Vec<RefusedId>,
    /// Refused deliveries that are damaged, so that nobody can say whether they name it: what and where. They
    /// stay.
    pub unreadable: Vec<String>,
    /// Consumers and places of notices that are parked for a failure, whose reason may quote it, and that cause.
    pub parked: Vec<(String, u64, Cause)>,
}

/// What a store knew of an id and was erased, or would be: names and numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// What has this id: a session, and perhaps a campaign and the like. By source.
    pub erased: Vec<Named>,
    /// What has this id and was forgotten before.
    pub before: Vec<Named>,
    /// Events of them.
    pub events: u64,
    /// Notices of them. Of each, id and place in the outbox stay.
    pub notices: u64,
    /// Ids of refused deliveries that name it.
    pub refused: Vec<String>,
    /// Parked notices of whose reasons nothing stays.
    pub reasons: u64,
    /// Refused deliveries that are damaged, so that nobody can say whether they name it: what and where. They
    /// stay.
    pub unreadable: Vec<String>,
}

/// A session, or whatever else has an id, but for that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Of which source.
    pub source: String,
    /// What of it.
    pub subject: String,
}

impl Erased {
    /// What is known, in names and numbers.
    #[must_use]
    pub fn of(known: &Known) -> Erased {
        let named = |key: &SessionKey| Named { source: key.source().to_owned(), subject: key.subject().to_owned() };
        Erased {
            erased: known.keys.iter().map(named).collect(),
            before: known.before.iter().map(named).collect(),
            events: known.events,
            notices: known.notices,
            refused: known.refused.iter().map(ToString::to_string).collect(),
            reasons: known.parked.len() as u64,
            unreadable: known.unreadable.clone(),
        }
    }

    /// Whether there was nothing to be erased.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.erased.is_empty() && self.refused.is_empty() && self.reasons == 0
    }

    /// All that has this id, what was forgotten before too.
    pub fn keys(&self, id: &str) -> impl Iterator<Item = SessionKey> {
        self.erased.iter().chain(&self.before).map(move |named| SessionKey::new(&named.source, &named.subject, id))
    }
}

impl Known {
    /// Looks up what a log knows of an id, in one source or in all.
    ///
    /// A refused delivery names it when the id stands in its headers, its payload or its reason, and not
    /// within a longer word: `call-1` does not name `call-10`.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn of(
        log: &dyn LogRead,
        catalogue: &Catalogue,
        id: &str,
        source: Option<&str>,
    ) -> Result<Known, LogError> {
        let mut known = Known::default();
        for settings in log.sources().await?.iter().filter(|known| source.is_none_or(|name| known.name == name)) {
            let contract = catalogue.get(&settings.provider);
            let subjects = contract.into_iter().flat_map(|contract| contract.subjects().map(|(_, name)| name));
            // The main subject has this name everywhere, whatever contract is missing.
            let mut subjects: Vec<&str> = subjects.chain(["session"]).collect();
            subjects.sort_unstable();
            subjects.dedup();
            for subject in subjects {
                let key = SessionKey::new(&settings.name, subject, id);
                known.add(log, key).await?;
            }
        }
        let mut pages = QuarantinePages::of(log);
        while let Some(page) = pages.next().await? {
            known.unreadable.extend(page.damaged);
            let of = page.deliveries.iter().filter(|refused| source.is_none_or(|name| refused.source == name));
            known.refused.extend(of.filter(|refused| names(refused, id)).map(Refused::id));
        }
        for consumer in log.consumers().await? {
            for (seq, cause) in consumer.parked() {
                let Some(reason) = cause.reason() else { continue };
                let said = log.notices(seq.saturating_sub(1), 1).await?;
                let is_of = said.iter().any(|(place, notice)| *place == seq && known.keys.contains(&notice.key));
                if is_of && reason != REASON {
                    known.parked.push((consumer.name.clone(), seq, cause.clone()));
                }
            }
        }
        Ok(known)
    }

    async fn add(&mut self, log: &dyn LogRead, key: SessionKey) -> Result<(), LogError> {
        let stored = log.load(std::slice::from_ref(&key)).await?.pop().unwrap_or_default();
        match stored.gone {
            Some(Gone { why: Why::Forgotten, .. }) => self.before.push(key),
            // Of one that has expired, the last word may still be there.
            gone if gone.is_some() || !(stored.events.is_empty() && stored.notices.is_empty()) => {
                self.events += stored.events.len() as u64;
                self.notices += stored.notices.len() as u64;
                self.keys.push(key);
            }
            // Nobody can say what is damaged; that something of it was here is enough.
            _ if !stored.damaged.is_empty() => self.keys.push(key),
            _ => {}
        }
        Ok(())
    }

    /// Erases it, at the receiver's time `now`, by whoever has the log for himself. What comes of these sessions
    /// again is not kept.
    ///
    /// # Errors
    /// When the log does not take it. To look it up and forget it again does the rest.
    pub async fn forget(&self, log: &dyn Log, now: Timestamp) -> Result<(), LogError> {
        // The sessions last: without them, nobody finds the rest.
        if !self.refused.is_empty() {
            log.append(Batch { released: self.refused.clone(), ..Batch::default() }).await?;
        }
        for (consumer, seq, cause) in &self.parked {
            let mark = Mark::Park(*seq, cause.clone().with_reason(REASON));
            log.mark(consumer, &[mark]).await?;
        }
        let at = log.latest().await?.map_or(now, |latest| latest.max(now));
        log.let_go(&self.keys, Gone { why: Why::Forgotten, at }).await
    }

    /// The same by the engine that runs on the log.
    ///
    /// # Errors
    /// When it was closed or has stopped, or the log does not take it. To look it up and forget it again does the
    /// rest.
    pub async fn forget_by(&self, engine: &Engine) -> Result<(), LogError> {
        if !self.refused.is_empty() {
            engine.let_go_refused(self.refused.clone()).await?;
        }
        for (consumer, seq, _) in &self.parked {
            // It may be parked no more.
            engine.reword_parked(consumer, *seq, REASON).await?;
        }
        for key in &self.keys {
            engine.forget(key).await?;
        }
        Ok(())
    }
}

/// Whether a refused delivery says an id anywhere.
fn names(refused: &Refused, id: &str) -> bool {
    let headers = refused.delivery.headers.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let body = String::from_utf8_lossy(&refused.delivery.body);
    headers.chain([refused.reason.as_str(), &body]).any(|text| says(text, id) || says(&unescaped(text), id))
}

/// Whether a text says an id, and not within a longer word.
fn says(text: &str, id: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let is_alone = |(at, _): (usize, &str)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + id.len()..].chars().next());
        !is_word(before) && !is_word(after)
    };
    !id.is_empty() && text.match_indices(id).any(is_alone)
}

/// A text that may be JSON or not, with whatever looks like an escape of JSON taken for one.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some((c, length)) = unit(rest) {
            out.push(c);
            rest = &rest[length..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that `u` and four digits, or two such units, stand for, and how long they are.
fn unit(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok();
    let first = unit(text)?;
    let second = text.get(5..).and_then(|rest| unit(rest.strip_prefix('\\')?));
    let one = |units: &[u16]| char::decode_utf16(units.iter().copied()).next().and_then(Result::ok);
    one(&[first]).map(|c| (c, 5)).or_else(|| Some((one(&[first, second?])?, 11)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, id: &str, is_said: bool) {
        assert_eq!(says(text, id) || says(&unescaped(text), id), is_said, "{text}");
    }

    #[test]
    fn an_id_is_named_alone_and_not_within_another() {
        check(r#"{"session":"call-1"}"#, "call-1", true);
        check(r#"{"session":"call-10", "#, "call-1", false);
        check("recall-1", "call-1", false);
        check("call-10 call-1", "call-1", true);
        check("call-1", "call-1", true);
    }

    #[test]
    fn an_id_is_named_however_it_is_escaped() {
        check(r#"{"session":"caf\u00e9\/7"#, "café/7", true);
        check(r#"{"session":"\ud83d\ude00-7"#, "😀-7", true);
        check(r"\u00", "u00", true);
        check(r"\ud83d \", "call", false);
    }
}
