//! A story as a person reads it.

use std::fmt::Write;

use finis_engine::Contract;

use super::{Story, What};
use crate::model;

impl Story {
    /// What happens, a line each: when, in which session, what, and what befell it.
    #[must_use]
    pub fn timeline(&self, contract: &Contract) -> String {
        let mut out = String::new();
        for happening in &self.happenings {
            let what = match &happening.what {
                What::Mishap(mishap) => mishap.to_string(),
                What::Arrival(arrival) => {
                    let body = std::str::from_utf8(&arrival.body).map_err(|_| "not UTF-8".to_owned());
                    let read = body.and_then(|body| model::read(contract.draft(), &arrival.headers, body));
                    let of = format!("session {}: ", arrival.is.session);
                    let said = match read {
                        Ok(told) => match told.at {
                            Some(at) => format!("{} of {at}", told.kind),
                            None => told.kind,
                        },
                        Err(reason) => format!("what nobody can read ({reason})"),
                    };
                    let faults: Vec<String> =
                        arrival.is.faults.iter().map(|fault| format!("{fault:?}").to_lowercase()).collect();
                    let faults = if faults.is_empty() { String::new() } else { format!(" [{}]", faults.join(", ")) };
                    let proof = if arrival.is.proved { "" } else { ", which proves nothing" };
                    format!("{of}{said}{proof}{faults}")
                }
            };
            // A text takes whatever is written to it.
            let _ = writeln!(out, "{}  {what}", happening.at);
        }
        out
    }
}
