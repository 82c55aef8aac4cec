//! Sessions judged anew: whatever a log had and said before, it ends as one that was filled under the new
//! contract, says nothing twice, and ends so wherever it was interrupted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use finis::engine::live::{NoticeKind, SessionKey};
use finis::engine::log::{Delivery, EventEntry, Log, LogError, LogRead, MemoryLog, Stored};
use finis::engine::{Contract, Filler, Reader, Receipt, Source, Terms, Timestamp, Unverified};
use finis::reconcile::Plan;
use finis::store::{Rebuild, Rebuilt};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::sessions::{self, PATHORS, arrivals, clashing};
use crate::world::{EVENING, Frail, Hand, Running, at, key, kinds, payload, said};

/// The shipped contract of pathors, and what it may be changed to.
pub(crate) const CONTRACTS: [&[(&str, &str)]; 8] = [
    &[],
    &[("grace = \"2m\"", "grace = \"10s\"")],
    &[("grace = \"2m\"", "grace = \"2h\"")],
    &[("stall = \"1h\"", "stall = \"90s\"")],
    &[("stall = \"1h\"", "stall = \"3h\""), ("call_status", "status_of_call")],
    &[("closes = [\"session.finalized\"]", "closes = [\"session.ended\"]")],
    &[
        ("\"2026-05\"\ntitle", "\"2027-01\"\ntitle"),
        ("\"session.ended\", \"call.ended\"]\n[event", "]\n[event"),
        ("messages_count", "count"),
    ],
    // What has ended is complete, and waits for nothing.
    &[
        ("closes = [\"session.finalized\"]", "closes = [\"session.ended\"]"),
        (
            "kind = \"session.finalized\"\nrole = \"lifecycle\"\ndue = \"always\"",
            "kind = \"session.finalized\"\nrole = \"lifecycle\"\ndue = \"never\"",
        ),
    ],
];

fn contract(number: usize) -> Arc<Contract> {
    let shipped = include_str!("../../adapters/providers/contracts/pathors.toml");
    let text = CONTRACTS[number].iter().fold(shipped.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    });
    Arc::new(finis::providers::load("pathors.toml", &text).unwrap())
}

pub(crate) fn source(number: usize) -> Source {
    let contract = contract(number);
    Source { name: "pathors".into(), terms: Terms::new(&contract), contract, verify: Box::new(Unverified) }
}

async fn rebuild(log: &dyn LogRead, number: usize) -> Rebuild {
    let contract = contract(number);
    let plan = Plan { terms: Terms::new(&contract), contract };
    Rebuild::new(log, [("pathors".to_owned(), plan)], Timestamp::MIN).await.unwrap()
}

async fn apply(log: &dyn Log, number: usize, announce: bool) -> Result<Rebuilt, LogError> {
    let mut rebuild = rebuild(log, number).await;
    rebuild.announce = announce;
    rebuild.apply(log).await
}

/// What came, and when.
#[derive(Clone)]
struct Step {
    body: String,
    received_at: Timestamp,
}

/// As a person reads what is left when it fails.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.received_at, self.body)
    }
}

/// A delivery of a story: what kind of event, of which session, when it happened and came.
fn step(kind: char, id: usize, seconds: u64) -> Step {
    let received_at = at(EVENING).plus(Duration::from_secs(seconds));
    Step { body: payload(kind, &format!("s-{id}"), &received_at.to_string()), received_at }
}

/// Some more than are judged in one commit, so that there are several.
const BYSTANDERS: usize = 300;

fn entry(source: &Source, step: &Step) -> EventEntry {
    let delivery = Delivery { headers: Vec::new(), body: step.body.as_bytes().into() };
    let mut reader = Reader::new();
    let (key, event) = source.read(&mut reader, &delivery).unwrap();
    EventEntry { key, digest: event.digest(), received_at: Some(step.received_at), delivery: delivery.clone() }
}

