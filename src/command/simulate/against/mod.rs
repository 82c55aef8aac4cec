//! `finis simulate --against`: the deliveries of a world posted to a receiver, and what it made of them.

mod answers; // what was answered
mod drive; // every delivery in its turn
mod play; // a script, once
mod post; // one request
mod story; // the smallest that goes wrong
mod target; // where to, and whether that may be

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::Args;
use finis::engine::parse_span;
use finis::providers::signature::{Options, Secret};
use finis_simulator::conclusions::Wrong;
use finis_simulator::faults::Signing;
use finis_simulator::script::Script;
use serde_json::{Value, json};

use super::super::reconcile::Watch;
use super::super::words::{aside, bad, count, deliveries, heading, number};
use super::super::{Failure, Outcome, say};
use super::dials::span;
use super::report::{injected, write_world};
use super::worlds::{Judging, Made};
use answers::Answers;
use drive::{Manner, Pace};
use play::{Played, Receiver, Verdict};
use post::Poster;
use story::Story;
use target::Target;

/// Deliveries that one run posts at most.
const DELIVERIES_MAX: usize = 200_000;

/// A receiver, and how it is met.
#[derive(Args)]
#[command(next_help_heading = "Against a receiver")]
pub(crate) struct AgainstArgs {
    /// Post the deliveries to this URL
    #[arg(long, value_name = "URL")]
    against: Option<String>,

    /// Ask there what the receiver concluded, and hold it against what it had to
    #[arg(long, value_name = "URL", requires = "against")]
    expect: Option<String>,

    /// Have the receiver forget everything before it is played to, by a POST to this URL
    #[arg(long, value_name = "URL", requires = "against")]
    reset: Option<String>,

    /// Look for the smallest story that the receiver gets wrong; with --out it is kept
    #[arg(long, requires_all = ["expect", "reset"])]
    shrink: bool,

    /// Sign as the provider does; without, nothing is signed
    #[arg(long, value_name = "SECRET", env = "FINIS_SIMULATE_SECRET", hide_env_values = true)]
    secret: Option<String>,

    /// Name of the header, where the provider leaves it to you
    #[arg(long, value_name = "NAME", requires = "secret")]
    header: Option<String>,

    /// So many deliveries a second; as fast as they are taken, unless told
    #[arg(long, value_name = "N", requires = "against", conflicts_with = "speedup", value_parser = pace)]
    pace: Option<f64>,

    /// As they came in the world, so many times as fast
    #[arg(long, value_name = "N", requires = "against", value_parser = speedup)]
    speedup: Option<f64>,

    /// So many at once at most; one at a time come in the order of the world
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,

    /// How often a delivery is sent again that was not answered 2xx, where the provider does so
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20))]
    retries: u32,

    /// How long after the answer it is sent again; then twice as long each time
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = span)]
    retry_after: Duration,

    /// How long an answer may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout)]
    timeout: Duration,

    /// How long a receiver has to conclude, after the last answer
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = span)]
    wait: Duration,

    /// Post to a host that is neither this machine nor in a private network
    #[arg(long)]
    i_own_this_host: bool,
}

/// What is to be shown of a run.
struct Report<'r> {
    made: &'r Made,
    judging: &'r Judging,
    receiver: &'r Receiver,
    played: &'r Played<'r>,
    answers: Answers,
    /// Why what was refused was not sent again, though that was asked for.
    never_again: bool,
    /// Deliveries that were not sent: forgeries, where nothing is signed.
    left_out: u64,
    story: Option<&'r Story<'r>>,
    saved: Option<&'r Path>,
}

impl AgainstArgs {
    /// Whether there is a receiver.
    pub(super) fn is_given(&self) -> bool {
        self.against.is_some()
    }

    /// What the provider signs with; nothing when there is no secret.
    ///
    /// # Errors
    /// When the secret does not fit the provider.
    pub(super) fn signing(&self, judging: &Judging) -> Result<Option<Signing>, Failure> {
        let Some(secret) = &self.secret else { return Ok(None) };
        let options = Options { header: self.header.clone(), ..Options::default() };
        let signing = Signing::new(judging.contract(), Secret::new(secret.as_str()), &options, self.against.clone());
        signing.map(Some).map_err(|error| Failure(format!("--secret: {error}")))
    }

    fn manner(&self, judging: &Judging) -> Manner {
        let pace = match (self.pace, self.speedup) {
            (Some(rate), _) => Pace::PerSecond(rate),
            (None, Some(factor)) => Pace::Speedup(factor),
            (None, None) => Pace::Free,
        };
        let retries = if sends_again(judging) { self.retries } else { 0 };
        Manner { pace, concurrency: usize::from(self.concurrency), retries, retry_after: self.retry_after }
    }

    fn receiver(&self, against: &str) -> Result<Receiver, Failure> {
        let target = |option: &str, url: &str| Target::new(option, url, self.i_own_this_host);
        let optional = |option: &str, url: &Option<String>| url.as_deref().map(|url| target(option, url)).transpose();
        Ok(Receiver {
            hook: target("--against", against)?,
            expect: optional("--expect", &self.expect)?,
            reset: optional("--reset", &self.reset)?,
            poster: Poster::new(usize::from(self.concurrency), self.timeout),
            wait: self.wait,
        })
    }

