//! What makes two deliveries one event: that they say the same, however it is written and whatever
//! they came in. And what is said so that no two readers need agree on it makes no event at all.

use finis::engine::{Contract, EventKind, LineReader, Partial, Pointer, Reader, Timestamp, Unreadable, canonical};
use finis::providers::Catalogue;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::sessions::{self, Subject, any_name, record_of, session, set, small_contract};

/// All that a line says of an event, as text.
type Reading = String;

/// Reads a line under a contract, whatever source it names.
fn read(contract: &Contract, line: &str) -> Result<Reading, Unreadable> {
    read_at(contract, line, None)
}

fn read_at(contract: &Contract, line: &str, body_at: Option<&str>) -> Result<Reading, Unreadable> {
    let body_at = body_at.map(|pointer| Pointer::parse(pointer).unwrap());
    let mut reader = LineReader::new(body_at);
    let arrival = reader.read(line.as_bytes(), |_| Ok(((), contract)))?;
    let event = arrival.event;
    let facts: Vec<_> = event.facts().map(|(field, value)| (field, std::str::from_utf8(value).unwrap())).collect();
    let at = event.at.map(|at| at.to_string());
    Ok(format!(
        "{} {:?} {} {:?} {at:?} {:?} {facts:?}",
        event.digest(),
        event.subject,
        event.id,
        event.kind,
        event.event_id
    ))
}

/// The digest of a line: the first word of what it says.
#[track_caller]
fn digest(contract: &Contract, line: &str) -> String {
    let reading = read(contract, line).unwrap_or_else(|error| panic!("{error}: {line}"));
    reading.split(' ').next().unwrap().to_owned()
}

/// All of these are one event, and say the same.
#[track_caller]
fn one_event(contract: &Contract, lines: &[&str]) {
    for line in lines {
        assert_eq!(read(contract, line), read(contract, lines[0]), "{line}");
    }
    assert!(read(contract, lines[0]).is_ok(), "{:?}", read(contract, lines[0]));
}

/// No two of these are one event.
#[track_caller]
fn as_many_events(contract: &Contract, lines: &[&str]) {
    for (place, line) in lines.iter().enumerate() {
        for other in &lines[..place] {
            assert_ne!(digest(contract, line), digest(contract, other), "{line}\n{other}");
        }
    }
}

#[track_caller]
fn refused(contract: &Contract, line: &str, why: &str) {
    assert_eq!(read(contract, line).map_err(|error| error.sort()), Err(why), "{line:?}");
}

fn pathors() -> Contract {
    Catalogue::shipped().get("pathors").unwrap().clone()
}

