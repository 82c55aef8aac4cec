//! Deliveries a second, and how long answers took.

use crate::receiver::Usage;

/// What a run came to.
pub(crate) struct Figures {
    seconds: f64,
    count: usize,
    /// Microseconds: at the median, 99 and 99.9 of a hundred, and the longest.
    waits: [u32; 4],
    turned_away: u64,
}

impl Figures {
    pub(crate) const HEAD: &'static str =
        "deliveries/s     p50 ms     p99 ms   p99.9 ms     max ms  503s/s  CPU µs each  memory MiB";

    pub(crate) fn new(seconds: f64, waits: &mut [u32], turned_away: u64) -> Figures {
        waits.sort_unstable();
        let at = |share: f64| {
            let place = (waits.len() as f64 * share) as usize;
            waits.get(place.min(waits.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        Figures { seconds, count: waits.len(), waits: [at(0.5), at(0.99), at(0.999), at(1.0)], turned_away }
    }

    /// Deliveries a second that were taken.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// One line, with what the receiver used between two looks at it.
    pub(crate) fn line(&self, before: &Usage, after: &Usage) -> String {
        let [p50, p99, p999, max] = self.waits.map(|micros| f64::from(micros) / 1000.0);
        let turned_away = self.turned_away as f64 / self.seconds;
        let cpu = (after.cpu_seconds - before.cpu_seconds) * 1e6 / self.count.max(1) as f64;
        format!(
            "{:>12.0} {p50:>10.2} {p99:>10.2} {p999:>10.2} {max:>10.2} {turned_away:>7.0} {cpu:>12.1} {:>11.1}",
            self.rate(),
            after.memory_bytes as f64 / f64::from(1 << 20),
        )
    }
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
