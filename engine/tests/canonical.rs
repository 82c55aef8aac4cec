//! The canonical form: one text for equal values, held against an independent RFC 8785; and what is
//! no JSON that everyone reads alike, held against an independent parser.

use std::collections::BTreeMap;

use finis_engine::{DEPTH_MAX, Unreadable, canonical};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Number, Value};

/// Integers up to here are doubles too: past it RFC 8785 rounds, and we do not.
const EXACT_MAX: i64 = 1 << 53;

/// Choices made while a value is written. When they run out, or are 0, the plainest is taken.
struct Choices<'c>(std::iter::Copied<std::slice::Iter<'c, u8>>);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % count
    }

    fn one_of<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())]
    }
}

/// Writes a value in one of the many ways to write it.
fn spell(value: &Value, choices: &[u8]) -> String {
    let mut out = String::new();
    write(value, &mut Choices(choices.iter().copied()), &mut out);
    out
}

fn write(value: &Value, choices: &mut Choices<'_>, out: &mut String) {
    let space = |choices: &mut Choices<'_>| choices.one_of(&["", "", "", " ", "\n", "\t", "\r\n  "]);
    out.push_str(space(choices));
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, choices, out),
        Value::String(text) => write_string(text, choices, out),
        Value::Array(elements) => {
            out.push('[');
            for (place, element) in elements.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                write(element, choices, out);
            }
            out.push_str(if elements.is_empty() { space(choices) } else { "" });
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            let mut waiting: Vec<_> = members.iter().collect();
            while !waiting.is_empty() {
                out.push_str(if waiting.len() < members.len() { "," } else { "" });
                let (key, value) = waiting.remove(choices.below(waiting.len()));
                out.push_str(space(choices));
                write_string(key, choices, out);
                out.push_str(space(choices));
                out.push(':');
                write(value, choices, out);
            }
            out.push_str(space(choices));
            out.push('}');
        }
    }
    out.push_str(space(choices));
}

fn write_number(number: &Number, choices: &mut Choices<'_>, out: &mut String) {
    let text = if let Some(integer) = number.as_i64() {
        match choices.below(5) {
            0 => integer.to_string(),
            1 => format!("{integer}.0"),
            2 => format!("{integer}E+0"),
            3 => format!("{}e-3", integer * 1000),
            _ => format!("{integer}.000e00"),
        }
    } else {
        let double = number.as_f64().expect("it was made of a double");
        match choices.below(4) {
            0 => format!("{double:e}"),
            1 => format!("{double:E}"),
            // More digits than tell it apart.
            2 => format!("{double:.20e}"),
            _ if double.fract() == 0.0 => format!("{double}.0"),
            _ => format!("{double}"),
        }
    };
    out.push_str(&text);
}

fn write_string(text: &str, choices: &mut Choices<'_>, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let short = match character {
            '"' | '\\' | '/' => Some(character),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            _ => None,
        };
        let must = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
        match (choices.below(4), short) {
            (0, _) if !must => out.push(character),
            (0 | 1, Some(short)) => out.extend(['\\', short]),
            (choice, _) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let digits = if choice == 2 { format!("{unit:04X}") } else { format!("{unit:04x}") };
                    out.extend(["\\u", &digits]);
                }
            }
        }
    }
    out.push('"');
}

/// Characters at the edges: of escapes, of UTF-8's lengths, of what UTF-16 sorts otherwise.
fn odd_char() -> impl Strategy<Value = char> {
    let edges = "\0\u{1}\u{1f} \"\\/az~\u{7f}\u{80}é\u{7ff}\u{800}€\u{d7ff}\u{e000}\u{fb33}\u{fffd}\u{ffff}\u{10000}😀\u{10ffff}";
    let edges: Vec<char> = edges.chars().collect();
    prop_oneof![3 => select(edges), 2 => proptest::char::range('a', 'e'), 1 => any::<char>()]
}

/// Texts that often agree in their first bytes: keys are sorted by those first.
fn odd_string() -> impl Strategy<Value = String> {
    let head = select(vec!["", "", "", "messageC", "message", "messageCo", "naïveté", "\u{10000}\u{e000}"]);
    (head, vec(odd_char(), 0..6)).prop_map(|(head, tail)| head.chars().chain(tail).collect())
}

