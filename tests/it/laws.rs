//! The log of a session is a set of events, and all that is told of it is a function of that set.
//!
//! For every subject of every contract that ships with finis: the join of partials is commutative,
//! associative and idempotent, the fold is blind to order and repeats, and what comes out is what a
//! plain reading of the rules says: values by authority, time and digest, deadlines by the earliest
//! arrival. Events are generated so that they clash: few kinds, fewer times, more values than a
//! register keeps.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use finis::engine::{By, Digest, Event, EventKind, FieldId, Partial, Status, Timestamp, VALUES_MAX};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use crate::bodies::{self, Pick, SUBJECTS, Subject, TIMES, VALUES, World, instant, record_of, small_contract};

/// What comes in: payloads, and deliveries of them.
#[derive(Clone, Debug)]
struct Log {
    picks: Vec<Pick>,
    deliveries: Vec<Delivery>,
}

#[derive(Clone, Debug)]
struct Delivery {
    /// Which of the payloads.
    payload: Index,
    /// When it was received, in seconds after some time.
    received: Option<u16>,
    /// Where it stands in another order.
    place: u32,
    /// Which of the parts of the log it is in.
    part: usize,
}

/// A delivery of an event.
type Arrived<'e> = (Event<'e>, Option<Timestamp>);

/// Parts that a log is split into.
const PARTS: usize = 4;

fn pick(subject: &'static Subject, values: usize) -> impl Strategy<Value = Pick> {
    let kinds = subject.kinds_to_pick();
    (0..kinds, 0..TIMES.len(), 0..values, 0..VALUES).prop_map(|(kind, at, first, others)| Pick {
        kind,
        at,
        first,
        // Mostly as the pages print it.
        others: others.saturating_sub(VALUES / 2),
    })
}

fn log(picks: impl Strategy<Value = Vec<Pick>>, deliveries: std::ops::Range<usize>) -> impl Strategy<Value = Log> {
    let received = option::weighted(0.8, prop_oneof![0_u16..4, 0_u16..300, 0_u16..9000]);
    let delivery = (any::<Index>(), received, any::<u32>(), 0..PARTS)
        .prop_map(|(payload, received, place, part)| Delivery { payload, received, place, part });
    (picks, vec(delivery, deliveries)).prop_map(|(picks, deliveries)| Log { picks, deliveries })
}

/// A few events, most of them delivered more than once.
fn few(subject: &'static Subject) -> impl Strategy<Value = Log> {
    log(vec(pick(subject, VALUES), 1..10), 0..20)
}

/// Events of one kind and one time that all claim another value.
fn clashing(subject: &'static Subject) -> impl Strategy<Value = Log> {
    let picks = pick(subject, VALUES).prop_flat_map(|pick| {
        let firsts = subsequence((0..VALUES).collect::<Vec<_>>(), 0..VALUES);
        firsts.prop_map(move |firsts| firsts.into_iter().map(|first| Pick { first, ..pick.clone() }).collect())
    });
    let some = vec(pick(subject, VALUES), 1..4);
    let picks = (picks, some).prop_map(|(mut picks, some): (Vec<Pick>, Vec<Pick>)| {
        picks.extend(some);
        picks
    });
    log(picks, 0..40)
}

/// More values of a progress than are kept: of all its steps, or of none of them.
fn beyond_progress(subject: &'static Subject) -> impl Strategy<Value = Log> {
    let listed: usize = subject.progress.iter().flat_map(|(_, steps)| *steps).map(|step| step.len()).sum();
    let firsts = prop_oneof![Just(0), Just(listed)]
        .prop_flat_map(|from| subsequence((from..VALUES).collect::<Vec<_>>(), VALUES_MAX + 1..=VALUES - from));
    let picks = (firsts, 0..subject.kinds.len(), 0..TIMES.len()).prop_map(|(firsts, kind, at)| {
        let pick = |first| Pick { kind, at, first, others: 0 };
        firsts.into_iter().map(pick).collect()
    });
    log(picks, 30..60)
}

/// More events than are looked up one after another, with values long enough to be moved about.
fn many(subject: &'static Subject) -> impl Strategy<Value = Log> {
    log(vec(pick(subject, VALUES * 3), 40..80), 60..100)
}

