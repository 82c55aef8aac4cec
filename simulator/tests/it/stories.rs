//! The model against every story of the fixtures: records byte for byte, and which lines are refused.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use finis_providers::Catalogue;
use finis_simulator::model::export::{Reject, take};
use finis_simulator::model::{Instant, Model, Terms};
use serde_json::Value;

/// How a story is judged.
struct Arguments {
    as_of: Option<Instant>,
    source: String,
    terms: Terms,
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn arguments(folder: &Path, provider: &str) -> Arguments {
    let text = std::fs::read_to_string(folder.join("args")).unwrap_or_default();
    let words: Vec<&str> = text.lines().collect();
    let mut arguments = Arguments { as_of: None, source: provider.to_owned(), terms: Terms::default() };
    let seconds = |text: &str| Some(Duration::from_secs(text.parse().unwrap()));
    for pair in words.chunks(2) {
        let [name, value] = pair else { panic!("an argument without its value: {pair:?}") };
        match *name {
            "--as-of" => arguments.as_of = Instant::parse(value),
            "--source" => (*value).clone_into(&mut arguments.source),
            "--grace" => arguments.terms.grace = seconds(value),
            "--stall" => arguments.terms.stall = seconds(value),
            "--subscribe" => arguments.terms.subscribed = Some(value.split(',').map(str::to_owned).collect()),
            name => panic!("no story has had `{name}` yet"),
        }
    }
    arguments
}

fn rejects(folder: &Path) -> Vec<Reject> {
    let text = std::fs::read_to_string(folder.join("rejects.ndjson")).unwrap_or_default();
    let row = |row: &str| {
        let row: Value = serde_json::from_str(row).unwrap();
        let number = |name: &str| row[name].as_u64().unwrap() as usize;
        Reject { line: number("line"), offset: number("offset"), text: row["text"].as_str().unwrap().to_owned() }
    };
    text.lines().map(row).collect()
}

/// What is wrong with a story, if anything is.
fn tell(catalogue: &Catalogue, provider: &str, folder: &Path) -> Option<String> {
    let contract = catalogue.get(provider).unwrap();
    let Arguments { as_of, source, terms } = arguments(folder, provider);
    let mut model = Model::new(contract, terms);
    let refused = take(&mut model, &std::fs::read(folder.join("deliveries.jsonl")).unwrap(), &source);
    let expected = rejects(folder);
    if refused != expected {
        let differ = (0..refused.len().max(expected.len())).find(|place| refused.get(*place) != expected.get(*place));
        let place = differ.unwrap_or_default();
        return Some(format!("refused {:?}\nexpected {:?}", refused.get(place), expected.get(place)));
    }
    let as_of = as_of.or(model.as_of());
    let told = as_of.map(|as_of| model.records(as_of)).unwrap_or_default();
    let expected = std::fs::read_to_string(folder.join("records.ndjson")).unwrap();
    let mut pairs = told.lines().zip(expected.lines());
    match pairs.find(|(told, expected)| told != expected) {
        Some((told, expected)) => Some(format!("told     {told}\nexpected {expected}")),
        None if told != expected => Some("one has more records than the other".to_owned()),
        None => None,
    }
}

#[test]
fn the_model_tells_every_story_as_it_was_written_down() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let catalogue = Catalogue::shipped();
    let (mut told, mut wrong) = (0, String::new());
    for contract in catalogue.iter() {
        let provider = contract.provider();
        for folder in folders(&fixtures.join(provider)) {
            told += 1;
            if let Some(problem) = tell(&catalogue, provider, &folder) {
                writeln!(wrong, "{}\n{problem}\n", folder.display()).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(told > 100, "only {told} stories were found");
}
