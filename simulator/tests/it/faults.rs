//! Each dial does what it says, at its rate, and nothing at zero.

use std::collections::{BTreeMap, BTreeSet};

use finis_engine::Contract;
use finis_providers::signature::{Options, Request, Secret, Verifier};
use finis_simulator::Arrival;
use finis_simulator::clock::micros;
use finis_simulator::faults::{
    Chance, Delay, FAULTS, Fault, Faults, Later, Odd, Origin, Outage, Preset, Road, Signing, Skew, Storm,
};
use finis_simulator::model::{Told, read};
use finis_simulator::world::{Settings, World};

use crate::contracts;

const SESSIONS: u64 = 1_000;

fn world(contract: &Contract) -> World<'_> {
    World::new(contract, Settings { seed: 11, sessions: SESSIONS, ..Settings::default() }).unwrap()
}

fn unsigned() -> Origin {
    Origin { source: "here".into(), signing: None }
}

fn arrivals(world: &World<'_>, faults: &Faults) -> Vec<Arrival> {
    Road::new(world, faults.clone(), 5, unsigned()).collect()
}

/// A secret that suits a contract, and the options that it needs.
fn secret_of(contract: &Contract) -> (Secret, Options) {
    let text = match contract.provider() {
        "agntix" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        _ => "made up, and secret",
    };
    let header = (contract.provider() == "pathors").then(|| "X-Token".to_owned());
    (Secret::new(text), Options { header, ..Options::default() })
}

fn signed(contract: &Contract) -> Origin {
    let (secret, options) = secret_of(contract);
    let signing = Signing::new(contract, secret, &options, None).unwrap();
    Origin { source: "here".into(), signing: Some(signing) }
}

fn told(contract: &Contract, arrival: &Arrival) -> Result<Told, String> {
    let body = std::str::from_utf8(&arrival.body).map_err(|_| "not UTF-8".to_owned())?;
    read(contract.draft(), &arrival.headers, body)
}

/// What came, by the event that it is of.
fn by_event(arrivals: &[Arrival]) -> BTreeMap<(u64, usize), Vec<&Arrival>> {
    let mut events: BTreeMap<_, Vec<&Arrival>> = BTreeMap::new();
    for arrival in arrivals {
        events.entry((arrival.is.session, arrival.is.event)).or_default().push(arrival);
    }
    events
}

/// That something happened about so often: within six standard deviations.
#[track_caller]
fn about(happened: usize, of: usize, percent: usize) {
    let (happened, expected) = (happened as f64, (of * percent) as f64 / 100.0);
    let deviation = (expected * (1.0 - percent as f64 / 100.0)).sqrt();
    assert!((happened - expected).abs() < 6.0 * deviation + 1.0, "{happened} of {of}, and not {expected}");
}

/// One fault alone, as often as told, in a world of calls.
fn one(contract: &Contract, faults: &Faults) -> (Vec<Arrival>, Vec<Arrival>) {
    let world = world(contract);
    (arrivals(&world, &Faults::none()), arrivals(&world, faults))
}

fn having(arrivals: &[Arrival], fault: Fault) -> Vec<&Arrival> {
    arrivals.iter().filter(|arrival| arrival.is.faults.contains(&fault)).collect()
}

/// That what the fault does not touch came as if there were none.
#[track_caller]
fn untouched(calm: &[Arrival], arrivals: &[Arrival]) {
    let plain = arrivals.iter().filter(|arrival| arrival.is.faults.is_empty());
    let calm: BTreeSet<_> = calm.iter().map(|arrival| (arrival.received_at, &arrival.body)).collect();
    for arrival in plain {
        assert!(calm.contains(&(arrival.received_at, &arrival.body)), "{arrival:?}");
    }
}

#[test]
fn at_zero_everything_arrives_as_it_was_sent() {
    for contract in contracts::all() {
        let world = world(&contract);
        let mut arrivals = Road::new(&world, Faults::none(), 5, unsigned());
        for emission in world.emissions() {
            let arrival = arrivals.next().unwrap();
            let (headers, body) = world.post(&emission.session, emission.event, |at| at);
            assert_eq!(micros(arrival.received_at), emission.sent);
            assert_eq!((arrival.headers, arrival.body), (headers, body.into_bytes()));
            assert_eq!((arrival.is.session, arrival.is.event), (emission.session.index, emission.event));
            assert!(arrival.is.faults.is_empty() && arrival.is.counts());
        }
        assert_eq!(arrivals.next(), None);
        assert!(arrivals.tally().faults.is_empty());
    }
}

