//! What a reconciliation found, for a person to read or a machine to parse.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use finis::engine::Timestamp;
use finis::reconcile::{Events, Look, Reconciliation, RejectCounts, Tally};
use serde_json::json;

use super::inputs::Exported;
use super::reconcile::shown;
use super::words::{aside, bytes, count, doubtful, heading, number, seconds, shown as shown_name};

/// Rows of a list that may be as long as a sender likes.
const ROWS_MAX: usize = 10;

/// When deadlines were judged.
#[derive(Clone, Copy)]
pub(crate) enum AsOf {
    /// As the user said.
    Given(Timestamp),
    /// As exports of stores say.
    Exported(Timestamp),
    /// At the latest time that the exports know.
    Latest(Timestamp),
    /// No event has a time: nothing is over but what never had one.
    Unknown,
}

impl AsOf {
    /// What was told, else what exports of stores say, else the latest time of all.
    pub(crate) fn new(told: Option<Timestamp>, exported: Option<Exported>, latest: Option<Timestamp>) -> AsOf {
        match (told, exported) {
            (Some(at), _) => AsOf::Given(at),
            (None, Some(exported)) if exported.is_all => AsOf::Exported(exported.as_of),
            (None, exported) => {
                let latest = latest.max(exported.map(|exported| exported.as_of));
                latest.map_or(AsOf::Unknown, AsOf::Latest)
            }
        }
    }

    /// The time, and who says it, for a machine.
    pub(crate) fn parts(self) -> (Option<String>, &'static str) {
        match self {
            AsOf::Given(at) => (Some(at.to_string()), "given"),
            AsOf::Exported(at) => (Some(at.to_string()), "export"),
            AsOf::Latest(at) => (Some(at.to_string()), "latest"),
            AsOf::Unknown => (None, "unknown"),
        }
    }

    pub(crate) fn instant(self) -> Timestamp {
        match self {
            AsOf::Given(at) | AsOf::Exported(at) | AsOf::Latest(at) => at,
            AsOf::Unknown => Timestamp::MIN,
        }
    }
}

/// All that there is to say.
pub(crate) struct Summary<'s> {
    pub(crate) reconciliation: &'s Reconciliation,
    pub(crate) events: &'s Events,
    pub(crate) tally: &'s Tally,
    pub(crate) as_of: AsOf,
    pub(crate) taken: Option<&'s Look>,
    pub(crate) elapsed: Duration,
}

