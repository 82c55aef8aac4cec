//! Lines that are no events: counted, sampled, and written down whole.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::engine::Unreadable;

/// Refused lines that are kept to be shown.
const SAMPLES: usize = 5;

/// A line that is no event.
#[derive(Debug)]
pub(crate) struct Reject {
    /// Line of its chunk, from 0.
    pub(crate) line: u64,
    /// Byte of its chunk.
    pub(crate) offset: u64,
    pub(crate) sort: &'static str,
    pub(crate) reason: String,
    pub(crate) text: Vec<u8>,
}

/// A refused line as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct RejectSample {
    /// The export, when there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its number, from 1.
    pub line: u64,
    /// Where it starts, in bytes of the text.
    pub offset: u64,
    /// Why it is no event.
    pub reason: String,
}

/// What was refused.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RejectCounts {
    /// How many lines.
    pub lines: u64,
    /// How many of each sort.
    pub by_sort: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub first: Vec<RejectSample>,
}

/// A row of the rejects file.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    sample: &'a RejectSample,
    text: &'a str,
}

/// Takes refused lines in order.
pub(crate) struct RejectWriter {
    out: Option<Box<dyn Write + Send>>,
    counts: RejectCounts,
}

impl RejectWriter {
    pub(crate) fn new(out: Option<Box<dyn Write + Send>>) -> RejectWriter {
        RejectWriter { out, counts: RejectCounts::default() }
    }

    /// Takes a refused line; `lines` and `offset` are of the start of its chunk.
    pub(crate) fn take(&mut self, reject: Reject, file: Option<&str>, lines: u64, offset: u64) -> io::Result<()> {
        self.counts.lines += 1;
        *self.counts.by_sort.entry(reject.sort).or_default() += 1;
        let sample = RejectSample {
            file: file.map(str::to_owned),
            line: lines + reject.line + 1,
            offset: offset + reject.offset,
            reason: reject.reason,
        };
        if let Some(out) = &mut self.out {
            let row = Row { sample: &sample, text: &String::from_utf8_lossy(&reject.text) };
            serde_json::to_writer(&mut *out, &row)?;
            out.write_all(b"\n")?;
        }
        if self.counts.first.len() < SAMPLES {
            self.counts.first.push(sample);
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> io::Result<RejectCounts> {
        self.out.map_or(Ok(()), |mut out| out.flush())?;
        Ok(self.counts)
    }
}

impl Reject {
    pub(crate) fn new(line: u64, offset: u64, error: &Unreadable, text: &[u8]) -> Reject {
        Reject { line, offset, sort: error.sort(), reason: error.to_string(), text: text.to_vec() }
    }

    pub(crate) fn too_long(line: u64, offset: u64, length: u64, text: &[u8]) -> Reject {
        let (mib, kept) = (crate::files::LINE_BYTES_MAX >> 20, text.len().min(crate::files::KEPT_BYTES));
        Reject {
            line,
            offset,
            sort: "line too long",
            reason: format!("the line is {length} bytes long; at most {mib} MiB are read, and {kept} bytes kept here"),
            text: text[..kept].to_vec(),
        }
    }
}
