//! The three laws, for any log.

use std::collections::BTreeSet;
use std::sync::Arc;

use finis_engine::live::{NoticeKind, SessionKey};
use finis_engine::log::{Batch, Cause, Gone, Log, Mark, Ready, Standing, Stored, Why};
use finis_engine::{Digest, Timestamp};

use crate::model::{Everything, at, digest, event, everything, key, key_of, notice, refused, repeat, source};

/// Holds a log to the laws: a module of tests by this name, each with a new log. What makes one gives
/// it with whatever it needs to live.
#[macro_export]
macro_rules! log_laws {
    ($name:ident, $make:expr) => {
        mod $name {
            #[test]
            fn append_twice_changes_nothing() {
                let (log, _needed) = $make;
                $crate::runtime().block_on($crate::laws::append_twice_changes_nothing(&log));
            }

            #[test]
            fn load_is_a_set() {
                let ((one, _needed), (other, _needed_too)) = ($make, $make);
                $crate::runtime().block_on($crate::laws::load_is_a_set(&one, &other));
            }

            #[test]
            fn what_was_made_ready_is_the_same() {
                let ((one, _needed), (other, _needed_too)) = ($make, $make);
                $crate::runtime().block_on($crate::laws::what_was_made_ready_is_the_same(&one, &other));
            }

            #[test]
            fn first_is_answered_once() {
                let (log, _needed) = $make;
                $crate::runtime().block_on($crate::laws::first_is_answered_once(std::sync::Arc::new(log)));
            }

            #[test]
            fn repeats_are_counted_and_change_nothing_else() {
                let (log, _needed) = $make;
                $crate::runtime().block_on($crate::laws::repeats_are_counted_and_change_nothing_else(&log));
            }

            #[test]
            fn repeats_race() {
                let (log, _needed) = $make;
                $crate::runtime().block_on($crate::laws::repeats_race(std::sync::Arc::new(log)));
            }

            #[test]
            fn answers_in_parts() {
                let (log, _needed) = $make;
                $crate::runtime().block_on($crate::laws::answers_in_parts(&log));
            }

            #[test]
            fn the_quarantine_comes_in_pages() {
                let (log, _needed) = $make;
                $crate::runtime().block_on($crate::quarantine::the_quarantine_comes_in_pages(&log));
            }

            #[test]
            fn consumers_go_forward() {
                let (log, _needed) = $make;
                $crate::runtime().block_on($crate::laws::consumers_go_forward(&log));
            }

            #[test]
            fn marks_settle_notices_one_by_one() {
                let (log, _needed) = $make;
                $crate::runtime().block_on($crate::laws::marks_settle_notices_one_by_one(&log));
            }

            #[test]
            fn marks_race() {
                let (log, _needed) = $make;
                $crate::runtime().block_on($crate::laws::marks_race(std::sync::Arc::new(log)));
            }
        }
    };
}

fn some() -> Batch {
    Batch {
        events: vec![event(0, 1, 5), event(0, 2, 6), event(1, 1, 7), event(0, 1, 3)],
        repeats: vec![repeat(0, 2, 9), repeat(0, 2, 9), repeat(0, 3, 9), repeat(2, 1, 9)],
        deadlines: vec![(key(0), at(8)), (key(0), at(8))],
        notices: vec![notice(0, NoticeKind::Complete, 1), notice(0, NoticeKind::Asset, 1)],
        crowded: vec![key(1), key(1), key(3)],
        due: vec![(key(1), Some(at(90))), (key(2), None)],
        refused: vec![refused(1, 9), refused(1, 30)],
        sources: vec![source(4), source(4), source(1)],
        ..Batch::default()
    }
}