/// Every finite double there is, and those where its form changes.
fn finite_double() -> impl Strategy<Value = f64> {
    // The form changes at 1e-6 and at 1e21.
    let powers = prop_oneof![-330_i32..310, -8_i32..-4, 20_i32..23];
    let powers = powers.prop_map(|power| format!("1e{power}").parse::<f64>().expect("a double"));
    let near_a_power = (powers, -3_i64..4).prop_map(|(power, ulps)| {
        // Of a positive double, the next one has the next bits.
        f64::from_bits(power.to_bits().saturating_add_signed(ulps))
    });
    let signed = (near_a_power, any::<bool>()).prop_map(|(double, negative)| if negative { -double } else { double });
    let small = (-100_000_i32..100_000, 0_i32..8).prop_map(|(digits, point)| f64::from(digits) / 10_f64.powi(point));
    // A few binary places: often exactly between two texts of the same length, of which the even one
    // is to be written.
    let fraction = (0_i64..1 << 53, 0_u32..12).prop_map(|(digits, places)| digits as f64 / f64::from(1_u32 << places));
    prop_oneof![any::<u64>().prop_map(f64::from_bits), signed, small, fraction]
        .prop_filter("finite", |double| double.is_finite())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-EXACT_MAX..=EXACT_MAX).prop_map(Value::from),
        (-100_i64..100).prop_map(Value::from),
        finite_double().prop_map(Value::from),
        odd_string().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(odd_string(), inner, 0..6)
                .prop_map(|members: BTreeMap<_, _>| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

/// What the independent implementation makes of a value.
fn rfc_8785(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).expect("a value has a canonical form")
}

proptest! {
    // `PROPTEST_CASES` raises the number of cases. What fails is printed whole: no file keeps it.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_a_value_is_spelled_its_form_is_that_of_rfc_8785(value in json(), choices in choices()) {
        prop_assert_eq!(canonical(&spell(&value, &choices)).unwrap(), rfc_8785(&value));
    }

    #[test]
    fn every_finite_double_is_written_as_in_rfc_8785(double in finite_double(), choices in choices()) {
        let value = Value::from(double);
        prop_assert_eq!(canonical(&spell(&value, &choices)).unwrap(), rfc_8785(&value));
    }

    #[test]
    fn keys_are_sorted_by_utf_16_units(keys in btree_map(odd_string(), Just(Value::Null), 0..40), choices in choices()) {
        let value = Value::Object(keys.into_iter().collect());
        prop_assert_eq!(canonical(&spell(&value, &choices)).unwrap(), rfc_8785(&value));
    }

    #[test]
    fn a_canonical_form_is_its_own(value in json()) {
        let form = canonical(&spell(&value, &[])).unwrap();
        prop_assert_eq!(&canonical(&form).unwrap(), &form);
    }

    #[test]
    fn integers_keep_all_their_digits(integer in "-?[1-9][0-9]{0,60}") {
        prop_assert_eq!(&canonical(&integer).unwrap(), &integer);
        prop_assert_eq!(canonical(&format!("[{integer}, {integer}]")).unwrap(), format!("[{integer},{integer}]"));
    }

    /// The other parser lets a key stand twice; in all else the two agree.
    #[test]
    fn what_is_json_is_what_others_call_json(
        value in json(),
        choices in choices(),
        slips in vec((any::<Index>(), 0..3_usize, select(SLIPS.chars().collect::<Vec<_>>())), 1..4),
    ) {
        let mut text: Vec<char> = spell(&value, &choices).chars().collect();
        for (at, slip, character) in slips {
            let at = at.index(text.len() + 1);
            match slip {
                0 => text.insert(at, character),
                1 if at < text.len() => text[at] = character,
                _ if at < text.len() => drop(text.remove(at)),
                _ => {}
            }
        }
        let text: String = text.into_iter().collect();
        match canonical(&text).map_err(sort) {
            Err("duplicate key") => prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}"),
            ours => prop_assert_eq!(ours.is_ok(), serde_json::from_str::<Value>(&text).is_ok(), "{}", text),
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>(), json_like in "[\\[\\]{}\",:\\\\u0-9eE+. tfn-]{0,40}") {
        let _ = (canonical(&text), canonical(&json_like));
    }
}

/// What slips into a text: pieces of the grammar, and what is near to one.
const SLIPS: &str = "{}[]\",:\\/u0123456789abcdefABCDEF.eE+-tnrl \t\n\u{b}\u{1}\u{7f}\u{a0}\u{feff}'#";

/// What sort of refusal it is.
fn sort(error: finis_engine::JsonError) -> &'static str {
    Unreadable::Json(error).sort()
}

#[track_caller]
fn check(text: &str, form: &str) {
    assert_eq!(canonical(text).as_deref(), Ok(form), "{text}");
}

