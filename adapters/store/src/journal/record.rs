//! What goes into a journal, and what comes out.

use super::codec::Body;
use super::place::Place;

/// What is appended: a head, which stays, and perhaps a body, which can be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Small; covered by the chain.
    pub head: Vec<u8>,
    /// Its hash is covered by the chain, its bytes are not.
    pub body: Option<Body>,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub place: Place,
    /// Its number, counted from the beginning of the journal.
    pub number: u64,
    /// Its head.
    pub head: Vec<u8>,
    /// Its body.
    pub body: Content,
}

/// What became of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The record never had one.
    None,
    /// It is there, and was not asked for; its checksum holds.
    Unread,
    /// Here it is, as it was given.
    Here(Vec<u8>),
    /// It was erased.
    Erased,
    /// Its bytes are not what was written.
    Damaged,
}
