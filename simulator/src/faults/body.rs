//! Bodies dressed otherwise, changed, damaged.

use finis_engine::contract::draft::{Locator, TimeFormat};
use finis_engine::contract::{Draft, draft};

use super::number::disguise;
use crate::clock::{self, Micros};
use crate::json::{Json, write_between, write_string};
use crate::random::Random;

/// The same content in other bytes.
pub(super) fn dress(random: &mut Random, body: &str) -> String {
    let Ok(tree) = Json::parse(body) else { return body.to_owned() };
    let mut out = String::with_capacity(body.len() * 2);
    write_space(random, &mut out);
    write_dressed(random, &tree, &mut out);
    write_space(random, &mut out);
    if out == body { format!("{out} ") } else { out }
}

fn write_dressed(random: &mut Random, value: &Json, out: &mut String) {
    match value {
        Json::Number(text) if random.below(2) == 0 => out.push_str(&disguise(random, text)),
        Json::String(text) => write_escaped(random, text, out),
        Json::Array(elements) => write_between(out, "[", elements, "]", |out, element| {
            write_space(random, out);
            write_dressed(random, element, out);
            write_space(random, out);
        }),
        Json::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if let Some(from) = random.pick(&[0, 1, 2]).filter(|from| **from < members.len()) {
                members.rotate_left(*from);
            }
            if random.below(2) == 0 {
                members.reverse();
            }
            write_between(out, "{", members, "}", |out, (key, value)| {
                write_space(random, out);
                write_escaped(random, key, out);
                write_space(random, out);
                out.push(':');
                write_space(random, out);
                write_dressed(random, value, out);
                write_space(random, out);
            });
        }
        plain => plain.write(out),
    }
}

fn write_space(random: &mut Random, out: &mut String) {
    let spaces = ["", "", "", " ", "\n", "\t", "\r\n  "];
    out.push_str(random.pick(&spaces).copied().unwrap_or_default());
}

/// A string, some of its characters as escapes.
fn write_escaped(random: &mut Random, text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if random.below(8) == 0 {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let digit = |shift: u32| char::from(b"0123456789ABCDEF"[usize::from(*unit >> shift & 15)]);
                out.push_str("\\u");
                out.extend([12, 8, 4, 0].map(digit));
            }
        } else if c == '/' && random.below(2) == 0 {
            out.push_str("\\/");
        } else {
            let mut plain = String::new();
            write_string(c.encode_utf8(&mut [0; 4]), &mut plain);
            out.push_str(&plain[1..plain.len() - 1]);
        }
    }
    out.push('"');
}

/// The body with another value of one of its facts; nothing when it has none that could be another.
pub(super) fn contradict(random: &mut Random, contract: &Draft, event: &draft::Event, tree: &Json) -> Option<Json> {
    let identity = &contract.identity;
    let own_time = event.time.as_ref().or(identity.time.as_ref());
    let ids = contract.subjects.iter().map(|subject| &subject.id);
    let fixed: Vec<&Locator> = ids.chain([&identity.kind]).chain(&identity.event_id).chain(own_time).collect();
    let is_fixed = |path: &String| fixed.iter().any(|place| place.path.as_ref() == Some(path));
    let facts: Vec<(&String, &String)> = event
        .facts
        .iter()
        .filter_map(|(field, fact)| Some((field, fact.path.as_ref()?)))
        .filter(|(_, path)| !is_fixed(path) && tree.at(path).is_some())
        .collect();
    let (field, path) = random.pick(&facts)?;
    let mut other = tree.clone();
    let value = other.at_mut(path)?;
    *value = another(random, contract, field, value);
    Some(other)
}

/// Another value than this one, of the same sort.
fn another(random: &mut Random, contract: &Draft, field: &str, value: &Json) -> Json {
    match value {
        Json::String(text) => {
            // One of the provider's own words, if it has any for this.
            let rules = contract.channel.iter().chain(&contract.outcome);
            let of_field = rules.filter(|rule| rule.field.as_deref() == Some(field));
            let words: Vec<&String> = of_field.flat_map(|rule| rule.values.iter().flatten()).collect();
            let other = random.pick(&words).filter(|word| **word != text);
            Json::String(other.map_or_else(|| format!("{text}'"), |word| (*word).clone()))
        }
        Json::Number(text) => {
            let number = text.parse::<i64>().map(|number| number.saturating_add(1 + random.below(9) as i64));
            Json::Number(number.map_or_else(|_| "0.125".to_owned(), |number| number.to_string()))
        }
        Json::Bool(flag) => Json::Bool(!flag),
        Json::Null => Json::Bool(true),
        Json::Array(elements) => {
            let mut elements = elements.clone();
            elements.push(Json::Number(random.below(1000).to_string()));
            Json::Array(elements)
        }
        Json::Object(_) => {
            let mut object = value.clone();
            object.put("/corrected", Json::Number(random.below(1000).to_string()));
            object
        }
    }
}

/// Puts the provider's time into a body.
pub(super) fn set_time(tree: &mut Json, place: &Locator, format: TimeFormat, at: Micros) {
    let mut text = String::new();
    clock::write(at, format, &mut text);
    if let (Some(path), Ok(time)) = (&place.path, Json::parse(&text)) {
        tree.put(path, time);
    }
}

/// What a proxy may answer, or a log may hold, where a body should be.
const NOISE: [&str; 4] =
    ["", "<html><head><title>502 Bad Gateway</title></head></html>", "[object Object]", "\u{0}\u{0}\u{0}\u{0}"];

/// A body that nobody can read, whatever the contract.
pub(super) fn damage(random: &mut Random, body: &str) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    // The payload is an object, so there is something between its braces.
    let inside = 1 + random.below(bytes.len().saturating_sub(2).max(1) as u64) as usize;
    match random.below(7) {
        0 => bytes.truncate(inside),
        1 => bytes[inside.min(body.len() - 1)] = 0xFF,
        2 => bytes.push(b'}'),
        3 => bytes = random.pick(&NOISE).copied().unwrap_or_default().as_bytes().to_vec(),
        // Members that stand twice, half of a character, more than anybody nests.
        4 => drop(bytes.splice(0..1, *b"{\"again\":1,\"again\":2,")),
        5 => drop(bytes.splice(0..1, *b"{\"half\":\"\\ud83d\",")),
        _ => {
            let deep = format!("{{\"deep\":{}{},", "[".repeat(128), "]".repeat(128));
            bytes.splice(0..1, deep.into_bytes());
        }
    }
    bytes
}
