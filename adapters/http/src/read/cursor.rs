//! Where a page begins: behind a session or a refused delivery, in a form that nobody is to read anything into.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use finis_engine::Timestamp;
use finis_engine::live::SessionKey;
use finis_engine::log::{RefusedCursor, RefusedId};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a cursor behind a session begins with; another form would begin otherwise.
const FORM: &str = "1";

/// What one behind a refused delivery begins with.
const REFUSED: &str = "refused-1";

/// Characters of the longest cursor that is looked at.
const CHARS_MAX: usize = 4096;

/// A cursor behind a session.
pub(super) fn write(key: &SessionKey) -> String {
    encode(&(FORM, key.source(), key.subject(), key.id()))
}

/// The session that a cursor is behind; nothing when it is none of ours. It need not be there any more.
pub(super) fn read(cursor: &str) -> Option<SessionKey> {
    let (form, source, subject, id): (String, String, String, String) = decode(cursor)?;
    let is_ours = form == FORM && ![&source, &subject, &id].iter().any(|part| part.is_empty());
    is_ours.then(|| SessionKey::new(&source, &subject, &id))
}

/// A cursor behind a refused delivery.
pub(super) fn write_refused(cursor: RefusedCursor) -> String {
    encode(&(REFUSED, cursor.received_at.to_string(), cursor.id.to_bytes()))
}

/// The place among refused deliveries that a cursor says; nothing when it is none of ours.
pub(super) fn read_refused(cursor: &str) -> Option<RefusedCursor> {
    let (form, received_at, id): (String, String, [u8; 16]) = decode(cursor)?;
    let received_at = Timestamp::parse(&received_at).ok().filter(|_| form == REFUSED)?;
    Some(RefusedCursor { received_at, id: RefusedId::from_bytes(id) })
}

fn encode(parts: &impl Serialize) -> String {
    // Texts and numbers are JSON whatever they are.
    URL_SAFE_NO_PAD.encode(serde_json::to_string(parts).unwrap_or_default())
}

fn decode<T: DeserializeOwned>(cursor: &str) -> Option<T> {
    if cursor.len() > CHARS_MAX {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(source in ".{1,20}", subject in ".{1,9}", id in ".{1,60}") {
            let key = SessionKey::new(&source, &subject, &id);
            prop_assert_eq!(read(&write(&key)), Some(key));
        }

        #[test]
        fn what_was_tampered_with_is_another_or_none(
            id in ".{1,60}", place in any::<prop::sample::Index>(), other in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let cursor = write(&SessionKey::new("desk", "session", &id));
            let mut changed = cursor.clone().into_bytes();
            changed[place.index(cursor.len())] = other;
            let _ = read(&String::from_utf8_lossy(&changed));
            prop_assert_eq!(read(&cursor[..cut.index(cursor.len())]), None);
        }
    }

    proptest! {
        #[test]
        fn a_place_among_refused_deliveries_is_read(
            seconds in -62_135_596_800_i64..=253_402_300_799, nanos in 0_u32..1_000_000_000, id in any::<[u8; 16]>(),
        ) {
            let received_at = Timestamp::from_unix(seconds, nanos, 9).unwrap();
            let cursor = RefusedCursor { received_at, id: RefusedId::from_bytes(id) };
            let written = write_refused(cursor);
            prop_assert_eq!((read_refused(&written), read(&written)), (Some(cursor), None));
            prop_assert_eq!(read_refused(&written[1..]), None);
        }
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        for cursor in ["", "x", "null", "W10", "é", &URL_SAFE_NO_PAD.encode(r#"["2","a","b","c"]"#)] {
            assert_eq!((read(cursor), read_refused(cursor)), (None, None), "{cursor}");
        }
        assert_eq!(read(&"A".repeat(1 << 20)), None);
    }
}