/// Everything there is.
fn hostile_and_odd() -> Faults {
    Faults { odd: Odd { chance: Chance::percent(5), copies_max: 4, field: None }, ..Preset::Hostile.faults() }
}

#[test]
fn a_dial_that_is_turned_back_does_nothing() {
    let contract = contracts::pathors();
    let world = world(&contract);
    let mut faults = hostile_and_odd();
    for fault in FAULTS {
        faults = faults.without(fault);
        let mut road = Road::new(&world, faults.clone(), 5, signed(&contract));
        road.by_ref().for_each(drop);
        assert_eq!(road.tally().faults.get(&fault), None, "{fault:?}");
    }
}

#[test]
fn every_fault_befalls_somebody_on_a_hostile_day() {
    let contract = contracts::pathors();
    let settings = Settings { every: std::time::Duration::from_secs(20), ..*world(&contract).settings() };
    let world = World::new(&contract, settings).unwrap();
    let mut road = Road::new(&world, hostile_and_odd(), 5, signed(&contract));
    road.by_ref().for_each(drop);
    for fault in FAULTS {
        assert!(road.tally().faults.get(&fault).is_some_and(|times| *times > 0), "{fault:?}");
    }
}

#[test]
fn arrivals_come_in_order_and_are_the_same_again() {
    for contract in contracts::all() {
        let world = world(&contract);
        let hostile = arrivals(&world, &Preset::Hostile.faults());
        assert!(hostile.windows(2).all(|pair| pair[0].received_at <= pair[1].received_at));
        assert!(hostile == arrivals(&world, &Preset::Hostile.faults()));
        assert!(hostile != Road::new(&world, Preset::Hostile.faults(), 6, unsigned()).collect::<Vec<_>>());
    }
}

#[test]
fn the_bytes_of_a_hostile_day_are_these_for_ever() {
    let contract = contracts::pathors();
    let mut hasher = blake3::Hasher::new();
    for arrival in arrivals(&world(&contract), &Preset::Hostile.faults()) {
        hasher.update(arrival.received_at.to_string().as_bytes()).update(&arrival.body);
    }
    assert_eq!(hasher.finalize().to_hex().as_str(), "55c32c4bf8c7e0231c4ccc547ba7c54d90b5091ffd7f9424c561eb9bd853595a");
}

#[test]
fn loss() {
    let contract = contracts::pathors();
    let (calm, arrivals) = one(&contract, &Faults { loss: Chance::percent(20), ..Faults::none() });
    about(calm.len() - arrivals.len(), calm.len(), 20);
    untouched(&calm, &arrivals);
}

#[test]
fn loss_of_a_kind() {
    let contract = contracts::pathors();
    let loss_of = BTreeMap::from([("session.finalized".to_owned(), Chance::percent(50))]);
    let (calm, arrivals) = one(&contract, &Faults { loss_of, ..Faults::none() });
    let count = |arrivals: &[Arrival], kind: &str| {
        arrivals.iter().filter(|arrival| told(&contract, arrival).unwrap().kind == kind).count()
    };
    let ends = count(&calm, "session.finalized");
    about(count(&arrivals, "session.finalized"), ends, 50);
    assert_eq!(calm.len() - ends, arrivals.len() - count(&arrivals, "session.finalized"));
}

