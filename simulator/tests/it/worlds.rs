//! Worlds against their contracts: the same from the same seed, and sound when nothing befalls them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use finis_engine::{Contract, EventKind, Key, LineReader, Partial, Record, Status, Terms};
use finis_simulator::clock::timestamp;
use finis_simulator::world::{Habits, Settings, World};

use crate::contracts;

const SESSIONS: u64 = 300;

fn settings(seed: u64) -> Settings {
    Settings { seed, sessions: SESSIONS, ..Settings::default() }
}

/// Every contract with every sort of habits that it has.
fn each_world(check: impl Fn(&Contract, &World<'_>)) {
    for contract in contracts::all() {
        check(&contract, &World::new(&contract, settings(7)).unwrap_or_else(|error| panic!("{error}")));
        let derived = Habits::derive(&contract).unwrap_or_else(|error| panic!("{}: {error}", contract.provider()));
        check(&contract, &World::with(&contract, &derived, settings(7)).unwrap());
    }
}

/// All that is posted in a world, as a text.
fn posted(world: &World<'_>) -> String {
    let mut all = String::new();
    for emission in world.emissions() {
        let (headers, body) = world.post(&emission.session, emission.event, |at| at);
        writeln!(all, "{} {headers:?} {body}", emission.sent).unwrap();
    }
    all
}

#[test]
fn shipped_habits_fit_the_contracts_that_ship() {
    for contract in finis_providers::Catalogue::shipped().iter() {
        let habits = Habits::shipped(contract.provider()).unwrap_or_else(|| panic!("none of {}", contract.provider()));
        World::with(contract, &habits, settings(1)).unwrap_or_else(|error| panic!("{}: {error}", contract.provider()));
    }
}

#[test]
fn a_seed_is_a_world() {
    each_world(|contract, world| {
        let (one, two) = (posted(world), posted(world));
        assert_eq!(one, two);
        let other = World::new(contract, settings(8)).unwrap();
        assert_ne!(one, posted(&other));
    });
}

#[test]
fn the_bytes_of_a_world_are_these_for_ever() {
    let contract = contracts::pathors();
    let world = World::new(&contract, settings(1)).unwrap();
    let hash = blake3::hash(posted(&world).as_bytes());
    assert_eq!(hash.to_hex().as_str(), "a5ddbf9e3c4348301e80f6800be75c65ff6ab96dfccda9c64dd54f79a8ed7b8b");
}

#[test]
fn a_world_is_told_in_order_of_time_and_each_session_by_itself() {
    each_world(|_, world| {
        let mut told: BTreeMap<u64, usize> = BTreeMap::new();
        let mut last = i64::MIN;
        for emission in world.emissions() {
            assert!(last <= emission.sent);
            last = emission.sent;
            let alone = world.session(emission.session.index);
            assert_eq!(alone.events, emission.session.events);
            let next = told.entry(emission.session.index).or_default();
            assert_eq!(*next, emission.event);
            *next += 1;
        }
        let all = (0..SESSIONS).map(|index| (index, world.session(index).events.len()));
        assert!(all.filter(|(_, events)| *events > 0).eq(told));
    });
}

#[test]
fn what_is_posted_is_what_the_truth_says_as_the_engine_reads_it() {
    each_world(|contract, world| {
        let mut reader = LineReader::new(None);
        for emission in world.emissions() {
            let truth = world.truth_of(&emission.session);
            let told = &truth.events[emission.event];
            let (headers, body) = world.post(&emission.session, emission.event, |at| at);
            let headers: BTreeMap<_, _> = headers.into_iter().collect();
            let line = format!("{{\"headers\":{},\"body\":{body}}}", serde_json::to_string(&headers).unwrap());
            let arrival = reader.read(line.as_bytes(), |_| Ok(((), contract)));
            let event = arrival.unwrap_or_else(|error| panic!("{error}: {line}")).event;
            let EventKind::Known(kind) = event.kind else { panic!("an unknown kind: {line}") };
            assert_eq!(contract.kind_name(kind), told.kind);
            assert_eq!(contract.subject_name(event.subject), truth.subject);
            assert_eq!(event.id, truth.id);
            assert_eq!(event.at.map(finis_simulator::clock::micros), told.at, "{line}");
            let facts = event.facts().count();
            assert_eq!(facts, told.facts.len(), "{line}");
        }
    });
}

/// That every session is what it should be when nothing is lost.
fn complete(contract: &Contract, world: &World<'_>) {
    let terms = Terms::new(contract);
    for index in 0..SESSIONS {
        let session = world.session(index);
        let truth = world.truth_of(&session);
        let mut partial = Partial::default();
        let mut subject = None;
        let mut reader = LineReader::new(None);
        for event in 0..session.events.len() {
            let (headers, body) = world.post(&session, event, |at| at);
            let headers: BTreeMap<_, _> = headers.into_iter().collect();
            let line = format!("{{\"headers\":{},\"body\":{body}}}", serde_json::to_string(&headers).unwrap());
            let arrival = reader.read(line.as_bytes(), |_| Ok(((), contract))).unwrap();
            subject = Some(arrival.event.subject);
            partial.add(contract, &arrival.event, Some(timestamp(session.events[event].sent)));
        }
        let Some(subject) = subject else { continue };
        let now = timestamp(session.events.last().unwrap().sent);
        let key = Key { source: "calm", subject, id: &session.id };
        let record = Record::new(key, &partial, contract, &terms, now);
        let mut line = Vec::new();
        record.write_json(&mut line);
        let line = format!("{} {}", truth.life, String::from_utf8(line).unwrap());
        let expected = if truth.ended { Status::Complete } else { Status::Open };
        assert_eq!(record.verdict.status, expected, "{line}");
        assert!(record.missing.is_empty() && record.inferred.is_empty(), "{line}");
        assert!(record.violations.is_empty() && record.conflicts.is_empty(), "{line}");
        if truth.ended {
            assert!(line.contains("\"by\":\"evidence\""), "{line}");
        }
    }
}

#[test]
fn a_calm_world_is_complete_by_evidence() {
    each_world(complete);
}

#[test]
fn the_habits_that_the_readme_shows_make_a_world() {
    let readme = include_str!("../../README.md");
    let habits = readme.split("```").find_map(|block| block.strip_prefix("toml\n")).unwrap();
    let habits = Habits::parse(habits).unwrap();
    let contract = contracts::all().into_iter().find(|contract| contract.provider() == habits.provider).unwrap();
    let world = World::with(&contract, &habits, settings(2)).unwrap();
    complete(&contract, &world);
    assert!(posted(&world).contains("\"beta\":true"));
}

#[test]
fn habits_that_do_not_fit_say_where() {
    let contract = contracts::pathors();
    let life =
        |rest: &str| format!("provider = \"pathors\"\n[[life]]\nname = \"call\"\nweight = 1\nlasts = \"1m\"\n{rest}");
    for (rest, expected) in [
        ("steps = [{ kind = \"call.over\", after = \"1s\" }]", "life `call`: the contract has no kind `call.over`"),
        ("values.colour = \"absent\"\nsteps = []", "life `call`: the contract has no field `colour`"),
        ("subject = \"robot\"\nsteps = []", "life `call`: the contract has no subject `robot`"),
        (
            "steps = [{ kind = \"call.ended\", after = \"1s\", since = \"session.ended\" }]",
            "life `call`: no step before `call.ended` is a `session.ended`",
        ),
    ] {
        let habits = Habits::parse(&life(rest)).unwrap();
        let error = World::with(&contract, &habits, settings(1)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    assert!(Habits::parse(&life("steps = []").replace("1m", "soon")).is_err());
    let weightless = Habits::parse(&life("steps = []").replace("weight = 1", "weight = 0")).unwrap();
    assert!(World::with(&contract, &weightless, settings(1)).is_err());
}

#[test]
fn no_length_of_time_is_too_long() {
    let contract = contracts::pathors();
    let text = "provider = \"pathors\"\n[[life]]\nname = \"call\"\nweight = 18446744073709551615\nlasts = \"99999d, doubled 60\"\n\
                steps = [{ kind = \"call.ended\", after = \"99999d, doubled 60\" }]"
        .replace("18446744073709551615", "9223372036854775807");
    let every = std::time::Duration::MAX;
    let world = World::with(&contract, &Habits::parse(&text).unwrap(), Settings { every, ..settings(1) }).unwrap();
    assert_eq!(world.emissions().count() as u64, SESSIONS);
}

#[test]
fn a_world_has_calls_and_texts_and_every_outcome_that_its_contract_knows() {
    let contract = contracts::pathors();
    for habits in [Habits::shipped("pathors").unwrap(), Habits::derive(&contract).unwrap()] {
        let world = World::with(&contract, &habits, settings(3)).unwrap();
        let all = posted(&world);
        for word in
            ["userHangup", "transferred", "voicemail", "busy", "userRejected", "userNoAnswer", "recording.ready"]
        {
            assert!(all.contains(word), "no {word} in {} lives", habits.lives.len());
        }
        let texts = all.lines().filter(|line| line.contains("session.finalized") && !line.contains("callStatus"));
        assert!(texts.count() > 0);
    }
}

#[test]
fn only_open_sessions_are_in_memory() {
    let contract = contracts::pathors();
    let world = World::new(&contract, Settings { sessions: 200_000, ..settings(5) }).unwrap();
    let mut emissions = world.emissions();
    let mut most = 0;
    while emissions.next().is_some() {
        most = most.max(emissions.open());
    }
    // Twelve begin each second, and few last longer than half an hour.
    assert!(most < 12 * 3600, "{most}");
}
