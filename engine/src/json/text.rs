//! Strings: the grammar, escapes, and the one way to write each text.

use super::JsonError;

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);

/// Reads a string on from `at`, where something stands that is no plain character: where the string
/// ends, closing quote included.
pub(crate) fn scan_escaped(text: &[u8], mut at: usize) -> Result<usize, JsonError> {
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(text, at)?.1,
            Some(_) => {
                let expected = "no raw control character in a string";
                return Err(JsonError::Expected { expected, offset: at });
            }
            None => return Err(JsonError::Truncated),
        }
        at = next_special(text, at);
    }
}

/// The first quote, backslash or control character from `at` on, or the end of the text. Eight
/// bytes are looked at together: a byte's high bit comes to be set where the byte is special.
#[inline]
pub(crate) fn next_special(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let (words, tail) = rest.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let marks = marks(*word);
        if marks != 0 {
            return from + place * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    text.len() - tail.len() + tail.iter().position(|byte| is_special(*byte)).unwrap_or(tail.len())
}

/// Whether there is no quote, backslash or control character: all is looked at, so that no branch
/// depends on where one is.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    match text.last_chunk::<8>() {
        Some(last) => text.as_chunks::<8>().0.iter().fold(marks(*last), |all, word| all | marks(*word)) == 0,
        None => !text.iter().any(|byte| is_special(*byte)),
    }
}

/// The high bits of the special ones of eight bytes. A borrow can mark a byte above a special one, never
/// one below: the lowest mark is true.
#[inline]
fn marks(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * u64::from(b'"')));
    let slash = zero(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | slash | control) & HIGHS
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// Reads the escape whose backslash is at `at`: the character, and where the text goes on.
fn escape(text: &[u8], at: usize) -> Result<(char, usize), JsonError> {
    let short = match text.get(at + 1) {
        Some(b'u') => return unicode_escape(text, at),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(_) => return Err(JsonError::Expected { expected: "a known escape", offset: at }),
        None => return Err(JsonError::Truncated),
    };
    Ok((short, at + 2))
}

fn unicode_escape(text: &[u8], at: usize) -> Result<(char, usize), JsonError> {
    let unit = |at: usize| -> Result<u32, JsonError> {
        let digits = text.get(at..at + 4).ok_or(JsonError::Truncated)?;
        digits.iter().try_fold(0, |value, digit| {
            let digit = char::from(*digit).to_digit(16);
            let expected = "four hexadecimal digits";
            Ok(value * 16 + digit.ok_or(JsonError::Expected { expected, offset: at })?)
        })
    };
    let lone = JsonError::LoneSurrogate { offset: at };
    let first = unit(at + 2)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Ok((char::from_u32(first).ok_or(lone)?, at + 6));
    }
    if !text[at + 6..].starts_with(b"\\u") {
        return Err(lone);
    }
    let second = unit(at + 8)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(lone);
    }
    let joined = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    Ok((char::from_u32(joined).ok_or(lone)?, at + 12))
}

/// Appends what a string that was scanned, given without its quotes, stands for.
pub(crate) fn unescape(inside: &str, out: &mut Vec<u8>) {
    let bytes = inside.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let run = next_backslash(bytes, at);
        out.extend_from_slice(&bytes[at..run]);
        at = run;
        // The scan let only sound escapes through.
        if let Ok((character, next)) = escape(bytes, at) {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            at = next;
        }
    }
}

fn next_backslash(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\\').map_or(bytes.len(), |run| from + run)
}

/// Writes a text as a canonical JSON string, quotes included: only what must be is escaped.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut at = 0;
    loop {
        let run = next_special(bytes, at);
        out.extend_from_slice(&bytes[at..run]);
        let Some(special) = bytes.get(run) else { break };
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                let digits = [HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
        at = run + 1;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_special_byte_at_each_place() {
        for length in 0..24 {
            for place in 0..length {
                for special in [b'"', b'\\', 0, 0x1F, b'\n'] {
                    let mut text = vec![0xE9; length];
                    text[place] = special;
                    assert_eq!(next_special(&text, 0), place);
                    assert!(!is_plain(&text));
                }
            }
            assert_eq!(next_special(&vec![b' '; length], 0), length);
            assert!(is_plain(&vec![b' '; length]));
        }
    }
}
