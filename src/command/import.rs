//! `finis import`: exports into a store, as often as you like.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use finis::engine::live::NoticeKind;
use finis::engine::log::{Log, LogRead};
use finis::engine::{Filled, Filler, Timestamp};
use finis::reconcile::{Reading, Reconciliation};
use finis::store::{EmbeddedLog, import};
use serde_json::json;

use super::inputs::{Inputs, Prepared};
use super::output::Output;
use super::reconcile::{Watch, as_of as time, shown};
use super::store::{StoreArgs, block_on, known_sources, now};
use super::summary::{AsOf, write_rejects};
use super::words::{aside, bad, bytes, count, heading, number, seconds, shown as shown_name};
use super::{Failure, Outcome, say, warn};

#[derive(clap::Args)]
#[command(after_help = "\
An export has the forms that `finis reconcile` reads, and sessions are judged when all of it is in, at the \
time that it would take. Twice imported, nothing changes. A source that the store knows keeps the settings \
that it has there unless told otherwise; a new one is remembered with those of this command line.

With --quiet-notices, what the import says of sessions is remembered as said and has no place in the outbox: \
no consumer is told, now or later. What changes afterwards is said as ever, so that a consumer may hear \
`amended` of a session of which it has heard nothing else.

An event that is there and came at another time, by `received_at`, is counted as a double; one at a time that is \
known, or without one, is the same delivery told again.

Lines that are no events are not kept in the store: the export has them, and can be imported again.

Exits 0; 2 when something could not be read or written.")]
pub(crate) struct Args {
    /// Log exports; `-` is standard input
    #[arg(required = true, value_name = "EXPORT")]
    exports: Vec<PathBuf>,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    inputs: Inputs,

    /// Time to judge deadlines at; unless told, the latest that exports and store know
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<Timestamp>,

    /// Say nothing of it to consumers
    #[arg(long)]
    quiet_notices: bool,

    /// Where lines go that are no events, a line of JSON each; of several exports each row names its file
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// How it is to be done, and told.
struct How {
    as_of: Option<Timestamp>,
    quiet: bool,
    rejects: Option<PathBuf>,
    json: bool,
}

/// What came of it.
struct Imported<'i> {
    store: String,
    reconciliation: &'i Reconciliation,
    reading: Reading,
    filled: Filled,
    as_of: AsOf,
    quiet: bool,
    elapsed: Duration,
}

pub(crate) fn run(args: Args) -> Result<Outcome, Failure> {
    block_on(async {
        if let Some(at) = args.as_of.filter(|at| *at > now()) {
            return Err(Failure(format!(
                "--as-of {at}: it has not come yet, and a store never judges ahead of its time; give an earlier one, or leave it out"
            )));
        }
        let Args { exports, store, inputs, as_of, quiet_notices, rejects, json } = args;
        let how = How { as_of, quiet: quiet_notices, rejects, json };
        // What cannot be imported leaves no empty store behind.
        let (log, prepared) = if store.is_there() {
            let log = store.open(true)?;
            let remembered = log.sources().await?;
            (log, inputs.prepare_with(exports, &remembered)?)
        } else {
            let prepared = inputs.prepare_with(exports, &[])?;
            (store.open(true)?, prepared)
        };
        let log = Arc::new(log);
        let outcome = fill(&store, how, prepared, &log).await;
        // What was taken stays, however it ended.
        let closed = log.finish().await;
        let outcome = outcome?;
        closed?;
        Ok(outcome)
    })
}

async fn fill(store: &StoreArgs, how: How, of: Prepared, log: &Arc<EmbeddedLog>) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let remembered = log.sources().await?;
    let Prepared { reconciliation, mut sinks, exported, catalogue, .. } = of;
    let mut rejects = how.rejects.as_deref().map(|path| Output::open(path, &reconciliation.exports)).transpose()?;
    sinks.rejects = rejects.as_mut().map(Output::take);
    // Others than those of the exports may have deadlines that are over with them.
    let given: Vec<String> = reconciliation.sources.names().map(str::to_owned).collect();
    let others = known_sources(&remembered, &catalogue).into_iter().filter(|source| !given.contains(&source.name));
    let mut filler = Filler::new(Arc::clone(log) as Arc<dyn Log>, others).await?;
    let reading = {
        let _watch = Watch::start(&reconciliation);
        import(&reconciliation, sinks, &mut filler, now()).await?
    };
    rejects.map_or(Ok(()), Output::finish)?;
    let as_of = AsOf::new(how.as_of, exported, reading.as_of());
    // Nor is a time that has not come where nobody asked for it.
    let filled = filler.settle(as_of.instant().min(now()), how.quiet).await?;
    let imported = Imported {
        store: shown(&store.store),
        reconciliation: &reconciliation,
        reading,
        filled,
        as_of,
        quiet: how.quiet,
        elapsed: started.elapsed(),
    };
    say(&if how.json { imported.json() } else { imported.text() })?;
    for broken in &imported.reading.broken {
        warn(&format!("{} {}", bad("Broken:"), shown_name(&broken.to_string())));
    }
    Ok(if imported.reading.broken.is_empty() { Outcome::Fine } else { Outcome::Incomplete })
}

