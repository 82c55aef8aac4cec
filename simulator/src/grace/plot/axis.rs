//! Logarithmic axes: where a value stands, and which values are written beside it.

use std::time::Duration;

use finis_engine::print_span;

use super::panel::Line;
use super::{fraction, share};
use crate::random::Chance;

/// From one value to another, logarithmically.
pub(super) struct Axis {
    pub(super) title: &'static str,
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
}

/// Lengths of time that are written at an axis, in seconds.
const TIMES: [f64; 26] = [
    0.001, 0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0,
    3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0, 259_200.0, 604_800.0,
];

/// The least share that is told from none: one in a million.
const LEAST: f64 = 1e-6;

impl Axis {
    /// An axis of lengths of time in seconds, all above zero; nothing when there is none.
    pub(super) fn times(title: &'static str, values: impl Iterator<Item = f64>) -> Option<Axis> {
        let (least, most) = values.fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), value| {
            (least.min(value.max(0.001)), most.max(value.max(0.001)))
        });
        if most == 0.0 {
            return None;
        }
        // A little room on both sides, so that nothing stands on the frame.
        let (from, to) = (least / 1.25, most * 1.25);
        let ticks = TIMES.into_iter().chain((1..6).map(|weeks| f64::from(weeks) * 10.0 * 604_800.0));
        let text = |seconds: f64| print_span(Duration::from_secs_f64(seconds));
        Some(Axis { title, from, to, ticks: ticks.map(|seconds| (seconds, text(seconds))).collect() })
    }

    /// An axis of shares, down to a tenth of the least that is shown.
    pub(super) fn shares(title: &'static str, limit: Chance, lines: &[Line]) -> Axis {
        let points = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
        let shown: Vec<f64> = points.chain([fraction(limit)]).filter(|share| *share > 0.0).collect();
        let least = shown.iter().copied().fold(share(1, 100), f64::min).max(LEAST);
        let most = shown.iter().copied().fold(share(1, 100), f64::max);
        // Whole powers of ten around them.
        let (from, to) = (10_f64.powf((least * 0.7).log10().floor()), 10_f64.powf(most.log10().ceil()));
        let decades = (-7..=0).map(|power| 10_f64.powi(power));
        let text = |share: f64| {
            // Printed by its digits, since a power of ten is not always exact.
            let digits = (-(share * 100.0).log10().round()).max(0.0) as usize;
            format!("{:.digits$} %", share * 100.0)
        };
        Axis { title, from, to, ticks: decades.map(|share| (share, text(share))).collect() }
    }

    /// Where a value stands: 0 at the one end, 1 at the other. What is beyond stands there.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        (value / self.from).ln() / (self.to / self.from).ln()
    }

    /// Whether a value is too small for it, as zero is.
    pub(super) fn is_below(&self, value: f64) -> bool {
        value < self.from
    }

    /// The ticks on it with their places; none nearer to another than so much, of 1.
    pub(super) fn ticks(&self, apart: f64) -> Vec<(f64, &str)> {
        let mut shown: Vec<(f64, &str)> = Vec::new();
        for (value, text) in self.ticks.iter().filter(|(value, _)| (self.from..=self.to).contains(value)) {
            let place = self.place(*value);
            if shown.last().is_none_or(|(last, _)| place - last >= apart) {
                shown.push((place, text));
            }
        }
        shown
    }
}
