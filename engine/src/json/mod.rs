//! JSON as finis needs it: strict, without copies, and with one canonical form for equal values.
//!
//! [`Tape::scan`] reads a text once and leaves a flat list of its values, each a slice of the text.
//! [`Canon`] writes a value of the tape in canonical form (RFC 8785, except that integers keep all
//! their digits) and notes on the way where the paths of a contract were found.

mod canonical;
mod number;
mod paths;
mod scan;
mod text;

pub(crate) use canonical::{Canon, Found, compare_keys};
pub(crate) use number::{scan as scan_number, write_double, write_scaled};
pub use paths::Pointer;
pub(crate) use paths::{Paths, Slot, prefix};
pub use scan::JsonError;
pub(crate) use scan::{Shape, Tape};
pub(crate) use text::{is_plain, next_special, scan_escaped, unescape, write_string};

/// Objects and arrays inside each other that a payload may have, itself the first.
pub const DEPTH_MAX: usize = 127;

/// The canonical form of a JSON text: equal texts mean equal values.
///
/// RFC 8785, except that an integer literal (no fraction, no exponent) keeps all its digits.
///
/// ```
/// let canonical = |text| finis_engine::canonical(text).unwrap();
/// assert_eq!(canonical(r#"{"b": 7.80e1, "a": "\u00e9\/"}"#), r#"{"a":"é/","b":78}"#);
/// assert_ne!(canonical("9007199254740993"), canonical("9007199254740992"));
/// ```
///
/// # Errors
/// When the text is not one JSON value, or one that no two readers need agree on: a duplicate key,
/// a lone surrogate, a number beyond a finite double, nesting deeper than [`DEPTH_MAX`].
pub fn canonical(text: &str) -> Result<String, JsonError> {
    let mut tape = Tape::default();
    tape.scan(text, DEPTH_MAX)?;
    let mut canon = Canon::default();
    canon.write(text, &tape, 0, &Paths::default())?;
    // It is made of whole strings of a str and of ASCII, so nothing in it is replaced.
    Ok(String::from_utf8_lossy(canon.bytes()).into_owned())
}

/// The string at a path of a JSON text, unescaped; nothing when there is none, or something else.
///
/// ```
/// let path = finis_engine::Pointer::parse("/call/id").unwrap();
/// let text = finis_engine::text_at(r#"{"call":{"id":"c\u002d1"}}"#, &path).unwrap();
/// assert_eq!(text.as_deref(), Some("c-1"));
/// ```
///
/// # Errors
/// As of [`canonical`].
pub fn text_at(json: &str, path: &Pointer) -> Result<Option<String>, JsonError> {
    let mut tape = Tape::default();
    tape.scan(json, DEPTH_MAX)?;
    let mut paths = Paths::default();
    let slot = paths.slot(path);
    let mut canon = Canon::default();
    canon.write(json, &tape, 0, &paths)?;
    let Some(found) = canon.found(slot) else { return Ok(None) };
    let node = tape.node(found.node as usize);
    let mut text = Vec::new();
    match node.shape {
        Shape::Plain | Shape::Escaped => unescape(&json[node.start as usize + 1..node.end as usize - 1], &mut text),
        Shape::Object | Shape::Array | Shape::Integer | Shape::Double | Shape::Literal => return Ok(None),
    }
    // Made by unescaping a str, so nothing in it is replaced.
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}
