//! The smallest script that still does something: delta debugging.
//!
//! First whole sessions go, then single arrivals, in pieces that get smaller. What is left can lose no session
//! and no arrival more without ceasing to do it. Whether it does it is asked of the caller, who may have to
//! play it against something slow; so no script is asked about that has as much as one that does it.

use super::Script;

impl Script {
    /// Cuts the script down as long as `still` says yes of what is left. It is taken for granted that it says
    /// yes of the script itself.
    ///
    /// # Errors
    /// The first that `still` has.
    pub fn smallest<E>(&self, mut still: impl FnMut(&Script) -> Result<bool, E>) -> Result<Script, E> {
        let sessions: Vec<u64> = self.sessions().into_iter().collect();
        let sessions = reduce(&sessions, |sessions| {
            still(&self.keep(|_, arrival| sessions.binary_search(&arrival.is.session).is_ok()))
        })?;
        let few = self.keep(|_, arrival| sessions.binary_search(&arrival.is.session).is_ok());
        let places: Vec<usize> = (0..few.arrivals.len()).collect();
        let places = reduce(&places, |places| still(&few.keep(|place, _| places.binary_search(&place).is_ok())))?;
        Ok(few.keep(|place, _| places.binary_search(&place).is_ok()))
    }
}

/// A part of `all`, in its order, of which `still` says yes and which can lose no element.
fn reduce<T: Clone, E>(all: &[T], mut still: impl FnMut(&[T]) -> Result<bool, E>) -> Result<Vec<T>, E> {
    let mut left = all.to_vec();
    let mut pieces = 2;
    while left.len() > 1 {
        let length = left.len().div_ceil(pieces);
        let starts = (0..left.len()).step_by(length);
        let mut smaller = None;
        // One piece alone is the greatest step, and the same as all others but one when there are two.
        for start in starts.clone().filter(|_| length < left.len()) {
            let piece = &left[start..(start + length).min(left.len())];
            if still(piece)? {
                smaller = Some((piece.to_vec(), 2));
                break;
            }
        }
        if smaller.is_none() && pieces > 2 {
            for start in starts {
                let rest = [&left[..start], &left[(start + length).min(left.len())..]].concat();
                if still(&rest)? {
                    smaller = Some((rest, pieces - 1));
                    break;
                }
            }
        }
        match smaller {
            Some((part, next)) => (left, pieces) = (part, next.max(2)),
            None if length == 1 => break,
            None => pieces = (pieces * 2).min(left.len()),
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of the numbers below `all`, when these are needed; and how often it was asked.
    fn check(all: u32, needed: &[u32]) -> usize {
        let all: Vec<u32> = (0..all).collect();
        let mut asked = 0;
        let left = reduce(&all, |part| {
            asked += 1;
            Ok::<_, ()>(needed.iter().all(|number| part.contains(number)))
        });
        assert_eq!(left.unwrap(), needed);
        asked
    }

    #[test]
    fn what_is_needed_is_left() {
        check(1, &[0]);
        check(2, &[0, 1]);
        check(3, &[1, 2]);
        check(100, &[0, 50, 99]);
        check(64, &[3, 4, 5, 60]);
        assert!(check(1_000, &[617]) < 40, "one of many is found by halves");
    }

    #[test]
    fn an_error_ends_it() {
        assert_eq!(reduce(&[1, 2, 3], |_| Err::<bool, _>("gone")), Err("gone"));
    }
}
