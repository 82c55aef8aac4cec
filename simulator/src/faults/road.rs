//! From what a world sends to what arrives.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;

use finis_engine::contract::{Draft, draft};

use super::{Fault, Faults, Signing, body, odd, signing};
use crate::arrival::{Arrival, Is};
use crate::clock::{self, MILLISECOND, Micros, SECOND};
use crate::json::Json;
use crate::random::{Chance, Purpose, Random};
use crate::world::{Emission, Emissions, Session, World};

/// Where deliveries are posted to, and by whom.
#[derive(Debug)]
pub struct Origin {
    /// The name of the source.
    pub source: String,
    /// What the provider signs with; nothing when it does not.
    pub signing: Option<Signing>,
}

/// What happened on the road.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that the world sent.
    pub sent: u64,
    /// What arrived.
    pub arrived: u64,
    /// How often each fault befell something.
    pub faults: BTreeMap<Fault, u64>,
}

/// The road from a provider to a receiver: arrivals in the order in which they come.
///
/// What is in memory is what is underway and the sessions that are open.
#[derive(Debug)]
pub struct Road<'w> {
    world: &'w World<'w>,
    emissions: Emissions<'w>,
    origin: Origin,
    faults: Faults,
    /// Of the faults: one world can be met by others.
    seed: u64,
    underway: BinaryHeap<Reverse<Underway>>,
    /// Of the next that is sent off; tells those of one instant apart.
    number: u64,
    tally: Tally,
}

/// Ordered by when it comes, then by when it was sent off.
#[derive(Debug)]
struct Underway {
    place: (Micros, u64),
    arrival: Arrival,
}

impl PartialEq for Underway {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Underway {}

impl PartialOrd for Underway {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Underway {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

/// An event that is on its way, in whatever form.
struct Sending<'e> {
    emission: &'e Emission,
    headers: Vec<(String, String)>,
    body: String,
    /// What befell it before it was sent.
    faults: Vec<Fault>,
    /// Which delivery of the event this is, from 0: faults draw for each anew.
    copy: u64,
    /// Of its message: the same for all attempts.
    id: u64,
}

/// Deliveries of one event that faults can tell apart.
const COPIES_MAX: u64 = 1 << 16;
/// Places of what is made of an event, among its copies.
const CONFLICT: u64 = 1 << 12;
const CORRECTION: u64 = CONFLICT + 1;
const UNKNOWN: u64 = CONFLICT + 2;
/// The first of those that nobody would send: as many as there are copies of other sorts.
const ODD: u64 = 2 * CONFLICT;

impl Tally {
    /// Adds what happened on another road.
    pub fn add(&mut self, other: &Tally) {
        self.sent += other.sent;
        self.arrived += other.arrived;
        for (fault, times) in &other.faults {
            *self.faults.entry(*fault).or_default() += times;
        }
    }
}

impl<'w> Road<'w> {
    /// The road of a world's events under faults, which draw from a seed of their own.
    #[must_use]
    pub fn new(world: &'w World<'w>, faults: Faults, seed: u64, origin: Origin) -> Road<'w> {
        let (emissions, underway) = (world.emissions(), BinaryHeap::new());
        Road { world, emissions, origin, faults, seed, underway, number: 0, tally: Tally::default() }
    }

    /// What happened so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What is in memory: deliveries that are underway, and sessions that are open.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        (self.underway.len(), self.emissions.open())
    }

    /// What arrives of one session alone, as it does among all others: what befalls an event is drawn for
    /// that event, whoever else is on the road. Counts towards [`Road::tally`]; not to be mixed with the
    /// road as an iterator.
    pub fn session(&mut self, session: &Rc<Session>) -> Vec<Arrival> {
        for (event, sent) in session.events.iter().map(|event| event.sent).enumerate() {
            self.send(&Emission { sent, session: Rc::clone(session), event });
        }
        let mut arrivals: Vec<Underway> = self.underway.drain().map(|Reverse(underway)| underway).collect();
        arrivals.sort_unstable_by_key(|underway| underway.place);
        self.tally.arrived += arrivals.len() as u64;
        arrivals.into_iter().map(|underway| underway.arrival).collect()
    }

