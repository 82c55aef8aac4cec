//! When an event came: how often, the first times, and the last.
//!
//! A delivery is known by when it came. Who delivers the same event at the same instant twice has said the
//! same thing twice, so an export that is imported again pretends no doubles. The first times are kept
//! exactly, whatever the order in which they are told. The number is exact as long as all of them are kept,
//! or they are told in the order in which they came, as a receiver tells them; else it may be too low, and
//! is never too high.

use crate::timestamp::Timestamp;

/// Times of an event that are kept one by one, the first.
pub const ARRIVALS_MAX: usize = 16;

/// When an event came, as far as anybody has said; never without a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrivals {
    /// In order, each once, up to [`ARRIVALS_MAX`].
    first: Vec<Timestamp>,
    /// Only when there are as many as can be.
    later: Option<Later>,
}

/// Times that are not kept one by one: all of them after those that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// How many there are, at least one.
    pub count: u64,
    /// The last.
    pub last: Timestamp,
}

impl Arrivals {
    /// An event that came once.
    #[must_use]
    pub fn of(at: Timestamp) -> Arrivals {
        Arrivals { first: vec![at], later: None }
    }

    /// These times, if they are what [`Arrivals::first`] and [`Arrivals::later`] can give.
    #[must_use]
    pub fn new(first: Vec<Timestamp>, later: Option<Later>) -> Option<Arrivals> {
        let is_ordered = first.is_sorted_by(|one, next| one < next);
        let last = *first.last()?;
        let is_full = first.len() == ARRIVALS_MAX;
        let is_after = |later: Later| {
            is_full && later.last > last && later.count > 0 && later.count <= u64::MAX - ARRIVALS_MAX as u64
        };
        (first.len() <= ARRIVALS_MAX && is_ordered && later.is_none_or(is_after)).then_some(Arrivals { first, later })
    }

    /// What is known of an event that came at `at`, as a log keeps it: `known` are its times so far, if any
    /// were counted, and `first` is its earliest, if it has one. Nothing when that adds nothing.
    #[must_use]
    pub fn again(known: Option<&Arrivals>, first: Option<Timestamp>, at: Timestamp) -> Option<Arrivals> {
        let mut arrivals = known.cloned().or_else(|| first.map(Arrivals::of)).unwrap_or_else(|| Arrivals::of(at));
        if let Some(first) = first {
            arrivals.take(first);
        }
        arrivals.take(at);
        // That it came at its only time is known without this.
        let is_news = known.is_some() || first.is_none() || arrivals.count() > 1;
        (is_news && known != Some(&arrivals)).then_some(arrivals)
    }

    /// The same, of an event that is told with its time. Nothing when this is the only time that is known, for it
    /// stands with the event.
    #[must_use]
    pub fn told(known: Option<&Arrivals>, first: Option<Timestamp>, at: Timestamp) -> Option<Arrivals> {
        if known.is_none() && first.is_none() { None } else { Arrivals::again(known, first, at) }
    }

    /// The first times, in order.
    #[must_use]
    pub fn first(&self) -> &[Timestamp] {
        &self.first
    }

    /// What is known of the others.
    #[must_use]
    pub fn later(&self) -> Option<Later> {
        self.later
    }

