//! What the headers of a delivery say: which of them count, and the signatures in one.

use finis_engine::contract::signature::{Headers, Layout};

use super::{Problem, Refused};

/// Signatures, or other elements, that a header may have. Senders that rotate keys send a few;
/// Svix keeps up to ten old ones.
pub const SIGNATURES_MAX: usize = 32;

/// The headers of a delivery that one set names.
#[derive(Debug)]
pub(super) struct Chosen<'s> {
    names: &'s Headers,
    signature: String,
    id: Option<String>,
    timestamp: Option<String>,
}

/// What a header with signatures has in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Elements<'h> {
    /// The time, where it stands among them.
    pub(super) timestamp: Option<&'h str>,
    /// Signatures as they are written, without their prefix.
    pub(super) signatures: Vec<&'h str>,
}

/// A value of a header, and how often it was there.
#[derive(Clone, Default)]
struct Value {
    bytes: Vec<u8>,
    count: usize,
}

impl<'s> Chosen<'s> {
    /// Takes the headers of the first set of which the delivery has the signature.
    pub(super) fn new<N: AsRef<str>, V: AsRef<[u8]>>(
        sets: &'s [Headers],
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Chosen<'s>, Refused> {
        let names = |set: &'s Headers| [Some(&set.signature), set.id.as_ref(), set.timestamp.as_ref()];
        let mut found: Vec<[Value; 3]> = vec![<[Value; 3]>::default(); sets.len()];
        for (name, value) in headers {
            for (set, values) in sets.iter().zip(&mut found) {
                for (wanted, kept) in names(set).into_iter().zip(values) {
                    if wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case(name.as_ref())) {
                        kept.count += 1;
                        // A second one is refused, so only the first is worth a copy.
                        if kept.count == 1 {
                            kept.bytes = value.as_ref().to_vec();
                        }
                    }
                }
            }
        }
        let here = found.iter().position(|[signature, ..]| signature.count > 0).unwrap_or(0);
        let (Some(set), Some([signature, id, timestamp])) = (sets.get(here), found.into_iter().nth(here)) else {
            // A settled source has at least one set.
            return Err(Refused::MissingHeader { header: String::new() });
        };
        Ok(Chosen {
            names: set,
            signature: text(&set.signature, signature)?,
            id: set.id.as_ref().map(|name| text(name, id)).transpose()?,
            timestamp: set.timestamp.as_ref().map(|name| text(name, timestamp)).transpose()?,
        })
    }

    /// The header with the signature.
    pub(super) fn signature(&self) -> &str {
        &self.signature
    }

    /// The id of the delivery, where it has a header.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The time, where it has a header of its own.
    pub(super) fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref()
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
    pub(super) fn elements(&self, layout: &Layout, prefix: &str) -> Result<Elements<'_>, Refused> {
        divide(&self.signature, layout, prefix).map_err(|problem| match problem {
            Some(problem) => self.malformed(problem),
            None => Refused::TooManySignatures { header: self.names.signature.clone() },
        })
    }
}

fn text(name: &str, value: Value) -> Result<String, Refused> {
    match value.count {
        0 => return Err(Refused::MissingHeader { header: name.to_owned() }),
        1 => {}
        _ => return Err(malformed(name, Problem::Repeated)),
    }
    if value.bytes.is_empty() {
        return Err(malformed(name, Problem::Empty));
    }
    let text = String::from_utf8(value.bytes).ok().filter(|text| text.is_ascii());
    text.ok_or_else(|| malformed(name, Problem::NotText))
}

fn malformed(header: &str, problem: Problem) -> Refused {
    Refused::Malformed { header: header.to_owned(), problem }
}

/// The elements of a header; no problem is named when there are too many of them.
fn divide<'h>(header: &'h str, layout: &Layout, prefix: &str) -> Result<Elements<'h>, Option<Problem>> {
    let split = |separator: &str| {
        let elements: Vec<&str> = header.split(separator).take(SIGNATURES_MAX + 1).collect();
        if elements.len() > SIGNATURES_MAX { Err(None) } else { Ok(elements) }
    };
    let mut found = Elements::default();
    match layout {
        Layout::Single => found.signatures.extend(header.strip_prefix(prefix)),
        Layout::List { separator } => {
            // Others are of a version that the contract does not speak of.
            found.signatures.extend(split(separator)?.into_iter().filter_map(|element| element.strip_prefix(prefix)));
        }
        Layout::Keyed { separator, timestamp, signature, exact } => {
            let elements = split(separator)?;
            if *exact && elements.len() != 2 {
                return Err(Some(Problem::Elements));
            }
            for (place, element) in elements.into_iter().enumerate() {
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
