//! One session: when it was, what was drawn for it, and what is sent of it.

use super::World;
use super::habits::{Gap, Moment};
use super::plan::{Hole, Piece, PlanStep, Since};
use crate::clock::{self, Micros};
use crate::random::{Purpose, Random};
use finis_engine::contract::draft::Unit;

/// A session of a world.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number in the world.
    pub index: u64,
    /// Its id.
    pub id: String,
    /// When it began.
    pub start: Micros,
    /// When it was over; what is sent of it may come later.
    pub end: Micros,
    /// What is sent of it, in order of time.
    pub events: Vec<Event>,
    pub(super) plan: usize,
    /// As JSON.
    values: Vec<String>,
}

/// Something that is sent of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in truth.
    pub sent: Micros,
    /// Place of its kind among the contract's.
    pub kind: usize,
    pub(super) step: usize,
}

impl Gap {
    fn draw(self, random: &mut Random) -> Micros {
        let usual = u64::try_from(self.usual.as_micros()).unwrap_or(u64::MAX);
        let usual = random.around(clock::length(usual) as u64);
        clock::length(random.stretch(usual, self.doublings_max))
    }
}

impl World<'_> {
    /// The session of a number, the same whatever was asked before.
    #[must_use]
    pub fn session(&self, index: u64) -> Session {
        let random = &mut Random::new(self.settings.seed, Purpose::Session, index, 0);
        let every = u64::try_from(self.settings.every.as_micros()).unwrap_or(u64::MAX);
        let start = self.dawn(index) + random.below(clock::length(every).max(1) as u64) as Micros;
        // There is a weight: the world was made with it.
        let plan = random.weigh(self.plans.iter().map(|plan| plan.weight)).unwrap_or_default();
        let of = &self.plans[plan];
        let mut id = String::new();
        of.id.write(random, "", &mut id);
        let id = serde_json::from_str(&id).unwrap_or(id);
        let end = start + of.lasts.draw(random);
        let values = of.values.iter().map(|drawn| drawn.draw(self.settings.seed, random, &id)).collect();
        let events = events(&of.steps, random, start, end);
        Session { index, id, start, end, events, plan, values }
    }

    /// What is posted of an event of a session: headers that the contract reads, and the body. `shown` is
    /// the provider's clock: what it shows at an instant.
    #[must_use]
    pub fn post(
        &self,
        session: &Session,
        event: usize,
        shown: impl Fn(Micros) -> Micros,
    ) -> (Vec<(String, String)>, String) {
        let Event { sent, step, .. } = session.events[event];
        let step = &self.plans[session.plan].steps[step];
        let seed = self.settings.seed;
        let random = &mut Random::new(seed, Purpose::Event, session.index, event as u64);
        let fresh: Vec<String> = step.fresh.iter().map(|drawn| drawn.draw(seed, random, &session.id)).collect();
        let fill = |pieces: &[Piece]| {
            let mut out = String::with_capacity(512);
            for piece in pieces {
                match piece {
                    Piece::Text(text) => out.push_str(text),
                    Piece::Hole(Hole::Id) => crate::json::write_string(&session.id, &mut out),
                    Piece::Hole(Hole::Time(moment)) => {
                        clock::write(shown(session.moment(*moment, sent)), self.format, &mut out);
                    }
                    Piece::Hole(Hole::Lasted(unit)) => out.push_str(&session.lasted(*unit).to_string()),
                    Piece::Hole(Hole::Value(place)) => out.push_str(&session.values[*place]),
                    Piece::Hole(Hole::Fresh(place)) => out.push_str(&fresh[*place]),
                }
            }
            out
        };
        // What stands in a header is a text, and not its JSON.
        let header = |value: &[Piece]| serde_json::from_str(&fill(value)).unwrap_or_default();
        let headers = step.headers.iter().map(|(name, value)| (name.clone(), header(value))).collect();
        (headers, fill(&step.body))
    }
}

impl World<'_> {
    /// The time that stands in an event, by a clock that is right; when it is sent, where none does.
    pub(crate) fn shown(&self, session: &Session, event: usize) -> Micros {
        let Event { sent, step, .. } = session.events[event];
        let moment = self.plans[session.plan].steps[step].time;
        moment.map_or(sent, |moment| clock::cut(session.moment(moment, sent), self.format))
    }
}

impl Session {
    /// An instant of its life; `sent` is that of an event.
    pub(super) fn moment(&self, moment: Moment, sent: Micros) -> Micros {
        match moment {
            Moment::Start => self.start,
            Moment::End => self.end,
            Moment::Now => sent,
        }
    }

    /// How long it lasted, in whole units.
    fn lasted(&self, unit: Option<Unit>) -> Micros {
        let lasted = self.end - self.start;
        match unit {
            Some(Unit::Ms) => lasted / clock::MILLISECOND,
            Some(Unit::Min) => lasted / (60 * clock::SECOND),
            _ => lasted / clock::SECOND,
        }
    }
}

/// What is sent, in order of time; of two at one instant the one whose step comes first.
fn events(steps: &[PlanStep], random: &mut Random, start: Micros, end: Micros) -> Vec<Event> {
    let mut events = Vec::with_capacity(steps.len());
    // When each step came last, or would have.
    let mut last: Vec<Micros> = Vec::with_capacity(steps.len());
    for (place, step) in steps.iter().enumerate() {
        let mut sent = match step.since {
            Since::Start => start,
            Since::End => end,
            Since::Step(earlier) => last[earlier],
        };
        let comes = random.happens(step.chance);
        let times = if comes { 1 + random.below(step.times.into()) } else { 1 };
        let mut at = sent;
        for _ in 0..times {
            at += step.after.draw(random);
            // Providers write milliseconds.
            at -= at.rem_euclid(clock::MILLISECOND);
            if comes {
                events.push(Event { sent: at, kind: step.kind, step: place });
                sent = at;
            }
        }
        last.push(sent);
    }
    events.sort_by_key(|event| event.sent);
    events
}
