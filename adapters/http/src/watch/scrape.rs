//! The numbers as text.

use std::fmt;
use std::sync::Arc;

use finis_engine::{Engine, Histogram, LostStats, Progress, SourceStats, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::Settings;
use crate::listen;
use crate::send::Sent;

/// Microseconds in a second.
const MICROS: f64 = 1e6;

/// Everything that is said at one scrape.
#[derive(Debug)]
pub(super) struct Scrape {
    stats: Stats,
    is_ready: bool,
    /// Nothing when the log did not say.
    waiting: Option<u64>,
    /// Nothing when the log did not answer in time.
    consumers: Option<Vec<Progress>>,
    consumers_max: usize,
    /// Endpoints by name.
    endpoints: Vec<(String, Sent)>,
    /// Listeners by name.
    listeners: Vec<(&'static str, Arc<listen::Tally>)>,
}

/// A number with its labels.
type Row<'s> = (Vec<(&'static str, &'s str)>, u64);

impl Scrape {
    /// Takes the numbers of an engine. It waits for the log no longer than the settings say.
    pub(super) async fn take(engine: &Engine, settings: &Settings, is_ready: bool) -> Scrape {
        let asked = async { tokio::join!(engine.waiting(), engine.consumers()) };
        let asked = tokio::time::timeout(settings.answer_within, asked).await.ok();
        let (waiting, consumers) = asked.map_or((None, None), |(waiting, consumers)| (waiting.ok(), consumers.ok()));
        Scrape {
            stats: engine.stats(),
            is_ready,
            waiting: waiting.flatten(),
            consumers,
            consumers_max: settings.consumers_max,
            endpoints: settings.endpoints.iter().map(|(name, tally)| (name.clone(), tally.sent())).collect(),
            listeners: settings.listeners.clone(),
        }
    }

    /// The text form of `OpenMetrics`.
    pub(super) fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("finis");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    /// One number for each source.
    fn by_source(&self, number: impl Fn(&SourceStats) -> u64) -> Vec<Row<'_>> {
        self.stats.sources.iter().map(|(name, source)| (vec![("source", name.as_str())], number(source))).collect()
    }

    /// Two numbers for each kind that a source can lose.
    fn by_kind(&self, numbers: impl Fn(&LostStats) -> [(&'static str, u64); 2]) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for (name, source) in &self.stats.sources {
            for (kind, lost) in &source.lost {
                rows.extend(numbers(lost).map(|(how, number)| {
                    (vec![("source", name.as_str()), ("kind", kind.as_str()), ("how", how)], number)
                }));
            }
        }
        rows
    }

    fn deliveries(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut rows = Vec::new();
        for (name, source) in &self.stats.sources {
            // That there is none of this name cannot be.
            let fates = source.deliveries.by_fate().into_iter().filter(|(fate, _)| *fate != "unknown_source");
            rows.extend(fates.map(|(fate, number)| (vec![("source", name.as_str()), ("fate", fate)], number)));
        }
        let stray = self.stats.stray.by_fate().into_iter();
        let stray = stray.filter(|(fate, _)| ["unknown_source", "too_large", "busy", "failed"].contains(fate));
        rows.extend(stray.map(|(fate, number)| (vec![("fate", fate)], number)));
        counter(
            to,
            "deliveries",
            "Deliveries by source and by what became of them. Those without a source name none that there is.",
            rows,
        )?;
        gauge(to, "queue_depth", "Deliveries that wait for the writer now.", [alone(self.stats.queue_depth as u64)])?;
        gauge(to, "queue_limit", "Deliveries that may wait for the writer.", [alone(self.stats.queue_max as u64)])?;
        durations(
            to,
            "queue_wait",
            "How long deliveries waited until the writer took them, by the clock of the receiver.",
            &self.stats.queue_micros,
        )?;
        histogram(
            to,
            "commit_deliveries",
            "Deliveries in a commit of the log. A commit that only lets deadlines pass has none.",
            None,
            &self.stats.commit_deliveries,
            1.0,
        )?;
        durations(
            to,
            "commit_duration",
            "How long the log took to make a commit durable, by the clock of the receiver.",
            &self.stats.commit_micros,
        )
    }

    fn sessions(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        counter(
            to,
            "sessions_began",
            "Sessions of which the first event came, since the process began.",
            self.by_source(|source| source.sessions.began),
        )?;
        counter(
            to,
            "sessions_completed",
            "Sessions that were said to be complete, since the process began.",
            self.by_source(|source| source.sessions.complete),
        )?;
        counter(
            to,
            "sessions_stalled",
            "Sessions that were said to be stalled for the first time, since the process began.",
            self.by_source(|source| source.sessions.stalled),
        )?;
        counter(
            to,
            "sessions_revived",
            "Sessions that were said to be complete after they had been said to be stalled, since the process began.",
            self.by_source(|source| source.sessions.revived),
        )?;
        gauge(
            to,
            "sessions_waiting",
            "Sessions in the log that are open and may stall, or that settle: exact, also after a restart. The log \
             does not know them by source, and those that have no end to wait for are not among them.",
            self.waiting.map(alone),
        )?;
        gauge(
            to,
            "sessions_in_memory",
            "Sessions that the writer has in memory. After a restart they come back when something comes for them.",
            [alone(self.stats.sessions as u64)],
        )
    }

    fn losses(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        counter(
            to,
            "lost_events",
            "Events that did not come by the time their session was said to be complete or stalled, by kind: missing, \
             or inferred when their facts came with another event. Each is counted once for a session.",
            self.by_kind(|lost| [("missing", lost.missing), ("inferred", lost.inferred)]),
        )?;
        counter(
            to,
            "recovered_events",
            "Events that were counted as lost and are not wanting in that way any more: they came after all, their \
             facts did, or they turned out not to be due.",
            self.by_kind(|lost| [("missing", lost.missing_recovered), ("inferred", lost.inferred_recovered)]),
        )
    }

    fn notices(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let of_source = |(name, source): (&'_ String, &SourceStats)| {
            let name = name.clone();
            source.notices.by_kind().map(move |(kind, number)| (name.clone(), kind, number))
        };
        let rows: Vec<_> = self.stats.sources.iter().flat_map(of_source).collect();
        let rows = rows.iter().map(|(name, kind, number)| (vec![("source", name.as_str()), ("kind", *kind)], *number));
        counter(to, "notices", "Notices that were made, each once, by kind.", rows)?;
        counter(
            to,
            "deadlines_passed",
            "Deadlines of sessions that passed.",
            self.by_source(|source| source.deadlines),
        )?;
        durations(
            to,
            "deadline_lag",
            "How long after it was due a deadline was in the log, by the clock of the receiver. Those that were due \
             while nothing ran are late.",
            &self.stats.deadline_lag_micros,
        )
    }

    fn handovers(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let by_consumer = |number: fn(&finis_engine::HandoverStats) -> u64| {
            let rows = self.stats.handovers.iter().take(self.consumers_max);
            rows.map(move |(name, stats)| (vec![("consumer", name.as_str())], number(stats)))
        };
        counter(
            to,
            "handover_tries",
            "How often a notice was handed over to a handler or an endpoint.",
            by_consumer(|stats| stats.tries),
        )?;
        counter(
            to,
            "handover_retries",
            "Those tries of a notice that had failed before.",
            by_consumer(|stats| stats.retries),
        )?;
        counter(to, "handover_failures", "Those tries that failed.", by_consumer(|stats| stats.failures))?;
        counter(
            to,
            "handover_parked",
            "Notices that were set aside because they failed too often.",
            by_consumer(|stats| stats.parked),
        )
    }

    fn consumers(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let consumers = self.consumers.as_deref().unwrap_or_default();
        let rows = |number: fn(&Progress) -> u64| {
            let consumers = consumers.iter().take(self.consumers_max);
            consumers.map(move |consumer| (vec![("consumer", consumer.consumer.as_str())], number(consumer)))
        };
        gauge(
            to,
            "consumer_lag",
            "Notices that are still to be handed over to a consumer. Those that are parked are not among them.",
            rows(|consumer| consumer.behind),
        )?;
        gauge(
            to,
            "consumer_parked",
            "Notices that are set aside for a consumer now, with those that wait behind them.",
            rows(|consumer| consumer.parked as u64),
        )?;
        gauge(
            to,
            "consumers",
            "Consumers that the log knows. Only the first by name have numbers of their own when there are many.",
            self.consumers.as_ref().map(|consumers| alone(consumers.len() as u64)),
        )
    }

    fn endpoints(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let rows = |number: fn(&Sent) -> u64| {
            self.endpoints.iter().map(move |(name, sent)| (vec![("endpoint", name.as_str())], number(sent)))
        };
        counter(to, "webhook_posts", "How often a notice was posted to an endpoint.", rows(|sent| sent.posted))?;
        let by_outcome = self.endpoints.iter().flat_map(|(name, sent)| {
            let outcomes = [("taken", sent.taken), ("again", sent.again), ("dead", sent.dead), ("closed", sent.closed)];
            outcomes.map(|(outcome, number)| (vec![("endpoint", name.as_str()), ("outcome", outcome)], number))
        });
        counter(
            to,
            "webhook_outcomes",
            "What became of notices that were posted: taken, to be posted again, dead letters, or refused by an \
             endpoint that is gone.",
            by_outcome,
        )
    }

    fn listeners(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let connections = self.listeners.iter().map(|(name, tally)| (vec![("listener", *name)], tally.connections()));
        counter(
            to,
            "connections_refused",
            "Connections that were turned away because there were too many.",
            connections,
        )?;
        let requests = self.listeners.iter().flat_map(|(name, tally)| {
            tally.requests().map(move |(rule, count)| (vec![("listener", *name), ("rule", rule)], count))
        });
        counter(
            to,
            "requests_refused",
            "Requests that were none, or did not come in time, by the rule that they broke.",
            requests,
        )
    }
}

impl Collector for Scrape {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut to;
        self.deliveries(to)?;
        self.sessions(to)?;
        self.losses(to)?;
        self.notices(to)?;
        self.handovers(to)?;
        self.consumers(to)?;
        self.endpoints(to)?;
        self.listeners(to)?;
        let is_up = self.consumers.is_some();
        gauge(to, "log_up", "1 when the log answered in time at this scrape, else 0.", [alone(u64::from(is_up))])?;
        gauge(
            to,
            "ready",
            "1 when deliveries should be sent here, as /readyz says, else 0.",
            [alone(u64::from(self.is_ready))],
        )
    }
}

/// A number without labels.
fn alone<'s>(number: u64) -> Row<'s> {
    (Vec::new(), number)
}

fn counter<'s>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = Row<'s>>,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, number) in rows {
        // Without labels there are no braces either.
        if labels.is_empty() {
            family.encode_counter::<NoLabelSet, u64, f64>(&number, None)?;
        } else {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&number, None)?;
        }
    }
    Ok(())
}

fn gauge<'s>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = Row<'s>>,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, number) in rows {
        // Counts of what is in memory or in a log: far below 2^63.
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        if labels.is_empty() {
            family.encode_gauge(&number)?;
        } else {
            family.encode_family(&labels)?.encode_gauge(&number)?;
        }
    }
    Ok(())
}

/// A histogram of microseconds, told in seconds.
fn durations(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, micros: &Histogram) -> fmt::Result {
    histogram(to, name, help, Some(&Unit::Seconds), micros, MICROS)
}

/// A histogram of numbers of which `scale` make one unit.
fn histogram(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    histogram: &Histogram,
    scale: f64,
) -> fmt::Result {
    let bounds = histogram.bounds.iter().map(|bound| *bound as f64 / scale).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(histogram.counts.iter().copied()).collect();
    let mut metric = to.encode_descriptor(name, help, unit, MetricType::Histogram)?;
    metric.encode_histogram::<NoLabelSet>(histogram.sum as f64 / scale, histogram.count(), &buckets, None)
}
