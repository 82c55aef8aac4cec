//! A session as it lives: what comes in, when it has to be judged again, and what is said of it.
//!
//! ```text
//! arrival or passed deadline ──▶ session ──▶ notices
//!                                 receive, pass    (each kind and revision once)
//! ```
//!
//! All of it is a function of values. Time comes as an argument: an arrival has the receiver's time, a
//! deadline has the instant it was due at, and both are entries of the log, so that a replay of the
//! log says the same again and asks no clock.

mod changes; // what differs between two records
mod key; // whose log it is
mod notice; // what is said, each once
mod session; // the log of a session, judged entry by entry
mod wanting; // events that did not come, from one record to the next

pub use changes::{Change, changes};
pub use key::SessionKey;
pub use notice::{Asset, Notice, NoticeId, NoticeKind, Said};
pub use session::{Arrival as LiveArrival, Received, Session, Under};
pub(crate) use wanting::{Names, Wanting};
