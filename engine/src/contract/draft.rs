//! A contract as it is written, before anything is checked but its shape.
//!
//! These types are the language: `docs/contracts.md` explains it, and any serde format can carry
//! it (ours are TOML). [`Contract::new`](super::Contract::new) turns a draft into a contract.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// The version of the language that this finis reads.
pub const LANGUAGE: u32 = 1;

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// Version of the language: [`LANGUAGE`].
    pub language: u32,
    /// Short name, as in `--provider pathors`.
    pub provider: String,
    /// Version of this contract; it goes into certificates.
    pub version: String,
    /// The name people know.
    pub title: String,
    /// What the contract was read from.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// Kinds by authority, strongest first. Kinds left out come after, in the order of their table.
    #[serde(default)]
    pub authority: Vec<String>,
    /// What is promised of deliveries.
    pub delivery: Delivery,
    /// How a delivery proves where it comes from.
    pub signature: Option<Signature>,
    /// Where the payload says what it is.
    pub identity: Identity,
    /// What events are about; the first is the default.
    #[serde(rename = "subject")]
    pub subjects: Vec<Subject>,
    /// The kinds of event, in the order in which they are expected.
    #[serde(rename = "event")]
    pub events: Vec<Event>,
    /// The fields of a record, in the order in which they are printed.
    #[serde(rename = "field")]
    pub fields: Vec<Field>,
    /// What says that a session is a call or a text; the first rule that applies decides.
    #[serde(default)]
    pub channel: Vec<Derivation>,
    /// What says how it went; the first rule that applies decides.
    #[serde(default)]
    pub outcome: Vec<Derivation>,
    /// What must never be so.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// URLs that expire.
    #[serde(default, rename = "asset")]
    pub assets: Vec<Asset>,
}

/// A page that the contract was read from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Where it stands.
    pub url: String,
    /// The day or month it was read, as `2026-05`.
    pub read: String,
}

/// What the provider promises of deliveries.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// How often an event may come.
    pub guarantee: Guarantee,
    /// For how long a refused delivery is tried again; nothing when it never is.
    pub retries_for: Option<String>,
    /// What is promised of order, in words.
    pub order: Option<String>,
}

/// How often an event may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// Once or not at all.
    AtMostOnce,
    /// Once or more often.
    AtLeastOnce,
    /// Nothing is promised.
    None,
}

/// How a delivery proves where it comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// What is computed, or `equal` for a static header.
    pub mac: Mac,
    /// The header that carries it; none when the user chooses one.
    pub header: Option<String>,
    /// What is signed: `{body}`, `{timestamp}`, `{id}`, `{url}`, `{form}` and paths into the payload, as
    /// `{/call/id}`, stand for their values.
    pub signed: Option<String>,
    /// How the signature is written.
    pub encoding: Option<Encoding>,
    /// How the secret is written: as it is, in base64, or in base64 after `whsec_` or `whpk_`.
    pub secret: SecretForm,
    /// The header of the delivery's id.
    pub id_header: Option<String>,
    /// The header of the time, when it has one of its own.
    pub timestamp_header: Option<String>,
    /// The key of the time inside the signature's header, as `t` in `t=…,v1=…`.
    pub timestamp_key: Option<String>,
    /// The key of the signature inside its header; `*` when it is not documented.
    pub signature_key: Option<String>,
    /// What stands before each signature, as `v1,`.
    pub prefix: Option<String>,
    /// What stands between several signatures.
    pub separator: Option<String>,
    /// The header is the time and one signature, in this order, and nothing else.
    #[serde(default)]
    pub exact: bool,
    /// The unit of the time; `unix-s` unless told.
    pub timestamp_unit: Option<TimeFormat>,
    /// How far the time may be off, either way, or `any`; 5 minutes unless told.
    pub tolerance: Option<String>,
    /// How far the time may be ahead, or `any`, when it is not as far as it may be behind.
    pub tolerance_ahead: Option<String>,
    /// Headers to look for when the first are not there.
    pub fallback: Option<Fallback>,
    /// The parameter of the URL that may have the SHA-256 of the body, in hex.
    pub body_digest: Option<String>,
    /// The provider signs something else than the body.
    #[serde(default)]
    pub body_unprotected: bool,
}

/// Other names for the headers of a signature.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// For `header`.
    pub header: Option<String>,
    /// For `id_header`.
    pub id_header: Option<String>,
    /// For `timestamp_header`.
    pub timestamp_header: Option<String>,
}

/// What a signature is computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are those of the standards")]
pub enum Mac {
    HmacSha256,
    HmacSha512,
    HmacSha1,
    Ed25519,
    /// The header is the secret itself.
    Equal,
}

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Two lower-case digits a byte.
    Hex,
    /// Two upper-case digits a byte.
    HexUpper,
    /// The standard alphabet, padded.
    Base64,
}

/// How a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretForm {
    /// As it is.
    Raw,
    /// In base64.
    Base64,
    /// In base64, after `whsec_`.
    Whsec,
    /// A public key in base64, after `whpk_`.
    Whpk,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeFormat {
    /// `2026-05-03T08:42:11.512Z`
    Rfc3339,
    /// Seconds since 1970, as a number or in a string.
    UnixS,
    /// Milliseconds since 1970, as a number or in a string.
    UnixMs,
}

