//! Packed events say what events say: whoever reads by comparing accepts, refuses and folds exactly as
//! whoever reads in full.

use std::sync::Arc;

use finis::engine::{
    Contract, EventKind, Folder, Form, Forms, LineReader, Packed, Packer, Partial, SubjectId, Timestamp, Unreadable,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::sessions::{Name, PATHORS, Subject, any_name, payload, session};

/// What is told of a line beside its event, or why it is none.
type Told = Result<(SubjectId, Vec<u8>, Option<Timestamp>, Option<Timestamp>, bool), Unreadable>;

/// How a payload comes: as it is, with space in it, in a delivery, in a delivery as text.
const WAYS: usize = 5;

fn line(payload: &str, way: usize, received_at: Timestamp) -> String {
    match way {
        0 => payload.to_owned(),
        1 => {
            let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
            serde_json::to_string_pretty(&payload).unwrap().replace('\n', " ")
        }
        2 => format!(r#"{{"received_at":"{received_at}","body":{payload}}}"#),
        3 => format!(r#"{{"body":{payload},"headers":{{"X-B":"1","X-A":["2"]}},"received_at":"{received_at}"}}  "#),
        _ => format!(r#"{{"body":{}}}"#, serde_json::Value::String(payload.to_owned())),
    }
}

fn pack<'r>(
    packer: &'r mut Packer<'_, ()>,
    contract: &Contract,
    line: &'r str,
    forms: &Forms,
) -> Result<(Told, Vec<u8>), Unreadable> {
    let arrival = packer.pack(line, |_| Ok(((), 0, contract)))?;
    let mut packed = vec![0; arrival.packed_len()];
    arrival.write(&mut packed);
    let (received_at, at, known) = (arrival.received_at, arrival.at, arrival.known);
    let id = arrival.id.to_vec();
    let all = forms.all();
    let event = Packed::read(&packed, &all);
    assert_eq!(event.id(), id, "{line}");
    Ok((Ok((event.subject(), id, at, received_at, known)), packed))
}

/// What whoever reads in full says.
fn read(contract: &Contract, line: &str) -> Told {
    let mut reader = LineReader::new(None);
    let arrival = reader.read(line.as_bytes(), |_| Ok(((), contract)))?;
    let event = arrival.event;
    let known = matches!(event.kind, EventKind::Known(_));
    Ok((event.subject, event.id.as_bytes().to_vec(), event.at, arrival.received_at, known))
}

/// Lines of what comes of a session, in any order and some more than once. What is shrunk is which of them
/// come, and how.
fn lines() -> impl Strategy<Value = (Name, Vec<String>)> {
    let drawn = vec((any::<Index>(), 0..WAYS, any::<bool>()), 1..24);
    (any_name(), any::<u64>().no_shrink(), drawn).prop_map(|(name, seed, drawn)| {
        let came = session(name, seed);
        let line = |(which, way, is_coarse): (Index, usize, bool)| {
            let arrival = which.get(&came);
            let (seconds, nanos) = arrival.received_at.unix();
            // Some receivers count in seconds: then much comes at once.
            let coarse = Timestamp::from_unix(seconds, 0, 0).unwrap();
            let exact = Timestamp::from_unix(seconds, nanos, 6).unwrap();
            line(&payload(arrival), way, if is_coarse { coarse } else { exact })
        };
        (name, drawn.into_iter().map(line).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_folds_from_packed_events_as_from_events((name, lines) in lines(), twice: bool) {
        let world = Subject::of(name);
        let mut partial = Partial::default();
        for line in &lines {
            let mut reader = LineReader::new(None);
            let arrival = reader.read(line.as_bytes(), |_| Ok(((), world.contract))).unwrap();
            partial.add(world.contract, &arrival.event, arrival.received_at);
        }
        let forms = Forms::default();
        let mut learned = Packer::new(&forms, None);
        let mut packed = Vec::new();
        for line in &lines {
            // Read in full the first time, and by comparing the second; and by someone who knows nothing.
            let mut fresh = Packer::new(&forms, None);
            packed.push(pack(&mut learned, world.contract, line, &forms).unwrap().1);
            packed.push(pack(&mut learned, world.contract, line, &forms).unwrap().1);
            if twice {
                packed.push(pack(&mut fresh, world.contract, line, &forms).unwrap().1);
            }
        }
        packed.reverse();
        let all: Vec<Arc<Form>> = forms.all();
        let mut folder = Folder::default();
        let mut events: Vec<Packed<'_>> = packed.iter().map(|packed| Packed::read(packed, &all)).collect();
        let folded = folder.fold(world.contract, &mut events, true).clone();
        prop_assert_eq!(&folded, &partial, "{:#?}", lines);
        prop_assert_eq!(world.printed(&folded), world.printed(&partial));

        // Digests that decide nothing are not made, and nothing shows it.
        let folded = folder.fold(world.contract, &mut events, false);
        for now in ["2026-05-03T00:02:00Z", "2026-05-03T00:30:00Z", "2026-05-03T03:00:00Z"].map(|now| Timestamp::parse(now).unwrap()) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            world.record(folded, now).write_json(&mut ours);
            world.record(&partial, now).write_json(&mut theirs);
            prop_assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
        }
    }

    #[test]
    fn a_line_read_by_comparing_is_accepted_or_refused_as_when_read_in_full(
        (name, lines) in lines(),
        harms in vec((any::<Index>(), 0..4_usize, any::<Index>(), select(HARMS.to_vec())), 0..4),
    ) {
        let world = Subject::of(name);
        let forms = Forms::default();
        let mut packer = Packer::new(&forms, None);
        for sound in &lines {
            pack(&mut packer, world.contract, sound, &forms).unwrap().0.unwrap();
            let mut harmed: Vec<char> = sound.chars().collect();
            for (place, how, other, harm) in &harms {
                let (place, other) = (place.index(harmed.len()), other.index(harmed.len()));
                match how {
                    0 => harmed[place] = *harm,
                    1 => drop(harmed.remove(place)),
                    2 => harmed.insert(place, *harm),
                    _ => harmed.swap(place, other),
                }
                if harmed.is_empty() {
                    break;
                }
            }
            let harmed: String = harmed.into_iter().collect();
            let told = pack(&mut packer, world.contract, &harmed, &forms).and_then(|(told, _)| told);
            prop_assert_eq!(told, read(world.contract, &harmed), "{}\n{}", sound, harmed);
        }
    }
}

/// Characters that JSON, times or ids care about.
const HARMS: &[char] = &[
    '"', '\\', '{', '}', '[', ']', ',', ':', ' ', '\t', '\r', '0', '1', '9', '-', '+', '.', 'e', 'E', 'T', 'Z', 'z',
    't', 'f', 'n', 'u', '\0', '\u{1f}', '\u{7f}', '\u{85}', 'é', '\u{feff}', '😀', '/', 'a',
];

#[test]
fn values_read_by_comparing_are_as_strict_and_as_canonical() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let (fits, too_deep) = (deep(126), deep(127));
    let in_object = format!("{{\"a\":{}}}", deep(125));
    let in_object_too_deep = format!("{{\"a\":{}}}", deep(126));
    let values = [
        "{}",
        "{ }",
        "[]",
        r#"{"a":1}"#,
        r#"{"b":1,"a":2}"#,
        r#"{"b":1,"a":2,"b":3}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"b":{"c":1,"c":2},"a":0}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a" :1}"#,
        r#"{"a": 1}"#,
        r#"{"a":01}"#,
        r#"{"a":-0}"#,
        r#"{"a":-1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":1e999}"#,
        r#"{"a":tru}"#,
        r#"{"a":nul}"#,
        r#"{"a":fals }"#,
        r#"{"a":true}"#,
        r#"{"é":1,"a":2}"#,
        r#"{"a":2,"é":1}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\u00e9\/"}"#,
        r#"{"a":"é/"}"#,
        r#"{"":1}"#,
        r#"{"":1,"":2}"#,
        r#"{"a":[{"z":1,"b":2}]}"#,
        r#"{"a":[{"b":2,"z":1.0}]}"#,
        "1",
        "-0",
        "0",
        "1.50",
        "15e-1",
        "1e999",
        "-",
        "tru",
        "true",
        "truex",
        "null",
        "\"a\"",
        r#""\u0061""#,
        r#""a\n""#,
        "\"a\u{1}\"",
        "\"a",
        "",
        "{",
        "[",
        "[1,2",
        "[1 ,2]",
        "[1,2]",
        &fits,
        &too_deep,
        &in_object,
        &in_object_too_deep,
        r#"{"q":1,"p":1,"o":1,"n":1,"m":1,"l":1,"k":1,"j":1,"i":1,"h":1,"g":1,"f":1,"e":1,"d":1,"c":1,"b":1,"a":1}"#,
    ];
    let world = Subject::of(PATHORS);
    let line = |value: &str| {
        format!(
            r#"{{"event":"session.ended","sessionId":"s-1","timestamp":"2026-05-03T08:42:11.512Z","extractedVariables":{value},"x":{value}}}"#
        )
    };
    let forms = Forms::default();
    let mut packer = Packer::new(&forms, None);
    pack(&mut packer, world.contract, &line("0"), &forms).unwrap().0.unwrap();
    let mut folder = Folder::default();
    for value in values {
        let line = line(value);
        let packed = pack(&mut packer, world.contract, &line, &forms);
        let told = packed.as_ref().map(|(told, _)| told.clone()).map_err(Clone::clone).and_then(|told| told);
        assert_eq!(told, read(world.contract, &line), "{line}");
        let Ok((_, packed)) = packed else { continue };
        let mut partial = Partial::default();
        let mut reader = LineReader::new(None);
        partial.add(world.contract, &reader.read(line.as_bytes(), |_| Ok(((), world.contract))).unwrap().event, None);
        let all = forms.all();
        let folded = folder.fold(world.contract, &mut [Packed::read(&packed, &all)], true);
        assert_eq!(folded, &partial, "{line}");
    }
}

#[test]
fn what_stands_around_a_payload_is_as_strict() {
    let world = Subject::of(PATHORS);
    let forms = Forms::default();
    let mut packer = Packer::new(&forms, None);
    let line = |headers: &str, received_at: &str| {
        let payload = r#"{"event":"session.ended","sessionId":"s-1","timestamp":"2026-05-03T08:42:11.512Z"}"#;
        format!(r#"{{"body":{payload},"headers":{headers},"received_at":{received_at}}}"#)
    };
    let time = r#""2026-05-03T09:00:00Z""#;
    pack(&mut packer, world.contract, &line("{}", time), &forms).unwrap().0.unwrap();
    for (headers, received_at) in [
        ("{}", time),
        (r#"{"a":"1"}"#, time),
        (r#"{"b":"1","a":["2"]}"#, time),
        ("[]", time),
        ("1", time),
        ("null", time),
        (r#"{"a":1,"a":2}"#, time),
        ("{}", "null"),
        ("{}", "1"),
        ("{}", "{}"),
        ("{}", r#""soon""#),
        ("{}", r#""2026-05-03T09:00:00\u005a""#),
    ] {
        let line = line(headers, received_at);
        let told = pack(&mut packer, world.contract, &line, &forms).and_then(|(told, _)| told);
        assert_eq!(told, read(world.contract, &line), "{line}");
    }
}

/// The white space at the end of a line may be within a string that does not end, and what is said of it is the same.
#[test]
fn a_string_that_does_not_end_is_refused_in_the_same_words() {
    let world = Subject::of(crate::sessions::PATHORS);
    let forms = Forms::default();
    let mut packer = Packer::new(&forms, None);
    for end in ["", " ", "\t", "\r", "\t \r"] {
        let line = format!(r#"{{"event":"session.ended","sessionId":"s-1{end}"#);
        let told = pack(&mut packer, world.contract, &line, &forms).and_then(|(told, _)| told);
        assert_eq!(told, read(world.contract, &line), "{line:?}");
    }
}

/// A value where usually an object is, and the object after it: what is in it is read.
#[test]
fn an_object_where_a_value_was_is_looked_into() {
    let world = Subject::of(crate::sessions::SMALLEST);
    let line = |analytics: &str| {
        format!(
            r#"{{"event":"e.event","metadata":{{"agentId":"a","eventType":"analytics-completed","conversationType":"webcall","callId":"CALL-1","analytics":{analytics}}},"id":"i"}}"#
        )
    };
    let forms = Forms::default();
    let mut packer = Packer::new(&forms, None);
    let lines = ["7", "null", "[]", r#"{"summary":"It rang."}"#, r#"{"summary":"Again."}"#, r#""text""#].map(line);
    let packed = lines.each_ref().map(|line| pack(&mut packer, world.contract, line, &forms).unwrap().1);
    let all = forms.all();
    let mut partial = Partial::default();
    for line in &lines {
        let mut reader = LineReader::new(None);
        let arrival = reader.read(line.as_bytes(), |_| Ok(((), world.contract))).unwrap();
        partial.add(world.contract, &arrival.event, arrival.received_at);
    }
    let mut folder = Folder::default();
    let mut events: Vec<Packed<'_>> = packed.iter().map(|packed| Packed::read(packed, &all)).collect();
    assert_eq!(*folder.fold(world.contract, &mut events, true), partial);
}