#[test]
fn outage() {
    let contract = contracts::pathors();
    let outage = Outage { chance: Chance::ALWAYS, every_s: 60, lasts_s: 5 };
    let (calm, arrivals) = one(&contract, &Faults { outage, ..Faults::none() });
    untouched(&calm, &arrivals);
    let came: BTreeSet<_> = arrivals.iter().map(|arrival| (arrival.is.session, arrival.is.event)).collect();
    let lost = calm.iter().filter(|arrival| !came.contains(&(arrival.is.session, arrival.is.event)));
    let mut stretches: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    lost.map(|arrival| micros(arrival.received_at) / 1_000_000)
        .for_each(|second| stretches.entry(second / 60).or_default().push(second));
    assert!(!stretches.is_empty());
    // All that was sent within is lost, and nothing around it.
    for seconds in stretches.values() {
        let (first, last) = (seconds.iter().min().unwrap(), seconds.iter().max().unwrap());
        assert!(last - first <= 5, "{first} {last}");
        let between = |arrival: &&Arrival| (first + 1..*last).contains(&(micros(arrival.received_at) / 1_000_000));
        assert_eq!(arrivals.iter().filter(between).count(), 0);
    }
}

#[test]
fn delay() {
    let contract = contracts::pathors();
    let delay = Delay { usual_ms: 100, tail: Chance::percent(10), tail_ms: 10_000, doublings_max: 10 };
    let (calm, arrivals) = one(&contract, &Faults { delay, ..Faults::none() });
    assert_eq!(calm.len(), arrivals.len());
    let sent: BTreeMap<_, _> =
        calm.iter().map(|arrival| ((arrival.is.session, arrival.is.event), micros(arrival.received_at))).collect();
    let late = |arrival: &Arrival| micros(arrival.received_at) - sent[&(arrival.is.session, arrival.is.event)];
    about(having(&arrivals, Fault::Delay).len(), arrivals.len(), 10);
    let mut longest = 0;
    for arrival in &arrivals {
        let is_late = arrival.is.faults == [Fault::Delay];
        assert_eq!(late(arrival) > 200_000, is_late, "{arrival:?}");
        longest = longest.max(late(arrival));
    }
    // A tail of minutes, on a way of a tenth of a second.
    assert!(longest > 120_000_000, "{longest}");
    let order = |arrivals: &[Arrival]| arrivals.iter().map(|arrival| arrival.body.clone()).collect::<Vec<_>>();
    assert_ne!(order(&calm), order(&arrivals));
}

#[test]
fn duplicates_storms_and_replays() {
    let contract = contracts::pathors();
    let storm = Storm { chance: Chance::percent(5), copies_max: 4, after_s: 7_200 };
    let replay = Later { chance: Chance::percent(5), after_s: 900 };
    for (faults, fault, percent, from, to) in [
        (Faults { duplicate: Chance::percent(10), ..Faults::none() }, Fault::Duplicate, 10, 0, 2),
        (Faults { storm, ..Faults::none() }, Fault::Storm, 5, 3_600, 10_800),
        (Faults { replay, ..Faults::none() }, Fault::Replay, 5, 450, 1_350),
    ] {
        let (calm, arrivals) = one(&contract, &faults);
        untouched(&calm, &arrivals);
        assert_eq!(arrivals.iter().filter(|arrival| arrival.is.faults.is_empty()).count(), calm.len());
        let mut repeated = 0;
        for of_event in by_event(&arrivals).values() {
            let (first, copies) = of_event.split_first().unwrap();
            repeated += usize::from(!copies.is_empty());
            assert!(copies.len() <= 4);
            for copy in copies {
                assert_eq!((&copy.body, &copy.is.faults), (&first.body, &vec![fault]));
                let after = (micros(copy.received_at) - micros(first.received_at)) / 1_000_000;
                assert!((from..=to).contains(&after), "{after}");
            }
        }
        about(repeated, calm.len(), percent);
    }
}

#[test]
fn conflicts_and_corrections() {
    for contract in contracts::all() {
        let correction = Later { chance: Chance::percent(10), after_s: 600 };
        for (faults, fault) in [
            (Faults { conflict: Chance::percent(10), ..Faults::none() }, Fault::Conflict),
            (Faults { correction, ..Faults::none() }, Fault::Correction),
        ] {
            let (calm, arrivals) = one(&contract, &faults);
            untouched(&calm, &arrivals);
            let made = having(&arrivals, fault);
            // Some kinds have nothing that could be otherwise.
            assert!(made.len() * 20 > calm.len() && made.len() * 8 < calm.len(), "{fault:?} {}", made.len());
            let first: BTreeMap<_, _> =
                calm.iter().map(|arrival| ((arrival.is.session, arrival.is.event), arrival)).collect();
            for arrival in made {
                let first = told(&contract, first[&(arrival.is.session, arrival.is.event)]).unwrap();
                let other = told(&contract, arrival).unwrap();
                assert_eq!((&other.kind, &other.id, other.subject), (&first.kind, &first.id, first.subject));
                assert_ne!(other.digest, first.digest);
                if fault == Fault::Conflict {
                    assert_eq!(other.at, first.at);
                    assert_ne!(other.facts, first.facts);
                } else {
                    assert!(other.at > first.at || first.at.is_none(), "{other:?} {first:?}");
                }
            }
        }
    }
}

