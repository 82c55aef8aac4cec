//! finis-simulator: hostile worlds of a webhook receiver from a seed, and what must come of them.
//!
//! Everything here is a function of values: the same seed gives the same bytes on every machine, and no clock
//! is asked. Read it in the way of the data:
//!
//! ```text
//! seed ──▶ session ──▶ emission ──▶ arrival ──▶ what must come of it
//!     world       in order     faults       model
//! ```
//!
//! A [`World`](world::World) makes sessions as a contract's provider sends them, and knows the truth of each;
//! a [`Road`](faults::Road) takes their events through [`Faults`](faults::Faults) and gives [`Arrival`]s as
//! they come in; a [`Model`](model::Model) says, naively and with none of the engine's code, what the records
//! and notices must be. A [`Script`](script::Script) is such a list of arrivals, to be kept and cut down.
//! [`grace`] says what every grace and every stall would do in such a world; [`check`] has the laws of a fold
//! for folds of your own, and [`conclusions`] hold what a receiver says against what was posted to it.
//!
//! Then there is the other side, the receiver:
//!
//! ```text
//! arrivals, mishaps ──▶ story ──▶ run ──▶ what happened ──▶ oracle ──▶ broken promises ──▶ shrink
//! ```
//!
//! A [`Story`](story::Story) is everything that happens to a receiver, deliveries and
//! [mishaps](mishaps::Mishap) of its own; [`run::play`] plays it with the real engine, in virtual time and one
//! step at a time; [`oracle::judge`] says which promises were broken; [`shrink::smallest`] finds the smallest
//! story that still breaks one.
//!
//! ```
//! use finis_engine::Timestamp;
//! use finis_providers::Catalogue;
//! use finis_simulator::faults::{Origin, Preset};
//! use finis_simulator::model::Terms;
//! use finis_simulator::script::Script;
//! use finis_simulator::world::{Settings, World};
//!
//! let catalogue = Catalogue::shipped();
//! let pathors = catalogue.get("pathors").unwrap();
//! let world = World::new(pathors, Settings { seed: 7, sessions: 20, ..Settings::default() })?;
//! let origin = Origin { source: "front-desk".into(), signing: None };
//!
//! let script = Script::new(&world, &Preset::Hostile.faults(), 7, origin);
//! let long_after = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
//! let records = script.records(pathors, Terms::default(), long_after);
//! assert!(records.lines().count() <= 20);
//! assert!(records.lines().all(|record| record.contains(r#""by":"#)));
//! # Ok::<(), finis_simulator::world::HabitsError>(())
//! ```
//!
//! ```
//! use finis_providers::Catalogue;
//! use finis_simulator::story::Story;
//! use finis_simulator::{oracle, run};
//!
//! let catalogue = Catalogue::shipped();
//! let pathors = catalogue.get("pathors").unwrap();
//! let story = Story::swarm(pathors, 7)?;
//! let played = run::play(&story, pathors, &mut |_| {})?;
//! assert_eq!(oracle::judge(&story, pathors, &played), []);
//! # Ok::<(), finis_simulator::story::SetupError>(())
//! ```

pub mod clock; // time in a world
pub mod json; // JSON as a tree that keeps what was written
mod random; // chance that is the same for ever

pub mod world; // sessions as a provider sends them, and the truth of each

mod arrival; // what comes to a receiver, and what it is in truth
pub mod faults; // what goes wrong on the way

pub mod conclusions; // what a receiver made of it, by its own word
pub mod model; // what must come of it
pub mod script; // arrivals written out

pub mod mishaps; // what goes wrong on the receiver's side
pub mod story; // everything that happens to a receiver, in one list

pub mod oracle; // what is promised, held against what happened
pub mod run; // the real engine, played through a story
pub mod shrink; // the smallest story that still breaks a promise

pub mod grace; // how long to wait

pub mod check; // the laws of a fold, for folds of your own

pub use arrival::{Arrival, Is};