pub(crate) async fn append_twice_changes_nothing(log: &dyn Log) {
    let first = log.append(some()).await.unwrap();
    assert_eq!((first.new, first.first), (vec![true, true, true, false], vec![true, true]));
    let before = everything(log).await;
    assert_eq!(before.stored[0].events.len(), 2);
    assert_eq!(before.stored[0].events[0].received_at, Some(at(3)));
    assert_eq!(came(&before), [(key(0), 1, 2, vec![at(3), at(5)]), (key(0), 2, 2, vec![at(6), at(9)])]);
    assert_eq!(before.stored[0].deadlines, [at(8)]);
    assert_eq!(before.stored.iter().map(|stored| stored.crowded).collect::<Vec<_>>(), [false, true]);
    assert_eq!((before.refused.len(), before.latest), (1, Some(at(30))));
    let again = log.append(some()).await.unwrap();
    assert_eq!((again.new, again.first), (vec![false; 4], vec![false, false]));
    assert_eq!(everything(log).await, before);
}

pub(crate) async fn load_is_a_set(one: &dyn Log, other: &dyn Log) {
    let events: Vec<_> = (0..300).map(|number| event((number % 3) as u8, number, i64::from(number))).collect();
    for part in events.chunks(7) {
        one.append(Batch { events: part.to_vec(), ..Batch::default() }).await.unwrap();
    }
    for part in events.rchunks(11) {
        let events = part.iter().rev().chain(part).cloned().collect();
        other.append(Batch { events, ..Batch::default() }).await.unwrap();
    }
    assert_eq!(everything(one).await, everything(other).await);
}

pub(crate) async fn what_was_made_ready_is_the_same(one: &dyn Log, other: &dyn Log) {
    let events: Vec<_> = (0..90).map(|number| event((number % 3) as u8, number, i64::from(number))).collect();
    for (number, part) in events.chunks(9).enumerate() {
        one.append(Batch { events: part.to_vec(), ..Batch::default() }).await.unwrap();
        // None, some or all of them, and more than there are; of some there is another copy.
        let ready: Vec<Ready> = part.iter().chain(part).map(|event| other.ready(&event.key, &event.delivery)).collect();
        let copies = ready[..number / 2].to_vec();
        let ready = ready.into_iter().take(number * 2).collect();
        other.append(Batch { events: part.to_vec(), ready, ..Batch::default() }).await.unwrap();
        drop(copies);
    }
    assert_eq!(everything(one).await, everything(other).await);
}

/// Of events that came again: of which session, the number, how often, and the first times.
fn came(all: &Everything) -> Vec<(SessionKey, u32, u64, Vec<Timestamp>)> {
    let of = |(key, stored): (&SessionKey, &Stored)| {
        let number = |of: &Digest| (0..1000).find(|number| digest(*number) == *of).unwrap();
        let came = stored
            .repeated
            .iter()
            .map(|(digest, arrivals)| (key.clone(), number(digest), arrivals.count(), arrivals.first().to_vec()));
        came.collect::<Vec<_>>()
    };
    all.sessions.iter().zip(&all.stored).flat_map(of).collect()
}