fn with_many(subject: &'static Subject) -> impl Strategy<Value = (&'static Subject, Log)> {
    many(subject).prop_map(move |log| (subject, log))
}

impl Log {
    /// Reads the payloads, and gives the deliveries as they came.
    fn with<T>(&self, world: &World, then: impl FnOnce(&[Arrived<'_>]) -> T) -> T {
        let payloads: Vec<String> = self.picks.iter().map(|pick| world.subject.payload(pick)).collect();
        world.read(&payloads, |events| {
            let deliveries = self.deliveries.iter();
            let arrived = deliveries.map(|delivery| (*delivery.payload.get(events), delivery.received.map(received)));
            then(&arrived.collect::<Vec<_>>())
        })
    }

    /// The deliveries in another order.
    fn shuffled<'e>(&self, arrived: &[Arrived<'e>]) -> Vec<Arrived<'e>> {
        let mut places: Vec<usize> = (0..arrived.len()).collect();
        places.sort_by_key(|place| self.deliveries[*place].place);
        places.into_iter().map(|place| arrived[place]).collect()
    }

    /// The partial of each part of the log.
    fn parts(&self, world: &World, arrived: &[Arrived<'_>]) -> Vec<Partial> {
        let mut parts = vec![Partial::default(); PARTS];
        for (delivery, arrived) in self.deliveries.iter().zip(arrived) {
            add(world, &mut parts[delivery.part], *arrived);
        }
        parts
    }
}

/// An arrival; the same instant is written with more digits now and then.
fn received(seconds: u16) -> Timestamp {
    let start = instant("2026-05-03T08:42:10Z").unix().0;
    Timestamp::from_unix(start + i64::from(seconds / 2), 0, if seconds.is_multiple_of(2) { 3 } else { 0 })
        .expect("a time of 2026")
}

fn add(world: &World, partial: &mut Partial, (event, received_at): Arrived<'_>) -> bool {
    partial.add(world.contract, &event, received_at)
}

