//! From a payload to an event: what a contract reads from it, as slices.

use std::borrow::Cow;
use std::fmt;

use crate::contract::draft::{TimeFormat, Unit};
use crate::contract::{Contract, FieldId, KindId, Origin, Place, SubjectId};
use crate::digest::{Digest, write_header};
use crate::json::{self, Canon, DEPTH_MAX, Found, JsonError, Shape, Slot, Tape};
use crate::timestamp::{TEXT_MAX, TimeError, Timestamp};

/// Bytes of the longest session id, unescaped.
pub const ID_BYTES_MAX: usize = 512;

/// What a contract reads from one payload. Everything in it is a slice of the [`Reader`].
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What it is about.
    pub subject: SubjectId,
    /// The id of the session (or campaign, upload, …), unescaped, byte for byte.
    pub id: &'a str,
    /// Which kind.
    pub kind: EventKind<'a>,
    /// The provider's time, if it has one.
    pub at: Option<Timestamp>,
    /// The provider's own id of the event, if it has one. It never decides alone.
    pub event_id: Option<&'a str>,
    /// The canonical payload, and what was read from headers.
    pub(crate) identity: &'a [u8],
    facts: &'a [Fact],
    values: &'a [u8],
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind<'a> {
    /// One that the contract has.
    Known(KindId),
    /// One that it has not, by its name.
    Unknown(&'a str),
}

/// A fact of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact {
    pub(crate) field: FieldId,
    /// Place among the facts of the kind.
    pub(crate) place: u8,
    start: u32,
    end: u32,
}

impl<'a> Event<'a> {
    /// What makes it itself. It is computed here: whoever needs it twice keeps it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.identity)
    }

    /// Facts of the event: each field with its value in canonical JSON.
    pub fn facts(&self) -> impl Iterator<Item = (FieldId, &'a [u8])> + use<'a> {
        self.placed_facts().map(|(fact, value)| (fact.field, value))
    }

    pub(crate) fn placed_facts(&self) -> impl Iterator<Item = (Fact, &'a [u8])> + use<'a> {
        let values = self.values;
        self.facts.iter().map(move |fact| (*fact, &values[fact.start as usize..fact.end as usize]))
    }
}

/// Why a payload is no event. The text names the value and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "`what` was looked for, `at` is the path, `value` what stood there")]
pub enum Unreadable {
    /// Bytes that are not UTF-8, from this offset on.
    NotUtf8 { offset: usize },
    /// Not JSON, or not JSON that everyone reads alike.
    Json(JsonError),
    /// A string, a number, an array: events are objects.
    NotAnObject { found: &'static str },
    /// Nothing stands where the contract finds the kind, an id or a time.
    Absent { what: String, at: String, assumed: bool },
    /// Something else than a string stands there.
    NotAString { what: String, at: String },
    /// An empty string stands there.
    Empty { what: String, at: String },
    /// An id longer than [`ID_BYTES_MAX`].
    IdTooLong { what: String, bytes: usize },
    /// An id with a control character.
    IdControl { what: String },
    /// A time that is none.
    Time { at: String, value: String, error: TimeError },
    /// The line is no delivery as it should be.
    Envelope { problem: String },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::NotUtf8 { offset } => write!(f, "not UTF-8: a byte that fits nowhere at byte {offset}"),
            Unreadable::Json(error) => error.fmt(f),
            Unreadable::NotAnObject { found } => write!(f, "not an object: {found}"),
            Unreadable::Absent { what, at, assumed: false } => write!(f, "no {what}: nothing at `{at}`"),
            Unreadable::Absent { what, at, assumed: true } => {
                write!(f, "no {what}: nothing at `{at}`, a path that the contract only assumes; correct it there")
            }
            Unreadable::NotAString { what, at } => write!(f, "the {what} at `{at}` is not a string"),
            Unreadable::Empty { what, at } => write!(f, "the {what} at `{at}` is empty"),
            Unreadable::IdTooLong { what, bytes } => {
                write!(f, "the {what} is {bytes} bytes long; at most {ID_BYTES_MAX} are allowed")
            }
            Unreadable::IdControl { what } => write!(f, "the {what} has a control character in it"),
            Unreadable::Time { at, value, error } => write!(f, "the time at `{at}` is `{value}`: {error}"),
            Unreadable::Envelope { problem } => f.write_str(problem),
        }
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    /// What sort of refusal it is, for counting.
    #[must_use]
    pub fn sort(&self) -> &'static str {
        match self {
            Unreadable::NotUtf8 { .. } => "not UTF-8",
            Unreadable::Json(JsonError::DuplicateKey { .. }) => "duplicate key",
            Unreadable::Json(JsonError::TooDeep) => "nested too deep",
            Unreadable::Json(JsonError::LoneSurrogate { .. }) => "lone surrogate",
            Unreadable::Json(JsonError::NumberRange { .. }) => "number out of range",
            Unreadable::Json(JsonError::Trailing { .. }) => "more than one value",
            Unreadable::Json(_) => "not JSON",
            Unreadable::NotAnObject { .. } => "not an object",
            Unreadable::Absent { what, .. } | Unreadable::NotAString { what, .. } | Unreadable::Empty { what, .. } => {
                match what.as_str() {
                    "kind" => "no kind",
                    "time" => "no time",
                    "payload" => "no payload",
                    _ => "no id",
                }
            }
            Unreadable::IdTooLong { .. } | Unreadable::IdControl { .. } => "unfit id",
            Unreadable::Time { .. } => "not a time",
            Unreadable::Envelope { .. } => "unfit delivery",
        }
    }
}

