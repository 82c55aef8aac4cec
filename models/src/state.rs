//! What there is: what is durable, what a process has in memory, what is on its way.

use std::collections::{BTreeMap, BTreeSet};

/// How much happens. A session has two events: the first makes it complete, the second amends that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Sessions.
    pub sessions: u8,
    /// How often each event is delivered at most.
    pub deliveries: u8,
    /// Crashes of the engine.
    pub engine_crashes: u8,
    /// Crashes of senders.
    pub sender_crashes: u8,
    /// Crashes of the receiver.
    pub receiver_crashes: u8,
    /// Messages and answers that are lost.
    pub losses: u8,
    /// Messages that come twice.
    pub copies: u8,
    /// Times that a lease is taken from whoever has it.
    pub expiries: u8,
}

/// An event: of which session, and which of its two.
pub type Event = (u8, u8);

/// What is said: of which session, and the revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Notice {
    /// The session.
    pub session: u8,
    /// 1 for complete, then amended.
    pub revision: u8,
}

/// A notice on its way, or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// By which the receiver knows it.
    pub id: u8,
    /// What it says.
    pub notice: Notice,
    /// Its place in the outbox, from 0.
    pub seq: u8,
    /// Who sent it.
    pub sender: u8,
    /// The lease that it was sent under.
    pub epoch: u8,
}

/// Whoever hands over, as far as it remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sender {
    /// The lease that it believes to have.
    pub epoch: Option<u8>,
    /// What it has sent and hears nothing of.
    pub sent: Option<Message>,
    /// What was answered and is not marked yet.
    pub answered: Option<Message>,
    /// Ids that it has given, where it counts them.
    pub counted: u8,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Durable: events.
    pub log: BTreeSet<Event>,
    /// Durable: what is to be said, in order.
    pub outbox: Vec<Notice>,
    /// Durable: places of the outbox that are dealt with.
    pub done: BTreeSet<u8>,
    /// Durable: the lease that counts.
    pub lease: u8,
    /// The sender that was given it.
    pub holder: Option<u8>,
    /// The lease of the last mark that was taken.
    pub marked_by: u8,
    /// A mark of an older lease was taken after one of a newer.
    pub went_back: bool,
    /// In memory of the engine: deliveries that wait.
    pub waiting: Vec<Event>,
    /// In memory of the engine: those that are durable and not answered.
    pub unanswered: Vec<Event>,
    /// In memory of the engine: what is to be said and is in no outbox yet.
    pub unsaid: Vec<Notice>,
    /// What providers were told is kept.
    pub answered: BTreeSet<Event>,
    /// How often each event was delivered.
    pub delivered: BTreeMap<Event, u8>,
    /// Who hands over.
    pub senders: Vec<Sender>,
    /// Messages on their way.
    pub wire: BTreeSet<Message>,
    /// Answers on their way.
    pub answers: BTreeSet<Message>,
    /// Everything that ever left, by what it said.
    pub left: BTreeSet<(u8, Notice)>,
    /// Durable, of the receiver: how often each notice had its effect.
    pub effects: BTreeMap<Notice, u8>,
    /// Durable, of the receiver: ids that it remembers.
    pub remembered: BTreeSet<u8>,
    /// In memory of the receiver: what had its effect and is not remembered yet.
    pub unremembered: Option<Message>,
    /// What can still happen.
    pub left_to_happen: Bounds,
}

impl State {
    /// What a session's events in the log cause to be said.
    #[must_use]
    pub fn due(&self, session: u8) -> u8 {
        match (self.log.contains(&(session, 0)), self.log.contains(&(session, 1))) {
            (false, _) => 0,
            (true, false) => 1,
            // The second that came amends, whichever it was; both at once are one.
            (true, true) => 2,
        }
    }

    /// The last revision of a session in the outbox.
    #[must_use]
    pub fn revision(&self, session: u8) -> u8 {
        self.outbox.iter().filter(|said| said.session == session).map(|said| said.revision).max().unwrap_or(0)
    }
}
