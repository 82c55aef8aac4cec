//! Short texts held against each other.
//!
//! Keys, ids and values have some dozens of bytes: a call to compare them costs more than the comparison.

/// Whether bytes begin with a text. All of it is looked at, eight bytes at a time.
#[inline]
pub(crate) fn begins_with(bytes: &[u8], text: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..text.len()) else { return false };
    let (Some(last), Some(last_of_text)) = (bytes.last_chunk(), text.last_chunk()) else {
        return bytes.iter().zip(text).fold(0, |differ, (byte, of_text)| differ | (byte ^ of_text)) == 0;
    };
    let differ = |one: &[u8; 8], other: &[u8; 8]| u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*other);
    let words = bytes.as_chunks().0.iter().zip(text.as_chunks().0);
    words.fold(differ(last, last_of_text), |all, (word, of_text)| all | differ(word, of_text)) == 0
}

/// Whether two texts are the same.
#[inline]
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    // Long ones mostly differ early.
    if one.len() > 64 { one == other } else { one.len() == other.len() && begins_with(one, other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_library_says() {
        let text: Vec<u8> = (0..100).collect();
        for length in 0..100 {
            for other in 0..100 {
                assert_eq!(begins_with(&text[..length], &text[..other]), length >= other);
                assert_eq!(is_same(&text[..length], &text[..other]), length == other);
            }
            for place in 0..length {
                let mut changed = text[..length].to_vec();
                changed[place] ^= 0x40;
                assert!(!begins_with(&text, &changed) && !is_same(&text[..length], &changed));
            }
        }
    }
}
