//! A contract in words, for whoever has to know what a provider promises.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::draft::{Guarantee, Role, Unit};
use super::signature::{Function, Scheme};
use super::{Contract, Derivation, Due, Evidence, KindSet, Origin, Says, Subject, SubjectId, Word};
use crate::span::{parse_span, print_span};

impl Contract {
    /// The contract as a support engineer reads it: the lifecycle, and what each event fills.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = self.write_words(&mut text);
        text
    }

    fn write_words(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{} ({}), contract {}", self.title, self.provider, self.version)?;
        for document in &self.documents {
            writeln!(out, "  read from {} in {}", document.url, document.read)?;
        }
        writeln!(out, "\nDelivery\n  {}", self.delivery_words())?;
        if let Some(order) = &self.delivery.order {
            writeln!(out, "  order: {order}")?;
        }
        writeln!(out, "  {}", self.signature_words())?;
        writeln!(out, "  the kind of an event stands {}", self.reading.kind.words())?;
        if let Some(event_id) = &self.reading.event_id {
            writeln!(out, "  the provider's own id of an event stands {}; it never decides alone", event_id.words())?;
        }
        for (place, subject) in self.subjects.iter().enumerate() {
            self.write_subject(out, SubjectId(place as u16), subject)?;
        }
        self.write_derived(out)?;
        if !self.rules.is_empty() {
            writeln!(out, "\nWhat breaks a rule")?;
            for rule in &self.rules {
                writeln!(out, "  {}: {}", rule.name, rule.about)?;
                match &rule.says {
                    Says::Last { last, before } => {
                        writeln!(
                            out,
                            "    when {} is later than {}",
                            self.names(*before, "or"),
                            self.kind_name(*last)
                        )?;
                    }
                    Says::Never { kinds, when } => {
                        let when = when.as_ref().map(|when| format!(" and {when}")).unwrap_or_default();
                        writeln!(out, "    when {} is here{when}", self.names(*kinds, "or"))?;
                    }
                }
            }
        }
        for asset in &self.assets {
            let field = &self.field(asset.field).name;
            writeln!(out, "\n{field} can be fetched for {}.", print_span(asset.expires_after))?;
        }
        Ok(())
    }

    fn write_subject(&self, out: &mut String, id: SubjectId, subject: &Subject) -> fmt::Result {
        let title = subject.name[..1].to_uppercase() + &subject.name[1..];
        writeln!(out, "\n{title}: its id stands {}", subject.id.words())?;
        if subject.closes.is_empty() {
            writeln!(out, "  It has no end: its record grows, and nothing is waited for.")?;
        } else {
            writeln!(
                out,
                "  It is over when {} is here; what is missing then may still come for {}.",
                self.names(subject.closes, "or"),
                print_span(subject.grace)
            )?;
            if let Some(stall) = subject.stall {
                writeln!(out, "  Without an end it stalls when nothing has come for {}.", print_span(stall))?;
            }
        }
        for (_, kind) in self.kinds_of(id) {
            let role = if kind.role == Role::Independent { ", outside the order" } else { "" };
            let due = match &kind.due {
                Due::Always => "always due".to_owned(),
                Due::Never => "never waited for".to_owned(),
                Due::When(condition) => format!("due when {condition}"),
            };
            writeln!(out, "\n  {}  ({due}{role})", kind.name)?;
            writeln!(out, "    {}", kind.about)?;
            if !kind.subsumes.is_empty() {
                writeln!(out, "    stands in for {}", self.names(kind.subsumes, "and"))?;
            }
            match &kind.time {
                Some(time) => writeln!(
                    out,
                    "    its time stands {}{}",
                    time.place.words(),
                    if time.optional { ", if anywhere" } else { "" }
                )?,
                None => writeln!(out, "    it has no time of its own")?,
            }
            let width = kind.facts.iter().map(|fact| self.field(fact.field).name.len()).max().unwrap_or(0);
            for fact in &kind.facts {
                let assumed = if fact.assumed { "  (assumed: no page says so)" } else { "" };
                let unit = match fact.unit {
                    Some(Unit::Ms) => ", from milliseconds to seconds",
                    Some(Unit::Min) => ", from minutes to seconds",
                    Some(Unit::S | Unit::Time) | None => "",
                };
                writeln!(out, "    {:width$} ← {}{unit}{assumed}", self.field(fact.field).name, fact.written)?;
            }
        }
        Ok(())
    }

    fn write_derived(&self, out: &mut String) -> fmt::Result {
        if !self.channel.is_empty() {
            writeln!(out, "\nChannel, by the first that applies")?;
            self.write_derivations(out, &self.channel)?;
        }
        if !self.outcome.is_empty() {
            writeln!(out, "\nOutcome, by the first that applies")?;
            self.write_derivations(out, &self.outcome)?;
        }
        writeln!(out, "\nFields")?;
        let width = self.fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
        for field in &self.fields {
            writeln!(out, "  {:width$}  {}", field.name, field.about)?;
            if !field.progress.is_empty() {
                let steps: Vec<String> = field.progress.iter().map(|step| step.join(" or ")).collect();
                writeln!(out, "  {:width$}  the furthest wins: {}", "", steps.join(", then "))?;
            }
        }
        let mut order: Vec<_> = self.kinds.iter().collect();
        order.sort_by_key(|kind| kind.rank);
        let order: Vec<&str> = order.iter().map(|kind| kind.name.as_str()).collect();
        writeln!(out, "\nWhere values differ, the first of these wins, then the later time:\n  {}", order.join(", "))
    }

    fn write_derivations<T: Word + PartialEq>(&self, out: &mut String, derivations: &[Derivation<T>]) -> fmt::Result {
        for derivation in derivations {
            let word = T::WORDS.iter().find(|(is, _)| *is == derivation.is).map_or("unknown", |(_, word)| *word);
            let evidence = match &derivation.evidence {
                Evidence::Kind { kind, fact: None } => format!("{} is here", self.kind_name(*kind)),
                Evidence::Kind { kind, fact: Some(fact) } => {
                    let fact = &self.kind(*kind).facts[usize::from(*fact)];
                    format!("{} is here with {}", self.kind_name(*kind), self.field(fact.field).name)
                }
                Evidence::Field { field, values: None } => format!("there is any {}", self.field(*field).name),
                Evidence::Field { field, values: Some(values) } => {
                    format!("{} is {}", self.field(*field).name, values.join(" or "))
                }
            };
            writeln!(out, "  {word}: {evidence}")?;
        }
        Ok(())
    }

    fn delivery_words(&self) -> String {
        let guarantee = match self.delivery.guarantee {
            Guarantee::AtMostOnce => "each event comes once or not at all",
            Guarantee::AtLeastOnce => "each event comes once or more often",
            Guarantee::None => "nothing is promised of how often an event comes",
        };
        match self.delivery.retries_for.as_deref().map(parse_span) {
            Some(Ok(span)) => format!("{guarantee}; a refused delivery is tried again for up to {}", print_span(span)),
            _ => format!("{guarantee}; a refused delivery is not tried again"),
        }
    }

    fn signature_words(&self) -> String {
        let Some(signature) = &self.signature else { return "unsigned".to_owned() };
        let headers: Vec<&str> = signature.headers.iter().map(|headers| headers.signature.as_str()).collect();
        let header = if headers.is_empty() { "a header that you choose".to_owned() } else { headers.join(" or ") };
        let Scheme::Computed(computed) = &signature.scheme else {
            return format!("proved by a secret in {header}");
        };
        let function = match computed.function {
            Function::HmacSha1 => "HMAC-SHA1",
            Function::HmacSha256 => "HMAC-SHA256",
            Function::HmacSha512 => "HMAC-SHA512",
            Function::Ed25519 => "Ed25519",
        };
        let signed: String = computed.signed.iter().map(ToString::to_string).collect();
        let within = |span: Option<Duration>| span.map_or_else(|| "any time".to_owned(), print_span);
        let time = match computed.time {
            None => String::new(),
            Some(time) if time.behind == time.ahead => format!("; its time may be off by {}", within(time.behind)),
            Some(time) => {
                let (behind, ahead) = (within(time.behind), within(time.ahead));
                format!("; its time may be behind by {behind}, and ahead by {ahead}")
            }
        };
        let body = if computed.body_unprotected { "; nothing protects the rest of the body" } else { "" };
        format!("signed with {function} over {signed}, in {header}{time}{body}")
    }

    fn names(&self, kinds: KindSet, word: &str) -> String {
        let names: Vec<&str> = kinds.iter().map(|kind| self.kind_name(kind)).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} {word} {last}", rest.join(", ")),
            _ => names.concat(),
        }
    }
}

impl super::Place {
    fn words(&self) -> String {
        let at = match &self.origin {
            Origin::Payload(_) => format!("at {}", self.written),
            Origin::Header(header) => format!("in the header {header}"),
        };
        if self.assumed { format!("{at} (assumed: no page says so)") } else { at }
    }
}