/// Fills a log in stretches, each of which is judged when it is in.
async fn fill(log: &Arc<dyn Log>, number: usize, stretches: &[Vec<Step>]) {
    for steps in stretches {
        let source = source(number);
        let events: Vec<EventEntry> = steps.iter().map(|step| entry(&source, step)).collect();
        let mut filler = Filler::new(Arc::clone(log), [source]).await.unwrap();
        filler.append(events, Vec::new()).await.unwrap();
        filler.settle(Timestamp::MIN, false).await.unwrap();
    }
}

async fn stored(log: &dyn LogRead) -> BTreeMap<SessionKey, Stored> {
    let keys = log.sessions(None, usize::MAX).await.unwrap();
    let stored = log.load(&keys).await.unwrap();
    keys.into_iter().zip(stored).collect()
}

/// Every record at the latest time of the log, and when each session is due next.
async fn records(log: &dyn LogRead, number: usize, at: Timestamp) -> BTreeMap<SessionKey, String> {
    let source = source(number);
    let record = |(key, stored): (SessionKey, Stored)| {
        let session = source.restore(key.clone(), stored);
        let record = session.record_at(source.under(&key).unwrap(), at);
        (key, record)
    };
    stored(log).await.into_iter().map(record).collect()
}

pub(crate) type Due = Vec<(Timestamp, SessionKey)>;

/// All that a log says.
pub(crate) async fn state(log: &dyn LogRead) -> (BTreeMap<SessionKey, Stored>, Vec<String>, Due) {
    let notices = log.notices(0, usize::MAX).await.unwrap();
    let notices = notices.into_iter().map(|(seq, notice)| notice.to_json(seq)).collect();
    (stored(log).await, notices, log.due(None, Timestamp::MAX, usize::MAX).await.unwrap())
}

/// What comes of six sessions of a world, some of it, in any order, in a few stretches. What is shrunk is which
/// of it comes; the sessions stay.
fn stretches() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let drawn = vec(vec(any::<Index>(), 1..12), 1..4);
    (any::<u64>().no_shrink(), drawn).prop_map(|(seed, drawn)| {
        // All at once, or one behind the other: so deadlines of some pass before others begin.
        let every = Duration::from_secs([1, 60, 900][seed as usize % 3]);
        let came = arrivals(PATHORS, seed, 6, every, &clashing());
        let step = |which: Index| {
            let arrival = which.get(&came);
            Step { body: sessions::payload(arrival), received_at: arrival.received_at }
        };
        drawn.into_iter().map(|stretch| stretch.into_iter().map(step).collect()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn it_ends_as_a_log_that_was_filled_under_the_new_contract(
        stretches in stretches(),
        old in 0..CONTRACTS.len(),
        new in 0..CONTRACTS.len(),
        announce: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log: Arc<dyn Log> = Arc::<MemoryLog>::default();
            fill(&log, old, &stretches).await;
            let before = state(&*log).await;
            let preview = rebuild(&*log, new).await;
            let as_of = log.latest().await.unwrap();
            let mut preview = preview;
            preview.announce = announce;
            let preview = preview.preview(&*log).await.unwrap();
            assert_eq!(state(&*log).await, before, "who only looks writes nothing");
            assert_eq!(preview.as_of, as_of);

            let applied = apply(&*log, new, announce).await.unwrap();
            assert_eq!(format!("{applied:?}"), format!("{preview:?}"));
            assert_eq!(log.latest().await.unwrap(), as_of, "it is no entry of a later time");
            let fresh: Arc<dyn Log> = Arc::<MemoryLog>::default();
            fill(&fresh, new, &stretches).await;
            let now = as_of.unwrap().max(fresh.latest().await.unwrap().unwrap());
            assert_eq!(records(&*log, new, now).await, records(&*fresh, new, now).await);
            assert_eq!(log.sources().await.unwrap(), [source(new).settings()]);

            // What was said stands, and so does how many were told; each revision is said once.
            let after = state(&*log).await;
            assert_eq!(after.1[..before.1.len()], before.1[..]);
            let told: u64 = applied.notices.values().sum();
            assert_eq!((after.1.len() - before.1.len()) as u64, told);
            for stored in after.0.values() {
                for end in [true, false] {
                    let is_of = |kind: NoticeKind| match kind {
                        NoticeKind::Complete | NoticeKind::Amended => end,
                        NoticeKind::Stalled => !end,
                        _ => false,
                    };
                    let mut revisions: Vec<u32> =
                        stored.notices.iter().filter(|notice| is_of(notice.kind)).map(|notice| notice.revision).collect();
                    revisions.sort_unstable();
                    assert_eq!(revisions, (1..=revisions.len() as u32).collect::<Vec<_>>());
                }
                let last = stored.notices.iter().filter(|notice| notice.kind == NoticeKind::Complete).count();
                assert!(last <= 1, "complete is said once");
            }
            let again = apply(&*log, new, true).await.unwrap();
            assert!(again.is_nothing() && again.notices.is_empty() && again.quiet.is_empty(), "{again:?}");
            assert_eq!(state(&*log).await, after);
        });
    }
}