    fn count(&mut self, fault: Fault) {
        *self.tally.faults.entry(fault).or_default() += 1;
    }

    fn random(&self, purpose: Purpose, emission: &Emission, copy: u64) -> Random {
        Random::new(self.seed, purpose, emission.session.index, emission.event as u64 * COPIES_MAX + copy)
    }

    /// The sequence of a fault, where it befalls this delivery.
    fn strikes(&self, purpose: Purpose, emission: &Emission, copy: u64, chance: Chance) -> Option<Random> {
        if chance == Chance::NEVER {
            return None;
        }
        let mut random = self.random(purpose, emission, copy);
        random.happens(chance).then_some(random)
    }

    fn kind(&self, emission: &Emission) -> &'w draft::Event {
        &self.world.contract().events[emission.session.events[emission.event].kind]
    }

    /// Sends an event on its way, with all that comes of it.
    fn send(&mut self, emission: &Emission) {
        self.tally.sent += 1;
        let event = self.kind(emission);
        let loss = self.faults.loss_of.get(&event.kind).copied().unwrap_or(self.faults.loss);
        if self.strikes(Purpose::Loss, emission, 0, loss).is_some() {
            return self.count(Fault::Loss);
        }
        if self.faults.outage.covers(self.seed, emission.sent) {
            return self.count(Fault::Outage);
        }
        let (skew, seed) = (self.faults.skew, self.seed);
        let (headers, body) = self.world.post(&emission.session, emission.event, |at| at + skew.ahead(seed, at));
        let faults = if skew.ahead(seed, emission.sent) == 0 { Vec::new() } else { vec![Fault::Skew] };
        let id = self.random(Purpose::Message, emission, 0).next();
        let first = Sending { emission, headers, body, faults, copy: 0, id };
        let came = self.post(&first, 0);
        self.repeat(&first, came);
        self.make_up(&first, event);
    }

    /// Copies of what came at an instant.
    fn repeat(&mut self, first: &Sending<'_>, came: Micros) {
        let emission = first.emission;
        if let Some(mut random) = self.strikes(Purpose::Duplicate, emission, 0, self.faults.duplicate) {
            let after = random.below(2 * SECOND as u64) as Micros;
            self.post(&first.again(Fault::Duplicate, 1), came - emission.sent + after);
        }
        let storm = self.faults.storm;
        if let Some(mut random) = self.strikes(Purpose::Storm, emission, 0, storm.chance) {
            for copy in 0..=random.below(storm.copies_max.into()).min(CONFLICT - 3) {
                let after = random.around(clock::seconds(storm.after_s) as u64) as Micros;
                self.post(&first.again(Fault::Storm, 2 + copy), came - emission.sent + after);
            }
        }
    }

    /// What nobody sent, or sent by mistake, made of an event.
    fn make_up(&mut self, first: &Sending<'_>, event: &draft::Event) {
        let emission = first.emission;
        let contract = self.world.contract();
        // Bodies of a world are JSON: they were printed from a tree.
        let tree = || Json::parse(&first.body).unwrap_or(Json::Null);
        if let Some(mut random) = self.strikes(Purpose::Conflict, emission, 0, self.faults.conflict)
            && let Some(other) = body::contradict(&mut random, contract, event, &tree())
        {
            let after = random.below(2 * SECOND as u64) as Micros;
            self.post(&first.otherwise(Fault::Conflict, CONFLICT, &other), after);
        }
        let later = self.faults.correction;
        if let Some(mut random) = self.strikes(Purpose::Correction, emission, 0, later.chance)
            && let Some(mut other) = body::contradict(&mut random, contract, event, &tree())
        {
            let after = random.around(clock::seconds(later.after_s) as u64) as Micros;
            let after = after - after.rem_euclid(MILLISECOND);
            if let Some(place) = event.time.as_ref().or(contract.identity.time.as_ref()) {
                let at = emission.sent + after;
                let shown = at + self.faults.skew.ahead(self.seed, at);
                body::set_time(&mut other, place, self.world.format(), shown);
            }
            self.post(&first.otherwise(Fault::Correction, CORRECTION, &other), after);
        }
        if let Some(mut random) = self.strikes(Purpose::Unknown, emission, 0, self.faults.unknown) {
            let sending = first.unknown(contract, event, tree());
            self.post(&sending, random.below(2 * SECOND as u64) as Micros);
        }
        if let Some(mut random) = self.strikes(Purpose::Odd, emission, 0, self.faults.odd.chance) {
            self.make_odd(&mut random, first, event, &tree());
        }
    }

    /// What nobody would send, made of an event.
    fn make_odd(&mut self, random: &mut Random, first: &Sending<'_>, event: &draft::Event, tree: &Json) {
        let emission = first.emission;
        let ahead = self.faults.skew.ahead(self.seed, emission.sent);
        let shown = self.world.shown(&emission.session, emission.event) + ahead;
        let (format, field) = (self.world.format(), self.faults.odd.field.as_deref());
        let copies = odd::Copies::new(random, self.world.contract(), event, format, shown, field);
        let most = u64::from(self.faults.odd.copies_max).min(ODD);
        for copy in ODD..=ODD + random.below(most) {
            let odd = copies.one(&mut self.random(Purpose::Odd, emission, copy), tree);
            let mut sending = first.otherwise(Fault::Odd, copy, &odd.body);
            if let Some(kind) = odd.kind {
                sending.rename(self.world.contract(), &kind);
            }
            self.post(&sending, random.below(2 * SECOND as u64) as Micros);
        }
    }

    /// Posts it, so long after its event was sent, and says when it comes.
    fn post(&mut self, sending: &Sending<'_>, after: Micros) -> Micros {
        let Sending { emission, copy, .. } = *sending;
        let mut faults = sending.faults.clone();
        let came = emission.sent + after + self.delay(emission, copy, &mut faults);
        let mut body = sending.body.clone();
        if let Some(mut random) = self.strikes(Purpose::Dress, emission, copy, self.faults.dress) {
            body = body::dress(&mut random, &body);
            faults.push(Fault::Dress);
        }
        let damaged = self.strikes(Purpose::Corrupt, emission, copy, self.faults.corrupt);
        let readable = damaged.is_none();
        let body = match damaged {
            None => body.into_bytes(),
            Some(mut random) => {
                faults.push(Fault::Corrupt);
                body::damage(&mut random, &body)
            }
        };
        let (headers, proved) = self.sign(sending, &body, came);
        let is = Is { session: emission.session.index, event: emission.event, faults, proved, readable };
        let arrival =
            Arrival { received_at: clock::timestamp(came), source: self.origin.source.clone(), headers, body, is };
        self.abuse(sending, came, &arrival);
        self.put(came, arrival);
        came
    }

    /// What somebody who saw a delivery may do with it.
    fn abuse(&mut self, sending: &Sending<'_>, came: Micros, seen: &Arrival) {
        let Sending { emission, copy, .. } = *sending;
        let replay = self.faults.replay;
        if let Some(mut random) = self.strikes(Purpose::Replay, emission, copy, replay.chance) {
            let again = came + random.around(clock::seconds(replay.after_s) as u64) as Micros;
            let still = |signing: &Signing| signing.still_proves(came, again);
            let mut arrival = seen.clone();
            arrival.is.proved &= self.origin.signing.as_ref().is_none_or(still);
            arrival.is.faults.push(Fault::Replay);
            self.put(again, arrival);
        }
        let Some(mut random) = self.strikes(Purpose::Forge, emission, copy, self.faults.forge) else { return };
        if self.origin.signing.is_some() {
            let mut arrival = seen.clone();
            arrival.headers = signing::forge(&mut random, arrival.headers);
            arrival.is.proved = false;
            arrival.is.faults.push(Fault::Forge);
            self.put(came + random.below(60 * SECOND as u64) as Micros, arrival);
        }
    }

    /// How long it takes.
    fn delay(&self, emission: &Emission, copy: u64, faults: &mut Vec<Fault>) -> Micros {
        let delay = self.faults.delay;
        let milliseconds = |long: u64| clock::length(long.saturating_mul(MILLISECOND as u64)) as u64;
        let usual = self.random(Purpose::Delay, emission, copy).around(milliseconds(delay.usual_ms));
        let Some(mut random) = self.strikes(Purpose::Tail, emission, copy, delay.tail) else { return usual as Micros };
        faults.push(Fault::Delay);
        let longer = random.around(milliseconds(delay.tail_ms));
        usual as Micros + clock::length(random.stretch(longer, delay.doublings_max))
    }

    /// Signs an attempt, when it is made: a retry is signed anew under the id of its message.
    fn sign(&self, sending: &Sending<'_>, bytes: &[u8], at: Micros) -> (Vec<(String, String)>, bool) {
        let mut headers = sending.headers.clone();
        let Some(signing) = &self.origin.signing else { return (headers, true) };
        let signed = signing.sign(&format!("msg_{:016x}", sending.id), bytes, clock::timestamp(at));
        let proved = signed.is_some();
        headers.extend(signed.unwrap_or_default());
        (headers, proved)
    }

    fn put(&mut self, came: Micros, arrival: Arrival) {
        for fault in &arrival.is.faults {
            *self.tally.faults.entry(*fault).or_default() += 1;
        }
        let arrival = Arrival { received_at: clock::timestamp(came), ..arrival };
        self.underway.push(Reverse(Underway { place: (came, self.number), arrival }));
        self.number += 1;
    }
}

