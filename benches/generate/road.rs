//! The road from sender to receiver: what is lost, doubled, late, changed or damaged on it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use crate::clock::{self, MILLISECOND, Micros, SECOND};
use crate::json::Hand;
use crate::options::Faults;
use crate::payload::{Flaw, write_body};
use crate::random::{Purpose, Random};
use crate::words::STATUSES;
use crate::world::{CallEnd, Event, Kind, Session};

/// What a proxy may answer, or a log may hold, where a body should be.
const NOISE: &[&str] = &[
    "upstream connect error or disconnect/reset before headers",
    "<html><head><title>502 Bad Gateway</title></head></html>",
    "[object Object]",
    "\u{0}\u{0}\u{0}\u{0}",
];

/// Everything between the provider and the log.
pub(crate) struct Road {
    seed: u64,
    faults: Faults,
    deliveries: bool,
    /// What is on its way, the next to arrive first.
    underway: BinaryHeap<Reverse<Line>>,
    /// What happened so far.
    pub(crate) tally: Tally,
}

/// What happened on the road.
#[derive(Default)]
pub(crate) struct Tally {
    /// Lines sent off.
    pub(crate) lines: u64,
    /// Bytes written, line feeds included.
    pub(crate) bytes: u64,
    /// Events that never arrive.
    pub(crate) lost: u64,
    /// Second deliveries.
    pub(crate) duplicates: u64,
    /// Calls that end twice and otherwise.
    pub(crate) conflicts: u64,
    /// Deliveries that are unfit.
    pub(crate) broken: u64,
}

/// A line of the export. Ordered by arrival; the number tells lines of the same instant apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    arrival: Micros,
    number: u64,
    bytes: Vec<u8>,
}

/// What can be wrong with a delivery. It stands in the place of a good one.
#[derive(Clone, Copy)]
enum Damage {
    Truncated,
    Noise,
    Flaw(Flaw),
}

const DAMAGES: &[Damage] =
    &[Damage::Truncated, Damage::Noise, Damage::Flaw(Flaw::NoSession), Damage::Flaw(Flaw::UnknownKind)];

impl Road {
    /// An empty road.
    pub(crate) fn new(seed: u64, faults: Faults, deliveries: bool) -> Self {
        Self { seed, faults, deliveries, underway: BinaryHeap::new(), tally: Tally::default() }
    }

    /// Sends the events of session `index` on their way.
    pub(crate) fn take(&mut self, session: &Session<'_>, index: u64) {
        let random = &mut Random::new(self.seed, Purpose::Road, index);
        for event in &session.events {
            self.send(random, session, event);
            if let Kind::CallEnded(end) = event.kind
                && random.happens(self.faults.conflicts)
            {
                self.tally.conflicts += 1;
                let other = contradiction(random, event.at, end);
                self.send(random, session, &other);
            }
        }
    }

    /// Writes what has arrived before `time`.
    ///
    /// # Errors
    /// When `out` refuses.
    pub(crate) fn deliver_before(&mut self, time: Micros, out: &mut impl Write) -> io::Result<()> {
        while let Some(Reverse(line)) = self.underway.peek()
            && line.arrival < time
        {
            out.write_all(&line.bytes)?;
            self.tally.bytes += line.bytes.len() as u64;
            self.underway.pop();
        }
        Ok(())
    }

    fn send(&mut self, random: &mut Random, session: &Session<'_>, event: &Event) {
        if random.happens(self.faults.loss) {
            self.tally.lost += 1;
            return;
        }
        let arrival = event.at + self.delay(random);
        if random.happens(self.faults.broken) {
            self.tally.broken += 1;
            let damage = random.pick(DAMAGES);
            self.push(arrival, |out| {
                write_damaged(out, random, session, event, damage);
            });
        } else {
            self.push(arrival, |out| {
                write_body(out, session, event, None, Hand::Sender);
            });
        }
        if random.happens(self.faults.duplicates) {
            self.tally.duplicates += 1;
            let again = arrival + random.around(SECOND) + self.delay(random);
            let hand = random.pick(&[Hand::Sender, Hand::Sender, Hand::Spaced, Hand::Sorted]);
            self.push(again, |out| write_body(out, session, event, None, hand));
        }
    }

    /// Some way through the network, and a wait that is short more often than not.
    fn delay(&self, random: &mut Random) -> Micros {
        let network = random.between(20 * MILLISECOND, 120 * MILLISECOND);
        let wait = random.below(self.faults.disorder / 8 + 1);
        network + random.stretch(wait, 10)
    }

    /// Puts a line on the road: what `write_body` writes, and the receiver's time if wanted.
    fn push(&mut self, arrival: Micros, write_body: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::with_capacity(512);
        if self.deliveries {
            let received_at = clock::to_microsecond(arrival);
            bytes.extend_from_slice(format!("{{\"received_at\":\"{received_at}\",\"body\":").as_bytes());
            write_body(&mut bytes);
            bytes.push(b'}');
        } else {
            write_body(&mut bytes);
        }
        bytes.push(b'\n');
        self.underway.push(Reverse(Line { arrival, number: self.tally.lines, bytes }));
        self.tally.lines += 1;
    }
}

fn write_damaged(out: &mut Vec<u8>, random: &mut Random, session: &Session<'_>, event: &Event, damage: Damage) {
    match damage {
        Damage::Truncated => {
            let start = out.len();
            write_body(out, session, event, None, Hand::Sender);
            // Anywhere, so in the middle of a character too.
            let length = random.between(1, (out.len() - start) as u64) as usize;
            out.truncate(start + length);
        }
        Damage::Noise => out.extend_from_slice(random.pick(NOISE).as_bytes()),
        Damage::Flaw(flaw) => write_body(out, session, event, Some(flaw), Hand::Sender),
    }
}

/// The call's end told again a little later, with another status, another duration or both.
fn contradiction(random: &mut Random, at: Micros, end: CallEnd) -> Event {
    let which = random.below(3);
    let mut other = end;
    while which != 0 && other.status == end.status {
        other.status = random.weigh(STATUSES).name;
    }
    if which != 1 {
        other.duration += random.between(1, 6);
    }
    let at = at + random.between(50 * MILLISECOND, 2 * SECOND);
    Event { at, kind: Kind::CallEnded(other) }
}
