//! Several sources, each in order, as one: what is newer counts.

use super::IndexError;

/// Keys in order, each with what the newest source says of it.
pub(super) struct Merge<'s, K, V> {
    /// The newest first.
    sources: Vec<Source<'s, K, V>>,
}

struct Source<'s, K, V> {
    next: Option<(K, V)>,
    rest: Rows<'s, K, V>,
}

type Rows<'s, K, V> = Box<dyn Iterator<Item = Result<(K, V), IndexError>> + 's>;

impl<K, V> Default for Merge<'_, K, V> {
    fn default() -> Self {
        Merge { sources: Vec::new() }
    }
}

impl<'s, K: Ord, V> Merge<'s, K, V> {
    /// Adds a source that is older than the others, and has each key once.
    pub(super) fn add(
        &mut self,
        rows: impl Iterator<Item = Result<(K, V), IndexError>> + 's,
    ) -> Result<(), IndexError> {
        let mut source = Source { next: None, rest: Box::new(rows) };
        source.take()?;
        self.sources.push(source);
        Ok(())
    }

    fn take_next(&mut self) -> Result<Option<(K, V)>, IndexError> {
        let heads =
            self.sources.iter().enumerate().filter_map(|(place, source)| Some((&source.next.as_ref()?.0, place)));
        // Of the same key, the newest.
        let Some((_, newest)) = heads.min() else { return Ok(None) };
        let taken = self.sources[newest].take()?;
        for older in &mut self.sources[newest + 1..] {
            let is_same = |next: &(K, V)| taken.as_ref().is_some_and(|(key, _)| next.0 == *key);
            if older.next.as_ref().is_some_and(is_same) {
                older.take()?;
            }
        }
        Ok(taken)
    }
}

impl<K: Ord, V> Iterator for Merge<'_, K, V> {
    type Item = Result<(K, V), IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take_next().transpose()
    }
}

impl<K, V> Source<'_, K, V> {
    fn take(&mut self) -> Result<Option<(K, V)>, IndexError> {
        let next = self.rest.next().transpose()?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_counts() {
        let mut merge = Merge::default();
        for rows in
            [&[(2, "new"), (5, "new")][..], &[(1, "old"), (2, "old")], &[(2, "oldest"), (5, "oldest"), (6, "oldest")]]
        {
            merge.add(rows.iter().map(|row| Ok(*row))).unwrap();
        }
        let merged = merge.collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(merged, [(1, "old"), (2, "new"), (5, "new"), (6, "oldest")]);
    }

    #[test]
    fn an_error_is_told() {
        let mut merge = Merge::default();
        merge.add([Ok((1, ())), Err(IndexError::value("a key"))].into_iter()).unwrap();
        merge.add([Ok((2, ()))].into_iter()).unwrap();
        assert!(merge.any(|row| row.is_err()));
    }
}
