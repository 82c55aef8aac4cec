//! How a delivery proves where it comes from: the checked form of a contract's `[signature]`.
//!
//! This is data only. Who computes and compares is an adapter's matter (`finis-providers`), so that
//! no cryptography has to be known here.

use std::fmt;
use std::time::Duration;

use super::draft::{self, Encoding, Mac, SecretForm, TimeFormat};
use super::faults::{Fault, Faults};
use crate::json::Pointer;
use crate::span::parse_span;

/// How far a signed time may be off, either way, where a contract does not say. What Standard
/// Webhooks' libraries take.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// A `[signature]`, checked. Made by [`Signature::new`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// The headers that prove it, as written; a delivery is held to the first set of which it has
    /// the signature. Empty when the user chooses the header, which only [`Scheme::Equal`] allows.
    pub headers: Vec<Headers>,
    /// What stands before each signature, or before the secret; often empty.
    pub prefix: String,
    /// What is proved, and how.
    pub scheme: Scheme,
}

/// Names of headers that belong together, as written; headers are the same in either case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Has the signature, or the secret itself.
    pub signature: String,
    /// Has the id of the delivery.
    pub id: Option<String>,
    /// Has the time, when that has a header of its own.
    pub timestamp: Option<String>,
}

/// What a header proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// That the sender knows the secret: the header is the secret itself. It says nothing of the body.
    Equal,
    /// That what is signed was signed with the secret.
    Computed(Computed),
}

/// A signature that is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Computed {
    /// What it is computed with.
    pub function: Function,
    /// What it is computed over, in this order.
    pub signed: Vec<Signed>,
    /// How it is written.
    pub encoding: Encoding,
    /// How the secret is written.
    pub secret: SecretForm,
    /// How the header is divided.
    pub layout: Layout,
    /// The time that is signed, if one is.
    pub time: Option<SignedTime>,
    /// The parameter of the URL that may have the SHA-256 of the body, in hex. Where it is there, it
    /// protects the body, and [`Signed::Form`] stands for nothing.
    pub body_digest: Option<String>,
    /// The provider signs something else than the body: whoever has seen one delivery can change it.
    pub body_unprotected: bool,
}

/// What a signature is computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the standards")]
pub enum Function {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    Ed25519,
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Itself.
    Text(String),
    /// The bytes of the body.
    Body,
    /// The time, as it was written.
    Timestamp,
    /// The id of the delivery.
    Id,
    /// The URL that the provider posted to, query included.
    Url,
    /// The fields of a form, decoded: each key with its values after it, without repeats, in the
    /// order of bytes.
    Form,
    /// A string inside the payload, unescaped.
    Path(Pointer),
}

/// How the header of a signature is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// It is one signature.
    Single,
    /// Signatures, with this between them.
    List {
        /// Never empty.
        separator: String,
    },
    /// Elements as `t=…`, with this between them.
    Keyed {
        /// Never empty.
        separator: String,
        /// The key of the time, if it stands there.
        timestamp: Option<String>,
        /// The key of a signature; nothing when it is any but that of the time.
        signature: Option<String>,
        /// The header is the time and one signature, in this order, and nothing else.
        exact: bool,
    },
}

/// A time that is signed, and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedTime {
    /// How it is written.
    pub format: TimeFormat,
    /// How long ago it may be; nothing for any time.
    pub behind: Option<Duration>,
    /// How far ahead it may be; nothing for any time.
    pub ahead: Option<Duration>,
}

impl Signature {
    /// Checks a draft.
    ///
    /// # Errors
    /// With all faults that were found; each key begins with `signature`. There is at least one.
    pub fn new(draft: &draft::Signature) -> Result<Signature, Vec<Fault>> {
        let mut faults = Faults::default();
        let signature = check(draft, &mut faults);
        match signature {
            Some(signature) if faults.is_empty() => Ok(signature),
            _ => Err(faults.into_list()),
        }
    }
}