/// The same by itself and as an element and a member, with and without room around it.
#[track_caller]
fn check_everywhere(text: &str, form: &str) {
    check(text, form);
    check(&format!("[{text}]"), &format!("[{form}]"));
    check(&format!(r#"{{"a":{text},"b":{text}}}"#), &format!(r#"{{"a":{form},"b":{form}}}"#));
    check(&format!(r#" {{ "\u0062" : [ {text} ] , "a" : {text} }} "#), &format!(r#"{{"a":{form},"b":[{form}]}}"#));
}

#[track_caller]
fn refuse(text: &str, why: &str) {
    assert_eq!(canonical(text).map_err(sort), Err(why), "{text:?}");
}

#[test]
fn the_examples_of_rfc_8785_come_out_as_printed_there() {
    check(
        r#"{
          "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
          "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
          "literals": [null, true, false]
        }"#,
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#,
    );
    check(
        r#"{
          "\u20ac": "Euro Sign",
          "\r": "Carriage Return",
          "\ufb33": "Hebrew Letter Dalet With Dagesh",
          "1": "One",
          "\ud83d\ude00": "Emoji: Grinning Face",
          "\u0080": "Control",
          "\u00f6": "Latin Small Letter O With Diaeresis"
        }"#,
        &[
            r#"{"\r":"Carriage Return","1":"One",""#,
            "\u{80}",
            r#"":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","#,
            r#""😀":"Emoji: Grinning Face",""#,
            "\u{fb33}",
            r#"":"Hebrew Letter Dalet With Dagesh"}"#,
        ]
        .concat(),
    );
}

/// Appendix B of RFC 8785.
#[test]
fn the_doubles_of_rfc_8785_come_out_as_printed_there() {
    for (bits, form) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        check_everywhere(&format!("{:e}", f64::from_bits(bits)), form);
        check_everywhere(&format!("{:.40e}", f64::from_bits(bits)), form);
    }
}

#[test]
fn one_number_has_one_form() {
    for text in ["78", "78.0", "7.8e1", "7.80E+01", "780e-1", "0.78e2", "78000e-3"] {
        check_everywhere(text, "78");
    }
    for text in ["0", "-0", "0.0", "-0.0", "0e0", "-0e5", "0e999", "0.000e-999", "1e-400", "-1e-400"] {
        check_everywhere(text, "0");
    }
    check_everywhere("1e20", "100000000000000000000");
    check_everywhere("100000000000000000000", "100000000000000000000");
    check_everywhere("1e21", "1e+21");
    // A literal without fraction and exponent is no double.
    check_everywhere("1000000000000000000000", "1000000000000000000000");
    check_everywhere("1.7976931348623157e308", "1.7976931348623157e+308");
    check_everywhere("1.7976931348623158e308", "1.7976931348623157e+308");
}

#[test]
fn integers_past_the_doubles_stay_apart_and_doubles_do_not() {
    check_everywhere("9007199254740992", "9007199254740992");
    check_everywhere("9007199254740993", "9007199254740993");
    check_everywhere("-9007199254740993", "-9007199254740993");
    check_everywhere("9007199254740993.0", "9007199254740992");
    check_everywhere("18446744073709551616", "18446744073709551616");
    check_everywhere("340282366920938463463374607431768211457", "340282366920938463463374607431768211457");
}

#[test]
fn one_text_has_one_form() {
    for text in [r#""é/\"""#, r#""\u00e9\/\u0022""#, r#""\u00E9/\"""#] {
        check_everywhere(text, r#""é/\"""#);
    }
    check_everywhere(r#""\u0000\b\t\n\f\r\u000b\u001F\u007f""#, "\"\\u0000\\b\\t\\n\\f\\r\\u000b\\u001f\u{7f}\"");
    check_everywhere(r#""\ud83d\ude00""#, "\"😀\"");
    check_everywhere(r#""\uD83D\uDE00""#, "\"😀\"");
    check_everywhere(r#""\udbff\udfff""#, "\"\u{10ffff}\"");
    // Other ways to write a letter for the eye are other texts.
    check_everywhere(r#""e\u0301""#, "\"e\u{301}\"");
}

#[test]
fn keys_above_the_basic_plane_come_before_the_last_of_it() {
    check(r#"{"\uffff":1,"😀":2,"\ud7ff":3,"\ue000":4}"#, "{\"\u{d7ff}\":3,\"😀\":2,\"\u{e000}\":4,\"\u{ffff}\":1}");
    check(r#"{"a\ue000":1,"a😀":2,"a":3,"":4}"#, "{\"\":4,\"a\":3,\"a😀\":2,\"a\u{e000}\":1}");
    check(r#"{"eightbyt\ue000":1,"eightbyt😀":2}"#, "{\"eightbyt😀\":2,\"eightbyt\u{e000}\":1}");
    check(
        r#"{"a\u0000":1,"a":2,"a\u0000\u0000":3,"a\u0001":4}"#,
        r#"{"a":2,"a\u0000":1,"a\u0000\u0000":3,"a\u0001":4}"#,
    );
}

#[test]
fn a_key_stands_once_however_it_is_written_and_however_deep() {
    for object in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"a":3}"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"\/":1,"/":1}"#,
        r#"{"é":1,"\u00e9":1}"#,
        r#"{"😀":1,"\ud83d\ude00":1}"#,
        r#"{"":1,"":2}"#,
        r#"{"a long key, longer than a word":1,"b":2,"a long key, longer than a word":1}"#,
    ] {
        refuse(object, "duplicate key");
        refuse(&format!("[0, {object}]"), "duplicate key");
        refuse(&format!(r#"{{"x":[{{"y":{object}}}],"z":1}}"#), "duplicate key");
        let (open, close) = (r#"{"a":["#.repeat(63), "]}".repeat(63));
        refuse(&format!("{open}{object}{close}"), "duplicate key");
    }
    check(r#"{"a":{"a":{"a":1}},"A":[{"a":1},{"a":2}]}"#, r#"{"A":[{"a":1},{"a":2}],"a":{"a":{"a":1}}}"#);
}

#[test]
fn nesting_ends_at_127() {
    assert_eq!(DEPTH_MAX, 127);
    let nested = |open: &str, inside: &str, close: &str, depth: usize| {
        format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
    };
    for (open, inside, close) in [("[", "", "]"), ("[0,", "1", "]"), ("{\"a\":", "null", "}"), ("{\"a\":", "\"\"", "}")]
    {
        check(&nested(open, inside, close, 127), &nested(open, inside, close, 127));
        refuse(&nested(open, inside, close, 128), "nested too deep");
        refuse(&nested(open, inside, close, 100_000), "nested too deep");
    }
    refuse(&format!("[{}]", nested("{\"a\":", "[]", "}", 126)), "nested too deep");
    // Side by side is not inside.
    let flat = format!("[{}[]]", "[],".repeat(1000));
    check(&flat, &flat);
}

#[test]
fn half_of_a_pair_is_no_text() {
    for text in [
        r#""\ud800""#,
        r#""\udbff""#,
        r#""\udc00""#,
        r#""\udfff""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\ud800\u0041""#,
        r#""\ud800\udbff""#,
        r#""\udbff\ue000""#,
        r#""\ud800\\udc00""#,
        r#""\ud800\ud800\udc00""#,
        r#""\udc00\ud800""#,
        r#"{"\ud800":1}"#,
        r#"[{"a":["\udead"]}]"#,
    ] {
        refuse(text, "lone surrogate");
    }
}

#[test]
fn a_number_beyond_the_doubles_is_none() {
    for text in ["1e999", "-1e999", "1e309", "1.8e308", "1E+400", "[1, [1e99999999999999999999]]", "0.1e310"] {
        refuse(text, "number out of range");
    }
}

#[test]
fn what_is_nearly_json_is_refused() {
    for text in [
        "",
        " ",
        "\u{feff}{}",
        "NaN",
        "-NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "nul",
        "nulll",
        "True",
        "TRUE",
        "undefined",
        "01",
        "-01",
        "00",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "-.5",
        "1e",
        "1e+",
        "1E-",
        "0x10",
        "1_000",
        "1,5",
        "٣",
        "\"",
        "\"a",
        "'a'",
        "\"\\\"",
        r#""\x41""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\U0041""#,
        r#""\u+123""#,
        r#""\0""#,
        "\"a\tb\"",
        "\"a\nb\"",
        "\"\0\"",
        "\"\u{1f}\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[,]",
        "[1 2]",
        "[1;2]",
        "]",
        "[1}",
        "[1]]x",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{1:2}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\"}",
        "{\"a\"::1}",
        "}",
        "{\"a\":1]",
        "/**/1",
        "// 1",
        "#",
        "\u{a0}1",
        "\u{c}1",
        "\u{b}[]",
        "\u{2028}1",
    ] {
        let refused = canonical(text).map_err(sort);
        assert!(matches!(refused, Err("not JSON" | "more than one value")), "{text:?}: {refused:?}");
    }
    for text in ["1 2", "{} {}", "[]]", "{}}", "{},", "nullnull", "\"a\"\"b\"", "1\u{a0}", "{}\u{0}", "0 // zero"] {
        refuse(text, "more than one value");
    }
}

#[test]
fn raw_control_characters_have_no_place_in_a_string_and_all_else_has() {
    for control in '\0'..'\u{20}' {
        for length in 0..20 {
            refuse(&format!("\"{}{control}\"", "x".repeat(length)), "not JSON");
        }
    }
    for character in ['\u{20}', '\u{7f}', '\u{80}', '\u{9f}', '\u{2028}', '\u{feff}', '\u{fffe}', '\u{10ffff}'] {
        check(&format!("\"{character}\""), &format!("\"{character}\""));
    }
}
