//! Lines of an export: payloads as they were posted, or deliveries with the payload in `body`.

use super::{Instant, Model, Taken};
use crate::json::{DEPTH_MAX, Json};

/// The keys of a delivery.
const KEYS: [&str; 4] = ["received_at", "source", "headers", "body"];

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// From 1, blank lines too.
    pub line: usize,
    /// Of its first byte that is no white space.
    pub offset: usize,
    /// What stood there; bytes that are not UTF-8 as U+FFFD.
    pub text: String,
}

/// Takes all lines of an export; `source` is that of lines that name none.
pub fn take(model: &mut Model<'_>, export: &[u8], source: &str) -> Vec<Reject> {
    let mut rejects = Vec::new();
    let mut offset = 0;
    for (place, line) in export.split(|byte| *byte == b'\n').enumerate() {
        let start = offset;
        offset += line.len() + 1;
        let bytes = if place == 0 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
        let Some(first) = bytes.iter().position(|byte| !is_space(byte)) else { continue };
        let last = bytes.iter().rposition(|byte| !is_space(byte)).unwrap_or(first);
        let text = &bytes[first..=last];
        let is_taken = std::str::from_utf8(text).is_ok_and(|text| take_line(model, text, source).is_some());
        if !is_taken {
            let offset = start + (line.len() - bytes.len()) + first;
            rejects.push(Reject { line: place + 1, offset, text: String::from_utf8_lossy(text).into_owned() });
        }
    }
    rejects
}

/// Nothing when the line is refused.
fn take_line(model: &mut Model<'_>, line: &str, default: &str) -> Option<()> {
    // A delivery is one object around the payload.
    let tree = Json::parse_deep(line, DEPTH_MAX + 1).ok()?;
    let Json::Object(members) = &tree else { return None };
    let has_kind = model.contract.identity.kind.path.as_ref().is_some_and(|path| tree.at(path).is_some());
    let is_delivery = members.iter().any(|(key, _)| key == "body")
        && members.iter().all(|(key, _)| KEYS.contains(&key.as_str()))
        && !has_kind;
    if !is_delivery {
        // Its own depth counts, without anything around it.
        Json::parse(line).ok()?;
        return put(model, default, &[], line, None);
    }
    let received_at = match tree.at("/received_at") {
        Some(at) => Some(Instant::parse(at.as_str()?)?),
        None => None,
    };
    let source = match tree.at("/source") {
        Some(name) => name.as_str().filter(|name| !name.is_empty())?,
        None => default,
    };
    let headers: Vec<(String, String)> = match tree.at("/headers") {
        Some(Json::Object(headers)) => {
            let first = |value: &Json| match value {
                Json::Array(values) => values.first().and_then(Json::as_str).map(str::to_owned),
                value => value.as_str().map(str::to_owned),
            };
            headers.iter().filter_map(|(name, value)| Some((name.clone(), first(value)?))).collect()
        }
        Some(_) => return None,
        None => Vec::new(),
    };
    let body = match tree.at("/body")? {
        Json::String(text) => text.clone(),
        value => value.to_string(),
    };
    put(model, source, &headers, &body, received_at)
}

fn put(
    model: &mut Model<'_>,
    source: &str,
    headers: &[(String, String)],
    body: &str,
    received_at: Option<Instant>,
) -> Option<()> {
    let told = super::read(model.contract, headers, body).ok()?;
    match model.put(source, told, received_at, None) {
        Taken::Refused(_) => None,
        Taken::New(_) | Taken::Again(_) => Some(()),
    }
}
