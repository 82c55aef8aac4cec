//! A disk without room: a small file system that finis fills as far as it may, and somebody else to the
//! last byte.
//!
//! Whoever posts is told, nothing acknowledged is lost, and what is there can be read. When finis
//! itself has taken what it may, it goes on by itself as soon as there is room. When somebody else took
//! the last byte, it is one of two: the journal refused in time, and it goes on by itself, deadlines
//! too; or the index had still to write, and the store says that it has stopped and goes on when it is
//! opened again. On a disk that is full to the last byte it opens, by what it held in reserve, forgets whom
//! it has to, and takes more as soon as there is room.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use finis::engine::live::SessionKey;
use finis::engine::log::{Keep, Log, LogError, LogRead, Retained};
use finis::engine::{Clock, ReceiveError, Timestamp};
use finis::live::{Finis, OpenError, StoreSettings, SystemClock};
use finis_store::journal::{self, Disk};

use crate::deliveries::{BRIEF, Identity, STALL, headers, identity, posted};
use crate::look::Look;
use crate::mounted::{Kind, Mounted};
use crate::process::PATIENCE;
use crate::{skipped, store};

const KIB: u64 = 1 << 10;

/// Bytes that the journal leaves free.
const LEFT_FREE: u64 = 512 * KIB;

/// Bytes that it holds in reserve, to open with.
const RESERVE: u64 = 2048 * KIB;

/// What finis may take before it is full, the reserve with it.
const ROOM: u64 = 4096 * KIB;

fn settings() -> StoreSettings {
    let journal = journal::Settings { segment_bytes: 64 * KIB, reserve_bytes: RESERVE, free_bytes_min: LEFT_FREE };
    StoreSettings { journal, ..store::settings() }
}

#[test]
fn a_full_disk_in_memory_refuses_and_goes_on() {
    refuses_and_goes_on(Kind::Tmpfs, 16 << 20);
}

#[test]
fn a_full_ext4_refuses_and_goes_on() {
    refuses_and_goes_on(Kind::Ext4, 16 << 20);
}

fn refuses_and_goes_on(kind: Kind, bytes: u64) {
    let mounted = match Mounted::new(kind, bytes) {
        Ok(mounted) => mounted,
        Err(why) => return skipped(&format!("a full {kind:?}"), &why),
    };
    let folder = mounted.path().join("store");
    let [cushion, filler] = ["cushion", "filler"].map(|name| mounted.path().join(name));
    fill(&cushion, free_bytes(&mounted.path()) - ROOM);
    store::runtime().block_on(async {
        let mut finis = open(&folder).await.unwrap();
        let mut kept = BTreeSet::new();

        // Finis takes what it may, and stops while there is room for what it does behind the
        // acknowledgement.
        let mut next = 0;
        let error = loop {
            match post(&finis, next).await {
                Ok(identity) => kept.extend(identity),
                Err(error) => break error,
            }
            next += 1;
        };
        assert!(matches!(error, ReceiveError::Log(LogError::Full { .. })), "{kind:?}: {error}");
        let free = free_bytes(&folder);
        assert!(next > 100 && free >= LEFT_FREE / 2, "{kind:?}: {next} deliveries, {free} bytes free");
        // A repeat takes no room, and reading none.
        assert!(post(&finis, 0).await.unwrap().is_none_or(|identity| kept.contains(&identity)));
        assert_eq!(deliveries(finis.log(), "full").await, kept);
        std::fs::remove_file(&cushion).unwrap();
        for number in next..next + 40 {
            kept.extend(post(&finis, number).await.unwrap());
        }
        next += 40;

        // Somebody else takes the last byte.
        fill(&filler, u64::MAX);
        let mut stopped = None;
        for number in next..next + 20 {
            match post(&finis, number).await {
                // Into room that was taken before.
                Ok(identity) => kept.extend(identity),
                Err(ReceiveError::Log(LogError::Full { .. })) => {}
                Err(ReceiveError::Log(LogError::Stopped { reason }) | ReceiveError::Stopped { reason }) => {
                    stopped = Some(reason);
                }
                Err(error) => panic!("{kind:?}: {error}"),
            }
        }
        let by_itself = stopped.is_none();
        if let Some(reason) = &stopped {
            assert!(reason.contains("No space left"), "{kind:?}: {reason}");
        } else {
            // Deadlines fall due, and cannot pass. If the file system is so slow that all have passed
            // before, there is nothing to see.
            wait_for("a deadline", async || {
                let waiting = due(&finis).await;
                waiting.is_empty() || waiting.iter().any(|due| *due <= now())
            })
            .await;
            assert_eq!(deliveries(finis.log(), "to the last byte").await, kept);
        }
        std::fs::remove_file(&filler).unwrap();
        if !by_itself {
            drop(finis);
            finis = open(&folder).await.unwrap();
        }

        // Room again. No delivery is needed for deadlines to pass.
        wait_for("deadlines to pass", async || due(&finis).await.is_empty()).await;
        for number in next..next + 40 {
            kept.extend(post(&finis, number).await.unwrap());
        }
        assert_eq!(deliveries(finis.log(), "room again").await, kept);

        // And full again, when it is opened.
        fill(&filler, u64::MAX);
        drop(finis);
        let finis = open(&folder).await.unwrap();
        assert!(finis.report().reserve_released, "{kind:?}");
        assert_eq!(deliveries(finis.log(), "opened on a full disk").await, kept);
        // One that is no repeat, and can be read, of a session that nothing came of yet.
        let is_known = |key: &SessionKey| kept.iter().any(|known| known.key() == Some(key));
        let fresh = (next + 40..).filter(|number| posted(*number).is.counts());
        let mut fresh = fresh.filter(|number| identity(&posted(*number)).key().is_some_and(|key| !is_known(key)));
        let fresh = fresh.next().unwrap();
        let error = post(&finis, fresh).await.unwrap_err();
        assert!(matches!(error, ReceiveError::Log(LogError::Full { .. })), "{kind:?}: {error}");
        // What makes room is done, with what the reserve had.
        let key = kept.iter().find_map(Identity::key).unwrap().clone();
        assert!(finis.forget(key.source(), key.id()).await.unwrap());
        kept.retain(|identity| identity.key() != Some(&key));
        assert_eq!(deliveries(finis.log(), "forgotten on a full disk").await, kept);
        // So is letting go of those that are over: those that wait for nothing.
        let waiting = finis.log().due(None, Timestamp::MAX, usize::MAX).await.unwrap();
        let keep = Keep { sessions: Some(now()), told: u64::MAX, ..Keep::default() };
        let mut all = Retained::default();
        while let Retained { expired, bytes, more: true, .. } = finis.log().retain(&keep, now()).await.unwrap() {
            (all.expired, all.bytes) = (all.expired + expired, all.bytes + bytes);
        }
        assert!(all.expired > 10 && all.bytes > 0, "{kind:?}: {all:?}");
        let left = deliveries(finis.log(), "let go on a full disk").await;
        for gone in kept.difference(&left) {
            let waits = waiting.iter().any(|(_, key)| gone.key() == Some(key));
            assert!(gone.key().is_some() && !waits, "{kind:?}: {gone:?} is gone");
        }
        assert!(left.is_subset(&kept), "{kind:?}");
        kept = left;
        std::fs::remove_file(&filler).unwrap();
        kept.extend(post(&finis, fresh).await.unwrap());
        finis.close().await.unwrap();
        drop(finis);

        let finis = open(&folder).await.unwrap();
        assert!(!finis.report().reserve_released, "{kind:?}");
        assert_eq!(deliveries(finis.log(), "opened again").await, kept);
        finis.close().await.unwrap();
        println!(
            "{kind:?}: {} deliveries acknowledged; full to the last byte, it {}",
            kept.len() + 1,
            if by_itself { "refused, and went on by itself" } else { "stopped, and went on when opened again" },
        );
    });
}

