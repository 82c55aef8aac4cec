//! What is wanting of a session, and what becomes of that.
//!
//! A record says which events should have come and did not. From one record to the next some of them come, and
//! others turn out to be due: the difference of the two is what is counted as lost, and as found again.

use crate::contract::{Contract, KindSet};
use crate::json::{DEPTH_MAX, Tape, write_string};
use crate::judge::Verdict;

/// Kinds that are due and did not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanting {
    /// Nothing that came has their facts.
    pub(crate) missing: KindSet,
    /// Their facts came with another event.
    pub(crate) inferred: KindSet,
}

/// The names of kinds that are wanting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) missing: Vec<String>,
    pub(crate) inferred: Vec<String>,
}

impl Wanting {
    /// What a verdict says.
    pub(crate) fn judged(verdict: &Verdict) -> Wanting {
        Wanting { missing: verdict.missing, inferred: verdict.inferred }
    }

    /// What a record says, given as JSON. Kinds that the contract does not know any more are passed over.
    pub(crate) fn recorded(record: &str, contract: &Contract) -> Wanting {
        let mut tape = Tape::default();
        // A record holds values of payloads, a little further inside.
        if tape.scan(record, DEPTH_MAX + 8).is_err() {
            return Wanting::default();
        }
        let text = |place: usize| {
            let node = tape.node(place);
            &record[node.start as usize..node.end as usize]
        };
        let kinds = |name: &str| {
            let list = tape.members(0).find(|(key, _)| text(*key).trim_matches('"') == name);
            let mut kinds = KindSet::default();
            for said in list.into_iter().flat_map(|(_, list)| tape.elements(list)) {
                // Records print names as this does.
                if let Some((kind, _)) = contract.kinds().find(|(_, name)| quoted(name) == text(said).as_bytes()) {
                    kinds.insert(kind);
                }
            }
            kinds
        };
        Wanting { missing: kinds("missing"), inferred: kinds("inferred") }
    }

    /// What is wanting here and was not so there, each in its own way.
    pub(crate) fn beyond(self, other: Wanting) -> Wanting {
        Wanting { missing: self.missing.without(other.missing), inferred: self.inferred.without(other.inferred) }
    }

    /// What the kinds are called.
    pub(crate) fn names(self, contract: &Contract) -> Names {
        let names = |kinds: KindSet| kinds.iter().map(|kind| contract.kind_name(kind).to_owned()).collect();
        Names { missing: names(self.missing), inferred: names(self.inferred) }
    }
}

fn quoted(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_string(name, &mut out);
    out
}
