//! A script played to a receiver once, and what the receiver made of it.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use finis_simulator::conclusions::{Expected, Finding};
use finis_simulator::faults::Signing;
use finis_simulator::script::Script;

use super::super::super::Failure;
use super::super::super::store::now;
use super::super::worlds::Judging;
use super::drive::{Attempt, Drive, Manner};
use super::post::Poster;
use super::target::Target;

/// A receiver that somebody wrote.
pub(super) struct Receiver {
    /// Where deliveries go.
    pub(super) hook: Target,
    /// Where it says what it concluded.
    pub(super) expect: Option<Target>,
    /// Where it is told to forget everything.
    pub(super) reset: Option<Target>,
    pub(super) poster: Poster,
    /// After the last answer it has so long to conclude.
    pub(super) wait: Duration,
}

/// What came of a script.
pub(super) struct Played<'c> {
    pub(super) attempts: Vec<Attempt>,
    /// From the first that was sent to the last answer.
    pub(super) took: Duration,
    pub(super) verdict: Option<Verdict<'c>>,
}

/// What the receiver concluded, held against what it had to.
pub(super) struct Verdict<'c> {
    pub(super) expected: Expected<'c>,
    /// Sessions that were over when it was asked.
    pub(super) over: u64,
    pub(super) findings: Vec<Finding>,
}

impl Receiver {
    /// Plays a script, to a receiver that has forgotten everything if it can.
    pub(super) fn play<'c>(
        &self,
        script: &Script,
        judging: &'c Judging,
        signing: Option<&Signing>,
        manner: Manner,
        progress: &AtomicU64,
    ) -> Result<Played<'c>, Failure> {
        if let Some(reset) = &self.reset {
            self.poster.reset(reset)?;
        }
        let started = Instant::now();
        let drive = Drive { script, signing, poster: &self.poster, to: &self.hook, manner, progress };
        let attempts =
            drive.run().map_err(|why| Failure(format!("--against {}: nobody answers: {why}", self.hook.shown)))?;
        let took = started.elapsed();
        let Some(expect) = &self.expect else { return Ok(Played { attempts, took, verdict: None }) };
        let mut expected = Expected::new(judging.contract(), judging.terms.clone());
        for attempt in attempts.iter().filter(|attempt| attempt.number == 1) {
            expected.posted(&script.arrivals[attempt.place], attempt.sent_at);
        }
        std::thread::sleep(self.wait);
        // What is over when it is asked, it has to know.
        let asked = now();
        let conclusions = self.poster.conclusions(expect)?;
        let (over, findings) = (expected.over(asked), expected.compare(&conclusions, asked));
        Ok(Played { attempts, took, verdict: Some(Verdict { expected, over, findings }) })
    }
}
