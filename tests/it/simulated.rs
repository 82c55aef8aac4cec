//! Hostile worlds through the command: records as the simulator's model says them, byte for byte.

use finis::providers::Catalogue;
use finis_simulator::clock::{micros, timestamp};
use finis_simulator::faults::{Faults, Origin, Preset};
use finis_simulator::script::Script;
use finis_simulator::world::{Settings, World};

use crate::door::Scratch;

/// Some of the world is still open then, and some of it is over.
const AFTER_THE_END: [i64; 2] = [0, 8 * 86_400_000_000];

#[test]
fn reconcile_says_of_hostile_worlds_what_the_model_says() {
    let catalogue = Catalogue::shipped();
    for contract in catalogue.iter() {
        for (seed, faults) in [(1, Preset::Ordinary.faults()), (2, Preset::Hostile.faults()), (3, Faults::swarm(3))] {
            let world = World::new(contract, Settings { seed, sessions: 200, ..Settings::default() }).unwrap();
            let origin = Origin { source: "front-desk".into(), signing: None };
            let script = Script::new(&world, &faults, seed, origin);
            let unreadable = script.arrivals.iter().filter(|arrival| !arrival.is.readable).count();
            for after in AFTER_THE_END {
                let scratch = Scratch::new();
                let as_of = timestamp(micros(script.end().unwrap()) + after);
                script.save(scratch.path(), contract, as_of).unwrap();
                let command = scratch.finis("reconcile deliveries.jsonl --out told.ndjson --rejects rejects.ndjson");
                let provider = ["--provider", contract.provider()];
                let arguments = scratch.text("args");
                command.and(provider).and(arguments.lines()).fine();
                assert_eq!(scratch.text("rejects.ndjson").lines().count(), unreadable);
                let (told, records) = (scratch.text("told.ndjson"), scratch.text("records.ndjson"));
                let mut pairs = told.lines().zip(records.lines());
                let differ = pairs.find(|(told, record)| told != record);
                assert_eq!(differ, None, "{} {seed}", contract.provider());
                assert_eq!(told, records);
            }
        }
    }
}
