//! From chunks of exports to packed events, parted by session, on several threads.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::header::StoreHeader;
use super::latest::Latest;
use super::ordered::Ordered;
use super::rejects::{Reject, RejectCounts, RejectWriter};
use super::rows::{Kept, Rows};
use super::sources::{Met, Plan, Resolver, SourceId};
use super::{FoldError, Reconciliation};
use crate::engine::{Form, Forms, Packer, Timestamp, Unreadable};
use crate::files::{Chunk, Content, Export, LINE_BYTES_MAX, Lines, ReadError};

/// Chunks that a thread may be ahead of the others.
const CHUNKS_AHEAD_MAX: u64 = 16;

/// Where a fold puts what is no event.
#[derive(Default)]
pub struct Sinks {
    /// Rejected lines go here, an object a line.
    pub rejects: Option<Box<dyn Write + Send>>,
    /// Exports that were opened before, by their place, because they can be read only once.
    pub opened: BTreeMap<usize, Export>,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Reading {
    /// Bytes of text, decompressed.
    pub bytes: u64,
    /// Lines, empty ones too.
    pub lines: u64,
    /// Lines that hold an event.
    pub deliveries: u64,
    /// Lines that hold none.
    pub rejects: RejectCounts,
    /// Exports that could not be read to their end. What came before is counted.
    pub broken: Vec<ReadError>,
    received: Latest,
    emitted: Latest,
}

/// Events, read and parted by session, and not yet judged.
#[derive(Debug)]
pub struct Events {
    /// What was read on the way.
    pub reading: Reading,
    pub(super) kept: Kept,
    pub(super) forms: Vec<Arc<Form>>,
    /// Name and plan of each source that was met.
    pub(super) sources: Vec<(String, Plan)>,
}

impl Events {
    /// The time to judge deadlines at when nobody says: the latest arrival if there is any, else
    /// the latest time of a known kind.
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        self.reading.as_of()
    }

    /// The latest time but one, when that of [`Events::as_of`] stands far from all others.
    #[must_use]
    pub fn lonely_as_of(&self) -> Option<Timestamp> {
        self.reading.lonely_as_of()
    }

    /// The first and the last time of a known kind.
    #[must_use]
    pub fn time_range(&self) -> Option<(Timestamp, Timestamp)> {
        self.reading.time_range()
    }
}

impl Reconciliation {
    /// Reads all exports and folds them.
    ///
    /// An export that breaks off, as a truncated gzip does, is no error here: what came before is
    /// folded, and [`Reading::broken`] says where it ended.
    ///
    /// # Errors
    /// When an export cannot be opened, or the rejects not written.
    pub fn read(&self, sinks: Sinks) -> Result<Events, FoldError> {
        let several = self.exports.len() > 1;
        let met = Met::default();
        let forms = Forms::default();
        let bounds = OnceLock::new();
        let queue = Mutex::new(Queue {
            waiting: self.exports.iter().cloned().enumerate().collect(),
            opened: sinks.opened,
            current: None,
            next: 0,
            failed: None,
            broken: Vec::new(),
        });
        let mut lines = LineCount::default();
        let mut writer = RejectWriter::new(sinks.rejects);
        let ordered = Ordered::new(CHUNKS_AHEAD_MAX, |piece: &mut Piece| {
            lines.start(piece.export);
            for reject in piece.rejects.drain(..) {
                let name = several.then(|| self.exports[piece.export].display().to_string());
                writer.take(reject, name.as_deref(), lines.of_export, piece.offset)?;
            }
            lines.add(piece.lines);
            Ok::<(), std::io::Error>(())
        });

        let workers: Vec<Worker<'_>> = std::thread::scope(|scope| {
            let work = || {
                let mut worker = Worker {
                    resolver: Resolver::new(&self.sources, &met),
                    packer: Packer::new(&forms, self.body_at.clone()),
                    rows: Rows::new(&bounds),
                    reading: Reading::default(),
                };
                let mut bytes = Vec::new();
                let _guard = ordered.guard();
                loop {
                    // The lock is let go before the chunk is worked on.
                    let Some(taken) = lock(&queue).take(self, &mut bytes) else { break };
                    let number = taken.number;
                    let piece = worker.chunk(&taken, &bytes);
                    if ordered.give(number, piece).is_none() {
                        break;
                    }
                }
                worker
            };
            let threads: Vec<_> = (1..self.threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let others = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            std::iter::once(own).chain(others).collect()
        });
        ordered.finish().map_err(FoldError::Rejects)?;
        let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = queue.failed {
            return Err(error);
        }
        let rejects = writer.finish().map_err(FoldError::Rejects)?;

        let mut reading = Reading { broken: queue.broken, rejects, lines: lines.total, ..Reading::default() };
        let mut rows = Vec::new();
        for worker in workers {
            reading.add(&worker.reading);
            rows.push(worker.rows);
        }
        let kept = Kept::new(rows);
        let plans = self.sources.plans();
        let sources = met.into_list().into_iter().map(|(name, plan)| (name, plans[plan].clone())).collect();
        Ok(Events { reading, kept, forms: forms.all(), sources })
    }
}

