//! Whose log it is.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Whose log it is: source, subject and id, each byte for byte.
///
/// Keys are ordered by source, then by subject, then by id, each byte for byte. A copy shares its texts with what it
/// was made of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// Where the subject begins.
    subject_start: usize,
    /// Where the id begins.
    id_start: usize,
    /// Source, subject and id, one after another: one piece of memory for each key that is made. Sources are few, and
    /// a count of references to one of them would be fought over by all threads.
    text: Arc<str>,
}

/// Bytes of a key that is put together without memory of its own. Most are shorter.
const USUAL_BYTES: usize = 128;

impl SessionKey {
    /// The key of the session with this id.
    ///
    /// `source` is the name of the configured origin, `subject` that of the subject: `session`, `campaign`, ….
    #[must_use]
    pub fn new(source: &str, subject: &str, id: &str) -> SessionKey {
        let (subject_start, id_start) = (source.len(), source.len() + subject.len());
        SessionKey { subject_start, id_start, text: joined([source, subject, id]) }
    }

    /// The name of the configured origin.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.text[..self.subject_start]
    }

    /// The name of the subject: `session`, `campaign`, ….
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.text[self.subject_start..self.id_start]
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.text[self.id_start..]
    }

    fn parts(&self) -> [&str; 3] {
        [self.source(), self.subject(), self.id()]
    }
}

impl Ord for SessionKey {
    fn cmp(&self, other: &SessionKey) -> Ordering {
        // Most keys of a process are of one source and one subject.
        if (self.subject_start, self.id_start) == (other.subject_start, other.id_start) {
            return self.text.cmp(&other.text);
        }
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for SessionKey {
    fn partial_cmp(&self, other: &SessionKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [source, subject, id] = self.parts();
        f.debug_struct("SessionKey").field("source", &source).field("subject", &subject).field("id", &id).finish()
    }
}

/// Texts, one after another.
fn joined(texts: [&str; 3]) -> Arc<str> {
    let mut room = [0; USUAL_BYTES];
    let mut length = 0;
    for text in texts {
        let Some(to) = room.get_mut(length..length + text.len()) else { return texts.concat().into() };
        to.copy_from_slice(text.as_bytes());
        length += text.len();
    }
    // Texts one after another are a text.
    std::str::from_utf8(&room[..length]).map_or_else(|_| texts.concat().into(), Arc::from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Texts that begin with each other, some as long as others.
    fn texts() -> impl Strategy<Value = String> {
        let long = "x".repeat(USUAL_BYTES - 2);
        prop_oneof![Just(String::new()), Just(long), "[ab\u{0}é語\u{10FFFF}]{0,4}", any::<String>()]
    }

    fn triples() -> impl Strategy<Value = (String, String, String)> {
        (texts(), texts(), texts())
    }

    fn key((source, subject, id): &(String, String, String)) -> SessionKey {
        SessionKey::new(source, subject, id)
    }

    proptest! {
        #[test]
        fn it_has_what_it_was_made_of(of in triples()) {
            let key = key(&of);
            prop_assert_eq!((key.source(), key.subject(), key.id()), (&*of.0, &*of.1, &*of.2));
        }

        #[test]
        fn its_order_is_that_of_source_subject_and_id(one in triples(), other in triples()) {
            prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other));
            prop_assert_eq!(key(&one) == key(&other), one == other);
        }
    }

    #[test]
    fn the_same_text_parted_elsewhere_is_another_key() {
        let text = "aéaé";
        let ends = || (0..=text.len()).filter(|end| text.is_char_boundary(*end));
        let triples = ends().flat_map(|first| {
            let second = ends().filter(move |second| *second >= first);
            second.map(move |second| (&text[..first], &text[first..second], &text[second..]))
        });
        let triples: BTreeSet<_> = triples.collect();
        let mut keys = BTreeSet::new();
        for (source, subject, id) in triples.iter().rev() {
            keys.insert(SessionKey::new(source, subject, id));
        }
        assert_eq!(keys.len(), 15);
        // In the order of the triples, too.
        assert!(keys.iter().map(|key| (key.source(), key.subject(), key.id())).eq(triples));
    }

    #[test]
    fn one_id_that_begins_another_is_before_it() {
        let of = |id: &str| SessionKey::new("desk", "session", id);
        let ids = ["", "a", "a\0", "a\0b", "ab", "b", "é", "語"];
        assert!(ids.is_sorted_by(|one, other| of(one) < of(other)));
        // A longer source is not made less by a shorter id.
        assert!(SessionKey::new("desk", "session", "z") < SessionKey::new("desk2", "session", ""));
        assert!(SessionKey::new("desk", "s", "z") < SessionKey::new("desk", "session", ""));
    }

    #[test]
    fn it_is_printed_part_by_part() {
        let printed = format!("{:?}", SessionKey::new("desk", "session", "s-1"));
        assert_eq!(printed, r#"SessionKey { source: "desk", subject: "session", id: "s-1" }"#);
    }
}
