//! Reading by comparing: lines whose outline is known.

use crate::contract::draft::TimeFormat;
use crate::json::{self, Canon, Shape, Tape, is_plain, next_special, scan_escaped, scan_number, write_double, write_string};

/// Ways to go on after one value that are learned. Keys that are data, as in a map by phone number,
/// would come to any number of them.
const BRANCHES_MAX: usize = 16;

/// Texts that are learned in all.
const NODES_MAX: usize = 4096;

/// Bytes of the longest of them.
const TEXT_BYTES_MAX: usize = 4096;

/// Everything that may stand between the values of lines, as a tree: after each text a value, after
/// the value one of several texts. Who follows it to a leaf has read the whole line.
#[derive(Debug, Default)]
pub(super) struct Outlines {
    roots: Vec<u32>,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
}

#[derive(Debug)]
struct Node {
    text: Box<[u8]>,
    then: Then,
}

#[derive(Debug)]
enum Then {
    Value { depth: usize, texts: Vec<u32> },
    /// The line ends, and this is the leaf.
    End(u32),
}

/// A text of an outline that is to be learned.
pub(super) struct Text {
    pub(super) bytes: Box<[u8]>,
    pub(super) then: At,
}

/// What comes after a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// A value in which so many containers may open.
    Value { depth: usize },
    End,
}

/// What a line of a known outline holds. Values are numbered as they stand in the line.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) form: u32,
    /// The values of the identity, in the order of the canonical form.
    pub(super) order: Vec<usize>,
    pub(super) id: usize,
    pub(super) at: Option<usize>,
    pub(super) received_at: Option<usize>,
    /// These must be objects.
    pub(super) objects: Vec<usize>,
    pub(super) format: TimeFormat,
}

/// The values of a line, each in canonical form: a slice of the line, or made anew.
#[derive(Debug, Default)]
pub(super) struct Values {
    values: Vec<Value>,
    made: Vec<u8>,
    /// How long the last string after each text was: ids and times have the same length again.
    usual: Vec<usize>,
    tape: Tape,
    canon: Canon,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    shape: Shape,
    made: bool,
    start: u32,
    end: u32,
}

/// Members of an object that is put in order at a glance.
const MEMBERS_MAX: usize = 16;

/// One of them: where its key begins, inside the quotes, where it ends, outside, and where the value does.
#[derive(Clone, Copy, Default)]
struct Member {
    key: usize,
    after_key: usize,
    end: usize,
}

impl Member {
    fn name<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.key..self.after_key - 1]
    }
}

impl Outlines {
    /// Follows a line to its leaf, and finds its values on the way. Nothing when no outline that was
    /// learned fits, or the line is not sound.
    pub(super) fn follow(&self, line: &str, values: &mut Values) -> Option<u32> {
        values.clear();
        values.usual.resize(self.nodes.len(), 0);
        let bytes = line.as_bytes();
        let mut rest = bytes;
        let mut texts = &self.roots;
        loop {
            let fits = |place: &&u32| begins_with(rest, &self.nodes[**place as usize].text);
            let number = *texts.iter().find(fits)? as usize;
            let node = &self.nodes[number];
            rest = &rest[node.text.len()..];
            match &node.then {
                Then::End(leaf) => return rest.is_empty().then_some(*leaf),
                Then::Value { depth, texts: next } => {
                    let end = values.read(line, bytes.len() - rest.len(), *depth, number)?;
                    rest = &bytes[end..];
                    texts = next;
                }
            }
        }
    }

    pub(super) fn leaf(&self, leaf: u32) -> &Leaf {
        &self.leaves[leaf as usize]
    }

    /// Learns an outline, which then has the next number; `false` when it is known, or there is no more
    /// room for it.
    pub(super) fn learn(&mut self, texts: Vec<Text>, leaf: impl FnOnce() -> Leaf) -> bool {
        let fits = texts.iter().all(|text| text.bytes.len() <= TEXT_BYTES_MAX);
        if !fits || self.nodes.len() + texts.len() > NODES_MAX {
            return false;
        }
        let mut parent = None;
        let mut is_new = false;
        for text in texts {
            let siblings = match parent {
                None => &self.roots,
                Some(parent) => self.texts_after(parent),
            };
            let same = |place: &&u32| {
                let node = &self.nodes[**place as usize];
                node.text == text.bytes && node.then.at() == text.then
            };
            let known = siblings.iter().find(same).copied();
            let (full, number) = (siblings.len() >= BRANCHES_MAX, self.nodes.len() as u32);
            is_new = known.is_none();
            parent = Some(match known {
                Some(known) => known,
                None if full => return false,
                None => {
                    let then = match text.then {
                        At::Value { depth } => Then::Value { depth, texts: Vec::new() },
                        At::End => Then::End(self.leaves.len() as u32),
                    };
                    self.nodes.push(Node { text: text.bytes, then });
                    self.add(parent, number);
                    number
                }
            });
        }
        if is_new {
            self.leaves.push(leaf());
        }
        is_new
    }