impl Reading {
    /// As [`Events::as_of`].
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        self.clock().latest()
    }

    /// As [`Events::lonely_as_of`].
    #[must_use]
    pub fn lonely_as_of(&self) -> Option<Timestamp> {
        self.clock().lonely()
    }

    /// As [`Events::time_range`].
    #[must_use]
    pub fn time_range(&self) -> Option<(Timestamp, Timestamp)> {
        self.emitted.earliest().zip(self.emitted.latest())
    }

    fn clock(&self) -> Latest {
        if self.received.latest().is_some() { self.received } else { self.emitted }
    }

    /// Notes an event that was read: when it came, and when it happened if its kind is known.
    pub(crate) fn note(&mut self, received_at: Option<Timestamp>, emitted_at: Option<Timestamp>) {
        self.deliveries += 1;
        if let Some(at) = received_at {
            self.received.add(at);
        }
        if let Some(at) = emitted_at {
            self.emitted.add(at);
        }
    }

    fn add(&mut self, other: &Reading) {
        self.bytes += other.bytes;
        self.deliveries += other.deliveries;
        self.received.merge(other.received);
        self.emitted.merge(other.emitted);
    }
}

/// Lines that were read, of one export after another.
#[derive(Default)]
struct LineCount {
    export: usize,
    of_export: u64,
    total: u64,
}

impl LineCount {
    fn start(&mut self, export: usize) {
        if self.export != export {
            self.export = export;
            self.of_export = 0;
        }
    }

    fn add(&mut self, lines: u64) {
        self.of_export += lines;
        self.total += lines;
    }
}

/// The exports, of which any thread takes the next chunk.
struct Queue {
    waiting: VecDeque<(usize, PathBuf)>,
    opened: BTreeMap<usize, Export>,
    current: Option<(usize, Export)>,
    next: u64,
    failed: Option<FoldError>,
    broken: Vec<ReadError>,
}

/// A chunk, and which it is.
struct Taken {
    number: u64,
    export: usize,
    chunk: Chunk,
}

/// What was found in a chunk, beside events.
#[derive(Default)]
pub(crate) struct Piece {
    export: usize,
    pub(crate) offset: u64,
    pub(crate) lines: u64,
    pub(crate) rejects: Vec<Reject>,
}

impl Piece {
    /// Goes through the lines of a chunk: those that are no text, or that `take` refuses, are rejects. How
    /// many bytes there were is added to `reading`.
    pub(crate) fn read(
        export: usize,
        chunk: &Chunk,
        bytes: &[u8],
        reading: &mut Reading,
        mut take: impl FnMut(&mut Reading, &str) -> Result<(), Unreadable>,
    ) -> Piece {
        let mut piece = Piece { export, offset: chunk.offset, lines: 0, rejects: Vec::new() };
        if let Content::Overlong { length } = chunk.content {
            reading.bytes += length;
            piece.rejects.push(Reject::too_long(0, 0, length, bytes));
            piece.lines = 1;
            return piece;
        }
        reading.bytes += bytes.len() as u64;
        // A chunk is looked at as a whole: one that is UTF-8 has no line that is not.
        let text = simdutf8::basic::from_utf8(bytes).ok();
        for (mut start, mut line) in Lines::new(bytes) {
            let number = piece.lines;
            piece.lines += 1;
            if piece.offset + start as u64 == 0 {
                if line.starts_with(b"\xEF\xBB\xBF") {
                    // A byte order mark stands before the first line, and is no part of it.
                    line = &line[3..];
                    start = 3;
                }
                if StoreHeader::is_one(line) {
                    continue;
                }
            }
            let offset = start as u64;
            if line.len() > LINE_BYTES_MAX {
                piece.rejects.push(Reject::too_long(number, offset, line.len() as u64, line));
                continue;
            }
            if is_blank(line) {
                continue;
            }
            let line_text = match text {
                Some(text) => Ok(&text[start..start + line.len()]),
                None => std::str::from_utf8(line),
            };
            let not_utf8 = |error: std::str::Utf8Error| Unreadable::NotUtf8 { offset: error.valid_up_to() };
            if let Err(error) = line_text.map_err(not_utf8).and_then(|line| take(reading, line)) {
                piece.rejects.push(Reject::new(number, offset, &error, line));
            }
        }
        piece
    }
}

impl Queue {
    fn take(&mut self, of: &Reconciliation, into: &mut Vec<u8>) -> Option<Taken> {
        loop {
            if self.current.is_none() {
                self.current = Some(self.open(of)?);
            }
            let (number, (export, reader)) = (self.next, self.current.as_mut()?);
            match reader.next_chunk(into) {
                Ok(Some(chunk)) => {
                    self.next += 1;
                    return Some(Taken { number, export: *export, chunk });
                }
                Ok(None) => self.current = None,
                Err(error) => {
                    self.broken.push(error);
                    self.current = None;
                }
            }
        }
    }

    fn open(&mut self, of: &Reconciliation) -> Option<(usize, Export)> {
        if self.failed.is_some() {
            return None;
        }
        let (place, path) = self.waiting.pop_front()?;
        if let Some(export) = self.opened.remove(&place) {
            return Some((place, export));
        }
        match Export::open(&path, &of.progress) {
            Ok(export) => Some((place, export)),
            Err(error) => {
                self.failed = Some(FoldError::Open(error));
                None
            }
        }
    }
}

/// One thread's part of a fold.
struct Worker<'s> {
    resolver: Resolver<'s>,
    packer: Packer<'s, SourceId>,
    rows: Rows<'s>,
    reading: Reading,
}

impl Worker<'_> {
    fn chunk(&mut self, taken: &Taken, bytes: &[u8]) -> Piece {
        let Worker { resolver, packer, rows, reading } = self;
        Piece::read(taken.export, &taken.chunk, bytes, reading, |reading, line| {
            let arrival = packer.pack(line, |name| resolver.resolve(name))?;
            reading.note(arrival.received_at, arrival.at.filter(|_| arrival.known));
            rows.add(&arrival);
            Ok(())
        })
    }
}

/// Whether there is nothing on a line but what is ignored around lines.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