#[test]
fn a_clock_that_is_off() {
    let contract = contracts::pathors();
    let skew = Skew { ahead_ms: -5_000, step: Chance::percent(50), every_s: 10, step_ms: 60_000 };
    let (calm, arrivals) = one(&contract, &Faults { skew, ..Faults::none() });
    let shift = |calm: &Arrival, arrival: &Arrival| {
        let at = |arrival| {
            let at = told(&contract, arrival).unwrap().at.unwrap().to_string();
            micros(finis_engine::Timestamp::parse(&at).unwrap()) / 1_000
        };
        assert_eq!(calm.received_at, arrival.received_at);
        at(arrival) - at(calm)
    };
    let shifts: Vec<i64> = calm.iter().zip(&arrivals).map(|(calm, arrival)| shift(calm, arrival)).collect();
    assert!(shifts.iter().all(|shift| (-65_000..=55_000).contains(shift)));
    let steady = shifts.iter().filter(|shift| **shift == -5_000).count();
    assert!(steady * 4 > shifts.len() && steady * 4 < 3 * shifts.len(), "{steady} of {}", shifts.len());
}

#[test]
fn dressed_bodies_are_the_same_event() {
    for contract in contracts::all() {
        let (calm, arrivals) = one(&contract, &Faults { dress: Chance::percent(50), ..Faults::none() });
        untouched(&calm, &arrivals);
        about(having(&arrivals, Fault::Dress).len(), calm.len(), 50);
        for (calm, arrival) in calm.iter().zip(&arrivals) {
            assert_eq!(told(&contract, arrival), told(&contract, calm));
            assert_eq!(arrival.body == calm.body, arrival.is.faults.is_empty());
        }
    }
}

#[test]
fn damaged_bodies_are_no_events() {
    for contract in contracts::all() {
        let (calm, arrivals) = one(&contract, &Faults { corrupt: Chance::percent(30), ..Faults::none() });
        untouched(&calm, &arrivals);
        about(having(&arrivals, Fault::Corrupt).len(), calm.len(), 30);
        for arrival in &arrivals {
            assert_eq!(told(&contract, arrival).is_ok(), arrival.is.readable, "{arrival:?}");
            assert_eq!(arrival.is.readable, arrival.is.faults.is_empty());
        }
    }
}

#[test]
fn unknown_kinds_come_beside_known_ones() {
    for contract in contracts::all() {
        let (calm, arrivals) = one(&contract, &Faults { unknown: Chance::percent(20), ..Faults::none() });
        untouched(&calm, &arrivals);
        let unknown = having(&arrivals, Fault::Unknown);
        about(unknown.len(), calm.len(), 20);
        for arrival in unknown {
            let told = told(&contract, arrival).unwrap();
            assert!(contract.kinds().all(|(_, kind)| kind != told.kind), "{told:?}");
        }
    }
}

#[test]
fn odd_copies_are_events_and_disagree() {
    let (mut values, mut clashes) = (BTreeSet::new(), 0);
    for contract in contracts::all() {
        let faults = Faults { odd: Odd { chance: Chance::percent(4), copies_max: 24, field: None }, ..Faults::none() };
        let (calm, arrivals) = one(&contract, &faults);
        untouched(&calm, &arrivals);
        let odd = having(&arrivals, Fault::Odd);
        assert_eq!(odd.len() + calm.len(), arrivals.len());
        let sent: BTreeSet<_> = odd.iter().map(|arrival| (arrival.is.session, arrival.is.event)).collect();
        about(sent.len(), calm.len(), 4);
        let mut told_at: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
        for arrival in odd {
            let told = told(&contract, arrival).unwrap();
            for (field, value) in told.facts {
                values.insert(value.clone());
                let by_field = told_at.entry((arrival.is.session, told.kind.clone(), told.at)).or_default();
                by_field.entry(field).or_default().insert(value);
            }
        }
        // More values of one kind and one time than a record keeps.
        clashes += told_at.values().flat_map(BTreeMap::values).filter(|values| values.len() > 8).count();
    }
    assert!(clashes > 100, "{clashes}");
    for value in ["true", "\"\"", "78.5", "9007199254740993", "{}", "\"é\\n\\\"😀\""] {
        assert!(values.contains(value), "nobody says {value}");
    }
}