impl Summary<'_> {
    /// For a person.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a String does not fail.
        let _ = self.write_reading(&mut out);
        let _ = write_sessions(&mut out, self.tally);
        let _ = write_findings(&mut out, self.tally);
        let _ = write_rejects(&mut out, &self.events.reading.rejects);
        let _ = self.write_warnings(&mut out);
        out
    }

    fn write_reading(&self, out: &mut String) -> std::fmt::Result {
        let reading = &self.events.reading;
        let exports = match self.reconciliation.exports.as_slice() {
            [only] if only.as_os_str() == "-" => "standard input".to_owned(),
            [only] => shown(only),
            several => count(several.len() as u64, "export"),
        };
        writeln!(out, "{}  {exports}", heading("Read     "))?;
        if let Some(look) = self.taken {
            writeln!(out, "  provider  {look}")?;
        } else {
            let mut providers: Vec<&str> =
                self.reconciliation.sources.plans().iter().map(|plan| plan.contract.provider()).collect();
            providers.sort_unstable();
            providers.dedup();
            writeln!(out, "  provider  {}", providers.join(", "))?;
        }
        let rate = reading.deliveries as f64 / self.elapsed.as_secs_f64().max(1e-6);
        writeln!(
            out,
            "  lines     {} ({}) in {}, {} events a second",
            number(reading.lines),
            bytes(reading.bytes),
            seconds(self.elapsed),
            number(rate as u64)
        )?;
        let duplicates = reading.deliveries - self.tally.events;
        let share = percent(duplicates, reading.deliveries);
        writeln!(
            out,
            "  events    {} distinct, {} ({share})",
            number(self.tally.events),
            count(duplicates, "duplicate")
        )?;
        if let Some((first, last)) = self.events.time_range() {
            writeln!(out, "  times     {first} to {last}")?;
        }
        match self.as_of {
            AsOf::Given(at) => writeln!(out, "  as of     {at}, as given"),
            AsOf::Exported(at) => writeln!(out, "  as of     {at}, as the export says"),
            AsOf::Latest(at) => writeln!(out, "  as of     {at}, the latest time in the exports"),
            AsOf::Unknown => writeln!(out, "  as of     no known event has a time: sessions without any are over"),
        }
    }

    fn write_warnings(&self, out: &mut String) -> std::fmt::Result {
        if let (AsOf::Latest(at), Some(second)) = (self.as_of, self.events.lonely_as_of()) {
            let warning = format!("Warning: one event stands at {at}, far from all others: the next is at {second}.");
            writeln!(out, "\n{} Deadlines are judged at its time; give another with --as-of.", doubtful(&warning))?;
        }
        Ok(())
    }

    /// For a machine.
    pub(crate) fn json(&self) -> String {
        let reading = &self.events.reading;
        let (as_of, from) = self.as_of.parts();
        let range = self.events.time_range();
        let plans = self.reconciliation.sources.plans().iter();
        let providers: Vec<_> = plans
            .map(|plan| json!({"provider": plan.contract.provider(), "version": plan.contract.version()}))
            .collect();
        let loss: BTreeMap<&String, _> = self
            .tally
            .loss
            .iter()
            .map(|(kind, loss)| (kind, json!({"due": loss.due, "lost": loss.lost, "percent": loss.percent()})))
            .collect();
        let seconds = self.elapsed.as_secs_f64();
        let summary = json!({
            "exports": self.reconciliation.exports.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "contracts": providers,
            "provider_taken_by_look": self.taken.is_some(),
            "as_of": as_of,
            "as_of_from": from,
            "as_of_is_far_from_all_others": self.events.lonely_as_of().is_some(),
            "first_at": range.map(|(first, _)| first.to_string()),
            "last_at": range.map(|(_, last)| last.to_string()),
            "lines": reading.lines,
            "bytes": reading.bytes,
            "deliveries": reading.deliveries,
            "events": self.tally.events,
            "duplicates": reading.deliveries - self.tally.events,
            "sessions": self.tally.sessions,
            "by_subject": self.tally.by_subject,
            "by_status": self.tally.by_status,
            "complete_by_evidence": self.tally.complete_by_evidence,
            "complete_by_deadline": self.tally.complete_by_deadline,
            "by_channel": self.tally.by_channel,
            "by_outcome": self.tally.by_outcome,
            "missing": self.tally.missing,
            "inferred": self.tally.inferred,
            "violations": self.tally.violations,
            "conflicts": self.tally.conflicts,
            "sessions_missing": self.tally.sessions_missing,
            "sessions_in_conflict": self.tally.sessions_in_conflict,
            "unknown_kinds": self.tally.unknown_kinds,
            "loss": loss,
            "rejects": reading.rejects,
            "broken": reading.broken.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "seconds": seconds,
            "events_per_second": reading.deliveries as f64 / seconds.max(1e-6),
        });
        format!("{summary:#}\n")
    }
}

/// How many sessions there are, and where they stand.
pub(crate) fn write_sessions(out: &mut String, tally: &Tally) -> std::fmt::Result {
    writeln!(out, "\n{}  {}", heading("Sessions "), number(tally.sessions))?;
    let width = number(tally.sessions).len().max(5);
    for status in ["complete", "settling", "stalled", "open"] {
        let sessions = tally.by_status.get(status).copied().unwrap_or(0);
        let share = percent(sessions, tally.sessions);
        let note = match status {
            "complete" if sessions > 0 => format!(
                "  {} by evidence, {} by deadline",
                number(tally.complete_by_evidence),
                number(tally.complete_by_deadline)
            ),
            _ => String::new(),
        };
        let row = format!("{status:<8}  {:>width$}  {share:>7}{note}", number(sessions));
        let row = if status == "stalled" && sessions > 0 { doubtful(&row) } else { row };
        writeln!(out, "  {row}")?;
    }
    let words = |counts: &mut dyn Iterator<Item = (&str, u64)>| {
        counts.map(|(word, sessions)| format!("{word} {}", number(sessions))).collect::<Vec<_>>().join(", ")
    };
    if tally.by_subject.keys().any(|subject| subject != "session") {
        let mut subjects = tally.by_subject.iter().map(|(subject, records)| (subject.as_str(), *records));
        writeln!(out, "  about     {}", words(&mut subjects))?;
    }
    if tally.sessions > 0 {
        writeln!(
            out,
            "  channel   {}",
            words(&mut tally.by_channel.iter().map(|(word, sessions)| (*word, *sessions)))
        )?;
    }
    if !tally.by_outcome.is_empty() {
        let mut outcomes: Vec<_> = tally.by_outcome.iter().map(|(word, sessions)| (*word, *sessions)).collect();
        outcomes.sort_by_key(|(_, sessions)| std::cmp::Reverse(*sessions));
        writeln!(out, "  outcome   {}", words(&mut outcomes.into_iter()))?;
    }
    Ok(())
}

