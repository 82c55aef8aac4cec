//! From a tape to the canonical form, noting where paths were found on the way.

use std::cmp::Ordering;

use super::paths::prefix;
use super::scan::{JsonError, Shape, Tape};
use super::{DEPTH_MAX, Paths, number, text};

/// Writes canonical forms. Scratch space: meant to be used again and again.
#[derive(Debug, Default)]
pub(crate) struct Canon {
    out: Vec<u8>,
    found: Vec<Option<Found>>,
    /// Members of the objects being written, innermost last.
    members: Vec<Member>,
    /// Keys with escapes, unescaped.
    keys: Vec<u8>,
}

/// Where a path was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Place on the tape.
    pub(crate) node: u32,
    /// Bytes of the canonical form; none for what is no part of the identity.
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A member of an object that waits to be sorted.
#[derive(Clone, Copy, Debug)]
struct Member {
    /// The key's first eight bytes, so that most comparisons touch nothing else.
    prefix: u64,
    /// The key: bytes of the text, or of the unescaped keys.
    start: u32,
    end: u32,
    escaped: bool,
    /// Place of the value on the tape.
    value: u32,
}

impl Canon {
    /// Writes the value at `place` of the tape anew, and finds `paths` in it.
    pub(crate) fn write(&mut self, text: &str, tape: &Tape, place: usize, paths: &Paths) -> Result<(), JsonError> {
        self.start(paths);
        self.out.reserve(text.len());
        self.value(&Walk { text, tape, paths }, place, Some(0), DEPTH_MAX)
    }

    /// Writes the value at the start of a tape that was scanned from the middle of a text.
    pub(crate) fn write_nested(&mut self, text: &str, tape: &Tape, depth: usize) -> Result<(), JsonError> {
        let paths = Paths::default();
        self.start(&paths);
        self.value(&Walk { text, tape, paths: &paths }, 0, None, depth)
    }

    /// Writes a whole text that may be deeper than a payload, as what is made of payloads is.
    pub(crate) fn write_deep(&mut self, text: &str, tape: &Tape, paths: &Paths, depth: usize) -> Result<(), JsonError> {
        self.start(paths);
        self.value(&Walk { text, tape, paths }, 0, Some(0), depth)
    }

    fn start(&mut self, paths: &Paths) {
        self.out.clear();
        self.members.clear();
        self.keys.clear();
        self.found.clear();
        self.found.resize(paths.slots(), None);
    }

    /// The canonical form, and whatever was appended to it since.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// What was found, in canonical form.
    pub(crate) fn text(&self, found: Found) -> &str {
        // Made of whole values of a str.
        std::str::from_utf8(&self.out[found.start as usize..found.end as usize]).unwrap_or_default()
    }

    /// Room to append values that were made from others.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Where the path of a slot was found.
    pub(crate) fn found(&self, slot: super::Slot) -> Option<Found> {
        self.found.get(usize::from(slot)).copied().flatten()
    }

    /// `branch`: where in the tree of paths this value stands, if any path leads here.
    fn value(&mut self, walk: &Walk<'_>, place: usize, branch: Option<u16>, depth: usize) -> Result<(), JsonError> {
        let node = walk.tape.node(place);
        let start = self.out.len();
        let raw = &walk.text.as_bytes()[node.start as usize..node.end as usize];
        match node.shape {
            Shape::Plain | Shape::Literal => self.out.extend_from_slice(raw),
            Shape::Integer => number::write_integer(raw, &mut self.out),
            Shape::Double => number::write_double(raw, &mut self.out),
            Shape::Escaped => {
                let from = self.keys.len();
                text::unescape(walk.inside(place), &mut self.keys);
                // What a scanned string stands for is UTF-8: its runs are, and so is each escape.
                let unescaped = std::str::from_utf8(&self.keys[from..]).unwrap_or_default();
                text::write_string(unescaped, &mut self.out);
                self.keys.truncate(from);
            }
            Shape::Object | Shape::Array if depth == 0 => return Err(JsonError::TooDeep),
            Shape::Object => self.object(walk, place, branch, depth)?,
            Shape::Array => self.array(walk, place, branch, depth)?,
        }
        if let Some(slot) = branch.and_then(|branch| walk.paths.slot_at(branch)) {
            let (start, end) = (start as u32, self.out.len() as u32);
            self.found[usize::from(slot)] = Some(Found { node: place as u32, start, end });
        }
        Ok(())
    }

