//! The law checker on folds that are right, and on folds that are wrong in each way.

use std::collections::BTreeSet;

use finis_simulator::check::{Check, Event, Fold};
use finis_simulator::world::{Settings, World};

use crate::contracts;

/// A fold made of three functions.
struct Made<S, A>(fn() -> S, fn(&mut S, &Event), fn(&S) -> A);

impl<S, A: PartialEq + std::fmt::Debug> Fold for Made<S, A> {
    type State = S;
    type Answer = A;

    fn empty(&self) -> S {
        self.0()
    }

    fn apply(&self, state: &mut S, event: &Event) {
        self.1(state, event);
    }

    fn answer(&self, state: &S) -> A {
        self.2(state)
    }
}

/// Events of a session that has at least so many.
fn events(least: usize) -> Vec<Event> {
    let contract = contracts::all().into_iter().find(|contract| contract.provider() == "saaya").unwrap();
    let world = World::new(&contract, Settings { sessions: 10_000, ..Settings::default() }).unwrap();
    (0..10_000).map(|index| Event::of_session(&world, index)).find(|events| events.len() >= least).unwrap()
}

#[test]
fn a_set_passes_and_every_order_of_it_was_tried() {
    let set = Made(BTreeSet::new, |set, event| set.extend([format!("{event:?}")]), BTreeSet::clone);
    let three = &events(4)[..3];
    let check = Check { exhaustive_max: 3, random_runs: 0, seed: 1 };
    let checked = check.run(&set, three).unwrap();
    // Orders of one, two and three of three events, and each of them with every doubling.
    let (orders, doubled) = (3 + 3 * 2 + 6, 3 + 3 * 2 * 3 + 6 * 6);
    assert_eq!(checked.sequences, orders + doubled);
    assert!(Check { random_runs: 200, ..Check::default() }.run(&set, &events(5)[..5]).is_ok());
}

#[test]
fn a_counter_of_deliveries_fails_on_one_event_that_comes_twice() {
    let counter = Made(|| 0, |count: &mut u32, _| *count += 1, |count| *count);
    let found = Check::default().run(&counter, &events(4)).unwrap_err();
    assert_eq!((found.one.as_slice(), found.other.as_slice()), (&[0][..], &[0, 0][..]));
    assert_eq!((found.one_answer.as_str(), found.other_answer.as_str()), ("1", "2"));
    assert!(found.to_string().starts_with("the same event ends differently when one comes again\n  1  "), "{found}");
}

#[test]
fn a_fold_that_waits_for_an_event_to_come_first_fails_on_two() {
    // Whatever comes before the start is thrown away: a session that was not created yet.
    let waits = Made(
        BTreeSet::new,
        |kinds: &mut BTreeSet<String>, event: &Event| {
            if event.kind == "session.started" || !kinds.is_empty() {
                kinds.insert(event.kind.clone());
            }
        },
        BTreeSet::clone,
    );
    let found = Check::default().run(&waits, &events(4)).unwrap_err();
    assert_eq!((found.events.len(), found.one.len(), found.other.len()), (2, 2, 2), "{found}");
    assert!(found.events.iter().any(|event| event.kind == "session.started"), "{found}");
}

#[test]
fn what_only_many_events_show_is_found_by_chance_and_made_small() {
    // Right for five events, whatever they are; after six the last one counts.
    let forgets = Made(
        || (BTreeSet::new(), String::new()),
        |(seen, last): &mut (BTreeSet<String>, String), event: &Event| {
            seen.insert(format!("{event:?}"));
            *last = if seen.len() > 5 { format!("{event:?}") } else { String::new() };
        },
        |(_, last)| last.clone(),
    );
    let check = Check { exhaustive_max: 3, ..Check::default() };
    let found = check.run(&forgets, &events(9)).unwrap_err();
    assert_eq!(found.events.len(), 6, "{found}");
    assert!(found.other.len() <= 7, "{found}");
}
