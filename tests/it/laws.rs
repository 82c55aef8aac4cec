//! The log of a session is a set of events, and all that is told of it is a function of that set.
//!
//! For every subject of every contract that ships with finis: the join of partials is commutative,
//! associative and idempotent, the fold is blind to order and repeats, and what comes out is what a
//! plain reading of the rules says: values by authority, time and digest, deadlines by the earliest
//! arrival. Sessions are the simulator's, of providers whose events clash: one kind and one time with more
//! values than a register keeps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use finis::engine::contract::draft::Step;
use finis::engine::{By, Digest, Event, EventKind, FieldId, Partial, Status, Timestamp, VALUES_MAX};
use finis_simulator::Arrival;
use finis_simulator::clock::{micros, timestamp};
use finis_simulator::faults::{Chance, Faults, Odd};
use finis_simulator::json::Json;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::sessions::{self, Name, Subject, any_name, arrivals, payload, record_of, session, small_contract};

/// What comes in of one session of a seed.
#[derive(Clone)]
struct Log {
    seed: u64,
    deliveries: Vec<Delivery>,
}

#[derive(Clone)]
struct Delivery {
    arrival: Arrival,
    /// When it came in, if anybody knows.
    received: Option<Timestamp>,
    /// Where it stands in another order.
    place: u32,
    /// Which of the parts of the log it is in.
    part: usize,
}

/// What is drawn of a delivery: which of those that come of the session, when it came in, its place and its part.
type Drawn = (Index, Option<Clock>, u32, usize);

/// The clock of a receiver.
#[derive(Clone, Copy, Debug)]
enum Clock {
    Exact,
    /// Of whole seconds, written with so many digits more: much comes in at one instant.
    Coarse(usize),
}

/// A delivery of an event.
type Arrived<'e> = (Event<'e>, Option<Timestamp>);

/// Parts that a log is split into.
const PARTS: usize = 4;

