//! `finis rebuild`: a store judged anew under the contracts of today. What would change, and with `--apply`
//! the change.

mod report; // what a person reads, and what a machine does

use std::sync::Arc;
use std::time::Instant;

use finis::engine::Timestamp;
use finis::engine::log::{Log, LogRead, SourceSettings};
use finis::providers::Catalogue;
use finis::reconcile::{Plan, Sources};
use finis::store::{KeptTerms, Rebuild, Rebuilt, remembered_plan};

use super::inputs::TermArgs;
use super::reconcile::{Watch, as_of as time};
use super::store::{ReadArgs, block_on, check_name, check_option, now};
use super::{Failure, Outcome, say};
use report::Report;

/// Sessions that are shown, unless told otherwise.
const EXAMPLES: usize = 5;

#[derive(clap::Args)]
#[command(after_help = "\
Every session is folded and judged anew under the contracts of today, at the latest time that the store knows, \
and what would change is said: old is what was last said of a session. Without --apply nothing is written, and \
it works beside whoever has the store.

With --apply just that is done. What corrects something that was said before is remembered as said, and \
no consumer is told of it, now or later, unless --announce is given. Of a session that still waits for something, \
or that nobody has heard of yet, consumers are told as ever: else they would never hear of its end. Twice \
applied, nothing changes; one that was interrupted is applied again, and does the rest.

A source keeps subscription, grace and stall as the store remembers them, unless told otherwise. Sessions that \
were forgotten or have expired stay so; one that is damaged stays as it is, and so does one of which no event \
can be read. Events stay with the session that they came for. Quarantine is left alone: `finis quarantine retry` \
reads it again.

A service that is opened with another contract judges by it whatever comes from then on, and sessions that wait \
when their time is over; those that are over stay as they were said until something comes for them, or until they \
are rebuilt.

Exits 0; 2 when something could not be read or written.")]
#[allow(clippy::struct_excessive_bools, reason = "each is an option that is given or not")]
pub(crate) struct Args {
    #[command(flatten)]
    read: ReadArgs,

    #[command(flatten)]
    terms: TermArgs,

    /// Wait as long as the contracts say, not as long as the store remembers
    #[arg(long)]
    contract_deadlines: bool,

    /// Sessions of this source alone
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Time to judge deadlines at; unless told, the latest that the store knows
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<Timestamp>,

    /// Do it
    #[arg(long)]
    apply: bool,

    /// Tell consumers of corrections, too
    #[arg(long)]
    announce: bool,

    /// So many sessions are shown with what changes in them
    #[arg(long, value_name = "N", default_value_t = EXAMPLES)]
    limit: usize,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    if let Some(at) = args.as_of.filter(|at| *at > now()) {
        return Err(Failure(format!(
            "--as-of {at}: it has not come yet, and a store never judges ahead of its time; give an earlier one, or leave it out"
        )));
    }
    block_on(async {
        let (started, catalogue) = (Instant::now(), args.read.catalogue()?);
        let rebuilt = if args.apply { args.apply(&catalogue).await? } else { args.preview(&catalogue).await? };
        let report = Report {
            store: args.read.store.name(),
            applied: args.apply,
            announce: args.announce,
            catalogue: &catalogue,
            rebuilt: &rebuilt,
            elapsed: started.elapsed(),
        };
        say(&if args.json { report.json() } else { report.text() })?;
        Ok(Outcome::Fine)
    })
}

impl Args {
    async fn preview(&self, catalogue: &Catalogue) -> Result<Rebuilt, Failure> {
        let look = self.read.store.look_anew(catalogue).await?;
        let rebuild = self.rebuild(look.log(), catalogue).await?;
        let _watch = Watch::sessions(Some(look.log().session_count()), &rebuild.progress);
        Ok(rebuild.preview(look.log()).await?)
    }

    async fn apply(&self, catalogue: &Catalogue) -> Result<Rebuilt, Failure> {
        let log = Arc::new(self.read.store.open(false)?);
        let rebuilt = self.apply_to(&*log, catalogue).await;
        // What was taken stays, however it ended.
        let closed = log.finish().await;
        let rebuilt = rebuilt?;
        closed?;
        Ok(rebuilt)
    }

    async fn apply_to(&self, log: &dyn Log, catalogue: &Catalogue) -> Result<Rebuilt, Failure> {
        let rebuild = self.rebuild(log, catalogue).await?;
        let _watch = Watch::sessions(None, &rebuild.progress);
        Ok(rebuild.apply(log).await?)
    }

    async fn rebuild(&self, log: &dyn LogRead, catalogue: &Catalogue) -> Result<Rebuild, Failure> {
        let remembered = log.sources().await?;
        check_name(&remembered, self.source.as_deref())?;
        let sources = self.plans(&remembered, catalogue)?;
        // At the log's own time, if nobody says a later one.
        let as_of = self.as_of.unwrap_or(Timestamp::MIN);
        let mut rebuild = Rebuild::new(log, sources, as_of).await?;
        rebuild.announce = self.announce;
        rebuild.examples_max = self.limit;
        Ok(rebuild)
    }

    /// What the sources are to be read under.
    fn plans(&self, remembered: &[SourceSettings], catalogue: &Catalogue) -> Result<Vec<(String, Plan)>, Failure> {
        let TermArgs { subscribe, grace, stall } = &self.terms;
        for (option, texts) in [("--subscribe", subscribe), ("--grace", grace), ("--stall", stall)] {
            for text in texts {
                let name = text.split_once('=').map(|(name, _)| name);
                check_option(remembered, &format!("{option} {text}"), name)?;
                if let Some(only) = self.source.as_ref().filter(|only| name.is_some_and(|name| name != *only)) {
                    return Err(Failure(format!("{option} {text}: --source says that only `{only}` is judged anew")));
                }
            }
        }
        let mut plans = Vec::new();
        for settings in remembered.iter().filter(|own| self.source.as_ref().is_none_or(|only| own.name == *only)) {
            let name = settings.name.clone();
            let is_of = |text: &String| text.split_once('=').is_none_or(|(of, _)| of == name);
            // What is told anew may be what the contract no longer has.
            let kept = KeptTerms { subscription: !subscribe.iter().any(is_of), deadlines: !self.contract_deadlines };
            plans.push((name, remembered_plan(settings, catalogue, kept)?));
        }
        if plans.is_empty() {
            return Ok(plans);
        }
        let mut sources = Sources::named(plans.clone(), None, None);
        self.terms.set(&mut sources)?;
        for (name, plan) in sources.plans_mut() {
            if let Some((_, known)) = plans.iter_mut().find(|(known, _)| Some(known.as_str()) == name) {
                *known = plan.clone();
            }
        }
        Ok(plans)
    }
}