impl From<JsonError> for Unreadable {
    fn from(error: JsonError) -> Self {
        Unreadable::Json(error)
    }
}

/// Headers of a delivery, by name in lower case.
pub(crate) type Headers<'a> = [(String, Cow<'a, str>)];

/// Reads payloads. It owns the room that events are slices of, so one reader serves any number of
/// payloads, one after another, without allocating.
#[derive(Debug, Default)]
pub struct Reader {
    pub(crate) tape: Tape,
    canon: Canon,
    facts: Vec<Fact>,
    /// Texts that had escapes, unescaped.
    texts: Vec<u8>,
}

impl Reader {
    /// A reader with nothing read yet.
    #[must_use]
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Reads a payload under a contract.
    ///
    /// # Errors
    /// When the payload is no event; [`Unreadable`] says why.
    pub fn read<'r>(&'r mut self, contract: &Contract, payload: &'r str) -> Result<Event<'r>, Unreadable> {
        self.tape.scan(payload, DEPTH_MAX)?;
        self.read_at(contract, payload, 0, &[])
    }

    /// Reads a payload with the headers that it came with, by name in lower case, as
    /// [`Contract::kept_headers`] gives them.
    ///
    /// # Errors
    /// When the delivery is no event; [`Unreadable`] says why.
    pub fn read_delivery<'r>(
        &'r mut self,
        contract: &Contract,
        payload: &'r str,
        headers: &'r [(String, String)],
    ) -> Result<Event<'r>, Unreadable> {
        self.tape.scan(payload, DEPTH_MAX)?;
        let headers: Vec<(String, Cow<'r, str>)> =
            headers.iter().map(|(name, value)| (name.clone(), Cow::Borrowed(value.as_str()))).collect();
        self.read_at(contract, payload, 0, &headers)
    }

    /// Reads the payload that stands at `place` of the tape of `text`.
    pub(crate) fn read_at<'r>(
        &'r mut self,
        contract: &Contract,
        text: &'r str,
        place: usize,
        headers: &Headers<'r>,
    ) -> Result<Event<'r>, Unreadable> {
        let found = describe(self.tape.node(place).shape, text, self.tape.node(place).start);
        if found != "an object" {
            return Err(Unreadable::NotAnObject { found });
        }
        self.texts.clear();
        self.facts.clear();
        self.canon.write(text, &self.tape, place, &contract.reading.paths)?;

        let mut look = Look { tape: &self.tape, canon: &mut self.canon, texts: &mut self.texts, text, headers };
        let reading = &contract.reading;
        let kind = look.text(&reading.kind, &|| "kind".to_owned())?;
        let known = contract.kind_named(look.resolve(kind));
        let (subject, id) = if let Some(kind) = known {
            let subject = contract.kind(kind).subject;
            (subject, look.id(contract, subject)?)
        } else {
            // An unknown kind is about the first subject whose id it has.
            let main = look.id(contract, SubjectId(0)).map(|id| (SubjectId(0), id));
            main.or_else(|unreadable| {
                let others = contract.subjects().skip(1);
                let mut others = others.filter_map(|(subject, _)| Some((subject, look.id(contract, subject).ok()?)));
                others.next().ok_or(unreadable)
            })?
        };
        let at = match known.map(|kind| contract.kind(kind).time.as_ref()) {
            Some(Some(time)) => look.time(&time.place, time.optional, reading.time_format)?,
            Some(None) => None,
            // An unknown kind has no time of its own to be wrong about.
            None => contract
                .kinds
                .iter()
                .find_map(|kind| kind.time.as_ref())
                .and_then(|time| look.time(&time.place, true, reading.time_format).ok().flatten()),
        };
        let event_id = reading.event_id.as_ref().and_then(|place| look.text(place, &String::new).ok());
        let identity = write_headers(&mut look, contract, kind, id, subject);

        if let Some(kind) = known {
            self.read_facts(contract, kind, text, at);
        }
        let texts = &self.texts;
        let resolve = |slice: Slice<'r>| -> &'r str {
            match slice {
                Slice::Whole(text) => text,
                // Made by unescaping a str.
                Slice::Unescaped(start, end) => std::str::from_utf8(&texts[start..end]).unwrap_or_default(),
            }
        };
        Ok(Event {
            subject,
            id: resolve(id),
            kind: known.map_or_else(|| EventKind::Unknown(resolve(kind)), EventKind::Known),
            at,
            event_id: event_id.map(resolve),
            identity: &self.canon.bytes()[..identity],
            facts: &self.facts,
            values: self.canon.bytes(),
        })
    }

    fn read_facts(&mut self, contract: &Contract, kind: KindId, text: &str, at: Option<Timestamp>) {
        let kind = contract.kind(kind);
        let own_time = kind.time.as_ref().and_then(|time| time.place.slot());
        for (place, fact) in kind.facts.iter().enumerate() {
            let Some(found) = self.canon.found(fact.slot) else { continue };
            let mut value = Fact { field: fact.field, place: place as u8, start: found.start, end: found.end };
            if let Some(unit) = fact.unit {
                let (shape, raw) = raw(&self.tape, text, found);
                // A number may be written in many ways, and is one value.
                let number = is_number(shape).then(|| self.canon.text(found).to_owned());
                let raw = number.as_deref().unwrap_or(raw);
                // The event's own time was read before.
                let known = at.filter(|_| Some(fact.slot) == own_time);
                // Below 4 GiB: a value is never much longer than the text it was made from.
                let start = self.canon.bytes().len() as u32;
                if convert(unit, contract.reading.time_format, shape, raw, known, self.canon.bytes_mut()) {
                    (value.start, value.end) = (start, self.canon.bytes().len() as u32);
                }
            }
            self.facts.push(value);
        }
    }
}