fn drawn(deliveries: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Drawn>> {
    let clock = prop_oneof![Just(Clock::Exact), Just(Clock::Coarse(0)), Just(Clock::Coarse(3))];
    vec((any::<Index>(), option::weighted(0.8, clock), any::<u32>(), 0..PARTS), deliveries)
}

/// What came of a session, or of some of it, of which deliveries are drawn, some more than once. What is
/// shrunk is which of them come, and in which order; the session stays.
fn log(
    name: Name,
    of: impl Fn(Vec<Arrival>, u64) -> Vec<Arrival>,
    deliveries: std::ops::Range<usize>,
) -> impl Strategy<Value = Log> {
    (any::<u64>().no_shrink(), drawn(deliveries)).prop_map(move |(seed, drawn)| {
        let came = of(session(name, seed), seed);
        Log { seed, deliveries: drawn.iter().map(|drawn| delivery(&came, *drawn)).collect() }
    })
}

fn delivery(came: &[Arrival], (which, clock, place, part): Drawn) -> Delivery {
    let arrival = which.get(came).clone();
    let at = micros(arrival.received_at);
    let received = clock.map(|clock| match clock {
        Clock::Exact => timestamp(at),
        Clock::Coarse(digits) => Timestamp::from_unix(at.div_euclid(1_000_000), 0, digits).expect("a time of 2026"),
    });
    Delivery { arrival, received, place, part }
}

/// A few events, some of them delivered more than once.
fn few(name: Name) -> impl Strategy<Value = Log> {
    log(name, |came, _| came, 0..20)
}

/// Much of one event: all that is said under its kind and about its time.
fn clashing(name: Name) -> impl Strategy<Value = Log> {
    log(name, |came, seed| of_one_event(came, seed as usize), 0..40)
}

/// What comes of one of the events, and one more of the others.
fn of_one_event(came: Vec<Arrival>, which: usize) -> Vec<Arrival> {
    let events: Vec<usize> = came.iter().map(|arrival| arrival.is.event).collect::<BTreeSet<_>>().into_iter().collect();
    let event = events[which % events.len()];
    let other = came.iter().find(|arrival| arrival.is.event != event).cloned();
    came.into_iter().filter(|arrival| arrival.is.event == event).chain(other).collect()
}

/// More values of a progress than are kept: of all its steps, or of none of them.
fn beyond_progress(name: Name) -> impl Strategy<Value = Log> {
    let subject = Subject::of(name);
    let (field, place) = progress(&subject);
    let listed: BTreeSet<String> = steps(&subject, field).concat().iter().map(|word| format!("{word:?}")).collect();
    let claim = move |arrival: &Arrival| {
        let body = Json::parse(&payload(arrival)).expect("nothing has damaged it");
        body.at(&place).map(Json::canonical)
    };
    let odd = Odd { chance: Chance::ALWAYS, copies_max: 80, field: Some(field.to_owned()) };
    let faults = Faults { odd, ..sessions::clashing() };
    (any::<u64>().no_shrink(), any::<bool>(), drawn(30..60)).prop_map(move |(seed, with_listed, drawn)| {
        let is_kept =
            |value: &Option<String>| with_listed || value.as_ref().is_none_or(|value| !listed.contains(value));
        // Of some events there are too few copies.
        let came = (0..).find_map(|more| {
            let came = arrivals(name, seed.wrapping_add(more), 1, Duration::from_secs(60), &faults);
            let claims: Vec<Option<String>> = came.iter().map(&claim).collect();
            let is_of = |arrival: &Arrival| arrival.is.event == came[0].is.event;
            let of_one = came.iter().zip(&claims).filter(|(arrival, claim)| is_of(arrival) && is_kept(claim));
            let (of_one, claims): (Vec<&Arrival>, BTreeSet<&Option<String>>) = of_one.unzip();
            (claims.len() > VALUES_MAX + 1).then(|| of_one.into_iter().cloned().collect::<Vec<_>>())
        });
        let came = came.expect("it is looked for until it is there");
        Log { seed, deliveries: drawn.iter().map(|drawn| delivery(&came, *drawn)).collect() }
    })
}

/// A field that is a progress, and where it stands.
fn progress(subject: &Subject) -> (&'static str, String) {
    let draft = subject.contract.draft();
    let field = draft.fields.iter().find(|field| !field.progress.is_empty()).expect("there is one");
    let fact = draft.events.iter().find_map(|event| event.facts.get(&field.name)).expect("it is filled");
    (&field.name, fact.path.clone().expect("it stands in the body"))
}

/// More events than are looked up one after another, with values long enough to be moved about.
fn many(name: Name) -> impl Strategy<Value = Log> {
    log(name, |came, _| came, 60..100)
}

fn with_many() -> impl Strategy<Value = (Name, Log)> {
    any_name().prop_flat_map(|name| (Just(name), many(name)))
}

/// As a person reads it: what came, in which order, what befell it, and what it says.
impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "of the session of seed {}:", self.seed)?;
        for Delivery { arrival, received, place, part } in &self.deliveries {
            let received = received.map_or("at an unknown time".to_owned(), |at| at.to_string());
            let is = &arrival.is;
            writeln!(f, "  {received}, part {part}, place {place}, event {} {:?}", is.event, is.faults)?;
            writeln!(f, "    {}", payload(arrival))?;
        }
        Ok(())
    }
}

impl Log {
    /// Reads the payloads, and gives the deliveries as they came.
    fn with<T>(&self, world: &Subject, then: impl FnOnce(&[Arrived<'_>]) -> T) -> T {
        let payloads: Vec<String> = self.deliveries.iter().map(|delivery| payload(&delivery.arrival)).collect();
        world.read(&payloads, |events| {
            let received = self.deliveries.iter().map(|delivery| delivery.received);
            then(&events.iter().copied().zip(received).collect::<Vec<_>>())
        })
    }

    /// The deliveries in another order.
    fn shuffled<'e>(&self, arrived: &[Arrived<'e>]) -> Vec<Arrived<'e>> {
        let mut places: Vec<usize> = (0..arrived.len()).collect();
        places.sort_by_key(|place| self.deliveries[*place].place);
        places.into_iter().map(|place| arrived[place]).collect()
    }

    /// The partial of each part of the log.
    fn parts(&self, world: &Subject, arrived: &[Arrived<'_>]) -> Vec<Partial> {
        let mut parts = vec![Partial::default(); PARTS];
        for (delivery, arrived) in self.deliveries.iter().zip(arrived) {
            add(world, &mut parts[delivery.part], *arrived);
        }
        parts
    }
}

