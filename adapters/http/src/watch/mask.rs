//! Numbers of telephones, kept out of logs.
//!
//! A session id can be one: some platforms take the caller's. So whatever names a session in a line of a log is
//! shown through [`Masked`]. Secrets need no such care, for their types print nothing.

use std::borrow::Cow;
use std::fmt;

/// Digits from which on a run of them may be a number that somebody can be called at.
const DIGITS_MIN: usize = 7;

/// Digits that stay, so that lines about one session can be told from those about another.
const DIGITS_SHOWN: usize = 2;

/// Separators that may stand between two digits of one number: `) - ` is three.
const SEPARATORS_MAX: usize = 3;

/// Shows a text as [`mask`] has it.
///
/// ```
/// use finis_http::watch::Masked;
///
/// assert_eq!(Masked("call-+49 (170) 123-4567").to_string(), "call-+** (***) ***-**67");
/// ```
#[derive(Clone, Copy)]
pub struct Masked<'t>(pub &'t str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(self.0))
    }
}

impl fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*mask(self.0), f)
    }
}

/// A text without numbers of telephones: of each run of seven digits or more, in whatever script and with whatever
/// people write between them, all but the last two are stars. Everything else stays.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut hidden = Vec::new();
    // Where the digits of the run stand that is being read, and how many separators came since the last.
    let (mut run, mut separators) = (Vec::new(), 0);
    let mut end = |run: &mut Vec<usize>| {
        if run.len() >= DIGITS_MIN {
            hidden.extend_from_slice(&run[..run.len() - DIGITS_SHOWN]);
        }
        run.clear();
    };
    for (at, char) in text.char_indices() {
        if char.is_numeric() {
            run.push(at);
            separators = 0;
        } else if is_separator(char) && separators < SEPARATORS_MAX {
            separators += 1;
        } else {
            end(&mut run);
            separators = 0;
        }
    }
    end(&mut run);
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut hidden = hidden.into_iter().peekable();
    let star = |(at, char)| if hidden.next_if_eq(&at).is_some() { '*' } else { char };
    Cow::Owned(text.char_indices().map(star).collect())
}

/// What stands between the digits of one number; `%` as in `%20`.
fn is_separator(char: char) -> bool {
    char.is_whitespace()
        || matches!(char, '-' | '.' | '(' | ')' | '/' | '_' | '+' | '%' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}
