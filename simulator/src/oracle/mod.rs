//! What is promised, held against what happened.
//!
//! An oracle looks at what is [`Given`] and at what happened when it was [`Played`], and says which promise was
//! broken. None of them knows how the engine does it: what must have been said comes from the
//! [model](crate::model), and the rest is bookkeeping over steps that anybody outside could have seen.
//!
//! Who played it is of no matter. A [`Story`] is played in virtual time to its end, and [`judge`] takes it as it
//! is. A real process on a real disk says what it was told, and its store says what it kept; whoever broke it
//! puts both together, and [`judge_run`] holds them against the same promises, in the middle of a run too.
//! [`judge_damaged`] is for a store of which bytes have changed.
//!
//! | file | promises |
//! |---|---|
//! | `deliveries` | what is acknowledged is kept; what is kept was posted; what proves nothing is denied |
//! | `sessions` | records and notices of every session are those of the model |
//! | `offline` | what the log kept gives the same records when it is read as an export |
//! | `outbox` | places and revisions without gaps, ids for ever, one end for each session |
//! | `consumers` | each is told everything, in order, again until it acknowledges, and not after that |
//! | `clocks` | the receiver's time never goes back; deadlines are passed, and on time |

mod given; // what is known beforehand

mod clocks; // deadlines, and the receiver's time
mod consumers; // who is told what
mod damage; // what is left of a damaged store
mod deliveries; // what becomes of a delivery
mod offline; // what the log kept, read as an export
mod outbox; // what is said, and in which order
mod sessions; // records and notices, against the model

use std::fmt;

use finis_engine::Contract;
use serde::{Deserialize, Serialize};

pub use damage::judge_damaged;
pub use given::Given;

use crate::run::Played;
use crate::story::Story;

/// Something that is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// No input panics.
    NoPanic,
    /// Everything comes to an end when nothing goes wrong any more.
    Finishes,
    /// What is acknowledged is in the log, or in quarantine.
    Kept,
    /// A delivery is answered by what it is.
    Answered,
    /// Nothing is kept that was not posted.
    Posted,
    /// What does not prove where it comes from is denied, and what does is not.
    Proof,
    /// The record of a session is what its events make it.
    Record,
    /// What is said of a session is what its events make to be said, each once.
    Said,
    /// Revisions and places have no gap, and an id is one notice for ever.
    Numbered,
    /// What is said is kept with what caused it, in this order.
    Outbox,
    /// A consumer is told everything.
    Told,
    /// Within a session a consumer is told in order.
    InOrder,
    /// What was acknowledged does not come again.
    NotAgain,
    /// The receiver's time never goes back.
    Time,
    /// Deadlines pass, each once, and not before they are due.
    Deadlines,
    /// What was let go stays away.
    LetGo,
    /// What the log kept, read offline at the log's time, gives the same records, byte for byte.
    Offline,
}

/// Everything that is promised. All of it is judged of every run.
pub const PROMISES: [Promise; 17] = [
    Promise::NoPanic,
    Promise::Finishes,
    Promise::Kept,
    Promise::Answered,
    Promise::Posted,
    Promise::Proof,
    Promise::Record,
    Promise::Said,
    Promise::Numbered,
    Promise::Outbox,
    Promise::Told,
    Promise::InOrder,
    Promise::NotAgain,
    Promise::Time,
    Promise::Deadlines,
    Promise::LetGo,
    Promise::Offline,
];

/// A promise that was not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// Of which session, by its id, where it is one.
    pub session: Option<String>,
    /// What was found, and what was expected.
    pub detail: String,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Promise::NoPanic => "no input panics",
            Promise::Finishes => "everything comes to an end when nothing goes wrong any more",
            Promise::Kept => "what is acknowledged is kept",
            Promise::Answered => "a delivery is answered by what it is",
            Promise::Posted => "nothing is kept that was not posted",
            Promise::Proof => "what does not prove where it comes from is denied, and what does is not",
            Promise::Record => "a record is what the events of its session make it",
            Promise::Said => "what is said of a session is what its events make to be said, each once",
            Promise::Numbered => "revisions and places have no gap, and an id is one notice for ever",
            Promise::Outbox => "what is said is kept with what caused it, in this order",
            Promise::Told => "a consumer is told everything",
            Promise::InOrder => "within a session a consumer is told in order",
            Promise::NotAgain => "what was acknowledged does not come again",
            Promise::Time => "the receiver's time never goes back",
            Promise::Deadlines => "deadlines pass, each once, and not before they are due",
            Promise::LetGo => "what was let go stays away",
            Promise::Offline => "what the log kept gives the same records offline",
        })
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}", self.promise)?;
        if let Some(session) = &self.session {
            write!(f, "; session {session}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Broken>);

impl Findings {
    /// Nobody reads more of one promise.
    const EACH_MAX: usize = 20;

    fn note(&mut self, promise: Promise, session: Option<&str>, detail: impl FnOnce() -> String) {
        if self.0.iter().filter(|broken| broken.promise == promise).count() < Self::EACH_MAX {
            self.0.push(Broken { promise, session: session.map(str::to_owned), detail: detail() });
        }
    }

    /// Notes it unless it is so.
    fn expect(&mut self, is_so: bool, promise: Promise, session: Option<&str>, detail: impl FnOnce() -> String) {
        if !is_so {
            self.note(promise, session, detail);
        }
    }
}

/// Says which promises were broken when a story was played; nothing when all were held. Of one promise the
/// first twenty are said.
#[must_use]
pub fn judge(story: &Story, contract: &Contract, played: &Played) -> Vec<Broken> {
    judge_run(&Given::of(story, contract), played)
}

/// As [`judge`], of a run that nobody has as a story. One that is not at rest is held to what can be said in the
/// middle of it.
#[must_use]
pub fn judge_run(given: &Given<'_>, played: &Played) -> Vec<Broken> {
    let mut findings = Findings::default();
    if let Some(panic) = &played.panicked {
        // What came of it before is of no matter.
        findings.note(Promise::NoPanic, None, || panic.clone());
        return findings.0;
    }
    for unfinished in &played.unfinished {
        findings.note(Promise::Finishes, None, || unfinished.clone());
    }
    deliveries::judge(given, played, &mut findings);
    sessions::judge(given, played, &mut findings);
    offline::judge(given, played, &mut findings);
    outbox::judge(played, &mut findings);
    consumers::judge(played, &mut findings);
    clocks::judge(given, played, &mut findings);
    findings.0
}