    fn object(&mut self, walk: &Walk<'_>, place: usize, branch: Option<u16>, depth: usize) -> Result<(), JsonError> {
        let first = self.members.len();
        let first_key = self.keys.len();
        for (key, value) in walk.tape.members(place) {
            let member = self.member(walk, key, value);
            self.members.push(member);
        }
        sort(&mut self.members[first..], walk.text, &self.keys);

        self.out.push(b'{');
        let branch = branch.filter(|branch| walk.paths.has_children(*branch));
        let last = self.members.len();
        let mut written = false;
        for index in first..last {
            let member = self.members[index];
            let twice = |before: Member| {
                before.prefix == member.prefix && member.cmp(&before, walk.text, &self.keys) == Ordering::Equal
            };
            if index > first && twice(self.members[index - 1]) {
                let key = String::from_utf8_lossy(member.key(walk.text, &self.keys)).into_owned();
                return Err(JsonError::DuplicateKey { key });
            }
            let below =
                branch.and_then(|branch| walk.paths.child(branch, member.prefix, member.key(walk.text, &self.keys)));
            let before = self.out.len();
            if written {
                self.out.push(b',');
            }
            if !self.copy_member(walk, &member, below) {
                self.key(walk, &member);
                self.value(walk, member.value as usize, below, depth - 1)?;
            }
            // What is volatile was walked all the same: its keys must not stand twice either.
            if below.is_some_and(|below| walk.paths.is_volatile(below)) {
                self.out.truncate(before);
            } else {
                written = true;
            }
        }
        self.out.push(b'}');
        self.members.truncate(first);
        self.keys.truncate(first_key);
        Ok(())
    }

    /// Copies a member that stands in the text as it does in canonical form, which most do: `false`
    /// when this one does not.
    #[inline]
    fn copy_member(&mut self, walk: &Walk<'_>, member: &Member, below: Option<u16>) -> bool {
        let value = walk.tape.node(member.value as usize);
        let raw = &walk.text.as_bytes()[value.start as usize..value.end as usize];
        let same = match value.shape {
            Shape::Plain | Shape::Literal => true,
            Shape::Integer => raw != b"-0",
            _ => false,
        };
        // Between them stand a quote and a colon, and nothing else.
        if !same || member.escaped || member.end + 2 != value.start {
            return false;
        }
        let length = value.end - value.start;
        self.out.extend_from_slice(&walk.text.as_bytes()[member.start as usize - 1..value.end as usize]);
        if let Some(slot) = below.and_then(|below| walk.paths.slot_at(below)) {
            let end = self.out.len() as u32;
            self.found[usize::from(slot)] = Some(Found { node: member.value, start: end - length, end });
        }
        true
    }

    fn key(&mut self, walk: &Walk<'_>, member: &Member) {
        if member.escaped {
            let key = &self.keys[member.start as usize..member.end as usize];
            // Made of UTF-8 runs and characters, as above.
            text::write_string(std::str::from_utf8(key).unwrap_or_default(), &mut self.out);
        } else {
            let quoted = member.start as usize - 1..member.end as usize + 1;
            self.out.extend_from_slice(&walk.text.as_bytes()[quoted]);
        }
        self.out.push(b':');
    }

