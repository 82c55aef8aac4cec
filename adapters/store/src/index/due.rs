//! When sessions are due: the first deadlines in memory, and all others where they are written anyway.
//!
//! Nearly every session that came lately is due at some time, for it settles long after its end. What is far
//! off is in the tree or in a layer, and takes no memory here. [`Deadlines`] has all of them up to a
//! [`Horizon`]; beyond it, they are read.

use std::collections::BTreeSet;
use std::ops::Bound;

use finis_engine::Timestamp;

use super::layer::Layers;
use super::merge::Merge;
use super::{IndexError, keys};
use crate::tag::Tag;

/// Deadlines that are looked at together: whoever commits waits for no more.
const ROWS_MAX: usize = 256;

/// When a session is due. The digits of the time take no part in the order: with others, it is the same one.
pub(super) type Deadline = (Timestamp, Tag);

/// Up to where deadlines are known, or were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Horizon {
    /// There is none before.
    Start,
    /// Up to this one, and with it.
    At(Deadline),
    /// There is none behind.
    End,
}

/// The first deadlines, and how many there are.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// All up to the horizon.
    first: BTreeSet<Deadline>,
    horizon: Horizon,
    /// Those beyond it as well.
    count: usize,
    /// Of twice as many, the latter half is let go.
    kept: usize,
}

/// Some deadlines in order, of those that were asked for.
pub(super) struct Piece {
    pub(super) deadlines: Vec<Deadline>,
    /// Where to go on.
    pub(super) end: Horizon,
}

/// What was asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) after: Horizon,
    pub(super) until: Timestamp,
    /// No more than these.
    pub(super) limit: usize,
}

/// The tree has to be read for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unread;

impl Deadlines {
    /// There are so many, and none of them was read yet.
    pub(super) fn new(count: usize, kept: usize) -> Deadlines {
        Deadlines { first: BTreeSet::new(), horizon: Horizon::Start, count, kept: kept.max(1) }
    }

    /// A session was due then, and is due now.
    pub(super) fn change(&mut self, tag: Tag, before: Option<Timestamp>, now: Option<Timestamp>) {
        if let Some(at) = before {
            self.first.remove(&(at, tag));
            self.count = self.count.saturating_sub(1);
        }
        if let Some(at) = now {
            self.count += 1;
            if Horizon::At((at, tag)) <= self.horizon {
                self.first.insert((at, tag));
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if self.first.len() <= self.kept.saturating_mul(2) {
            return;
        }
        if let Some(far) = self.first.iter().nth(self.kept).copied() {
            self.first.split_off(&far);
            self.horizon = self.first.last().map_or(Horizon::Start, |last| Horizon::At(*last));
        }
    }

    /// When the first session is due.
    pub(super) fn next(&self) -> Result<Option<Timestamp>, Unread> {
        match self.first.first() {
            Some((at, _)) => Ok(Some(*at)),
            None if self.horizon == Horizon::End => Ok(None),
            None => Err(Unread),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Reads some that are beyond the horizon, unless there is one before it.
    pub(super) fn read_on(&mut self, layers: &Layers, tree: &sled::Db) -> Result<(), IndexError> {
        if self.next().is_err() {
            let asked = Asked { after: self.horizon, until: Timestamp::MAX, limit: usize::MAX };
            let piece = beyond(layers, tree, asked)?;
            self.first.extend(piece.deadlines);
            self.horizon = piece.end;
        }
        Ok(())
    }

    /// Some of what was asked for, from memory as far as it is there.
    pub(super) fn piece(&self, layers: &Layers, tree: &sled::Db, asked: Asked) -> Result<Piece, IndexError> {
        let from = match asked.after {
            after if after >= self.horizon => return beyond(layers, tree, asked),
            Horizon::At(deadline) => Bound::Excluded(deadline),
            Horizon::Start | Horizon::End => Bound::Unbounded,
        };
        let known = self.first.range((from, Bound::Unbounded)).map(|deadline| Ok((*deadline, true)));
        take(known, asked, self.horizon)
    }
}

/// Some of what was asked for, from the layers and the tree.
fn beyond(layers: &Layers, tree: &sled::Db, asked: Asked) -> Result<Piece, IndexError> {
    let from = match asked.after {
        Horizon::Start => Bound::Unbounded,
        Horizon::At(deadline) => Bound::Excluded(deadline),
        Horizon::End => return Ok(Piece { deadlines: Vec::new(), end: Horizon::End }),
    };
    let mut merge = Merge::default();
    for (age, layer) in layers.newest_first().enumerate() {
        let is_last_word = move |tag| !layers.newest_first().take(age).any(|newer| newer.sessions.contains_key(&tag));
        let due = layer.due.range((from, Bound::Unbounded));
        merge.add(due.map(move |deadline| Ok((*deadline, is_last_word(deadline.1)))))?;
    }
    let from = match from {
        Bound::Excluded((at, tag)) => Bound::Excluded(keys::due(at, tag)),
        _ => Bound::Included(vec![keys::DUE]),
    };
    let rows = tree.range::<Vec<u8>, _>((from, Bound::Excluded(vec![keys::DUE + 1])));
    merge.add(rows.map(|row| {
        let (key, value) = row?;
        let deadline = keys::read_due(&key, &value).ok_or_else(|| IndexError::value("a deadline"))?;
        Ok((deadline, layers.rows(deadline.1).next().is_none()))
    }))?;
    take(merge, asked, Horizon::End)
}

/// Takes from deadlines in order, some of which may hold no more. Where there are none left, it goes on at `end`.
fn take(
    deadlines: impl Iterator<Item = Result<(Deadline, bool), IndexError>>,
    asked: Asked,
    end: Horizon,
) -> Result<Piece, IndexError> {
    let mut piece = Piece { deadlines: Vec::new(), end };
    for (count, row) in deadlines.enumerate() {
        let (deadline, holds) = row?;
        if deadline.0 > asked.until {
            piece.end = Horizon::End;
            break;
        }
        if holds {
            piece.deadlines.push(deadline);
        }
        if piece.deadlines.len() >= asked.limit || count + 1 >= ROWS_MAX {
            piece.end = Horizon::At(deadline);
            break;
        }
    }
    Ok(piece)
}
