//! What can happen, and what comes of it.

use crate::state::{Event, Message, Notice, Sender, State};
use crate::{Broken, World};

/// Something that happens. Between any two of these, anybody can crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// A provider delivers an event.
    Deliver(Event),
    /// The engine appends what waits, with what it causes to be said, in one commit.
    Commit,
    /// The engine answers what is durable.
    Answer,
    /// The engine appends what is to be said. Of a broken one alone.
    Say,
    /// The engine crashes, and is started again.
    EngineCrashes,
    /// A sender is given the lease.
    Take(u8),
    /// A sender sends the first notice that is not dealt with.
    Send(u8),
    /// A message comes; whether it comes once more.
    Receive(Message, bool),
    /// A message is lost.
    Lose(Message),
    /// The receiver remembers what had its effect. Of a broken one alone.
    Remember,
    /// The receiver crashes, and is started again.
    ReceiverCrashes,
    /// An answer comes to its sender.
    Hear(Message),
    /// An answer is lost.
    LoseAnswer(Message),
    /// A sender marks what was answered.
    Mark(u8),
    /// A sender hears nothing any more, and will try again.
    GiveUp(u8),
    /// A sender crashes, and is started again.
    SenderCrashes(u8),
}

impl World {
    /// Everything that can happen now.
    pub(crate) fn acts(&self, state: &State, acts: &mut Vec<Act>) {
        let left = &state.left_to_happen;
        for session in 0..self.bounds.sessions {
            for event in [(session, 0), (session, 1)] {
                if state.delivered.get(&event).is_none_or(|count| *count < self.bounds.deliveries) {
                    acts.push(Act::Deliver(event));
                }
            }
        }
        acts.extend((!state.waiting.is_empty()).then_some(Act::Commit));
        acts.extend((!state.unanswered.is_empty()).then_some(Act::Answer));
        let says = self.is(Broken::SaysAfterwards) && !state.unsaid.is_empty();
        acts.extend(says.then_some(Act::Say));
        acts.extend((left.engine_crashes > 0).then_some(Act::EngineCrashes));
        acts.extend(state.unremembered.map(|_| Act::Remember));
        acts.extend((left.receiver_crashes > 0).then_some(Act::ReceiverCrashes));
        for message in &state.wire {
            acts.push(Act::Receive(*message, false));
            acts.extend((left.copies > 0).then_some(Act::Receive(*message, true)));
            acts.extend((left.losses > 0).then_some(Act::Lose(*message)));
        }
        for answer in &state.answers {
            acts.push(Act::Hear(*answer));
            acts.extend((left.losses > 0).then_some(Act::LoseAnswer(*answer)));
        }
        for (number, sender) in (0..).zip(&state.senders) {
            let is_free = state.holder.is_none_or(|holder| holder == number);
            if sender.epoch.is_none() && (is_free || left.expiries > 0) {
                acts.push(Act::Take(number));
            }
            if sender.epoch.is_some() && sender.sent.is_none() && sender.answered.is_none() {
                acts.extend(self.next(state).map(|_| Act::Send(number)));
            }
            acts.extend(sender.answered.map(|_| Act::Mark(number)));
            if let Some(sent) = sender.sent.filter(|sent| !state.wire.contains(sent) && !state.answers.contains(sent)) {
                // It is not to be heard of any more, unless it is just being taken.
                acts.extend((state.unremembered != Some(sent)).then_some(Act::GiveUp(number)));
            }
            acts.extend((left.sender_crashes > 0).then_some(Act::SenderCrashes(number)));
        }
    }

    /// The first notice that is to be sent, with its place.
    fn next(&self, state: &State) -> Option<(u8, Notice)> {
        let open = (0..).zip(&state.outbox).find(|(seq, _)| !state.done.contains(seq));
        let early = || {
            let notice = state.unsaid.first().filter(|_| self.is(Broken::SendsBeforeCommit))?;
            Some((state.outbox.len() as u8, *notice))
        };
        open.map(|(seq, notice)| (seq, *notice)).or_else(early)
    }