/// A text in the payload, or among the unescaped ones.
#[derive(Clone, Copy)]
enum Slice<'r> {
    Whole(&'r str),
    Unescaped(usize, usize),
}

/// What it takes to look something up in a payload that was walked.
struct Look<'l, 'r> {
    tape: &'l Tape,
    canon: &'l mut Canon,
    texts: &'l mut Vec<u8>,
    text: &'r str,
    headers: &'l Headers<'r>,
}

impl<'r> Look<'_, 'r> {
    fn found(&self, slot: Slot) -> Option<(Shape, &'r str)> {
        Some(raw(self.tape, self.text, self.canon.found(slot)?))
    }

    /// The id of a subject: a text that can stand for it.
    fn id(&mut self, contract: &Contract, subject: SubjectId) -> Result<Slice<'r>, Unreadable> {
        let subject = contract.subject(subject);
        let what = || format!("{} id", subject.name);
        let id = self.text(&subject.id, &what)?;
        check_id(self.resolve(id), &what)?;
        Ok(id)
    }

    /// The string at a place: not absent, not empty.
    fn text(&mut self, place: &Place, what: &dyn Fn() -> String) -> Result<Slice<'r>, Unreadable> {
        let at = || place.written.clone();
        let absent = || Unreadable::Absent { what: what(), at: at(), assumed: place.assumed };
        let slice = match &place.origin {
            Origin::Header(name) => {
                let header = self.headers.iter().find(|(header, _)| header == name);
                match &header.ok_or_else(absent)?.1 {
                    Cow::Borrowed(text) => Slice::Whole(text),
                    Cow::Owned(text) => self.keep(|texts| texts.extend_from_slice(text.as_bytes())),
                }
            }
            Origin::Payload(slot) => {
                let (shape, raw) = self.found(*slot).ok_or_else(absent)?;
                match shape {
                    Shape::Plain => Slice::Whole(&raw[1..raw.len() - 1]),
                    Shape::Escaped => self.keep(|texts| json::unescape(&raw[1..raw.len() - 1], texts)),
                    _ => return Err(Unreadable::NotAString { what: what(), at: at() }),
                }
            }
        };
        if self.resolve(slice).is_empty() {
            return Err(Unreadable::Empty { what: what(), at: at() });
        }
        Ok(slice)
    }

    /// Keeps what is written to the texts.
    fn keep(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Slice<'r> {
        let start = self.texts.len();
        write(self.texts);
        Slice::Unescaped(start, self.texts.len())
    }

    fn resolve<'s>(&'s self, slice: Slice<'s>) -> &'s str {
        match slice {
            Slice::Whole(text) => text,
            // Made by unescaping a str.
            Slice::Unescaped(start, end) => std::str::from_utf8(&self.texts[start..end]).unwrap_or_default(),
        }
    }

    fn time(&mut self, place: &Place, optional: bool, format: TimeFormat) -> Result<Option<Timestamp>, Unreadable> {
        let Origin::Payload(slot) = place.origin else { return Ok(None) };
        let Some(found) = self.canon.found(slot) else {
            if optional {
                return Ok(None);
            }
            return Err(Unreadable::Absent { what: "time".into(), at: place.written.clone(), assumed: place.assumed });
        };
        let (shape, raw) = raw(self.tape, self.text, found);
        let written = if is_number(shape) { self.canon.text(found) } else { raw };
        read_time(format, shape, written).map(Some).map_err(|error| Unreadable::Time {
            at: place.written.clone(),
            value: raw.trim_matches('"').chars().take(64).collect(),
            error,
        })
    }
}