/// Where the payload says what it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Which kind of event.
    pub kind: Locator,
    /// When it was emitted; kinds may say otherwise, and a contract may have none.
    pub time: Option<Locator>,
    /// How times are written; RFC 3339 unless told.
    pub time_format: Option<TimeFormat>,
    /// The provider's own id of the event. It never decides alone.
    pub event_id: Option<Locator>,
    /// Paths that change from attempt to attempt, and are no part of the identity.
    #[serde(default)]
    pub volatile: Vec<String>,
}

/// Something that events are about: a session, a campaign, an upload.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its name; records of any but `session` carry it.
    pub name: String,
    /// Where its id stands.
    pub id: Locator,
    /// The kinds that end it: any of them does.
    #[serde(default)]
    pub closes: Vec<String>,
    /// How long to wait for what is missing after the end.
    pub grace: Option<String>,
    /// How long to wait for an end when nothing comes any more.
    pub stall: Option<String>,
}

/// A kind of event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Its name on the wire, byte for byte.
    pub kind: String,
    /// What it is about; the first subject unless told.
    pub subject: Option<String>,
    /// What part it plays.
    pub role: Role,
    /// `always`, `never`, or a condition as `channel = "call"`.
    pub due: String,
    /// What it means, in a sentence.
    pub about: String,
    /// Where its time stands, when not where the others have it.
    pub time: Option<Locator>,
    /// Kinds whose facts it carries too.
    #[serde(default)]
    pub subsumes: Vec<String>,
    /// The fields it fills, and from where.
    #[serde(default)]
    pub facts: BTreeMap<String, Locator>,
}

/// What part a kind plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A step of the lifecycle.
    Lifecycle,
    /// Outside the lifecycle: it neither gates nor closes.
    Independent,
}

/// Where a value stands, and how it is to be taken: `"/path"`, or a table with more to say.
#[derive(Clone, Debug, Default)]
pub struct Locator {
    /// A JSON Pointer into the payload.
    pub path: Option<String>,
    /// A header of the delivery, instead of a path.
    pub header: Option<String>,
    /// The unit it comes in.
    pub unit: Option<Unit>,
    /// No page says that it stands here.
    pub assumed: bool,
    /// A time that may be absent.
    pub optional: bool,
}

/// The unit of a fact, and with it what it is turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A time: printed in UTC.
    Time,
    /// Seconds: as they are.
    S,
    /// Milliseconds: printed in seconds.
    Ms,
    /// Minutes: printed in seconds.
    Min,
}

/// A field of the record.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name in the record.
    pub name: String,
    /// What it is, with its unit.
    pub about: String,
    /// Whether values that differ are a conflict; they are unless told.
    pub conflict: Option<bool>,
    /// Values from the first step to the last; a step is a value or a list of them.
    #[serde(default)]
    pub progress: Vec<Step>,
}

/// A step of a progress: one word or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// One value.
    One(String),
    /// Several values of the same standing.
    Several(Vec<String>),
}

/// One rule of `channel` or `outcome`: by a kind that is here, or by a field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derivation {
    /// Applies when an event of this kind is here…
    pub kind: Option<String>,
    /// …and the one that wins has this fact.
    pub has: Option<String>,
    /// Applies when this field is here…
    pub field: Option<String>,
    /// …and its value is one of these texts; with any value when left out.
    #[serde(rename = "in")]
    pub values: Option<Vec<String>>,
    /// What it then is.
    pub is: String,
}

/// What must never be so: that `last` is followed by `before`, or that `never` is here `when`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in `violations`.
    pub name: String,
    /// What it says, in a sentence.
    pub about: String,
    /// A kind that is last of its session by the provider's time…
    pub last: Option<String>,
    /// …among these.
    #[serde(default)]
    pub before: Vec<String>,
    /// Kinds that must not be here…
    #[serde(default)]
    pub never: Vec<String>,
    /// …when this holds.
    pub when: Option<String>,
}

/// A URL that expires.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// The field that has it.
    pub field: String,
    /// How long it can be fetched.
    pub expires_after: String,
}

impl<'de> Deserialize<'de> for Locator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Detailed {
            path: Option<String>,
            header: Option<String>,
            unit: Option<Unit>,
            #[serde(default)]
            assumed: bool,
            #[serde(default)]
            optional: bool,
        }
        struct LocatorVisitor;
        impl<'de> Visitor<'de> for LocatorVisitor {
            type Value = Locator;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path such as \"/sessionId\", or a table such as { path = \"/data/id\", assumed = true }")
            }

            fn visit_str<E>(self, path: &str) -> Result<Locator, E> {
                Ok(Locator { path: Some(path.to_owned()), ..Locator::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Locator, A::Error> {
                let Detailed { path, header, unit, assumed, optional } =
                    Detailed::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Locator { path, header, unit, assumed, optional })
            }
        }
        deserializer.deserialize_any(LocatorVisitor)
    }
}