pub(crate) async fn repeats_are_counted_and_change_nothing_else(log: &dyn Log) {
    let of = |events, repeats| Batch { events, repeats, ..Batch::default() };
    // One without a time, and one that is not there: nothing is made by what came again.
    log.append(of(vec![event(0, 1, 5), event(0, 2, 3600)], vec![repeat(0, 3, 6), repeat(1, 1, 6)])).await.unwrap();
    let before = everything(log).await;
    assert_eq!((before.counts(), before.latest), (vec![], Some(at(5))));
    let appended = log.append(of(vec![], vec![repeat(0, 1, 40), repeat(0, 1, 30), repeat(0, 2, 50)])).await.unwrap();
    assert_eq!(appended, finis_engine::log::Appended::default());
    let after = everything(log).await;
    let two = [(key(0), 1, 3, vec![at(5), at(30), at(40)]), (key(0), 2, 1, vec![at(50)])];
    assert_eq!(came(&after), two);
    assert_eq!(after.uncounted(), before.uncounted());
    // What has no time says nothing of how often it came; an earlier time is the first.
    log.append(of(vec![event(0, 1, 3600), event(0, 1, 2), event(0, 2, 60)], vec![])).await.unwrap();
    let after = everything(log).await;
    let two = [(key(0), 1, 4, vec![at(2), at(5), at(30), at(40)]), (key(0), 2, 2, vec![at(50), at(60)])];
    assert_eq!(came(&after), two);
    assert_eq!(after.stored[0].events[0].received_at, Some(at(2)));
    // Beyond the first sixteen there is the number and the last.
    let storm = (100..600).map(|second| repeat(0, 1, second)).collect();
    log.append(of(vec![], storm)).await.unwrap();
    let after = everything(log).await;
    let arrivals = &after.stored[0].repeated[0].1;
    assert_eq!((arrivals.count(), arrivals.first()[15], arrivals.last()), (504, at(111), at(599)));
    // Whoever is let go is counted no more.
    log.let_go(&[key(0)], Gone { why: Why::Forgotten, at: at(700) }).await.unwrap();
    log.append(of(vec![event(0, 1, 800)], vec![repeat(0, 1, 801)])).await.unwrap();
    assert_eq!(log.load(&[key(0)]).await.unwrap()[0].repeated, []);
}