fn fold(world: &World, arrived: &[Arrived<'_>]) -> Partial {
    let mut partial = Partial::default();
    for arrived in arrived {
        add(world, &mut partial, *arrived);
    }
    partial
}

fn merged(left: &Partial, right: &Partial) -> Partial {
    let mut joined = left.clone();
    joined.merge(right);
    joined
}

/// They are the same, and nobody can tell them apart.
#[track_caller]
fn assert_same(world: &World, left: &Partial, right: &Partial) {
    assert_eq!(world.printed(left), world.printed(right));
    assert_eq!(left.len(), right.len());
    assert_eq!(left, right);
}

fn merge_is_commutative(world: &World, log: &Log) {
    log.with(world, |arrived| {
        let parts = log.parts(world, arrived);
        assert_same(world, &merged(&parts[0], &parts[1]), &merged(&parts[1], &parts[0]));
    });
}

fn merge_is_associative(world: &World, log: &Log) {
    log.with(world, |arrived| {
        let parts = log.parts(world, arrived);
        let (first, second, third) = (&parts[0], &parts[1], &parts[2]);
        assert_same(world, &merged(&merged(first, second), third), &merged(first, &merged(second, third)));
    });
}

fn merge_is_idempotent(world: &World, log: &Log) {
    log.with(world, |arrived| {
        let parts = log.parts(world, arrived);
        let both = merged(&parts[0], &parts[1]);
        for (whole, part) in [(&both, &both), (&both, &parts[0]), (&both, &parts[1]), (&both, &Partial::default())] {
            assert_same(world, &merged(whole, part), whole);
            assert_same(world, &merged(part, whole), whole);
        }
    });
}

fn the_fold_is_blind_to_order(world: &World, log: &Log) {
    log.with(world, |arrived| {
        let whole = fold(world, arrived);
        let reversed: Vec<_> = arrived.iter().rev().copied().collect();
        assert_same(world, &fold(world, &log.shuffled(arrived)), &whole);
        assert_same(world, &fold(world, &reversed), &whole);
    });
}

fn the_fold_is_blind_to_repeats(world: &World, log: &Log) {
    log.with(world, |arrived| {
        let whole = fold(world, arrived);
        let mut again = whole.clone();
        for arrived in log.shuffled(arrived) {
            assert!(!add(world, &mut again, arrived), "an event that was there came in anew");
        }
        assert_same(world, &again, &whole);
        let twice: Vec<_> = arrived.iter().flat_map(|arrived| [*arrived; 2]).collect();
        assert_same(world, &fold(world, &twice), &whole);
    });
}

fn any_split_merges_to_the_whole(world: &World, log: &Log) {
    log.with(world, |arrived| {
        let whole = fold(world, arrived);
        let parts = log.parts(world, arrived);
        let mut onward = Partial::default();
        for part in &parts {
            onward.merge(part);
        }
        assert_same(world, &onward, &whole);
        let backward = parts.iter().rev().fold(Partial::default(), |joined, part| merged(part, &joined));
        assert_same(world, &backward, &whole);
        let by_twos = merged(&merged(&parts[2], &parts[0]), &merged(&parts[3], &parts[1]));
        assert_same(world, &by_twos, &whole);
        // What a part lacks may be added to it, too.
        let mut completed = parts[0].clone();
        for arrived in arrived {
            add(world, &mut completed, *arrived);
        }
        assert_same(world, &completed, &whole);
    });
}

/// A field as a plain reading of the rules has it: each value with its best claim, the strongest
/// first, and whether there were more.
#[derive(Debug, PartialEq)]
struct Told {
    field: String,
    value: String,
    conflict: Option<(Vec<Claimed>, bool)>,
}

/// A value, and kind and time of the event that claims it best.
type Claimed = (String, String, Option<String>);

/// Furthest step, kind with most authority, latest time, greatest digest: the least is the strongest.
type Strength = (usize, usize, Reverse<Option<Timestamp>>, Reverse<Digest>);

/// What a plain reading of the rules says: nothing is let go before all is known.
fn plain_reading(world: &World, events: &BTreeMap<Digest, Event<'_>>) -> Vec<Told> {
    let mut fields: BTreeMap<FieldId, BTreeMap<&[u8], Strength>> = BTreeMap::new();
    for event in events.values() {
        let EventKind::Known(kind) = event.kind else { continue };
        let rank = rank(world.subject, world.contract.kind_name(kind));
        for (field, value) in event.facts() {
            let step = step(world, field, value);
            let claim = (step, rank, Reverse(event.at), Reverse(event.digest()));
            let best = fields.entry(field).or_default().entry(value).or_insert(claim);
            *best = claim.min(*best);
        }
    }
    let told = fields.into_iter().map(|(field, values)| {
        let name = name(world, field);
        let mut values: Vec<(Strength, &[u8])> = values.into_iter().map(|(value, claim)| (claim, value)).collect();
        values.sort();
        let (winner, value) = values[0];
        let rivals: Vec<_> = values.into_iter().filter(|(claim, _)| claim.0 == winner.0).collect();
        let claimed = |(claim, value): &(Strength, &[u8])| {
            let kind = world.subject.kinds[claim.1].name.to_owned();
            (text(value), kind, claim.2.0.map(|at| at.to_string()))
        };
        let conflict = (rivals.len() > 1 && !world.subject.quiet.contains(&name))
            .then(|| (rivals.iter().take(VALUES_MAX).map(claimed).collect(), rivals.len() > VALUES_MAX));
        Told { field: name.to_owned(), value: text(value), conflict }
    });
    told.collect()
}

fn rank(subject: &Subject, kind: &str) -> usize {
    subject.kinds.iter().position(|known| known.name == kind).expect("a kind of the subject")
}

/// Place in the field's progress, 0 the furthest; a value that is not in it comes after all.
fn step(world: &World, field: FieldId, value: &[u8]) -> usize {
    let progress = world.subject.progress.iter().find(|(name, _)| *name == self::name(world, field));
    let steps = progress.map_or(&[][..], |(_, steps)| steps);
    let furthest = steps.iter().rev();
    let stands_in = |step: &&[&str]| step.iter().any(|known| format!("{known:?}").as_bytes() == value);
    furthest.take_while(|step| !stands_in(step)).count()
}

fn name(world: &World, field: FieldId) -> &str {
    world.contract.fields().find(|(id, _)| *id == field).expect("a field of the contract").1
}

fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).expect("canonical JSON is UTF-8")
}