#[tokio::test]
async fn wherever_it_is_interrupted_the_next_does_the_rest() {
    let mut steps = vec![step('E', 1, 0), step('F', 2, 0), step('G', 3, 0), step('E', 3, 1)];
    steps.extend((10..10 + BYSTANDERS).map(|id| step(if id % 3 == 0 { 'E' } else { 'F' }, id, 2)));
    // A late one, so that all but itself are over.
    let stretches = [steps, vec![step('E', 4, 9000)]];
    for announce in [false, true] {
        let whole: Arc<dyn Log> = Arc::<MemoryLog>::default();
        fill(&whole, 0, &stretches).await;
        let told = apply(&*whole, 6, announce).await.unwrap();
        let (ours, others) = if announce { (&told.notices, &told.quiet) } else { (&told.quiet, &told.notices) };
        assert!(ours[&NoticeKind::Amended] > 200 && others.is_empty(), "{told:?}");
        let whole = state(&*whole).await;
        let mut appends = 0;
        loop {
            let log = Arc::new(Frail::default());
            fill(&(log.clone() as Arc<dyn Log>), 0, &stretches).await;
            appends += 1;
            log.stops_at.store(appends, Ordering::SeqCst);
            let outcome = apply(&*log, 6, announce).await;
            log.stops_at.store(0, Ordering::SeqCst);
            apply(&*log, 6, announce).await.unwrap();
            assert!(state(&*log).await == whole, "interrupted at append {appends}");
            if outcome.is_ok() {
                break;
            }
        }
        assert!(appends >= 4, "the settings, and a commit for each stretch of sessions: {appends}");
    }
}

#[tokio::test]
async fn an_engine_that_is_opened_with_another_contract_says_what_is_over_by_it() {
    let log: Arc<MemoryLog> = Arc::default();
    let clock = Hand::at(EVENING);
    let running = Running::start(log.clone(), clock.clone());
    let Receipt::Stored { key: of } = running.receive(&payload('E', "s-1", EVENING)).await else { panic!() };
    running.stop().await;
    assert_eq!(of, key("s-1"));

    // Under this one it has ended, and waits for nothing. It is judged when its time is over.
    let (engine, writer) =
        finis::engine::Engine::new(log.clone(), clock.clone(), [source(7)], finis::engine::Settings::default());
    let running = Running { engine, writer: tokio::spawn(writer.run()) };
    let mut crm = running.engine.notices("crm").await.unwrap();
    clock.set("2026-05-03T09:42:14Z");
    let notice = crm.next().await.unwrap().unwrap().notice;
    assert_eq!((notice.kind, notice.revision), (NoticeKind::Complete, 1));
    assert!(notice.record.contains(r#""by":"evidence""#), "{}", notice.record);
    drop(crm);
    running.stop().await;
    assert_eq!(kinds(&said(&*log).await), [(NoticeKind::Complete, 1)]);
    assert_eq!(log.next_due().await.unwrap(), None);
}
