//! The same story, told with less.

use std::collections::BTreeMap;

use finis_engine::Timestamp;

use crate::arrival::Arrival;
use crate::clock::{self, SECOND};
use crate::mishaps::{How, Mishap, Moment};
use crate::story::{Setup, Story, What};

/// Events of a story that came as they were sent, by session and event.
pub(super) type Copies = BTreeMap<(u64, usize), Arrival>;

type Change = fn(&Story) -> Story;

/// Ways to set a receiver up more plainly, one setting each.
pub(super) fn setups(story: &Story) -> Vec<Change> {
    macro_rules! usual {
        ($($field:ident)*) => {
            [$((|story| {
                let setup = Setup { $field: Setup::default().$field, ..story.setup.clone() };
                Story { setup, ..story.clone() }
            }) as Change),*]
        };
    }
    let mut ways: Vec<Change> = usual!(
        subscribed grace stall queue_max batch_max sessions_max refuses_when_busy ack_each at_once_max tries_max
        window_max misreads
    )
    .into();
    if story.setup.signed {
        ways.push(unsigned);
    }
    ways
}

/// Without signatures, and without what proves nothing.
fn unsigned(story: &Story) -> Story {
    let kept = story.keep(|_, happening| match &happening.what {
        What::Arrival(arrival) => arrival.is.proved,
        What::Mishap(_) => true,
    });
    Story { setup: Setup { signed: false, ..kept.setup.clone() }, ..kept }
}

/// What came as it was sent, for whatever came otherwise.
pub(super) fn copies(story: &Story) -> Copies {
    let plain = story.arrivals().filter(|(_, arrival)| arrival.is.faults.is_empty());
    plain.map(|(_, arrival)| ((arrival.is.session, arrival.is.event), arrival.clone())).collect()
}

/// Plainer stories, each with one happening told otherwise; the plainest first.
pub(super) fn happenings(story: &Story, place: usize, copies: &Copies) -> Vec<Story> {
    let happening = &story.happenings[place];
    let told = |what: What| {
        let mut told = story.clone();
        told.happenings[place].what = what;
        told
    };
    let mut plainer: Vec<Story> = match &happening.what {
        What::Mishap(mishap) => milder(mishap).into_iter().map(|mishap| told(What::Mishap(mishap))).collect(),
        What::Arrival(arrival) => {
            let copy = copies.get(&(arrival.is.session, arrival.is.event));
            let copy = copy.filter(|copy| !story.setup.signed && copy.body != arrival.body);
            let copy = copy.map(|copy| Arrival { received_at: arrival.received_at, ..copy.clone() });
            copy.map(|copy| told(What::Arrival(Box::new(copy)))).into_iter().collect()
        }
    };
    // Sooner: at once after what was before it, or a second later.
    let before = place.checked_sub(1).map(|before| clock::micros(story.happenings[before].at));
    for gap in [0, SECOND] {
        let sooner = before.map(|before| before + gap).filter(|at| *at < clock::micros(happening.at));
        plainer.extend(sooner.map(|at| moved(story, place, clock::timestamp(at))));
    }
    plainer
}

/// One happens sooner, and all that follows as much sooner.
fn moved(story: &Story, place: usize, at: Timestamp) -> Story {
    let mut moved = story.clone();
    let by = clock::micros(story.happenings[place].at) - clock::micros(at);
    // What is signed is signed for a time, and a day is part of it: only unsigned stories are moved about.
    if story.setup.signed {
        return moved;
    }
    for happening in &mut moved.happenings[place..] {
        happening.at = clock::timestamp(clock::micros(happening.at) - by);
        if let What::Arrival(arrival) = &mut happening.what {
            arrival.received_at = happening.at;
        }
    }
    moved
}

/// The same, milder: once, for a second, without a way of its own.
fn milder(mishap: &Mishap) -> Vec<Mishap> {
    let short = 1_000;
    let mut milder = match *mishap {
        Mishap::Crash { down_ms, .. } => vec![
            Mishap::Kill { down_ms: short },
            Mishap::Crash { at: Moment::Before, down_ms: short },
            Mishap::Crash { at: Moment::After, down_ms: short },
            Mishap::Kill { down_ms },
        ],
        Mishap::Kill { .. } => vec![Mishap::Restart { down_ms: short }, Mishap::Kill { down_ms: short }],
        Mishap::Restart { .. } => vec![Mishap::Restart { down_ms: short }],
        Mishap::Fail { kept, .. } => vec![Mishap::Fail { kept, down_ms: short }],
        Mishap::Slow { call_ms, .. } => {
            vec![Mishap::Slow { call_ms: short, lasts_ms: 10 * short }, Mishap::Slow { call_ms, lasts_ms: 10 * short }]
        }
        Mishap::Full { .. } => vec![Mishap::Full { lasts_ms: short }],
        Mishap::Stumble { who, how, times } => {
            let once = Mishap::Stumble { who, how, times: 1 };
            let fails = |times| Mishap::Stumble { who, how: How::Fails, times };
            vec![fails(1), fails(times), once]
        }
        Mishap::Clock { by_ms } => vec![Mishap::Clock { by_ms: by_ms.signum() * 1_000 }],
        Mishap::Forget { .. } => Vec::new(),
        Mishap::Retain { .. } => vec![Mishap::Retain { after_s: 60 }],
        Mishap::Rewind { who, .. } => vec![Mishap::Rewind { who, by: 1 }],
        Mishap::Unpark { who, .. } => vec![Mishap::Unpark { who, all: true }],
        Mishap::Mend { .. } => vec![Mishap::Reread { down_ms: short }, Mishap::Mend { after_ms: short }],
        Mishap::Reread { .. } => vec![Mishap::Restart { down_ms: short }, Mishap::Reread { down_ms: short }],
    };
    let same = milder.iter().position(|other| other == mishap);
    // What stands behind it is not milder.
    milder.truncate(same.unwrap_or(milder.len()));
    milder
}
