//! Which world: of which provider, from which seed, how large, under which terms.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use finis::engine::{Contract, Timestamp, parse_span};
use finis::providers::Catalogue;
use finis::reconcile::{Plan, Sources};
use finis_simulator::Is;
use finis_simulator::clock::{micros, timestamp};
use finis_simulator::faults::{Fault, Faults, Origin, Signing};
use finis_simulator::model;
use finis_simulator::script::Script;
use finis_simulator::world::{Habits, Settings, World};

use super::super::Failure;
use super::super::inputs::TermArgs;
use super::super::reconcile::as_of;
use super::dials::span;

/// All of a world is in memory, and the model is slow.
const SESSIONS_MAX: u64 = 200_000;

/// Where nothing is kept of a session that is over.
const STREAMED_MAX: u64 = 100_000_000;

#[derive(Args)]
#[command(next_help_heading = "World")]
pub(crate) struct Worlds {
    /// Whose sessions these are
    #[arg(long, value_name = "NAME", default_value = "pathors")]
    provider: String,

    /// Folder of contracts of your own, as TOML files; they come before those of finis
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,

    /// What sessions are usually like, as TOML, in place of what finis knows of the provider
    #[arg(long, value_name = "FILE")]
    habits: Option<PathBuf>,

    /// Name of the source; the provider's unless told
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// What everything comes from: the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// How many sessions there are
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=STREAMED_MAX))]
    sessions: u64,

    /// How many sessions begin in a second, as 12 or 0.5
    #[arg(long, value_name = "N", default_value = "12", value_parser = rate)]
    rate: f64,

    /// When the first may begin
    #[arg(long, value_name = "TIME", value_parser = as_of)]
    start: Option<Timestamp>,

    #[command(flatten)]
    terms: TermArgs,
}

/// A script, and what happened on its way.
pub(crate) struct Made {
    pub(crate) script: Script,
    /// Events that the world sent; nothing when that is not known of what is left of a world.
    pub(crate) sent: Option<u64>,
    /// How often each fault befell something; where `sent` is not known, something that came.
    pub(crate) faults: BTreeMap<Fault, u64>,
}

impl Made {
    /// What a script says of itself.
    pub(crate) fn read(script: Script) -> Made {
        let mut faults = BTreeMap::new();
        for fault in script.arrivals.iter().flat_map(|arrival| &arrival.is.faults) {
            *faults.entry(*fault).or_default() += 1;
        }
        Made { script, sent: None, faults }
    }
}

/// A contract, and how sessions of it are judged.
pub(crate) struct Judging {
    /// The contract, with the engine's terms.
    pub(crate) plan: Plan,
    /// The model's terms.
    pub(crate) terms: model::Terms,
    /// Name of the source.
    pub(crate) source: String,
}

impl Judging {
    pub(crate) fn contract(&self) -> &Contract {
        &self.plan.contract
    }

    /// An instant at which every deadline is over of what came before another.
    pub(crate) fn long_after(&self, end: Timestamp) -> Timestamp {
        let subjects = self.contract().draft().subjects.iter();
        let told = subjects.flat_map(|subject| [&subject.grace, &subject.stall]).flatten();
        let told = told.filter_map(|span| parse_span(span).ok());
        let longest = told.chain(self.terms.grace).chain(self.terms.stall).max().unwrap_or_default();
        // A stall may begin when a grace ends.
        let after = i64::try_from((longest * 2).as_micros()).unwrap_or(i64::MAX);
        timestamp(micros(end).saturating_add(after).saturating_add(1_000_000))
    }
}

impl Worlds {
    /// The contract that is named, under the terms that are told; `provider` goes before what is told.
    pub(crate) fn judging(&self, provider: Option<&str>) -> Result<Judging, Failure> {
        let mut catalogue = Catalogue::shipped();
        if let Some(folder) = &self.contracts {
            catalogue.add_folder(folder)?;
        }
        let provider = provider.unwrap_or(&self.provider);
        let contract = catalogue.get(provider).cloned().ok_or_else(|| {
            let names = catalogue.names();
            Failure(format!(
                "no contract is called `{provider}`: there are {names}; bring your own with --contracts DIR"
            ))
        })?;
        let source = self.source.clone().unwrap_or_else(|| contract.provider().to_owned());
        let mut sources = Sources::all_of(Plan::new(contract), source.clone());
        self.terms.set(&mut sources)?;
        let plan = sources.plans()[0].clone();
        Ok(Judging { plan, terms: self.terms_of_model(), source })
    }

    /// The same terms for the model. They were read once before.
    fn terms_of_model(&self) -> model::Terms {
        let value = |text: &String| text.split_once('=').map_or(text.as_str(), |(_, value)| value).to_owned();
        let last = |all: &[String]| all.last().map(value);
        let kinds =
            |text: String| text.split(',').map(|kind| kind.trim().to_owned()).filter(|kind| !kind.is_empty()).collect();
        let time = |all: &[String]| last(all).and_then(|text| span(&text).ok());
        model::Terms {
            subscribed: last(&self.terms.subscribe).map(kinds),
            grace: time(&self.terms.grace),
            stall: time(&self.terms.stall),
        }
    }

    /// A world under faults, written out.
    pub(crate) fn script(
        &self,
        judging: &Judging,
        seed: u64,
        faults: &Faults,
        signing: Option<Signing>,
    ) -> Result<Made, Failure> {
        if self.sessions > SESSIONS_MAX {
            return Err(Failure(format!(
                "{} sessions are too many to be held in memory: at most {SESSIONS_MAX} are; only --advise takes more",
                self.sessions
            )));
        }
        let contract = judging.contract();
        let world = self.world(contract, seed)?;
        let origin = Origin { source: judging.source.clone(), signing };
        let (script, tally) = Script::tallied(&world, faults, seed, origin);
        let Some(kinds) = &judging.terms.subscribed else {
            return Ok(Made { script, sent: Some(tally.sent), faults: tally.faults });
        };
        // A provider does not send what nobody subscribed to. What befell that is not counted either.
        let events = &contract.draft().events;
        let kind = |is: &Is| &events[world.session(is.session).events[is.event].kind].kind;
        Ok(Made::read(script.keep(|_, arrival| kinds.contains(kind(&arrival.is)))))
    }

    /// A world of a contract.
    pub(crate) fn world<'c>(&self, contract: &'c Contract, seed: u64) -> Result<World<'c>, Failure> {
        let usual = Settings::default();
        let settings = Settings {
            seed,
            sessions: self.sessions,
            start: self.start.map_or(usual.start, micros),
            every: Duration::from_secs_f64(1.0 / self.rate),
        };
        Ok(match &self.habits {
            None => World::new(contract, settings)?,
            Some(path) => {
                let name = path.display();
                let text =
                    std::fs::read_to_string(path).map_err(|error| Failure(format!("cannot read `{name}`: {error}")))?;
                let habits = Habits::parse(&text).map_err(|error| Failure(format!("`{name}`: {error}")))?;
                World::with(contract, &habits, settings).map_err(|error| Failure(format!("`{name}`: {error}")))?
            }
        })
    }
}

/// Sessions in a second: from one a day to a million.
fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok().filter(|rate| (1.0 / 86_400.0..=1_000_000.0).contains(rate));
    rate.ok_or_else(|| format!("`{text}` is no rate: write how many sessions begin in a second, as `12` or `0.5`"))
}
