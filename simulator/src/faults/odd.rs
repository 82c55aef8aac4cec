//! Bodies that nobody would send, and that are events all the same.
//!
//! Every fact of an event may be anything that JSON can say, and none of it makes a delivery unreadable. Copies
//! of one event clash: they disagree about the same fact, many of them at one time.

use finis_engine::contract::draft::{Event, Locator, Step, TimeFormat};
use finis_engine::contract::{Draft, draft};

use super::body::set_time;
use crate::clock::{self, MILLISECOND, Micros, SECOND};
use crate::json::{Json, tokens};
use crate::random::Random;
use crate::world::words;

/// What may stand where something else should, as JSON: things that are nearly the same, and things that few
/// expect. Depths and numbers are such as everybody can read.
const VALUES: [&str; 22] = [
    "null",
    "true",
    "false",
    "\"\"",
    "\"null\"",
    "\"78\"",
    "78",
    "-78",
    "78.5",
    "0",
    "1e21",
    "-1.5E-7",
    "9007199254740992",
    "9007199254740993",
    "12345678901234567890123",
    "\"é\\n\\\"😀\"",
    "\"\\u2028<\\/script>\"",
    "\"2026-05-03T02:00:00.5+02:00\"",
    "[]",
    "{}",
    "[{\"b\":1,\"a\":[null]},{}]",
    "{\"\\ue000\":1,\"\\ud800\\udc00\":2,\"\":{\"a\":1.0}}",
];

/// How many there are of two sorts that are not in the list: deep ones, and long ones.
const DEEP_AND_LONG: u64 = 8;

/// How far a time is moved.
const MOVED: [Micros; 5] = [MILLISECOND, -MILLISECOND, SECOND / 2, 3600 * SECOND, -3600 * SECOND];

/// A body that nobody would send.
pub(super) struct Odd {
    pub(super) body: Json,
    /// The kind, when it is one that the contract does not have.
    pub(super) kind: Option<String>,
}

/// What all copies of one event have in common.
pub(super) struct Copies<'c> {
    contract: &'c Draft,
    event: &'c Event,
    format: TimeFormat,
    /// The time that is shown in it.
    shown: Micros,
    /// Facts that may say anything, by the field.
    facts: Vec<(&'c str, &'c str)>,
    /// The one that they disagree about.
    doubtful: Option<(&'c str, &'c str)>,
}

