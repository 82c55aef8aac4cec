//! From sessions to records: judged, sorted, printed side by side on several threads.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ordered::Ordered;
use super::read::Events;
use super::rows::rows;
use super::sources::{Plan, SourceId};
use super::tally::{Counts, Tally};
use super::units::Unit;
use crate::engine::{Certifier, Folder, Key, Packed, Record, Timestamp};

/// Blocks that a thread may be ahead of the others.
const BLOCKS_AHEAD_MAX: u64 = 8;

/// A way to print records. Each thread has one of its own.
pub trait Print {
    /// Appends a record of a source that is read under `plan`; `place` tells plans apart.
    fn print(&mut self, record: &Record<'_>, plan: &Plan, place: usize, out: &mut Vec<u8>);

    /// Whether it prints the digests of events, which then are made.
    fn has_digests(&self) -> bool;
}

/// Records cannot be written.
#[derive(Debug)]
pub struct PrintError(pub io::Error);

impl fmt::Display for PrintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot write the records")
    }
}

impl std::error::Error for PrintError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Prints a record as a line of JSON.
#[derive(Default)]
pub struct Ndjson<'p> {
    certifiers: Option<Vec<Option<Certifier<'p>>>>,
    plans: &'p [(String, Plan)],
}

impl<'p> Ndjson<'p> {
    /// Plain records; or, with `certify`, with digests and certificates.
    #[must_use]
    pub fn new(events: &'p Events, certify: bool) -> Ndjson<'p> {
        Ndjson { certifiers: certify.then(Vec::new), plans: &events.sources }
    }
}

impl Print for Ndjson<'_> {
    fn print(&mut self, record: &Record<'_>, _plan: &Plan, place: usize, out: &mut Vec<u8>) {
        match &mut self.certifiers {
            None => record.write_json(out),
            Some(certifiers) => {
                certifiers.resize_with(certifiers.len().max(place + 1), || None);
                let plan = &self.plans[place].1;
                let certifier = certifiers[place].get_or_insert_with(|| Certifier::new(&plan.contract, &plan.terms));
                record.write_certified(out, certifier);
            }
        }
        out.push(b'\n');
    }

    fn has_digests(&self) -> bool {
        self.certifiers.is_some()
    }
}

impl Events {
    /// Folds and judges every session at `as_of` and prints its record, sorted by source and session;
    /// each thread with a printer that `printer` makes.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn print<P: Print>(
        &self,
        as_of: Timestamp,
        threads: usize,
        printer: impl Fn() -> P + Sync,
        out: &mut (dyn Write + Send),
    ) -> Result<Tally, PrintError> {
        let units = self.units(threads);
        let ordered = Ordered::new(BLOCKS_AHEAD_MAX, |block: &mut Vec<u8>| out.write_all(block));
        let next = AtomicUsize::new(0);
        let work = || {
            let mut counts = Vec::new();
            counts.resize_with(self.sources.len(), Counts::default);
            let mut session = Session { events: self, as_of, folder: Folder::default(), printer: printer() };
            let mut copy = Vec::new();
            let mut printed = Vec::new();
            let _guard = ordered.guard();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(unit) = units.all.get(number) else { break };
                printed.clear();
                let print =
                    |source, events: &mut [Packed<'_>]| session.print(source, events, &mut counts, &mut printed);
                match unit {
                    Unit::Part(part) => {
                        self.kept.copy(*part, &mut copy);
                        units.each_session(rows(&copy), self, print);
                    }
                    Unit::Rows(rows) => units.each_session(rows.iter().copied(), self, print),
                }
                let Some(used) = ordered.give(number as u64, printed) else { break };
                printed = used;
            }
            counts
        };
        let counts: Vec<Vec<Counts>> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let others =
                others.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            std::iter::once(own).chain(others).collect()
        });
        ordered.finish().map_err(PrintError)?;
        out.flush().map_err(PrintError)?;
        let mut all = Tally::default();
        for counts in counts {
            counts.into_iter().zip(&self.sources).for_each(|(counts, (_, plan))| all.add(counts, plan));
        }
        Ok(all)
    }
}

/// Makes the records of one session after another.
struct Session<'r, P> {
    events: &'r Events,
    as_of: Timestamp,
    folder: Folder,
    printer: P,
}

impl<P: Print> Session<'_, P> {
    fn print(&mut self, source: SourceId, events: &mut [Packed<'_>], counts: &mut [Counts], out: &mut Vec<u8>) {
        let Some(first) = events.first().copied() else { return };
        let place = source.0 as usize;
        let (name, plan) = &self.events.sources[place];
        let partial = self.folder.fold(&plan.contract, events, self.printer.has_digests());
        // It was a str when it was packed.
        let id = std::str::from_utf8(first.id()).unwrap_or_default();
        let key = Key { source: name, subject: first.subject(), id };
        let record = Record::new(key, partial, &plan.contract, &plan.terms, self.as_of);
        counts[place].add(&record, first.subject());
        self.printer.print(&record, plan, place, out);
    }
}
