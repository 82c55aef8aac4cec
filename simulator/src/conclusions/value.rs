//! Values that are the same, however they are written.

use crate::json::{DEPTH_MAX, Json};
use crate::model::Instant;

/// Whether two values say the same: numbers by what they are, objects in whatever order, times by their instant.
pub(super) fn is_same(left: &Json, right: &Json) -> bool {
    if left.canonical() == right.canonical() {
        return true;
    }
    let instant = |value: &Json| value.as_str().and_then(Instant::parse);
    instant(left).zip(instant(right)).is_some_and(|(left, right)| left == right)
}

/// A value of a record or of a receiver; nothing when it is none that everyone reads alike.
pub(super) fn parse(text: &str) -> Option<Json> {
    Json::parse_deep(text, DEPTH_MAX + 8).ok()
}
