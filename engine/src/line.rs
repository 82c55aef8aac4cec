//! A line of an export: a payload as it was posted, or a delivery with the payload in its `body`.

use std::borrow::Cow;

use crate::contract::{Contract, Origin};
use crate::event::{Event, Reader, Unreadable};
use crate::json::{self, DEPTH_MAX, Pointer, Shape, Tape};
use crate::timestamp::Timestamp;

/// The keys of a delivery. An object with any other is none.
const KEYS: [&str; 4] = ["received_at", "source", "headers", "body"];

/// What a line held.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a, S> {
    /// Where it came from, as the caller's sources say.
    pub source: S,
    /// The receiver's time, if the line has it.
    pub received_at: Option<Timestamp>,
    /// Headers that the line has, by name in lower case, sorted.
    pub headers: &'a [(String, String)],
    /// The payload, as it was posted.
    pub body: &'a str,
    /// The event.
    pub event: Event<'a>,
}

/// Reads lines. Like [`Reader`], it owns the room for one at a time.
#[derive(Debug, Default)]
pub struct LineReader {
    /// The line when its body is a string; then `body` is what that string stands for.
    outer: Tape,
    body: Vec<u8>,
    /// Those of the last line.
    headers: Vec<(String, String)>,
    reader: Reader,
    /// Where the payload stands, when it is not what the shape of the line says.
    body_at: Option<Pointer>,
    /// Where it stood on the tape of the last line, if that says all of the line.
    payload: Option<usize>,
}

/// Parts of a line beside the payload.
#[derive(Default)]
struct Envelope<'a> {
    received_at: Option<Timestamp>,
    source: Option<String>,
    headers: Vec<(String, Cow<'a, str>)>,
}

impl LineReader {
    /// A reader of payloads and deliveries; or, with `body_at`, of lines that have the payload there.
    #[must_use]
    pub fn new(body_at: Option<Pointer>) -> LineReader {
        LineReader { body_at, ..LineReader::default() }
    }

    /// Reads one line, its end left off. White space around it is ignored.
    ///
    /// `source_of` gives, for the source that the line names or for none, what the caller knows the
    /// source by, and its contract.
    ///
    /// # Errors
    /// When the line is neither, or its payload no event; or with what `source_of` says.
    pub fn read<'r, 'c, S>(
        &'r mut self,
        line: &'r [u8],
        source_of: impl Fn(Option<&str>) -> Result<(S, &'c Contract), String>,
    ) -> Result<Arrival<'r, S>, Unreadable> {
        let line = std::str::from_utf8(line).map_err(|error| Unreadable::NotUtf8 { offset: error.valid_up_to() })?;
        self.payload = None;
        let source_of = |name: Option<&str>| source_of(name).map_err(|problem| Unreadable::Envelope { problem });
        let around = self.body_at.as_ref().map_or(1, |pointer| pointer.tokens().count());
        self.reader.tape.scan(line, DEPTH_MAX + around)?;

        let tape = &self.reader.tape;
        let (payload, envelope) = if let Some(body_at) = &self.body_at {
            let body = find(tape, line, body_at)?;
            refuse_duplicate_keys(tape, line, 0, body)?;
            (body, foreign_envelope(tape, line))
        } else if let Some(body) = delivery_body(tape, line) {
            let source = text_of(tape, line, "source");
            let (_, contract) = source_of(source.as_deref())?;
            if has_kind_at_top(tape, line, contract) {
                (0, Envelope::default())
            } else {
                refuse_duplicate_keys(tape, line, 0, body)?;
                (body, read_envelope(tape, line)?)
            }
        } else {
            (0, Envelope::default())
        };
        let (source, contract) = source_of(envelope.source.as_deref())?;
        let received_at = envelope.received_at;
        self.headers.clear();
        self.headers.extend(envelope.headers.iter().map(|(name, value)| (name.clone(), value.to_string())));
        let (body, event) = if matches!(tape.node(payload).shape, Shape::Plain | Shape::Escaped) && payload > 0 {
            let node = tape.node(payload);
            self.body.clear();
            json::unescape(&line[node.start as usize + 1..node.end as usize - 1], &mut self.body);
            std::mem::swap(&mut self.outer, &mut self.reader.tape);
            // Made by unescaping a str.
            let body = std::str::from_utf8(&self.body).unwrap_or_default();
            self.reader.tape.scan(body, DEPTH_MAX)?;
            (body, self.reader.read_at(contract, body, 0, &envelope.headers)?)
        } else {
            self.payload = self.body_at.is_none().then_some(payload);
            let node = self.reader.tape.node(payload);
            let body = &line[node.start as usize..node.end as usize];
            (body, self.reader.read_at(contract, line, payload, &envelope.headers)?)
        };
        Ok(Arrival { source, received_at, headers: &self.headers, body, event })
    }
}

impl LineReader {
    /// Where the payload stood on the tape of the last line; nothing when it was in a string, or
    /// somewhere in a line of a shape of its own.
    pub(crate) fn plain_payload(&self) -> Option<usize> {
        self.payload
    }

    /// The tape of the last line.
    pub(crate) fn tape(&self) -> &Tape {
        &self.reader.tape
    }
}

/// The body, if the line looks like a delivery: it has one, and no key but the four.
#[inline]
fn delivery_body(tape: &Tape, line: &str) -> Option<usize> {
    let mut body = None;
    for (key, value) in tape.members(0) {
        let key = string(tape, line, key)?;
        if !KEYS.contains(&&*key) {
            return None;
        }
        if key == "body" {
            body = Some(value);
        }
    }
    body
}

