//! JSON as a real sender posts it, and as two other programs would write the same thing.
//!
//! A delivery and its copy are one event whatever wrote them; a generator that used one hand for
//! both would prove nothing.

use std::io::Write as _;

/// A value of the kinds that the payloads need.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// A string, not yet escaped.
    Text(&'a str),
    /// An integer.
    Number(u64),
    /// `true` or `false`.
    Flag(bool),
    /// An object, its members in order.
    Object(&'a [Member<'a>]),
}

/// A key and its value.
pub(crate) type Member<'a> = (&'static str, Value<'a>);

/// The hand that writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// As posted: no white space, documented order, UTF-8 as it is (`JSON.stringify`).
    Sender,
    /// White space after `,` and `:`, everything beyond ASCII escaped (Python's `json.dumps`).
    Spaced,
    /// No white space, keys in order of the alphabet (`jq -cS`).
    Sorted,
}

/// Appends `members` as an object.
pub(crate) fn write_object(out: &mut Vec<u8>, members: &[Member<'_>], hand: Hand) {
    if hand == Hand::Sorted {
        let mut sorted = members.to_vec();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        write_members(out, &sorted, hand);
    } else {
        write_members(out, members, hand);
    }
}

fn write_members(out: &mut Vec<u8>, members: &[Member<'_>], hand: Hand) {
    let (comma, colon): (&[u8], &[u8]) = match hand {
        Hand::Spaced => (b", ", b": "),
        Hand::Sender | Hand::Sorted => (b",", b":"),
    };
    out.push(b'{');
    for (place, (key, value)) in members.iter().enumerate() {
        if place > 0 {
            out.extend_from_slice(comma);
        }
        write_text(out, key, hand);
        out.extend_from_slice(colon);
        write_value(out, *value, hand);
    }
    out.push(b'}');
}

fn write_value(out: &mut Vec<u8>, value: Value<'_>, hand: Hand) {
    match value {
        Value::Text(text) => write_text(out, text, hand),
        Value::Number(number) => append(out, format_args!("{number}")),
        Value::Flag(flag) => append(out, format_args!("{flag}")),
        Value::Object(members) => write_object(out, members, hand),
    }
}

/// Appends a string in quotes. Of control characters the vocabulary has but the line feed.
fn write_text(out: &mut Vec<u8>, text: &str, hand: Hand) {
    out.push(b'"');
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\' && byte.is_ascii();
    if text.bytes().all(plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for character in text.chars() {
            write_character(out, character, hand);
        }
    }
    out.push(b'"');
}

fn write_character(out: &mut Vec<u8>, character: char, hand: Hand) {
    match character {
        '"' | '\\' => append(out, format_args!("\\{character}")),
        '\n' => out.extend_from_slice(b"\\n"),
        _ if hand == Hand::Spaced && !character.is_ascii() => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                append(out, format_args!("\\u{unit:04x}"));
            }
        }
        _ => append(out, format_args!("{character}")),
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}