    fn texts_after(&self, node: u32) -> &Vec<u32> {
        match &self.nodes[node as usize].then {
            Then::Value { texts, .. } => texts,
            // Nothing comes after an end; the roots are as good as nothing.
            Then::End(_) => &self.roots,
        }
    }

    /// Adds a node after another, or as a root: longer texts first, so that none hides behind its
    /// own beginning.
    fn add(&mut self, parent: Option<u32>, number: u32) {
        let length = |place: u32| self.nodes[place as usize].text.len();
        let mut siblings = match parent {
            None => self.roots.clone(),
            Some(parent) => self.texts_after(parent).clone(),
        };
        let at = siblings.partition_point(|sibling| length(*sibling) >= length(number));
        siblings.insert(at, number);
        match parent.map(|parent| &mut self.nodes[parent as usize].then) {
            None => self.roots = siblings,
            Some(Then::Value { texts, .. }) => *texts = siblings,
            Some(Then::End(_)) => {}
        }
    }
}

/// Where `true`, `false` or `null` ends, if one of them is here.
#[inline]
fn literal(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    match word {
        b"true" | b"null" => Some(at + 4),
        b"fals" if bytes.get(at + 4) == Some(&b'e') => Some(at + 5),
        _ => None,
    }
}

/// Whether bytes begin with a text, eight at a time. The texts are short: a call would cost more than
/// the comparison.
#[inline]
fn begins_with(bytes: &[u8], text: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..text.len()) else { return false };
    let (Some(last), Some(last_of_text)) = (bytes.last_chunk::<8>(), text.last_chunk::<8>()) else {
        return bytes.iter().zip(text).fold(true, |same, (byte, of_text)| same & (byte == of_text));
    };
    let words = bytes.as_chunks::<8>().0.iter().zip(text.as_chunks::<8>().0);
    words.fold(last == last_of_text, |same, (bytes, text)| same & (bytes == text))
}

impl Then {
    fn at(&self) -> At {
        match self {
            Then::Value { depth, .. } => At::Value { depth: *depth },
            Then::End(_) => At::End,
        }
    }
}

impl Value {
    /// Lines are bounded far below 4 GiB, and so is what is made of them.
    fn new(shape: Shape, made: bool, start: usize, end: usize) -> Value {
        Value { shape, made, start: start as u32, end: end as u32 }
    }

    fn range(self) -> (usize, usize) {
        (self.start as usize, self.end as usize)
    }
}

impl Values {
    fn clear(&mut self) {
        self.values.clear();
        self.made.clear();
    }

