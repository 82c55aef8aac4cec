//! From a text to a tape: one pass, every rule of the grammar, no copies.

use std::fmt;

use super::{number, text};

/// The values of one JSON text, in order, each followed by what is inside it.
///
/// A tape is scratch space: it is meant to be scanned again and again.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    nodes: Vec<Node>,
}

/// One value, or one key of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    /// Bytes of the text it is made of, quotes and brackets included.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Place on the tape of what comes after it and all that is inside it.
    pub(crate) next: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Array,
    /// A string without escapes: its canonical form is itself.
    Plain,
    /// A string with escapes.
    Escaped,
    /// A number without fraction and exponent.
    Integer,
    /// Any other number.
    Double,
    /// `true`, `false` or `null`.
    Literal,
}

impl Shape {
    /// The shape of a value in canonical form.
    pub(crate) fn of_canonical(value: &str) -> Shape {
        match value.as_bytes().first() {
            Some(b'{') => Shape::Object,
            Some(b'[') => Shape::Array,
            Some(b'"') if value.contains('\\') => Shape::Escaped,
            Some(b'"') => Shape::Plain,
            Some(b'-' | b'0'..=b'9') if value.contains(['.', 'e']) => Shape::Double,
            Some(b'-' | b'0'..=b'9') => Shape::Integer,
            _ => Shape::Literal,
        }
    }
}

/// Why a text is not JSON that everyone reads alike. Offsets are bytes from the start of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "`offset` is said above, the rest says itself")]
pub enum JsonError {
    /// Something else stands where `expected` should.
    Expected { expected: &'static str, offset: usize },
    /// The text ends too early.
    Truncated,
    /// One value ends, and then there is more.
    Trailing { offset: usize },
    /// More objects and arrays inside each other than [`DEPTH_MAX`](super::DEPTH_MAX).
    TooDeep,
    /// A key stands twice in one object, compared after unescaping.
    DuplicateKey { key: String },
    /// Half of a surrogate pair, as `\ud800` alone.
    LoneSurrogate { offset: usize },
    /// Greater than a finite double, as `1e999`.
    NumberRange { offset: usize },
    /// 4 GiB or more.
    TooLong,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonError::Expected { expected, offset } => {
                write!(f, "not JSON: expected {expected} at byte {offset}")
            }
            JsonError::Truncated => f.write_str("not JSON: it ends before its value does"),
            JsonError::Trailing { offset } => {
                write!(f, "more than one value: something follows at byte {offset}")
            }
            JsonError::TooDeep => {
                write!(f, "nested too deep: more than {} objects and arrays inside each other", super::DEPTH_MAX)
            }
            JsonError::DuplicateKey { key } => write!(f, "the key `{key}` stands twice in one object"),
            JsonError::LoneSurrogate { offset } => {
                write!(f, "half of a surrogate pair at byte {offset}")
            }
            JsonError::NumberRange { offset } => {
                write!(f, "a number at byte {offset} is beyond a finite double")
            }
            JsonError::TooLong => f.write_str("4 GiB or longer"),
        }
    }
}

impl std::error::Error for JsonError {}

impl Tape {
    /// Reads one JSON value with white space around it; at most `depth_max` objects and arrays
    /// may be inside each other. Duplicate keys are not looked for here: the canonical form sorts
    /// keys anyway, and finds them then.
    pub(crate) fn scan(&mut self, text: &str, depth_max: usize) -> Result<(), JsonError> {
        self.nodes.clear();
        if u32::try_from(text.len()).is_err() {
            return Err(JsonError::TooLong);
        }
        let mut scan = Scan { text: text.as_bytes(), at: 0, nodes: &mut self.nodes, error: None };
        scan.space();
        if scan.value(depth_max).is_err() {
            // Whoever stops says why.
            return Err(scan.error.unwrap_or(JsonError::Truncated));
        }
        scan.space();
        if scan.at < text.len() {
            return Err(JsonError::Trailing { offset: scan.at });
        }
        Ok(())
    }

    /// Reads the value that starts at `at` and is followed by more: where it ends. Offsets on the tape
    /// are of the whole text.
    pub(crate) fn scan_from(&mut self, text: &str, at: usize, depth_max: usize) -> Result<usize, JsonError> {
        self.nodes.clear();
        let mut scan = Scan { text: text.as_bytes(), at, nodes: &mut self.nodes, error: None };
        match scan.value(depth_max) {
            Ok(()) => Ok(scan.at),
            Err(Stopped) => Err(scan.error.unwrap_or(JsonError::Truncated)),
        }
    }

    pub(crate) fn node(&self, place: usize) -> Node {
        self.nodes[place]
    }

