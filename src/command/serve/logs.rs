//! Lines of the log, for people or for machines, without anybody's telephone number.

use std::io::{self, IsTerminal as _, Write};

use finis::serve::{Level, LogConfig};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Digits of the shortest telephone number that is written with its country's code.
const INTERNATIONAL_DIGITS_MIN: usize = 7;

/// Digits of the shortest that is written without, and of the longest of all.
const NATIONAL_DIGITS_MIN: usize = 10;
const DIGITS_MAX: usize = 15;

/// Digits that stay, at the end: enough to tell two of them from each other.
const DIGITS_SHOWN: usize = 2;

/// Writes what is traced to standard error from here on.
pub(super) fn begin(config: LogConfig) {
    let level = match config.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let is_seen = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(Masking);
    let begun = if config.json {
        tracing::subscriber::set_global_default(lines.json().flatten_event(true).with_current_span(false).finish())
    } else {
        tracing::subscriber::set_global_default(lines.with_target(false).with_ansi(is_seen).finish())
    };
    // Somebody has done it before, who then has the lines.
    let _ = begun;
}

/// Standard error, with telephone numbers masked: whatever a line is made of.
struct Masking;

impl<'w> MakeWriter<'w> for Masking {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line(Vec::new())
    }
}

/// One line, written whole.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Nobody can be told that the log cannot be written.
        let _ = io::stderr().lock().write_all(&masked(&self.0));
    }
}

/// A line with `*` in place of most digits of whatever looks like a telephone number: digits after a `+`, or many
/// of them that are no part of a word and no number of JSON.
fn masked(line: &[u8]) -> Vec<u8> {
    let mut out = line.to_vec();
    let mut place = 0;
    while place < line.len() {
        if !line[place].is_ascii_digit() {
            place += 1;
            continue;
        }
        let start = place;
        let before = start.checked_sub(1).and_then(|before| line.get(before));
        let is_international = before == Some(&b'+');
        let mut digits = Vec::new();
        while let Some(byte) = line.get(place) {
            if byte.is_ascii_digit() {
                digits.push(place);
            } else if !(is_international && is_between(&line[place..])) {
                break;
            }
            place += 1;
        }
        let is_word =
            [before, line.get(place)].into_iter().flatten().any(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let is_number = start >= 2 && &line[start - 2..start] == b"\":";
        let is_phone = if is_international {
            (INTERNATIONAL_DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
        } else {
            !is_word && !is_number && (NATIONAL_DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
        };
        if is_phone {
            for digit in &digits[..digits.len() - DIGITS_SHOWN] {
                out[*digit] = b'*';
            }
        }
    }
    out
}

/// Whether what begins here stands between two digits of one number: people write them in groups.
fn is_between(rest: &[u8]) -> bool {
    let digit = rest.iter().take(3).position(u8::is_ascii_digit);
    digit.is_some_and(|digit| rest[..digit].iter().all(|byte| b" -.()/".contains(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_are_masked_and_nothing_else_is() {
        let check = |line: &str, expected: &str| {
            assert_eq!(String::from_utf8(masked(line.as_bytes())).unwrap(), expected);
        };
        check("from +886912345678 to", "from +**********78 to");
        check("session=\"15551234567\"", "session=\"*********67\"");
        check("to +1 (555) 123-4567.", "to +* (***) ***-**67.");
        check("caller 0912345678 rang", "caller ********78 rang");
        for kept in [
            "2026-05-03T08:42:11.512345Z  INFO listening address=127.0.0.1:8080",
            r#"{"bytes":12345678901,"digest":"00112233445566778899aabbccddeeff"}"#,
            "ntc_faa59a34e04820eb2e8000bb19952830 after 123456789 ns",
            "segment 12345678901234567890",
        ] {
            check(kept, kept);
        }
    }
}
