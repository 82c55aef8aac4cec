//! Where a page begins: behind a session, in a form that nobody is to read anything into.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use finis_engine::live::SessionKey;

/// What a cursor begins with; another form would begin otherwise.
const FORM: &str = "1";

/// Characters of the longest cursor that is looked at.
const CHARS_MAX: usize = 4096;

/// A cursor behind a session.
pub(super) fn write(key: &SessionKey) -> String {
    // Texts are JSON whatever is in them.
    let parts = serde_json::to_string(&(FORM, &key.source, &key.subject, &key.id)).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(parts)
}

/// The session that a cursor is behind; nothing when it is none of ours. It need not be there any more.
pub(super) fn read(cursor: &str) -> Option<SessionKey> {
    if cursor.len() > CHARS_MAX {
        return None;
    }
    let parts = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (form, source, subject, id): (String, String, String, String) = serde_json::from_slice(&parts).ok()?;
    let is_ours = form == FORM && ![&source, &subject, &id].iter().any(|part| part.is_empty());
    is_ours.then_some(SessionKey { source, subject, id })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(source in ".{1,20}", subject in ".{1,9}", id in ".{1,60}") {
            let key = SessionKey { source, subject, id };
            prop_assert_eq!(read(&write(&key)), Some(key));
        }

        #[test]
        fn what_was_tampered_with_is_another_or_none(
            id in ".{1,60}", place in any::<prop::sample::Index>(), other in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let cursor = write(&SessionKey { source: "desk".into(), subject: "session".into(), id });
            let mut changed = cursor.clone().into_bytes();
            changed[place.index(cursor.len())] = other;
            let _ = read(&String::from_utf8_lossy(&changed));
            prop_assert_eq!(read(&cursor[..cut.index(cursor.len())]), None);
        }
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        for cursor in ["", "x", "null", "W10", "é", &URL_SAFE_NO_PAD.encode(r#"["2","a","b","c"]"#)] {
            assert_eq!(read(cursor), None, "{cursor}");
        }
        assert_eq!(read(&"A".repeat(1 << 20)), None);
    }
}