impl<'c> Copies<'c> {
    pub(super) fn new(
        random: &mut Random,
        contract: &'c Draft,
        event: &'c draft::Event,
        format: TimeFormat,
        shown: Micros,
        field: Option<&str>,
    ) -> Copies<'c> {
        let identity = &contract.identity;
        let ids = contract.subjects.iter().map(|subject| &subject.id);
        let time = event.time.as_ref().or(identity.time.as_ref());
        let fixed: Vec<&Locator> = ids.chain([&identity.kind]).chain(&identity.event_id).chain(time).collect();
        let is_free =
            |path: &&str| fixed.iter().filter_map(|place| place.path.as_ref()).all(|fixed| apart(fixed, path));
        let facts = event.facts.iter().filter_map(|(field, fact)| Some((field.as_str(), fact.path.as_deref()?)));
        let facts: Vec<_> = facts.filter(|(_, path)| is_free(path)).collect();
        let any = random.pick(&facts).copied();
        let doubtful = field.map_or(any, |field| facts.iter().copied().find(|(name, _)| *name == field));
        Copies { contract, event, format, shown, facts, doubtful }
    }

    /// One of them, made of the body as it was sent.
    pub(super) fn one(&self, random: &mut Random, tree: &Json) -> Odd {
        let mut body = tree.clone();
        if let Some((field, path)) = self.doubtful {
            self.put(random, field, path, &mut body);
        }
        if let Some((field, path)) = random.pick(&self.facts).filter(|_| random.below(3) == 0) {
            self.put(random, field, path, &mut body);
        }
        let is_unknown = random.below(8) == 0;
        self.tell_time(random, is_unknown, &mut body);
        let kind = is_unknown.then(|| self.unknown_kind(random));
        if let (Some(path), Some(kind)) = (&self.contract.identity.kind.path, &kind) {
            body.put(path, Json::String(kind.clone()));
        }
        Odd { body, kind }
    }

    /// Puts anything in the place of a fact, or nothing.
    fn put(&self, random: &mut Random, field: &str, path: &str, body: &mut Json) {
        let known = self.words(field);
        let (words, values) = (known.len() as u64, VALUES.len() as u64);
        // The provider's own words as often as all the others together: where they are a progress, they clash.
        let number = if words > 0 && random.below(2) == 0 {
            random.below(words)
        } else {
            words + random.below(values + DEEP_AND_LONG + 1)
        };
        let value = match number.checked_sub(words) {
            None => Json::String(known[number as usize].clone()),
            // They are JSON: a test reads every one of them.
            Some(number) if number < values => Json::parse(VALUES[number as usize]).unwrap_or(Json::Null),
            Some(number) => match (number - values) as usize {
                0 => return body.remove(path),
                // Below what may be nested, wherever it stands.
                size if size.is_multiple_of(2) => (0..14 * size).fold(Json::Null, |inner, _| Json::Array(vec![inner])),
                // Long enough that what is let go is worth moving the rest for.
                size => Json::String("long ".repeat(40 * size)),
            },
        };
        body.put(path, value);
    }

    /// The words that the contract knows of a field.
    fn words(&self, field: &str) -> Vec<String> {
        let declared = self.contract.fields.iter().find(|declared| declared.name == field);
        let steps = declared.map_or(&[][..], |declared| &declared.progress).iter().flat_map(|step| match step {
            Step::One(word) => std::slice::from_ref(word),
            Step::Several(words) => words,
        });
        steps.cloned().chain(words(self.contract, field)).collect()
    }

    /// The time as it is, the same instant as others write it, or another; of an unknown kind, whose time
    /// nobody can find, it may be anything.
    fn tell_time(&self, random: &mut Random, is_unknown: bool, body: &mut Json) {
        let place = self.event.time.as_ref().or(self.contract.identity.time.as_ref());
        let Some((place, path)) = place.and_then(|place| Some((place, place.path.as_ref()?))) else { return };
        if body.at(path).is_none() {
            return;
        }
        match random.below(4) {
            0 if is_unknown => body.put(path, Json::String("soon".into())),
            0 if self.format == TimeFormat::Rfc3339 => {
                let there = self.shown + 2 * 3600 * SECOND;
                let text = clock::milliseconds(there).to_string();
                body.put(path, Json::String(text.replace('Z', "+02:00")));
            }
            1 => {
                let by = random.pick(&MOVED).copied().unwrap_or_default();
                set_time(body, place, self.format, self.shown + by);
            }
            _ => {}
        }
    }

    fn unknown_kind(&self, random: &mut Random) -> String {
        let mut kind = random.pick(&["session.pondered", "séance.levée"]).copied().unwrap_or_default().to_owned();
        while self.contract.events.iter().any(|event| event.kind == kind) {
            kind.push('?');
        }
        kind
    }
}

/// Whether neither of two places is the other, or in it.
fn apart(one: &str, other: &str) -> bool {
    tokens(one).iter().zip(&tokens(other)).any(|(one, other)| one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_and_no_two_are_one() {
        let canonical: Vec<String> = VALUES.iter().map(|text| Json::parse(text).unwrap().canonical()).collect();
        for (place, value) in canonical.iter().enumerate() {
            assert!(!canonical[..place].contains(value), "{value}");
        }
    }

    #[test]
    fn places_are_apart_when_nothing_stands_in_both() {
        assert!(apart("/a/b", "/a/c") && apart("/ab", "/a"));
        assert!(!apart("/a", "/a") && !apart("/a/b", "/a") && !apart("/a", "/a/b") && !apart("", "/a"));
    }
}