    fn array(&mut self, walk: &Walk<'_>, place: usize, branch: Option<u16>, depth: usize) -> Result<(), JsonError> {
        let branch = branch.filter(|branch| walk.paths.has_children(*branch));
        let end = walk.tape.node(place).next as usize;
        let mut element = place + 1;
        let mut index = 0_u32;
        self.out.push(b'[');
        let mut written = false;
        while element < end {
            let before = self.out.len();
            if written {
                self.out.push(b',');
            }
            let below = branch.and_then(|branch| {
                let index = index.to_string();
                walk.paths.child(branch, prefix(index.as_bytes()), index.as_bytes())
            });
            self.value(walk, element, below, depth - 1)?;
            if below.is_some_and(|below| walk.paths.is_volatile(below)) {
                self.out.truncate(before);
            } else {
                written = true;
            }
            element = walk.tape.node(element).next as usize;
            index += 1;
        }
        self.out.push(b']');
        Ok(())
    }

    fn member(&mut self, walk: &Walk<'_>, key: usize, value: usize) -> Member {
        let node = walk.tape.node(key);
        let escaped = node.shape == Shape::Escaped;
        let (start, end) = if escaped {
            let start = self.keys.len() as u32;
            text::unescape(walk.inside(key), &mut self.keys);
            (start, self.keys.len() as u32)
        } else {
            (node.start + 1, node.end - 1)
        };
        let mut member = Member { prefix: 0, start, end, escaped, value: value as u32 };
        member.prefix = prefix(member.key(walk.text, &self.keys));
        member
    }
}

/// Sorts members by key. Most objects have a few keys that differ in their first eight bytes, and
/// for these numbers are all that is compared.
fn sort(members: &mut [Member], text: &str, keys: &[u8]) {
    if members.len() <= SORTED_BY_PREFIX_MAX {
        for place in 1..members.len() {
            let member = members[place];
            let mut to = place;
            while to > 0 && members[to - 1].prefix > member.prefix {
                members[to] = members[to - 1];
                to -= 1;
            }
            members[to] = member;
        }
        let told_apart = members.windows(2).all(|pair| pair[0].prefix < pair[1].prefix);
        let ascii = members.iter().fold(0, |bits, member| bits | member.prefix) & NOT_ASCII == 0;
        if told_apart && ascii {
            return;
        }
    }
    members.sort_unstable_by(|left, right| left.cmp(right, text, keys));
}

/// Members of an object that is worth sorting by insertion.
const SORTED_BY_PREFIX_MAX: usize = 24;

/// Bits that no byte of ASCII has.
const NOT_ASCII: u64 = u64::from_be_bytes([0x80; 8]);

impl Member {
    fn key<'a>(&self, text: &'a str, keys: &'a [u8]) -> &'a [u8] {
        let from = if self.escaped { keys } else { text.as_bytes() };
        &from[self.start as usize..self.end as usize]
    }

    #[inline]
    fn cmp(&self, other: &Member, text: &str, keys: &[u8]) -> Ordering {
        let ascii = (self.prefix | other.prefix) & NOT_ASCII == 0;
        if ascii && self.prefix != other.prefix {
            return self.prefix.cmp(&other.prefix);
        }
        compare_keys(self.key(text, keys), other.key(text, keys))
    }
}

/// RFC 8785 §3.2.3: keys, unescaped, by UTF-16 code units.
pub(crate) fn compare_keys(left: &[u8], right: &[u8]) -> Ordering {
    let Some(differ) = left.iter().zip(right).position(|(left, right)| left != right) else {
        return left.len().cmp(&right.len());
    };
    // UTF-8 and UTF-16 agree except between U+E000–U+FFFF and what is above: there UTF-16 has
    // surrogates, which are less. In UTF-8 those start with 0xEE, 0xEF and 0xF0–0xF4.
    match (left[differ], right[differ]) {
        (0xF0.., 0xEE..0xF0) => Ordering::Less,
        (0xEE..0xF0, 0xF0..) => Ordering::Greater,
        (left, right) => left.cmp(&right),
    }
}

struct Walk<'a> {
    text: &'a str,
    tape: &'a Tape,
    paths: &'a Paths,
}

impl<'a> Walk<'a> {
    /// A string without its quotes.
    fn inside(&self, place: usize) -> &'a str {
        let node = self.tape.node(place);
        &self.text[node.start as usize + 1..node.end as usize - 1]
    }
}
