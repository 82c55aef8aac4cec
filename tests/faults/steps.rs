//! A process that ends at each step of what it does: every point of `finis_store::crash`, and pairs of
//! them, the second while what the first left is put in order.
//!
//! A point that is never reached fails the test, so a new one has to be found its way to.
//! `FINIS_CRASH_PAIRS` sets how many pairs are tried; there are some hundred, and a greater number
//! tries all.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use finis_store::crash::POINTS;

use crate::claims::Claims;
use crate::process::Life;
use crate::{Random, figure, store};

/// Deliveries of a life: enough for several segments.
pub(crate) const DELIVERIES: u64 = 220;

/// What `abort` ends a process with.
const SIGABRT: i32 = 6;

/// A store as some lives left it, and what they said.
pub(crate) struct Base {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) claims: Claims,
}

impl Base {
    pub(crate) fn new() -> Base {
        Base { folder: tempfile::tempdir().unwrap(), claims: Claims::default() }
    }

    /// All that opening can find, at once: a commit that was cut off, a segment that was not finished, a
    /// snapshot of the index that was not either, and an index that does not open.
    pub(crate) fn in_disorder() -> Base {
        let mut base = Base::new();
        assert!(base.crashes_at("append.framed:30", DELIVERIES));
        let journal = base.folder.path().join("journal");
        let segments = fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().path());
        let last = segments.filter(|path| path.extension().is_some_and(|of| of == "log")).max().unwrap();
        tear(&last);
        fs::write(journal.join("00000077.log.new"), "half a segment").unwrap();
        let index = base.folder.path().join("index");
        fs::write(index.join("snap.0000000000000042.generating"), "half a snapshot").unwrap();
        fs::write(index.join("conf"), "this is no index\n").unwrap();
        base
    }

    /// A store whose last commit nothing claims yet.
    fn crashed() -> Base {
        let mut base = Base::new();
        assert!(base.crashes_at("commit.answered:30", DELIVERIES));
        base
    }

    fn copy(&self) -> Base {
        let base = Base { folder: tempfile::tempdir().unwrap(), claims: self.claims.clone() };
        store::copy(self.folder.path(), base.folder.path());
        base
    }

    /// Lives until it ends itself there. `false` when it never came there, and closed the store.
    fn crashes_at(&mut self, point: &str, deliveries: u64) -> bool {
        let mut life = Life::new(self.folder.path(), self.claims.next());
        (life.count, life.crash_at) = (Some(deliveries), Some(point.to_owned()));
        let (status, lines) = life.start().end();
        self.claims.hear(&lines, point);
        let crashed = status.signal() == Some(SIGABRT);
        assert!(crashed || lines.iter().any(|line| line == "closed"), "{point}: {status}: {}", lines.join("\n"));
        crashed
    }

    fn check(mut self, what: &str) {
        let _ = self.claims.check(self.folder.path(), what);
        self.claims.comes_to_rest(self.folder.path(), what);
    }
}

/// Takes away the last bytes of the last frame, as if they had not been written.
fn tear(segment: &Path) {
    let mut bytes = fs::read(segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 8..=end].fill(0);
    fs::write(segment, bytes).unwrap();
}

/// Points that belong to what the log does.
pub(crate) fn points() -> impl Iterator<Item = &'static str> {
    POINTS.iter().copied().filter(|point| !crate::maintenance::is_its(point))
}

/// Whether a point lies on the way of a store that was left in some way, and of no other.
pub(crate) fn needs_more(point: &str) -> bool {
    matches!(
        point,
        "journal.torn-cut"
            | "journal.leftover-removed"
            | "log.index-aside-removed"
            | "log.index-aside"
            | "journal.settling"
            | "journal.settled"
    )
}

/// A store that has this point on its way: most have, and some points take more.
pub(crate) fn base_for(point: &str) -> Base {
    match point {
        "journal.torn-cut" | "journal.leftover-removed" | "log.index-aside-removed" | "log.index-aside" => {
            Base::in_disorder()
        }
        "journal.settling" | "journal.settled" => Base::crashed(),
        _ => Base::new(),
    }
}

#[test]
fn a_process_ends_at_each_step() {
    for point in points() {
        let mut base = base_for(point);
        assert!(base.crashes_at(&format!("{point}:1"), DELIVERIES), "`{point}` is never reached");
        base.check(point);
    }
}

#[test]
fn a_process_ends_at_a_step_and_again_while_that_is_put_in_order() {
    let most = figure("FINIS_CRASH_PAIRS", 24) as usize;
    let mut random = Random(figure("FINIS_SEED", 1));
    let mut firsts: Vec<&str> = points().collect();
    for place in (1..firsts.len()).rev() {
        firsts.swap(place, random.below(place as u64 + 1) as usize);
    }
    let (mut tried, mut seconds_seen) = (0, BTreeSet::new());
    for first in firsts {
        if tried >= most {
            break;
        }
        let mut base = base_for(first);
        // Not the first time, where there is a later one: there is then more to put in order.
        let again = base.copy();
        if !base.crashes_at(&format!("{first}:9"), DELIVERIES) {
            base = again;
            assert!(base.crashes_at(&format!("{first}:1"), DELIVERIES));
        }
        let seconds = passed_while_opening(&base.copy());
        assert!(!seconds.is_empty());
        for second in seconds {
            let mut copy = base.copy();
            let what = format!("{first}, then {second}");
            assert!(copy.crashes_at(&format!("{second}:1"), 1), "{what}: not reached");
            copy.check(&what);
            seconds_seen.insert(second);
            tried += 1;
            // Few runs see more when the firsts are many.
            if tried >= most || (most < 100 && tried % 6 == 0) {
                break;
            }
        }
    }
    println!("{tried} pairs, with {} different points as the second", seconds_seen.len());
}

/// Points that opening passes, in their order, each once.
fn passed_while_opening(base: &Base) -> Vec<String> {
    let mut life = Life::new(base.folder.path(), base.claims.next());
    (life.count, life.crash_at) = (Some(1), Some("say".to_owned()));
    let (_, lines) = life.start().end();
    let mut seen = BTreeSet::new();
    let opening = lines.into_iter().take_while(|line| !line.starts_with("opened"));
    let passed = opening.filter_map(|line| line.strip_prefix("passed ").map(str::to_owned));
    passed.filter(|point| seen.insert(point.clone())).collect()
}
