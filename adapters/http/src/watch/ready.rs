//! Whether deliveries should be sent here: a function of what the engine says of itself.

use std::time::Duration;

use finis_engine::Health;
use serde::Serialize;

use super::Settings;

/// Something that keeps deliveries from being taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// One word for it, that stays.
    pub problem: &'static str,
    /// What it is, for people.
    pub detail: String,
}

/// What is wrong with an engine. Nothing when deliveries can be sent here.
#[must_use]
pub fn problems(health: &Health, settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |problem, detail| problems.push(Problem { problem, detail });
    if let Some(reason) = &health.stopped {
        add("stopped", format!("nothing is taken until it is started again: {reason}"));
    } else if !health.is_running {
        add("not_running", "nobody writes yet: deliveries only wait".to_owned());
    }
    // Nobody sends here while this says that it is not ready, so it must not stand for ever: only the next delivery
    // tells whether there is room again.
    if let Some(refusal) = health.refused.as_ref().filter(|refusal| refusal.ago < settings.refusal_counts_for) {
        add("log_full", refusal.reason.clone());
    }
    if let Some(busy) = health.busy_for.filter(|busy| *busy >= settings.busy_max) {
        add("slow", format!("the writer has been at work on the same deliveries for {}", seconds(busy)));
    }
    if health.queue_depth >= health.queue_max {
        add("queue_full", format!("{} deliveries wait, as many as may", health.queue_depth));
    }
    problems
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
