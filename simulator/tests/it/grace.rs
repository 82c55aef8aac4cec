//! What every grace and every stall would have done, held against live sessions that wait for so long.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use finis_engine::contract::draft::Role;
use finis_engine::live::{LiveArrival, NoticeKind, Received, Session, SessionKey, Under};
use finis_engine::{By, Contract, LineReader, SubjectId, Terms, Timestamp};
use finis_simulator::clock::{Micros, micros, timestamp};
use finis_simulator::faults::{Chance, Delay, Faults, Origin, Preset, Road};
use finis_simulator::grace::{GraceRow, Narrator, Question, Said, Spread, StallRow, Story, Survey, Waits, plot};
use finis_simulator::json::Json;
use finis_simulator::world::{Settings, World};
use finis_simulator::{Arrival, Is};
use proptest::prelude::*;

use crate::agreement::{config, line};
use crate::contracts;

const SECOND: Micros = 1_000_000;

fn origin() -> Origin {
    Origin { source: "here".into(), signing: None }
}

fn world(contract: &Contract, seed: u64, sessions: u64) -> World<'_> {
    let every = Duration::from_secs(1 + seed % 40);
    World::new(contract, Settings { seed, sessions, every, ..Settings::default() }).unwrap()
}

fn spans(seconds: &[u64]) -> Vec<Duration> {
    seconds.iter().copied().map(Duration::from_secs).collect()
}

/// Stories of the main subject, each with its session's number.
fn stories(contract: &Contract, world: &World<'_>, faults: &Faults, seed: u64) -> Vec<(u64, Story)> {
    let mut narrator = Narrator::new(contract, &Terms::new(contract));
    let mut road = Road::new(world, faults.clone(), seed, origin());
    let sessions = (0..world.settings().sessions).map(|index| Rc::new(world.session(index)));
    sessions.filter_map(|session| Some((session.index, narrator.tell(&road.session(&session))?))).collect()
}

/// A session that is live.
struct Live {
    session: Session,
    /// When it came first and its kind, of each of its events.
    events: Vec<(Micros, String)>,
    /// When, and the record; and the kind of the event that caused it, unless a deadline did.
    said: Vec<(Micros, NoticeKind, Json, Option<String>)>,
}

impl Live {
    fn new(id: &str) -> Live {
        let key = SessionKey::new("here", "session", id);
        Live { session: Session::new(key), events: Vec::new(), said: Vec::new() }
    }

    fn pass_deadlines(&mut self, under: Under<'_>, until: Timestamp) {
        while let Some(due) = self.session.deadline(under).filter(|due| *due <= until) {
            let notices = self.session.pass(under, due);
            self.hear(due, notices, None);
        }
    }

    fn hear(&mut self, at: Timestamp, notices: Vec<finis_engine::live::Notice>, kind: Option<&str>) {
        let told = notices.into_iter().filter(|notice| notice.kind != NoticeKind::Asset);
        let record = |text: &str| Json::parse(text).unwrap();
        let cause = || kind.map(str::to_owned);
        self.said.extend(told.map(|notice| (micros(at), notice.kind, record(&notice.record), cause())));
    }

    fn texts(record: &Json, path: &str) -> Vec<String> {
        let Some(Json::Array(items)) = record.at(path) else { panic!("no list at {path}") };
        items.iter().map(|item| item.to_string().trim_matches('"').to_owned()).collect()
    }

    /// What is said as a story tells it.
    fn told(&self) -> Vec<(Micros, NoticeKind, String, Option<String>)> {
        let word = |record: &Json, path| record.at(path).map(|word| word.to_string().trim_matches('"').to_owned());
        let said = self.said.iter();
        said.map(|(at, kind, record, _)| (*at, *kind, word(record, "/status").unwrap(), word(record, "/by"))).collect()
    }
}

fn told(said: &[Said]) -> Vec<(Micros, NoticeKind, String, Option<String>)> {
    let by = |by: Option<By>| by.map(|by| by.as_str().to_owned());
    said.iter().map(|said| (said.at, said.kind, said.status.as_str().to_owned(), by(said.by))).collect()
}