/// As it is written in a contract.
impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signed::Text(text) => f.write_str(text),
            Signed::Path(path) => write!(f, "{{{path}}}"),
            Signed::Body => f.write_str("{body}"),
            Signed::Timestamp => f.write_str("{timestamp}"),
            Signed::Id => f.write_str("{id}"),
            Signed::Url => f.write_str("{url}"),
            Signed::Form => f.write_str("{form}"),
        }
    }
}

/// The signature that a draft means; nothing, or something that must not be used, after a fault.
pub(super) fn check(draft: &draft::Signature, faults: &mut Faults) -> Option<Signature> {
    let headers = check_headers(draft, faults);
    let prefix = draft.prefix.clone().unwrap_or_default();
    if !prefix.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        faults.add(&["signature", "prefix"], "a header cannot have it: use visible ASCII");
    }
    if draft.mac == Mac::Equal {
        check_equal(draft, faults);
        return Some(Signature { headers, prefix, scheme: Scheme::Equal });
    }
    for (key, missing) in
        [("header", draft.header.is_none()), ("signed", draft.signed.is_none()), ("encoding", draft.encoding.is_none())]
    {
        if missing {
            faults.add(
                &["signature"],
                format!("`{key}` is missing: a computed signature needs `header`, `signed` and `encoding`"),
            );
        }
    }
    let function = match draft.mac {
        Mac::HmacSha1 => Function::HmacSha1,
        Mac::HmacSha256 => Function::HmacSha256,
        Mac::HmacSha512 => Function::HmacSha512,
        Mac::Ed25519 => Function::Ed25519,
        Mac::Equal => return None,
    };
    check_secret(draft, function, faults);
    let layout = check_layout(draft, faults);
    let signed = draft.signed.as_deref().and_then(|signed| check_signed(draft, signed, faults));
    let time = signed.as_ref().and_then(|signed| check_time(draft, signed, faults));
    let scheme = Scheme::Computed(Computed {
        function,
        signed: signed?,
        encoding: draft.encoding?,
        secret: draft.secret,
        layout: layout?,
        time,
        body_digest: draft.body_digest.clone(),
        body_unprotected: draft.body_unprotected,
    });
    Some(Signature { headers, prefix, scheme })
}

fn check_headers(draft: &draft::Signature, faults: &mut Faults) -> Vec<Headers> {
    let none = draft::Fallback::default();
    let fallback = draft.fallback.as_ref().unwrap_or(&none);
    for (key, own, other) in [
        ("header", &draft.header, &fallback.header),
        ("id_header", &draft.id_header, &fallback.id_header),
        ("timestamp_header", &draft.timestamp_header, &fallback.timestamp_header),
    ] {
        for (path, name) in [(&["signature", key][..], own), (&["signature", "fallback", key], other)] {
            if let Some(name) = name.as_ref().filter(|name| !is_header_name(name)) {
                faults.add(path, format!("`{name}` is no name of a header: use letters, digits and `-`"));
            }
        }
        if draft.fallback.is_some() && own.is_some() != other.is_some() {
            let (here, there) =
                if own.is_some() { ("[signature]", "`fallback`") } else { ("`fallback`", "[signature]") };
            faults.add(
                &["signature", "fallback"],
                format!("`{key}` is in {here} and not in {there}: the same headers stand in both"),
            );
        }
    }
    let set = |signature: &Option<String>, id: &Option<String>, timestamp: &Option<String>| {
        let signature = signature.clone()?;
        Some(Headers { signature, id: id.clone(), timestamp: timestamp.clone() })
    };
    let own = set(&draft.header, &draft.id_header, &draft.timestamp_header);
    own.into_iter().chain(set(&fallback.header, &fallback.id_header, &fallback.timestamp_header)).collect()
}

/// Whether a text can be the name of a header (RFC 9110, `token`).
#[must_use]
pub fn is_header_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}