    /// A value in canonical form.
    pub(super) fn get<'v>(&'v self, line: &'v str, value: usize) -> (Shape, &'v str) {
        let Value { shape, made, .. } = self.values[value];
        let (start, end) = self.values[value].range();
        // What is made is made of whole values of a str.
        let text = if made { std::str::from_utf8(&self.made[start..end]).unwrap_or_default() } else { &line[start..end] };
        (shape, text)
    }

    pub(super) fn bytes<'v>(&'v self, line: &'v str, value: usize) -> &'v [u8] {
        let (start, end) = self.values[value].range();
        if self.values[value].made { &self.made[start..end] } else { &line.as_bytes()[start..end] }
    }

    pub(super) fn length(&self, value: usize) -> usize {
        let (start, end) = self.values[value].range();
        end - start
    }

    /// Reads the value at `at`: where it ends; nothing when it is not sound.
    #[inline]
    fn read(&mut self, line: &str, at: usize, depth: usize, after: usize) -> Option<usize> {
        let bytes = line.as_bytes();
        let (shape, end) = match bytes.get(at)? {
            b'"' => {
                let usual = at + 1 + self.usual[after];
                if bytes.get(usual) == Some(&b'"') && is_plain(&bytes[at + 1..usual]) {
                    (Shape::Plain, usual + 1)
                } else {
                    let end = next_special(bytes, at + 1);
                    if bytes.get(end) != Some(&b'"') {
                        return self.escaped(line, at, end);
                    }
                    self.usual[after] = end - at - 1;
                    (Shape::Plain, end + 1)
                }
            }
            b'-' | b'0'..=b'9' => {
                let (end, integer) = scan_number(bytes, at).ok()?;
                if !integer {
                    return Some(self.make(Shape::Double, end, |made| write_double(&bytes[at..end], made)));
                }
                if &bytes[at..end] == b"-0" {
                    return Some(self.make(Shape::Integer, end, |made| made.push(b'0')));
                }
                (Shape::Integer, end)
            }
            b'{' | b'[' => return self.container(line, at, depth),
            _ => (Shape::Literal, literal(bytes, at)?),
        };
        self.values.push(Value::new(shape, false, at, end));
        Some(end)
    }

    #[cold]
    fn escaped(&mut self, line: &str, at: usize, special: usize) -> Option<usize> {
        let end = scan_escaped(line.as_bytes(), special).ok()?;
        let mut text = Vec::new();
        json::unescape(&line[at + 1..end - 1], &mut text);
        let text = String::from_utf8(text).ok()?;
        let shape = if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) { Shape::Escaped } else { Shape::Plain };
        Some(self.make(shape, end, |made| write_string(&text, made)))
    }

    fn container(&mut self, line: &str, at: usize, depth: usize) -> Option<usize> {
        if let Some(end) = self.flat_object(line, at).filter(|_| depth > 0) {
            return Some(end);
        }
        let end = self.tape.scan_from(line, at, depth).ok()?;
        self.canon.write_nested(line, &self.tape, depth).ok()?;
        let shape = self.tape.node(0).shape;
        let start = self.made.len();
        self.made.extend_from_slice(self.canon.bytes());
        self.values.push(Value::new(shape, true, start, self.made.len()));
        Some(end)
    }

    /// Reads an object that is simple enough to be put in order at a glance: few keys of ASCII, without
    /// escapes or space, and no value but plain strings, integers, `true`, `false` and `null`.
    fn flat_object(&mut self, line: &str, at: usize) -> Option<usize> {
        let bytes = line.as_bytes();
        if bytes[at] != b'{' {
            return None;
        }
        let plain_string = |at: usize| -> Option<usize> {
            let end = next_special(bytes, at + 1);
            (bytes.get(at) == Some(&b'"') && bytes.get(end) == Some(&b'"')).then_some(end + 1)
        };
        let mut members = [Member::default(); MEMBERS_MAX];
        let (mut count, mut sorted, mut end) = (0, true, at + 1);
        while bytes.get(end) != Some(&b'}') || count > 0 {
            let key = end + 1;
            let after_key = plain_string(end)?;
            let name = &bytes[key..after_key - 1];
            if bytes.get(after_key) != Some(&b':') || !name.is_ascii() {
                return None;
            }
            end = match bytes.get(after_key + 1)? {
                b'"' => plain_string(after_key + 1)?,
                b'0'..=b'9' => scan_number(bytes, after_key + 1).ok().filter(|(_, integer)| *integer)?.0,
                _ => literal(bytes, after_key + 1)?,
            };
            sorted &= count == 0 || members[count - 1].name(bytes) < name;
            *members.get_mut(count)? = Member { key, after_key, end };
            count += 1;
            match bytes.get(end)? {
                b',' => end += 1,
                b'}' => break,
                _ => return None,
            }
        }
        let end = end + 1;
        if sorted {
            self.values.push(Value::new(Shape::Object, false, at, end));
            return Some(end);
        }
        let members = &mut members[..count];
        members.sort_unstable_by_key(|member| member.name(bytes));
        if members.windows(2).any(|pair| pair[0].name(bytes) == pair[1].name(bytes)) {
            return None;
        }
        Some(self.make(Shape::Object, end, |made| {
            for (place, member) in members.iter().enumerate() {
                made.push(if place == 0 { b'{' } else { b',' });
                made.extend_from_slice(&bytes[member.key - 1..member.end]);
            }
            made.push(b'}');
        }))
    }

    fn make(&mut self, shape: Shape, next: usize, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let start = self.made.len();
        write(&mut self.made);
        self.values.push(Value::new(shape, true, start, self.made.len()));
        next
    }
}
