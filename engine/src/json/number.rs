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
    if !integer && !value(&text[start..at]).is_finite() {
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
    // The scan let only finite ones through; `-0` is `0`.
    out.extend_from_slice(ryu_js::Buffer::new().format(value(literal)).as_bytes());
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