/// A payload of a provider whose own payloads have a `body` is still a payload.
fn has_kind_at_top(tape: &Tape, line: &str, contract: &Contract) -> bool {
    match contract.reading.kind.origin {
        Origin::Payload(_) => {
            Pointer::parse(&contract.reading.kind.written).is_ok_and(|pointer| find(tape, line, &pointer).is_ok())
        }
        Origin::Header(_) => false,
    }
}

fn read_envelope<'a>(tape: &Tape, line: &'a str) -> Result<Envelope<'a>, Unreadable> {
    let mut envelope = Envelope::default();
    for (key, value) in tape.members(0) {
        let Some(key) = string(tape, line, key) else { continue };
        let wrong = |expected: &str| Unreadable::Envelope { problem: format!("`{key}` of the line is not {expected}") };
        match &*key {
            "received_at" => {
                let text = string(tape, line, value).ok_or_else(|| wrong("a time in a string"))?;
                let at = Timestamp::parse(&text);
                envelope.received_at = Some(at.map_err(|error| Unreadable::Time {
                    at: "/received_at".into(),
                    value: text.chars().take(64).collect(),
                    error,
                })?);
            }
            "source" => {
                let name = string(tape, line, value).filter(|name| !name.is_empty());
                envelope.source = Some(name.ok_or_else(|| wrong("a name in a string"))?.into_owned());
            }
            "headers" => {
                if tape.node(value).shape != Shape::Object {
                    return Err(wrong("an object"));
                }
                envelope.headers = read_headers(tape, line, value);
            }
            _ => {}
        }
    }
    Ok(envelope)
}

/// What a line of somebody else's shape has beside the payload: as in a delivery, as far as it is of
/// that form. What is not means something else there, and is no fault.
fn foreign_envelope<'a>(tape: &Tape, line: &'a str) -> Envelope<'a> {
    let received_at = text_of(tape, line, "received_at").and_then(|text| Timestamp::parse(&text).ok());
    let headers = tape.members(0).filter(|(key, _)| string(tape, line, *key).as_deref() == Some("headers"));
    let headers = headers.flat_map(|(_, headers)| read_headers(tape, line, headers)).collect();
    let source = text_of(tape, line, "source").filter(|name| !name.is_empty()).map(Cow::into_owned);
    Envelope { received_at, source, headers }
}

/// The headers of an object, by name in lower case. Of one that comes several times, and so is a list,
/// the first counts; what is no text is no header.
fn read_headers<'a>(tape: &Tape, line: &'a str, headers: usize) -> Vec<(String, Cow<'a, str>)> {
    let header = |(name, value): (usize, usize)| {
        let is_list = tape.node(value).shape == Shape::Array;
        let first = if is_list { tape.elements(value).next()? } else { value };
        Some((string(tape, line, name)?.to_ascii_lowercase(), string(tape, line, first)?))
    };
    let mut headers: Vec<_> = tape.members(headers).filter_map(header).collect();
    // Names that differ in case alone are one header: the least value counts, wherever it stands.
    headers.sort_unstable();
    headers
}

/// What stands at a path of the line.
fn find(tape: &Tape, line: &str, pointer: &Pointer) -> Result<usize, Unreadable> {
    let mut place = 0;
    for token in pointer.tokens() {
        let is_it = |key: usize| string(tape, line, key).is_some_and(|key| key == token);
        let member = tape.members(place).find(|(key, _)| is_it(*key)).map(|(_, value)| value);
        let index = || token.parse().ok().filter(|index: &usize| index.to_string() == token);
        let inside = member.or_else(|| tape.elements(place).nth(index()?));
        let absent = || Unreadable::Absent { what: "payload".into(), at: pointer.to_string(), assumed: false };
        place = inside.ok_or_else(absent)?;
    }
    Ok(place)
}

/// Looks for duplicate keys around the payload; inside it, its canonical form finds them.
fn refuse_duplicate_keys(tape: &Tape, line: &str, place: usize, payload: usize) -> Result<(), Unreadable> {
    if place == payload {
        return Ok(());
    }
    let mut keys: Vec<Cow<'_, str>> = tape.members(place).filter_map(|(key, _)| string(tape, line, key)).collect();
    keys.sort_unstable();
    if let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(json::JsonError::DuplicateKey { key: twice[0].to_string() }.into());
    }
    let mut inside = place + 1;
    while inside < tape.node(place).next as usize {
        refuse_duplicate_keys(tape, line, inside, payload)?;
        inside = tape.node(inside).next as usize;
    }
    Ok(())
}

/// The text of a top-level member, if it is a string.
fn text_of<'a>(tape: &Tape, line: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let member = tape.members(0).find(|(key, _)| string(tape, line, *key).is_some_and(|key| key == name));
    string(tape, line, member?.1)
}

/// What a string or a key stands for; nothing when the value is no string.
fn string<'a>(tape: &Tape, line: &'a str, place: usize) -> Option<Cow<'a, str>> {
    let node = tape.node(place);
    let inside = || &line[node.start as usize + 1..node.end as usize - 1];
    match node.shape {
        Shape::Plain => Some(Cow::Borrowed(inside())),
        Shape::Escaped => {
            let mut text = Vec::new();
            json::unescape(inside(), &mut text);
            String::from_utf8(text).ok().map(Cow::Owned)
        }
        _ => None,
    }
}