fn check_id(id: &str, what: &impl Fn() -> String) -> Result<(), Unreadable> {
    if id.len() > ID_BYTES_MAX {
        return Err(Unreadable::IdTooLong { what: what(), bytes: id.len() });
    }
    if has_control(id) {
        return Err(Unreadable::IdControl { what: what() });
    }
    Ok(())
}

/// Whether an id can stand for a session, which is what [`check_id`] and its caller ask.
pub(crate) fn is_fit_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && !has_control(id)
}

fn has_control(id: &str) -> bool {
    // Controls are below U+0080 or start with 0xC2 in UTF-8; ids of neither sort are the rule.
    let doubtful = |byte: u8| byte < 0x20 || byte == 0x7F || byte == 0xC2;
    // All are looked at: without a way out of the loop, many are looked at together.
    id.bytes().fold(false, |doubt, byte| doubt | doubtful(byte)) && id.chars().any(char::is_control)
}

/// Appends the kind and the id, where headers say them, to the canonical payload: how long it is then.
fn write_headers(
    look: &mut Look<'_, '_>,
    contract: &Contract,
    kind: Slice<'_>,
    id: Slice<'_>,
    subject: SubjectId,
) -> usize {
    for (origin, slice) in [(&contract.reading.kind.origin, kind), (&contract.subject(subject).id.origin, id)] {
        if let Origin::Header(name) = origin {
            let value = look.resolve(slice).to_owned();
            write_header(name, &value, look.canon.bytes_mut());
        }
    }
    look.canon.bytes().len()
}