fn check_equal(draft: &draft::Signature, faults: &mut Faults) {
    if draft.signed.is_some() || draft.encoding.is_some() {
        faults
            .add(&["signature", "mac"], "`equal` compares a header with the secret: leave `signed` and `encoding` out");
    }
    for (key, given) in [
        ("id_header", draft.id_header.is_some()),
        ("timestamp_header", draft.timestamp_header.is_some()),
        ("timestamp_key", draft.timestamp_key.is_some()),
        ("signature_key", draft.signature_key.is_some()),
        ("separator", draft.separator.is_some()),
        ("exact", draft.exact),
        ("timestamp_unit", draft.timestamp_unit.is_some()),
        ("tolerance", draft.tolerance.is_some()),
        ("tolerance_ahead", draft.tolerance_ahead.is_some()),
        ("body_digest", draft.body_digest.is_some()),
        ("body_unprotected", draft.body_unprotected),
    ] {
        if given {
            faults.add(
                &["signature", key],
                format!("`equal` compares a header with the secret, and nothing else: leave `{key}` out"),
            );
        }
    }
    if draft.secret != SecretForm::Raw {
        faults.add(&["signature", "secret"], "`equal` compares the secret as it is written: write `secret = \"raw\"`");
    }
}

fn check_secret(draft: &draft::Signature, function: Function, faults: &mut Faults) {
    let ed25519 = function == Function::Ed25519;
    let remedy = match draft.secret {
        SecretForm::Raw | SecretForm::Whsec if ed25519 => {
            "ed25519 is verified with a public key, which is written in `base64`, or in base64 after `whpk_`: `whpk`"
        }
        SecretForm::Whpk if !ed25519 => "`whpk` is a public key, for `ed25519` alone: did you mean `whsec`?",
        SecretForm::Raw | SecretForm::Base64 | SecretForm::Whsec | SecretForm::Whpk => return,
    };
    faults.add(&["signature", "secret"], remedy);
}

fn check_layout(draft: &draft::Signature, faults: &mut Faults) -> Option<Layout> {
    let keyed = draft.timestamp_key.is_some() || draft.signature_key.is_some();
    if draft.separator.as_ref().is_some_and(String::is_empty) {
        faults.add(&["signature", "separator"], "it is empty: write what stands between signatures, or leave it out");
    }
    if draft.exact && (draft.timestamp_key.is_none() || draft.signature_key.as_deref().is_none_or(|key| key == "*")) {
        faults.add(
            &["signature", "exact"],
            "an exact header is a time and a signature by their keys: give `timestamp_key` and `signature_key`",
        );
    }
    if !keyed {
        let single = || Layout::Single;
        return Some(draft.separator.clone().map_or_else(single, |separator| Layout::List { separator }));
    }
    let Some(separator) = draft.separator.clone() else {
        faults.add(&["signature"], "`separator` is missing: say what stands between elements with keys, as `,`");
        return None;
    };
    let Some(signature) = &draft.signature_key else {
        faults.add(
            &["signature", "timestamp_key"],
            "the time has a key and the signature has none: give `signature_key`, or `*` for any",
        );
        return None;
    };
    for (key, value) in [("timestamp_key", draft.timestamp_key.as_ref()), ("signature_key", Some(signature))] {
        let parts = |value: &&String| value.is_empty() || value.contains('=') || value.contains(&separator);
        if let Some(value) = value.filter(parts) {
            faults.add(&["signature", key], format!("`{value}` is no key: it stands before a `=`, between separators"));
        }
    }
    if draft.timestamp_key.as_ref() == Some(signature) {
        faults.add(&["signature", "signature_key"], format!("the time has the key `{signature}` too: give another"));
    }
    Some(Layout::Keyed {
        separator,
        timestamp: draft.timestamp_key.clone(),
        signature: (signature != "*").then(|| signature.clone()),
        exact: draft.exact,
    })
}