    /// The last time.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        // There is one, always.
        self.later.map(|later| later.last).or(self.first.last().copied()).unwrap_or(Timestamp::MIN)
    }

    /// How often it came, at least.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.first.len() as u64 + self.later.map_or(0, |later| later.count)
    }

    /// It came at `at`, too. Taking a time twice changes nothing.
    ///
    /// Between the first times and the last nobody knows which were counted: one of those is passed over.
    pub fn take(&mut self, at: Timestamp) {
        match self.first.binary_search(&at) {
            Ok(known) => self.first[known] = self.first[known].earliest(at),
            Err(place) if place < ARRIVALS_MAX => {
                self.first.insert(place, at);
                if self.first.len() > ARRIVALS_MAX
                    && let Some(over) = self.first.pop()
                {
                    self.later = Some(match self.later {
                        Some(later) => Later { count: later.count.saturating_add(1), ..later },
                        None => Later { count: 1, last: over },
                    });
                }
            }
            Err(_) => match &mut self.later {
                None => self.later = Some(Later { count: 1, last: at }),
                Some(later) if at > later.last => {
                    *later = Later { count: later.count.saturating_add(1), last: at };
                }
                Some(later) if at == later.last => later.last = later.last.earliest(at),
                Some(_) => {}
            },
        }
    }

    /// Joins what two have counted of the same event: commutative, associative, idempotent. What one has of
    /// it that the other has not is not added up, since nobody knows how much of it that is.
    pub fn merge(&mut self, other: &Arrivals) {
        let count = self.count().max(other.count());
        let lasts = [&*self, other].into_iter().filter_map(|arrivals| arrivals.later).map(|later| later.last);
        let mut lasts: Vec<Timestamp> = lasts.collect();
        for at in &other.first {
            match self.first.binary_search(at) {
                Ok(known) => self.first[known] = self.first[known].earliest(*at),
                Err(place) => self.first.insert(place, *at),
            }
        }
        lasts.extend(self.first.drain(ARRIVALS_MAX.min(self.first.len())..));
        let last = lasts.into_iter().reduce(|one, other| match one.cmp(&other) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal => one.earliest(other),
            std::cmp::Ordering::Greater => one,
        });
        // Kept are as many as can be then, so one at least is beyond them.
        let more = count.saturating_sub(self.first.len() as u64).max(1);
        self.later = last.map(|last| Later { count: more, last });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + second, 0, 0).unwrap()
    }

    fn came(seconds: impl IntoIterator<Item = i64>) -> Arrivals {
        let mut seconds = seconds.into_iter().map(at);
        let mut arrivals = Arrivals::of(seconds.next().unwrap());
        seconds.for_each(|at| arrivals.take(at));
        arrivals
    }

    #[track_caller]
    fn check(arrivals: &Arrivals, first: impl IntoIterator<Item = i64>, count: u64, last: i64) {
        assert_eq!(arrivals.first(), first.into_iter().map(at).collect::<Vec<_>>());
        assert_eq!((arrivals.count(), arrivals.last()), (count, at(last)));
        assert_eq!(Arrivals::new(arrivals.first().to_vec(), arrivals.later()).as_ref(), Some(arrivals));
    }

    #[test]
    fn a_few_are_a_set() {
        check(&came([5, 3, 5, 9, 3]), [3, 5, 9], 3, 9);
    }

    #[test]
    fn many_are_counted_in_either_order_and_twice_changes_nothing() {
        check(&came(0..100_000), 0..16, 100_000, 99_999);
        check(&came((0..1000).rev()), 0..16, 1000, 999);
        let mut twice = came(0..1000);
        (0..1000).for_each(|second| twice.take(at(second)));
        check(&twice, 0..16, 1000, 999);
    }

    #[test]
    fn what_may_have_been_counted_is_not() {
        // 25 never was; nobody can tell.
        check(&came((0..20).chain(30..40).chain([25])), 0..16, 30, 39);
        let mut joined = came(0..20);
        joined.merge(&came(10..40));
        check(&joined, 0..16, 30, 39);
    }

    #[test]
    fn again_is_nothing_when_it_is_known() {
        assert_eq!(Arrivals::again(None, Some(at(3)), at(3)), None);
        check(&Arrivals::again(None, Some(at(3)), at(1)).unwrap(), [1, 3], 2, 3);
        // Of one that was imported without a time, every time is news.
        check(&Arrivals::again(None, None, at(3)).unwrap(), [3], 1, 3);
        assert_eq!(Arrivals::again(Some(&came([1, 3])), Some(at(1)), at(3)), None);
        assert_eq!(Arrivals::told(None, None, at(3)), None);
        check(&Arrivals::told(Some(&came([3])), None, at(4)).unwrap(), [3, 4], 2, 4);
        // Its earliest counts, wherever that was said.
        check(&Arrivals::again(Some(&came([3, 4])), Some(at(1)), at(5)).unwrap(), [1, 3, 4, 5], 4, 5);
    }
}