fn the_record_says_what_a_plain_reading_of_the_rules_says(world: &World, log: &Log) {
    log.with(world, |arrived| {
        let partial = fold(world, arrived);
        let record = world.record(&partial, Timestamp::MAX);
        let events: BTreeMap<Digest, Event<'_>> = arrived.iter().map(|(event, _)| (event.digest(), *event)).collect();

        let read_off: Vec<Told> = record
            .fields
            .iter()
            .filter(|(field, _)| *field != "outcome")
            .map(|(field, value)| Told {
                field: (*field).to_owned(),
                value: text(value),
                conflict: record.conflicts.iter().find(|conflict| conflict.field == *field).map(|conflict| {
                    let values = conflict.values.iter();
                    let claimed = values.map(|claimed| {
                        (text(claimed.value), claimed.kind.to_owned(), claimed.at.map(|at| at.to_string()))
                    });
                    (claimed.collect(), conflict.more)
                }),
            })
            .collect();
        assert_eq!(read_off, plain_reading(world, &events));
        assert!(record.conflicts.is_sorted_by_key(|conflict| conflict.field), "conflicts are sorted by field");

        let mut listed: Vec<_> =
            events.values().map(|event| (event.at, kind_name(world, event), Some(event.digest()))).collect();
        listed.sort();
        let of_record: Vec<_> = record.events.iter().map(|event| (event.at, event.kind, event.digest)).collect();
        assert_eq!(of_record, listed);
        assert_eq!(partial.len(), listed.len());
    });
}

fn kind_name<'e>(world: &'e World, event: &Event<'e>) -> &'e str {
    match event.kind {
        EventKind::Known(kind) => world.contract.kind_name(kind),
        EventKind::Unknown(name) => name,
    }
}

