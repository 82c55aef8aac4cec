//! From sessions to records: judged, sorted, printed side by side on several threads.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fold::Folded;
use super::ordered::Ordered;
use super::sessions::{Session, Shard};
use super::sources::Plan;
use super::tally::Tally;
use crate::engine::{Certifier, Key, Record, Timestamp};

/// Records that a thread prints at a time.
const BLOCK_RECORDS: usize = 256;

/// Blocks that a thread may be ahead of the others.
const BLOCKS_AHEAD_MAX: u64 = 8;

/// A way to print records. Each thread has one of its own.
pub trait Print {
    /// Appends a record of a source that is read under `plan`; `place` tells plans apart.
    fn print(&mut self, record: &Record<'_>, plan: &Plan, place: usize, out: &mut Vec<u8>);
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
    pub fn new(folded: &'p Folded, certify: bool) -> Ndjson<'p> {
        Ndjson { certifiers: certify.then(Vec::new), plans: &folded.sources }
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
}

/// Where a session stands in the order of output: source, then id, then subject.
struct Entry<'f> {
    source: u32,
    /// The first bytes of the id, so that most comparisons touch nothing else.
    prefix: u64,
    session: &'f Session,
}

impl Folded {
    /// Judges every session at `as_of` and prints its record, sorted by source and session; each
    /// thread with a printer that `printer` makes.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn print<'f, P: Print>(
        &'f self,
        as_of: Timestamp,
        threads: usize,
        printer: impl Fn() -> P + Sync,
        out: &mut (dyn Write + Send),
    ) -> Result<Tally, PrintError> {
        let entries = self.entries(threads);
        let blocks: Vec<&[Entry<'f>]> = entries.chunks(BLOCK_RECORDS).collect();
        let ordered = Ordered::new(BLOCKS_AHEAD_MAX, |block: &mut Vec<u8>| out.write_all(block));
        let next = AtomicUsize::new(0);
        let work = || {
            let mut tally = Tally::default();
            let mut printer = printer();
            let mut printed = Vec::new();
            let _guard = ordered.guard();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(block) = blocks.get(number) else { break };
                printed.clear();
                for entry in *block {
                    let (name, plan) = &self.sources[entry.session.source.0 as usize];
                    let session = entry.session;
                    let key = Key { source: name, subject: session.subject, id: &session.id };
                    let record = Record::new(key, &session.partial, &plan.contract, &plan.terms, as_of);
                    tally.add(&record, &plan.contract);
                    printer.print(&record, plan, session.source.0 as usize, &mut printed);
                }
                let Some(used) = ordered.give(number as u64, printed) else { break };
                printed = used;
            }
            tally
        };
        let tallies: Vec<Tally> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let others =
                others.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            std::iter::once(own).chain(others).collect()
        });
        ordered.finish().map_err(PrintError)?;
        out.flush().map_err(PrintError)?;
        let mut all = Tally::default();
        for tally in tallies {
            all.merge(tally);
        }
        Ok(all)
    }

    /// All sessions in the order of output.
    fn entries(&self, threads: usize) -> Vec<Entry<'_>> {
        let mut names: Vec<usize> = (0..self.sources.len()).collect();
        names.sort_by(|left, right| self.sources[*left].0.cmp(&self.sources[*right].0));
        let mut order = vec![0; names.len()];
        names.iter().enumerate().for_each(|(place, source)| order[*source] = place as u32);

        let parts = self.shards.chunks(self.shards.len().div_ceil(threads).max(1));
        let mut entries: Vec<Entry<'_>> = std::thread::scope(|scope| {
            let parts: Vec<_> = parts.map(|shards| scope.spawn(|| self.sorted(shards, &order))).collect();
            let parts =
                parts.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            parts.flatten().collect()
        });
        // This sort finds the sorted parts, and only merges them.
        entries.sort_by(|left, right| self.compare(left, right));
        entries
    }

    /// The sessions of some shards, in the order of output.
    fn sorted<'f>(&'f self, shards: &'f [Shard], order: &[u32]) -> Vec<Entry<'f>> {
        let sessions = shards.iter().flat_map(|shard| &shard.sessions);
        let mut entries: Vec<Entry<'f>> = sessions.map(|session| Entry::new(session, order)).collect();
        entries.sort_unstable_by(|left, right| self.compare(left, right));
        entries
    }

    fn compare(&self, left: &Entry<'_>, right: &Entry<'_>) -> std::cmp::Ordering {
        let by_prefix = left.source.cmp(&right.source).then(left.prefix.cmp(&right.prefix));
        by_prefix.then_with(|| left.session.id.cmp(&right.session.id)).then_with(|| {
            let subject =
                |session: &Session| self.sources[session.source.0 as usize].1.contract.subject_name(session.subject);
            subject(left.session).cmp(subject(right.session))
        })
    }
}

impl<'f> Entry<'f> {
    /// `order`: the place of each source among all, by name.
    fn new(session: &'f Session, order: &[u32]) -> Entry<'f> {
        let mut prefix = [0; 8];
        let length = session.id.len().min(8);
        prefix[..length].copy_from_slice(&session.id.as_bytes()[..length]);
        Entry { source: order[session.source.0 as usize], prefix: u64::from_be_bytes(prefix), session }
    }
}
