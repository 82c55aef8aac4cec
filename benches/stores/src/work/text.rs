//! What events, states and records look like.

use std::fmt::Write as _;

use super::{Id, Random, uuid};

/// When the first delivery comes, in microseconds since 1970: 2027-01-15T08:00:00Z.
pub(super) const BEGIN_MICROS: i64 = 1_800_000_000_000_000;

const KINDS: [&str; 4] = ["session.started", "call.started", "call.ended", "session.ended"];
const STATUSES: &[&str] = &["userHangup", "agentHangup", "transferred", "voicemail", "userNoAnswer", "busy", "error"];
const MODELS: &[&str] = &["aria-2", "aria-2-mini", "solo-1", "solo-1-fast"];
const WORDS: &[&str] = &[
    "a", "about", "account", "address", "again", "all", "and", "any", "are", "at", "back", "because", "before",
    "booking", "but", "call", "can", "card", "change", "check", "confirm", "could", "customer", "delivery", "did",
    "do", "email", "evening", "for", "Friday", "from", "get", "have", "hello", "help", "I", "invoice", "is", "it",
    "just", "know", "last", "like", "Monday", "morning", "my", "name", "need", "no", "not", "number", "of", "on",
    "order", "payment", "phone", "please", "problem", "receive", "right", "see", "send", "so", "sorry", "speak",
    "still", "sure", "thank", "that", "the", "then", "there", "think", "this", "time", "to", "tomorrow", "Tuesday",
    "until", "wait", "want", "was", "we", "week", "what", "when", "will", "with", "would", "yes", "you", "your",
];

/// A payload of exactly so many bytes, or of as many as all but the transcript takes.
pub(super) fn body(random: &mut Random, session: Id, step: u8, at_micros: i64, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes);
    let begun = random.below(90_000_000);
    put(&mut text, format_args!("{{\"type\":\"{}\",\"id\":\"evt_{:016x}\"", KINDS[usize::from(step)], random.next()));
    put(&mut text, format_args!(",\"sessionId\":\"{}\",\"projectId\":\"prj_{:04x}\"", uuid(&session), session[0]));
    put(&mut text, format_args!(",\"timestamp\":\"{}\",\"data\":{{", time(at_micros - begun as i64)));
    put(&mut text, format_args!("\"status\":\"{}\",\"model\":\"{}\"", random.pick(STATUSES), random.pick(MODELS)));
    put(&mut text, format_args!(",\"from\":\"+49{:09}\"", random.below(1_000_000_000)));
    put(&mut text, format_args!(",\"durationSeconds\":{}.{}", begun / 1_000_000, random.below(1000)));
    put(&mut text, format_args!(",\"cost\":0.{:05},\"turns\":{}", random.below(100_000), random.below(60)));
    put(&mut text, format_args!(",\"latencyMs\":{{\"p50\":{},\"p95\":{}}}", random.below(900), random.below(4000)));
    put(&mut text, format_args!(",\"recording\":\"rec_{:016x}{:08x}\"", random.next(), random.below(1 << 32)));
    text.push_str(",\"transcript\":\"");
    words(random, &mut text, bytes.saturating_sub(3));
    text.push_str("\"}}");
    text
}

/// What a session is after an event: a partial, about 290 bytes.
pub(super) fn state(random: &mut Random, session: Id, step: u8, digest: Id) -> String {
    let mut text = String::with_capacity(320);
    put(&mut text, format_args!("{{\"id\":\"{}\",\"events\":{}", uuid(&session), step + 1));
    put(&mut text, format_args!(",\"latest\":\"{}\",\"status\":\"{}\"", uuid(&digest), random.pick(STATUSES)));
    put(&mut text, format_args!(",\"duration\":{},\"cost\":0.{:05}", random.below(600), random.below(100_000)));
    put(&mut text, format_args!(",\"due\":{}", BEGIN_MICROS + random.below(1 << 40) as i64));
    text.push_str(",\"summary\":\"");
    words(random, &mut text, 288);
    text.push_str("\"}");
    text
}

/// What is announced of a session: its record, about a kilobyte.
pub(super) fn record(random: &mut Random, session: Id, digest: Id, at_micros: i64) -> String {
    let mut text = String::with_capacity(1080);
    put(&mut text, format_args!("{{\"session\":\"{}\",\"status\":\"{}\"", uuid(&session), random.pick(STATUSES)));
    put(&mut text, format_args!(",\"model\":\"{}\",\"duration\":{}", random.pick(MODELS), random.below(600)));
    text.push_str(",\"events\":[");
    for (step, kind) in KINDS.iter().enumerate() {
        let at = time(at_micros - random.below(90_000_000) as i64);
        let id = if step == 3 { digest } else { random.id() };
        let comma = if step == 0 { "" } else { "," };
        put(&mut text, format_args!("{comma}{{\"kind\":\"{kind}\",\"at\":\"{at}\",\"digest\":\"{}\"}}", uuid(&id)));
    }
    text.push_str("],\"transcript\":\"");
    words(random, &mut text, 1018);
    text.push_str("\"}");
    text
}

/// Words until the text has so many bytes, the last one cut.
fn words(random: &mut Random, text: &mut String, bytes: usize) {
    while text.len() < bytes {
        let word = random.pick(WORDS);
        text.push_str(&word[..word.len().min(bytes - text.len())]); // ASCII
        if text.len() < bytes {
            text.push(if random.below(9) == 0 { '.' } else { ' ' });
        }
    }
}

/// A time of the month in which all of this happens.
fn time(micros: i64) -> String {
    let since = micros - (BEGIN_MICROS - 14 * 86_400_000_000 - 8 * 3_600_000_000);
    let (seconds, micros) = (since / 1_000_000, since % 1_000_000);
    let (day, second) = (seconds / 86_400 + 1, seconds % 86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("2027-01-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string never fails.
    let _ = text.write_fmt(what);
}