/// Grace runs from the first closing event, stall from the last of all, each by its earliest
/// arrival, else by the provider's time. A deadline is over at its very instant.
fn deadlines_run_from_the_earliest_arrivals(world: &World, log: &Log) {
    log.with(world, |arrived| {
        let mut clocks: BTreeMap<Digest, (Event<'_>, Option<Timestamp>)> = BTreeMap::new();
        for (event, received_at) in arrived {
            let (_, known) = clocks.entry(event.digest()).or_insert((*event, *received_at));
            *known = [*known, *received_at].into_iter().flatten().min();
        }
        let clocks = clocks.values().map(|(event, received_at)| (event, received_at.or(event.at)));
        let closes = |event: &Event<'_>| world.subject.closes.contains(&kind_name(world, event));
        let closed = clocks.clone().filter(|(event, _)| closes(event)).map(|(_, clock)| clock).min();
        let last = clocks.map(|(_, clock)| clock).max().flatten();

        let partial = fold(world, &log.shuffled(arrived));
        let judged = |now| {
            let verdict = world.record(&partial, now).verdict;
            (verdict.status, verdict.by)
        };
        let evidence = (Status::Complete, Some(By::Evidence));
        let over = match closed {
            Some(_) => (Status::Complete, Some(By::Deadline)),
            None => (Status::Stalled, Some(By::Deadline)),
        };
        let running = if closed.is_some() { (Status::Settling, None) } else { (Status::Open, None) };
        let deadline = match closed {
            Some(closed) => closed.map(|closed| closed.plus(world.terms.grace(world.id))),
            None => match world.terms.stall(world.id) {
                Some(stall) => last.map(|last| last.plus(stall)),
                None => return assert_eq!(judged(Timestamp::MAX), running),
            },
        };
        let Some(deadline) = deadline else {
            // It counts from no known time, which is before all others.
            let judged = judged(Timestamp::MIN);
            return assert!(judged == over || (closed.is_some() && judged == evidence), "{judged:?}");
        };
        if judged(Timestamp::MIN) == evidence {
            assert_eq!((judged(just_before(deadline)), judged(deadline)), (evidence, evidence));
        } else {
            assert_eq!((judged(just_before(deadline)), judged(deadline)), (running, over));
        }
    });
}

fn just_before(at: Timestamp) -> Timestamp {
    let (seconds, nanos) = at.unix();
    let (seconds, nanos) = if nanos == 0 { (seconds - 1, 999_999_999) } else { (seconds, nanos - 1) };
    Timestamp::from_unix(seconds, nanos, 9).expect("deadlines are far from the first instant")
}

/// Properties of logs, each as a test of its own.
macro_rules! laws {
    ($subject:expr, $($law:ident: $log:expr;)*) => {
        proptest! {
            // For each law and subject; `PROPTEST_CASES` raises it. What fails is printed whole: no
            // file keeps it.
            #![proptest_config(ProptestConfig { failure_persistence: None, ..cases(48) })]
            $(
                #[test]
                fn $law(log in $log) {
                    super::$law(&World::of($subject), &log);
                }
            )*
        }
    };
}

macro_rules! laws_of {
    ($($name:ident: $subject:expr;)*) => {
        $(
            mod $name {
                use super::*;

                laws! {
                    $subject,
                    merge_is_commutative: prop_oneof![few($subject), clashing($subject)];
                    merge_is_associative: prop_oneof![few($subject), clashing($subject)];
                    merge_is_idempotent: prop_oneof![few($subject), clashing($subject)];
                    the_fold_is_blind_to_order: prop_oneof![few($subject), clashing($subject)];
                    the_fold_is_blind_to_repeats: prop_oneof![few($subject), clashing($subject)];
                    any_split_merges_to_the_whole: prop_oneof![few($subject), clashing($subject)];
                    the_record_says_what_a_plain_reading_of_the_rules_says:
                        prop_oneof![few($subject), clashing($subject)];
                    deadlines_run_from_the_earliest_arrivals: few($subject);
                }
            }
        )*
    };
}

laws_of! {
    pathors: &bodies::PATHORS;
    agntix: &bodies::AGNTIX;
    saaya_session: &bodies::SAAYA_SESSION;
    saaya_campaign: &bodies::SAAYA_CAMPAIGN;
    saaya_agent: &bodies::SAAYA_AGENT;
    saaya_upload: &bodies::SAAYA_UPLOAD;
    smallest: &bodies::SMALLEST;
    smallest_legacy: &bodies::SMALLEST_LEGACY;
}

/// All of them at once, where that is worth more cases.
fn every_law_holds(world: &World, log: &Log) {
    merge_is_commutative(world, log);
    merge_is_associative(world, log);
    merge_is_idempotent(world, log);
    the_fold_is_blind_to_order(world, log);
    the_fold_is_blind_to_repeats(world, log);
    any_split_merges_to_the_whole(world, log);
    the_record_says_what_a_plain_reading_of_the_rules_says(world, log);
    deadlines_run_from_the_earliest_arrivals(world, log);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..cases(64) })]

    #[test]
    fn every_law_holds_for_many_events((subject, log) in select(SUBJECTS.to_vec()).prop_flat_map(with_many)) {
        every_law_holds(&World::of(subject), &log);
    }

    #[test]
    fn every_law_holds_for_a_progress_of_many_values(log in beyond_progress(&bodies::AGNTIX)) {
        every_law_holds(&World::of(&bodies::AGNTIX), &log);
    }
}

/// A register keeps eight values. Those of the winner's step are let go last: when eight of them are
/// kept there may have been more, or something else may have been let go.
#[test]
fn a_conflict_says_more_only_when_more_values_of_its_step_were_claimed() {
    let contract = small_contract("kind = \"/kind\"", r#""/id""#, r#"value = "/value""#);
    let says_more = |values: &[&str]| {
        let line = |value: &&str| format!(r#"{{"kind":"end","id":"s","value":"{value}"}}"#);
        let lines: Vec<String> = values.iter().map(line).collect();
        let record = record_of(&contract, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(record.contains(r#""conflicts":[{"field":"value""#), "{record}");
        record.contains(r#","more":true"#)
    };
    let unlisted = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    assert!(!says_more(&unlisted[..8]));
    assert!(says_more(&unlisted));
    let last_step = ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"];
    assert!(!says_more(&last_step));
    assert!(!says_more(&[&last_step[..7], &["a", "1"]].concat()), "two were let go, none of the last step");
    assert!(!says_more(&[&last_step[..], &["a"]].concat()), "one was let go, not of the last step");
}

/// As many cases as `PROPTEST_CASES` says, else these.
fn cases(cases: u32) -> ProptestConfig {
    let told = std::env::var("PROPTEST_CASES").ok().and_then(|told| told.parse().ok());
    ProptestConfig { cases: told.unwrap_or(cases), ..ProptestConfig::default() }
}