/// An event of Pathors; the rest of its members may be anything.
fn ended(rest: &str) -> String {
    format!(r#"{{"event":"session.ended","sessionId":"s-1","timestamp":"2026-05-03T08:42:11.512Z"{rest}}}"#)
}

/// The same value in other clothes: keys the other way round, white space wherever it may be,
/// every character of every text escaped, numbers with an exponent.
fn dressed(value: &Value) -> String {
    let escaped = |text: &str| {
        let units: Vec<_> = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        units.concat()
    };
    match value {
        Value::Object(members) => {
            let members = members.iter().rev();
            let members: Vec<_> =
                members.map(|(key, value)| format!("\t\"{}\" :\r {}", escaped(key), dressed(value))).collect();
            format!("{{ {} }}", members.join(" ,"))
        }
        Value::Array(elements) => format!("[ {} ]", elements.iter().map(dressed).collect::<Vec<_>>().join(" , ")),
        Value::String(text) => format!("\"{}\"", escaped(text)),
        // As digits they are more than a double has.
        Value::Number(number) if number.as_u64().is_some_and(|integer| integer > 1 << 53) => number.to_string(),
        Value::Number(number) if number.is_f64() => format!("{:E}", number.as_f64().unwrap()),
        Value::Number(number) => format!("{number}.00e+0"),
        Value::Bool(_) | Value::Null => format!(" {value} "),
    }
}

/// Anything that comes of a session. What is shrunk is which of it.
fn payload() -> impl Strategy<Value = (sessions::Name, Value)> {
    (any_name(), any::<u64>().no_shrink(), any::<Index>()).prop_map(|(name, seed, which)| {
        let payload = sessions::payload(which.get(&session(name, seed)));
        (name, serde_json::from_str(&payload).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_is_itself_in_every_dress_and_every_wrapping((name, payload) in payload()) {
        let contract = Subject::of(name).contract;
        let (bare, dressed) = (payload.to_string(), dressed(&payload));
        let (text, dressed_text) = (json!(bare).to_string(), json!(dressed).to_string());
        one_event(contract, &[
            &bare,
            &dressed,
            &format!(" \t{bare}\r"),
            &format!(r#"{{"body":{bare}}}"#),
            &format!(r#"{{"body":{text}}}"#),
            &format!(r#"{{"body":{dressed_text}}}"#),
            &format!(r#"{{"received_at":"2026-05-03T08:42:12Z","source":"a","headers":{{"X-A":"b"}},"body":{dressed}}}"#),
            &format!(r#"{{"body":{text},"headers":{{}},"source":"b","received_at":"2026-05-03T10:42:13+02:00"}}"#),
            &format!(r#"{{"\u0062ody" : {dressed} }}"#),
        ]);
        let mut reader = Reader::new();
        prop_assert_eq!(reader.read(contract, &bare).unwrap().digest().to_string(), digest(contract, &bare));
    }

    #[test]
    fn two_payloads_are_one_event_when_their_canonical_forms_are_equal(
        (name, one) in payload(),
        slip in 0..6_usize,
    ) {
        let contract = Subject::of(name).contract;
        let mut other = one.clone();
        match slip {
            0 => set(&mut other, "/extra", Some(json!(null))),
            1 => set(&mut other, "/extra", Some(json!({"a": [1, 2]}))),
            2 => other = serde_json::from_str(&one.to_string().replace('8', "9")).unwrap(),
            3 => other = serde_json::from_str(&one.to_string().replace(":null", ":false")).unwrap(),
            4 => other = serde_json::from_str(&one.to_string().replace("a\":", "a \":")).unwrap(),
            _ => {}
        }
        let (one, other) = (one.to_string(), other.to_string());
        if let (Ok(_), Ok(_)) = (read(contract, &one), read(contract, &other)) {
            let same = canonical(&one) == canonical(&other);
            prop_assert_eq!(digest(contract, &one) == digest(contract, &other), same, "{} {}", one, other);
        }
    }
}

#[test]
fn white_space_key_order_and_escapes_make_no_difference() {
    one_event(
        &pathors(),
        &[
            r#"{"event":"session.ended","sessionId":"é/1","timestamp":"2026-05-03T08:42:11Z","currentNodeId":"a"}"#,
            r#"{"currentNodeId":"a","timestamp":"2026-05-03T08:42:11Z","sessionId":"é/1","event":"session.ended"}"#,
            " { \"event\" :\t\"session.ended\",\r\"sessionId\":\"é/1\"  ,\"timestamp\":\"2026-05-03T08:42:11Z\" , \"currentNodeId\":\"a\"}\r",
            r#"{"event":"session.ended","sessionId":"\u00e9\/1","timestamp":"2026-05-03T08:42:11Z","currentNodeId":"a"}"#,
            r#"{"event":"session\u002eended","sessionId":"\u00E9/1","timestamp":"2026-05-03T08:42:11\u005A","currentNodeId":"\u0061"}"#,
            r#"{"\u0065vent":"session.ended","session\u0049d":"é\/1","timestamp":"2026-05-03T08:42:11Z","currentNodeId":"a"}"#,
        ],
    );
}

#[test]
fn one_number_however_written_is_one_event() {
    let pathors = pathors();
    for place in ["messagesCount", "nobodyReadsThis"] {
        let with = |number: &str| ended(&format!(r#","{place}":[{number},{{"a":{number}}}]"#));
        let lines = ["78", "78.0", "7.8e1", "780E-1", "78.000"].map(with);
        one_event(&pathors, &lines.each_ref().map(String::as_str));
        let lines = ["0", "-0", "0.0", "-0.0", "0e7"].map(with);
        one_event(&pathors, &lines.each_ref().map(String::as_str));
        let lines = ["0.1", "1e-1", "0.1000000000000000055511151231257827"].map(with);
        one_event(&pathors, &lines.each_ref().map(String::as_str));
    }
}

#[test]
fn integers_past_the_doubles_that_differ_by_one_are_two_events() {
    let pathors = pathors();
    for place in ["messagesCount", "nobodyReadsThis"] {
        let with = |number: &str| ended(&format!(r#","{place}":{number}"#));
        let lines = [
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "340282366920938463463374607431768211456",
            "340282366920938463463374607431768211457",
        ]
        .map(with);
        as_many_events(&pathors, &lines.each_ref().map(String::as_str));
        // With a fraction it is a double, and this is the nearest one.
        one_event(&pathors, &[&with("9007199254740992"), &with("9007199254740993.0"), &with("9007199254740992.0")]);
    }
}

#[test]
fn absent_null_and_empty_are_three_events() {
    let lines = ["", r#","reason":null"#, r#","reason":"""#, r#","reason":[]"#, r#","reason":{}"#, r#","reason":0"#];
    let lines = lines.map(ended);
    as_many_events(&pathors(), &lines.each_ref().map(String::as_str));
}

#[test]
fn ids_and_kinds_are_compared_byte_for_byte() {
    let pathors = pathors();
    let lines = ["s-1", "S-1", "s-1 ", "s\u{301}-1", "ś-1", "s−1"]
        .map(|id| json!({"event":"session.ended","sessionId":id,"timestamp":"2026-05-03T08:42:11Z"}).to_string());
    as_many_events(&pathors, &lines.each_ref().map(String::as_str));
    for kind in ["SESSION.ENDED", "session.ended ", "session․ended"] {
        let line = json!({"event":kind,"sessionId":"s-1","timestamp":"2026-05-03T08:42:11Z"}).to_string();
        let mut reader = Reader::new();
        assert_eq!(reader.read(&pathors, &line).unwrap().kind, EventKind::Unknown(kind));
    }
}

/// Agntix calls the session's id an idempotency key; at its word, every end would be dropped.
#[test]
fn an_id_of_the_provider_never_decides_alone() {
    let catalogue = Catalogue::shipped();
    for (provider, lines) in [
        (
            "agntix",
            [
                r#"{"id":"a","eventType":"session.created","createdAt":"2026-04-08T05:00:01Z"}"#,
                r#"{"id":"a","eventType":"session.ended","createdAt":"2026-04-08T05:00:01Z","endedAt":"2026-04-08T05:00:01Z"}"#,
            ],
        ),
        (
            "saaya",
            [
                r#"{"id":"evt_1","type":"session.ended","createdAt":"2026-04-27T10:14:31Z","data":{"sessionId":"s"}}"#,
                r#"{"id":"evt_1","type":"session.ended","createdAt":"2026-04-27T10:14:31Z","data":{"sessionId":"s","channel":"voice"}}"#,
            ],
        ),
    ] {
        let contract = catalogue.get(provider).unwrap();
        as_many_events(contract, &lines);
        let mut partial = Partial::default();
        let mut reader = Reader::new();
        for line in lines {
            assert!(partial.add(contract, &reader.read(contract, line).unwrap(), None));
        }
        assert_eq!(partial.len(), 2);
    }
}

#[test]
fn what_is_no_json_for_all_readers_is_no_event_wherever_it_stands() {
    let pathors = pathors();
    for (json, why) in [
        (r#"{"a":1,"a":1}"#, "duplicate key"),
        (r#"{"a":1,"\u0061":2}"#, "duplicate key"),
        (r#"[{"x":{"/":1,"\/":1}}]"#, "duplicate key"),
        (r#""\ud800""#, "lone surrogate"),
        (r#"{"\udfff":1}"#, "lone surrogate"),
        (r#"["\ud83d\u0041"]"#, "lone surrogate"),
        ("1e999", "number out of range"),
        ("[-1e309]", "number out of range"),
        ("NaN", "not JSON"),
        ("-Infinity", "not JSON"),
        ("012", "not JSON"),
        ("-01", "not JSON"),
        ("1.", "not JSON"),
        ("+1", "not JSON"),
        ("\"a\tb\"", "not JSON"),
        ("\"a\0b\"", "not JSON"),
        ("'a'", "not JSON"),
        ("[1,]", "not JSON"),
        (r#""\x41""#, "not JSON"),
        ("1}{", "more than one value"),
    ] {
        for place in ["messagesCount", "nobodyReadsThis"] {
            let bare = ended(&format!(r#","{place}":{json}"#));
            refused(&pathors, &bare, why);
            refused(&pathors, &format!(r#"{{"body":{}}}"#, Value::from(bare.as_str())), why);
            if why != "more than one value" {
                refused(&pathors, &format!(r#"{{"body":{bare}}}"#), why);
            }
        }
    }
    refused(&pathors, &ended(r#","sessionId":"s-1""#), "duplicate key");
    refused(&pathors, &ended(r#","\u0065vent":"session.ended""#), "duplicate key");
    refused(&pathors, &format!("{} {}", ended(""), ended("")), "more than one value");
    refused(&pathors, &format!("[{}]", ended("")), "not an object");
    refused(&pathors, &format!(r#"{{"body":[{}]}}"#, ended("")), "not an object");
    refused(&pathors, &format!(r#"{{"body":{}}}"#, json!(json!(ended("")).to_string())), "not an object");
}

#[test]
fn what_stands_around_a_payload_is_held_to_the_same_rules() {
    let pathors = pathors();
    let body = ended("");
    for (line, why) in [
        (format!(r#"{{"body":{body},"body":{body}}}"#), "duplicate key"),
        (format!(r#"{{"body":{body},"\u0062ody":{body}}}"#), "duplicate key"),
        (format!(r#"{{"body":{body},"headers":{{"a":"1","a":"2"}}}}"#), "duplicate key"),
        (format!(r#"{{"body":{body},"headers":{{"a":[{{"b":1,"\u0062":2}}]}}}}"#), "duplicate key"),
        (format!(r#"{{"body":{body},"headers":{{"a":"\ud800"}}}}"#), "lone surrogate"),
        (format!(r#"{{"body":{body},"headers":{{"a":1e999}}}}"#), "number out of range"),
        (format!(r#"{{"body":{body},"headers":[]}}"#), "unfit delivery"),
        (format!(r#"{{"body":{body},"source":7}}"#), "unfit delivery"),
        (format!(r#"{{"body":{body},"source":""}}"#), "unfit delivery"),
        (format!(r#"{{"body":{body},"received_at":1777797731}}"#), "unfit delivery"),
        (format!(r#"{{"body":{body},"received_at":"2026-05-03 08:42:11Z"}}"#), "not a time"),
        (r#"{"body":null}"#.to_owned(), "not an object"),
        (r#"{"body":""}"#.to_owned(), "not JSON"),
        // Not a delivery, so a payload, and one without a kind.
        (format!(r#"{{"body":{body},"attempt":1}}"#), "no kind"),
    ] {
        refused(&pathors, &line, why);
    }
    assert!(matches!(
        LineReader::new(None).read(b"{\"event\":\"\xff\"}", |_| Ok(((), &pathors))),
        Err(Unreadable::NotUtf8 { offset: 10 })
    ));
}

#[test]
fn nesting_is_counted_from_the_payload_however_it_is_wrapped() {
    let pathors = pathors();
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"":"#, "}]")] {
        for place in ["extractedVariables", "nobodyReadsThis"] {
            let levels = open.matches(['[', '{']).count();
            let nested = |depth: usize| {
                let (open, close) = (open.repeat(depth / levels), close.repeat(depth / levels));
                // The payload is the first, and what the pairs leave over stands inside.
                let rest = if depth.is_multiple_of(levels) { "1" } else { "[]" };
                ended(&format!(r#","{place}":{open}{rest}{close}"#))
            };
            let (deepest, deeper) = (nested(126), nested(127));
            one_event(
                &pathors,
                &[
                    &deepest,
                    &format!(r#"{{"body":{deepest}}}"#),
                    &format!(r#"{{"body":{}}}"#, json!(deepest)),
                    &format!(r#"{{"headers":{{"a":[]}},"body":{deepest}}}"#),
                ],
            );
            refused(&pathors, &deeper, "nested too deep");
            refused(&pathors, &format!(r#"{{"body":{deeper}}}"#), "nested too deep");
            refused(&pathors, &format!(r#"{{"body":{}}}"#, json!(deeper)), "nested too deep");
        }
    }
}

/// What is deepest in payloads is deeper still in a record, most of all when it is in conflict.
#[test]
fn the_deepest_payloads_in_conflict_are_certified() {
    let world = Subject::of(sessions::PATHORS);
    let nested = |inside: &str| format!("{}{inside}{}", r#"{"a":["#.repeat(63), "]}".repeat(63));
    let payloads = ["1", "2"].map(|inside| ended(&format!(r#","extractedVariables":{}"#, nested(inside))));
    world.read(&payloads, |events| {
        let mut partial = Partial::default();
        for event in events {
            partial.add(world.contract, event, None);
        }
        assert_eq!(world.record(&partial, Timestamp::MAX).conflicts[0].field, "variables");
        assert!(world.certified(&partial).ends_with("\"}"));
    });
}

#[test]
fn what_changes_from_attempt_to_attempt_is_no_part_of_the_identity() {
    let contract = small_contract(
        r#"
        kind = "/kind"
        volatile = ["/attempt", "/delivery/sent_at", "/delivery/retry", "/list/1/n"]
        "#,
        r#""/id""#,
        r#"value = "/value/v""#,
    );
    one_event(
        &contract,
        &[
            r#"{"kind":"end","id":"s","delivery":{"to":"x"},"value":{"v":1},"list":[{"n":0},{}]}"#,
            r#"{"kind":"end","id":"s","delivery":{"to":"x"},"value":{"v":1},"list":[{"n":0},{}],"attempt":1}"#,
            r#"{"attempt":{"n":[2]},"kind":"end","id":"s","delivery":{"to":"x"},"value":{"v":1},"list":[{"n":0},{"n":4}]}"#,
            r#"{"kind":"end","id":"s","delivery":{"sent_at":"now","to":"x"},"value":{"v":1},"list":[{"n":0},{}]}"#,
            r#"{"kind":"end","id":"s","delivery":{"to":"x","retry":3,"sent_at":"later"},"value":{"v":1},"list":[{"n":0},{}]}"#,
            r#"{"kind":"end","id":"s","delivery":{"to":"x","r\u0065try":null},"value":{"v":1},"list":[{"n":0},{}]}"#,
        ],
    );
    as_many_events(
        &contract,
        &[
            r#"{"kind":"end","id":"s","delivery":{"to":"x"},"value":{"v":1},"list":[{"n":0},{}]}"#,
            r#"{"kind":"end","id":"s","delivery":{"to":"y"},"value":{"v":1},"list":[{"n":0},{}]}"#,
            r#"{"kind":"end","id":"s","delivery":{"to":"x"},"value":{"v":2},"list":[{"n":0},{}]}"#,
            r#"{"kind":"end","id":"s","delivery":{"to":"x"},"value":{"v":1},"list":[{"n":1},{}]}"#,
            r#"{"kind":"end","id":"s","delivery":{"to":"x"},"value":{"v":1},"list":[{"n":0},{}],"attempts":1}"#,
            r#"{"kind":"end","id":"s","delivery":{"to":"x","attempt":1},"value":{"v":1},"list":[{"n":0},{}]}"#,
            r#"{"kind":"end","id":"s","sent_at":"now","delivery":{"to":"x"},"value":{"v":1},"list":[{"n":0},{}]}"#,
        ],
    );
    // It is no part, but it is still JSON.
    refused(&contract, r#"{"kind":"end","id":"s","attempt":{"a":1,"a":1}}"#, "duplicate key");
    refused(&contract, r#"{"kind":"end","id":"s","attempt":1,"attempt":1}"#, "duplicate key");
}

/// A path may lead to an element of a list, too.
#[test]
fn an_element_that_changes_from_attempt_to_attempt_is_no_part_of_the_identity() {
    let contract = small_contract("kind = \"/kind\"\nvolatile = [\"/list/1\"]", r#""/id""#, r#"value = "/value""#);
    one_event(&contract, &[r#"{"kind":"end","id":"s","list":["a",1]}"#, r#"{"kind":"end","id":"s","list":["a",2]}"#]);
    as_many_events(
        &contract,
        &[
            r#"{"kind":"end","id":"s","list":["a",1]}"#,
            r#"{"kind":"end","id":"s","list":["b",1]}"#,
            r#"{"kind":"end","id":"s","list":["a",1,1]}"#,
            r#"{"kind":"end","id":"s","list":{"0":"a","1":1}}"#,
        ],
    );
}

#[test]
fn kind_and_id_from_headers_are_part_of_the_identity_and_other_headers_are_not() {
    let contract =
        small_contract(r#"kind = { header = "X-Kind" }"#, r#"{ header = "X-Session" }"#, r#"value = "/value""#);
    let with = |headers: &str| format!(r#"{{"headers":{{{headers}}},"body":{{"value":1}}}}"#);
    one_event(
        &contract,
        &[
            &with(r#""X-Kind":"end","X-Session":"s""#),
            &with(r#""x-session":"s","X-KIND":"end""#),
            &with(r#""x-session":["s"],"x-kind":["end","end"]"#),
            &with(r#""X-Kind":"end","X-Session":"s","X-Attempt":"2""#),
            &with(r#""X-K\u0069nd":"end","X-Session":"s""#),
            r#"{"body":"{\"value\":1.0}","headers":{"X-Kind":"end","X-Session":"s"}}"#,
        ],
    );
    as_many_events(
        &contract,
        &[
            &with(r#""X-Kind":"end","X-Session":"s""#),
            &with(r#""X-Kind":"end","X-Session":"t""#),
            &with(r#""X-Kind":"begin","X-Session":"s""#),
            &with(r#""X-Kind":"s","X-Session":"end""#),
            r#"{"headers":{"X-Kind":"end","X-Session":"s"},"body":{"value":2}}"#,
            r#"{"headers":{"X-Kind":"end","X-Session":"s"},"body":{}}"#,
        ],
    );
    refused(&contract, &with(r#""X-Kind":"end""#), "no id");
    refused(&contract, &with(r#""X-Session":"s""#), "no kind");
    refused(&contract, &with(r#""X-Kind":"","X-Session":"s""#), "no kind");
    refused(&contract, r#"{"value":1}"#, "no kind");
}

/// Some log writers escape every slash and every letter that is not ASCII.
#[test]
fn a_header_is_what_it_stands_for_however_it_is_escaped() {
    let contract =
        small_contract(r#"kind = { header = "X-Kind" }"#, r#"{ header = "X-Session" }"#, r#"value = "/value""#);
    one_event(
        &contract,
        &[
            r#"{"headers":{"X-Kind":"end","X-Session":"calls/é"},"body":{}}"#,
            r#"{"headers":{"X-Kind":"end","X-Session":"calls\/\u00e9"},"body":{}}"#,
            r#"{"headers":{"X-Kind":["e\u006ed"],"X-Session":["calls\/é"]},"body":{}}"#,
        ],
    );
}

/// Headers that came without a value are written as an empty list by some.
#[test]
fn a_header_without_a_value_is_as_good_as_none() {
    one_event(
        &pathors(),
        &[
            &ended(""),
            &format!(r#"{{"body":{},"headers":{{"X-Empty":[]}}}}"#, ended("")),
            &format!(r#"{{"headers":{{"X-Empty":[]}},"body":{}}}"#, ended("")),
        ],
    );
    let contract =
        small_contract(r#"kind = { header = "X-Kind" }"#, r#"{ header = "X-Session" }"#, r#"value = "/value""#);
    refused(&contract, r#"{"headers":{"X-Kind":[],"end":"s","X-Session":"s"},"body":{}}"#, "no kind");
    refused(&contract, r#"{"headers":{"X-Session":"s","X-Kind":[]},"body":{}}"#, "no kind");
}

#[test]
fn a_payload_is_found_where_the_caller_says_it_stands() {
    let pathors = pathors();
    let body = ended(r#","messagesCount":8"#);
    let bare = read(&pathors, &body).unwrap();
    for (line, at) in [
        (format!(r#"{{"id":7,"message":{body}}}"#), "/message"),
        (format!(r#"{{"id":7,"message":{}}}"#, json!(body)), "/message"),
        (format!(r#"{{"a":{{"b/c":{{"~":{body}}}}},"event":"x","sessionId":"y"}}"#), "/a/b~1c/~0"),
        (format!(r#"{{"body":{{"body":{body}}}}}"#), "/body/body"),
    ] {
        assert_eq!(read_at(&pathors, &line, Some(at)).as_ref(), Ok(&bare), "{line}");
        let twice = line.replacen('{', r#"{"z":[{"a":1,"a":2}],"#, 1);
        assert_eq!(read_at(&pathors, &twice, Some(at)).map_err(|error| error.sort()), Err("duplicate key"), "{twice}");
    }
    assert_eq!(read_at(&pathors, &body, Some("/message")).map_err(|error| error.sort()), Err("no payload"));
}

/// The line says the same number twice; the record must not say which came first.
#[test]
fn one_time_however_its_number_is_written_is_one_event_that_says_the_same() {
    for (format, numbers) in [
        ("unix-ms", ["1777797731512", "1777797731512.0", "1.777797731512e12", "1777797731512000e-3"]),
        ("unix-s", ["1777797731", "1777797731.0", "1.777797731e9", "1777797731000e-3"]),
    ] {
        let contract = small_contract(
            &format!("kind = \"/kind\"\ntime = \"/at\"\ntime_format = \"{format}\""),
            r#""/id""#,
            r#"value = { path = "/at", unit = "time" }"#,
        );
        let lines = numbers.map(|number| format!(r#"{{"kind":"end","id":"s","at":{number}}}"#));
        let lines = lines.each_ref().map(String::as_str);
        one_event(&contract, &lines);
        let reversed: Vec<&str> = lines.iter().rev().copied().collect();
        assert_eq!(record_of(&contract, &lines), record_of(&contract, &reversed));
    }
}