impl Imported<'_> {
    /// For a person.
    fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a String does not fail.
        let _ = self.write(&mut out);
        let _ = write_rejects(&mut out, &self.reading.rejects);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Imported { reading, filled, .. } = self;
        let exports = match self.reconciliation.exports.as_slice() {
            [only] if only.as_os_str() == "-" => "standard input".to_owned(),
            [only] => shown(only),
            several => count(several.len() as u64, "export"),
        };
        writeln!(out, "{}  {exports} {} {}", heading("Imported "), aside("into"), self.store)?;
        let (lines, bytes, took) = (number(reading.lines), bytes(reading.bytes), seconds(self.elapsed));
        writeln!(out, "  lines     {lines} ({bytes}) in {took}")?;
        let earlier = match filled.earlier {
            0 => String::new(),
            earlier => format!(", {} here before with a later arrival", number(earlier)),
        };
        let gone = [(filled.forgotten, "of forgotten sessions"), (filled.expired, "of sessions that have expired")];
        let gone = gone.iter().filter(|(events, _)| *events > 0);
        let gone = gone.fold(String::new(), |out, (events, which)| format!("{out}, {} {which}", number(*events)));
        writeln!(out, "  events    {} new, {} here before{earlier}{gone}", number(filled.new), number(filled.known))?;
        if let Some((first, last)) = reading.time_range() {
            writeln!(out, "  times     {first} to {last}")?;
        }
        writeln!(out, "  sessions  {}", number(filled.sessions))?;
        match self.as_of {
            AsOf::Given(at) => writeln!(out, "  as of     {at}, as given")?,
            AsOf::Exported(at) => writeln!(out, "  as of     {at}, as the export says")?,
            AsOf::Latest(at) => writeln!(out, "  as of     {at}, the latest time in the exports")?,
            AsOf::Unknown => writeln!(out, "  as of     no known event has a time: sessions without any are over")?,
        }
        if !filled.settings.is_empty() {
            let sources: Vec<String> = filled.settings.iter().map(|name| shown_name(name)).collect();
            writeln!(out, "  settings  remembered of {}", sources.join(", "))?;
        }
        if filled.is_nothing() {
            return writeln!(out, "\n{}  nothing: all of it was here", heading("Changed  "));
        }
        let words = |notices: &BTreeMap<NoticeKind, u64>| {
            let words = notices.iter().map(|(kind, notices)| format!("{} {}", kind.as_str(), number(*notices)));
            if notices.is_empty() { "nothing".to_owned() } else { words.collect::<Vec<_>>().join(", ") }
        };
        writeln!(out, "\n{}  {}", heading("Said     "), words(&filled.notices))?;
        if self.quiet {
            writeln!(out, "{}  {}, and nobody is told", heading("Quietly  "), words(&filled.quiet))?;
        }
        Ok(())
    }

    /// For a machine.
    fn json(&self) -> String {
        let Imported { reading, filled, .. } = self;
        let (as_of, from) = self.as_of.parts();
        let counts = |notices: &BTreeMap<NoticeKind, u64>| {
            notices.iter().map(|(kind, count)| (kind.as_str(), *count)).collect::<BTreeMap<_, _>>()
        };
        let summary = json!({
            "store": self.store,
            "exports": self.reconciliation.exports.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "lines": reading.lines,
            "bytes": reading.bytes,
            "deliveries": reading.deliveries,
            "new": filled.new,
            "earlier": filled.earlier,
            "known": filled.known,
            "forgotten": filled.forgotten,
            "expired": filled.expired,
            "sessions": filled.sessions,
            "as_of": as_of,
            "as_of_from": from,
            "settings": filled.settings,
            "deadlines": filled.deadlines,
            "notices": counts(&filled.notices),
            "quiet_notices": counts(&filled.quiet),
            "changed": !filled.is_nothing(),
            "rejects": reading.rejects,
            "broken": reading.broken.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "seconds": self.elapsed.as_secs_f64(),
        });
        format!("{summary:#}\n")
    }
}
