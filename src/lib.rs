//! finis gives each voice-agent session its last word, exactly once.
//!
//! Platforms announce the life of a call in webhooks that come out of order, twice, late, changed
//! or never. finis folds them into one converged record for each session, and says what is missing,
//! what is in conflict and when the provider's own rules hold.
//!
//! This crate is the facade: it puts the parts together. What they do is in [`engine`] (the pure
//! core), [`providers`] (what each platform promises, as data) and [`files`] (log exports).
//!
//! ```
//! use finis::engine::{Key, Partial, Reader, Record, Terms, Timestamp};
//! use finis::providers::Catalogue;
//!
//! let catalogue = Catalogue::shipped();
//! let pathors = catalogue.get("pathors").unwrap();
//! let payload = r#"{"event":"session.ended","sessionId":"s-1","timestamp":"2026-05-03T08:42:11.512Z"}"#;
//!
//! let mut reader = Reader::new();
//! let event = reader.read(pathors, payload).unwrap();
//! let mut session = Partial::default();
//! assert!(session.add(pathors, &event, None));
//! assert!(!session.add(pathors, &event, None), "the same event twice is one event");
//!
//! let key = Key { source: "pathors", subject: event.subject, id: "s-1" };
//! let an_hour_later = Timestamp::parse("2026-05-03T09:42:11.512Z").unwrap();
//! let record = Record::new(key, &session, pathors, &Terms::new(pathors), an_hour_later);
//! assert_eq!(record.verdict.status.as_str(), "stalled");
//! assert_eq!(record.missing, ["session.finalized"]);
//! ```
//!
//! To fold whole exports, see [`reconcile`].

#[cfg(feature = "live")]
pub mod live; // the live engine with its default parts
pub mod reconcile; // exports of any size into records
#[cfg(feature = "serve")]
pub mod serve; // the live engine behind HTTP
#[cfg(feature = "live")]
pub mod store; // stores looked into and filled

pub use finis_engine as engine;
pub use finis_files as files;
pub use finis_providers as providers;

/// What the README shows of the library compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