/// What was lost, is missing, inferred, broken, in conflict, unknown.
pub(crate) fn write_findings(out: &mut String, tally: &Tally) -> std::fmt::Result {
    let lost: Vec<(&str, u64, String)> = tally
        .loss
        .iter()
        .filter(|(_, loss)| loss.lost > 0)
        .map(|(kind, loss)| (kind.as_str(), loss.lost, format!("{:.2} % of {} due", loss.percent(), number(loss.due))))
        .collect();
    let title = "Lost       never came, of the sessions that are complete or stalled";
    write_rows(out, title, lost.into_iter())?;
    write_counts(out, "Missing    due and not here", &tally.missing)?;
    write_counts(out, "Inferred   not here, but its facts came with another", &tally.inferred)?;
    write_counts(out, "Violations rules of the provider that are broken", &tally.violations)?;
    write_counts(out, "Conflicts  different values for one field", &tally.conflicts)?;
    write_counts(out, "Unknown    kinds of event that the contract does not have", &tally.unknown_kinds)
}

/// Lines that are no events, and the first of them.
pub(crate) fn write_rejects(out: &mut String, rejects: &RejectCounts) -> std::fmt::Result {
    if rejects.lines == 0 {
        return writeln!(out, "\n{}  none", heading("Rejected "));
    }
    writeln!(out, "\n{}  {}", heading("Rejected "), count(rejects.lines, "line"))?;
    let width = rejects.by_sort.keys().map(|sort| sort.len()).max().unwrap_or(0);
    for (sort, lines) in &rejects.by_sort {
        writeln!(out, "  {sort:<width$}  {:>5}", number(*lines))?;
    }
    for sample in &rejects.first {
        let file = sample.file.as_ref().map(|file| format!("{}, ", shown_name(file))).unwrap_or_default();
        let at = format!("{file}line {}, byte {}:", number(sample.line), number(sample.offset));
        writeln!(out, "  {} {}", aside(&at), shown_name(&sample.reason))?;
    }
    if rejects.lines > rejects.first.len() as u64 {
        writeln!(out, "  {}", aside("… all of them with --rejects FILE"))?;
    }
    Ok(())
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "0.0 %".to_owned() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

pub(crate) fn write_counts(out: &mut String, title: &str, counts: &BTreeMap<String, u64>) -> std::fmt::Result {
    write_rows(out, title, counts.iter().map(|(name, count)| (name.as_str(), *count, String::new())))
}

/// A list with its title; nothing when it is empty.
fn write_rows<'r>(
    out: &mut String,
    title: &str,
    rows: impl Iterator<Item = (&'r str, u64, String)>,
) -> std::fmt::Result {
    let rows: Vec<(String, String, String)> =
        rows.map(|(name, count, note)| (shown_name(name), number(count), note)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let (word, rest) = title.split_at(title.find(' ').unwrap_or(title.len()));
    writeln!(out, "\n{}{}", heading(word), aside(rest))?;
    let width = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0).min(60);
    let digits = rows.iter().map(|row| row.1.len()).max().unwrap_or(0).max(5);
    for (name, count, note) in rows.iter().take(ROWS_MAX) {
        let row = format!("  {name:<width$}  {count:>digits$}  {note}");
        writeln!(out, "{}", row.trim_end())?;
    }
    if rows.len() > ROWS_MAX {
        writeln!(out, "  {}", aside(&format!("… and {} more, with --json", number((rows.len() - ROWS_MAX) as u64))))?;
    }
    Ok(())
}
