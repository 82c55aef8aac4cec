//! Numbers of telephones, kept out of logs.

use finis_http::watch::{Masked, mask};
use proptest::prelude::*;

#[test]
fn numbers_lose_all_but_their_end() {
    let cases = [
        ("+4917012345678", "+***********78"),
        ("sip:+1 (555) 010-9999@pbx", "sip:+* (***) ***-**99@pbx"),
        ("00 49.170/123 45 67", "** **.***/*** ** 67"),
        ("a 1234567 b 7654321 c", "a *****67 b *****21 c"),
        ("123456", "123456"),
        ("12345-6", "12345-6"),
        ("٠١٢٣٤٥٦٧", "******٦٧"),
        ("+49%20170%20123%204567", "+**%*****%*****%****67"),
        ("2c4f9a13-7e6b-4d8a-9f25-c81e3a7b6d04", "2c4f9a13-7e6b-4d8a-9f25-c81e3a7b6d04"),
        ("", ""),
    ];
    for (text, masked) in cases {
        assert_eq!(mask(text), masked);
        assert_eq!(Masked(text).to_string(), masked);
        assert_eq!(format!("{:?}", Masked(text)), format!("{masked:?}"));
    }
}

/// A number as people write it: digits, with up to three separators between two of them.
fn number() -> impl Strategy<Value = (String, Vec<char>)> {
    let digit = prop::sample::select(('0'..='9').collect::<Vec<_>>());
    let part = (digit, "[-./ ()_+]{0,3}");
    prop::collection::vec(part, 7..20).prop_map(|parts| {
        let last = parts.len() - 1;
        let written = parts.iter().enumerate().map(|(place, (digit, separators))| {
            if place == last { digit.to_string() } else { format!("{digit}{separators}") }
        });
        (written.collect(), parts.iter().map(|(digit, _)| *digit).collect())
    })
}

proptest! {
    #[test]
    fn of_a_number_only_two_digits_are_left(before in "[^0-9]{0,12}[a-z]", (number, digits) in number(), after in "[a-z]\\PC{0,12}") {
        prop_assume!(!before.chars().chain(after.chars()).any(char::is_numeric));
        let text = format!("{before}{number}{after}");
        let masked = mask(&text);
        let left: Vec<char> = masked.chars().filter(char::is_ascii_digit).collect();
        prop_assert_eq!(&left[..], &digits[digits.len() - 2..]);
        prop_assert_eq!(masked.chars().count(), text.chars().count());
        prop_assert!(masked.starts_with(&before) && masked.ends_with(&after));
    }

    #[test]
    fn whatever_comes_nothing_changes_but_digits_and_nothing_changes_twice(text in "([0-9]{0,9}[-+ ./()a-z%]{0,5}|\\PC{0,4}){0,8}") {
        let masked = mask(&text).into_owned();
        prop_assert_eq!(masked.chars().count(), text.chars().count());
        for (is, was) in masked.chars().zip(text.chars()) {
            prop_assert!(is == was || (is == '*' && was.is_numeric()));
        }
        prop_assert_eq!(mask(&masked), &masked[..]);
        // Seven digits in a row are nowhere left.
        let run = masked.split(|char: char| !char.is_numeric()).map(|run| run.chars().count()).max();
        prop_assert!(run.unwrap_or(0) < 7);
    }

    #[test]
    fn short_runs_stay(parts in prop::collection::vec("[0-9]{1,6}", 0..6)) {
        let text = parts.join(" id ");
        prop_assert_eq!(mask(&text), &text[..]);
    }
}