#[test]
fn what_is_proved_is_what_a_verifier_takes() {
    let mut faults = Preset::Hostile.faults();
    faults.forge = Chance::percent(20);
    // As old as signatures may be, and a little more or less.
    faults.replay = Later { chance: Chance::percent(20), after_s: 300 };
    let mut tried = 0;
    for contract in contracts::all().iter().filter(|contract| contract.signature().is_some()) {
        let (secret, options) = secret_of(contract);
        let verifier = Verifier::new(contract.signature(), &[secret], &options).unwrap();
        let world = world(contract);
        for arrival in Road::new(&world, faults.clone(), 5, signed(contract)) {
            let headers = arrival.headers.iter().map(|(name, value)| (name, value));
            let request = Request { url: None, headers, body: &arrival.body };
            let verified = verifier.verify(request, arrival.received_at);
            assert_eq!(verified.is_ok(), arrival.is.proved, "{verified:?} {arrival:?}");
            assert!(
                arrival.is.proved
                    || arrival.is.faults.iter().any(|fault| matches!(fault, Fault::Forge | Fault::Replay))
            );
        }
        tried += 1;
    }
    assert_eq!(tried, 6);
}

#[test]
fn no_dial_is_too_far() {
    let contract = contracts::pathors();
    let (chance, after_s) = (Chance::ALWAYS, u64::MAX);
    let faults = Faults {
        outage: Outage { chance: Chance::percent(50), every_s: u64::MAX, lasts_s: 1 },
        delay: Delay { usual_ms: u64::MAX, tail: chance, tail_ms: u64::MAX, doublings_max: u32::MAX },
        duplicate: chance,
        storm: Storm { chance, copies_max: 3, after_s },
        replay: Later { chance, after_s },
        conflict: chance,
        correction: Later { chance, after_s },
        skew: Skew { ahead_ms: i64::MIN, step: chance, every_s: u64::MAX, step_ms: u64::MAX },
        dress: chance,
        unknown: chance,
        ..Faults::none()
    };
    let world = World::new(&contract, Settings { sessions: 5, ..Settings::default() }).unwrap();
    assert!(arrivals(&world, &faults).len() > 5);
}

#[test]
fn swarms_turn_some_faults_on_and_some_off() {
    let swarms: Vec<Faults> = (0..64).map(Faults::swarm).collect();
    let is_on = |faults: &Faults, fault: Fault| faults.clone().without(fault) != *faults;
    // What nobody would send is for the laws of a fold, and in no swarm.
    assert!(swarms.iter().all(|faults| !is_on(faults, Fault::Odd)));
    for fault in FAULTS.into_iter().filter(|fault| *fault != Fault::Odd) {
        let on = swarms.iter().filter(|faults| is_on(faults, fault)).count();
        assert!((10..=54).contains(&on), "{fault:?} is on {on} times");
    }
    assert_eq!(Faults::swarm(3), swarms[3]);
}

#[test]
fn dials_are_written_down_and_read_back() {
    for preset in ["calm", "ordinary", "hostile"] {
        let faults = preset.parse::<Preset>().unwrap().faults();
        let text = serde_json::to_string(&faults).unwrap();
        assert_eq!(serde_json::from_str::<Faults>(&text).unwrap(), faults);
        assert_eq!(preset.parse::<Preset>().unwrap().to_string(), preset);
    }
    assert_eq!(serde_json::from_str::<Faults>("{}").unwrap(), Faults::none());
    assert!(serde_json::from_str::<Faults>("{\"los\":1}").is_err());
    assert!("mild".parse::<Preset>().is_err());
}
