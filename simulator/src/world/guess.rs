//! What a field says when nothing is known of it but the contract.

use finis_engine::contract::Draft;
use finis_engine::contract::draft::{Field, Unit};

use super::habits::{Moment, Values};

/// Values for a field, by its unit, its progress, the words that the contract knows of it and the name that
/// all providers share for such things.
pub(super) fn guess(contract: &Draft, field: &Field, unit: Option<Unit>) -> Values {
    let filled_by = contract.events.iter().filter(|event| event.facts.contains_key(&field.name)).count();
    let may_differ = filled_by < 2 || field.conflict == Some(false);
    let name = field.name.as_str();
    let ends = |suffix: &str| name.ends_with(suffix);
    match unit {
        Some(Unit::Time) if may_differ => return Values::Time(Moment::Now),
        Some(Unit::Time) => return Values::Time(Moment::Start),
        Some(Unit::S | Unit::Ms | Unit::Min) => return Values::Lasted,
        None => {}
    }
    if !field.progress.is_empty() {
        return Values::Progress;
    }
    let words = words(contract, name);
    if !words.is_empty() {
        return Values::OneOf(words.into_iter().map(serde_json::Value::from).collect());
    }
    match name {
        "variables" | "metadata" | "analysis" | "extracted_data" => Values::Members(4),
        "transcript" => {
            Values::Json(r#"[{"role":"agent","content":"Hello {hex:4}"},{"role":"user","content":"…"}]"#.into())
        }
        _ if ends("_count") => Values::Integer { from: 0, to: 40 },
        _ if ends("_usd") => Values::Decimal { from: 1, to: 9999, places: 4 },
        _ if ends("_success") => Values::OneOf(vec![true.into()]),
        _ if ends("_url") => Values::Text("https://files.example/{id}/{hex:8}".into()),
        _ if ends("_number") => Values::Text("+1555{digits:7}".into()),
        _ if ends("_id") => Values::Pool { of: "{uuid}".into(), size: 12 },
        _ => Values::Text("{hex:8}".into()),
    }
}

/// The words that a contract's derivations know of a field, in their order.
pub(crate) fn words(contract: &Draft, field: &str) -> Vec<String> {
    let rules = contract.channel.iter().chain(&contract.outcome).filter(|rule| rule.field.as_deref() == Some(field));
    let listed = rules.flat_map(|rule| rule.values.iter().flatten().cloned());
    let conditions = contract
        .events
        .iter()
        .map(|event| event.due.as_str())
        .chain(contract.rules.iter().filter_map(|rule| rule.when.as_deref()));
    let parts = conditions.flat_map(|condition| condition.split(" and "));
    let compared = parts.filter_map(|part| {
        let (name, value) = part.split_once("!=").or_else(|| part.split_once('='))?;
        (name.trim() == field).then(|| value.trim().trim_matches('"').to_owned())
    });
    let mut words: Vec<String> = Vec::new();
    for word in listed.chain(compared) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}
