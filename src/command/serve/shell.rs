//! A command line for a shell that signs as the provider does, at the time at which it is run: what is signed once
//! is soon too old.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finis::engine::Contract;
use finis::engine::contract::draft::{Encoding, SecretForm, TimeFormat};
use finis::engine::contract::signature::{Computed, Function, Layout, Scheme, Signed};

/// The variables of the line.
const TIME: &str = "$at";
const BODY: &str = "$body";

/// How a provider signs that signs the time.
pub(super) struct Timed<'c> {
    computed: &'c Computed,
    prefix: &'c str,
    header: &'c str,
    id_header: Option<&'c str>,
    time_header: Option<&'c str>,
}

impl<'c> Timed<'c> {
    /// Nothing for a contract of which no time is signed.
    pub(super) fn of(contract: &'c Contract) -> Option<Timed<'c>> {
        let signature = contract.signature()?;
        let Scheme::Computed(computed) = &signature.scheme else { return None };
        computed.time?;
        let headers = signature.headers.first()?;
        Some(Timed {
            computed,
            prefix: &signature.prefix,
            header: &headers.signature,
            id_header: headers.id.as_deref(),
            time_header: headers.timestamp.as_deref(),
        })
    }

    /// The same with the signature in another header.
    pub(super) fn or_in(self, header: Option<&'c str>) -> Timed<'c> {
        Timed { header: header.unwrap_or(self.header), ..self }
    }

    /// How long what is signed once is taken; nothing when for ever.
    pub(super) fn tolerance(&self) -> Option<Duration> {
        self.computed.time.and_then(|time| time.behind)
    }

    /// What goes before `curl`: the time and the body, which are posted and signed.
    pub(super) fn variables(&self, body: &str) -> String {
        let time = match self.computed.time.map(|time| time.format) {
            Some(TimeFormat::Rfc3339) => "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
            Some(TimeFormat::UnixMs) => "$(date +%s)000",
            Some(TimeFormat::UnixS) | None => "$(date +%s)",
        };
        format!("at={time}; body={}; ", quoted(body))
    }

    /// The headers that prove the body, as a shell takes each for one word; nothing where no shell can say what is
    /// signed.
    pub(super) fn headers(&self, secret: &str, id: &str, url: &str) -> Option<Vec<String>> {
        let signature = format!("{}{}", literal(self.prefix), self.signature(secret, id, url)?);
        let value = match &self.computed.layout {
            Layout::Single | Layout::List { .. } => signature,
            Layout::Keyed { separator, timestamp, signature: key, .. } => {
                let key = literal(key.as_deref().unwrap_or("v1"));
                let signature = format!("{key}={signature}");
                let time = timestamp.as_ref().map(|key| format!("{}={TIME}{}", literal(key), literal(separator)));
                format!("{}{signature}", time.unwrap_or_default())
            }
        };
        let header = |name: &str, value: &str| format!("\"{}: {value}\"", literal(name));
        let id = self.id_header.map(|name| header(name, &literal(id)));
        let time = self.time_header.map(|name| header(name, TIME));
        Some(id.into_iter().chain(time).chain([header(self.header, &value)]).collect())
    }

    fn signature(&self, secret: &str, id: &str, url: &str) -> Option<String> {
        let part = |part: &Signed| match part {
            Signed::Text(text) => Some(literal(text)),
            Signed::Body => Some(BODY.to_owned()),
            Signed::Timestamp => Some(TIME.to_owned()),
            Signed::Id => Some(literal(id)),
            Signed::Url => Some(literal(url)),
            Signed::Form | Signed::Path(_) => None,
        };
        let signed: String = self.computed.signed.iter().map(part).collect::<Option<_>>()?;
        let function = match self.computed.function {
            Function::HmacSha1 => "sha1",
            Function::HmacSha256 => "sha256",
            Function::HmacSha512 => "sha512",
            Function::Ed25519 => return None,
        };
        let key = match self.computed.secret {
            SecretForm::Raw => format!("-hmac {}", quoted(secret)),
            // Bytes that are no text.
            _ => format!("-mac HMAC -macopt hexkey:{}", hex(secret)?),
        };
        let written = match self.computed.encoding {
            Encoding::Hex => "-r | cut -d ' ' -f 1",
            Encoding::HexUpper => "-r | cut -d ' ' -f 1 | tr a-f A-F",
            Encoding::Base64 => "-binary | openssl base64 -A",
        };
        Some(format!("$(printf %s \"{signed}\" | openssl dgst -{function} {key} {written})"))
    }
}

/// The bytes of a secret in base64, as `openssl` takes a key.
fn hex(secret: &str) -> Option<String> {
    let bytes = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
    let mut digits = String::new();
    for byte in bytes {
        // Writing into a String does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    Some(digits)
}

/// As a shell takes it for one word.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// As it stands, between the double quotes of a shell.
fn literal(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if matches!(character, '"' | '$' | '`' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use finis::providers::Catalogue;

    use super::*;

    /// The headers of Saaya, if it signed this.
    #[track_caller]
    fn check(signed: &str, told: Option<&str>) {
        let mut draft = Catalogue::shipped().get("saaya").unwrap().draft().clone();
        draft.signature.as_mut().unwrap().signed = Some(signed.to_owned());
        let contract = Contract::new(draft).unwrap();
        let headers = Timed::of(&contract).unwrap().headers("s'3", "msg_1", "http://x/$1");
        assert_eq!(headers.as_deref(), told.map(|told| vec![told.to_owned()]).as_deref());
    }

    #[test]
    fn what_a_shell_can_say_is_signed_when_it_is_run() {
        let line = "\"Saaya-Signature: t=$at,v1=$(printf %s \"a\\$$at.$body\" | openssl dgst -sha256 -hmac 's'\\''3' -r | cut -d ' ' -f 1)\"";
        check("a${timestamp}.{body}", Some(line));
    }

    #[test]
    fn what_none_can_say_is_not() {
        check("{timestamp}.{/call/id}.{body}", None);
    }
}
