//! Stories made smaller, kept and read back.

use std::time::Duration;

use finis_simulator::clock::{micros, timestamp};
use finis_simulator::mishaps::Mishap;
use finis_simulator::oracle::{self, Broken, Promise};
use finis_simulator::run::{self, Answer, Did};
use finis_simulator::shrink::{self, Bounds};
use finis_simulator::story::{LoadError, Story, What};

use crate::contracts;

/// What is broken when a story is played.
fn broken(story: &Story) -> Vec<Broken> {
    let contract = contracts::pathors();
    oracle::judge(story, &contract, &run::play(story, &contract, &mut |_| {}).unwrap())
}

/// A story that lies: one of its deliveries is said to prove nothing, and is taken.
fn that_lies() -> Story {
    let contract = contracts::pathors();
    let mut stories = (0..).map(|seed| Story::swarm(&contract, seed).unwrap());
    let mut story = stories.find(|story| story.arrivals().count() > 20 && story.mishaps().count() > 4).unwrap();
    story.setup.signed = false;
    story.happenings.retain(|happening| !matches!(happening.what, What::Mishap(Mishap::Clock { .. })));
    let played = run::play(&story, &contract, &mut |_| {}).unwrap();
    let taken = played.steps.iter().filter_map(|step| match step.what {
        Did::Answered { place, answer: Answer::Told(Ok(_)) } => Some(place),
        _ => None,
    });
    let taken: Vec<usize> = taken.collect();
    let lie = taken[taken.len() / 2];
    for (place, happening) in story.happenings.iter_mut().enumerate() {
        if let What::Arrival(arrival) = &mut happening.what {
            arrival.is.proved = place != lie;
        }
    }
    story
}

#[test]
fn a_story_is_cut_down_to_what_matters() {
    let story = that_lies();
    assert_eq!(broken(&story)[0].promise, Promise::Proof);
    let mut plays = 0;
    let contract = contracts::pathors();
    let smallest =
        shrink::smallest(&story, &contract, Promise::Proof, Bounds::default(), &mut |progress| plays = progress.played);
    assert_eq!(smallest.happenings.len(), 1, "{}", smallest.timeline(&contract));
    assert!(!smallest.arrivals().next().unwrap().1.is.proved);
    assert_eq!(broken(&smallest)[0].promise, Promise::Proof);
    assert_eq!(smallest.setup, finis_simulator::story::Setup::default());
    assert!((1..1_000).contains(&plays), "{plays}");
}

#[test]
fn what_breaks_nothing_is_left_as_it_is() {
    let story = Story::swarm(&contracts::pathors(), 3).unwrap();
    let smallest = shrink::smallest(&story, &contracts::pathors(), Promise::Kept, Bounds::default(), &mut |_| {});
    assert_eq!(smallest, story);
}

#[test]
fn a_story_is_read_back_as_it_was_saved_and_is_the_same_run() {
    for (seed, contract) in (0..20).zip(contracts::all().iter().cycle()) {
        let story = Story::swarm(contract, seed).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let as_of = timestamp(story.happenings.last().map_or(0, |last| micros(last.at)));
        story.save(folder.path(), contract, as_of).unwrap();
        let read = Story::load(folder.path()).unwrap();
        assert!(read == story, "seed {seed}");
        let digest = |story| run::play(story, contract, &mut |_| {}).unwrap().digest();
        assert_eq!(digest(&read), digest(&story));
        let timeline = std::fs::read_to_string(folder.path().join("timeline.txt")).unwrap();
        assert_eq!(timeline.lines().count(), story.happenings.len());
    }
}

#[test]
fn a_setup_takes_lengths_of_time_as_they_are_written_everywhere() {
    let contract = contracts::pathors();
    let mut story = Story::swarm(&contract, 11).unwrap();
    let mut written = String::from_utf8(story.to_bytes()).unwrap();
    let line = written.lines().nth(1).unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let mut read = |setup: &str| {
        written = written.replacen(written.clone().lines().nth(1).unwrap(), setup, 1);
        std::fs::write(folder.path().join("script.jsonl"), &written).unwrap();
        Story::load(folder.path())
    };
    (story.setup.grace, story.setup.stall) = (Some(Duration::from_millis(1_500)), Some(Duration::from_secs(90)));
    let told = String::from_utf8(story.to_bytes()).unwrap();
    let told = told.lines().nth(1).unwrap();
    assert!(told.contains(r#""grace":"1s500ms","stall":"1m30s""#), "{told}");
    assert_eq!(read(told).unwrap().setup, story.setup);
    // A number is one of seconds, as it was written at first.
    let of_seconds = read(r#"{"setup":{"grace_s":0,"stall_s":90}}"#).unwrap().setup;
    assert_eq!((of_seconds.grace, of_seconds.stall), (Some(Duration::ZERO), Some(Duration::from_secs(90))));
    assert!(read(r#"{"setup":{"grace":"soon"}}"#).unwrap_err().to_string().contains("is not a length of time"));
    assert_eq!(read(&line).unwrap().to_bytes(), Story::swarm(&contract, 11).unwrap().to_bytes());
}

#[test]
fn a_script_is_a_story_in_which_nothing_goes_wrong() {
    let contract = contracts::pathors();
    let script = Story::swarm(&contract, 11).unwrap().script();
    let folder = tempfile::tempdir().unwrap();
    script.save(folder.path(), &contract, script.end().unwrap()).unwrap();
    assert_eq!(Story::load(folder.path()).unwrap(), Story::from(script));
}

#[test]
fn what_is_no_story_is_said_with_its_place() {
    let contract = contracts::pathors();
    let story = Story::swarm(&contract, 11).unwrap();
    for (more, problem) in [
        ("{\"at\":\"2099-01-01T00:00:00Z\",\"mishap\":{\"flood\":{}}}\n", "flood"),
        ("{\"at\":\"soon\",\"mishap\":{\"clock\":{\"by_ms\":1}}}\n", "soon"),
        ("{\"at\":\"2001-01-01T00:00:00Z\",\"mishap\":{\"clock\":{\"by_ms\":1}}}\n", "order"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = story.to_bytes();
        bytes.extend(more.bytes());
        std::fs::write(folder.path().join("script.jsonl"), bytes).unwrap();
        let error = Story::load(folder.path()).unwrap_err();
        assert!(matches!(error, LoadError::Line { .. }));
        assert!(error.to_string().contains(problem), "{error}");
    }
}
