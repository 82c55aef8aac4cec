//! What several heads are made of, as bytes.

use std::time::Duration;

use finis_engine::live::NoticeKind;
use finis_engine::log::{Arrivals, Cause, Later, SourceSettings, Standing};

use super::Due;
use crate::bytes::{Bytes, Writer};

pub(super) fn write_arrivals(to: &mut Writer<'_>, arrivals: &Arrivals) {
    // At most ARRIVALS_MAX.
    to.u8(arrivals.first().len() as u8);
    arrivals.first().iter().for_each(|at| to.timestamp(*at));
    to.option(arrivals.later(), |to, later| {
        to.u64(later.count);
        to.timestamp(later.last);
    });
}

pub(super) fn read_arrivals(from: &mut Bytes<'_>) -> Option<Arrivals> {
    let first = (0..from.u8()?).map(|_| from.timestamp()).collect::<Option<_>>()?;
    let later = from.option(|from| Some(Later { count: from.u64()?, last: from.timestamp()? }))?;
    Arrivals::new(first, later)
}

pub(super) fn write_cause(to: &mut Writer<'_>, cause: &Cause) {
    match cause {
        Cause::Failed { reason } => {
            to.u8(0);
            to.text(reason);
        }
        Cause::Held { behind } => {
            to.u8(1);
            to.u64(*behind);
        }
        Cause::Later { reason, tries, again } => {
            to.u8(2);
            to.text(reason);
            to.u32(*tries);
            to.timestamp(*again);
        }
        Cause::Closed { reason } => {
            to.u8(3);
            to.text(reason);
        }
    }
}

pub(super) fn read_cause(from: &mut Bytes<'_>) -> Option<Cause> {
    match from.u8()? {
        0 => Some(Cause::Failed { reason: from.text()? }),
        1 => Some(Cause::Held { behind: from.u64()? }),
        2 => Some(Cause::Later { reason: from.text()?, tries: from.u32()?, again: from.timestamp()? }),
        3 => Some(Cause::Closed { reason: from.text()? }),
        _ => None,
    }
}

pub(crate) fn write_standing(to: &mut Writer<'_>, standing: &Standing) {
    match standing {
        Standing::Done => to.u8(0),
        Standing::Parked(cause) => {
            to.u8(1);
            write_cause(to, cause);
        }
        Standing::Released => to.u8(2),
    }
}

pub(crate) fn read_standing(from: &mut Bytes<'_>) -> Option<Standing> {
    match from.u8()? {
        0 => Some(Standing::Done),
        1 => read_cause(from).map(Standing::Parked),
        2 => Some(Standing::Released),
        _ => None,
    }
}

pub(crate) fn write_settings(to: &mut Writer<'_>, settings: &SourceSettings) {
    let SourceSettings { name, provider, version, subscription, grace, stall } = settings;
    to.text(name);
    to.text(provider);
    to.text(version);
    to.option(subscription.as_ref(), |to, kinds| {
        // A contract has a few dozen.
        to.u32(kinds.len() as u32);
        for kind in kinds {
            to.text(kind);
        }
    });
    write_duration(to, *grace);
    to.option(*stall, write_duration);
}

pub(crate) fn read_settings(from: &mut Bytes<'_>) -> Option<SourceSettings> {
    Some(SourceSettings {
        name: from.text()?,
        provider: from.text()?,
        version: from.text()?,
        subscription: from.option(|from| (0..from.u32()?).map(|_| from.text()).collect())?,
        grace: read_duration(from)?,
        stall: from.option(read_duration)?,
    })
}

fn write_duration(to: &mut Writer<'_>, time: Duration) {
    to.u64(time.as_secs());
    to.u32(time.subsec_nanos());
}

fn read_duration(from: &mut Bytes<'_>) -> Option<Duration> {
    let (seconds, nanos) = (from.u64()?, from.u32()?);
    (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
}

pub(super) fn write_due(to: &mut Writer<'_>, due: Due) {
    match due {
        Due::Same => to.u8(0),
        Due::Never => to.u8(1),
        Due::At(at) => {
            to.u8(2);
            to.timestamp(at);
        }
    }
}

pub(super) fn read_due(from: &mut Bytes<'_>) -> Option<Due> {
    match from.u8()? {
        0 => Some(Due::Same),
        1 => Some(Due::Never),
        2 => from.timestamp().map(Due::At),
        _ => None,
    }
}

const KINDS: [NoticeKind; 5] =
    [NoticeKind::Complete, NoticeKind::Amended, NoticeKind::Stalled, NoticeKind::Asset, NoticeKind::Forgotten];

pub(super) fn kind_code(kind: NoticeKind) -> u8 {
    // Every kind is among them.
    KINDS.iter().position(|known| *known == kind).map_or(u8::MAX, |code| code as u8)
}

pub(super) fn kind_of(code: u8) -> Option<NoticeKind> {
    KINDS.get(usize::from(code)).copied()
}
