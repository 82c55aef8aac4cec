//! What a person reads: a table for each size of commit.

use std::fmt::Write as _;

use crate::compare::Cell;
use crate::contestant::Name;
use crate::measure::median;

/// What the columns are.
pub(crate) const LEGEND: &str = "\
events/s   acknowledged, from the first commit to the last; of fjall and of raw: as multiples of theirs
p50, p99   of a commit, or of an append where there are many at once; milliseconds
cpu        user and system, microseconds an event; with closing: put-off work included
close      milliseconds
disk       blocks after closing, by bytes of distinct payloads; length: lengths of files instead, where files
           have holes; own: blocks, less the file that finis keeps to let go when the disk is full
peak       MiB of memory beyond the work itself; of a run that makes nothing ready and is killed
open       milliseconds until an event is read, files in the page cache: after closing, after kill -9";

struct Column {
    head: &'static str,
    decimals: usize,
    of: fn(&Cell) -> f64,
}

const COLUMNS: &[Column] = &[
    Column { head: "p50", decimals: 3, of: |cell| cell.closed.p50_seconds * 1e3 },
    Column { head: "p99", decimals: 3, of: |cell| cell.closed.p99_seconds * 1e3 },
    Column { head: "cpu", decimals: 2, of: |cell| cell.closed.processor_seconds * 1e6 / cell.closed.events as f64 },
    Column { head: "with closing", decimals: 2, of: processor_with_closing },
    Column { head: "close", decimals: 0, of: |cell| cell.closed.close_seconds * 1e3 },
    Column { head: "disk", decimals: 2, of: |cell| by_payload(cell, cell.closed.disk.blocks) },
    Column { head: "length", decimals: 2, of: |cell| by_payload(cell, cell.closed.disk.lengths) },
    Column { head: "own", decimals: 2, of: |cell| by_payload(cell, cell.closed.disk_less_reserve.blocks) },
    Column { head: "peak", decimals: 0, of: |cell| cell.killed.peak_bytes as f64 / f64::from(1 << 20) },
    Column { head: "open", decimals: 0, of: |cell| cell.closed_opened.seconds * 1e3 },
    Column { head: "killed", decimals: 0, of: |cell| cell.killed_opened.seconds * 1e3 },
];

fn processor_with_closing(cell: &Cell) -> f64 {
    (cell.closed.processor_seconds + cell.closed.close_processor_seconds) * 1e6 / cell.closed.events as f64
}

fn by_payload(cell: &Cell, bytes: u64) -> f64 {
    bytes as f64 / cell.closed.payload_bytes as f64
}

fn rate(cell: &Cell) -> f64 {
    cell.closed.events as f64 / cell.closed.seconds
}

/// Medians over the rounds, a line for each contestant.
pub(crate) fn of(batch: usize, contestants: &[Name], cells: &[&Cell]) -> String {
    let median_of = |name: Name, of: fn(&Cell) -> f64| {
        median(cells.iter().filter(|cell| cell.contestant == name).map(|cell| of(cell)))
    };
    let mut rows = vec![vec![format!("{batch} a sync"), "events/s".into(), "of fjall".into(), "of raw".into()]];
    rows[0].extend(COLUMNS.iter().map(|column| column.head.to_owned()));
    for &name in contestants {
        let own = median_of(name, rate);
        let ratio = |other| number(own / median_of(other, rate), 2);
        let mut row = vec![name.as_str().to_owned(), number(own, 0), ratio(Name::Fjall), ratio(Name::Raw)];
        row.extend(COLUMNS.iter().map(|column| number(median_of(name, column.of), column.decimals)));
        rows.push(row);
    }
    aligned(&rows)
}

/// A number with commas between thousands; a dash where there is none.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.decimals$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut grouped = String::new();
    for (place, digit) in text.char_indices() {
        if place > 0 && place < whole && (whole - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Columns of one width, the first to the left and the others to the right.
pub(crate) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut table = String::new();
    for row in rows {
        for (column, text) in row.iter().enumerate() {
            let width = widths[column];
            // Writing to a string never fails.
            let _ = if column == 0 { write!(table, "{text:<width$}") } else { write!(table, "  {text:>width$}") };
        }
        table.push('\n');
    }
    table
}
