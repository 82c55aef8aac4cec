//! `kill -9` of a process that writes, at any moment, also while it opens the store.
//!
//! `FINIS_KILLS` sets how many are killed.

use std::time::Duration;

use crate::claims::{Claims, Counts};
use crate::process::Life;
use crate::{Random, figure};

/// Kills of one store, after which it has to come to rest.
const KILLS_OF_A_STORE: u64 = 8;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let kills = figure("FINIS_KILLS", 16);
    let mut random = Random(figure("FINIS_SEED", 1));
    let (mut killed, mut while_opening, mut all) = (0, 0, Counts::default());
    while killed < kills {
        let folder = tempfile::tempdir().unwrap();
        let mut claims = Claims::default();
        for _ in 0..KILLS_OF_A_STORE.min(kills - killed) {
            let what = format!("kill {killed}");
            let mut child = Life::new(folder.path(), claims.next()).start();
            // One of four at any moment from its start on, the others while they write.
            if random.below(4) > 0 {
                assert!(child.says("kept"), "{what}: {}", child.kill().join("\n"));
            }
            std::thread::sleep(Duration::from_millis(1 + random.below(if kills > 100 { 400 } else { 120 })));
            let lines = child.kill();
            while_opening += u64::from(!lines.iter().any(|line| line.starts_with("opened")));
            claims.hear(&lines, &what);
            let _ = claims.check(folder.path(), &what);
            killed += 1;
        }
        claims.comes_to_rest(folder.path(), &format!("after kill {killed}"));
        all += claims.counts();
    }
    println!("{killed} kills, {while_opening} of them before the store was open; {all}");
    assert!(all.kept > 0 && all.handed > 0);
}