fn add(world: &Subject, partial: &mut Partial, (event, received_at): Arrived<'_>) -> bool {
    partial.add(world.contract, &event, received_at)
}

fn fold(world: &Subject, arrived: &[Arrived<'_>]) -> Partial {
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
fn assert_same(world: &Subject, left: &Partial, right: &Partial) {
    assert_eq!(world.printed(left), world.printed(right));
    assert_eq!(left.len(), right.len());
    assert_eq!(left, right);
}

fn merge_is_commutative(world: &Subject, log: &Log) {
    log.with(world, |arrived| {
        let parts = log.parts(world, arrived);
        assert_same(world, &merged(&parts[0], &parts[1]), &merged(&parts[1], &parts[0]));
    });
}

fn merge_is_associative(world: &Subject, log: &Log) {
    log.with(world, |arrived| {
        let parts = log.parts(world, arrived);
        let (first, second, third) = (&parts[0], &parts[1], &parts[2]);
        assert_same(world, &merged(&merged(first, second), third), &merged(first, &merged(second, third)));
    });
}

fn merge_is_idempotent(world: &Subject, log: &Log) {
    log.with(world, |arrived| {
        let parts = log.parts(world, arrived);
        let both = merged(&parts[0], &parts[1]);
        for (whole, part) in [(&both, &both), (&both, &parts[0]), (&both, &parts[1]), (&both, &Partial::default())] {
            assert_same(world, &merged(whole, part), whole);
            assert_same(world, &merged(part, whole), whole);
        }
    });
}

fn the_fold_is_blind_to_order(world: &Subject, log: &Log) {
    log.with(world, |arrived| {
        let whole = fold(world, arrived);
        let reversed: Vec<_> = arrived.iter().rev().copied().collect();
        assert_same(world, &fold(world, &log.shuffled(arrived)), &whole);
        assert_same(world, &fold(world, &reversed), &whole);
    });
}

fn the_fold_is_blind_to_repeats(world: &Subject, log: &Log) {
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

fn any_split_merges_to_the_whole(world: &Subject, log: &Log) {
    log.with(world, |arrived| {
        let whole = fold(world, arrived);
        let parts = log.parts(world, arrived);
        let mut onward = Partial::default();
        for part in &parts {
            onward.merge(part);
        }
        assert_same(world, &onward, &whole);
        // One event at a time, as a live session takes them; and parts, the first as it is.
        let mut live = Partial::default();
        for arrived in arrived {
            live.absorb(fold(world, std::slice::from_ref(arrived)));
        }
        assert_same(world, &live, &whole);
        let mut crowded = Partial::default();
        crowded.crowd();
        let (mut absorbed, mut joined) = (crowded.clone(), crowded);
        for part in parts.clone() {
            joined.merge(&part);
            absorbed.absorb(part);
        }
        assert!(absorbed.is_crowded());
        assert_same(world, &absorbed, &joined);
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
fn plain_reading(world: &Subject, events: &BTreeMap<Digest, Event<'_>>) -> Vec<Told> {
    let mut fields: BTreeMap<FieldId, BTreeMap<&[u8], Strength>> = BTreeMap::new();
    let mut kinds: BTreeMap<usize, &str> = BTreeMap::new();
    for event in events.values() {
        let EventKind::Known(kind) = event.kind else { continue };
        let kind = world.contract.kind_name(kind);
        let rank = rank(world, kind);
        for (field, value) in event.facts() {
            let step = step(world, field, value);
            let claim = (step, rank, Reverse(event.at), Reverse(event.digest()));
            kinds.insert(rank, kind);
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
            (text(value), kinds[&claim.1].to_owned(), claim.2.0.map(|at| at.to_string()))
        };
        let conflict = (rivals.len() > 1 && !is_quiet(world, name))
            .then(|| (rivals.iter().take(VALUES_MAX).map(claimed).collect(), rivals.len() > VALUES_MAX));
        Told { field: name.to_owned(), value: text(value), conflict }
    });
    told.collect()
}

/// Kinds by authority; those that the contract does not list, after these as they stand in it.
fn rank(world: &Subject, kind: &str) -> usize {
    let draft = world.contract.draft();
    let kinds = draft.events.iter().map(|event| &event.kind).filter(|kind| !draft.authority.contains(kind));
    draft.authority.iter().chain(kinds).position(|known| known == kind).expect("a kind of the contract")
}

/// Place in the field's progress, 0 the furthest; a value that is not in it comes after all.
fn step(world: &Subject, field: FieldId, value: &[u8]) -> usize {
    let steps = steps(world, name(world, field));
    let stands_in = |step: &&Vec<String>| step.iter().any(|known| format!("{known:?}").as_bytes() == value);
    steps.iter().rev().take_while(|step| !stands_in(step)).count()
}

/// The steps of a field's progress, from first to last.
fn steps(world: &Subject, field: &str) -> Vec<Vec<String>> {
    let declared = world.contract.draft().fields.iter().find(|declared| declared.name == field);
    let steps = declared.map_or(&[][..], |declared| &declared.progress).iter();
    let words = |step: &Step| match step {
        Step::One(word) => vec![word.clone()],
        Step::Several(words) => words.clone(),
    };
    steps.map(words).collect()
}

/// Whether values of it may differ without a conflict.
fn is_quiet(world: &Subject, field: &str) -> bool {
    let fields = &world.contract.draft().fields;
    fields.iter().any(|declared| declared.name == field && declared.conflict == Some(false))
}

fn name(world: &Subject, field: FieldId) -> &str {
    world.contract.fields().find(|(id, _)| *id == field).expect("a field of the contract").1
}

fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).expect("canonical JSON is UTF-8")
}

fn the_record_says_what_a_plain_reading_of_the_rules_says(world: &Subject, log: &Log) {
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

fn kind_name<'e>(world: &'e Subject, event: &Event<'e>) -> &'e str {
    match event.kind {
        EventKind::Known(kind) => world.contract.kind_name(kind),
        EventKind::Unknown(name) => name,
    }
}

/// Grace runs from the first closing event, stall from the last of all, each by its earliest
/// arrival, else by the provider's time. A deadline is over at its very instant.
fn deadlines_run_from_the_earliest_arrivals(world: &Subject, log: &Log) {
    log.with(world, |arrived| {
        let mut clocks: BTreeMap<Digest, (Event<'_>, Option<Timestamp>)> = BTreeMap::new();
        for (event, received_at) in arrived {
            let (_, known) = clocks.entry(event.digest()).or_insert((*event, *received_at));
            *known = [*known, *received_at].into_iter().flatten().min();
        }
        let clocks = clocks.values().map(|(event, received_at)| (event, received_at.or(event.at)));
        let closes = |event: &Event<'_>| world.draft.closes.iter().any(|kind| kind == kind_name(world, event));
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
                    super::$law(&Subject::of($subject), &log);
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
    pathors: sessions::PATHORS;
    agntix: sessions::AGNTIX;
    saaya_session: sessions::SAAYA_SESSION;
    saaya_campaign: sessions::SAAYA_CAMPAIGN;
    saaya_agent: sessions::SAAYA_AGENT;
    saaya_upload: sessions::SAAYA_UPLOAD;
    smallest: sessions::SMALLEST;
    smallest_legacy: sessions::SMALLEST_LEGACY;
}

/// All of them at once, where that is worth more cases.
fn every_law_holds(world: &Subject, log: &Log) {
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
    fn every_law_holds_for_many_events((name, log) in with_many()) {
        every_law_holds(&Subject::of(name), &log);
    }

    #[test]
    fn every_law_holds_for_a_progress_of_many_values(log in beyond_progress(sessions::AGNTIX)) {
        every_law_holds(&Subject::of(sessions::AGNTIX), &log);
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