/// A time, in the format of the contract.
pub(crate) fn read_time(format: TimeFormat, shape: Shape, raw: &str) -> Result<Timestamp, TimeError> {
    let mut unescaped = Vec::new();
    let text = match shape {
        Shape::Plain => &raw[1..raw.len() - 1],
        Shape::Escaped => {
            json::unescape(&raw[1..raw.len() - 1], &mut unescaped);
            std::str::from_utf8(&unescaped).unwrap_or_default()
        }
        Shape::Integer | Shape::Double if format != TimeFormat::Rfc3339 => raw,
        _ => return Err(TimeError::Form),
    };
    match format {
        TimeFormat::Rfc3339 => Timestamp::parse(text),
        TimeFormat::UnixS => unix_time(text, 0),
        TimeFormat::UnixMs => unix_time(text, 3),
    }
}

/// A decimal count of seconds, or of `10^-scale` seconds, since 1970.
fn unix_time(text: &str, scale: usize) -> Result<Timestamp, TimeError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let sound =
        !whole.is_empty() && digits(whole) && digits(fraction) && whole.len() <= 18 && fraction.len() + scale <= 9;
    if !sound {
        return Err(TimeError::Form);
    }
    // At most 18 digits fit.
    let count: i64 = whole.parse().map_err(|_| TimeError::Form)?;
    let unit = 10_i64.pow(scale as u32);
    let below = format!("{:0scale$}{fraction}", count % unit);
    let below = if scale == 0 { fraction } else { below.as_str() };
    let nanos: u32 = format!("{below:0<9}").parse().map_err(|_| TimeError::Form)?;
    Timestamp::from_unix(count / unit, nanos, below.len()).ok_or(TimeError::Range("time"))
}

/// Appends the value in the unit of the record; `false` when it stays as it came: it is of that
/// unit already, or not of the type that the unit speaks of.
pub(crate) fn convert(
    unit: Unit,
    format: TimeFormat,
    shape: Shape,
    raw: &str,
    known: Option<Timestamp>,
    out: &mut Vec<u8>,
) -> bool {
    match unit {
        Unit::Time => {
            let Some(at) = known.or_else(|| read_time(format, shape, raw).ok()) else { return false };
            if shape == Shape::Plain
                && format == TimeFormat::Rfc3339
                && raw.ends_with("Z\"")
                && raw.as_bytes()[11] == b'T'
            {
                return false;
            }
            out.push(b'"');
            out.extend_from_slice(at.text(&mut [0; TEXT_MAX]).as_bytes());
            out.push(b'"');
            true
        }
        Unit::Ms if is_number(shape) => json::write_scaled(raw, |ms| ms / 1000.0, out),
        Unit::Min if is_number(shape) => json::write_scaled(raw, |min| min * 60.0, out),
        Unit::S | Unit::Ms | Unit::Min => false,
    }
}

/// What was found, as it stands in the text.
fn raw<'r>(tape: &Tape, text: &'r str, found: Found) -> (Shape, &'r str) {
    let node = tape.node(found.node as usize);
    (node.shape, &text[node.start as usize..node.end as usize])
}

fn is_number(shape: Shape) -> bool {
    matches!(shape, Shape::Integer | Shape::Double)
}

/// What a value is, in words.
fn describe(shape: Shape, text: &str, start: u32) -> &'static str {
    match shape {
        Shape::Object => "an object",
        Shape::Array => "an array",
        Shape::Plain | Shape::Escaped => "a string",
        Shape::Integer | Shape::Double => "a number",
        Shape::Literal if text.as_bytes().get(start as usize) == Some(&b'n') => "null",
        Shape::Literal => "true or false",
    }
}
