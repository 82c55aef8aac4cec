//! Which provider an export is of, by its look.

use std::fmt;

use crate::engine::{Contract, EventKind, LineReader, Pointer};
use crate::files::Lines;
use crate::providers::Catalogue;

use super::read::is_blank;

/// What the first lines of exports look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// They read under one contract alone.
    One {
        /// Its provider.
        provider: String,
        /// Lines that it reads as events of kinds it knows.
        lines: usize,
        /// Lines that were looked at.
        of: usize,
    },
    /// They read under none.
    None {
        /// Lines that were looked at.
        of: usize,
    },
    /// They read under several.
    Several(Vec<(String, usize)>),
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Look::One { provider, lines, of } => {
                write!(f, "{provider}, by its look: {lines} of the first {of} lines are its events")
            }
            Look::None { of: 0 } => f.write_str("there are no lines to tell it by"),
            Look::None { of } => write!(f, "none of the first {of} lines is an event of a known provider"),
            Look::Several(fits) => {
                let fits: Vec<String> =
                    fits.iter().map(|(provider, lines)| format!("{provider} ({lines} lines)")).collect();
                write!(f, "the first lines fit several providers: {}", fits.join(", "))
            }
        }
    }
}

/// Looks at the first lines of exports; the last of each may be cut off.
#[must_use]
pub fn look<'h>(catalogue: &Catalogue, body_at: Option<&Pointer>, heads: impl IntoIterator<Item = &'h [u8]>) -> Look {
    let mut reader = LineReader::new(body_at.cloned());
    let mut fits: Vec<(&Contract, usize)> = catalogue.iter().map(|contract| (contract, 0)).collect();
    let mut of = 0;
    for head in heads {
        let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
        for (_, line) in Lines::new(head).filter(|(_, line)| !is_blank(line)) {
            of += 1;
            for (contract, lines) in &mut fits {
                let contract: &Contract = contract;
                let arrival = reader.read(line, |_| Ok(((), contract)));
                *lines += usize::from(arrival.is_ok_and(|arrival| matches!(arrival.event.kind, EventKind::Known(_))));
            }
        }
    }
    fits.retain(|(_, lines)| *lines > 0);
    match fits.as_slice() {
        [] => Look::None { of },
        [(contract, lines)] => Look::One { provider: contract.provider().to_owned(), lines: *lines, of },
        several => {
            Look::Several(several.iter().map(|(contract, lines)| (contract.provider().to_owned(), *lines)).collect())
        }
    }
}
