//! A world folded offline, by the same way as exports, and held against the model.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use finis::engine::Timestamp;
use finis::files::Export;
use finis::reconcile::{Ndjson, Reconciliation, Sinks, Sources, Tally};
use finis_simulator::script::Script;

use super::super::Failure;
use super::worlds::Judging;

/// Differences that are kept to be shown.
const SHOWN: usize = 3;

/// What came of a world.
pub(super) struct Outcome {
    /// What the fold made of it.
    pub(super) tally: Tally,
    /// Deliveries that could not be read.
    pub(super) rejected: u64,
    /// Deliveries that prove where they come from, and that nobody can read.
    pub(super) unreadable: u64,
    /// Deliveries that do not prove where they come from: no receiver keeps them.
    pub(super) unproved: u64,
    /// Deliveries of events that were there before.
    pub(super) duplicates: u64,
    /// Records that fold and model do not agree on.
    pub(super) differing: u64,
    /// The first of them.
    pub(super) differences: Vec<Difference>,
}

/// A record, as both have it; nothing where one has none.
pub(super) struct Difference {
    pub(super) fold: Option<String>,
    pub(super) model: Option<String>,
}

impl Outcome {
    /// Whether fold and model say the same.
    pub(super) fn agrees(&self) -> bool {
        self.differing == 0 && self.rejected == self.unreadable
    }
}

/// Folds what arrives as an export would be folded, and holds every record against the model's.
pub(super) fn reconcile(script: &Script, judging: &Judging, as_of: Timestamp) -> Result<Outcome, Failure> {
    let name = format!("seed {}", script.head.seed);
    // What is in memory can be read to its end.
    let export = Export::new(name.clone(), Cursor::new(script.deliveries()))?;
    let reconciliation = Reconciliation {
        exports: vec![PathBuf::from(name)],
        sources: Sources::all_of(judging.plan.clone(), judging.source.clone()),
        body_at: None,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        progress: Arc::new(AtomicU64::new(0)),
    };
    let events = reconciliation.read(Sinks { rejects: None, opened: [(0, export)].into() })?;
    let mut fold = Vec::new();
    let tally = events.print(as_of, reconciliation.threads, || Ndjson::new(&events, false), &mut fold)?;
    let model = script.records(judging.contract(), judging.terms.clone(), as_of);
    let (differing, differences) = differences(&String::from_utf8_lossy(&fold), &model);
    let count =
        |is: fn(&finis_simulator::Is) -> bool| script.arrivals.iter().filter(|arrival| is(&arrival.is)).count() as u64;
    Ok(Outcome {
        duplicates: events.reading.deliveries - tally.events,
        rejected: events.reading.rejects.lines,
        unreadable: count(|is| is.proved && !is.readable),
        unproved: count(|is| !is.proved),
        differing,
        differences,
        tally,
    })
}

/// Lines in which two lists of records differ; both are in order of sessions.
fn differences(fold: &str, model: &str) -> (u64, Vec<Difference>) {
    let (mut fold, mut model) = (fold.lines(), model.lines());
    let mut differing = 0;
    let mut first = Vec::new();
    loop {
        let (left, right) = (fold.next(), model.next());
        if left.is_none() && right.is_none() {
            return (differing, first);
        }
        if left != right {
            differing += 1;
            if first.len() < SHOWN {
                first.push(Difference { fold: left.map(str::to_owned), model: right.map(str::to_owned) });
            }
        }
    }
}
