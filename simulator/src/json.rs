//! JSON as a tree that keeps what was written: numbers digit by digit, members in their order.
//!
//! Everything here is naive on purpose: it is what the model judges by, and shares nothing with the
//! engine's tape but the rules of the design.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Objects and arrays that a payload may have inside each other; the payload is the first.
pub const DEPTH_MAX: usize = 127;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// An object; no key twice.
    Object(Vec<(String, Json)>),
}

/// Why a text is no JSON that everyone reads alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Not JSON at all, or more than one value.
    NotJson,
    /// Too many objects and arrays inside each other.
    TooDeep,
    /// A key stands twice in one object.
    DuplicateKey,
    /// A number beyond a finite double.
    Number,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::NotJson => "not JSON",
            Unfit::TooDeep => "too deep",
            Unfit::DuplicateKey => "a key twice",
            Unfit::Number => "a number beyond a double",
        })
    }
}

/// Members of an object as they stand, repeats and all.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Members)
    }
}

impl Json {
    /// Reads one value, nested [`DEPTH_MAX`] deep at most.
    ///
    /// # Errors
    /// When the text is not JSON that everyone reads alike.
    pub fn parse(text: &str) -> Result<Json, Unfit> {
        Json::parse_deep(text, DEPTH_MAX)
    }

    /// The same, with as many objects and arrays inside each other as told.
    ///
    /// # Errors
    /// As [`Json::parse`].
    pub fn parse_deep(text: &str, depth_max: usize) -> Result<Json, Unfit> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| Unfit::NotJson)?;
        Json::read(raw, depth_max)
    }

    fn read(raw: &RawValue, depth: usize) -> Result<Json, Unfit> {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'{' | b'[') if depth == 0 => Err(Unfit::TooDeep),
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).map_err(|_| Unfit::NotJson)?;
                let mut object: Vec<(String, Json)> = Vec::with_capacity(members.len());
                for (key, value) in members {
                    if object.iter().any(|(known, _)| *known == key) {
                        return Err(Unfit::DuplicateKey);
                    }
                    object.push((key, Json::read(value, depth - 1)?));
                }
                Ok(Json::Object(object))
            }
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Unfit::NotJson)?;
                elements
                    .into_iter()
                    .map(|element| Json::read(element, depth - 1))
                    .collect::<Result<_, _>>()
                    .map(Json::Array)
            }
            Some(b'"') => serde_json::from_str(text).map(Json::String).map_err(|_| Unfit::NotJson),
            Some(b'n') => Ok(Json::Null),
            Some(b't') => Ok(Json::Bool(true)),
            Some(b'f') => Ok(Json::Bool(false)),
            _ => canonical_number(text).map(|_| Json::Number(text.to_owned())).ok_or(Unfit::Number),
        }
    }

    /// What stands at a JSON Pointer.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Json> {
        tokens(pointer).iter().try_fold(self, |value, token| match value {
            Json::Object(members) => members.iter().find(|(key, _)| key == token).map(|(_, value)| value),
            Json::Array(elements) => elements.get(index(token)?),
            _ => None,
        })
    }

    /// What stands at a JSON Pointer, to be changed.
    pub fn at_mut(&mut self, pointer: &str) -> Option<&mut Json> {
        tokens(pointer).iter().try_fold(self, |value, token| match value {
            Json::Object(members) => members.iter_mut().find(|(key, _)| key == token).map(|(_, value)| value),
            Json::Array(elements) => elements.get_mut(index(token)?),
            _ => None,
        })
    }

    /// Puts a value at a JSON Pointer, with the objects and lists on the way to it. A list that is too
    /// short is filled with nulls.
    pub fn put(&mut self, pointer: &str, value: Json) {
        let tokens = tokens(pointer);
        let mut place = self;
        for (depth, token) in tokens.iter().enumerate() {
            // What follows says what the next container is.
            let next = match tokens.get(depth + 1) {
                Some(token) if index(token).is_some() => Json::Array(Vec::new()),
                _ => Json::Object(Vec::new()),
            };
            if let (Json::Array(elements), Some(index)) = (&mut *place, index(token)) {
                while elements.len() <= index {
                    elements.push(Json::Null);
                }
            } else if !matches!(place, Json::Object(_)) {
                *place = Json::Object(Vec::new());
            }
            place = match place {
                Json::Array(elements) => {
                    let element = &mut elements[index(token).unwrap_or_default()];
                    if *element == Json::Null {
                        *element = next;
                    }
                    element
                }
                Json::Object(members) => {
                    let known = members.iter().position(|(key, _)| key == token);
                    let known = known.unwrap_or_else(|| {
                        members.push((token.clone(), next));
                        members.len() - 1
                    });
                    &mut members[known].1
                }
                // Made an object or a list above.
                _ => return,
            };
        }
        *place = value;
    }

    /// Takes away what stands at a JSON Pointer, if anything does.
    pub fn remove(&mut self, pointer: &str) {
        let Some((parent, last)) = pointer.rsplit_once('/') else { return };
        let last = unescape_token(last);
        match self.at_mut(parent) {
            Some(Json::Object(members)) => members.retain(|(key, _)| *key != last),
            Some(Json::Array(elements)) => {
                if let Some(index) = index(&last).filter(|index| *index < elements.len()) {
                    elements.remove(index);
                }
            }
            _ => {}
        }
    }

    /// The text, if it is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// In canonical form: RFC 8785, but that integers keep all their digits.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        self.write_canonical(&mut out);
        out
    }

    fn write_canonical(&self, out: &mut String) {
        match self {
            Json::Number(text) => out.push_str(&canonical_number(text).unwrap_or_default()),
            Json::Array(elements) => {
                write_between(out, "[", elements, "]", |out, element| {
                    element.write_canonical(out);
                });
            }
            Json::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
                write_between(out, "{", members, "}", |out, (key, value)| {
                    write_string(key, out);
                    out.push(':');
                    value.write_canonical(out);
                });
            }
            plain => plain.write(out),
        }
    }

    /// Appends it as it was written, without white space.
    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Json::Number(text) => out.push_str(text),
            Json::String(text) => write_string(text, out),
            Json::Array(elements) => write_between(out, "[", elements, "]", |out, element| element.write(out)),
            Json::Object(members) => write_between(out, "{", members, "}", |out, (key, value)| {
                write_string(key, out);
                out.push(':');
                value.write(out);
            }),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        f.write_str(&out)
    }
}

