//! The promises hold in every state, and each broken design is found.

use std::collections::BTreeMap;

use finis_models::{BROKEN, Bounds, Broken, World};
use stateright::{Checker, HasDiscoveries, Model, Path};

/// Nothing goes wrong, and everything is delivered once.
const CALM: Bounds = Bounds {
    sessions: 1,
    deliveries: 1,
    engine_crashes: 0,
    sender_crashes: 0,
    receiver_crashes: 0,
    losses: 0,
    copies: 0,
    expiries: 0,
};

/// By promise, how it is broken first.
fn look(broken: Broken, bounds: Bounds) -> BTreeMap<&'static str, String> {
    let world = World { broken: Some(broken), bounds };
    let checker = world.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let told = |(name, path): (&'static str, Path<_, _>)| (name, format!("{:?}", path.into_actions()));
    checker.discoveries().into_iter().map(told).collect()
}

#[track_caller]
fn holds(name: &str, bounds: Bounds) {
    let world = World { broken: None, bounds };
    let checker = world.checker().threads(2).spawn_bfs().join();
    println!("{name}: {} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn one_session_and_whatever_may_happen_to_it() {
    holds(
        "deliveries twice, two crashes of the engine, a lease that is lost",
        Bounds { deliveries: 2, engine_crashes: 2, expiries: 1, ..CALM },
    );
    holds(
        "one crash of everybody, a loss, a copy, a lease that is lost",
        Bounds { engine_crashes: 1, sender_crashes: 1, receiver_crashes: 1, losses: 1, copies: 1, expiries: 1, ..CALM },
    );
    holds("two losses, two copies, two leases", Bounds { losses: 2, copies: 2, expiries: 2, ..CALM });
}

#[test]
fn two_sessions() {
    holds("two sessions", Bounds { sessions: 2, expiries: 1, losses: 1, ..CALM });
}

#[test]
fn each_broken_design_is_found() {
    let promise = |broken| match broken {
        Broken::AnswersBeforeCommit => "what was answered is kept",
        Broken::SendsBeforeCommit => "nothing leaves that is not durable",
        Broken::SaysAfterwards => "in the end what is complete is said, and everything said arrived",
        Broken::SaysAgain => "each is said once, revision by revision",
        Broken::MarksBeforeSending => "what is marked had its effect",
        Broken::CountsIds => "a notice has one id, and an id one notice",
        Broken::TakesAnyMark => "a mark of a lease that is over is refused",
        Broken::RemembersAfterwards => "an effect happens once",
    };
    let bounds =
        Bounds { engine_crashes: 1, sender_crashes: 1, receiver_crashes: 1, losses: 1, copies: 1, expiries: 1, ..CALM };
    for broken in BROKEN {
        let told = look(broken, bounds);
        let name = promise(broken);
        assert!(told.contains_key(name), "{broken:?} is not found: {told:?}");
        println!("{broken:?}: {name}: {}", told[name]);
    }
}
