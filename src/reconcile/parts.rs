//! Ids in parts: each part holds all ids between two bounds, so parts one after another are in order.

/// Parts there are at most: so many that one of a million sessions fits a processor's cache.
const PARTS_MAX: usize = 1024;

/// How many pairs of bytes there are.
const PAIRS: u64 = 1 << 16;

/// Where parts begin and end.
#[derive(Debug)]
pub(crate) struct Parts {
    /// What all bounds begin with.
    shared: Vec<u8>,
    /// The least id of each part but the first, in order, and behind it the id's first bytes that are
    /// not shared, so that a comparison mostly touches nothing else.
    bounds: Vec<(u64, Box<[u8]>)>,
    /// For each pair of first bytes that are not shared: how many bounds are below all ids with them.
    below: Vec<u16>,
}

impl Parts {
    /// Parts of about equal size, going by a sample of ids.
    pub(crate) fn between<'i>(sample: impl Iterator<Item = &'i [u8]>) -> Parts {
        let mut ids: Vec<&[u8]> = sample.collect();
        ids.sort_unstable();
        ids.dedup();
        let shared = match (ids.first(), ids.last()) {
            (Some(first), Some(last)) => first[..shared_length(first, last)].to_vec(),
            _ => Vec::new(),
        };
        let count = PARTS_MAX.min(ids.len());
        let bounds = (1..count).map(|part| ids[part * ids.len() / count]);
        let bounds: Vec<(u64, Box<[u8]>)> = bounds.map(|id| (prefix(&id[shared.len()..]), id.into())).collect();
        let below = (0..=PAIRS).map(|pair| bounds.partition_point(|(bound, _)| bound >> 48 < pair) as u16).collect();
        Parts { shared, bounds, below }
    }

    /// The part of an id.
    #[inline]
    pub(crate) fn part_of(&self, id: &[u8]) -> usize {
        let own = if self.shared.is_empty() { Some(id) } else { id.strip_prefix(&*self.shared) };
        match own {
            Some(own) => {
                let own = prefix(own);
                let pair = (own >> 48) as usize;
                let (start, end) = (usize::from(self.below[pair]), usize::from(self.below[pair + 1]));
                let near = &self.bounds[start..end];
                start + near.partition_point(|(bound, whole)| *bound < own || (*bound == own && **whole <= *id))
            }
            None => self.bounds.partition_point(|(_, whole)| **whole <= *id),
        }
    }
}

/// How many bytes two ids begin with alike.
pub(crate) fn shared_length(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// The first eight bytes of an id as a number that sorts as they do.
pub(crate) fn prefix(id: &[u8]) -> u64 {
    if let Some(first) = id.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    let mut padded = [0; 8];
    padded[..id.len()].copy_from_slice(id);
    u64::from_be_bytes(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_the_order_of_ids() {
        let ids: Vec<String> = (0..5000).map(|number| format!("call_{:05}", number * 7919 % 5000)).collect();
        let parts = Parts::between(ids.iter().step_by(3).map(String::as_bytes));
        let mut others: Vec<&str> = ids.iter().map(String::as_str).collect();
        others.extend(["", "c", "call_", "call_0", "call_02500x", "call_99999", "cbll", "é", "zz"]);
        others.sort_unstable();
        let of: Vec<usize> = others.iter().map(|id| parts.part_of(id.as_bytes())).collect();
        assert!(of.is_sorted());
        assert_eq!((of[0], of[of.len() - 1]), (0, PARTS_MAX - 1));
    }

    #[test]
    fn a_few_ids_have_parts_too() {
        assert_eq!(Parts::between(std::iter::empty()).part_of(b"any"), 0);
        assert_eq!(Parts::between([&b"one"[..], b"one"].into_iter()).part_of(b"two"), 0);
        let two = Parts::between([&b"one"[..], b"two"].into_iter());
        assert_eq!([two.part_of(b"one"), two.part_of(b"two"), two.part_of(b"tx")], [0, 1, 1]);
    }
}
