//! Numbers: the grammar, and the one way to write each value.

use super::JsonError;

/// Reads the number that starts at `start`: where it ends, and whether it is an integer literal.
/// A number that is none must be a finite double.
#[inline]
pub(crate) fn scan(text: &[u8], start: usize) -> Result<(usize, bool), JsonError> {
    let digits = |from: usize| -> Result<usize, JsonError> {
        let count = text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count > 0 {
            return Ok(from + count);
        }
        Err(if from < text.len() {
            JsonError::Expected { expected: "a digit", offset: from }
        } else {
            JsonError::Truncated
        })
    };
    let first = start + usize::from(text[start] == b'-');
    let mut at = match text.get(first) {
        Some(b'0') => first + 1,
        _ => digits(first)?,
    };
    if text.get(at).is_some_and(u8::is_ascii_digit) {
        return Err(JsonError::Expected { expected: "no digit after a leading zero", offset: at });
    }
    let mut integer = true;
    if text.get(at) == Some(&b'.') {
        integer = false;
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        integer = false;
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(at + 1 + sign)?;
    }
    if !integer && !is_surely_finite(&text[start..at]) && !value(&text[start..at]).is_finite() {
        return Err(JsonError::NumberRange { offset: start });
    }
    Ok((at, integer))
}

/// Writes an integer literal: itself, but `-0` is `0`.
pub(super) fn write_integer(literal: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(if literal == b"-0" { b"0" } else { literal });
}

/// Writes any other number as ECMAScript does, which RFC 8785 asks for: the fewest digits that give
/// the same double back, the even one of two that are equally near, and an exponent from 1e21 up and
/// below 1e-6. (The standard library agrees on the digits but in the case of such a tie.)
pub(crate) fn write_double(literal: &[u8], out: &mut Vec<u8>) {
    if is_canonical(literal) {
        return out.extend_from_slice(literal);
    }
    // The scan let only finite ones through; `-0` is `0`.
    out.extend_from_slice(ryu_js::Buffer::new().format(value(literal)).as_bytes());
}

/// Whether a literal is short and has no exponent, so that nobody needs to look whether it is a finite double.
fn is_surely_finite(literal: &[u8]) -> bool {
    literal.len() <= 300 && !literal.iter().any(|byte| matches!(byte, b'e' | b'E'))
}

/// Whether a literal with a fraction surely is what would be written for its value: most are. Up to 15 digits come
/// back from a double as they were, so no two such decimals share one, and none has a shorter form but for zeros
/// at its end. From six zeros behind the point on, an exponent is written.
fn is_canonical(literal: &[u8]) -> bool {
    let digits = literal.strip_prefix(b"-").unwrap_or(literal);
    digits.len() <= 16
        && !digits.starts_with(b"0.000000")
        && matches!(digits.last(), Some(b'1'..=b'9'))
        && digits.contains(&b'.')
        && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// The nearest double, infinite when there is none. Digits, sign, point and exponent alone get here.
fn value(literal: &[u8]) -> f64 {
    std::str::from_utf8(literal).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::INFINITY)
}

/// Writes a number in another unit, as a double. `false`, and nothing written, when it then is
/// beyond the finite ones.
pub(crate) fn write_scaled(literal: &str, scale: impl Fn(f64) -> f64, out: &mut Vec<u8>) -> bool {
    let scaled = scale(value(literal.as_bytes()));
    if scaled.is_finite() {
        write_double(scaled.to_string().as_bytes(), out);
    }
    scaled.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written for a literal without a look at how it is written.
    fn in_full(literal: &str) -> String {
        ryu_js::Buffer::new().format(value(literal.as_bytes())).to_owned()
    }

    #[test]
    fn what_is_taken_as_it_is_would_be_written_so() {
        let heads = ["0", "1", "9", "12", "99", "120", "12345", "1234567890", "99999999999", "10000000000000"];
        let tails = ["0", "1", "5", "10", "25", "000001", "0000001", "00000012", "9999", "123456789", "99999999999999"];
        let mut taken = 0;
        for (head, tail) in heads.iter().flat_map(|head| tails.map(|tail| (head, tail))) {
            for literal in [format!("{head}.{tail}"), format!("-{head}.{tail}"), format!("{head}.{tail}e2")] {
                let mut written = Vec::new();
                write_double(literal.as_bytes(), &mut written);
                assert_eq!(String::from_utf8(written).unwrap(), in_full(&literal), "{literal}");
                taken += usize::from(is_canonical(literal.as_bytes()));
            }
        }
        assert!(taken > 60, "{taken}");
    }

    #[test]
    fn a_long_literal_is_looked_at() {
        let long = format!("{}.5", "9".repeat(309));
        assert!(scan(long.as_bytes(), 0).is_err());
        assert_eq!(scan(b"123.5", 0), Ok((5, false)));
        assert!(scan(b"1e400", 0).is_err());
    }
}
