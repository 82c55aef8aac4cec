//! The quarantine, page by page, while it changes.

use std::collections::BTreeSet;

use finis_engine::log::{Batch, Keep, Log, LogRead, Mark, MemoryLog, QuarantinePages, Refused, RefusedId};
use finis_store::{Snapshot, check};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{at, event, key_of, refused};
use crate::{open_segmented, runtime};

/// All that is there, in pages of this many.
async fn paged(log: &dyn LogRead, limit: usize) -> Vec<Refused> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = log.refused(after, limit).await.unwrap();
        assert!(page.deliveries.len() <= limit && page.damaged.is_empty());
        all.extend(page.deliveries);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

async fn put(log: &dyn Log, refused: Vec<Refused>) {
    log.append(Batch { refused, ..Batch::default() }).await.unwrap();
}

async fn release(log: &dyn Log, ids: Vec<RefusedId>) {
    log.append(Batch { released: ids, ..Batch::default() }).await.unwrap();
}

/// Of any log: all of it once, in the order in which it came, however long a page is.
pub(crate) async fn the_quarantine_comes_in_pages(log: &dyn Log) {
    // Some came at one instant, and some earlier than what was there before them.
    let mut all: Vec<Refused> = (0..40).map(|number| refused(number, i64::from(number * 7 % 12))).collect();
    for some in all.chunks(9) {
        put(log, some.to_vec()).await;
    }
    all.sort_by_key(Refused::cursor);
    for limit in [1, 2, 7, 39, 40, 41, usize::MAX] {
        assert_eq!(paged(log, limit).await, all, "{limit}");
    }
    let (mut pages, mut through) = (QuarantinePages::of(log), Vec::new());
    while let Some(page) = pages.next().await.unwrap() {
        through.extend(page.deliveries);
    }
    assert_eq!(through, all);
    // Behind one that is there no more, and behind the last.
    let (gone, last) = (all.remove(11).cursor(), all[38].cursor());
    release(log, vec![gone.id]).await;
    assert_eq!(log.refused(Some(gone), 2).await.unwrap().deliveries, all[11..13]);
    let page = log.refused(Some(last), 9).await.unwrap();
    assert_eq!((page.deliveries, page.next), (Vec::new(), None));
    // What came again stays where it was; what was released and came again stands where it came.
    let again = Refused { received_at: at(50), ..all[0].clone() };
    put(log, vec![again.clone()]).await;
    assert_eq!(paged(log, 6).await, all);
    release(log, vec![again.id()]).await;
    put(log, vec![again.clone()]).await;
    all.remove(0);
    all.push(again);
    assert_eq!(paged(log, 6).await, all);
}

