//! What can be left out of a list: halves, quarters, and so on down to single things.

/// Looks for a subset of `count` things, by their places, of which something is still true, and from which
/// nothing can be left out that was tried. `holds` is only asked of true subsets.
pub(super) fn smallest(count: usize, mut holds: impl FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..count).collect();
    let mut part = count.div_ceil(2);
    while part > 0 && !kept.is_empty() {
        let mut place = 0;
        let before = kept.len();
        while place < kept.len() {
            let without: Vec<usize> = kept
                .iter()
                .enumerate()
                .filter(|(at, _)| !(place..place + part).contains(at))
                .map(|(_, of)| *of)
                .collect();
            if holds(&without) {
                kept = without;
            } else {
                place += part;
            }
        }
        // Single things are tried again as long as some could be left out.
        part = if part == 1 { usize::from(kept.len() < before) } else { part.div_ceil(2) };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::smallest;

    #[test]
    fn what_matters_is_left() {
        for matters in [vec![], vec![0], vec![99], vec![3, 4, 50], vec![0, 33, 66, 99]] {
            let mut asked = 0;
            let left = smallest(100, |kept| {
                asked += 1;
                matters.iter().all(|place| kept.contains(place))
            });
            assert_eq!(left, matters);
            assert!(asked < 200, "{asked}");
        }
    }

    #[test]
    fn one_of_two_is_enough_and_an_order_of_leaving_out_may_matter() {
        let left = smallest(9, |kept| kept.contains(&2) || kept.contains(&7));
        assert_eq!(left.len(), 1);
        // 8 may only go when 5 has gone.
        let left = smallest(9, |kept| kept.contains(&1) && (kept.contains(&8) || !kept.contains(&5)));
        assert_eq!(left, [1]);
    }
}
