//! Sessions of one key of the tree.
//!
//! A key for each session would be a key somewhere in the tree for each that ends: sled then reads and
//! writes its leaves at random, and takes memory and time at opening for every one. So a page holds those
//! that came at about the same time, and a [directory](super::directory) in memory says who is on which: by the
//! beginning of the tag, of which the page has all.
//!
//! A page has, for each of its sessions, the tag (16), the length of the value (varint), and the
//! [value](super::sessions).

use super::IndexError;
use super::directory::Prefix;
use crate::bytes::{Bytes, Writer};
use crate::tag::Tag;

/// Bytes of a page to which no session is added any more. What is there may grow.
pub(super) const FULL_BYTES: usize = 1024;

/// Bytes of a page, unless it has one session alone: one that would grow beyond goes to another. sled keeps
/// what is much larger in files that it never syncs.
pub(super) const BYTES_MAX: usize = 3584;

/// Sessions on a page, each with its value.
pub(super) fn sessions(page: &[u8]) -> impl Iterator<Item = Result<(Tag, &[u8]), IndexError>> {
    let mut rest = Bytes(page);
    std::iter::from_fn(move || {
        if rest.0.is_empty() {
            return None;
        }
        let session = take(&mut rest);
        if session.is_none() {
            rest = Bytes(&[]);
        }
        Some(session.ok_or_else(|| IndexError::value("sessions")))
    })
}

fn take<'p>(from: &mut Bytes<'p>) -> Option<(Tag, &'p [u8])> {
    let tag = Tag::from_bytes(from.array()?);
    let length = usize::try_from(from.varint()?).ok()?;
    Some((tag, from.take(length)?))
}

/// The value of a session on a page.
pub(super) fn find(page: &[u8], tag: Tag) -> Result<Option<&[u8]>, IndexError> {
    for session in sessions(page) {
        let (other, value) = session?;
        if other == tag {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Sessions on a page that begin so.
pub(super) fn alike(page: &[u8], prefix: Prefix) -> Result<Vec<Tag>, IndexError> {
    let tags = sessions(page).map(|session| session.map(|(tag, _)| tag));
    tags.filter(|tag| tag.as_ref().map_or(true, |tag| Prefix::of(*tag) == prefix)).collect()
}

/// Takes a session off a page, if it is there.
pub(super) fn remove(page: &mut Vec<u8>, tag: Tag) -> Result<(), IndexError> {
    let Some((from, to)) = span(page, tag)? else { return Ok(()) };
    page.drain(from..to);
    Ok(())
}

/// Puts a session on a page, in place of what was said of it. `false` when there is no room for it, and
/// the page is as it was.
pub(super) fn put(page: &mut Vec<u8>, tag: Tag, value: &[u8]) -> Result<bool, IndexError> {
    let mut session = Vec::with_capacity(Tag::BYTES + 2 + value.len());
    let mut to = Writer(&mut session);
    to.tag(tag);
    to.varint(value.len() as u64);
    session.extend_from_slice(value);
    let (from, to) = span(page, tag)?.unwrap_or((page.len(), page.len()));
    let others = page.len() - (to - from);
    if others > 0 && others + session.len() > BYTES_MAX {
        return Ok(false);
    }
    page.splice(from..to, session);
    Ok(true)
}

/// Where a session is on a page.
fn span(page: &[u8], tag: Tag) -> Result<Option<(usize, usize)>, IndexError> {
    let mut from = 0;
    let mut rest = Bytes(page);
    while !rest.0.is_empty() {
        let (other, _) = take(&mut rest).ok_or_else(|| IndexError::value("sessions"))?;
        let to = page.len() - rest.0.len();
        if other == tag {
            return Ok(Some((from, to)));
        }
        from = to;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: u8) -> Tag {
        Tag::from_bytes([number; Tag::BYTES])
    }

    #[test]
    fn a_page_has_what_was_put_on_it_last() {
        let mut page = Vec::new();
        for number in 0..20 {
            assert!(put(&mut page, tag(number), &[number; 5]).unwrap());
        }
        assert!(put(&mut page, tag(7), &[1; 200]).unwrap());
        assert!(put(&mut page, tag(9), &[]).unwrap());
        remove(&mut page, tag(3)).unwrap();
        remove(&mut page, tag(99)).unwrap();
        assert_eq!(find(&page, tag(7)).unwrap(), Some(&[1; 200][..]));
        assert_eq!(find(&page, tag(9)).unwrap(), Some(&[][..]));
        assert_eq!(find(&page, tag(8)).unwrap(), Some(&[8; 5][..]));
        assert_eq!(find(&page, tag(3)).unwrap(), None);
        assert_eq!(sessions(&page).count(), 19);
        for number in 0..20 {
            remove(&mut page, tag(number)).unwrap();
        }
        assert_eq!(page, []);
    }

    #[test]
    fn one_that_has_grown_too_much_has_no_room_among_others_and_always_alone() {
        let mut page = Vec::new();
        assert!(put(&mut page, tag(1), &[0; 10]).unwrap());
        assert!(put(&mut page, tag(2), &[0; 10]).unwrap());
        let before = page.clone();
        assert!(!put(&mut page, tag(1), &[0; BYTES_MAX]).unwrap());
        assert_eq!(page, before);
        remove(&mut page, tag(2)).unwrap();
        assert!(put(&mut page, tag(1), &[0; BYTES_MAX]).unwrap());
    }

    #[test]
    fn whatever_is_no_page_is_an_error() {
        let mut page = Vec::new();
        assert!(put(&mut page, tag(1), &[0; 10]).unwrap());
        for cut in 1..page.len() {
            assert!(find(&page[..cut], tag(2)).is_err(), "{cut}");
            assert!(sessions(&page[..cut]).any(|session| session.is_err()), "{cut}");
            assert!(put(&mut page[..cut].to_vec(), tag(2), &[]).is_err(), "{cut}");
        }
    }
}
