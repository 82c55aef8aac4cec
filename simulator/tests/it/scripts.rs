//! Scripts: written out, saved, read back, cut down.

use finis_engine::Contract;
use finis_providers::signature::{Options, Request, Secret, Verifier};
use finis_simulator::clock::{micros, timestamp};
use finis_simulator::faults::{Fault, Origin, Preset, Signing};
use finis_simulator::model::{Instant, Model, Terms, export};
use finis_simulator::script::{LoadError, Script};
use finis_simulator::world::{Settings, World};

use crate::contracts;

fn script(contract: &Contract, seed: u64, secret: Option<&str>) -> Script {
    let world = World::new(contract, Settings { seed, sessions: 60, ..Settings::default() }).unwrap();
    let sign = |secret| Signing::new(contract, Secret::new(secret), &Options::default(), None).unwrap();
    let origin = Origin { source: "front-desk".into(), signing: secret.map(sign) };
    Script::new(&world, &Preset::Hostile.faults(), seed, origin)
}

#[test]
fn a_script_is_read_back_as_it_was_saved() {
    for contract in contracts::all() {
        let script = script(&contract, 9, (contract.provider() == "saaya").then_some("secret"));
        let folder = tempfile::tempdir().unwrap();
        script.save(folder.path(), &contract, script.end().unwrap()).unwrap();
        let read = Script::load(folder.path()).unwrap();
        assert_eq!(read.head, script.head);
        assert!(read == script, "{}", contract.provider());
        assert_eq!(read.to_bytes(), script.to_bytes());
    }
}

#[test]
fn the_deliveries_of_a_folder_make_its_records() {
    for contract in contracts::all() {
        let script = script(&contract, 4, (contract.provider() == "saaya").then_some("secret"));
        let folder = tempfile::tempdir().unwrap();
        let as_of = timestamp(micros(script.end().unwrap()) + 60_000_000);
        script.save(folder.path(), &contract, as_of).unwrap();
        let mut model = Model::new(&contract, Terms::default());
        let deliveries = std::fs::read(folder.path().join("deliveries.jsonl")).unwrap();
        let refused = export::take(&mut model, &deliveries, "nobody");
        let unreadable = script.arrivals.iter().filter(|arrival| arrival.is.proved && !arrival.is.readable);
        assert_eq!(refused.len(), unreadable.count());
        let records = std::fs::read_to_string(folder.path().join("records.ndjson")).unwrap();
        assert_eq!(model.records(Instant::from(as_of)), records);
        assert_eq!(records.lines().count(), model.keys().count());
    }
}

#[test]
fn a_script_is_cut_down() {
    let script = script(&contracts::pathors(), 2, None);
    let session = *script.sessions().first().unwrap();
    let less = script.without_session(session);
    assert!(!less.sessions().contains(&session));
    assert_eq!(less.sessions().len() + 1, script.sessions().len());
    for fault in script.faults() {
        assert!(!script.without_fault(fault).faults().contains(&fault));
    }
    let less = script.without_arrival(3);
    assert_eq!(less.arrivals.len() + 1, script.arrivals.len());
    assert_eq!((&less.arrivals[..3], &less.arrivals[3..]), (&script.arrivals[..3], &script.arrivals[4..]));
}

#[test]
fn a_fault_that_is_turned_off_leaves_the_others_as_they_were() {
    let contract = contracts::pathors();
    let world = World::new(&contract, Settings { seed: 2, sessions: 60, ..Settings::default() }).unwrap();
    let faults = Preset::Hostile.faults().without(Fault::Duplicate);
    let origin = Origin { source: "front-desk".into(), signing: None };
    let without = Script::new(&world, &faults, 2, origin);
    let script = script(&contract, 2, None);
    assert!(script.arrivals.len() > without.arrivals.len());
    assert_eq!(script.without_fault(Fault::Duplicate).arrivals, without.arrivals);
}

#[test]
fn what_is_no_script_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Script::load(folder.path()), Err(LoadError::Read { .. })));
    let script = script(&contracts::pathors(), 1, None);
    let mut bytes = script.to_bytes();
    bytes.extend(b"{\"received_at\":\"soon\"}\n");
    std::fs::write(folder.path().join("script.jsonl"), &bytes).unwrap();
    let error = Script::load(folder.path()).unwrap_err();
    let LoadError::Line { line, .. } = &error else { panic!("{error}") };
    assert_eq!(*line, script.arrivals.len() + 2);
    assert!(error.to_string().contains("script.jsonl:"), "{error}");
}