fn check_signed(draft: &draft::Signature, signed: &str, faults: &mut Faults) -> Option<Vec<Signed>> {
    let key = ["signature", "signed"];
    let mut parts = Vec::new();
    let mut sound = true;
    let mut rest = signed;
    while let Some((before, opened)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(Signed::Text(before.to_owned()));
        }
        let Some((name, after)) = opened.split_once('}') else {
            faults.add(&key, "a `{` is not closed: write `{body}`, `{timestamp}` or `{id}`");
            return None;
        };
        rest = after;
        let (part, missing) = match name {
            "body" => (Signed::Body, None),
            "timestamp" => {
                let known = draft.timestamp_header.is_some() || draft.timestamp_key.is_some();
                (Signed::Timestamp, (!known).then_some("timestamp_header` or `timestamp_key"))
            }
            "id" => (Signed::Id, draft.id_header.is_none().then_some("id_header")),
            "url" => (Signed::Url, None),
            "form" => (Signed::Form, None),
            path if path.starts_with('/') => match Pointer::parse(path) {
                Ok(path) => (Signed::Path(path), None),
                Err(problem) => {
                    faults.add(&key, problem);
                    sound = false;
                    continue;
                }
            },
            _ => {
                faults.add(
                    &key,
                    format!(
                        "`{{{name}}}` stands for nothing: use {{body}}, {{timestamp}}, {{id}}, {{url}}, {{form}}, or a path into the body such as {{/call/id}}"
                    ),
                );
                sound = false;
                continue;
            }
        };
        if let Some(missing) = missing {
            faults.add(&key, format!("nothing says where `{part}` stands: give `{missing}`"));
        }
        parts.push(part);
    }
    if !rest.is_empty() {
        parts.push(Signed::Text(rest.to_owned()));
    }
    // What could not be read may be just what would be missed.
    if !sound {
        return None;
    }
    if draft.timestamp_header.is_some() && draft.timestamp_key.is_some() {
        faults.add(
            &["signature", "timestamp_key"],
            "the time stands in `timestamp_header` already: leave one of them out",
        );
    }
    if draft.id_header.is_some() && !parts.contains(&Signed::Id) {
        faults.add(
            &["signature", "id_header"],
            "the id is not signed, so it proves nothing: add `{id}` to `signed`, or leave it out",
        );
    }
    check_body(draft, &parts, faults);
    Some(parts)
}

fn check_body(draft: &draft::Signature, signed: &[Signed], faults: &mut Faults) {
    let protected = signed.contains(&Signed::Body) || signed.contains(&Signed::Form);
    if !protected && !draft.body_unprotected {
        faults.add(
            &["signature", "signed"],
            "the body is not in it, so nothing protects it: add `{body}`; if the provider really signs no more, say so with `body_unprotected = true`",
        );
    }
    if protected && draft.body_unprotected {
        faults.add(&["signature", "body_unprotected"], "the body is in `signed`, which protects it: leave this out");
    }
    if draft.body_digest.is_some() && !signed.contains(&Signed::Url) {
        faults.add(
            &["signature", "body_digest"],
            "the digest stands in the URL, which is not signed: add `{url}` to `signed`, or leave this out",
        );
    }
}

fn check_time(draft: &draft::Signature, signed: &[Signed], faults: &mut Faults) -> Option<SignedTime> {
    let mut tolerance = |key: &str, text: Option<&str>, default| match text {
        None => default,
        Some("any") => None,
        Some(text) => {
            let span = parse_span(text).map_err(|problem| faults.add(&["signature", key], problem));
            Some(span.unwrap_or_default())
        }
    };
    let behind = tolerance("tolerance", draft.tolerance.as_deref(), Some(TOLERANCE));
    let ahead = tolerance("tolerance_ahead", draft.tolerance_ahead.as_deref(), behind);
    if signed.contains(&Signed::Timestamp) {
        return Some(SignedTime { format: draft.timestamp_unit.unwrap_or(TimeFormat::UnixS), behind, ahead });
    }
    let given = [
        ("timestamp_header", draft.timestamp_header.is_some()),
        ("timestamp_key", draft.timestamp_key.is_some()),
        ("timestamp_unit", draft.timestamp_unit.is_some()),
        ("tolerance", draft.tolerance.is_some()),
        ("tolerance_ahead", draft.tolerance_ahead.is_some()),
    ];
    if let Some((key, _)) = given.into_iter().find(|(_, given)| *given) {
        faults.add(
            &["signature", key],
            format!(
                "the time is not signed, so it proves nothing: add `{{timestamp}}` to `signed`, or leave `{key}` out"
            ),
        );
    }
    None
}
