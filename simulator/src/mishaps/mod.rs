//! What goes wrong on the receiver's side.
//!
//! A [`Mishap`] is one thing that goes wrong at one instant: with the process, its disk, its clock, or with
//! whoever is told. [`Mishaps`] are dials for them, drawn all at once before anything is played
//! ([`Mishaps::draw`]): what comes of it is a list, from which whoever looks for the smallest story takes away.

mod draw; // dials, and what chance makes of them

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use draw::milliseconds;
pub use draw::{Mishaps, TROUBLES, Trouble};

/// Something that goes wrong with the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Mishap {
    /// The process dies on the spot, whatever is under way.
    Kill {
        /// How long it is down, in milliseconds.
        down_ms: u64,
    },
    /// The process dies at the next write to its log.
    Crash {
        /// At which moment of the write.
        at: Moment,
        /// How long it is down, in milliseconds.
        down_ms: u64,
    },
    /// The process is closed in good order, and started again.
    Restart {
        /// How long it is down, in milliseconds.
        down_ms: u64,
    },
    /// The next write fails for good: the log takes nothing until it is opened again.
    Fail {
        /// Whether what was written is there all the same.
        kept: bool,
        /// How long it takes until somebody opens it again, in milliseconds.
        down_ms: u64,
    },
    /// The disk is slow for a while.
    Slow {
        /// How long every call takes, in milliseconds.
        call_ms: u64,
        /// For how long, in milliseconds.
        lasts_ms: u64,
    },
    /// The disk has no room for a while.
    Full {
        /// For how long, in milliseconds.
        lasts_ms: u64,
    },
    /// A consumer stumbles over what it is handed next.
    Stumble {
        /// Which of them.
        who: Who,
        /// In which way.
        how: How,
        /// Over how many, one after the other.
        times: u32,
    },
    /// The receiver's clock is set: forward, or back when negative.
    Clock {
        /// By how much, in milliseconds.
        by_ms: i64,
    },
    /// Somebody wants all that a session said to be erased.
    Forget {
        /// Its number in the world.
        session: u64,
    },
    /// What has been over for so long is let go.
    Retain {
        /// How long after the last that came of it, in seconds.
        after_s: u64,
    },
    /// A consumer is set back: what it was handed last comes again.
    Rewind {
        /// Which of them.
        who: Who,
        /// By how many notices.
        by: u64,
    },
    /// Somebody lets what is parked for a consumer be handed over again.
    Unpark {
        /// For which of them.
        who: Who,
        /// All of it; otherwise the last of it, with what it is held behind.
        all: bool,
    },
    /// The process is closed in good order, what is in quarantine is read again by a process of its own, and it is
    /// started again. Of a setup that [misreads](crate::story::Setup::misreads), it is the contract that is mended.
    Reread {
        /// How long it is down after that, in milliseconds.
        down_ms: u64,
    },
    /// What is in quarantine is read again by the process itself, while it goes on. Of a setup that
    /// [misreads](crate::story::Setup::misreads), the contract is mended first, without a restart.
    Mend {
        /// How long after that, in milliseconds.
        after_ms: u64,
    },
}

/// A moment of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before anything of it is written.
    Before,
    /// In the midst of it: it is torn, and nothing of it counts.
    Inside,
    /// When all of it is kept, and nobody knows.
    After,
}

/// A consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The one that pulls, in strict order, and acknowledges.
    Puller,
    /// The one that is handed over to, several sessions at a time.
    Handler,
}

/// A way to stumble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It says that it could not.
    Fails,
    /// It takes much longer than usual.
    Hangs {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// It dies before it had an effect. A handler takes the process with it.
    DiesBefore,
    /// It dies when it had its effect, and nobody knows. A handler takes the process with it.
    DiesAfter,
}

/// Every consumer of a run.
pub const EVERYBODY: [Who; 2] = [Who::Puller, Who::Handler];

impl Who {
    /// The name that the log knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Who::Puller => "puller",
            Who::Handler => "handler",
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Mishap::Kill { down_ms } => write!(f, "the process is killed, and down for {}", span(down_ms)),
            Mishap::Crash { at, down_ms } => {
                let at = match at {
                    Moment::Before => "before",
                    Moment::Inside => "inside",
                    Moment::After => "after",
                };
                write!(f, "the process will die {at} the next write, and be down for {}", span(down_ms))
            }
            Mishap::Restart { down_ms } => write!(f, "the process is closed, and down for {}", span(down_ms)),
            Mishap::Fail { kept, down_ms } => {
                let kept = if kept { "though it is kept" } else { "and is lost" };
                write!(f, "the next write will fail for good {kept}; opened again after {}", span(down_ms))
            }
            Mishap::Slow { call_ms, lasts_ms } => {
                write!(f, "every call of the disk takes {} for {}", span(call_ms), span(lasts_ms))
            }
            Mishap::Full { lasts_ms } => write!(f, "the disk is full for {}", span(lasts_ms)),
            Mishap::Stumble { who, how, times } => {
                write!(f, "the {who} ")?;
                match how {
                    How::Fails => f.write_str("fails")?,
                    How::Hangs { ms } => write!(f, "hangs for {}", span(ms))?,
                    How::DiesBefore => f.write_str("dies before its effect")?,
                    How::DiesAfter => f.write_str("dies after its effect")?,
                }
                write!(f, " at the next {times}")
            }
            Mishap::Clock { by_ms } => {
                let way = if by_ms < 0 { "back" } else { "forward" };
                write!(f, "the receiver's clock is set {way} by {}", span(by_ms.unsigned_abs()))
            }
            Mishap::Forget { session } => write!(f, "session {session} is to be forgotten"),
            Mishap::Retain { after_s } => {
                write!(f, "what has been over for {} is let go", span(after_s.saturating_mul(1000)))
            }
            Mishap::Rewind { who, by } => write!(f, "the {who} is set back by {by}"),
            Mishap::Unpark { who, all } => {
                let what = if all { "all that is" } else { "the last that is" };
                write!(f, "{what} parked for the {who} is to be handed over again")
            }
            Mishap::Reread { down_ms } => {
                write!(
                    f,
                    "the process is closed, what is in quarantine is read again, and it is down for {}",
                    span(down_ms)
                )
            }
            Mishap::Mend { after_ms } => {
                let after = span(after_ms);
                write!(
                    f,
                    "the contract is mended while the process goes on; {after} later the quarantine is read again"
                )
            }
        }
    }
}

/// Milliseconds, as people say them.
fn span(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1000, ms % 1000 / 100) }
}
