//! What a set of events says of each field, looked at as a whole.

use std::collections::BTreeMap;

use finis_engine::contract::Draft;
use finis_engine::contract::draft::{Derivation, Field, Step};

use super::Kept;

/// Distinct values of a field that a record keeps.
const VALUES_MAX: usize = 8;

/// A value that was claimed for a field, by the event with the best claim to it.
#[derive(Clone, Debug)]
pub(super) struct Claim<'e> {
    /// In canonical form.
    pub(super) value: &'e str,
    /// How far behind the last step of the field's progress.
    pub(super) step: usize,
    pub(super) by: &'e Kept,
}

/// All claims for a field: a value each, the strongest first, and how many of them are kept.
#[derive(Debug, Default)]
pub(super) struct Register<'e> {
    pub(super) claims: Vec<Claim<'e>>,
}

/// The registers of a session, and what a contract derives from them.
pub(super) struct Facts<'e> {
    pub(super) registers: BTreeMap<&'e str, Register<'e>>,
    pub(super) channel: &'e str,
    pub(super) outcome: Option<&'e str>,
}

impl<'e> Register<'e> {
    /// What the field goes by.
    pub(super) fn winner(&self) -> Option<&Claim<'e>> {
        self.claims.first()
    }

    /// Claims of the winner's step that are kept, and whether there were more of that step.
    pub(super) fn rivals(&self) -> (&[Claim<'e>], bool) {
        let of_step = self.claims.iter().take_while(|claim| claim.step == self.claims[0].step).count();
        let kept = of_step.min(VALUES_MAX);
        (&self.claims[..kept], of_step > kept)
    }
}

/// Looks at all events of a session.
pub(super) fn facts<'e>(contract: &'e Draft, events: &'e [Kept]) -> Facts<'e> {
    let mut registers = BTreeMap::new();
    for field in &contract.fields {
        let register = register(contract, field, events);
        if !register.claims.is_empty() {
            registers.insert(field.name.as_str(), register);
        }
    }
    let mut facts = Facts { registers, channel: "unknown", outcome: None };
    let derive = |rules: &'e [Derivation]| {
        rules.iter().find(|rule| applies(rule, events, &facts.registers)).map(|rule| rule.is.as_str())
    };
    let (channel, outcome) = (derive(&contract.channel), derive(&contract.outcome));
    facts.channel = channel.unwrap_or("unknown");
    facts.outcome = outcome;
    facts
}

fn register<'e>(contract: &Draft, field: &Field, events: &'e [Kept]) -> Register<'e> {
    let mut all: Vec<Claim<'e>> = events
        .iter()
        .filter_map(|kept| {
            let value = kept.told.facts.get(&field.name)?;
            Some(Claim { value, step: step(field, value), by: kept })
        })
        .collect();
    // The furthest step, the kind with most authority, the later time, the greater digest.
    all.sort_by(|left, right| {
        let strength = |claim: &Claim<'_>| (claim.step, rank(contract, &claim.by.told.kind));
        let by_event = |claim: &Claim<'_>| (claim.by.told.at, claim.by.told.digest);
        strength(left).cmp(&strength(right)).then_with(|| by_event(right).cmp(&by_event(left)))
    });
    let mut claims: Vec<Claim<'e>> = Vec::new();
    for claim in all {
        if claims.iter().all(|known| known.value != claim.value) {
            claims.push(claim);
        }
    }
    Register { claims }
}

/// Kinds by authority; those that are left out come after, in the order of their table.
fn rank(contract: &Draft, kind: &str) -> usize {
    let named = contract.authority.iter().position(|known| known == kind);
    named.unwrap_or_else(|| {
        let place = contract.events.iter().position(|event| event.kind == kind).unwrap_or(contract.events.len());
        contract.authority.len() + place
    })
}

/// Steps between a value and the last one; a value that is in none is behind all.
fn step(field: &Field, value: &str) -> usize {
    let is_it = |word: &String| crate::json::Json::String(word.clone()).canonical() == value;
    let place = field.progress.iter().rev().position(|step| match step {
        Step::One(word) => is_it(word),
        Step::Several(words) => words.iter().any(is_it),
    });
    place.unwrap_or(field.progress.len())
}

/// The event of a kind that wins: the latest, then the greatest digest.
pub(super) fn latest<'e>(events: &'e [Kept], kind: &str) -> Option<&'e Kept> {
    let of_kind = events.iter().filter(|kept| kept.told.kind == kind);
    of_kind.max_by_key(|kept| (kept.told.at, kept.told.digest))
}

fn applies(rule: &Derivation, events: &[Kept], registers: &BTreeMap<&str, Register<'_>>) -> bool {
    if let Some(kind) = &rule.kind {
        let Some(winning) = latest(events, kind) else { return false };
        return rule.has.as_ref().is_none_or(|field| winning.told.facts.contains_key(field));
    }
    let Some(winner) = rule.field.as_ref().and_then(|field| registers.get(field.as_str())?.winner()) else {
        return false;
    };
    let is_it = |word: &String| crate::json::Json::String(word.clone()).canonical() == winner.value;
    rule.values.as_ref().is_none_or(|words| words.iter().any(is_it))
}

impl Facts<'_> {
    /// Whether a condition of a contract holds: `channel = "call" and outcome != "failed"`.
    pub(super) fn hold(&self, condition: &str) -> bool {
        condition.split(" and ").all(|part| {
            let (name, equal, value) = match part.split_once("!=") {
                Some((name, value)) => (name.trim(), false, value.trim()),
                None => part.split_once('=').map(|(name, value)| (name.trim(), true, value.trim())).unwrap_or_default(),
            };
            let word = value.trim_matches('"');
            let same = match name {
                "channel" => self.channel == word,
                "outcome" => self.outcome == Some(word),
                field => {
                    let winner = self.registers.get(field).and_then(Register::winner);
                    winner.is_some_and(|winner| crate::json::Json::String(word.to_owned()).canonical() == winner.value)
                }
            };
            same == equal
        })
    }
}