    /// Posts a script, and says what came of it. `out` is where the smallest story goes, or all of it.
    pub(super) fn run(
        &self,
        made: &Made,
        judging: &Judging,
        out: Option<&PathBuf>,
        as_json: bool,
    ) -> Result<Outcome, Failure> {
        let Some(against) = &self.against else { return Ok(Outcome::Fine) };
        let script = &made.script;
        if script.arrivals.len() > DELIVERIES_MAX {
            let (length, most) = (deliveries(script.arrivals.len() as u64), number(DELIVERIES_MAX as u64));
            return Err(Failure(format!("{length} are more than the {most} that are posted: give fewer --sessions")));
        }
        let receiver = self.receiver(against)?;
        let signing = self.signing(judging)?;
        let manner = self.manner(judging);
        let progress = Arc::new(AtomicU64::new(0));
        let played = {
            let _watch = Watch::counted(script.arrivals.len() as u64, "deliveries", &progress);
            receiver.play(script, judging, signing.as_ref(), manner, &progress)?
        };
        let findings = played.verdict.iter().flat_map(|verdict| &verdict.findings);
        // The gravest: what is lost before what is doubled.
        let wrong = findings.map(|finding| finding.wrong).min();
        let story = match wrong.filter(|_| self.shrink) {
            Some(wrong) => Some(story::smallest(&receiver, script, wrong, judging, signing.as_ref(), manner)?),
            None => None,
        };
        let saved = out.map(PathBuf::as_path);
        if let Some(folder) = saved {
            let (script, played) = story.as_ref().map_or((script, &played), |story| (&story.script, &story.played));
            // Secrets are in no file.
            let bare = signing.as_ref().map(|signing| signing.without_secret(script));
            save(bare.as_ref().unwrap_or(script), played, judging, folder)?;
        }
        let sent = played.attempts.iter().filter(|attempt| attempt.number == 1).count();
        let report = Report {
            made,
            judging,
            receiver: &receiver,
            answers: Answers::new(script, &played.attempts, played.took),
            played: &played,
            never_again: self.retries > 0 && !sends_again(judging),
            left_out: (script.arrivals.len() - sent) as u64,
            story: story.as_ref(),
            saved,
        };
        say(&if as_json { format!("{:#}\n", report.json()) } else { report.text() })?;
        Ok(if wrong.is_some() { Outcome::Objection } else { Outcome::Fine })
    }
}

/// Whether the provider sends again what was refused.
fn sends_again(judging: &Judging) -> bool {
    judging.contract().draft().delivery.retries_for.is_some()
}

/// Writes a script as a story, with what was answered.
fn save(script: &Script, played: &Played<'_>, judging: &Judging, folder: &Path) -> Result<(), Failure> {
    super::save(script, judging, None, folder)?;
    if super::is_file(folder) {
        return Ok(());
    }
    let path = folder.join("answers.jsonl");
    std::fs::write(&path, answers::lines(script, &played.attempts))
        .map_err(|error| Failure(format!("cannot write `{}`: {error}", path.display())))
}

impl Report<'_> {
    fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a String does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        write_world(out, self.made, self.judging)?;
        self.answers.write(out)?;
        if self.left_out > 0 {
            let why = "prove nothing, and nothing is signed without --secret";
            writeln!(out, "  not sent   {} that {why}", deliveries(self.left_out))?;
        }
        if self.never_again {
            writeln!(out, "  {}", aside("nothing was sent again: the provider never does"))?;
        }
        if let Some(verdict) = &self.played.verdict {
            write_verdict(out, verdict)?;
        }
        if let Some(story) = self.story {
            story.write(out, self.judging.contract(), self.saved)?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let verdict = self.played.verdict.as_ref().map(|verdict| {
            json!({"sessions": verdict.expected.sessions(), "over": verdict.over, "findings": verdict.findings})
        });
        let story = self.story.map(|story| {
            json!({
                "deliveries": story.script.arrivals.len(),
                "sessions": story.script.sessions().len(),
                "plays": story.plays,
                "findings": story.played.verdict.as_ref().map(|verdict| &verdict.findings),
            })
        });
        json!({
            "head": self.made.script.head,
            "arrivals": self.made.script.arrivals.len(),
            "injected": injected(self.made),
            "against": self.receiver.hook.shown,
            "not_sent": self.left_out,
            "answers": self.answers.json(),
            "concluded": verdict,
            "story": story,
        })
    }
}

fn write_verdict(out: &mut String, verdict: &Verdict<'_>) -> std::fmt::Result {
    let Verdict { expected, over, findings } = verdict;
    let sessions = count(expected.sessions(), "session");
    writeln!(out, "\n{}  {sessions}, over: {}", heading("Concluded"), number(*over))?;
    if findings.is_empty() {
        return writeln!(out, "  nothing lost, doubled, wrong or too early");
    }
    for wrong in [Wrong::Lost, Wrong::Doubled, Wrong::Early, Wrong::Wrong] {
        let times = findings.iter().filter(|finding| finding.wrong == wrong).count() as u64;
        if times > 0 {
            writeln!(out, "  {}", bad(&format!("{:<10} {:>5}", wrong.to_string(), number(times))))?;
        }
    }
    story::write_findings(out, findings)
}

/// Deliveries a second.
fn pace(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok().filter(|rate| (0.001..=10_000.0).contains(rate));
    rate.ok_or_else(|| format!("`{text}` is no pace: write how many deliveries go out in a second, up to 10000"))
}

fn speedup(text: &str) -> Result<f64, String> {
    let factor: Option<f64> = text.parse().ok().filter(|factor| (0.001..=1_000_000_000.0).contains(factor));
    factor.ok_or_else(|| format!("`{text}` is no speed: write how many times as fast as the world, as `60`"))
}

/// A time that is not nothing, and within which a run can end.
fn timeout(text: &str) -> Result<Duration, String> {
    let span = text.parse().map(Duration::from_secs).or_else(|_| parse_span(text))?;
    let is_sensible = (Duration::from_millis(1)..=Duration::from_secs(600)).contains(&span);
    if is_sensible { Ok(span) } else { Err(format!("`{text}` is no time for an answer: from 1ms to 10m")) }
}
