//! What is a recording: by the type that the answer says, and by its first bytes.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

/// Bytes at the beginning that tell what something is.
pub(super) const FIRST_BYTES: usize = 64;

/// Bytes of a type that are remembered.
const TYPE_BYTES_MAX: usize = 100;

/// Types that a recording may have, and the extension of its file: nothing else ever stands there. What a type is
/// usually called comes before its other names.
const TYPES: &[(&str, &str)] = &[
    ("audio/aac", "aac"),
    ("audio/amr", "amr"),
    ("audio/basic", "au"),
    ("audio/flac", "flac"),
    ("audio/x-flac", "flac"),
    ("audio/mp4", "m4a"),
    ("audio/m4a", "m4a"),
    ("audio/x-m4a", "m4a"),
    ("audio/mpeg", "mp3"),
    ("audio/mp3", "mp3"),
    ("audio/ogg", "ogg"),
    ("application/ogg", "ogg"),
    ("audio/opus", "opus"),
    ("audio/pcm", "pcm"),
    ("audio/l16", "pcm"),
    ("audio/wav", "wav"),
    ("audio/wave", "wav"),
    ("audio/vnd.wave", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/webm", "webm"),
    ("video/webm", "webm"),
    ("video/mp4", "mp4"),
    ("video/ogg", "ogv"),
    ("video/quicktime", "mov"),
];

/// What stores say that know no type.
const ANY: &[&str] = &["", "application/octet-stream", "binary/octet-stream", "application/x-binary"];

/// The extension of what has a type that says nothing, and first bytes that say nothing either.
const UNKNOWN: &str = "bin";

/// How an answer says what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The type, in lower case and without parameters; empty when the answer says none.
    pub content_type: String,
}

impl Kind {
    /// What the headers of an answer say, when that may be a recording.
    ///
    /// # Errors
    /// When it is none: why.
    pub fn of(headers: &HeaderMap) -> Result<Kind, String> {
        let text = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?")).unwrap_or_default();
        let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let content_type: String = kind.chars().filter(char::is_ascii_graphic).take(TYPE_BYTES_MAX).collect();
        let encoding = headers.get(CONTENT_ENCODING).filter(|value| *value != "identity");
        if encoding.is_some() {
            return Err("what came is packed (`Content-Encoding`), and nothing is unpacked here".to_owned());
        }
        let is_known = ANY.contains(&&*content_type) || TYPES.iter().any(|(known, _)| *known == content_type);
        if is_known {
            Ok(Kind { content_type })
        } else {
            Err(format!("what came is `{content_type}`, not a recording"))
        }
    }

    /// The extension of the file, with what its first bytes say.
    ///
    /// # Errors
    /// When they are those of something else, whatever the type says.
    pub fn extension(&self, first: &[u8]) -> Result<&'static str, String> {
        if first.is_empty() {
            return Err("what came is empty".to_owned());
        }
        if let Some(other) = other(first) {
            return Err(format!("what came says it is a recording, and is {other}"));
        }
        let typed = TYPES.iter().find(|(known, _)| *known == self.content_type).map(|(_, extension)| *extension);
        Ok(typed.or_else(|| magic(first)).unwrap_or(UNKNOWN))
    }
}

/// Whether a file of ours may end so.
pub(super) fn is_extension(text: &str) -> bool {
    text == UNKNOWN || TYPES.iter().any(|(_, extension)| *extension == text)
}

/// The type of a file by its extension, as it is usually called.
pub(super) fn type_of(extension: &str) -> &'static str {
    TYPES.iter().find(|(_, known)| *known == extension).map_or("", |(name, _)| name)
}

/// What text it is, if it is one.
fn other(first: &[u8]) -> Option<&'static str> {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start().to_ascii_lowercase();
    let begins = |starts: &[&[u8]]| starts.iter().any(|start| text.starts_with(start));
    if begins(&[b"<!doctype", b"<html", b"<head", b"<body"]) {
        Some("a page of HTML")
    } else if begins(&[b"<?xml", b"<error"]) {
        Some("XML")
    } else if begins(&[b"{\"", b"[{\"", b"{ \"", b"{\n", b"{\r\n"]) {
        Some("JSON")
    } else {
        None
    }
}

fn magic(first: &[u8]) -> Option<&'static str> {
    let at = |place: usize, bytes: &[u8]| first.get(place..).is_some_and(|rest| rest.starts_with(bytes));
    match first {
        _ if at(0, b"RIFF") && at(8, b"WAVE") => Some("wav"),
        _ if at(0, b"OggS") => Some("ogg"),
        _ if at(0, b"fLaC") => Some("flac"),
        _ if at(0, b".snd") => Some("au"),
        _ if at(0, b"#!AMR") => Some("amr"),
        _ if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) => Some("webm"),
        _ if at(4, b"ftypM4A") => Some("m4a"),
        _ if at(4, b"ftypqt") => Some("mov"),
        _ if at(4, b"ftyp") => Some("mp4"),
        _ if at(0, b"ID3") => Some("mp3"),
        // Frames of MPEG audio, layer 3.
        [0xff, second, ..] if second & 0xe6 == 0xe2 => Some("mp3"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(content_type: &str, first: &[u8], expected: Result<&str, &str>) {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        let told = Kind::of(&headers).and_then(|kind| kind.extension(first));
        assert_eq!(told, expected.map_err(str::to_owned), "{content_type}");
    }

    #[test]
    fn the_type_says_how_a_file_ends() {
        check("audio/ogg", b"OggS", Ok("ogg"));
        check("Audio/MPEG; charset=binary", b"\xff\xfb", Ok("mp3"));
        check("audio/wav", b"RIFF", Ok("wav"));
        check("video/mp4", b"\0\0\0\x20ftypisom", Ok("mp4"));
    }

    #[test]
    fn without_a_type_the_first_bytes_do() {
        check("", b"RIFF\x24\0\0\0WAVEfmt ", Ok("wav"));
        check("application/octet-stream", b"ID3\x04", Ok("mp3"));
        check("binary/octet-stream", b"\0\0\0\x20ftypM4A ", Ok("m4a"));
        check("", b"\x7f\x7f\x7f", Ok("bin"));
    }

    #[test]
    fn a_page_is_no_recording_whatever_it_says() {
        check("text/html", b"<html>", Err("what came is `text/html`, not a recording"));
        check("application/json", b"{}", Err("what came is `application/json`, not a recording"));
        check("audio/x-evil/../../sh", b"OggS", Err("what came is `audio/x-evil/../../sh`, not a recording"));
        check("audio/ogg", b"\n<!DOCTYPE html>", Err("what came says it is a recording, and is a page of HTML"));
        check("audio/mpeg", b"{\"error\":1}", Err("what came says it is a recording, and is JSON"));
        check("", b"<Error><Code>AccessDenied", Err("what came says it is a recording, and is XML"));
        check("audio/ogg", b"", Err("what came is empty"));
    }

    #[test]
    fn nothing_is_unpacked() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("audio/ogg"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(Kind::of(&headers).unwrap_err().contains("packed"));
    }

    #[test]
    fn every_extension_is_safe_in_a_name() {
        for (_, extension) in TYPES {
            assert!(extension.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{extension}");
            assert!(is_extension(extension) && !type_of(extension).is_empty());
        }
    }
}
