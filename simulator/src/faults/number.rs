//! The same number, written otherwise.

use crate::random::Random;

/// The greatest integer below which all are doubles, so that a fraction of zero changes nothing.
const EXACT_MAX: u64 = 1 << 53;

/// Another notation of a number, or the same where there is none that everyone reads alike.
pub(super) fn disguise(random: &mut Random, text: &str) -> String {
    let digits = text.trim_start_matches('-');
    if text.contains(['e', 'E']) {
        return text.to_owned();
    }
    if text.contains('.') {
        return match random.below(3) {
            0 => format!("{text}0"),
            1 => format!("{text}e0"),
            _ => format!("{text}E+00"),
        };
    }
    if digits.parse::<u64>().is_ok_and(|number| number < EXACT_MAX) {
        return match random.below(4) {
            0 => format!("{text}.0"),
            1 => format!("{text}e0"),
            // One more digit, which no lone zero may have.
            2 if digits != "0" => format!("{text}0e-1"),
            _ => format!("{text}.000E+0"),
        };
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Json, canonical_number};
    use crate::random::Purpose;

    #[test]
    fn the_number_stays() {
        let random = &mut Random::new(1, Purpose::Dress, 0, 0);
        for text in
            ["0", "-0", "78", "-12", "0.25", "49.350622", "1e3", "9007199254740993", "1000000000000000000000000"]
        {
            for _ in 0..20 {
                let other = disguise(random, text);
                assert_eq!(Json::parse(&other).unwrap().canonical(), canonical_number(text).unwrap(), "{other}");
            }
        }
        assert_ne!(disguise(random, "78"), "78");
    }
}
