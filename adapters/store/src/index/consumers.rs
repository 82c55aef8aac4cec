//! Consumers, in the index and in a draft: their marks, and where single notices stand with them.
//!
//! What a mark makes of a consumer is the engine's to say ([`Consumer::take`]); here is only where that
//! lies. A standing is a byte, 0 for done, 1 for parked with its cause after it, 2 for released.

use std::collections::BTreeMap;

use finis_engine::log::{Consumer, Mark, Standing};

use super::draft::Draft;
use super::view::{Puts, View};
use super::{IndexError, keys};
use crate::bytes::{Bytes, Writer};
use crate::head::{Head, read_cause, write_cause};

/// Consumers as the one writer has them; nothing for a name that is not known.
pub(super) type Consumers = BTreeMap<String, Option<Consumer>>;

impl View {
    /// A consumer; nothing when there is none of that name.
    pub(crate) fn consumer(&self, name: &str) -> Result<Option<Consumer>, IndexError> {
        let Some(value) = self.get(&keys::consumer(name))? else { return Ok(None) };
        self.consumer_of(name, &value).map(Some)
    }

    /// Every consumer, by name.
    pub(crate) fn consumers(&self) -> Result<Vec<Consumer>, IndexError> {
        let rows = self.scan(&[keys::CONSUMER], None, usize::MAX)?;
        let consumer = |(key, value): (Vec<u8>, Vec<u8>)| {
            let name = std::str::from_utf8(&key[1..]).map_err(|_| unreadable())?;
            self.consumer_of(name, &value)
        };
        rows.into_iter().map(consumer).collect()
    }

    fn consumer_of(&self, name: &str, value: &[u8]) -> Result<Consumer, IndexError> {
        let acknowledged = value.try_into().map(u64::from_be_bytes).map_err(|_| unreadable())?;
        let mut consumer = Consumer::new(name, acknowledged);
        let prefix = keys::standings(name);
        for (key, value) in self.scan(&prefix, None, usize::MAX)? {
            let seq = key[prefix.len()..].try_into().map(u64::from_be_bytes).map_err(|_| unreadable())?;
            consumer.standing.insert(seq, decode(&value).ok_or_else(unreadable)?);
        }
        Ok(consumer)
    }
}

impl Draft<'_> {
    /// The head for a mark of a consumer, if it changes anything.
    pub(crate) fn head_of(&mut self, name: &str, mark: &Mark) -> Result<Option<Head>, IndexError> {
        let known = self.consumer(name)?;
        let is_news = match (&*known, mark) {
            (Some(known), mark) => known.is_news(mark),
            (None, mark) => matches!(mark, Mark::Begin(_)),
        };
        let consumer = name.to_owned();
        Ok(is_news.then(|| match mark.clone() {
            Mark::Begin(seq) | Mark::UpTo(seq) => Head::Acknowledged { consumer, seq },
            Mark::Done(seq) => Head::Done { consumer, seq },
            Mark::Park(seq, cause) => Head::Parked { consumer, seq, cause },
            Mark::Release(seq) => Head::Released { consumer, seq },
            Mark::Reset(seq) => Head::Reset { consumer, seq },
        }))
    }

    /// Takes a mark, from a head.
    pub(super) fn mark(&mut self, name: &str, mark: &Mark) -> Result<(), IndexError> {
        let known = self.consumer(name)?;
        let mut puts = Puts::new();
        let changed = match (known, mark) {
            (Some(known), mark) => known.take(mark),
            // Whoever acknowledges is made by it.
            (known @ None, Mark::UpTo(seq)) => {
                *known = Some(Consumer::new(name, *seq));
                Vec::new()
            }
            (None, _) => return Ok(()),
        };
        if let Some(consumer) = self.consumer(name)? {
            puts.insert(keys::consumer(name), Some(consumer.acknowledged.to_be_bytes().to_vec()));
            for seq in changed {
                puts.insert(keys::standing(name, seq), consumer.standing.get(&seq).map(encode));
            }
        }
        self.puts.extend(puts);
        Ok(())
    }

    /// Forgets a consumer.
    pub(super) fn remove_consumer(&mut self, name: &str) -> Result<(), IndexError> {
        if let Some(consumer) = self.consumer(name)?.take() {
            self.puts.insert(keys::consumer(name), None);
            for seq in consumer.standing.into_keys() {
                self.puts.insert(keys::standing(name, seq), None);
            }
        }
        Ok(())
    }

    /// A consumer with all changes so far.
    pub(crate) fn consumer(&mut self, name: &str) -> Result<&mut Option<Consumer>, IndexError> {
        if !self.consumers.contains_key(name) {
            let known = match self.index.consumers.remove(name) {
                Some(known) => known,
                None => self.index.view.consumer(name)?,
            };
            self.consumers.insert(name.to_owned(), known);
        }
        self.consumers.get_mut(name).ok_or_else(unreadable)
    }
}

fn encode(standing: &Standing) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = Writer(&mut bytes);
    match standing {
        Standing::Done => to.u8(0),
        Standing::Parked(cause) => {
            to.u8(1);
            write_cause(&mut to, cause);
        }
        Standing::Released => to.u8(2),
    }
    bytes
}

fn decode(value: &[u8]) -> Option<Standing> {
    let mut from = Bytes(value);
    let standing = match from.u8()? {
        0 => Standing::Done,
        1 => Standing::Parked(read_cause(&mut from)?),
        2 => Standing::Released,
        _ => return None,
    };
    from.end(standing)
}

fn unreadable() -> IndexError {
    IndexError::value("a consumer")
}