/// Every session of the main subject that anything came of, lived through under these waits, by its number.
fn live(
    contract: &Contract,
    world: &World<'_>,
    faults: &Faults,
    seed: u64,
    grace: Duration,
    stall: Duration,
) -> BTreeMap<u64, Live> {
    let mut terms = Terms::new(contract);
    terms.set_grace(grace);
    terms.set_stall(stall);
    let under = Under { contract, terms: &terms, subject: SubjectId::MAIN };
    let numbers: BTreeMap<String, u64> =
        (0..world.settings().sessions).map(|index| (world.session(index).id, index)).collect();
    let mut reader = LineReader::new(None);
    let mut sessions: BTreeMap<u64, Live> = BTreeMap::new();
    for arrival in Road::new(world, faults.clone(), seed, origin()) {
        let line = line(&arrival);
        let Ok(read) = reader.read(&line, |_| Ok(((), contract))) else { continue };
        if read.event.subject != SubjectId::MAIN {
            continue;
        }
        let live = sessions.entry(numbers[read.event.id]).or_insert_with(|| Live::new(read.event.id));
        live.pass_deadlines(under, arrival.received_at);
        let kind = match read.event.kind {
            finis_engine::EventKind::Known(kind) => contract.kind_name(kind),
            finis_engine::EventKind::Unknown(name) => name,
        };
        let event = LiveArrival::new(contract, &read.event);
        if let Received::Stored(notices) = live.session.receive(under, event, arrival.received_at) {
            live.events.push((micros(arrival.received_at), kind.to_owned()));
            live.hear(arrival.received_at, notices, Some(kind));
        }
    }
    for live in sessions.values_mut() {
        live.pass_deadlines(under, Timestamp::MAX);
    }
    sessions
}