/// Appends items with commas between them.
pub(crate) fn write_between<T>(
    out: &mut String,
    open: &str,
    items: impl IntoIterator<Item = T>,
    close: &str,
    mut write: impl FnMut(&mut String, T),
) {
    out.push_str(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push_str(close);
}

/// Appends a string as RFC 8785 writes it.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let digits = b"0123456789abcdef";
                let code = c as usize;
                out.push_str("\\u00");
                out.extend([char::from(digits[code >> 4]), char::from(digits[code & 15])]);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// One form for equal numbers; nothing for one beyond a finite double.
pub(crate) fn canonical_number(text: &str) -> Option<String> {
    if text == "-0" {
        return Some("0".to_owned());
    }
    if !text.contains(['.', 'e', 'E']) {
        return Some(text.to_owned());
    }
    text.parse().ok().and_then(canonical_double)
}

/// A double as RFC 8785 writes it; nothing when it is not finite.
pub(crate) fn canonical_double(double: f64) -> Option<String> {
    // A zero has no sign.
    let double = if double == 0.0 { 0.0 } else { double };
    double.is_finite().then(|| ryu_js::Buffer::new().format_finite(double).to_owned())
}

/// The tokens of a JSON Pointer, unescaped.
pub(crate) fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(unescape_token).collect()
}

fn unescape_token(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// The place in a list that a token names.
fn index(token: &str) -> Option<usize> {
    token.parse().ok().filter(|index: &usize| index.to_string() == *token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, canonical: &str) {
        assert_eq!(Json::parse(text).unwrap().canonical(), canonical);
    }

    #[test]
    fn equal_values_have_one_form() {
        check(" {\"b\" : 7.8e1, \"a\":[ -0, 0.0, 1e21, 0.000001] } ", r#"{"a":[0,0,1e+21,0.000001],"b":78}"#);
        check(r#""\u0041\/\u001f\t""#, r#""A/\u001f\t""#);
        check("123456789012345678901234567890", "123456789012345678901234567890");
    }

    #[test]
    fn what_two_could_read_differently_is_refused() {
        for text in ["{", "{}{}", "{\"a\":1,\"\\u0061\":1}", "1e400", "\"\\ud800\"", "[01]", "\u{feff}{}"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&format!("{}{}", "[".repeat(127), "]".repeat(127))).is_ok());
        assert_eq!(Json::parse(&format!("{}{}", "[".repeat(128), "]".repeat(128))), Err(Unfit::TooDeep));
    }

    #[test]
    fn puts_where_it_looks() {
        let mut tree = Json::Object(Vec::new());
        tree.put("/a/1/b~1c", Json::Bool(true));
        tree.put("/a/0", Json::Number("1".into()));
        assert_eq!(tree.to_string(), r#"{"a":[1,{"b/c":true}]}"#);
        assert_eq!(tree.at("/a/1/b~1c"), Some(&Json::Bool(true)));
        tree.remove("/a/1/b~1c");
        assert_eq!(tree.to_string(), r#"{"a":[1,{}]}"#);
    }
}
