//! finis-engine: the pure core of finis.
//!
//! Everything here is a function of values: no clock, no disk, no socket, no hash order; and nothing is
//! async but the [`log`] and the [`Engine`], to which time and disks are handed from outside. Read it in
//! the way of the data:
//!
//! ```text
//! line ──▶ event ──▶ partial ──▶ verdict ──▶ record
//!      read      add, merge   judge      print
//! ```
//!
//! A [`Contract`] says what a provider promises; a [`LineReader`] takes an [`Event`] from a line
//! under it; a [`Partial`] joins events; [`judge`] says where the session stands; a [`Record`] is
//! what is handed out. Start with [`Partial`]: that its join does not care for order or repeats is
//! what everything else leans on. By the million, a [`Packer`] and a [`Folder`] do the same; live, a
//! [`live::Session`] says when there is something to be said, and an [`Engine`] keeps and tells it.
//!
//! Not here on purpose: where contracts come from (`finis-providers`), files (`finis-files`), and
//! who keeps which session where (`finis`).

mod bytes; // short texts held against each other
mod certificate; // what lets a record be checked elsewhere
pub mod contract; // what a provider promises, as data
mod digest; // what makes an event itself
mod engine; // the live engine: deliveries in, notices out
mod event; // from a payload to an event
mod json; // strict JSON with one form for equal values
mod judge; // where a session stands
mod line; // from a line of an export to a payload
pub mod live; // a session as it lives, and what is said of it
pub mod log; // where entries of sessions are kept
mod packed; // events, small and comparable, by the million
mod partial; // the join: what part of a log says
mod record; // what is handed out
mod span; // lengths of time
pub mod timeline; // a session, entry by entry
mod timestamp; // instants

pub use certificate::{Certifier, FOLD_VERSION};
pub use contract::{CHANNELS, Channel, Contract, FieldId, KindId, OUTCOMES, Outcome, SubjectId, Terms};
pub use digest::Digest;
pub use engine::{
    AckError, Clock, DeliverError, DeliveryStats, Denied, Engine, Failure, Filled, Filler, Following, Handler,
    Handover, HandoverStats, Health, Histogram, Judged, LostStats, Misread, NoticeStats, Notices, Parked, Placed,
    Policy, Progress, REMEMBER_MIN, Receipt, ReceiveError, Refold, Refolded, Refusal, Rejudged, Retention, Retried,
    Schedule, Seen, SessionStats, Settings, Source, SourceStats, StartAt, Stats, Then, Unacknowledged, Unverified,
    Verify, Viewed, Worker, Writer, retry_refused,
};
pub use event::{Event, EventKind, ID_BYTES_MAX, Reader, Unreadable};
pub use json::{DEPTH_MAX, JsonError, Pointer, canonical, text_at};
pub use judge::{By, STATUSES, Status, Verdict, judge};
pub use line::{Arrival, LineReader};
pub use packed::{Folder, Form, Forms, Packed, PackedArrival, Packer};
pub use partial::{Partial, VALUES_MAX};
pub use record::{Claimed, Conflict, Key, Record, RecordEvent, TOO_MANY_EVENTS};
pub use span::{parse_span, print_span};
pub use timestamp::{TimeError, Timestamp};