/// Many tell of the same event: the first times are the first, and none is counted twice.
pub(crate) async fn repeats_race(log: Arc<impl Log + 'static>) {
    log.append(Batch { events: vec![event(0, 1, 0)], ..Batch::default() }).await.unwrap();
    let tasks: Vec<_> = (0..8_i64)
        .map(|task| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for round in 0..60 {
                    // Each time twice, by two.
                    let repeats = vec![repeat(0, 1, 1 + round * 4 + task % 4)];
                    // And some with what is to be kept.
                    let events = if round % 5 == 0 { vec![event(1, (round * 8 + task) as u32, 1)] } else { vec![] };
                    log.append(Batch { events, repeats, ..Batch::default() }).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let stored = log.load(&[key(0)]).await.unwrap().remove(0);
    let (_, arrivals) = &stored.repeated[0];
    assert!(arrivals.first().iter().copied().eq((0..16).map(at)));
    assert!(arrivals.count() <= 241 && arrivals.count() > 16 && arrivals.last() == at(240), "{arrivals:?}");
}

pub(crate) async fn first_is_answered_once(log: Arc<impl Log + 'static>) {
    const TASKS: usize = 16;
    const ROUNDS: u32 = 8;
    let task = |task: usize| {
        let log = Arc::clone(&log);
        async move {
            let mut answers = Vec::new();
            for round in 0..ROUNDS {
                // Each has its own event besides, and comes with the others in another order.
                let own = 1000 + round * 100 + task as u32;
                let batch = Batch {
                    events: vec![event(0, round, 9), event(task as u8, own, 9), event(1, ROUNDS - round, 9)],
                    notices: vec![notice(0, NoticeKind::Stalled, round + 1)],
                    ..Batch::default()
                };
                answers.push((own, log.append(batch).await.unwrap()));
            }
            answers
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|number| tokio::spawn(task(number))).collect();
    let (mut new, mut first) = ([0; 3], 0);
    for task in tasks {
        for (_, appended) in task.await.unwrap() {
            appended.new.iter().zip(&mut new).for_each(|(is_new, count)| *count += usize::from(*is_new));
            first += appended.first.iter().filter(|first| **first).count();
        }
    }
    let rounds = ROUNDS as usize;
    assert_eq!((new, first), ([rounds, TASKS * rounds, rounds], rounds));
    let Everything { stored, notices, .. } = everything(&*log).await;
    assert_eq!(stored.iter().map(|stored| stored.events.len()).sum::<usize>(), rounds * (TASKS + 2));
    assert!(notices.iter().map(|(seq, _)| *seq).eq(1..=u64::from(ROUNDS)));
    assert_eq!(notices.iter().map(|(_, notice)| notice.revision).collect::<BTreeSet<_>>().len(), rounds);
}

pub(crate) async fn answers_in_parts(log: &dyn Log) {
    for session in 0..6 {
        let batch = Batch {
            events: vec![event(session, 1, 1)],
            notices: vec![notice(session, NoticeKind::Complete, 1)],
            due: vec![(key(session), Some(at(20 - i64::from(session))))],
            refused: vec![refused(session.into(), 2)],
            ..Batch::default()
        };
        log.append(batch).await.unwrap();
    }
    let all = everything(log).await;
    assert!(all.sessions.is_sorted() && all.due.is_sorted() && all.sessions.len() == 6 && all.due.len() == 6);
    assert_eq!(log.due(None, at(90), 2).await.unwrap(), all.due[..2]);
    assert_eq!(log.due(None, at(17), 9).await.unwrap(), all.due[..3]);
    assert_eq!(log.due(Some(&all.due[1]), at(90), 2).await.unwrap(), all.due[2..4]);
    assert_eq!(log.due(Some(&all.due[1]), at(16), 9).await.unwrap(), []);
    assert_eq!(log.next_due().await.unwrap(), Some(at(15)));
    assert_eq!(log.waiting().await.unwrap(), Some(6));
    assert_eq!(log.notices(2, 3).await.unwrap(), all.notices[2..5]);
    assert_eq!(log.notices(6, 3).await.unwrap(), []);
    assert_eq!(log.refused(None, 4).await.unwrap().deliveries, all.refused[..4]);
    let sessions = log.sessions(None, 9).await.unwrap();
    for (place, session) in sessions.iter().enumerate() {
        assert_eq!(log.sessions(Some(session), 2).await.unwrap(), sessions[place + 1..(place + 3).min(6)]);
    }
    // In the order in which they are asked for, and of one that is not there, nothing.
    let nobody = key_of("nobody");
    let some = log.load(&[key(4), nobody, key(0)]).await.unwrap();
    assert_eq!((&some[0].events[0].key, some[1].events.len(), &some[2].events[0].key), (&key(4), 0, &key(0)));
    log.append(Batch { due: vec![(key(0), None), (key(1), Some(at(1)))], ..Batch::default() }).await.unwrap();
    let due = log.due(None, at(19), 9).await.unwrap();
    assert_eq!((due.len(), &due[0]), (5, &(at(1), key(1))));
    assert_eq!(log.waiting().await.unwrap(), Some(5));
}

/// Consumers as a person would note them: the mark, then what stands otherwise.
async fn consumers(log: &dyn Log) -> Vec<String> {
    let standing = |(seq, standing): (&u64, &Standing)| match standing {
        Standing::Done => format!(" {seq} done"),
        Standing::Parked(Cause::Failed { reason }) => format!(" {seq} {reason}"),
        Standing::Parked(Cause::Held { behind }) => format!(" {seq} behind {behind}"),
        Standing::Parked(Cause::Later { reason, tries, again }) => format!(" {seq} {reason} {tries} {again}"),
        Standing::Parked(Cause::Closed { reason }) => format!(" {seq} closed {reason}"),
        Standing::Released => format!(" {seq} released"),
    };
    let consumers = log.consumers().await.unwrap().into_iter().map(|consumer| {
        let standing: String = consumer.standing.iter().map(standing).collect();
        format!("{} {}{standing}", consumer.name, consumer.acknowledged)
    });
    consumers.collect()
}

fn failed(seq: u64) -> Mark {
    Mark::Park(seq, Cause::Failed { reason: "no".to_owned() })
}

pub(crate) async fn consumers_go_forward(log: &dyn Log) {
    log.mark("b", &[Mark::Begin(0)]).await.unwrap();
    log.mark("a", &[Mark::Begin(1), Mark::UpTo(4), Mark::UpTo(2), Mark::Begin(0)]).await.unwrap();
    assert_eq!(consumers(log).await, ["a 4", "b 0"]);
    log.remove_consumer("a").await.unwrap();
    log.remove_consumer("nobody").await.unwrap();
    // Who is late with a mark makes nobody anew.
    log.mark("a", &[Mark::UpTo(9), Mark::Done(1), failed(2), Mark::Release(2), Mark::Reset(3)]).await.unwrap();
    assert_eq!(consumers(log).await, ["b 0"]);
    log.mark("a", &[Mark::Begin(1)]).await.unwrap();
    assert_eq!(consumers(log).await, ["a 1", "b 0"]);
}

pub(crate) async fn marks_settle_notices_one_by_one(log: &dyn Log) {
    let mark = async |marks: &[Mark]| {
        // Each twice: that changes nothing.
        for mark in marks {
            log.mark("a\0", std::slice::from_ref(mark)).await.unwrap();
            log.mark("a\0", std::slice::from_ref(mark)).await.unwrap();
        }
        consumers(log).await.pop().unwrap()
    };
    // Its name is the beginning of the other's.
    log.mark("a", &[Mark::Begin(0), Mark::Done(9)]).await.unwrap();
    assert_eq!(mark(&[Mark::Begin(0), Mark::Done(2), failed(4), Mark::Done(6)]).await, "a\0 0 2 done 4 no 6 done");
    assert_eq!(mark(&[Mark::Done(1)]).await, "a\0 2 4 no 6 done");
    // A parked one holds the mark back no longer, and stays parked.
    assert_eq!(mark(&[Mark::Done(3)]).await, "a\0 4 4 no 6 done");
    assert_eq!(mark(&[Mark::Park(5, Cause::Held { behind: 4 })]).await, "a\0 6 4 no 5 behind 4");
    // What is dealt with is not parked.
    assert_eq!(mark(&[failed(3), failed(6), Mark::Release(3)]).await, "a\0 6 4 no 5 behind 4");
    assert_eq!(mark(&[Mark::Release(4), Mark::Release(5)]).await, "a\0 6 4 released 5 released");
    assert_eq!(mark(&[failed(5), Mark::Done(4)]).await, "a\0 6 5 no");
    assert_eq!(mark(&[Mark::UpTo(8), Mark::UpTo(7)]).await, "a\0 8 5 no");
    assert_eq!(mark(&[failed(10), Mark::Release(10), Mark::Done(12)]).await, "a\0 8 5 no 12 done");
    assert_eq!(mark(&[Mark::Reset(20)]).await, "a\0 20 5 no");
    assert_eq!(mark(&[Mark::Reset(6)]).await, "a\0 6 5 no");
    assert_eq!(mark(&[Mark::Reset(1)]).await, "a\0 1");
    assert_eq!(consumers(log).await[0], "a 0 9 done");
    log.remove_consumer("a").await.unwrap();
    assert_eq!(consumers(log).await, ["a\0 1"]);
}

/// Whoever comes first: what many mark at the same time is all there.
pub(crate) async fn marks_race(log: Arc<impl Log + 'static>) {
    log.mark("a", &[Mark::Begin(0)]).await.unwrap();
    let tasks: Vec<_> = (0..8_u64)
        .map(|task| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for round in 0..16 {
                    let seq = round * 8 + task + 1;
                    let mark = if seq % 10 == 0 { failed(seq) } else { Mark::Done(seq) };
                    log.mark("a", &[Mark::Begin(50), mark.clone()]).await.unwrap();
                    log.mark("a", &[mark, Mark::UpTo(task)]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let consumer = log.consumers().await.unwrap().remove(0);
    let parked: Vec<u64> = consumer.parked().map(|(seq, _)| seq).collect();
    assert_eq!((consumer.acknowledged, parked), (128, (10..=120).step_by(10).collect()));
    assert_eq!(consumer.standing.len(), 12);
}
