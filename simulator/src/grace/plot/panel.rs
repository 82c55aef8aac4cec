//! One picture of lines, with its axes and its legend.

use std::fmt::Write as _;

use super::axis::Axis;
use super::{WIDTH, escape};

/// Of a panel, with all that belongs to it.
pub(super) const HEIGHT: f64 = 330.0;
/// What is inside the frame.
const LEFT: f64 = 96.0;
const RIGHT: f64 = WIDTH - 220.0;
const ABOVE: f64 = 46.0;
const BELOW: f64 = HEIGHT - 62.0;

/// Lines over one axis.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// A value of y that is marked, and what it is.
    pub(super) across: Option<(f64, String)>,
    /// A value of x that is marked, and what it is.
    pub(super) up: Option<(f64, String)>,
    pub(super) lines: Vec<Line>,
}

/// A line through points; its place among the others is its colour.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

impl Panel {
    /// Writes it, so far down in the document.
    pub(super) fn write(&self, down: f64, out: &mut String) {
        let x = |value: f64| LEFT + self.x.place(value) * (RIGHT - LEFT);
        let y = |value: f64| BELOW - self.y.place(value) * (BELOW - ABOVE);
        let _ = writeln!(out, "<g transform=\"translate(0 {down})\">");
        let _ = writeln!(out, "<text class=\"title\" x=\"24\" y=\"24\">{}</text>", escape(self.title));
        self.write_axes(out);
        if let Some((value, text)) = &self.across {
            let (at, text) = (y(*value), escape(text));
            let _ = writeln!(out, "<path class=\"mark\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
            let _ = writeln!(out, "<text class=\"aside\" x=\"{}\" y=\"{:.1}\">{text}</text>", RIGHT + 8.0, at + 4.0);
        }
        if let Some((value, text)) = &self.up {
            let (at, text) = (x(*value), escape(text));
            let _ = writeln!(out, "<path class=\"mark\" d=\"M{at:.1} {BELOW}V{ABOVE}\"/>");
            let _ = writeln!(
                out,
                "<text class=\"aside\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">recommended: {text}</text>",
                ABOVE - 6.0
            );
        }
        for (place, line) in self.lines.iter().enumerate() {
            let points: Vec<String> =
                line.points.iter().map(|(along, up)| format!("{:.1},{:.1}", x(*along), y(*up))).collect();
            let _ = writeln!(out, "<polyline class=\"line s{place}\" points=\"{}\"/>", points.join(" "));
            for (along, up) in &line.points {
                // Nothing at all has no place on a logarithmic axis: a ring at its foot.
                let ring = if self.y.is_below(*up) { " none" } else { "" };
                let _ = writeln!(
                    out,
                    "<circle class=\"p{place}{ring}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>",
                    x(*along),
                    y(*up)
                );
            }
        }
        self.write_legend(out);
        out.push_str("</g>\n");
    }

    fn write_axes(&self, out: &mut String) {
        for (place, text) in self.x.ticks(0.055) {
            let at = LEFT + place * (RIGHT - LEFT);
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{at:.1} {BELOW}V{ABOVE}\"/>");
            let _ = writeln!(
                out,
                "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                BELOW + 19.0,
                escape(text)
            );
        }
        for (place, text) in self.y.ticks(0.08) {
            let at = BELOW - place * (BELOW - ABOVE);
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                at + 4.5,
                escape(text)
            );
        }
        let (width, height) = (RIGHT - LEFT, BELOW - ABOVE);
        let _ =
            writeln!(out, "<rect class=\"frame\" x=\"{LEFT}\" y=\"{ABOVE}\" width=\"{width}\" height=\"{height}\"/>");
        let (middle, foot) = (f64::midpoint(LEFT, RIGHT), BELOW + 42.0);
        let _ = writeln!(
            out,
            "<text class=\"aside\" x=\"{middle}\" y=\"{foot}\" text-anchor=\"middle\">{} (logarithmic)</text>",
            escape(self.x.title)
        );
        let middle = f64::midpoint(ABOVE, BELOW);
        let _ = writeln!(
            out,
            "<text class=\"aside\" transform=\"translate(24 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(self.y.title)
        );
    }

    fn write_legend(&self, out: &mut String) {
        for (place, line) in self.lines.iter().enumerate() {
            let at = ABOVE + 14.0 + place as f64 * 22.0;
            let (from, to) = (RIGHT + 14.0, RIGHT + 46.0);
            let _ = writeln!(out, "<path class=\"line s{place}\" d=\"M{from} {at}H{to}\"/>");
            let _ = writeln!(out, "<text x=\"{}\" y=\"{}\">{}</text>", to + 8.0, at + 4.5, escape(line.name));
        }
        if self.lines.iter().any(|line| line.points.iter().any(|(_, up)| self.y.is_below(*up))) {
            let at = ABOVE + 14.0 + self.lines.len() as f64 * 22.0;
            let (ring, text) = (RIGHT + 30.0, RIGHT + 54.0);
            let _ = writeln!(out, "<circle class=\"p0 none\" cx=\"{ring}\" cy=\"{at}\" r=\"3\"/>");
            let _ = writeln!(out, "<text x=\"{text}\" y=\"{}\">none at all</text>", at + 4.5);
        }
    }
}