#[test]
fn the_smallest_script_is_what_is_needed() {
    let script = script(&contracts::pathors(), 2, None);
    let needed: Vec<_> = [40, 41, 130].map(|place| script.arrivals[place].clone()).into();
    let mut asked = 0;
    let smallest = script.smallest(|part| {
        asked += 1;
        Ok::<_, ()>(needed.iter().all(|arrival| part.arrivals.contains(arrival)))
    });
    let smallest = smallest.unwrap();
    assert_eq!(smallest.arrivals, needed);
    assert_eq!(smallest.head, script.head);
    assert!(asked < script.arrivals.len(), "{asked}");
    assert_eq!(script.smallest(|_| Err("gone")).unwrap_err(), "gone");
}

#[test]
fn other_terms_are_kept_with_the_records_of_them() {
    let contract = contracts::pathors();
    let script = script(&contract, 4, None);
    let folder = tempfile::tempdir().unwrap();
    let terms = Terms {
        subscribed: Some(vec!["session.ended".into(), "session.finalized".into()]),
        grace: Some(std::time::Duration::from_secs(5)),
        stall: Some(std::time::Duration::from_secs(90)),
    };
    let as_of = script.end().unwrap();
    script.save_under(folder.path(), &contract, terms.clone(), as_of).unwrap();
    let arguments = std::fs::read_to_string(folder.path().join("args")).unwrap();
    let expected = format!("--as-of\n{as_of}\n--grace\n5\n--stall\n90\n--subscribe\nsession.ended,session.finalized\n");
    assert_eq!(arguments, expected);
    let records = std::fs::read_to_string(folder.path().join("records.ndjson")).unwrap();
    assert_eq!(records, script.records(&contract, terms, as_of));
    assert_ne!(records, script.records(&contract, Terms::default(), as_of));
}

#[test]
fn a_secret_that_is_a_header_is_not_written_down() {
    let contract = contracts::pathors();
    let options = || Options { header: Some("x-webhook-secret".into()), ..Options::default() };
    let signing = || Signing::new(&contract, Secret::new("s3cret-s3cret-s3cret"), &options(), None).unwrap();
    let world = World::new(&contract, Settings { seed: 3, sessions: 60, ..Settings::default() }).unwrap();
    let origin = Origin { source: "front-desk".into(), signing: Some(signing()) };
    let script = Script::new(&world, &Preset::Hostile.faults(), 3, origin);
    let holds = |script: &Script| String::from_utf8_lossy(&script.to_bytes()).contains("s3cret");
    assert!(holds(&script));
    let bare = signing().without_secret(&script);
    assert!(!holds(&bare));
    let bodies = |script: &Script| script.arrivals.iter().map(|arrival| arrival.body.clone()).collect::<Vec<_>>();
    assert_eq!(bodies(&bare), bodies(&script));
    for (bare, arrival) in bare.arrivals.iter().zip(&script.arrivals) {
        assert_eq!(signing().anew(bare, bare.received_at), signing().anew(arrival, arrival.received_at));
    }
}

#[test]
fn what_is_signed_anew_proves_as_much_as_before() {
    let contract = contracts::all().into_iter().find(|contract| contract.provider() == "saaya").unwrap();
    let script = script(&contract, 5, Some("secret"));
    let (secret, options) = (Secret::new("secret"), Options::default());
    let signing = Signing::new(&contract, secret.clone(), &options, None).unwrap();
    let verifier = Verifier::new(contract.signature(), &[secret], &options).unwrap();
    let months_later = timestamp(micros(script.end().unwrap()) + 90 * 86_400_000_000);
    let mut unproved = [0, 0];
    for arrival in &script.arrivals {
        let headers = signing.anew(arrival, months_later);
        let headers = headers.iter().map(|(name, value)| (name, value));
        let request = Request { url: None, headers, body: &arrival.body };
        let verified = verifier.verify(request, months_later);
        assert_eq!(verified.is_ok(), arrival.is.proved, "{arrival:?} {verified:?}");
        if !arrival.is.proved {
            unproved[usize::from(arrival.is.faults.contains(&Fault::Forge))] += 1;
        }
    }
    assert!(unproved.iter().all(|times| *times > 0), "some are too late, and some forged: {unproved:?}");
}
