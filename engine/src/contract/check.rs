//! From a draft to a contract: every name, path and condition looked at, every fault reported.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::{Draft, LANGUAGE, Locator, Role, Step, TimeFormat};
use super::faults::{Fault, Faults, list, nearest};
use super::{
    Asset, Condition, Contract, Derivation, Due, Evidence, FACTS_MAX, Fact, Field, FieldId, KINDS_MAX, Kind, KindId,
    KindSet, OUTCOME, Origin, Place, Reading, Rule, Says, Subject, SubjectId, Time, Word, signature,
};
use crate::TOO_MANY_EVENTS;
use crate::json::{Paths, Pointer, write_string};

impl Contract {
    /// Checks a draft.
    ///
    /// # Errors
    /// With all faults that were found, in the order of the draft. There is at least one.
    pub fn new(draft: Draft) -> Result<Contract, Vec<Fault>> {
        let mut check = Check { faults: Faults::default(), paths: Paths::default(), read: Vec::new() };
        check.head(&draft);
        let fields = check.fields(&draft);
        let mut contract = check.skeleton(draft, fields);
        check.lookups(&mut contract);
        let faults = check.faults.into_list();
        if faults.is_empty() { Ok(contract.0) } else { Err(faults) }
    }
}

/// A contract whose names are known, and the draft that still has what refers to them.
struct Skeleton(Contract, Draft);

struct Check {
    faults: Faults,
    paths: Paths,
    /// Paths that something is read from, with what reads them.
    read: Vec<Pointer>,
}

impl Check {
    fn head(&mut self, draft: &Draft) {
        if draft.language != LANGUAGE {
            let found = draft.language;
            self.faults.add(&["language"], format!("this finis reads language {LANGUAGE}, not {found}: use a finis that does, or write `language = {LANGUAGE}`"));
        }
        self.faults.name(&["provider"], &draft.provider);
        let heads = [
            ("version", &draft.version, "certificates name it; write one, as `2026-01`"),
            ("title", &draft.title, "give the name that people know"),
        ];
        for (key, text, remedy) in heads {
            if text.trim().is_empty() || text.contains(char::is_control) {
                self.faults.add(&[key], format!("it is empty: {remedy}"));
            }
        }
        if let Some(span) = &draft.delivery.retries_for {
            self.faults.span(&["delivery", "retries_for"], span);
        }
        if draft.subjects.is_empty() {
            self.faults.add(&["subject"], "a contract needs at least one [[subject]]: what its events are about");
        }
        if draft.events.is_empty() || draft.events.len() > KINDS_MAX {
            self.faults.add(
                &["event"],
                format!("a contract has from 1 to {KINDS_MAX} kinds, this one {}", draft.events.len()),
            );
        }
    }

