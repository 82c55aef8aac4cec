//! `finis simulate`: hostile deliveries from a seed. Folded and held against the model, written out, or posted to
//! a receiver.
//!
//! ```text
//! worlds, dials ──▶ script ──▶ offline      what the fold makes of it, against the model
//! replay ─────────────┘   └──▶ against      what a receiver makes of it
//!                      ├──▶ play         what the engine makes of it, when things go wrong with the receiver
//! worlds, dials ─────────────▶ grace        what each time to wait would make of it
//! ```

mod against; // posted to a receiver
mod dials; // what goes wrong
mod grace; // which grace and which stall to set
mod offline; // folded, and held against the model
mod play; // played with the engine, in virtual time
mod report; // what is said of it
mod worlds; // which world

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use finis::engine::Timestamp;
use finis_simulator::script::Script;
use finis_simulator::story::{Setup, Story};

use super::reconcile::{Watch, as_of};
use super::{Failure, Outcome, say};
use play::Play;
use report::{Run, Runs};
use worlds::{Judging, Made};

#[derive(clap::Args)]
#[command(after_help = "\
The same seed and options give the same deliveries, byte for byte, on every machine. A CHANCE is written 1% or 0.01, \
a TIME as 90s, 2m or 1h30m.

Without --against, what arrives is folded as `finis reconcile` does it, and every record is held against a second \
reading of the design that shares no code with the fold. --out keeps the world as a story: `deliveries.jsonl` is an \
export, `records.ndjson` the records that must come of it, `args` what `finis reconcile` is to be told.

With --mishaps, the engine itself plays the world in virtual time: its process is killed, its disk is full, its consumers \
fail; and everything it promises is held against what happened. A promise that is broken is told with the smallest \
story that breaks it; --out keeps that.

With --advise, nothing is kept of a session that is over, and it is said how long to wait: docs/grace.md.

With --against, it is posted to a receiver of yours, signed for the moment at which it is sent; with --expect, the \
receiver is asked what it made of it. What it has to answer, and how it is judged: docs/simulate.md.

Exits 0; 1 when fold and model disagree, a promise is broken, or a receiver lost, doubled or told something wrongly or too early; 2 when \
something could not be read, written or reached.")]
pub(crate) struct Args {
    #[command(flatten)]
    worlds: worlds::Worlds,

    #[command(flatten)]
    dials: dials::Dials,

    #[command(flatten)]
    against: against::AgainstArgs,

    #[command(flatten)]
    play: play::PlayArgs,

    #[command(flatten)]
    grace: grace::GraceArgs,

    /// Play a story that was kept, in place of a world from a seed
    #[arg(long, value_name = "FOLDER", conflicts_with = "runs")]
    replay: Option<PathBuf>,

    /// So many worlds, from as many seeds, beginning with --seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000), conflicts_with = "against")]
    runs: u64,

    /// Time to judge deadlines at; unless told, all of them are over
    #[arg(long, value_name = "TIME", value_parser = as_of, conflicts_with = "against")]
    as_of: Option<Timestamp>,

    /// Keep the world as a story in this folder; of several runs, each in a folder of its own there. Named .jsonl or
    /// .ndjson, it is a file, with the deliveries alone
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    if args.grace.advise {
        return args.advise();
    }
    let kept = args.replay.as_deref().map(Story::load).transpose()?;
    let judging = args.worlds.judging(kept.as_ref().map(|story| story.head.provider.as_str()))?;
    match kept {
        Some(story) => {
            if story.mishaps().next().is_some() && args.play.is_given() {
                return Err(Failure(
                    "the story has mishaps of its own, and these are played: leave out --mishaps and --mishap; or let \
                     others befall the same world, with its --seed and options in place of --replay"
                        .to_owned(),
                ));
            }
            // What was never played says nothing of a receiver.
            let is_played = story.mishaps().next().is_some() || story.setup != Setup::default();
            let (story, judging) = settled(story, judging)?;
            let script = story.script();
            let judging = with_source(judging, &script);
            args.one(&Made::read(script), is_played.then_some(story), &judging)
        }
        None if args.runs == 1 => args.one(&args.make(args.worlds.seed, &judging)?, None, &judging),
        None => args.many(&judging),
    }
}

/// One set of terms for the fold and for the receiver that is played: those of the story's own setup, but for what
/// is told otherwise.
fn settled(mut story: Story, judging: Judging) -> Result<(Story, Judging), Failure> {
    let Judging { mut plan, terms: told, source } = judging;
    let setup = &mut story.setup;
    setup.subscribed = told.subscribed.or(setup.subscribed.take());
    (setup.grace, setup.stall) = (told.grace.or(setup.grace), told.stall.or(setup.stall));
    plan.terms = setup.terms(&plan.contract)?;
    let terms = setup.model_terms();
    Ok((story, Judging { plan, terms, source }))
}

/// Deliveries of a story stay with the source that they came from.
fn with_source(judging: Judging, script: &Script) -> Judging {
    let source = script.arrivals.first().map_or(judging.source, |arrival| arrival.source.clone());
    Judging { source, ..judging }
}

impl Args {
    /// The world of a seed.
    fn make(&self, seed: u64, judging: &Judging) -> Result<Made, Failure> {
        let kinds = judging.contract().draft().events.iter().map(|event| event.kind.clone());
        let faults = self.dials.faults(seed, &kinds.collect::<Vec<_>>())?;
        self.worlds.script(judging, seed, &faults, self.against.signing(judging)?)
    }

