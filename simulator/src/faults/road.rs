//! From what a world sends to what arrives.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use finis_engine::contract::draft;

use super::{Fault, Faults, Signing, body, signing};
use crate::arrival::{Arrival, Is};
use crate::clock::{self, MILLISECOND, Micros, SECOND};
use crate::json::Json;
use crate::random::{Purpose, Random};
use crate::world::{Emission, Emissions, World};

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

    fn count(&mut self, fault: Fault) {
        *self.tally.faults.entry(fault).or_default() += 1;
    }

    fn random(&self, purpose: Purpose, emission: &Emission, copy: u64) -> Random {
        Random::new(self.seed, purpose, emission.session.index, emission.event as u64 * COPIES_MAX + copy)
    }

    fn kind(&self, emission: &Emission) -> &'w draft::Event {
        &self.world.contract().events[emission.session.events[emission.event].kind]
    }

    /// Sends an event on its way, with all that comes of it.
    fn send(&mut self, emission: &Emission) {
        self.tally.sent += 1;
        let event = self.kind(emission);
        let loss = self.faults.loss_of.get(&event.kind).copied().unwrap_or(self.faults.loss);
        if self.random(Purpose::Loss, emission, 0).happens(loss) {
            return self.count(Fault::Loss);
        }
        if self.faults.outage.covers(self.seed, emission.sent) {
            return self.count(Fault::Outage);
        }
        let (skew, seed) = (self.faults.skew, self.seed);
        let (headers, body) = self.world.post(&emission.session, emission.event, |at| at + skew.ahead(seed, at));
        let faults = if skew.ahead(seed, emission.sent) == 0 { Vec::new() } else { vec![Fault::Skew] };
        let id = self.random(Purpose::Delay, emission, COPIES_MAX - 1).next();
        let first = Sending { emission, headers, body, faults, copy: 0, id };
        let came = self.post(&first, 0);
        self.repeat(&first, came);
        self.make_up(&first, event);
    }

    /// Copies of what came at an instant.
    fn repeat(&mut self, first: &Sending<'_>, came: Micros) {
        let emission = first.emission;
        let random = &mut self.random(Purpose::Duplicate, emission, 0);
        let after = random.below(2 * SECOND as u64) as Micros;
        if random.happens(self.faults.duplicate) {
            self.post(&first.again(Fault::Duplicate, 1), came - emission.sent + after);
        }
        let random = &mut self.random(Purpose::Storm, emission, 0);
        let storm = self.faults.storm;
        if random.happens(storm.chance) {
            for copy in 0..=random.below(storm.copies_max.into()).min(CONFLICT - 3) {
                let after = random.around(storm.after_s * SECOND as u64) as Micros;
                self.post(&first.again(Fault::Storm, 2 + copy), came - emission.sent + after);
            }
        }
    }

    /// What nobody sent, or sent by mistake, made of an event.
    fn make_up(&mut self, first: &Sending<'_>, event: &draft::Event) {
        let emission = first.emission;
        let Ok(tree) = Json::parse(&first.body) else { return };
        let contract = self.world.contract();
        let random = &mut self.random(Purpose::Conflict, emission, 0);
        if random.happens(self.faults.conflict)
            && let Some(other) = body::contradict(random, contract, event, &tree)
        {
            let after = random.below(2 * SECOND as u64) as Micros;
            self.post(&first.otherwise(Fault::Conflict, CONFLICT, &other), after);
        }
        let random = &mut self.random(Purpose::Correction, emission, 0);
        let later = self.faults.correction;
        if random.happens(later.chance)
            && let Some(mut other) = body::contradict(random, contract, event, &tree)
        {
            let after = random.around(later.after_s * SECOND as u64) as Micros;
            let after = after - after.rem_euclid(MILLISECOND);
            if let Some(place) = event.time.as_ref().or(contract.identity.time.as_ref()) {
                let at = emission.sent + after;
                let shown = at + self.faults.skew.ahead(self.seed, at);
                body::set_time(&mut other, place, self.world.format(), shown);
            }
            self.post(&first.otherwise(Fault::Correction, CORRECTION, &other), after);
        }
        let random = &mut self.random(Purpose::Unknown, emission, 0);
        if random.happens(self.faults.unknown) {
            let mut kind = event.kind.clone();
            while contract.events.iter().any(|event| event.kind == kind) {
                kind.push_str(".archived");
            }
            let mut other = tree;
            let mut sending = first.otherwise(Fault::Unknown, UNKNOWN, &other);
            if let Some(path) = &contract.identity.kind.path {
                other.put(path, Json::String(kind));
            } else {
                let name = contract.identity.kind.header.as_deref().unwrap_or_default();
                let header = sending.headers.iter_mut().filter(|(known, _)| known == name);
                header.for_each(|(_, value)| value.clone_from(&kind));
            }
            sending.body = other.to_string();
            self.post(&sending, random.below(2 * SECOND as u64) as Micros);
        }
    }

    /// Posts it, so long after its event was sent, and says when it comes.
    fn post(&mut self, sending: &Sending<'_>, after: Micros) -> Micros {
        let Sending { emission, copy, .. } = *sending;
        let mut faults = sending.faults.clone();
        let came = emission.sent + after + self.delay(emission, copy, &mut faults);
        let mut body = sending.body.clone();
        let random = &mut self.random(Purpose::Dress, emission, copy);
        if random.happens(self.faults.dress) {
            body = body::dress(random, &body);
            faults.push(Fault::Dress);
        }
        let random = &mut self.random(Purpose::Corrupt, emission, copy);
        let readable = !random.happens(self.faults.corrupt);
        let bytes = if readable {
            body.into_bytes()
        } else {
            faults.push(Fault::Corrupt);
            body::damage(random, &body)
        };
        let (headers, proved) = self.sign(sending, &bytes, came);
        let is = Is { session: emission.session.index, event: emission.event, faults, proved, readable };
        self.put(came, headers.clone(), bytes.clone(), is.clone());
        self.abuse(sending, came, &headers, &bytes, &is);
        came
    }

    /// What somebody who saw a delivery may do with it.
    fn abuse(&mut self, sending: &Sending<'_>, came: Micros, headers: &[(String, String)], bytes: &[u8], is: &Is) {
        let random = &mut self.random(Purpose::Replay, sending.emission, sending.copy);
        let replay = self.faults.replay;
        if random.happens(replay.chance) {
            let after = random.around(replay.after_s * SECOND as u64);
            let still = |signing: &Signing| signing.still_proves(came, came + after as Micros);
            let proved = is.proved && self.origin.signing.as_ref().is_none_or(still);
            let mut is = Is { proved, ..is.clone() };
            is.faults.push(Fault::Replay);
            self.put(came + after as Micros, headers.to_vec(), bytes.to_vec(), is);
        }
        let random = &mut self.random(Purpose::Forge, sending.emission, sending.copy);
        if random.happens(self.faults.forge) && self.origin.signing.is_some() {
            let headers = signing::forge(random, headers.to_vec());
            let mut is = Is { proved: false, ..is.clone() };
            is.faults.push(Fault::Forge);
            let after = random.below(60 * SECOND as u64) as Micros;
            self.put(came + after, headers, bytes.to_vec(), is);
        }
    }

    /// How long it takes.
    fn delay(&self, emission: &Emission, copy: u64, faults: &mut Vec<Fault>) -> Micros {
        let delay = self.faults.delay;
        let random = &mut self.random(Purpose::Delay, emission, copy);
        let usual = random.around(delay.usual_ms * MILLISECOND as u64);
        let longer = random.around(delay.tail_ms * MILLISECOND as u64);
        let longer = random.stretch(longer, delay.doublings_max);
        if random.happens(delay.tail) {
            faults.push(Fault::Delay);
            return (usual + longer) as Micros;
        }
        usual as Micros
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

    fn put(&mut self, came: Micros, headers: Vec<(String, String)>, body: Vec<u8>, is: Is) {
        for fault in &is.faults {
            *self.tally.faults.entry(*fault).or_default() += 1;
        }
        let source = self.origin.source.clone();
        let arrival = Arrival { received_at: clock::timestamp(came), source, headers, body, is };
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