    /// The members of the object at `place`: places of key and value. Nothing if it is no object.
    pub(crate) fn members(&self, place: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let object = self.nodes[place];
        let end = if object.shape == Shape::Object { object.next as usize } else { 0 };
        let mut key = place + 1;
        std::iter::from_fn(move || {
            (key < end).then(|| {
                let member = (key, key + 1);
                key = self.nodes[key + 1].next as usize;
                member
            })
        })
    }
}

impl Tape {
    /// The elements of the list at `place`: their places. Nothing if it is no list.
    pub(crate) fn elements(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        let list = self.nodes[place];
        let end = if list.shape == Shape::Array { list.next as usize } else { 0 };
        let next = move |at: usize| (at < end).then_some(at);
        std::iter::successors(next(place + 1), move |at| next(self.nodes[*at].next as usize))
    }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    nodes: &'a mut Vec<Node>,
    /// Why it stopped. Kept here, so that steps hand a bit back and no error.
    error: Option<JsonError>,
}

/// The scan stopped; it has the error.
struct Stopped;

type Step = Result<(), Stopped>;

impl Scan<'_> {
    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// Reads the value that starts here; `depth` more containers may open.
    #[inline]
    fn value(&mut self, depth: usize) -> Step {
        match self.text.get(self.at) {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.expected("a value"),
        }
    }

    fn object(&mut self, depth: usize) -> Step {
        let object = self.open(Shape::Object, depth)?;
        if self.text.get(self.at) == Some(&b'}') {
            self.close(object);
            return Ok(());
        }
        loop {
            if self.text.get(self.at) != Some(&b'"') {
                return self.expected("a key in quotes");
            }
            self.string()?;
            self.space();
            if self.text.get(self.at) != Some(&b':') {
                return self.expected("`:`");
            }
            self.at += 1;
            self.space();
            self.value(depth - 1)?;
            self.space();
            match self.text.get(self.at) {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'}') => {
                    self.close(object);
                    return Ok(());
                }
                _ => return self.expected("`,` or `}`"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Step {
        let array = self.open(Shape::Array, depth)?;
        if self.text.get(self.at) == Some(&b']') {
            self.close(array);
            return Ok(());
        }
        loop {
            self.value(depth - 1)?;
            self.space();
            match self.text.get(self.at) {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b']') => {
                    self.close(array);
                    return Ok(());
                }
                _ => return self.expected("`,` or `]`"),
            }
        }
    }

    #[inline]
    fn string(&mut self) -> Step {
        let start = self.at;
        let end = text::next_special(self.text, start + 1);
        if self.text.get(end) == Some(&b'"') {
            self.at = end + 1;
            self.push(Shape::Plain, start);
            return Ok(());
        }
        self.escaped(start, end)
    }

    /// Reads on from the first character of a string that does not stand for itself.
    #[cold]
    fn escaped(&mut self, start: usize, at: usize) -> Step {
        match text::scan_escaped(self.text, at) {
            Ok(end) => {
                self.at = end;
                self.push(Shape::Escaped, start);
                Ok(())
            }
            Err(error) => self.stop(error),
        }
    }

    fn number(&mut self) -> Step {
        let start = self.at;
        match number::scan(self.text, start) {
            Ok((end, integer)) => {
                self.at = end;
                self.push(if integer { Shape::Integer } else { Shape::Double }, start);
                Ok(())
            }
            Err(error) => self.stop(error),
        }
    }

    fn literal(&mut self, word: &'static [u8]) -> Step {
        let start = self.at;
        if !self.text[start..].starts_with(word) {
            return self.expected("a value");
        }
        self.at += word.len();
        self.push(Shape::Literal, start);
        Ok(())
    }

    fn open(&mut self, shape: Shape, depth: usize) -> Result<usize, Stopped> {
        if depth == 0 {
            self.error = Some(JsonError::TooDeep);
            return Err(Stopped);
        }
        let place = self.nodes.len();
        self.at += 1;
        self.push(shape, self.at - 1);
        self.space();
        Ok(place)
    }

    fn close(&mut self, place: usize) {
        self.at += 1;
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[place];
        node.end = self.at as u32;
        node.next = next;
    }

    /// Puts what was read from `start` to here on the tape. Offsets fit: the text is below 4 GiB.
    #[inline]
    fn push(&mut self, shape: Shape, start: usize) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { shape, start: start as u32, end: self.at as u32, next });
    }

    #[cold]
    fn expected(&mut self, expected: &'static str) -> Step {
        let truncated = self.at >= self.text.len();
        self.stop(if truncated { JsonError::Truncated } else { JsonError::Expected { expected, offset: self.at } })
    }

    #[cold]
    fn stop(&mut self, error: JsonError) -> Step {
        self.error = Some(error);
        Err(Stopped)
    }
}