/// Rows by what was said live, counted in the plainest way.
fn rows(
    contract: &Contract,
    world: &World<'_>,
    sessions: &BTreeMap<u64, Live>,
    grace: Duration,
    stall: Duration,
) -> (GraceRow, StallRow) {
    let closes = &contract.draft().subjects[0].closes;
    let mut of_grace = GraceRow { grace, ..GraceRow::default() };
    let mut of_stall = StallRow { stall, ..StallRow::default() };
    for (number, live) in sessions {
        let truth = world.truth(*number).events.into_iter().find(|event| closes.contains(&event.kind));
        let ended = truth.map_or(world.session(*number).end, |event| event.sent);
        let all = |kind: NoticeKind| live.said.iter().filter(move |said| said.1 == kind);
        if let Some((at, _, record)) = all(NoticeKind::Complete).next().map(|said| (said.0, said.1, &said.2)) {
            let by_deadline = record.at("/by").unwrap().to_string() == "\"deadline\"";
            *if by_deadline { &mut of_grace.by_deadline } else { &mut of_grace.by_evidence } += 1;
            let (missing, inferred) = (Live::texts(record, "/missing"), Live::texts(record, "/inferred"));
            let wanting: Vec<&String> = missing.iter().chain(&inferred).collect();
            // What comes at the very instant of a deadline comes after it; what completes by evidence is
            // followed by nothing that was wanting.
            let late = live.events.iter().any(|(came, kind)| *came >= at && wanting.contains(&kind));
            of_grace.too_early += u64::from(late);
            of_grace.missing += missing.len() as u64;
            of_grace.inferred += inferred.len() as u64;
            let events = contract.draft().events.iter().filter(|event| wanting.contains(&&event.kind));
            let fields: std::collections::BTreeSet<&String> = events.flat_map(|event| event.facts.keys()).collect();
            let is_here = |field: &str| record.at(&format!("/fields/{field}")).is_some();
            of_grace.facts_missing += fields.into_iter().filter(|field| !is_here(field)).count() as u64;
            of_grace.time.count(at - ended);
            let draft = |kind: &String| contract.draft().events.iter().find(|event| event.kind == *kind);
            let is_independent = |kind| draft(kind).is_some_and(|event| event.role == Role::Independent);
            let mut others = 0;
            for (_, _, _, cause) in all(NoticeKind::Amended) {
                let is_late = cause.as_ref().is_some_and(|kind| wanting.contains(&kind));
                let is_independent = !is_late && cause.as_ref().is_some_and(is_independent);
                of_grace.amendments_late += u64::from(is_late);
                of_grace.amendments_independent += u64::from(is_independent);
                of_grace.amendments_other += u64::from(!is_late && !is_independent);
                others += u64::from(!is_independent);
            }
            of_grace.amended += u64::from(others > 0);
        }
        if let Some(at) = all(NoticeKind::Stalled).next().map(|said| said.0) {
            of_stall.stalled += 1;
            of_stall.notices += all(NoticeKind::Stalled).count() as u64;
            if live.events.iter().any(|(_, kind)| closes.contains(kind)) {
                of_stall.too_early += 1;
            } else {
                of_stall.time.count(at - ended);
            }
        }
    }
    (of_grace, of_stall)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_live_engine_says_the_same_under_the_same_waits(
        seed: u64,
        which in 0_usize..7,
        grace in prop_oneof![0_u64..20, 0_u64..400, 0_u64..100_000],
        stall in prop_oneof![0_u64..20, 0_u64..400, 0_u64..100_000],
    ) {
        let contract = &contracts::all()[which];
        let (world, faults) = (world(contract, seed, 12), Faults::swarm(seed));
        let (grace, stall) = (Duration::from_secs(grace), Duration::from_secs(stall));
        let live = live(contract, &world, &faults, seed, grace, stall);
        let stories = stories(contract, &world, &faults, seed);
        let seen = stories.iter().filter(|(_, story)| !story.steps().is_empty());
        prop_assert_eq!(seen.clone().map(|(number, _)| number).collect::<Vec<_>>(), live.keys().collect::<Vec<_>>());
        for (number, story) in seen {
            let waits = Waits { grace, stall: Some(stall) };
            prop_assert_eq!(told(&story.said(waits)), live[number].told(), "{:?}", story);
        }
        let question = Question { graces: vec![grace], stalls: vec![stall], threads: 1 };
        let survey = Survey::new(contract, &world, &faults, seed, &Terms::new(contract), &question, &|_| ());
        let (of_grace, of_stall) = rows(contract, &world, &live, grace, stall);
        prop_assert_eq!(&survey.graces, &[of_grace]);
        prop_assert_eq!(&survey.stalls, &[of_stall]);
        let closed = live.values().filter(|live| live.events.iter().any(|(_, kind)| {
            contract.draft().subjects[0].closes.contains(kind)
        }));
        prop_assert_eq!((survey.sessions, survey.closed), (live.len() as u64, closed.count() as u64));
        prop_assert_eq!(survey.sessions + survey.unseen + survey.others, 12);
    }

    #[test]
    fn who_waits_longer_says_no_sooner_that_it_is_over(seed: u64, which in 0_usize..7) {
        let contract = &contracts::all()[which];
        let (world, faults) = (world(contract, seed, 12), Faults::swarm(seed));
        for (_, story) in stories(contract, &world, &faults, seed) {
            let first = |waits: Waits, kind| {
                let said = story.said(waits);
                said.into_iter().find(|said| said.kind == kind)
            };
            let (mut complete, mut stalled) = (None, None);
            for seconds in [0, 1, 3, 10, 60, 600, 3_600, 86_400] {
                let wait = Duration::from_secs(seconds);
                let next = first(Waits { grace: wait, stall: None }, NoticeKind::Complete);
                if let (Some(last), Some(next)) = (complete, next) {
                    let (last, next): (Said, Said) = (last, next);
                    prop_assert!(last.at <= next.at, "{:?}", story);
                    prop_assert!(last.by == Some(By::Deadline) || next == last, "what is evident waits for nothing");
                }
                prop_assert_eq!(next.is_some(), story.close().is_some());
                complete = next;
                let next = first(Waits { grace: wait, stall: Some(wait) }, NoticeKind::Stalled).map(|said| said.at);
                // What was never given up under one stall is not under a longer one.
                prop_assert!(seconds == 0 || next.is_none() || stalled.is_some_and(|last| Some(last) <= next));
                stalled = next;
            }
            // Past all that came late nothing is too early; past every silence nothing is given up.
            let past = |wait: Option<Micros>| Duration::from_micros(wait.unwrap_or(0) as u64 + 1);
            let (grace, stall) = (past(story.lateness()), past(story.silence()));
            let said = story.said(Waits { grace, stall: Some(stall) });
            if story.close().is_some() {
                let complete = said.iter().find(|said| said.kind == NoticeKind::Complete).unwrap();
                prop_assert!(complete.by == Some(By::Evidence) || !story.comes_after(complete.step), "{:?}", story);
                prop_assert!(said.iter().all(|said| said.kind != NoticeKind::Stalled), "{:?}", story);
            }
        }
    }

    #[test]
    fn roads_of_single_sessions_are_one_road(seed: u64, which in 0_usize..7) {
        let contract = &contracts::all()[which];
        let (world, faults) = (world(contract, seed, 9), Faults::swarm(seed));
        let mut all = Road::new(&world, faults.clone(), seed, origin());
        let mut one = Road::new(&world, faults, seed, origin());
        let arrivals: Vec<Arrival> = all.by_ref().collect();
        for index in 0..9 {
            let of_all: Vec<Arrival> = arrivals.iter().filter(|arrival| arrival.is.session == index).cloned().collect();
            prop_assert_eq!(one.session(&Rc::new(world.session(index))), of_all);
        }
        prop_assert_eq!(one.tally(), all.tally());
    }
}

