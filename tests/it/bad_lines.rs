//! Lines that are no events, and exports that break off: each is said, with its place and its
//! reason, and nothing good is lost beside it.

use serde_json::{Value, json};

use crate::door::{Ended, Scratch, gzip, joined, json_lines, pathors, zstd};

const ID: &str = r#""sessionId":"s-1""#;
const KIND: &str = r#""event":"session.ended""#;
const TIME: &str = r#""timestamp":"2026-05-03T08:42:11.512Z""#;

/// An object with these members.
fn object(members: &[&str]) -> Vec<u8> {
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// A line that is an event but for this further member.
fn event_with(member: &str) -> Vec<u8> {
    object(&[KIND, ID, TIME, member])
}

/// The n-th good line; each has a session of its own.
fn good(number: usize) -> String {
    pathors("session.ended", &format!("good-{number:04}"), "2026-05-03T08:42:11.512Z")
}

/// Puts each bad line between two good ones. Each must be refused where it stands and for the
/// reason that is given with it; every good one must count.
#[track_caller]
fn refused<B: AsRef<[u8]>>(bad: &[(B, &str)]) {
    let mut export = joined(&[good(0)]);
    let mut expected: Vec<Value> = Vec::new();
    for (place, (line, reason)) in bad.iter().enumerate() {
        let (line, offset) = (line.as_ref(), export.len());
        let text = String::from_utf8_lossy(line);
        expected.push(json!({"line": 2 * place + 2, "offset": offset, "reason": reason, "text": text}));
        export.extend(joined(&[line, good(place + 1).as_bytes()]));
    }
    let scratch = Scratch::new();
    scratch.write("export.jsonl", export);
    scratch
        .finis("reconcile export.jsonl --provider pathors --rejects rejects.ndjson --out records.ndjson --json")
        .fine();
    assert_eq!(json_lines(&scratch.text("rejects.ndjson")), expected);
    assert_eq!(sessions(&scratch), (0..=bad.len()).map(|number| format!("good-{number:04}")).collect::<Vec<_>>());
}

/// The sessions that have a record in `records.ndjson`.
#[track_caller]
fn sessions(scratch: &Scratch) -> Vec<String> {
    let records = json_lines(&scratch.text("records.ndjson"));
    records.iter().map(|record| record["session"].as_str().unwrap().to_owned()).collect()
}

/// Reconciles an export of these bytes.
fn reconcile(export: &[u8]) -> (Scratch, Ended) {
    let scratch = Scratch::new();
    scratch.write("export", export);
    let ended = scratch.finis("reconcile export --provider pathors --out records.ndjson --json").run();
    (scratch, ended)
}

#[test]
fn what_is_not_json_is_refused() {
    refused(&[
        ("oops", "not JSON: expected a value at byte 0"),
        ("{", "not JSON: it ends before its value does"),
        (r#"{"event":"session.ended","sess"#, "not JSON: it ends before its value does"),
        (r#"{"event":"session.ended","#, "not JSON: it ends before its value does"),
        (r"{'event':'session.ended'}", "not JSON: expected a key in quotes at byte 1"),
        (r#"{"event":"session.ended",}"#, "not JSON: expected a key in quotes at byte 25"),
        (r#"{"event" "session.ended"}"#, "not JSON: expected `:` at byte 9"),
        (r#"{"event":"session\tended\q"}"#, "not JSON: expected a known escape at byte 24"),
        ("{\"event\":\"session\tended\"}", "not JSON: expected no raw control character in a string at byte 17"),
    ]);
}

#[test]
fn what_is_no_single_object_is_refused() {
    let event = String::from_utf8(event_with(r#""n":1"#)).unwrap();
    let after = event.len();
    let twice = format!("more than one value: something follows at byte {after}");
    refused(&[
        (format!("[{event}]"), "not an object: an array"),
        (r#""session.ended""#.to_owned(), "not an object: a string"),
        ("7".to_owned(), "not an object: a number"),
        ("null".to_owned(), "not an object: null"),
        ("true".to_owned(), "not an object: true or false"),
        (format!("{event}{event}"), &twice),
        (format!("{event},"), &twice),
    ]);
}

#[test]
fn numbers_that_no_two_readers_agree_on_are_refused_at_any_depth() {
    let at = event_with("").len() - 1;
    let nan = format!("not JSON: expected a value at byte {}", at + 4);
    let deep = format!("not JSON: expected a value at byte {}", at + 11);
    let infinite = format!("a number at byte {} is beyond a finite double", at + 4);
    refused(&[
        (event_with(r#""n":NaN"#), nan.as_str()),
        (event_with(r#""n":Infinity"#), &nan),
        (event_with(r#""n":[{"n":[NaN]}]"#), &deep),
        (event_with(r#""n":1e999"#), &infinite),
        (event_with(r#""n":-1e999"#), &infinite),
    ]);
}

#[test]
fn a_payload_nested_too_deep_is_refused() {
    let nested = |depth| event_with(&format!(r#""n":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    let objects = event_with(&format!(r#""n":{}1{}"#, r#"{"n":"#.repeat(199), "}".repeat(199)));
    let reason = "nested too deep: more than 127 objects and arrays inside each other";
    refused(&[(nested(199), reason), (objects, reason), (nested(127), reason)]);
    let (scratch, ended) = reconcile(&joined(&[nested(126)]));
    assert_eq!((ended.code, sessions(&scratch)), (0, vec!["s-1".to_owned()]));
}

#[test]
fn a_key_that_stands_twice_is_refused_at_any_depth() {
    refused(&[
        (event_with(ID), "the key `sessionId` stands twice in one object"),
        (event_with(r#""\u0065vent":"session.ended""#), "the key `event` stands twice in one object"),
        (event_with(r#""n":{"k":1,"k":1}"#), "the key `k` stands twice in one object"),
        (event_with(r#""n":[0,[{"n":{"k":1,"\u006b":2}}]]"#), "the key `k` stands twice in one object"),
        (b"{\"body\":{},\"body\":{}}".to_vec(), "the key `body` stands twice in one object"),
    ]);
}

#[test]
fn bytes_that_are_not_utf8_are_refused_and_shown_as_replacement_characters() {
    let at = event_with("").len() + 4;
    let reason = format!("not UTF-8: a byte that fits nowhere at byte {at}");
    let bytes = |bad: &[u8]| [&event_with(r#""n":"#)[..at - 1], b"\"", bad, b"\"}"].concat();
    refused(&[
        (bytes(b"\xE9"), reason.as_str()),
        (bytes(b"\xC0\xAF"), &reason),
        (bytes(b"\xED\xA0\x80"), &reason),
        (bytes(b"\xF0\x9F\x98"), &reason),
    ]);
}

#[test]
fn half_of_a_surrogate_pair_is_refused_anywhere() {
    let at = event_with("").len() + 4;
    let (in_value, in_key) = (format!("half of a surrogate pair at byte {at}"), at - 4);
    let in_key = format!("half of a surrogate pair at byte {in_key}");
    refused(&[
        (event_with(r#""n":"\ud800""#), in_value.as_str()),
        (event_with(r#""n":"\udc00\ud800""#), &in_value),
        (event_with(r#""\ud83d":1"#), &in_key),
    ]);
}

#[test]
fn an_id_that_no_session_can_have_is_refused() {
    let id = |id: &str| object(&[KIND, TIME, &format!(r#""sessionId":{id}"#)]);
    let long = format!(r#""{}""#, "x".repeat(513));
    let no_string = "the session id at `/sessionId` is not a string";
    let control = "the session id has a control character in it";
    refused(&[
        (object(&[KIND, TIME]), "no session id: nothing at `/sessionId`"),
        (id("7"), no_string),
        (id("null"), no_string),
        (id(r#"{"id":"s-1"}"#), no_string),
        (id(r#""""#), "the session id at `/sessionId` is empty"),
        (id(&long), "the session id is 513 bytes long; at most 512 are allowed"),
        (id(r#""s\u0000""#), control),
        (id(r#""\n""#), control),
        (id("\"s\u{7F}\""), control),
    ]);
    let longest = id(&format!(r#""{}""#, "x".repeat(512)));
    let (scratch, ended) = reconcile(&joined(&[longest]));
    assert_eq!((ended.code, sessions(&scratch)), (0, vec!["x".repeat(512)]));
}

#[test]
fn a_kind_that_is_none_is_refused() {
    let kind = |kind: &str| object(&[ID, TIME, &format!(r#""event":{kind}"#)]);
    let no_string = "the kind at `/event` is not a string";
    refused(&[
        (object(&[ID, TIME]), "no kind: nothing at `/event`"),
        (b"{}".to_vec(), "no kind: nothing at `/event`"),
        (kind("null"), no_string),
        (kind("1"), no_string),
        (kind(r#"["session.ended"]"#), no_string),
        (kind(r#""""#), "the kind at `/event` is empty"),
    ]);
}

#[test]
fn a_time_that_is_none_is_refused() {
    let time = |time: &str| object(&[KIND, ID, &format!(r#""timestamp":{time}"#)]);
    let form = |value: &str| {
        format!("the time at `/timestamp` is `{value}`: not an RFC 3339 time such as `2026-05-03T08:42:11.512Z`")
    };
    let range = |value: &str, part: &str| format!("the time at `/timestamp` is `{value}`: the {part} is out of range");
    let zone = "the time at `/timestamp` is `2026-05-03T08:42:11`: no zone: an RFC 3339 time ends in `Z` or an offset \
                such as `+02:00`";
    refused(&[
        (object(&[KIND, ID]), "no time: nothing at `/timestamp`"),
        (time(r#""2026-05-03T08:42:11""#), zone),
        (time(r#""2026-13-03T08:42:11Z""#), &range("2026-13-03T08:42:11Z", "month")),
        (time(r#""2026-02-29T08:42:11Z""#), &range("2026-02-29T08:42:11Z", "day")),
        (time(r#""2026-05-03T24:00:00Z""#), &range("2026-05-03T24:00:00Z", "hour")),
        (time("1777797731512"), &form("1777797731512")),
        (time("null"), &form("null")),
        (time(r#""yesterday""#), &form("yesterday")),
        (time(r#""""#), &form("")),
    ]);
}

#[test]
fn a_line_of_64_mib_is_refused_by_its_beginning() {
    let head = r#"{"event":"session.ended","sessionId":"s-1","note":""#;
    let length = 64 << 20;
    let scratch = Scratch::new();
    let mut export = joined(&[good(0)]);
    let offset = export.len();
    export.extend_from_slice(head.as_bytes());
    export.resize(offset + length, b'x');
    export.extend(joined(&[String::new(), good(1)]));
    scratch.write("export.jsonl", export);
    scratch.finis("reconcile export.jsonl --provider pathors --rejects rejects.ndjson --out records.ndjson").fine();

    let rejects = json_lines(&scratch.text("rejects.ndjson"));
    assert_eq!(rejects.len(), 1);
    let reason = "the line is 67108864 bytes long; at most 16 MiB are read, and 65536 bytes kept here";
    assert_eq!(rejects[0]["reason"], reason);
    assert_eq!((&rejects[0]["line"], &rejects[0]["offset"]), (&json!(2), &json!(offset)));
    let text = rejects[0]["text"].as_str().unwrap();
    assert!(text.len() == 65_536 && text.starts_with(head), "{} bytes", text.len());
    assert_eq!(sessions(&scratch), ["good-0000", "good-0001"]);
}

/// The system tells the most memory that a process ever had, as long as it lives: so the process is
/// asked when it has taken all of the long lines, and before its input is closed.
#[cfg(target_os = "linux")]
#[test]
fn lines_of_any_length_take_a_bounded_memory() {
    use std::io::Write;

    const MIB: usize = 1 << 20;
    let scratch = Scratch::new();
    let mut child = scratch.finis("reconcile - --provider pathors --threads 2").start();
    let mut input = child.stdin.take().unwrap();
    let block = vec![b'x'; MIB];
    for number in 0..3 {
        input.write_all(&joined(&[good(number)])).unwrap();
        (0..64).for_each(|_| input.write_all(&block).unwrap());
        input.write_all(b"\n").unwrap();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");

    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak * 1024 < 128 * MIB, "{peak} kB for lines of 192 MiB in all");
}

#[test]
fn refused_lines_are_summed_up_with_the_first_of_them() {
    let lines = ["oops", "[]", "{}", "oops", "", "oops", r#"{"event":7}"#];
    let scratch = Scratch::with_export(&lines);
    let ended = scratch.finis("reconcile export.jsonl --provider pathors --json").fine();
    let rejects = &ended.json()["rejects"];
    assert_eq!(rejects["lines"], 6);
    assert_eq!(rejects["by_sort"], json!({"not JSON": 3, "not an object": 1, "no kind": 2}));
    let first = rejects["first"].as_array().unwrap();
    let places: Vec<_> = first.iter().map(|reject| (&reject["line"], &reject["offset"])).collect();
    assert_eq!(places[..3], [(&json!(1), &json!(0)), (&json!(2), &json!(5)), (&json!(3), &json!(8))]);
    assert_eq!(places.len(), 5);

    let ended = scratch.finis("reconcile export.jsonl --provider pathors").fine();
    assert_eq!(ended.line("Rejected"), "Rejected   6 lines");
    assert_eq!(ended.line("line 2,"), "line 2, byte 5: not an object: an array");
    assert_eq!(ended.line("…"), "… all of them with --rejects FILE");
}

#[test]
fn the_last_line_needs_no_end_and_lines_may_end_as_on_windows() {
    let lines = [good(0), good(1), good(2)];
    for export in
        [lines.join("\n"), lines.join("\r\n"), lines.join("\n\r\n \t\n"), format!("\u{FEFF}{}", lines.join("\n"))]
    {
        let (scratch, ended) = reconcile(export.as_bytes());
        assert_eq!(ended.json()["rejects"]["lines"], 0, "{export:?}");
        assert_eq!(sessions(&scratch), ["good-0000", "good-0001", "good-0002"], "{export:?}");
    }
}

#[test]
fn a_byte_order_mark_stands_at_the_very_start_only() {
    let reason = "not JSON: expected a value at byte 0";
    refused(&[(format!("\u{FEFF}{}", good(7)), reason)]);
    // There it is no part of the line: an offset counts it, the text leaves it out.
    let scratch = Scratch::new();
    scratch.write("export.jsonl", "\u{FEFF}oops\n[]\n");
    scratch.finis("reconcile export.jsonl --provider pathors --rejects rejects.ndjson").fine();
    let rejects = json_lines(&scratch.text("rejects.ndjson"));
    let places: Vec<_> = rejects.iter().map(|reject| (&reject["offset"], &reject["text"])).collect();
    assert_eq!(places, [(&json!(3), &json!("oops")), (&json!(8), &json!("[]"))]);
}

#[test]
fn an_export_of_nothing_has_no_record() {
    for export in [Vec::new(), gzip(b""), zstd(b""), b"\n\r\n \n".to_vec(), "\u{FEFF}".into()] {
        let (scratch, ended) = reconcile(&export);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        assert_eq!(scratch.bytes("records.ndjson"), Some(Vec::new()));
        assert_eq!(ended.json()["sessions"], 0);
    }
}

#[test]
fn several_gzip_members_or_zstd_frames_are_one_export() {
    // Cut in the middle of a line: only together do they make lines.
    let text = joined(&[good(0), good(1), good(2)]);
    let (head, tail) = text.split_at(100);
    for compress in [gzip, zstd] {
        let (scratch, ended) = reconcile(&[compress(head), compress(b""), compress(tail)].concat());
        assert_eq!((ended.code, ended.json()["rejects"]["lines"].as_u64()), (0, Some(0)));
        assert_eq!(sessions(&scratch), ["good-0000", "good-0001", "good-0002"]);
    }
}

#[test]
fn a_compressed_export_that_breaks_off_says_so_and_keeps_what_came_before() {
    // Ids that no compression makes small, so that half of the bytes are half of the lines.
    let lines: Vec<String> = (0..20_000_u64)
        .map(|number| {
            let id = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (number << 17);
            pathors("session.ended", &format!("{id:016x}"), "2026-05-03T08:42:11.512Z")
        })
        .collect();
    let text = joined(&lines);
    for (form, compressed) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
        let (scratch, ended) = reconcile(&compressed[..compressed.len() / 2]);
        assert_eq!(ended.code, 2, "{form}");
        let summary = ended.json();
        let kept = sessions(&scratch).len();
        assert!((1_000..19_000).contains(&kept), "{kept} sessions of half the {form} data");
        // The line that was cut is refused; nothing else is.
        assert!(summary["rejects"]["lines"].as_u64().unwrap() <= 1);
        let broken = summary["broken"][0].as_str().unwrap();
        let said = format!(
            "`export` is truncated: its {form} data ends in the middle, after {} bytes of text; \
             what came before was kept",
            summary["bytes"]
        );
        assert_eq!(broken, said);

        let damaged =
            [&compressed[..compressed.len() / 2], &[0xFF; 64], &compressed[compressed.len() / 2 + 64..]].concat();
        let (_, ended) = reconcile(&damaged);
        assert_eq!(ended.code, 2, "{form}");
        let broken = ended.json()["broken"][0].as_str().unwrap().to_owned();
        assert!(broken.starts_with(&format!("`export` is damaged: its {form} data cannot be read past")), "{broken}");
    }
}

#[test]
fn an_export_that_breaks_off_does_not_keep_the_next_from_being_read() {
    let scratch = Scratch::new();
    let whole = gzip(&joined(&[good(0)]));
    scratch.write("broken.gz", &whole[..whole.len() - 4]);
    scratch.write("whole.gz", gzip(&joined(&[good(1)])));
    let ended = scratch.finis("reconcile broken.gz whole.gz --provider pathors --out records.ndjson").run();
    assert_eq!(ended.code, 2);
    assert_eq!(sessions(&scratch), ["good-0000", "good-0001"]);
    assert!(ended.err.starts_with("Broken: `broken.gz` is truncated"), "{}", ended.err);
}

#[test]
fn a_header_without_a_value_is_no_header() {
    let scratch = Scratch::new();
    let delivery = |headers: &str, session: &str| {
        let body = crate::door::pathors("session.ended", session, "2026-05-03T08:42:11.512Z");
        format!(r#"{{"headers":{headers},"body":{body}}}"#)
    };
    let lines = [r#"{"x":[]}"#, r#"{"x":[],"y":"z"}"#, r#"{"x":[["y"]],"z":null}"#, "{}"];
    let lines: Vec<String> =
        lines.iter().enumerate().map(|(place, headers)| delivery(headers, &format!("s-{place}"))).collect();
    scratch.write("export.jsonl", joined(&lines));
    scratch.finis("reconcile export.jsonl --provider pathors --out records.ndjson").fine();
    assert_eq!(sessions(&scratch), ["s-0", "s-1", "s-2", "s-3"]);
}
