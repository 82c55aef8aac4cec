//! Any text as a contract.
//!
//! One that loads can be described, has terms, and reads payloads without panic; one that does not
//! says where and why.

#![no_main]

use finis_engine::{Certifier, Key, LineReader, Partial, Record, Terms, Timestamp};
use finis_providers::{Contract, load};
use libfuzzer_sys::fuzz_target;

const FILE: &str = "a-contract.toml";

/// Deliveries of the providers that the seeds are contracts of.
const LINES: [&str; 4] = [
    include_str!("../../fixtures/agntix/0001-documented-bodies/deliveries.jsonl"),
    include_str!("../../fixtures/pathors/0012-call-in-all-six-orders/deliveries.jsonl"),
    include_str!("../../fixtures/saaya/0002-whole-catalogue/deliveries.jsonl"),
    include_str!("../../fixtures/smallest/0001-documented-bodies/deliveries.jsonl"),
];

/// Lines of each provider that are read.
const LINES_MAX: usize = 4;

fuzz_target!(|text: &str| {
    match load(FILE, text) {
        Ok(contract) => {
            assert!(contract.describe().contains(contract.provider()));
            let mut terms = Terms::new(&contract);
            read(&contract, &terms);
            let first = contract.kinds().map(|(_, name)| name).take(1);
            terms.subscribe(&contract, first).expect("a kind of the contract is not known");
            read(&contract, &terms);
        }
        Err(error) => {
            assert!(!error.faults.is_empty(), "refused for nothing");
            let lines = text.split('\n').count();
            for fault in &error.faults {
                assert!(!fault.message.trim().is_empty(), "a fault without a word");
                assert!(fault.line <= lines, "line {} of {lines}", fault.line);
            }
            assert!(error.to_string().starts_with(FILE), "the file is not named: {error}");
        }
    }
});

/// A contract is trusted: whatever it says, reading under it comes to an end.
fn read(contract: &Contract, terms: &Terms) {
    let mut reader = LineReader::new(None);
    let mut certifier = Certifier::new(contract, terms);
    let now = Timestamp::parse("9999-12-31T23:59:59Z").unwrap();
    for lines in LINES {
        for line in lines.lines().take(LINES_MAX) {
            let Ok(arrival) = reader.read(line.as_bytes(), |_| Ok(((), contract))) else { continue };
            let mut partial = Partial::default();
            partial.add(contract, &arrival.event, None);
            let key = Key { source: "source", subject: arrival.event.subject, id: arrival.event.id };
            let mut out = Vec::new();
            Record::new(key, &partial, contract, terms, now).write_certified(&mut out, &mut certifier);
            let record: serde_json::Value = serde_json::from_slice(&out).expect("a record that is no JSON");
            assert!(record["certificate"].is_string(), "a record without its certificate");
        }
    }
}
