//! Consumers, in the index: their marks, and where single notices stand with them.
//!
//! What a mark makes of a consumer is the engine's to say ([`Consumer::take`]); here is only where that
//! lies.

use finis_engine::log::{Consumer, Mark, Standing};

use super::state::Index;
use super::view::View;
use super::{IndexError, keys};
use crate::bytes::{Bytes, Writer};
use crate::head::{Head, read_standing, write_standing};

impl View {
    /// A consumer; nothing when there is none of that name.
    pub(super) fn consumer(&self, name: &str) -> Result<Option<Consumer>, IndexError> {
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

impl Index {
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
        let changed = match (&mut *known, mark) {
            (Some(known), mark) => known.take(mark),
            // Whoever acknowledges is made by it.
            (None, Mark::UpTo(seq)) => {
                *known = Some(Consumer::new(name, *seq));
                Vec::new()
            }
            (None, _) => return Ok(()),
        };
        let Some(consumer) = known.clone() else { return Ok(()) };
        self.put_consumer(&consumer, changed);
        Ok(())
    }

    /// Takes all of a consumer, or a part of it, from a head.
    pub(super) fn restate(&mut self, part: &Consumer, is_first: bool) -> Result<(), IndexError> {
        if is_first {
            self.remove_consumer(&part.name)?;
        }
        let known = self.consumer(&part.name)?.get_or_insert_with(|| Consumer::new(&*part.name, 0));
        known.acknowledged = part.acknowledged;
        known.standing.extend(part.standing.clone());
        let consumer = known.clone();
        self.put_consumer(&consumer, part.standing.keys().copied().collect());
        Ok(())
    }

    fn put_consumer(&mut self, consumer: &Consumer, changed: Vec<u64>) {
        let acknowledged = consumer.acknowledged.to_be_bytes().to_vec();
        self.put(keys::consumer(&consumer.name), Some(acknowledged));
        for seq in changed {
            let standing = consumer.standing.get(&seq).map(encode);
            self.put(keys::standing(&consumer.name, seq), standing);
        }
    }

    /// Forgets a consumer.
    pub(super) fn remove_consumer(&mut self, name: &str) -> Result<(), IndexError> {
        if let Some(consumer) = self.consumer(name)?.take() {
            self.put(keys::consumer(name), None);
            for seq in consumer.standing.into_keys() {
                self.put(keys::standing(name, seq), None);
            }
        }
        Ok(())
    }

    /// A consumer with all that was taken so far; nothing when there is none of that name.
    pub(crate) fn consumer(&mut self, name: &str) -> Result<&mut Option<Consumer>, IndexError> {
        if !self.consumers.contains_key(name) {
            let known = self.view().consumer(name)?;
            self.consumers.insert(name.to_owned(), known);
        }
        self.consumers.get_mut(name).ok_or_else(unreadable)
    }
}

fn encode(standing: &Standing) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_standing(&mut Writer(&mut bytes), standing);
    bytes
}

fn decode(value: &[u8]) -> Option<Standing> {
    let mut from = Bytes(value);
    let standing = read_standing(&mut from)?;
    from.end(standing)
}

fn unreadable() -> IndexError {
    IndexError::value("a consumer")
}
