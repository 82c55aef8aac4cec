//! A record as the design prints it.

use finis_engine::FOLD_VERSION;
use finis_engine::contract::Draft;

use super::time::Instant;
use super::verdict::{Verdict, judge};
use super::{Kept, Key, Terms};
use crate::json::{DEPTH_MAX, Json, write_between, write_string};

/// What is printed of a session.
pub(super) struct Page<'e> {
    pub(super) contract: &'e Draft,
    pub(super) terms: &'e Terms,
    pub(super) key: &'e Key,
    /// Sorted by time, kind and digest.
    pub(super) events: Vec<&'e Kept>,
    pub(super) verdict: Verdict<'e>,
}

impl<'e> Page<'e> {
    pub(super) fn new(
        contract: &'e Draft,
        terms: &'e Terms,
        key: &'e Key,
        events: &'e [Kept],
        now: Instant,
    ) -> Page<'e> {
        let verdict = judge(contract, terms, &key.subject, events, now);
        let mut events: Vec<&Kept> = events.iter().collect();
        events.sort_by(|left, right| {
            let (left, right) = (&left.told, &right.told);
            (left.at, &left.kind, left.digest).cmp(&(right.at, &right.kind, right.digest))
        });
        Page { contract, terms, key, events, verdict }
    }

    /// The record as one line, without digests and certificate.
    pub(super) fn plain(&self) -> String {
        self.line(usize::MAX, false, None)
    }

    /// The record without its events: what changes of a record are looked for in.
    pub(super) fn outline(&self) -> String {
        self.line(0, false, None)
    }

    /// The record with digests and certificate, and its first events alone when there are more.
    pub(super) fn certified(&self, events_max: usize) -> String {
        let whole = self.line(usize::MAX, true, None);
        let certificate = certificate(self.contract, self.terms, &whole);
        self.line(events_max, true, Some(&certificate))
    }

    fn line(&self, events_max: usize, digests: bool, certificate: Option<&str>) -> String {
        let mut out = String::from("{\"source\":");
        let Verdict { status, by, missing, inferred, violations, facts, .. } = &self.verdict;
        write_string(&self.key.source, &mut out);
        if self.key.subject != "session" {
            write_member(&mut out, "subject", &self.key.subject);
        }
        write_member(&mut out, "session", &self.key.id);
        write_member(&mut out, "channel", facts.channel);
        write_member(&mut out, "status", status);
        if let Some(by) = by {
            write_member(&mut out, "by", by);
        }
        for (name, kinds) in [("missing", missing), ("inferred", inferred), ("violations", violations)] {
            write_between(&mut out, &format!(",\"{name}\":["), kinds, "]", |out, kind| write_string(kind, out));
        }
        self.write_conflicts(&mut out);
        self.write_fields(&mut out);
        let events = self.events.iter().take(events_max);
        write_between(&mut out, ",\"events\":[", events, "]", |out, kept| {
            out.push_str("{\"kind\":");
            write_string(&kept.told.kind, out);
            write_at(out, kept.told.at);
            if digests {
                write_member(out, "digest", &hex(&kept.told.digest));
            }
            out.push('}');
        });
        if let Some(certificate) = certificate {
            write_member(&mut out, "certificate", certificate);
        }
        out.push('}');
        out
    }

    fn write_conflicts(&self, out: &mut String) {
        let registers = &self.verdict.facts.registers;
        // By name, as the registers stand; those of which one value alone is in question have none.
        let disputed = registers.iter().filter(|(name, register)| {
            let field = self.contract.fields.iter().find(|field| field.name == **name);
            field.is_some_and(|field| field.conflict != Some(false)) && register.rivals().0.len() > 1
        });
        write_between(out, ",\"conflicts\":[", disputed, "]", |out, (name, register)| {
            let (rivals, more) = register.rivals();
            out.push_str("{\"field\":");
            write_string(name, out);
            out.push_str(",\"winner\":");
            out.push_str(rivals[0].value);
            write_between(out, ",\"values\":[", rivals, "]", |out, claim| {
                out.push_str("{\"value\":");
                out.push_str(claim.value);
                write_member(out, "kind", &claim.by.told.kind);
                write_at(out, claim.by.told.at);
                out.push('}');
            });
            out.push_str(if more { ",\"more\":true}" } else { "}" });
        });
    }

    fn write_fields(&self, out: &mut String) {
        let facts = &self.verdict.facts;
        let fields = self.contract.fields.iter().filter_map(|field| {
            let derived = || facts.outcome.filter(|_| field.name == "outcome").map(|word| format!("\"{word}\""));
            let winner = facts.registers.get(field.name.as_str()).and_then(|register| register.winner());
            Some((&field.name, winner.map(|claim| claim.value.to_owned()).or_else(derived)?))
        });
        write_between(out, ",\"fields\":{", fields, "}", |out, (name, value)| {
            write_string(name, out);
            out.push(':');
            out.push_str(&value);
        });
    }
}

fn write_member(out: &mut String, name: &str, text: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    write_string(text, out);
}

fn write_at(out: &mut String, at: Option<Instant>) {
    match at {
        Some(at) => write_member(out, "at", &at.to_string()),
        None => out.push_str(",\"at\":null"),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// BLAKE3 over the terms, the sorted digests, and the record without what time or place decides.
fn certificate(contract: &Draft, terms: &Terms, record: &str) -> String {
    // One that was just printed; a value of a payload stands three containers deep in a conflict.
    let mut tree = Json::parse_deep(record, DEPTH_MAX + 8).unwrap_or(Json::Null);
    let mut digests = Vec::new();
    if let Some(Json::Array(events)) = tree.at("/events") {
        digests.extend(events.iter().filter_map(|event| event.at("/digest")?.as_str().map(str::to_owned)));
    }
    digests.sort();
    for part in ["/source", "/status", "/by", "/certificate"] {
        tree.remove(part);
    }
    let text = |text: &str| Json::String(text.to_owned());
    let subscribed = contract.events.iter().filter(|event| terms.has(&event.kind));
    let head = Json::Object(vec![
        ("contract".into(), text(&contract.provider)),
        ("fold".into(), Json::Number(FOLD_VERSION.to_string())),
        ("subscription".into(), Json::Array(subscribed.map(|event| text(&event.kind)).collect())),
        ("version".into(), text(&contract.version)),
    ]);
    let mut lines = vec!["finis certificate 1".to_owned(), head.canonical()];
    lines.extend(digests);
    lines.push(tree.canonical());
    blake3::hash(lines.join("\n").as_bytes()).to_hex().to_string()
}
