//! One line a problem, and not a million: whoever can send can otherwise fill a disk with log lines.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many lines in each stretch of time.
const LINES_MAX: u32 = 20;
const STRETCH: Duration = Duration::from_secs(1);

/// Lets a few lines through each second, and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct Sparing(Mutex<Stretch>);

#[derive(Debug, Default)]
struct Stretch {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Sparing {
    /// Calls `say` if there may be a line now, with how many were held back since the last, when any were.
    pub(crate) fn tell(&self, say: impl FnOnce(Option<u64>)) {
        let now = Instant::now();
        let unsaid = {
            // Numbers alone: each change leaves them whole.
            let mut stretch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if stretch.since.is_none_or(|since| now >= since + STRETCH) {
                (stretch.since, stretch.said) = (Some(now), 0);
            }
            if stretch.said == LINES_MAX {
                stretch.unsaid += 1;
                return;
            }
            stretch.said += 1;
            std::mem::take(&mut stretch.unsaid)
        };
        say((unsaid > 0).then_some(unsaid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rest_is_counted() {
        let (sparing, mut said) = (Sparing::default(), Vec::new());
        for _ in 0..LINES_MAX + 7 {
            sparing.tell(|unsaid| said.push(unsaid));
        }
        tokio::time::advance(STRETCH).await;
        sparing.tell(|unsaid| said.push(unsaid));
        assert_eq!(said.len() as u32, LINES_MAX + 1);
        assert_eq!((said[0], said.last()), (None, Some(&Some(7))));
    }
}
