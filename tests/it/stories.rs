//! Deliveries in, records out: every story of the fixtures, as it stands and in every disguise
//! under which it must stay the same.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::door::{Finis, Scratch, fixtures, gzip, updating, zstd};

/// A folder `fixtures/<provider>/NNNN-what-it-shows/`.
pub(crate) struct Story {
    folder: PathBuf,
    /// As `pathors/0001-documented-bodies`.
    pub(crate) name: String,
    pub(crate) provider: String,
    /// What was delivered.
    pub(crate) deliveries: Vec<u8>,
    /// Further arguments.
    pub(crate) arguments: Vec<String>,
}

/// What the command makes of deliveries. Both are bytes, as all that is compared.
#[derive(PartialEq, Eq)]
struct Told {
    records: Vec<u8>,
    rejects: Vec<u8>,
}

impl Story {
    /// Every story there is, by name.
    pub(crate) fn all() -> Vec<Story> {
        let mut stories: Vec<Story> =
            folders(&fixtures()).iter().flat_map(|provider| folders(provider)).filter_map(Story::read).collect();
        stories.sort_by(|left, right| left.name.cmp(&right.name));
        assert!(stories.len() > 100, "only {} stories were found", stories.len());
        stories
    }

    fn read(folder: PathBuf) -> Option<Story> {
        let deliveries = std::fs::read(folder.join("deliveries.jsonl")).ok()?;
        let arguments = std::fs::read_to_string(folder.join("args")).unwrap_or_default();
        let name = folder.strip_prefix(fixtures()).unwrap().to_str().unwrap().to_owned();
        let provider = name.split('/').next().unwrap().to_owned();
        let arguments = arguments.lines().map(str::to_owned).collect();
        Some(Story { folder, name, provider, deliveries, arguments })
    }

    /// Runs `finis reconcile` on these deliveries, on the terms of the story.
    fn tell(&self, deliveries: &[u8], more: &[&str]) -> Result<Told, String> {
        let scratch = Scratch::new();
        scratch.write("deliveries.jsonl", deliveries);
        let ended = Finis::in_folder(scratch.path())
            .and(["reconcile", "deliveries.jsonl", "--provider", &self.provider])
            .and(&self.arguments)
            .and(["--out", "records.ndjson", "--rejects", "rejects.ndjson"])
            .and(more)
            .run();
        if (ended.code, ended.err.as_str()) != (0, "") {
            return Err(format!("exit {}: {}", ended.code, ended.err));
        }
        let file = |name| scratch.bytes(name).ok_or_else(|| format!("{name} was not written"));
        Ok(Told { records: file("records.ndjson")?, rejects: file("rejects.ndjson")? })
    }

    fn expected(&self) -> Told {
        // No file says the same as an empty one: none is refused.
        let file = |name| std::fs::read(self.folder.join(name)).unwrap_or_default();
        Told { records: file("records.ndjson"), rejects: file("rejects.ndjson") }
    }

    /// Writes down what is told now; of what an oracle wrote, the reasons alone, which it left open.
    fn update(&self, told: &Told) {
        let rejects = if self.is_specified() {
            with_reasons(&self.expected().rejects, &told.rejects)
        } else {
            std::fs::write(self.folder.join("records.ndjson"), &told.records).unwrap();
            told.rejects.clone()
        };
        let file = self.folder.join("rejects.ndjson");
        if rejects.is_empty() {
            // It may never have been there.
            let _ = std::fs::remove_file(file);
        } else {
            std::fs::write(file, rejects).unwrap();
        }
    }

    /// Whether its records are the word of an oracle, not of the command.
    fn is_specified(&self) -> bool {
        self.provider == "pathors"
    }
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

/// The lines of a text, without their ends.
fn lines_of(bytes: &[u8]) -> Vec<&[u8]> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() { Vec::new() } else { bytes.split(|byte| *byte == b'\n').collect() }
}

