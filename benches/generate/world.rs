//! A world as Pathors would see it: projects, sessions that come and go, what is emitted of each.
//!
//! Kinds, statuses and the gaps between events are those of the provider's documentation. What
//! happens to an event after it was emitted is no part of the world.

use crate::clock::{MILLISECOND, Micros, SECOND};
use crate::json::{Member, Value};
use crate::random::{Purpose, Random};
use crate::words::{NODES, STATUSES, Status, VARIABLES, Words};

/// Sessions begin at a steady rate.
const SESSIONS_PER_SECOND: u64 = 12;
/// A session begins up to this much after its turn.
const JITTER: Micros = 2 * SECOND;
/// A few dozen customers.
const PROJECTS: u64 = 36;

/// Where sessions come from.
pub(crate) struct World {
    seed: u64,
    projects: Vec<String>,
}

/// A session, whole: what its events say.
pub(crate) struct Session<'w> {
    /// A UUID.
    pub(crate) id: String,
    /// A UUID.
    pub(crate) project: &'w str,
    /// Where the conversation ended.
    pub(crate) node: &'static str,
    /// Messages exchanged.
    pub(crate) messages: u64,
    /// What was learnt.
    pub(crate) variables: Vec<Member<'static>>,
    /// How the call ended; a session in text has none.
    pub(crate) call: Option<CallEnd>,
    /// What was emitted, `session.ended` first.
    pub(crate) events: Vec<Event>,
}

/// How a call ended.
#[derive(Clone, Copy)]
pub(crate) struct CallEnd {
    /// In the provider's word.
    pub(crate) status: &'static str,
    /// In seconds; 0 when nobody spoke.
    pub(crate) duration: u64,
}

/// Something that the provider emits.
pub(crate) struct Event {
    /// When, by the provider's clock.
    pub(crate) at: Micros,
    /// What.
    pub(crate) kind: Kind,
}

/// The documented kinds, with what is not in the session already.
pub(crate) enum Kind {
    /// `session.ended`
    SessionEnded,
    /// `call.ended`
    CallEnded(CallEnd),
    /// `session.finalized`
    SessionFinalized,
    /// `recording.ready`, with its URL when it succeeded.
    RecordingReady(Option<String>),
}

impl World {
    /// The world of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, Purpose::Projects, 0);
        let projects = (0..PROJECTS).map(|_| uuid(&mut random)).collect();
        Self { seed, projects }
    }

    /// The earliest time at which anything can be heard of session `index` or of any after it.
    pub(crate) fn dawn(index: u64) -> Micros {
        index * SECOND / SESSIONS_PER_SECOND
    }

    /// The session `index`, the same whatever was asked before.
    pub(crate) fn session(&self, index: u64) -> Session<'_> {
        let mut random = Random::new(self.seed, Purpose::Session, index);
        let start = Self::dawn(index) + random.below(JITTER);
        let id = uuid(&mut random);
        // The smaller of two: some customers are busier than others.
        let project = random.below(PROJECTS).min(random.below(PROJECTS));
        let project = &self.projects[project as usize];
        if random.below(100) < 85 {
            call(&mut random, id, project, start)
        } else {
            text(&mut random, id, project, start)
        }
    }
}

fn call<'w>(random: &mut Random, id: String, project: &'w str, start: Micros) -> Session<'w> {
    let Status { name, answered } = random.weigh(STATUSES);
    let duration = if answered { talk(random, name) } else { 0 };
    let end = CallEnd { status: name, duration };
    let ended_at = start + random.between(2 * SECOND, 25 * SECOND) + duration * SECOND;
    let events = call_events(random, &id, project, end, ended_at);
    Session {
        id,
        project,
        node: if answered { random.pick(NODES) } else { NODES[0] },
        messages: duration.div_ceil(8),
        variables: if answered { variables(random) } else { Vec::new() },
        call: Some(end),
        events,
    }
}

/// How long they talked, in seconds: a minute and a half, a quarter of an hour at most.
fn talk(random: &mut Random, status: &str) -> u64 {
    if status == "voicemail" {
        return random.between(5, 40);
    }
    let seconds = random.between(8, 60);
    random.stretch(seconds, 4)
}

/// `session.finalized` is always the last of the three; a recording waits for nobody.
fn call_events(random: &mut Random, id: &str, project: &str, end: CallEnd, ended_at: Micros) -> Vec<Event> {
    let gap = random.around(2_500 * MILLISECOND);
    // Some calls are over before their session is.
    let early = random.below(100) < 3;
    let call_ended_at = if early { ended_at - gap / 2 } else { ended_at + gap };
    let finalized_at = ended_at.max(call_ended_at) + finalizing(random);
    let mut events = vec![
        Event { at: ended_at, kind: Kind::SessionEnded },
        Event { at: call_ended_at, kind: Kind::CallEnded(end) },
        Event { at: finalized_at, kind: Kind::SessionFinalized },
    ];
    if end.duration > 0 {
        let at = call_ended_at + processing(random);
        let url = (random.below(100) < 97).then(|| recording_url(random, id, project));
        events.push(Event { at, kind: Kind::RecordingReady(url) });
    }
    events
}

/// From the last end to `session.finalized`: 0.3 seconds, and now and then the same instant.
fn finalizing(random: &mut Random) -> Micros {
    if random.below(100) < 1 { 0 } else { random.around(300 * MILLISECOND) }
}

/// From a call's end to its recording: 15 seconds, some much longer, some before the session is
/// finalized.
fn processing(random: &mut Random) -> Micros {
    let usual = random.around(10 * SECOND);
    if random.below(100) < 2 { usual / 100 } else { random.stretch(usual, 3) }
}

fn text<'w>(random: &mut Random, id: String, project: &'w str, start: Micros) -> Session<'w> {
    let messages = random.between(1, 24);
    let ended_at = start + messages * random.between(3 * SECOND, 30 * SECOND);
    let finalized_at = ended_at + finalizing(random);
    Session {
        id,
        project,
        node: random.pick(NODES),
        messages,
        variables: variables(random),
        call: None,
        events: vec![
            Event { at: ended_at, kind: Kind::SessionEnded },
            Event { at: finalized_at, kind: Kind::SessionFinalized },
        ],
    }
}

fn variables(random: &mut Random) -> Vec<Member<'static>> {
    let count = random.below(6) as usize;
    let first = random.below(VARIABLES.len() as u64) as usize;
    // The table's length is no multiple of 3, so no key comes twice.
    (0..count)
        .map(|step| &VARIABLES[(first + 3 * step) % VARIABLES.len()])
        .map(|(key, words)| (*key, word(random, words)))
        .collect()
}

fn word(random: &mut Random, words: &Words) -> Value<'static> {
    match words {
        Words::Texts(texts) => Value::Text(random.pick(texts)),
        Words::Numbers { below } => Value::Number(random.below(*below)),
        Words::Flags => Value::Flag(random.below(2) == 1),
    }
}

fn recording_url(random: &mut Random, id: &str, project: &str) -> String {
    let (project, id, signature) = (&project[..8], &id[..8], random.next());
    format!(
        "https://recordings.pathors.com/recordings/projects/{project}/sessions/{id}/audio.ogg\
         ?expires=900&sig={signature:016x}"
    )
}

/// A random UUID, version 4.
fn uuid(random: &mut Random) -> String {
    let (high, low) = (random.next(), random.next());
    let version = (high & 0xFFF) | 0x4000;
    let variant = ((low >> 48) & 0x3FFF) | 0x8000;
    format!(
        "{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        low & 0xFFFF_FFFF_FFFF
    )
}