impl<'e> Sending<'e> {
    /// The same once more.
    fn again(&self, fault: Fault, copy: u64) -> Sending<'e> {
        let faults = self.faults.iter().copied().chain([fault]).collect();
        Sending { headers: self.headers.clone(), body: self.body.clone(), faults, copy, ..*self }
    }

    /// Something else: a message of its own.
    fn otherwise(&self, fault: Fault, copy: u64, body: &Json) -> Sending<'e> {
        Sending { body: body.to_string(), id: self.id ^ copy, ..self.again(fault, copy) }
    }

    /// The same under a kind that the contract does not have.
    fn unknown(&self, contract: &Draft, event: &draft::Event, mut tree: Json) -> Sending<'e> {
        let mut kind = event.kind.clone();
        while contract.events.iter().any(|event| event.kind == kind) {
            kind.push_str(".archived");
        }
        let place = &contract.identity.kind;
        if let Some(path) = &place.path {
            tree.put(path, Json::String(kind.clone()));
        }
        let mut sending = self.otherwise(Fault::Unknown, UNKNOWN, &tree);
        sending.rename(contract, &kind);
        sending
    }

    /// Says another kind where headers say it.
    fn rename(&mut self, contract: &Draft, kind: &str) {
        let place = &contract.identity.kind;
        let header = self.headers.iter_mut().filter(|(known, _)| place.header.as_ref() == Some(known));
        header.for_each(|(_, value)| kind.clone_into(value));
    }
}

impl Iterator for Road<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            // Nothing that is still to be sent comes before it is sent.
            let first = self.underway.peek().map(|Reverse(underway)| underway.place.0);
            match (first, self.emissions.not_before()) {
                (Some(first), Some(next)) if first >= next => {}
                (None, Some(_)) => {}
                (_, _) => {
                    let Reverse(Underway { arrival, .. }) = self.underway.pop()?;
                    self.tally.arrived += 1;
                    return Some(arrival);
                }
            }
            if let Some(emission) = self.emissions.next() {
                self.send(&emission);
            }
        }
    }
}