/// The specified rows, with the reasons that are told now. Where the command refuses other lines
/// than it should, nothing changes.
fn with_reasons(specified: &[u8], told: &[u8]) -> Vec<u8> {
    let (rows, told) = (lines_of(specified), lines_of(told));
    let of_row = |row: &[u8]| -> Value { serde_json::from_slice(row).unwrap() };
    let reason = |row: &[u8]| format!(r#""reason":{}"#, of_row(row)["reason"]);
    let place = |row: &[u8]| (of_row(row)["line"].clone(), of_row(row)["offset"].clone());
    if rows.len() != told.len() || rows.iter().zip(&told).any(|(row, told)| place(row) != place(told)) {
        return specified.to_vec();
    }
    let fill = |(row, told): (&&[u8], &&[u8])| {
        let text = std::str::from_utf8(row).unwrap();
        format!("{}\n", text.replacen(&reason(row), &reason(told), 1))
    };
    rows.iter().zip(&told).map(fill).collect::<String>().into_bytes()
}

/// What was refused and why, sorted, without its place in the file.
fn refusals(rejects: &[u8]) -> Vec<(String, String)> {
    let row = |row: &&[u8]| {
        let row: Value = serde_json::from_slice(row).unwrap();
        (row["reason"].to_string(), row["text"].to_string())
    };
    let mut refusals: Vec<_> = lines_of(rejects).iter().map(row).collect();
    refusals.sort();
    refusals
}

/// Says the first line that differs.
fn difference(what: &str, told: &[u8], expected: &[u8]) -> Option<String> {
    if told == expected {
        return None;
    }
    let (told, expected) = (lines_of(told), lines_of(expected));
    let length = told.len().max(expected.len());
    let place = (0..length).find(|place| told.get(*place) != expected.get(*place)).unwrap_or_default();
    let line =
        |lines: &[&[u8]]| lines.get(place).map_or("nothing".into(), |line| String::from_utf8_lossy(line).into_owned());
    Some(format!("{what}, line {}:\n  told     {}\n  expected {}", place + 1, line(&told), line(&expected)))
}

/// Runs a check on every story, and panics with all that is wrong.
#[track_caller]
fn each_story(check: impl Fn(&Story) -> Result<(), String>) {
    let mut wrong = String::new();
    for story in Story::all() {
        if let Err(problem) = check(&story) {
            write!(wrong, "\n{}\n{problem}\n", story.name).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Tells every story in a disguise, which must change neither records nor what is refused.
#[track_caller]
fn never_shows(disguise: impl Fn(&[u8]) -> Vec<u8>, copies: usize) {
    each_story(|story| {
        let (plain, told) = (story.tell(&story.deliveries, &[])?, story.tell(&disguise(&story.deliveries), &[])?);
        let mut expected = refusals(&plain.rejects);
        expected = expected.into_iter().flat_map(|refusal| vec![refusal; copies]).collect();
        let rejects = refusals(&told.rejects);
        if let Some(place) = (0..expected.len().max(rejects.len())).find(|at| rejects.get(*at) != expected.get(*at)) {
            let (told, expected) = (rejects.get(place), expected.get(place));
            return Err(format!("refused: told {told:?}, expected {expected:?}"));
        }
        difference("records", &told.records, &plain.records).map_or(Ok(()), Err)
    });
}

/// A byte order mark if there is one, and the lines after it.
fn marked_lines(deliveries: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let mark = if deliveries.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    (&deliveries[..mark], lines_of(&deliveries[mark..]))
}

#[test]
fn every_story_ends_as_it_is_told() {
    each_story(|story| {
        let told = story.tell(&story.deliveries, &[])?;
        if updating() {
            story.update(&told);
        }
        let expected = story.expected();
        let records = difference("records", &told.records, &expected.records);
        records.or_else(|| difference("rejects", &told.rejects, &expected.rejects)).map_or(Ok(()), Err)
    });
}

#[test]
fn the_number_of_threads_never_shows() {
    each_story(|story| {
        let one = story.tell(&story.deliveries, &["--threads", "1"])?;
        let two = story.tell(&story.deliveries, &["--threads", "2"])?;
        let records = difference("records", &two.records, &one.records);
        records.or_else(|| difference("rejects", &two.rejects, &one.rejects)).map_or(Ok(()), Err)
    });
}

#[test]
fn order_never_shows() {
    let reversed = |deliveries: &[u8]| {
        let (mark, mut lines) = marked_lines(deliveries);
        lines.reverse();
        [mark, &lines.join(&b'\n')].concat()
    };
    never_shows(reversed, 1);
}

#[test]
fn repeats_never_show() {
    let doubled = |deliveries: &[u8]| {
        let (mark, lines) = marked_lines(deliveries);
        let lines: Vec<&[u8]> = lines.into_iter().flat_map(|line| [line, line]).collect();
        [mark, &lines.join(&b'\n')].concat()
    };
    never_shows(doubled, 2);
}

#[test]
fn gzip_never_shows() {
    never_shows(gzip, 1);
}

#[test]
fn zstd_never_shows() {
    never_shows(zstd, 1);
}
