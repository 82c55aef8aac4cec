//! What is posted: a function of a number, so that the number is all that has to be remembered.
//!
//! It comes from the simulator: worlds of a few sessions each, met by faults, so that what comes is out of
//! order, twice, in conflict, corrected, of unknown kinds, forged, or such that nobody can read it. Even
//! numbers are of a source with a secret and long deadlines, odd ones of a source without, whose deadlines
//! pass while the test runs. `FINIS_SEED` makes other worlds.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use finis::engine::Contract;
use finis::engine::live::SessionKey;
use finis::engine::log::Delivery;
use finis::live::{Secret, SourceSetup};
use finis::providers::Catalogue;
use finis::providers::signature::Options;
use finis_simulator::Arrival;
use finis_simulator::faults::{Chance, Delay, Faults, Later, Origin, Signing, Skew, Storm};
use finis_simulator::model::{self, Digest, Terms};
use finis_simulator::script::Script;
use finis_simulator::world::{Habits, Settings, Values, World};

const PROVIDER: &str = "pathors";
const HEADER: &str = "x-webhook-secret";
const SECRET: &str = "s3cret";

/// What proves that a delivery of one's own is from [`SIGNED`].
pub(crate) const HEADERS: [(&str, &str); 1] = [(HEADER, SECRET)];

pub(crate) const SIGNED: &str = "signed";
pub(crate) const BRIEF: &str = "brief";

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3 * 3600);
const GRACE: Duration = Duration::from_millis(20);
/// The stall of [`BRIEF`], unless a test wants another.
pub(crate) const STALL: Duration = Duration::from_millis(60);

/// Sessions of a world, and how many of its deliveries are posted: the last of the longest never come.
const SESSIONS: u64 = 20;
const POSTED_EACH: u64 = 64;

/// Both sources; `stall` is that of the one with brief deadlines.
pub(crate) fn sources(stall: Duration) -> [SourceSetup; 2] {
    let signed = SourceSetup::new(SIGNED, PROVIDER).header(HEADER).secret(Secret::new(SECRET));
    let brief = SourceSetup::new(BRIEF, PROVIDER).unsigned();
    [signed.grace(LONG).stall(LONG), brief.grace(GRACE).stall(stall)]
}

/// The same, for the model.
pub(crate) fn terms(stall: Duration) -> BTreeMap<String, Terms> {
    let of = |grace, stall| Terms { subscribed: None, grace: Some(grace), stall: Some(stall) };
    BTreeMap::from([(SIGNED.to_owned(), of(LONG, LONG)), (BRIEF.to_owned(), of(GRACE, stall))])
}

/// What both sources are read under.
pub(crate) fn contract() -> &'static Contract {
    static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Catalogue::shipped().get(PROVIDER).unwrap().clone());
    &CONTRACT
}

/// What this number posts.
pub(crate) fn posted(number: u64) -> Arc<Arrival> {
    static WORLDS: Mutex<BTreeMap<u64, Vec<Arc<Arrival>>>> = Mutex::new(BTreeMap::new());
    // Of a source, the so many-th.
    let (is_odd, nth) = (number % 2, number / 2);
    let (world, place) = (nth / POSTED_EACH * 2 + is_odd, (nth % POSTED_EACH) as usize);
    let mut worlds = WORLDS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(&worlds.entry(world).or_insert_with(|| arrivals(world))[place])
}

/// Headers as they are received.
pub(crate) fn headers(arrival: &Arrival) -> Vec<(&str, &str)> {
    arrival.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What a delivery is to a log: another of the same is a repeat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Identity {
    Event(SessionKey, Digest),
    /// Nobody can read it.
    Unfit(String, Vec<u8>),
}

impl Identity {
    /// What a delivery of a source is, read naively.
    pub(crate) fn of(source: &str, Delivery { headers, body }: &Delivery) -> Identity {
        let read = str::from_utf8(body).ok().and_then(|text| model::read(contract().draft(), headers, text).ok());
        let Some(told) = read else { return Identity::Unfit(source.to_owned(), body.to_vec()) };
        let subject = contract().draft().subjects[told.subject].name.clone();
        Identity::Event(SessionKey::new(source, &subject, &told.id), told.digest)
    }

    /// Of which session it is; nothing where nobody can read it.
    pub(crate) fn key(&self) -> Option<&SessionKey> {
        match self {
            Identity::Event(key, _) => Some(key),
            Identity::Unfit(..) => None,
        }
    }
}

/// What a delivery is that was posted.
pub(crate) fn identity(arrival: &Arrival) -> Identity {
    let Arrival { source, headers, body, .. } = arrival;
    Identity::of(source, &Delivery { headers: headers.clone(), body: body.as_slice().into() })
}

fn arrivals(number: u64) -> Vec<Arc<Arrival>> {
    let seed = crate::Random(crate::figure("FINIS_SEED", 1)).next() ^ crate::Random(number).next();
    let settings = Settings { seed, sessions: SESSIONS, every: Duration::from_secs(1), ..Settings::default() };
    let world = World::with(contract(), &habits(), settings).unwrap();
    let options = Options { header: Some(HEADER.to_owned()), ..Options::default() };
    let signing = || Signing::new(contract(), Secret::new(SECRET), &options, None).unwrap();
    let origin = match number % 2 {
        0 => Origin { source: SIGNED.to_owned(), signing: Some(signing()) },
        _ => Origin { source: BRIEF.to_owned(), signing: None },
    };
    let arrivals = Script::new(&world, &faults(), seed, origin).arrivals;
    assert!(arrivals.len() as u64 >= POSTED_EACH, "a world of {} deliveries", arrivals.len());
    arrivals.into_iter().take(POSTED_EACH as usize).map(Arc::new).collect()
}

/// Those of the provider, but for some sessions that have much to say: records of more than one page.
fn habits() -> Habits {
    let mut habits = Habits::shipped(PROVIDER).unwrap();
    let mut talkative = habits.lives[0].clone();
    "call with much to say".clone_into(&mut talkative.name);
    talkative.weight = 15;
    let words = vec!["{hex:64}"; 75].join(" ");
    talkative.values.insert("variables".to_owned(), Values::Json(format!(r#"{{"text":"{words}"}}"#)));
    habits.lives.push(talkative);
    habits
}

/// Everything but outages; what comes late comes soon enough to be posted.
fn faults() -> Faults {
    let soon = |percent| Later { chance: Chance::percent(percent), after_s: 20 };
    Faults {
        loss: Chance::percent(5),
        delay: Delay { usual_ms: 300, tail: Chance::percent(15), tail_ms: 2_000, doublings_max: 5 },
        duplicate: Chance::percent(15),
        storm: Storm { chance: Chance::percent(5), copies_max: 4, after_s: 20 },
        replay: soon(3),
        conflict: Chance::percent(5),
        correction: soon(5),
        skew: Skew { ahead_ms: 90_000, step: Chance::percent(30), every_s: 600, step_ms: 3_600_000 },
        dress: Chance::percent(20),
        corrupt: Chance::percent(4),
        unknown: Chance::percent(3),
        forge: Chance::percent(3),
        ..Faults::none()
    }
}
