//! Sequences that are tried: choices of events, their orders, and one of them twice.

/// Calls with every choice of so many of the first numbers, in order.
pub(super) fn each_subset<E>(
    of: usize,
    size: usize,
    with: &mut impl FnMut(&[usize]) -> Result<(), E>,
) -> Result<(), E> {
    let mut chosen: Vec<usize> = (0..size).collect();
    if size > of {
        return Ok(());
    }
    loop {
        with(&chosen)?;
        // The last that can go on does; those behind it follow at once.
        let Some(place) = (0..size).rev().find(|place| chosen[*place] < of - size + place) else { return Ok(()) };
        chosen[place] += 1;
        for behind in place + 1..size {
            chosen[behind] = chosen[behind - 1] + 1;
        }
    }
}

/// Calls with every order of some numbers.
pub(super) fn each_order<E>(numbers: &[usize], with: &mut impl FnMut(&[usize]) -> Result<(), E>) -> Result<(), E> {
    fn rest<E>(order: &mut Vec<usize>, from: usize, with: &mut impl FnMut(&[usize]) -> Result<(), E>) -> Result<(), E> {
        if from + 1 >= order.len() {
            return with(order);
        }
        for place in from..order.len() {
            order.swap(from, place);
            rest(order, from + 1, with)?;
            order.swap(from, place);
        }
        Ok(())
    }
    rest(&mut numbers.to_vec(), 0, with)
}

/// Calls with a sequence in which one number comes once more, for each number and each later place.
pub(super) fn each_doubling<E>(sequence: &[usize], with: &mut impl FnMut(&[usize]) -> Result<(), E>) -> Result<(), E> {
    for (place, number) in sequence.iter().enumerate() {
        for again in place + 1..=sequence.len() {
            let mut doubled = sequence.to_vec();
            doubled.insert(again, *number);
            with(&doubled)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(run: impl Fn(&mut dyn FnMut(&[usize]) -> Result<(), ()>)) -> Vec<Vec<usize>> {
        let mut all = Vec::new();
        run(&mut |sequence| {
            all.push(sequence.to_vec());
            Ok(())
        });
        all
    }

    #[test]
    fn nothing_is_left_out() {
        let subsets = all(|with| each_subset(4, 2, &mut |subset| with(subset)).unwrap());
        assert_eq!(subsets, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        let mut orders = all(|with| each_order(&[1, 2, 3], &mut |order| with(order)).unwrap());
        orders.sort();
        assert_eq!(orders, [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]]);
        let doubled = all(|with| each_doubling(&[5, 6], &mut |doubled| with(doubled)).unwrap());
        assert_eq!(doubled, [[5, 5, 6], [5, 6, 5], [5, 6, 6]]);
    }
}
