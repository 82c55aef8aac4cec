//! Power cuts while several writers write, on ext4 and xfs.
//!
//! What the parent has heard when it cuts the power must be there. What it hears later would have
//! reached nobody from a machine without power: the kernel can answer an `fdatasync` that was under way
//! with 0 though the shutdown kept a part of it from the disk. The run says how much of that there was.
//!
//! A store lives through several cuts, then faults are over and it has to come to rest; at the end the
//! file system is checked by its own tool, so that what is tested is finis and not the mount.
//! `FINIS_POWER_CUTS` sets how many cuts ext4 has; xfs has half as many.

use std::time::Duration;

use crate::claims::{Claims, Counts};
use crate::mounted::{Kind, Mounted};
use crate::process::Life;
use crate::{Random, figure, skipped, steps};

/// Cuts of one file system.
const CUTS_OF_A_STORE: u64 = 10;

/// Room for a dozen lives.
const EXT4_BYTES: u64 = 128 << 20;
/// The least that its tool makes.
const XFS_BYTES: u64 = 320 << 20;

#[test]
fn what_was_acknowledged_survives_a_power_cut_on_ext4() {
    cuts(Kind::Ext4, EXT4_BYTES, figure("FINIS_POWER_CUTS", 3));
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_on_xfs() {
    cuts(Kind::Xfs, XFS_BYTES, figure("FINIS_POWER_CUTS", 3).div_ceil(2));
}

fn cuts(kind: Kind, bytes: u64, cuts: u64) {
    let mut random = Random(figure("FINIS_SEED", 1));
    let (mut cut, mut refused, mut torn, mut rebuilt, mut all) = (0, 0, 0, 0, Counts::default());
    let (mut said_in_the_dark, mut not_there) = (0, 0);
    while cut < cuts {
        let mut mounted = match Mounted::new(kind, bytes) {
            Ok(mounted) => mounted,
            Err(why) => return skipped(&format!("power cuts on {kind:?}"), &why),
        };
        let folder = mounted.path().join("store");
        let mut claims = Claims::default();
        for _ in 0..CUTS_OF_A_STORE.min(cuts - cut) {
            let what = format!("{kind:?}, cut {cut}");
            let switch = match mounted.switch() {
                Ok(switch) => switch,
                Err(why) => return skipped(&format!("power cuts on {kind:?}"), &why),
            };
            let mut child = Life::new(&folder, claims.next()).start();
            if random.below(5) > 0 {
                assert!(child.says("kept"), "{what}: {}", child.kill().join("\n"));
            }
            std::thread::sleep(Duration::from_millis(random.below(if cuts > 20 { 300 } else { 200 })));
            let heard = child.has_said();
            if let Err(why) = switch.cut() {
                return skipped(&format!("power cuts on {kind:?}"), &why);
            }
            let lines = child.kill();
            refused += lines.iter().filter(|line| line.starts_with("refused")).count();
            if let Err(why) = mounted.restore() {
                panic!("{what}: it cannot be mounted again: {why}");
            }
            claims.hear_until(&lines, heard, &what);
            let report = claims.check(&folder, &what);
            said_in_the_dark += lines[heard..].iter().filter(|line| line.starts_with("kept")).count();
            not_there += claims.not_there(&lines[heard..]);
            torn += u64::from(report.journal.torn.is_some());
            rebuilt += u64::from(matches!(report.index, finis_store::IndexState::Rebuilt { .. }));
            cut += 1;
        }
        claims.comes_to_rest(&folder, &format!("{kind:?}, after cut {cut}"));
        all += claims.counts();
        if let Err(why) = mounted.verify() {
            panic!("the file system itself is broken, after cut {cut}: {why}");
        }
    }
    println!(
        "{kind:?}: {cut} power cuts; {all}; {refused} refused when the power was gone; \
         {torn} torn tails cut off, the index made again {rebuilt} times; {said_in_the_dark} acknowledged \
         while the power went or after, of which {not_there} are not there"
    );
}

/// The power goes while a thread stands at a point of `finis_store::crash`: what was written before it
/// and not synced is gone, which no killed process shows. `FINIS_POWER_STEPS` sets how many points.
#[test]
fn what_was_acknowledged_survives_a_power_cut_at_each_step() {
    let most = figure("FINIS_POWER_STEPS", 4) as usize;
    // Each a different stretch of the list.
    let apart = (steps::points().count() / most.max(1)).max(1);
    let mut all = Counts::default();
    let mut cut = 0;
    for point in steps::points().step_by(apart).take(most) {
        // It waits for a store in disorder, which the kills have.
        if steps::needs_more(point) {
            continue;
        }
        let mut mounted = match Mounted::new(Kind::Ext4, EXT4_BYTES) {
            Ok(mounted) => mounted,
            Err(why) => return skipped("power cuts at each step", &why),
        };
        let folder = mounted.path().join("store");
        let mut claims = Claims::default();
        // The first time there is little to lose; not every point comes again.
        for nth in [1, 5] {
            let what = format!("{point}, time {nth}");
            let switch = mounted.switch().unwrap();
            let mut life = Life::new(&folder, claims.next());
            (life.count, life.crash_at) = (Some(steps::DELIVERIES), Some(format!("{point}:{nth}:hold")));
            let mut child = life.start();
            let came_there = child.says(&format!("held {point}"));
            assert!(came_there || nth > 1, "`{point}` is never reached");
            let heard = child.has_said();
            if let Err(why) = switch.cut() {
                return skipped("power cuts at each step", &why);
            }
            let lines = child.kill();
            if let Err(why) = mounted.restore() {
                panic!("{what}: it cannot be mounted again: {why}");
            }
            claims.hear_until(&lines, heard, &what);
            let _ = claims.check(&folder, &what);
            cut += u64::from(came_there);
        }
        claims.comes_to_rest(&folder, point);
        all += claims.counts();
    }
    println!("{cut} power cuts at points of the code; {all}");
}