/// Pathors' events of one call, each so many seconds after the first moment.
fn call(events: &[(&str, Micros)]) -> Story {
    let contract = contracts::pathors();
    let bodies = [
        (
            "ended",
            r#"{"event":"session.ended","sessionId":"s","timestamp":"2026-05-03T00:00:00.100Z","messagesCount":3}"#,
        ),
        ("call", r#"{"event":"call.ended","sessionId":"s","timestamp":"2026-05-03T00:00:02Z","callStatus":"busy"}"#),
        (
            "finalized",
            r#"{"event":"session.finalized","sessionId":"s","timestamp":"2026-05-03T00:00:03Z","messagesCount":3,"callStatus":"busy"}"#,
        ),
        ("other", r#"{"event":"session.cat","sessionId":"s","timestamp":"2026-05-03T00:00:03Z"}"#),
        ("damaged", r#"{"event":"session.ended","sessionId":"#),
    ];
    let arrivals = events.iter().map(|(name, at)| Arrival {
        received_at: timestamp(at * SECOND),
        source: "here".into(),
        headers: Vec::new(),
        body: bodies.iter().find(|(known, _)| known == name).unwrap().1.into(),
        is: Is { session: 0, event: 0, faults: Vec::new(), proved: true, readable: true },
    });
    Narrator::new(&contract, &Terms::new(&contract)).tell(&arrivals.collect::<Vec<_>>()).unwrap()
}

/// What is said under a grace and a stall: second, kind, status.
fn said(story: &Story, grace: u64, stall: u64) -> Vec<(Micros, &'static str, &'static str, bool)> {
    let waits = Waits { grace: Duration::from_secs(grace), stall: Some(Duration::from_secs(stall)) };
    let said = story.said(waits);
    assert!(said.iter().all(|said| said.at % SECOND == 0));
    let by_deadline = |said: &Said| said.by == Some(By::Deadline);
    let words = |said: &Said| (said.at / SECOND, said.kind.as_str(), said.status.as_str(), by_deadline(said));
    said.iter().map(words).collect()
}

#[test]
fn what_comes_late_is_waited_for_or_amended() {
    let story = call(&[("damaged", 1), ("ended", 5), ("finalized", 10), ("finalized", 11), ("call", 40)]);
    assert_eq!(said(&story, 20, 100), [(30, "complete", "complete", true), (40, "amended", "complete", false)]);
    // A deadline at the very instant of an event is over before it comes.
    assert_eq!(said(&story, 30, 100), [(40, "complete", "complete", true), (40, "amended", "complete", false)]);
    assert_eq!(said(&story, 31, 100), [(40, "complete", "complete", false)]);
    assert_eq!((story.lateness(), story.silence()), (Some(30 * SECOND), Some(5 * SECOND)));
    let finalized = &story.steps()[1];
    // The call's end is inferred: its status is here, but not its time, nor its length and the project.
    assert_eq!((finalized.missing.len(), finalized.inferred.len(), finalized.facts_missing), (0, 1, 3));
    assert!(story.comes_after(1) && !story.comes_after(2));
}

#[test]
fn what_never_comes_is_waited_for_in_vain() {
    let story = call(&[("ended", 5), ("finalized", 10), ("other", 50)]);
    assert_eq!(said(&story, 20, 100), [(30, "complete", "complete", true)]);
    // Another event that changes nothing is no amendment, and what is unknown was not waited for.
    assert_eq!(said(&story, 3600, 100), [(3610, "complete", "complete", true)]);
    assert_eq!(story.lateness(), None);
    assert!(!story.comes_after(1));
}

#[test]
fn a_session_without_end_is_given_up_and_taken_up_again() {
    let story = call(&[("ended", 5), ("call", 60), ("finalized", 200)]);
    let given_up = [(35, "stalled", "stalled", true), (90, "stalled", "stalled", true)];
    assert_eq!(said(&story, 20, 30)[..2], given_up);
    assert_eq!(said(&story, 20, 30)[2..], [(200, "complete", "complete", false)]);
    assert_eq!(said(&story, 20, 55)[0], (60, "stalled", "stalled", true));
    assert_eq!(said(&story, 20, 141), [(200, "complete", "complete", false)]);
    assert_eq!(said(&story, 20, 140).len(), 2);
    let story = call(&[("ended", 5)]);
    assert_eq!(said(&story, 20, 30), [(35, "stalled", "stalled", true)]);
    assert_eq!((story.close(), story.silence(), story.lateness()), (None, None, None));
}

/// Loss of one in a hundred, and now and then half a minute.
fn tail() -> Faults {
    let delay = Delay { usual_ms: 100, tail: Chance::percent(2), tail_ms: 30_000, doublings_max: 2 };
    Faults { loss: Chance::percent(1), delay, ..Faults::default() }
}

fn survey(graces: &[u64], threads: usize, sessions: u64) -> Survey {
    let contract = contracts::pathors();
    let world = World::new(&contract, Settings { seed: 3, sessions, ..Settings::default() }).unwrap();
    let question = Question { graces: spans(graces), stalls: spans(&[60, 3_600]), threads };
    Survey::new(&contract, &world, &tail(), 3, &Terms::new(&contract), &question, &|_| ())
}

#[test]
fn threads_do_not_show() {
    let one = survey(&[10, 60], 1, 3_000);
    assert_eq!(survey(&[60, 10, 60], 3, 3_000), one);
    assert_eq!(survey(&[10, 60], 0, 3_000), one);
    let told = std::sync::atomic::AtomicU64::new(0);
    let contract = contracts::pathors();
    let world = World::new(&contract, Settings { sessions: 1_300, ..Settings::default() }).unwrap();
    let question = Question { threads: 2, ..Question::around(&contract, &Terms::new(&contract)) };
    let done = |more| {
        told.fetch_add(more, std::sync::atomic::Ordering::Relaxed);
    };
    let _ = Survey::new(&contract, &world, &tail(), 3, &Terms::new(&contract), &question, &done);
    assert_eq!(told.into_inner(), 1_300);
    assert!(
        question.graces.contains(&Duration::from_secs(120)) && question.stalls.contains(&Duration::from_secs(3600))
    );
    assert!(question.graces.is_sorted() && question.graces.len() > 5);
}

#[test]
fn a_longer_grace_leaves_less_to_amend_and_takes_longer() {
    let survey = survey(&[1, 5, 15, 30, 60, 120, 300], 2, 4_000);
    assert!(survey.closed > 3_800 && survey.sessions > 3_950);
    for pair in survey.graces.windows(2) {
        let [short, long] = pair else { panic!("a window of two") };
        assert_eq!((short.completed(), long.completed()), (survey.closed, survey.closed));
        assert!(short.by_deadline >= long.by_deadline && short.too_early >= long.too_early);
        assert!(short.amendments() >= long.amendments() && short.facts_missing >= long.facts_missing);
        for part in [500, 900, 990, 1000] {
            assert!(short.time.quantile(part) <= long.time.quantile(part));
        }
    }
    let [first, .., last] = &survey.graces[..] else { panic!("seven graces") };
    // No event is on the way for longer than three minutes.
    assert_eq!((last.too_early, last.amended), (0, 0));
    assert!(first.too_early > 50 && last.by_deadline > 30 && last.inferred >= last.by_deadline);
}

#[test]
fn the_recommended_is_the_shortest_that_keeps_to_the_rule() {
    let survey_of = |graces: &[u64]| survey(graces, 2, 4_000);
    let all = survey_of(&[1, 5, 15, 30, 60, 120, 300]);
    let share = |row: &GraceRow| row.too_early as f64 / all.closed as f64;
    for per_mille in [0_u32, 1, 5, 20] {
        let max = Chance::in_a_million(per_mille * 1_000);
        let grace = all.grace(max).unwrap();
        for row in &all.graces {
            assert_eq!(share(row) <= f64::from(per_mille) / 1e3, row.grace >= grace, "{row:?}");
        }
        // Of any length: one that keeps to the rule, and a little less does not.
        let any = all.shortest_grace(max);
        assert!(any <= grace);
        let contract = contracts::pathors();
        let world = World::new(&contract, Settings { seed: 3, sessions: 4_000, ..Settings::default() }).unwrap();
        let question = Question { graces: vec![any.mul_f64(0.98), any], stalls: Vec::new(), threads: 2 };
        let near = Survey::new(&contract, &world, &tail(), 3, &Terms::new(&contract), &question, &|_| ());
        assert!(share(&near.graces[1]) <= f64::from(per_mille) / 1e3);
        assert!(share(&near.graces[0]) > f64::from(per_mille) / 1e3, "{any:?}");
    }
    assert_eq!(survey_of(&[1, 5]).grace(Chance::in_a_million(1)), None);
    assert_eq!(all.shortest_grace(Chance::ALWAYS), Duration::ZERO);
    let stall = all.stall(Chance::percent(1)).unwrap();
    assert!(all.shortest_stall(Chance::percent(1)) <= stall);
}

#[test]
fn a_calm_day_needs_no_grace() {
    let contract = contracts::pathors();
    let world = world(&contract, 5, 300);
    let question = Question { graces: spans(&[60]), stalls: spans(&[86_400]), threads: 1 };
    let survey = Survey::new(&contract, &world, &Faults::none(), 1, &Terms::new(&contract), &question, &|_| ());
    let [row] = &survey.graces[..] else { panic!("one grace") };
    assert_eq!((row.by_evidence, row.by_deadline, row.too_early, row.amended, row.facts_missing), (300, 0, 0, 0, 0));
    // Recordings come when they are ready, and are no reason to wait.
    assert!(row.amendments() == row.amendments_independent && row.amendments_independent > 100);
    assert_eq!((survey.stalls[0].stalled, survey.lateness.clone()), (0, Spread::default()));
    assert_eq!(survey.shortest_grace(Chance::NEVER), Duration::ZERO);
}

#[test]
fn a_seed_gives_the_same_picture_for_ever() {
    let survey = survey(&[5, 30, 120], 1, 2_000);
    let rows: Vec<_> = survey
        .graces
        .iter()
        .map(|row| [row.by_evidence, row.by_deadline, row.too_early, row.amendments(), row.facts_missing])
        .collect();
    assert_eq!(rows, [[1858, 114, 78, 1350, 114], [1876, 96, 60, 1290, 96], [1921, 51, 15, 1230, 51]]);
    let picture = plot(&survey, "a < b & c", Chance::in_a_million(1_000));
    assert!(picture.contains("<title>a &lt; b &amp; c</title>") && picture.ends_with("</svg>\n"));
    assert!(!picture.contains("NaN") && !picture.contains("inf"));
    for word in ["completed too early", "Time from when the end was sent", "Sessions, by stall", "2m", "99 %"] {
        assert!(picture.contains(word), "{word}");
    }
    // Nothing to show is no panic, and no panel.
    let nothing = Question { graces: Vec::new(), stalls: Vec::new(), threads: 1 };
    let contract = contracts::pathors();
    let empty = World::new(&contract, Settings { sessions: 0, ..Settings::default() }).unwrap();
    let survey = Survey::new(&contract, &empty, &Preset::Calm.faults(), 1, &Terms::new(&contract), &nothing, &|_| ());
    assert!(!plot(&survey, "", Chance::NEVER).contains("NaN"));
    let question = Question { graces: spans(&[0, 5]), stalls: Vec::new(), threads: 1 };
    let survey = Survey::new(&contract, &empty, &Preset::Calm.faults(), 1, &Terms::new(&contract), &question, &|_| ());
    assert_eq!(survey.grace(Chance::NEVER), Some(Duration::ZERO));
    assert!(!plot(&survey, "", Chance::NEVER).contains("NaN"));
}
