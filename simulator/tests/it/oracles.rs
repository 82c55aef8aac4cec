//! What an oracle has to see: a run that was sound, and is not any more.

use finis_engine::Contract;
use finis_engine::log::Consumer;
use finis_simulator::faults::Preset;
use finis_simulator::mishaps::{Mishaps, Who};
use finis_simulator::oracle::{Given, Promise, judge_damaged, judge_run};
use finis_simulator::run::{self, Did, Kept, Played, Step};
use finis_simulator::story::{Setup, Story};
use finis_simulator::world::{Settings, World};

use crate::contracts;

/// A hostile world, and a receiver to which nothing happens.
fn sound() -> (Story, Contract, Played) {
    let contract = contracts::pathors();
    let world = World::new(&contract, Settings { seed: 3, sessions: 30, ..Settings::default() }).unwrap();
    let story =
        Story::new(&world, &contract, &Preset::Hostile.faults(), &Mishaps::none(), 3, Setup::default()).unwrap();
    let played = run::play(&story, &contract, &mut |_| {}).unwrap();
    (story, contract, played)
}

/// Promises that are broken when a sound run is changed so.
#[track_caller]
fn check(change: impl FnOnce(&mut Played), broken: &[Promise]) {
    let (story, contract, mut played) = sound();
    let given = Given::of(&story, &contract);
    assert_eq!(judge_run(&given, &played), []);
    change(&mut played);
    let mut found: Vec<Promise> = judge_run(&given, &played).iter().map(|broken| broken.promise).collect();
    found.dedup();
    assert_eq!(found, broken);
}

fn handed_last(played: &Played) -> Step {
    let is_it = |step: &&Step| matches!(step.what, Did::Handed { who: Who::Puller, .. });
    played.steps.iter().rfind(is_it).unwrap().clone()
}

#[test]
fn an_event_that_is_not_there_any_more_is_seen() {
    let lose = |played: &mut Played| {
        let stored = played.kept.sessions.values_mut().next().unwrap();
        stored.events.pop().unwrap();
    };
    check(lose, &[Promise::Kept, Promise::Offline]);
}

#[test]
fn an_acknowledgement_that_the_log_has_forgotten_is_seen() {
    let forget = |played: &mut Played| {
        let puller = played.kept.consumers.iter_mut().find(|known| known.name == "puller").unwrap();
        *puller = Consumer::new("puller", puller.acknowledged - 1);
    };
    check(forget, &[Promise::NotAgain]);
}

#[test]
fn what_comes_again_after_it_was_acknowledged_is_seen() {
    let hand = |played: &mut Played| played.steps.push(handed_last(played));
    check(hand, &[Promise::NotAgain]);
}

#[test]
fn a_consumer_that_comes_back_and_is_not_handed_what_it_never_acknowledged_is_seen() {
    let skip = |played: &mut Played| {
        // It has the last two, dies before it acknowledges, and is handed the last alone.
        let last = played.kept.last_seq;
        let is_ack = |step: &Step| match &step.what {
            Did::Acking { who: Who::Puller, seq } | Did::Acked { who: Who::Puller, seq } => *seq > last - 2,
            Did::Marked { who: Who::Puller, marks } => {
                format!("{marks:?}").contains(&format!("UpTo({last})"))
                    || format!("{marks:?}").contains(&format!("UpTo({})", last - 1))
            }
            _ => false,
        };
        played.steps.retain(|step| !is_ack(step));
        let again = handed_last(played);
        let came = Step { at: again.at, what: Did::Came { who: Who::Puller } };
        played.steps.extend([came, again]);
    };
    let (story, contract, mut played) = sound();
    skip(&mut played);
    let broken = judge_run(&Given::of(&story, &contract), &played);
    assert!(broken.iter().any(|broken| broken.promise == Promise::InOrder), "{broken:?}");
}

#[test]
fn in_the_middle_of_a_run_nobody_has_to_have_been_told() {
    let (story, contract, mut played) = sound();
    let dealt_with_all = |step: &Step| !matches!(step.what, Did::Dealt { .. } | Did::Handed { .. });
    played.steps.retain(|step| dealt_with_all(step) && !matches!(step.what, Did::Marked { .. } | Did::Acked { .. }));
    played.kept.consumers.clear();
    let given = Given::of(&story, &contract);
    let broken = judge_run(&given, &played);
    assert!(broken.iter().all(|broken| broken.promise == Promise::Told) && !broken.is_empty(), "{broken:?}");
    played.at_rest = false;
    assert_eq!(judge_run(&given, &played), []);
}

/// Promises that what is served of a log breaks, when it is damaged so.
#[track_caller]
fn check_damage(change: impl FnOnce(&mut Kept), broken: &[Promise]) {
    let (story, contract, played) = sound();
    let given = Given::of(&story, &contract);
    let mut damaged = played.kept.clone();
    change(&mut damaged);
    let found = judge_damaged(&given, &played.kept, &damaged, played.end.1);
    let mut found: Vec<Promise> = found.iter().map(|broken| broken.promise).collect();
    found.dedup();
    assert_eq!(found, broken);
}

#[test]
fn what_is_served_of_a_damaged_log_is_true_or_is_seen() {
    check_damage(|_| {}, &[]);
    // Sessions and notices that are not there are no lie.
    check_damage(|kept| drop((kept.sessions.pop_first(), kept.outbox.pop())), &[]);
    let other_time = |kept: &mut Kept| {
        let event = &mut kept.sessions.values_mut().next().unwrap().events[0];
        event.received_at = None;
    };
    check_damage(other_time, &[Promise::Posted]);
    let old_record = |kept: &mut Kept| {
        let several = kept.sessions.values_mut().find(|stored| stored.events.len() > 2).unwrap();
        several.events.pop();
    };
    check_damage(old_record, &[Promise::Record]);
    check_damage(|kept| kept.outbox[1].1.revision += 1, &[Promise::Outbox]);
    check_damage(|kept| kept.outbox.swap(0, 1), &[Promise::Outbox]);
    check_damage(|kept| kept.consumers.push(Consumer::new("nobody", 1)), &[Promise::Told]);
}
