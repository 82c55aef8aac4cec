//! How long to wait: what every grace and every stall would have done in a world.
//!
//! A grace that is short says `complete` early, and has to amend; one that is long keeps everybody waiting
//! for what never comes. Which of both costs more is the operator's to know; a [`Survey`] says what each
//! choice does to the sessions of a [`World`](crate::world::World) under [`Faults`](crate::faults::Faults),
//! for all choices in one pass: a [`Story`] is a session as its evidence came, read by the engine once, and
//! what is said of it under given [`Waits`] follows from the instants in it. That this is what the live
//! engine says under them, the tests hold against the live engine.
//!
//! A session is at hand only while it is counted, so a million of them take the memory of one.
//!
//! ```
//! use finis_engine::Terms;
//! use finis_providers::Catalogue;
//! use finis_simulator::faults::{Chance, Preset};
//! use finis_simulator::grace::{Question, Survey};
//! use finis_simulator::world::{Settings, World};
//!
//! let catalogue = Catalogue::shipped();
//! let pathors = catalogue.get("pathors").unwrap();
//! let world = World::new(pathors, Settings { seed: 7, sessions: 500, ..Settings::default() })?;
//! let terms = Terms::new(pathors);
//! let question = Question::around(pathors, &terms);
//!
//! let survey = Survey::new(pathors, &world, &Preset::Ordinary.faults(), 7, &terms, &question, &|_| ());
//! let (shortest, longest) = (&survey.graces[0], survey.graces.last().unwrap());
//! assert_eq!(shortest.completed(), longest.completed());
//! assert!(shortest.by_deadline >= longest.by_deadline);
//! assert!(survey.grace(Chance::percent(1)).is_some());
//! # Ok::<(), finis_simulator::world::HabitsError>(())
//! ```

mod plot; // the same as a picture
mod row; // what became of all sessions under one wait
mod spread; // how lengths of time are spread
mod story; // one session, and what is said of it under any waits
mod survey; // all sessions, in one pass

pub use plot::{length, percent, plot};
pub use row::{GraceRow, StallRow};
pub use spread::Spread;
pub use story::{Cause, Kinds, Narrator, Said, Standing, Step, Story, Waits};
pub use survey::{Question, Survey};
