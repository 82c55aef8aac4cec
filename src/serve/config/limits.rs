//! How much a server takes, and for how long it keeps it.

use std::time::Duration;

use finis_engine::{REMEMBER_MIN, Retention, Settings};
use finis_http::{listen, receive};

use super::LONGEST;
use super::section::Section;

/// How much a server takes, of connections, of requests and of what waits. Each limit has a default.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Of the engine.
    pub engine: Settings,
    /// Of connections.
    pub listen: listen::Limits,
    /// Of requests.
    pub receive: receive::Settings,
}

impl PartialEq for Limits {
    /// Of what a file can say.
    fn eq(&self, other: &Limits) -> bool {
        // None of these types is compared anywhere else, and each prints all that it has.
        format!("{self:?}") == format!("{other:?}")
    }
}

/// The shortest and the longest that a client may be waited for.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60 * 60);

/// The largest body: what is in memory at one time is bounded by more than one limit.
const BODY_BYTES_MAX: usize = 64 << 20;

pub(super) fn limits(section: &Section<'_, '_>) -> Limits {
    let mut limits = Limits::default();
    let Limits { engine, listen, receive } = &mut limits;
    let many = 1..=1_000_000;
    set(&mut engine.body_bytes_max, section.size("body_bytes_max", 1 << 10..=BODY_BYTES_MAX));
    set(&mut engine.queue_max, section.count("queue_max", many.clone()));
    set(&mut engine.batch_max, section.count("batch_max", 1..=100_000));
    set(&mut engine.sessions_max, section.count("sessions_max", 1..=100_000_000));
    set(&mut engine.events_max, section.count("events_max", 1..=1_000_000));
    set(&mut receive.bodies_bytes_max, section.size("bodies_bytes_max", 1 << 20..=1 << 40));
    set(&mut receive.retry_after, section.span("retry_after", Duration::from_secs(1)..=Duration::from_secs(86_400)));
    set(&mut listen.connections_max, section.count("connections_max", many.clone()));
    set(&mut listen.connections_per_peer_max, section.count("connections_per_peer_max", many));
    set(&mut listen.head_bytes_max, section.size("head_bytes_max", 1 << 10..=1 << 20));
    set(&mut listen.headers_max, section.count("headers_max", 8..=256));
    set(&mut listen.head, section.span("head_time_max", WAIT));
    set(&mut listen.body, section.span("body_time_max", WAIT));
    set(&mut listen.idle, section.span("idle_time_max", WAIT));
    set(&mut listen.write, section.span("write_time_max", WAIT));
    set(&mut listen.stop, section.span("stop_time_max", WAIT));
    if receive.bodies_bytes_max < engine.body_bytes_max {
        section.fault("`bodies_bytes_max` is less than `body_bytes_max`: no body of that length could be taken");
    }
    section.finish();
    limits
}

fn set<T>(limit: &mut T, told: Option<T>) {
    if let Some(told) = told {
        *limit = told;
    }
}

pub(super) fn retention(section: &Section<'_, '_>) -> Option<Retention> {
    let day = Duration::from_secs(24 * 60 * 60);
    let after = section.span("after", Duration::from_secs(60 * 60)..=LONGEST);
    let last_word = section.flag("last_word").unwrap_or(false);
    let remember = section.span("remember", REMEMBER_MIN..=LONGEST);
    let hold = section.span("hold", Duration::ZERO..=LONGEST);
    let refused = section.span("refused", day..=LONGEST);
    if after.is_none() && !section.has("after") {
        section.fault("it does not say for how long sessions are kept that are over: write `after = \"90d\"`");
    }
    section.finish();
    let mut retention = Retention::new(after?);
    retention.last_word = last_word;
    retention.refused = refused;
    set(&mut retention.remember, remember);
    set(&mut retention.hold, hold);
    Some(retention)
}