    fn fields(&mut self, draft: &Draft) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        for (place, field) in draft.fields.iter().enumerate() {
            let place = place.to_string();
            self.faults.name(&["field", &place, "name"], &field.name);
            if fields.iter().any(|known| known.name == field.name) {
                self.faults.add(&["field", &place, "name"], format!("`{}` is declared twice: remove one", field.name));
            }
            let mut progress: Vec<Vec<String>> = Vec::new();
            for step in &field.progress {
                let values = match step {
                    Step::One(value) => std::slice::from_ref(value),
                    Step::Several(values) => values,
                };
                let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                if values.is_empty() {
                    self.faults.add(&["field", &place, "progress"], "a step has at least one value: remove it");
                }
                if let Some(twice) = values.iter().find(|value| progress.iter().flatten().any(|known| known == *value))
                {
                    self.faults.add(
                        &["field", &place, "progress"],
                        format!("{twice} stands in it twice: remove one, for a value has one step"),
                    );
                }
                progress.push(values);
            }
            fields.push(Field {
                name: field.name.clone(),
                about: field.about.clone(),
                conflict: field.conflict.unwrap_or(true),
                progress,
            });
        }
        fields
    }

    fn skeleton(&mut self, draft: Draft, fields: Vec<Field>) -> Skeleton {
        let mut subjects: Vec<Subject> = Vec::new();
        for (place, subject) in draft.subjects.iter().enumerate() {
            let place = place.to_string();
            self.faults.name(&["subject", &place, "name"], &subject.name);
            if subjects.iter().any(|known| known.name == subject.name) {
                self.faults
                    .add(&["subject", &place, "name"], format!("`{}` is declared twice: remove one", subject.name));
            }
            let id = self.place(&["subject", &place, "id"], &subject.id);
            let (grace, stall) = (
                self.faults.optional_span(&["subject", &place, "grace"], subject.grace.as_deref()),
                self.faults.optional_span(&["subject", &place, "stall"], subject.stall.as_deref()),
            );
            if !subject.closes.is_empty() && (grace.is_none() || stall.is_none()) {
                self.faults.add(&["subject", &place], "what closes has deadlines: say `grace` (after the end, as `2m`) and `stall` (without one, as `1h`)");
            }
            subjects.push(Subject {
                name: subject.name.clone(),
                id,
                closes: KindSet::default(),
                grace: grace.unwrap_or_default(),
                stall,
            });
        }
        let identity = &draft.identity;
        let kind = self.place(&["identity", "kind"], &identity.kind);
        let event_id = identity.event_id.as_ref().map(|locator| self.place(&["identity", "event_id"], locator));
        if identity.time.is_none()
            && identity.time_format.is_some()
            && draft.events.iter().all(|event| event.time.is_none())
        {
            self.faults.add(
                &["identity", "time_format"],
                "there is a format but no time: say where it stands with `time`, or leave the format out",
            );
        }
        let mut kinds: Vec<Kind> = Vec::new();
        for (place, event) in draft.events.iter().enumerate().take(KINDS_MAX) {
            let place = place.to_string();
            if event.kind.is_empty() {
                self.faults.add(&["event", &place, "kind"], "a kind has a name: it is what stands in the payload");
            }
            if kinds.iter().any(|known| known.name == event.kind) {
                self.faults.add(&["event", &place, "kind"], format!("`{}` is declared twice: remove one", event.kind));
            }
            let time = match (&event.time, &identity.time) {
                (Some(own), _) => Some(self.time(&["event", &place, "time"], own)),
                (None, Some(common)) => Some(self.time(&["identity", "time"], common)),
                (None, None) => None,
            };
            let facts = self.facts(&place, &event.facts, &fields);
            let mut name_json = Vec::new();
            write_string(&event.kind, &mut name_json);
            kinds.push(Kind {
                name: event.kind.clone(),
                // Made of a str.
                name_json: String::from_utf8(name_json).unwrap_or_default(),
                subject: SubjectId(0),
                role: event.role,
                due: Due::Never,
                about: event.about.clone(),
                rank: 0,
                time,
                subsumes: KindSet::default(),
                facts,
            });
        }
        for (place, path) in identity.volatile.iter().enumerate() {
            if identity.volatile[..place].contains(path) {
                self.faults.add(&["identity", "volatile"], format!("`{path}` stands in it twice: remove one"));
            }
            self.volatile(path);
        }
        let signature = draft.signature.as_ref();
        let contract = Contract {
            provider: draft.provider.clone(),
            version: draft.version.clone(),
            title: draft.title.clone(),
            documents: draft.documents.clone(),
            delivery: draft.delivery.clone(),
            signature: signature.and_then(|signature| signature::check(signature, &mut self.faults)),
            subjects,
            kinds,
            fields,
            channel: Vec::new(),
            outcome: Vec::new(),
            outcome_field: None,
            rules: Vec::new(),
            assets: Vec::new(),
            reading: Reading {
                paths: std::mem::take(&mut self.paths),
                kind,
                time_format: identity.time_format.unwrap_or(TimeFormat::Rfc3339),
                event_id,
            },
            written: Arc::new(draft.clone()),
        };
        Skeleton(contract, draft)
    }

    /// What refers to kinds, fields and subjects by name, now that these are known.
    fn lookups(&mut self, skeleton: &mut Skeleton) {
        let Skeleton(contract, draft) = skeleton;
        for (place, event) in draft.events.iter().enumerate().take(KINDS_MAX) {
            let at = place.to_string();
            if let Some(name) = &event.subject {
                match contract.subject_named(name) {
                    Some(subject) => contract.kinds[place].subject = subject,
                    None => self.faults.add(
                        &["event", &at, "subject"],
                        format!(
                            "no [[subject]] is called `{name}`: there is {}",
                            list(contract.subjects().map(|(_, name)| name))
                        ),
                    ),
                }
            }
            contract.kinds[place].subsumes = self.kind_set(contract, &["event", &at, "subsumes"], &event.subsumes);
            if contract.kinds[place].subsumes.has(KindId(place as u16)) {
                self.faults.add(&["event", &at, "subsumes"], "a kind does not subsume itself: leave it out");
            }
            contract.kinds[place].due = match event.due.as_str() {
                "always" => Due::Always,
                "never" => Due::Never,
                condition => self.condition(contract, &["event", &at, "due"], condition).map_or(Due::Never, Due::When),
            };
        }
        self.ranks(contract, draft);
        for (place, subject) in draft.subjects.iter().enumerate() {
            let at = place.to_string();
            let key = ["subject", &at, "closes"];
            let closes = self.kind_set(contract, &key, &subject.closes);
            for kind in closes.iter() {
                let kind = contract.kind(kind);
                if usize::from(kind.subject.0) != place {
                    let problem = format!(
                        "`{}` is about `{}`, not about `{}`: leave it out, or change the subject of the event",
                        kind.name,
                        contract.subject_name(kind.subject),
                        subject.name
                    );
                    self.faults.add(&key, problem);
                } else if kind.role == Role::Independent {
                    self.faults.add(
                        &key,
                        format!("`{}` is independent: leave it out, or give it the role `lifecycle`", kind.name),
                    );
                }
            }
            contract.subjects[place].closes = closes;
            if subject.closes.is_empty() {
                self.endless(contract, place);
            }
        }
        contract.channel = self.derivations(contract, "channel", &draft.channel);
        contract.outcome = self.derivations(contract, OUTCOME, &draft.outcome);
        contract.outcome_field = contract.field_named(OUTCOME).filter(|_| !contract.outcome.is_empty());
        self.unfilled(contract);
        self.rules(contract, draft);
        for (place, asset) in draft.assets.iter().enumerate() {
            let at = place.to_string();
            let expires_after = self.faults.span(&["asset", &at, "expires_after"], &asset.expires_after);
            if draft.assets[..place].iter().any(|known| known.field == asset.field) {
                let problem = format!("`{}` is an asset already: remove one", asset.field);
                self.faults.add(&["asset", &at, "field"], problem);
            }
            if let Some(field) = self.field(contract, &["asset", &at, "field"], &asset.field) {
                contract.assets.push(Asset { field, expires_after });
            }
        }
    }

    /// Nothing is waited for where nothing ends.
    fn endless(&mut self, contract: &Contract, subject: usize) {
        for (place, kind) in contract.kinds.iter().enumerate() {
            if usize::from(kind.subject.0) == subject && !matches!(kind.due, Due::Never) {
                let problem = format!(
                    "nothing closes a `{}`, so nothing of it is due: write `never`",
                    contract.subjects[subject].name
                );
                self.faults.add(&["event", &place.to_string(), "due"], problem);
            }
        }
    }

    fn facts(&mut self, place: &str, facts: &BTreeMap<String, Locator>, fields: &[Field]) -> Vec<Fact> {
        if facts.len() > FACTS_MAX {
            self.faults.add(
                &["event", place, "facts"],
                format!("a kind has at most {FACTS_MAX} facts, this one {}", facts.len()),
            );
        }
        let mut known = Vec::new();
        for (name, locator) in facts.iter().take(FACTS_MAX) {
            let key = ["event", place, "facts", name];
            let Some(field) = fields.iter().position(|field| field.name == *name) else {
                let near = nearest(name, fields.iter().map(|field| field.name.as_str()));
                self.faults.add(&key, format!("no [[field]] is called `{name}`: declare it{near}"));
                continue;
            };
            if name == OUTCOME {
                self.faults.add(
                    &key,
                    "`outcome` is derived: fill a field of another name, and say in [[outcome]] what follows from it",
                );
            }
            let (Some(path), None) = (&locator.path, &locator.header) else {
                self.faults.add(&key, "a fact comes from the payload: give its `path`, and no `header`");
                continue;
            };
            if locator.optional {
                self.faults.add(&key, "a fact may always be absent: leave `optional` out");
            }
            if let Some(pointer) = self.pointer(&key, path) {
                let slot = self.paths.slot(&pointer);
                self.read.push(pointer);
                // Fields and facts are bounded far below 65,536.
                known.push(Fact {
                    field: FieldId(field as u16),
                    slot,
                    unit: locator.unit,
                    written: path.clone(),
                    assumed: locator.assumed,
                });
            }
        }
        known.sort_by_key(|fact| fact.field);
        known
    }

    fn ranks(&mut self, contract: &mut Contract, draft: &Draft) {
        let mut ranked = KindSet::default();
        let mut order = Vec::new();
        for (place, name) in draft.authority.iter().enumerate() {
            let at = place.to_string();
            match contract.kind_named(name) {
                None => self.unknown_kind(contract, &["authority", &at], name),
                Some(kind) if ranked.has(kind) => {
                    self.faults.add(&["authority", &at], format!("`{name}` stands in it twice: remove one"));
                }
                Some(kind) => {
                    ranked.insert(kind);
                    order.push(kind);
                }
            }
        }
        let rest: Vec<KindId> = contract.kinds().map(|(kind, _)| kind).filter(|kind| !ranked.has(*kind)).collect();
        for (rank, kind) in order.into_iter().chain(rest).enumerate() {
            contract.kinds[usize::from(kind.0)].rank = rank as u16;
        }
    }

    fn derivations<T: Word>(
        &mut self,
        contract: &Contract,
        part: &str,
        drafts: &[super::draft::Derivation],
    ) -> Vec<Derivation<T>> {
        let mut derivations = Vec::new();
        for (place, draft) in drafts.iter().enumerate() {
            let at = place.to_string();
            let word = T::WORDS.iter().find(|(_, word)| *word == draft.is);
            if word.is_none() {
                let words = list(T::WORDS.iter().map(|(_, word)| *word));
                self.faults.add(&[part, &at, "is"], format!("`{}` is no {part}: one of {words} is", draft.is));
            }
            if draft.values.as_ref().is_some_and(Vec::is_empty) {
                self.faults.add(&[part, &at, "in"], "it is empty, so nothing is in it: leave it out to mean any value");
            }
            let evidence = match (&draft.kind, &draft.field) {
                (Some(kind), None) if draft.values.is_none() => {
                    self.kind_evidence(contract, &[part, &at], kind, draft.has.as_deref())
                }
                (None, Some(field)) if draft.has.is_none() => {
                    let values = draft.values.as_ref().map(|values| values.iter().map(|value| quoted(value)).collect());
                    self.field(contract, &[part, &at, "field"], field).map(|field| Evidence::Field { field, values })
                }
                _ => {
                    self.faults.add(&[part, &at], "a rule goes by a kind (`kind`, and `has` if a fact matters) or by a field (`field`, and `in` if its value matters)");
                    None
                }
            };
            if let (Some((is, _)), Some(evidence)) = (word, evidence) {
                derivations.push(Derivation { evidence, is: *is });
            }
        }
        derivations
    }

    fn kind_evidence(
        &mut self,
        contract: &Contract,
        key: &[&str; 2],
        name: &str,
        has: Option<&str>,
    ) -> Option<Evidence> {
        let Some(kind) = contract.kind_named(name) else {
            self.unknown_kind(contract, &[key[0], key[1], "kind"], name);
            return None;
        };
        let Some(has) = has else {
            return Some(Evidence::Kind { kind, fact: None });
        };
        let facts = &contract.kind(kind).facts;
        let fact = facts.iter().position(|fact| contract.field(fact.field).name == has);
        if fact.is_none() {
            let has_facts = list(facts.iter().map(|fact| contract.field(fact.field).name.as_str()));
            self.faults.add(&[key[0], key[1], "has"], format!("`{name}` has no fact `{has}`: it has {has_facts}"));
        }
        // At most FACTS_MAX, which fits.
        fact.map(|fact| Evidence::Kind { kind, fact: Some(fact as u8) })
    }

    /// Fields that nothing would ever fill, and an outcome that would have no place.
    fn unfilled(&mut self, contract: &Contract) {
        if !self.faults.is_empty() {
            // What fills a field may be what is at fault.
            return;
        }
        for (FieldId(place), name) in contract.fields() {
            let filled = contract.kinds.iter().flat_map(|kind| &kind.facts).any(|fact| fact.field.0 == place);
            let derived = name == OUTCOME && !contract.outcome.is_empty();
            if !filled && !derived {
                self.faults.add(
                    &["field", &place.to_string(), "name"],
                    format!("nothing fills `{name}`: name it in the facts of an event, or remove it"),
                );
            }
        }
        if !contract.outcome.is_empty() && contract.outcome_field.is_none() {
            self.faults.add(
                &["outcome"],
                "there are rules but no [[field]] called `outcome`: declare it where records are to print it",
            );
        }
    }

    fn rules(&mut self, contract: &mut Contract, draft: &Draft) {
        for (place, rule) in draft.rules.iter().enumerate() {
            let at = place.to_string();
            self.faults.name(&["rule", &at, "name"], &rule.name);
            if rule.name == TOO_MANY_EVENTS {
                self.faults.add(
                    &["rule", &at, "name"],
                    format!("`{TOO_MANY_EVENTS}` is what records say of a session with more events than are kept: choose another name"),
                );
            }
            if draft.rules[..place].iter().any(|known| known.name == rule.name) {
                self.faults.add(&["rule", &at, "name"], format!("`{}` is declared twice: remove one", rule.name));
            }
            let says = match (&rule.last, rule.never.is_empty()) {
                (Some(last), true) if rule.when.is_none() && !rule.before.is_empty() => {
                    let before = self.kind_set(contract, &["rule", &at, "before"], &rule.before);
                    if rule.before.contains(last) {
                        self.faults
                            .add(&["rule", &at, "before"], format!("`{last}` is not before itself: leave it out"));
                    }
                    if contract.kind_named(last).is_none() {
                        self.unknown_kind(contract, &["rule", &at, "last"], last);
                    }
                    contract.kind_named(last).map(|last| Says::Last { last, before })
                }
                (None, false) if rule.before.is_empty() => {
                    let kinds = self.kind_set(contract, &["rule", &at, "never"], &rule.never);
                    let when =
                        rule.when.as_ref().and_then(|when| self.condition(contract, &["rule", &at, "when"], when));
                    Some(Says::Never { kinds, when })
                }
                _ => {
                    self.faults.add(&["rule", &at], "a rule says either which kind is `last` and which must be `before` it, or which kinds are `never` here, and `when`");
                    None
                }
            };
            if let Some(says) = says {
                contract.rules.push(Rule { name: rule.name.clone(), about: rule.about.clone(), says });
            }
        }
        contract.rules.sort_by(|left, right| left.name.cmp(&right.name));
    }

    fn kind_set(&mut self, contract: &Contract, key: &[&str], names: &[String]) -> KindSet {
        let mut kinds = KindSet::default();
        for name in names {
            match contract.kind_named(name) {
                Some(kind) => kinds.insert(kind),
                None => self.unknown_kind(contract, key, name),
            }
        }
        kinds
    }

    fn unknown_kind(&mut self, contract: &Contract, key: &[&str], name: &str) {
        let near = nearest(name, contract.kinds().map(|(_, kind)| kind));
        self.faults.add(key, format!("no [[event]] has the kind `{name}`: declare it{near}"));
    }

    fn field(&mut self, contract: &Contract, key: &[&str], name: &str) -> Option<FieldId> {
        let field = contract.field_named(name);
        if field.is_none() {
            let near = nearest(name, contract.fields().map(|(_, field)| field));
            self.faults.add(key, format!("no [[field]] is called `{name}`: declare it{near}"));
        }
        field
    }

    fn condition(&mut self, contract: &Contract, key: &[&str], text: &str) -> Option<Condition> {
        Condition::parse(text, contract).map_err(|problem| self.faults.add(key, problem)).ok()
    }

    fn place(&mut self, key: &[&str], locator: &Locator) -> Place {
        let mut place =
            Place { origin: Origin::Header(String::new()), written: String::new(), assumed: locator.assumed };
        if locator.unit.is_some() {
            self.faults.add(key, "an id, a kind and a time have no `unit`: leave it out");
        }
        if locator.optional && key.last() != Some(&"time") {
            self.faults.add(key, "only a time may be `optional`: leave it out");
        }
        if locator.header.as_ref().is_some_and(|header| header.trim().is_empty()) {
            self.faults.add(key, "a header has a name: give it");
        }
        match (&locator.path, &locator.header) {
            (Some(path), None) => {
                place.written.clone_from(path);
                if let Some(pointer) = self.pointer(key, path) {
                    place.origin = Origin::Payload(self.paths.slot(&pointer));
                    self.read.push(pointer);
                }
            }
            (None, Some(header)) => {
                place.written = format!("header {header}");
                place.origin = Origin::Header(header.to_ascii_lowercase());
            }
            (Some(_), Some(_)) => self.faults.add(key, "it has a `path` and a `header`: leave one out"),
            (None, None) => self.faults.add(key, "it says nowhere to look: give a `path` or a `header`"),
        }
        place
    }

    fn time(&mut self, key: &[&str], locator: &Locator) -> Time {
        if locator.header.is_some() {
            self.faults.add(key, "a time is read from the payload: give its `path`");
        }
        Time { place: self.place(key, locator), optional: locator.optional }
    }

    fn volatile(&mut self, path: &str) {
        let key = ["identity", "volatile"];
        let Some(pointer) = self.pointer(&key, path) else { return };
        if let Some(read) = self.read.iter().find(|read| read.is_within(&pointer) || pointer.is_within(read)) {
            let problem = format!(
                "`{read}` is read from `{path}`: leave `{path}` out, for what an event says is part of its identity"
            );
            self.faults.add(&key, problem);
        }
        self.paths.set_volatile(&pointer);
    }

    fn pointer(&mut self, key: &[&str], path: &str) -> Option<Pointer> {
        Pointer::parse(path).map_err(|problem| self.faults.add(key, problem)).ok()
    }
}

/// A text as a canonical JSON string.
fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    write_string(text, &mut out);
    // Written from a str.
    String::from_utf8(out).unwrap_or_default()
}
