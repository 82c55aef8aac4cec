//! Lengths of time as people write them: `90s`, `2m`, `1h30m`, `7d`.

use std::fmt::Write as _;
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a length of time: whole numbers, each with its unit `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// When it is anything else; the text says what would be right.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is not a length of time: write a number and a unit, as `90s`, `2m`, `1h30m` or `7d`");
    let mut rest = text;
    let mut total = 0_u64;
    if text.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters]).ok_or_else(wrong)?;
        total = number.checked_mul(unit.1).and_then(|more| total.checked_add(more)).ok_or_else(wrong)?;
        rest = &rest[letters..];
    }
    Ok(Duration::from_millis(total))
}

/// Writes a length of time so that [`parse_span`] reads it back, to the millisecond.
#[must_use]
pub fn print_span(span: Duration) -> String {
    let mut rest = span.as_millis();
    let mut text = String::new();
    for (unit, size) in UNITS.iter().rev() {
        let count = rest / u128::from(*size);
        rest %= u128::from(*size);
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        for (text, printed) in
            [("2m", "2m"), ("90s", "1m30s"), ("1h30m", "1h30m"), ("0s", "0s"), ("1500ms", "1s500ms"), ("7d", "7d")]
        {
            let span = parse_span(text).unwrap();
            assert_eq!(print_span(span), printed);
            assert_eq!(parse_span(printed).unwrap(), span);
        }
        for text in ["", "2", "m", "2 m", "-2m", "2.5m", "2w", "99999999999999999999d"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