    /// What each grace and each stall would have done.
    fn advise(&self) -> Result<Outcome, Failure> {
        let judging = self.worlds.judging(None)?;
        let (contract, seed) = (judging.contract(), self.worlds.seed);
        let world = self.worlds.world(contract, seed)?;
        let kinds: Vec<String> = contract.draft().events.iter().map(|event| event.kind.clone()).collect();
        let faults = self.dials.faults(seed, &kinds)?;
        let asked = grace::Asked { contract, world: &world, faults: &faults, terms: &judging.plan.terms };
        let report = grace::report(&self.grace, asked)?;
        say(&if self.json { report.json() } else { report.text() })?;
        Ok(Outcome::Fine)
    }

    /// What comes of a world when the engine plays it; nothing when nobody wants to know. A story that has a setup
    /// of its own is played under that.
    fn play(&self, script: &Script, story: Option<Story>, judging: &Judging) -> Result<Option<Play>, Failure> {
        let seed = script.head.seed;
        let story = match (story, self.play.mishaps(seed)) {
            (Some(story), Some(mishaps)) => play::story(script, story.setup, mishaps, seed),
            (Some(story), None) => story,
            (None, Some(mishaps)) => play::story(script, play::setup(judging), mishaps, seed),
            (None, None) => return Ok(None),
        };
        if self.against.signing(judging)?.is_some() {
            return Err(Failure("a receiver that is played has no secret: leave it out with --mishaps".to_owned()));
        }
        play::play(&story, judging).map(Some)
    }

    fn one(&self, made: &Made, story: Option<Story>, judging: &Judging) -> Result<Outcome, Failure> {
        if self.against.is_given() {
            return self.against.run(made, judging, self.out.as_ref(), self.json);
        }
        let as_of = self.as_of(&made.script, judging);
        let outcome = offline::reconcile(&made.script, judging, as_of)?;
        let play = self.play(&made.script, story, judging)?;
        if let Some(path) = &self.out {
            self.keep(&made.script, play.as_ref(), judging, as_of, path)?;
        }
        let run = Run { made, judging, as_of, outcome: &outcome, play: play.as_ref() };
        say(&if self.json { format!("{:#}\n", run.json()) } else { run.text() })?;
        Ok(if run.agrees() { Outcome::Fine } else { Outcome::Objection })
    }

    fn many(&self, judging: &Judging) -> Result<Outcome, Failure> {
        let progress = Arc::new(AtomicU64::new(0));
        let watch = Watch::counted(self.runs, "runs", &progress);
        let mut runs = Runs::default();
        for seed in (0..self.runs).map(|run| self.worlds.seed.wrapping_add(run)) {
            let made = self.make(seed, judging)?;
            let as_of = self.as_of(&made.script, judging);
            let outcome = offline::reconcile(&made.script, judging, as_of)?;
            let play = self.play(&made.script, None, judging)?;
            if let Some(folder) = &self.out {
                self.keep(&made.script, play.as_ref(), judging, as_of, &folder.join(format!("seed-{seed}")))?;
            }
            runs.add(&Run { made: &made, judging, as_of, outcome: &outcome, play: play.as_ref() });
            progress.fetch_add(1, Ordering::Relaxed);
        }
        drop(watch);
        say(&if self.json { format!("{:#}\n", runs.json()) } else { runs.text() })?;
        Ok(if runs.agrees() { Outcome::Fine } else { Outcome::Objection })
    }

    /// Keeps a world, or the smallest story of it that breaks a promise, where one was broken.
    fn keep(
        &self,
        script: &Script,
        play: Option<&Play>,
        judging: &Judging,
        as_of: Timestamp,
        path: &Path,
    ) -> Result<(), Failure> {
        match play.and_then(|play| play.smallest.as_ref()).filter(|_| !is_file(path)) {
            // What it was asked for is in the seed.
            Some(smallest) => Ok(smallest.save(path, judging.contract(), as_of)?),
            None => save(&self.writable(script, judging)?, judging, Some(as_of), path),
        }
    }

    /// The script as it may be written down: secrets are in no file.
    fn writable(&self, script: &Script, judging: &Judging) -> Result<Script, Failure> {
        let signing = self.against.signing(judging)?;
        Ok(signing.map_or_else(|| script.clone(), |signing| signing.without_secret(script)))
    }

    fn as_of(&self, script: &Script, judging: &Judging) -> Timestamp {
        self.as_of.unwrap_or_else(|| long_after(script, judging))
    }
}

fn long_after(script: &Script, judging: &Judging) -> Timestamp {
    judging.long_after(script.end().unwrap_or(Timestamp::MIN))
}

/// Whether a path is to be a file of deliveries, and not a story's folder.
fn is_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| matches!(extension, "jsonl" | "ndjson"))
}

/// Keeps a script: as a story, or its deliveries in a file. Judged when all deadlines are over, unless told.
fn save(script: &Script, judging: &Judging, as_of: Option<Timestamp>, path: &Path) -> Result<(), Failure> {
    if is_file(path) {
        return std::fs::write(path, script.deliveries())
            .map_err(|error| Failure(format!("cannot write `{}`: {error}", path.display())));
    }
    let as_of = as_of.unwrap_or_else(|| long_after(script, judging));
    Ok(script.save_under(path, judging.contract(), judging.terms.clone(), as_of)?)
}