    /// What comes of it.
    pub(crate) fn take(&self, before: &State, act: Act) -> State {
        let mut state = before.clone();
        match act {
            Act::Deliver(event) => self.deliver(&mut state, event),
            Act::Commit => self.commit(&mut state),
            Act::Answer => {
                let unanswered = std::mem::take(&mut state.unanswered);
                state.answered.extend(unanswered);
            }
            Act::Say => {
                let unsaid = std::mem::take(&mut state.unsaid);
                state.outbox.extend(unsaid);
            }
            Act::EngineCrashes => {
                state.left_to_happen.engine_crashes -= 1;
                (state.waiting, state.unanswered, state.unsaid) = (Vec::new(), Vec::new(), Vec::new());
                if self.is(Broken::SaysAgain) {
                    let again = state.outbox.clone();
                    state.outbox.extend(again);
                }
            }
            Act::Take(number) => {
                if state.holder.is_some_and(|holder| holder != number) {
                    state.left_to_happen.expiries -= 1;
                }
                state.lease += 1;
                state.holder = Some(number);
                state.senders[usize::from(number)].epoch = Some(state.lease);
            }
            Act::Send(number) => self.send(&mut state, number),
            Act::Receive(message, comes_again) => self.receive(&mut state, message, comes_again),
            Act::Lose(message) => {
                state.left_to_happen.losses -= 1;
                state.wire.remove(&message);
            }
            Act::Remember => {
                if let Some(message) = state.unremembered.take() {
                    state.remembered.insert(message.id);
                    state.answers.insert(message);
                }
            }
            Act::ReceiverCrashes => {
                state.left_to_happen.receiver_crashes -= 1;
                state.unremembered = None;
            }
            Act::Hear(answer) => {
                state.answers.remove(&answer);
                let sender = &mut state.senders[usize::from(answer.sender)];
                // One that was started again knows nothing of it.
                if sender.sent == Some(answer) {
                    (sender.sent, sender.answered) = (None, Some(answer));
                }
            }
            Act::LoseAnswer(answer) => {
                state.left_to_happen.losses -= 1;
                state.answers.remove(&answer);
            }
            Act::Mark(number) => self.mark(&mut state, number),
            Act::GiveUp(number) => state.senders[usize::from(number)].sent = None,
            Act::SenderCrashes(number) => {
                state.left_to_happen.sender_crashes -= 1;
                state.senders[usize::from(number)] = Sender::default();
            }
        }
        state
    }

    fn deliver(&self, state: &mut State, event: Event) {
        *state.delivered.entry(event).or_default() += 1;
        if self.is(Broken::AnswersBeforeCommit) {
            state.answered.insert(event);
        }
        if self.is(Broken::SendsBeforeCommit) && event.1 == 0 && state.revision(event.0) == 0 {
            state.unsaid.push(Notice { session: event.0, revision: 1 });
        }
        state.waiting.push(event);
    }

    /// Events are judged one by one, as they came: that they are one commit does not show.
    fn commit(&self, state: &mut State) {
        for event in std::mem::take(&mut state.waiting) {
            state.unanswered.push(event);
            if !state.log.insert(event) {
                continue;
            }
            let session = event.0;
            let unsaid = state.unsaid.iter().filter(|said| said.session == session).map(|said| said.revision).max();
            let said = match self.broken {
                Some(Broken::SaysAfterwards) => unsaid.unwrap_or(0).max(state.revision(session)),
                _ => state.revision(session),
            };
            if said > 0 || state.log.contains(&(session, 0)) {
                let notice = Notice { session, revision: said + 1 };
                let outbox = if self.is(Broken::SaysAfterwards) { &mut state.unsaid } else { &mut state.outbox };
                outbox.push(notice);
            }
        }
        if self.is(Broken::SendsBeforeCommit) {
            state.unsaid.clear();
        }
    }

    fn send(&self, state: &mut State, number: u8) {
        let Some((seq, notice)) = self.next(state) else { return };
        let sender = &mut state.senders[usize::from(number)];
        let id = if self.is(Broken::CountsIds) {
            sender.counted += 1;
            number * 64 + sender.counted
        } else {
            // A function of what it says.
            notice.session * 16 + notice.revision
        };
        let message = Message { id, notice, seq, sender: number, epoch: sender.epoch.unwrap_or(0) };
        sender.sent = Some(message);
        state.wire.insert(message);
        state.left.insert((id, notice));
        if self.is(Broken::MarksBeforeSending) {
            state.done.insert(seq);
        }
    }

    fn receive(&self, state: &mut State, message: Message, comes_again: bool) {
        if comes_again {
            state.left_to_happen.copies -= 1;
        } else {
            state.wire.remove(&message);
        }
        if state.remembered.contains(&message.id) {
            state.answers.insert(message);
            return;
        }
        *state.effects.entry(message.notice).or_default() += 1;
        if self.is(Broken::RemembersAfterwards) {
            state.unremembered = Some(message);
        } else {
            state.remembered.insert(message.id);
            state.answers.insert(message);
        }
    }

    /// A mark is taken from whoever has the lease that counts, and from nobody else.
    fn mark(&self, state: &mut State, number: u8) {
        let sender = &mut state.senders[usize::from(number)];
        let Some(answered) = sender.answered.take() else { return };
        if answered.epoch == state.lease || self.is(Broken::TakesAnyMark) {
            state.done.insert(answered.seq);
            state.went_back |= answered.epoch < state.marked_by.max(state.lease);
            state.marked_by = state.marked_by.max(answered.epoch);
        }
        if answered.epoch != state.lease {
            // It learns that it has lost it.
            sender.epoch = None;
        }
    }
}