/// Deadlines last longer than it takes to fill the disk.
async fn open(folder: &Path) -> Result<Finis, OpenError> {
    store::open_as(folder, settings(), Duration::from_secs(1)).await
}

/// When sessions with brief deadlines are due.
async fn due(finis: &Finis) -> Vec<Timestamp> {
    let due = finis.log().due(None, Timestamp::MAX, usize::MAX).await.unwrap();
    due.into_iter().filter(|(_, key)| key.source() == BRIEF).map(|(due, _)| due).collect()
}

fn now() -> Timestamp {
    SystemClock.now()
}

async fn wait_for(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < until, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What it is that is kept; nothing of what proves nothing.
async fn post(finis: &Finis, number: u64) -> Result<Option<Identity>, ReceiveError> {
    let arrival = posted(number);
    match finis.receive(&arrival.source, &headers(&arrival), &arrival.body).await {
        Err(ReceiveError::Denied { .. }) if !arrival.is.proved => Ok(None),
        told => told.map(|_| Some(identity(&arrival))),
    }
}

/// Deliveries that a log has, each once.
async fn deliveries(log: &dyn Log, what: &str) -> BTreeSet<Identity> {
    let look = Look::at(log, STALL, what).await;
    let events = look.kept.sessions.values().flat_map(|stored| &stored.events);
    let events = events.map(|event| (Identity::of(event.key.source(), &event.delivery), Some(&event.key)));
    let refused = look.kept.refused.iter();
    let refused = refused.map(|refused| (Identity::of(&refused.source, &refused.delivery), None));
    let mut there = BTreeSet::new();
    for (identity, key) in events.chain(refused) {
        assert!(identity.key() == key, "{what}: {identity:?} is with {key:?}");
        assert!(there.insert(identity), "{what}: it is there twice: {key:?}");
    }
    there
}

/// Writes so many bytes, or as many as there is room for.
fn fill(path: &Path, bytes: u64) {
    let mut file = File::create(path).unwrap();
    let mut written = 0;
    for piece in [64 * KIB, 512, 1] {
        while written < bytes && file.write_all(&vec![0xa5; piece as usize]).is_ok() {
            written += piece;
        }
    }
    // What has no room is not written.
    let _ = file.sync_all();
}

fn free_bytes(folder: &Path) -> u64 {
    journal::Folder::at(folder).free_bytes().unwrap()
}
