//! Amounts of bytes as people write them: `512`, `64KiB`, `1MiB`, `2GB`.

const UNITS: [(&str, usize); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// Reads an amount: a whole number with its unit.
///
/// # Errors
/// When it is anything else; the text says what would be right.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is no amount of bytes: write a whole number and a unit, as `64KiB` or `1MiB`");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(wrong)?;
    number.parse::<usize>().ok().and_then(|number| number.checked_mul(*size)).ok_or_else(wrong)
}

/// Writes an amount so that [`parse_size`] reads it back.
#[must_use]
pub fn print_size(bytes: usize) -> String {
    let binary = UNITS[..3].iter().rev().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size));
    binary.map_or_else(|| format!("{bytes}B"), |(unit, size)| format!("{}{unit}", bytes / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        for (bytes, text) in [(0, "0B"), (1 << 20, "1MiB"), (3 << 30, "3GiB"), (1025, "1025B"), (2048, "2KiB")] {
            assert_eq!(print_size(bytes), text);
            assert_eq!(parse_size(text), Ok(bytes));
        }
        assert_eq!(parse_size("64 kB"), Ok(64_000));
        for wrong in ["", "MiB", "1", "1 mib", "-1MiB", "1.5MiB", "99999999999999999999B", "18446744073709551615KiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
