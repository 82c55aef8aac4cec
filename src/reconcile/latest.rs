//! The time that deadlines are judged at when nobody says: the latest that the exports know.

use crate::engine::Timestamp;

/// Distance from all others at which a latest time is doubtful.
const FAR: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// The two latest of the times seen, and the earliest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latest {
    first: Option<Timestamp>,
    second: Option<Timestamp>,
    earliest: Option<Timestamp>,
}

impl Latest {
    pub(crate) fn add(&mut self, at: Timestamp) {
        if self.earliest.is_none_or(|earliest| at < earliest) {
            self.earliest = Some(at);
        }
        if self.first.is_none_or(|first| at > first) {
            self.second = self.first.replace(at);
        } else if self.first != Some(at) && self.second.is_none_or(|second| at > second) {
            self.second = Some(at);
        }
    }

    pub(crate) fn merge(&mut self, other: Latest) {
        [other.first, other.second, other.earliest].into_iter().flatten().for_each(|at| self.add(at));
    }

    /// The latest time of all.
    pub(crate) fn latest(self) -> Option<Timestamp> {
        self.first
    }

    /// The earliest.
    pub(crate) fn earliest(self) -> Option<Timestamp> {
        self.earliest
    }

    /// The latest but one, when the latest stands far from it: further than a day, and further
    /// than all the others from each other.
    pub(crate) fn lonely(self) -> Option<Timestamp> {
        let (first, second, earliest) = (self.first?, self.second?, self.earliest?);
        let gap = first.since(second);
        (gap > FAR && gap > second.since(earliest)).then_some(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_far_from_all_others_is_noticed_in_any_order() {
        let at = |text| Timestamp::parse(text).unwrap();
        let times = ["2026-05-03T08:00:00Z", "2026-05-03T09:00:00Z", "2099-01-01T00:00:00Z", "2026-05-03T08:30:00Z"];
        for turn in 0..times.len() {
            let mut latest = Latest::default();
            let mut other = Latest::default();
            for place in 0..times.len() {
                let time = at(times[(place + turn) % times.len()]);
                if place < 2 { latest.add(time) } else { other.add(time) }
            }
            latest.merge(other);
            assert_eq!(latest.latest(), Some(at("2099-01-01T00:00:00Z")));
            assert_eq!(latest.lonely(), Some(at("2026-05-03T09:00:00Z")));
            assert_eq!(latest.earliest(), Some(at("2026-05-03T08:00:00Z")));
        }
    }
}
