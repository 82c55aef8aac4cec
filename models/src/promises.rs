//! What has to hold.

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Model, Property};

use crate::World;
use crate::act::Act;
use crate::state::{Sender, State};

impl Model for World {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            log: BTreeSet::new(),
            outbox: Vec::new(),
            done: BTreeSet::new(),
            lease: 0,
            holder: None,
            marked_by: 0,
            went_back: false,
            waiting: Vec::new(),
            unanswered: Vec::new(),
            unsaid: Vec::new(),
            answered: BTreeSet::new(),
            delivered: BTreeMap::new(),
            senders: vec![Sender::default(); 2],
            wire: BTreeSet::new(),
            answers: BTreeSet::new(),
            left: BTreeSet::new(),
            effects: BTreeMap::new(),
            remembered: BTreeSet::new(),
            unremembered: None,
            left_to_happen: self.bounds,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Act>) {
        self.acts(state, actions);
    }

    fn next_state(&self, state: &State, act: Act) -> Option<State> {
        Some(self.take(state, act))
    }

    fn properties(&self) -> Vec<Property<World>> {
        vec![
            Property::always("what was answered is kept", |_, state: &State| state.answered.is_subset(&state.log)),
            Property::always("each is said once, revision by revision", |_, state: &State| {
                let of = |session| state.outbox.iter().filter(move |said| said.session == session);
                (0..2).all(|session| of(session).map(|said| said.revision).eq((1..).take(of(session).count())))
            }),
            Property::always("nothing leaves that is not durable", |_, state: &State| {
                state.left.iter().all(|(_, notice)| state.outbox.contains(notice))
            }),
            Property::always("a notice has one id, and an id one notice", |_, state: &State| {
                let ids: BTreeSet<_> = state.left.iter().map(|(id, _)| id).collect();
                let notices: BTreeSet<_> = state.left.iter().map(|(_, notice)| notice).collect();
                ids.len() == state.left.len() && notices.len() == state.left.len()
            }),
            Property::always("an effect happens once", |_, state: &State| {
                state.effects.values().all(|count| *count == 1)
            }),
            Property::always("what is marked had its effect", |_, state: &State| {
                state.done.iter().all(|seq| {
                    let notice = state.outbox.get(usize::from(*seq));
                    notice.is_some_and(|notice| state.effects.contains_key(notice))
                })
            }),
            Property::always("a mark of a lease that is over is refused", |_, state: &State| !state.went_back),
            // Every order comes to an end, since everything is bounded: when nothing can happen any more.
            Property::always("in the end what is complete is said, and everything said arrived", |world, state| {
                let mut acts = Vec::new();
                world.acts(state, &mut acts);
                let said = |session: u8| !state.log.contains(&(session, 0)) || state.revision(session) > 0;
                let arrived = state.outbox.iter().all(|notice| state.effects.contains_key(notice));
                let marked = state.done.len() == state.outbox.len();
                !acts.is_empty() || (0..2).all(said) && arrived && marked
            }),
            // Without these it would have been checked in a world in which nothing happens.
            Property::sometimes("a session is amended and everybody knows", |_, state: &State| {
                state.outbox.len() > 1 && state.done.len() == state.outbox.len()
            }),
            Property::sometimes("a message is sent under two leases", |_, state: &State| {
                state.lease > 1 && !state.wire.is_empty()
            }),
        ]
    }
}
