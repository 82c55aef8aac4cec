//! The values of a line, read where its outline says they are.

use crate::json::{
    self, Canon, Shape, Tape, is_plain, next_special, scan_escaped, scan_number, write_double, write_string,
};

/// The values of a line, each in canonical form: a slice of the line, or made anew.
#[derive(Debug, Default)]
pub(super) struct Values {
    all: Vec<Value>,
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
    /// Lets go of the values of the line before. There are so many texts that values may come after.
    pub(super) fn start(&mut self, texts: usize) {
        self.all.clear();
        self.made.clear();
        self.usual.resize(texts, 0);
    }

    /// A value in canonical form.
    pub(super) fn get<'v>(&'v self, line: &'v str, value: usize) -> (Shape, &'v str) {
        let Value { shape, made, .. } = self.all[value];
        let (start, end) = self.all[value].range();
        // What is made is made of whole values of a str.
        let text =
            if made { std::str::from_utf8(&self.made[start..end]).unwrap_or_default() } else { &line[start..end] };
        (shape, text)
    }

    pub(super) fn bytes<'v>(&'v self, line: &'v str, value: usize) -> &'v [u8] {
        let (start, end) = self.all[value].range();
        if self.all[value].made { &self.made[start..end] } else { &line.as_bytes()[start..end] }
    }

    pub(super) fn length(&self, value: usize) -> usize {
        let (start, end) = self.all[value].range();
        end - start
    }

    /// Reads the value at `at`, in which `depth` more containers may open and which comes after this text:
    /// where it ends; nothing when it is not sound.
    #[inline]
    pub(super) fn read(&mut self, line: &str, at: usize, depth: usize, after: usize) -> Option<usize> {
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
        self.all.push(Value::new(shape, false, at, end));
        Some(end)
    }

    #[cold]
    fn escaped(&mut self, line: &str, at: usize, special: usize) -> Option<usize> {
        let end = scan_escaped(line.as_bytes(), special).ok()?;
        let mut text = Vec::new();
        json::unescape(&line[at + 1..end - 1], &mut text);
        let text = String::from_utf8(text).ok()?;
        let shape =
            if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) { Shape::Escaped } else { Shape::Plain };
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
        self.all.push(Value::new(shape, true, start, self.made.len()));
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
            self.all.push(Value::new(Shape::Object, false, at, end));
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
        self.all.push(Value::new(shape, true, start, self.made.len()));
        next
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
