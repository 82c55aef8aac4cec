//! What the headers of a delivery say: which of them count, and the signatures in one.

use finis_engine::contract::signature::{Headers, Layout};
use smallvec::SmallVec;

use super::{Problem, Refused};

/// Signatures, or other elements, that a header may have. Senders that rotate keys send a few;
/// Svix keeps up to ten old ones.
pub const SIGNATURES_MAX: usize = 32;

/// The headers of a delivery that any set names, as they came. Memory is asked for only where a contract has
/// more sets, or a delivery more headers, than nearly all have.
pub(super) struct Found<'s, V> {
    sets: &'s [Headers],
    /// Of each set: its signature, id and time.
    seen: SmallVec<[[Seen; 3]; 2]>,
    values: SmallVec<[V; 3]>,
}

/// How often a header was there, and the place of the first among the values. A second one is refused, so it is not
/// kept.
#[derive(Clone, Copy, Default)]
struct Seen {
    count: usize,
    first: usize,
}

/// The headers of a delivery that one set names.
#[derive(Debug)]
pub(super) struct Chosen<'f> {
    names: &'f Headers,
    signature: &'f str,
    id: Option<&'f str>,
    timestamp: Option<&'f str>,
}

/// What a header with signatures has in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Elements<'h> {
    /// The time, where it stands among them.
    pub(super) timestamp: Option<&'h str>,
    /// Signatures as they are written, without their prefix.
    pub(super) signatures: SmallVec<[&'h str; 2]>,
}

impl<'s, V: AsRef<[u8]>> Found<'s, V> {
    pub(super) fn new<N: AsRef<str>>(sets: &'s [Headers], headers: impl IntoIterator<Item = (N, V)>) -> Found<'s, V> {
        let seen = sets.iter().map(|_| Default::default()).collect();
        let mut found = Found { sets, seen, values: SmallVec::new() };
        for (name, value) in headers {
            found.see(name.as_ref(), value);
        }
        found
    }

    fn see(&mut self, name: &str, value: V) {
        let first = self.values.len();
        let mut is_kept = false;
        for (set, seen) in self.sets.iter().zip(&mut self.seen) {
            let names = [Some(&set.signature), set.id.as_ref(), set.timestamp.as_ref()];
            for (wanted, seen) in names.into_iter().zip(seen) {
                if wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case(name)) {
                    if seen.count == 0 {
                        (seen.first, is_kept) = (first, true);
                    }
                    seen.count += 1;
                }
            }
        }
        if is_kept {
            self.values.push(value);
        }
    }

    /// Those of the first set of which the delivery has the signature.
    pub(super) fn chosen(&self) -> Result<Chosen<'_>, Refused> {
        let here = self.seen.iter().position(|[signature, ..]| signature.count > 0).unwrap_or(0);
        let (Some(set), Some([signature, id, timestamp])) = (self.sets.get(here), self.seen.get(here)) else {
            // A settled source has at least one set.
            return Err(Refused::MissingHeader { header: String::new() });
        };
        Ok(Chosen {
            names: set,
            signature: self.text(&set.signature, *signature)?,
            id: set.id.as_ref().map(|name| self.text(name, *id)).transpose()?,
            timestamp: set.timestamp.as_ref().map(|name| self.text(name, *timestamp)).transpose()?,
        })
    }

    fn text(&self, name: &str, seen: Seen) -> Result<&str, Refused> {
        let value = match seen.count {
            0 => None,
            1 => self.values.get(seen.first),
            _ => return Err(malformed(name, Problem::Repeated)),
        };
        let bytes = value.ok_or_else(|| Refused::MissingHeader { header: name.to_owned() })?.as_ref();
        if bytes.is_empty() {
            return Err(malformed(name, Problem::Empty));
        }
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii());
        text.ok_or_else(|| malformed(name, Problem::NotText))
    }
}

impl<'f> Chosen<'f> {
    /// The header with the signature.
    pub(super) fn signature(&self) -> &'f str {
        self.signature
    }

    /// The id of the delivery, where it has a header.
    pub(super) fn id(&self) -> Option<&'f str> {
        self.id
    }

    /// The time, where it has a header of its own.
    pub(super) fn timestamp(&self) -> Option<&'f str> {
        self.timestamp
    }

    pub(super) fn malformed(&self, problem: Problem) -> Refused {
        malformed(&self.names.signature, problem)
    }

    pub(super) fn malformed_id(&self) -> Refused {
        malformed(self.names.id.as_ref().unwrap_or(&self.names.signature), Problem::Id)
    }

    pub(super) fn malformed_time(&self) -> Refused {
        malformed(self.names.timestamp.as_ref().unwrap_or(&self.names.signature), Problem::Time)
    }

    /// Divides the header with the signature.
    pub(super) fn elements(&self, layout: &Layout, prefix: &str) -> Result<Elements<'f>, Refused> {
        divide(self.signature, layout, prefix).map_err(|problem| match problem {
            Some(problem) => self.malformed(problem),
            None => Refused::TooManySignatures { header: self.names.signature.clone() },
        })
    }
}

fn malformed(header: &str, problem: Problem) -> Refused {
    Refused::Malformed { header: header.to_owned(), problem }
}

/// The elements of a header; no problem is named when there are too many of them.
fn divide<'h>(header: &'h str, layout: &Layout, prefix: &str) -> Result<Elements<'h>, Option<Problem>> {
    let count = |separator: &str| {
        let count = header.split(separator).take(SIGNATURES_MAX + 1).count();
        if count > SIGNATURES_MAX { Err(None) } else { Ok(count) }
    };
    let mut found = Elements::default();
    match layout {
        Layout::Single => found.signatures.extend(header.strip_prefix(prefix)),
        Layout::List { separator } => {
            // Others are of a version that the contract does not speak of.
            count(separator)?;
            found.signatures.extend(header.split(separator).filter_map(|element| element.strip_prefix(prefix)));
        }
        Layout::Keyed { separator, timestamp, signature, exact } => {
            let count = count(separator)?;
            if *exact && count != 2 {
                return Err(Some(Problem::Elements));
            }
            for (place, element) in header.split(separator).enumerate() {
                let (key, value) = element.split_once('=').ok_or(Some(Problem::Elements))?;
                let is_time = timestamp.as_deref() == Some(key);
                let is_signature = !is_time && signature.as_deref().is_none_or(|signature| signature == key);
                let in_place = if place == 0 { is_time } else { is_signature };
                if *exact && !in_place || is_time && found.timestamp.is_some() {
                    return Err(Some(Problem::Elements));
                }
                if is_time {
                    found.timestamp = Some(value);
                } else if is_signature {
                    found.signatures.extend(value.strip_prefix(prefix));
                }
            }
            if timestamp.is_some() && found.timestamp.is_none() {
                return Err(Some(Problem::Elements));
            }
        }
    }
    if found.signatures.is_empty() { Err(Some(Problem::NoSignature)) } else { Ok(found) }
}