/// What happens between two pages.
#[derive(Clone, Debug)]
enum Step {
    Put(Vec<(u32, i64)>),
    Release(Vec<u32>),
    Restart { closed: bool },
    Page(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = || 0_u32..24;
    let step = prop_oneof![
        3 => vec((number(), 0_i64..20), 1..6).prop_map(Step::Put),
        2 => vec(number(), 1..4).prop_map(Step::Release),
        1 => any::<bool>().prop_map(|closed| Step::Restart { closed }),
        5 => (1_usize..6).prop_map(Step::Page),
    ];
    vec(step, 4..40)
}

async fn ids(log: &dyn LogRead) -> BTreeSet<RefusedId> {
    paged(log, usize::MAX).await.iter().map(Refused::id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Every log gives the same pages; whoever goes through them gets nothing twice that did not come anew, and all
    /// that was there throughout.
    #[test]
    fn pages_hold_while_it_changes(first in vec((0_u32..24, 0_i64..20), 0..30), steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        runtime().block_on(async {
            let (twin, mut log) = (MemoryLog::new(), open_segmented(folder.path()));
            let of = |some: Vec<(u32, i64)>| some.into_iter().map(|(number, second)| refused(number, second)).collect::<Vec<_>>();
            put(&log, of(first.clone())).await;
            put(&twin, of(first)).await;
            let (mut after, mut is_over) = (None, false);
            let mut throughout = ids(&twin).await;
            let mut seen = BTreeSet::new();
            // In the end, all that is left.
            for step in steps.into_iter().chain([Step::Page(usize::MAX)]) {
                match step {
                    Step::Put(some) => {
                        put(&log, of(some.clone())).await;
                        put(&twin, of(some)).await;
                    }
                    Step::Release(numbers) => {
                        let released: Vec<RefusedId> = numbers.into_iter().map(|number| refused(number, 0).id()).collect();
                        release(&log, released.clone()).await;
                        release(&twin, released.clone()).await;
                        for id in released {
                            throughout.remove(&id);
                            // It may come anew.
                            seen.remove(&id);
                        }
                    }
                    Step::Restart { closed } => {
                        if closed {
                            log.close().await.unwrap();
                        } else {
                            drop(log);
                        }
                        log = open_segmented(folder.path());
                    }
                    Step::Page(limit) => {
                        if is_over {
                            continue;
                        }
                        let page = log.refused(after, limit).await.unwrap();
                        assert_eq!(page, twin.refused(after, limit).await.unwrap());
                        assert_eq!(page, Snapshot::open(folder.path()).unwrap().refused(after, limit).await.unwrap());
                        assert!(page.deliveries.iter().all(|refused| seen.insert(refused.id())), "{page:?}");
                        is_over = page.next.is_none();
                        after = page.next.or(after);
                    }
                }
            }
            assert!(is_over && throughout.is_subset(&seen), "{throughout:?} {seen:?}");
            log.close().await.unwrap();
            assert!(check(folder.path()).unwrap().is_sound());
        });
    }
}

/// What is carried into another segment between two pages stands where it stood.
#[test]
fn what_is_moved_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open_segmented(folder.path());
        // Some that stay, amid marks that later ones make void and sessions that go.
        let all: Vec<Refused> = (0..6).map(|number| refused(number, i64::from(number))).collect();
        put(&log, all.clone()).await;
        log.mark("crm", &[Mark::Begin(0)]).await.unwrap();
        for number in 0..200_u32 {
            let mut event = event(0, number, 1);
            event.key = key_of(&format!("call-{number}"));
            log.append(Batch { events: vec![event], ..Batch::default() }).await.unwrap();
            log.mark("crm", &[Mark::UpTo(number.into())]).await.unwrap();
        }
        let first = log.refused(None, 2).await.unwrap();
        assert_eq!(first.deliveries, all[..2]);
        let keep = Keep { sessions: Some(at(500)), ..Keep::default() };
        let (mut bytes, mut more) = (0, true);
        while more {
            let retained = log.retain(&keep, at(1000)).await.unwrap();
            (bytes, more) = (bytes + retained.bytes, retained.more);
        }
        assert!(bytes > 0 && !folder.path().join("journal").join("00000001.log").exists());
        let second = log.refused(first.next, 2).await.unwrap();
        assert_eq!(second.deliveries, all[2..4]);
        drop(log);
        // With the index and without.
        assert_eq!(open_segmented(folder.path()).refused(second.next, 9).await.unwrap().deliveries, all[4..]);
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        let log = open_segmented(folder.path());
        assert_eq!(log.refused(second.next, 9).await.unwrap().deliveries, all[4..]);
        assert_eq!(paged(&log, 1).await, all);
        log.close().await.unwrap();
        assert!(check(folder.path()).unwrap().is_sound());
    });
}

/// A damaged one is named on its page, and the next page begins behind it all the same.
#[test]
fn a_damaged_one_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let log = open_segmented(folder.path());
        let all: Vec<Refused> = (1..6).map(|number| refused(number, i64::from(number))).collect();
        put(&log, all.clone()).await;
        let path = folder.path().join("journal").join("00000001.log");
        let mut bytes = std::fs::read(&path).unwrap();
        let mut headers = bytes.windows(8).enumerate().filter(|(_, part)| *part == b"x-number");
        let (place, _) = headers.nth(2).unwrap();
        bytes[place] ^= 1;
        std::fs::write(&path, bytes).unwrap();

        let (mut told, mut damaged, mut after) = (Vec::new(), Vec::new(), None);
        for _ in 0..5 {
            let page = log.refused(after, 1).await.unwrap();
            assert_eq!(page.deliveries.len() + page.damaged.len(), 1);
            told.extend(page.deliveries);
            damaged.extend(page.damaged);
            after = page.next;
        }
        assert_eq!(told, [&all[..2], &all[3..]].concat());
        assert!(damaged.len() == 1 && damaged[0].contains("of the journal"), "{damaged:?}");
        assert_eq!(log.refused(after, 1).await.unwrap(), finis_engine::log::Quarantine::default());
    });
}
