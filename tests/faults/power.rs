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
use crate::{Random, figure, skipped};

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
