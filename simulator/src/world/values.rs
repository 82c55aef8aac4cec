//! Values of fields, drawn by chance and printed as JSON.

use super::habits::Values;
use crate::json::write_string;
use crate::random::{Purpose, Random};

/// A source of values, made ready.
#[derive(Clone, Debug)]
pub(super) enum Drawn {
    Weighted(Vec<(u64, String)>),
    Pattern(Pattern),
    /// Of a pool, the name of which keeps it apart from others.
    Pool {
        pattern: Pattern,
        size: u64,
        name: u64,
    },
    Integer {
        from: i64,
        to: i64,
    },
    Decimal {
        from: i64,
        to: i64,
        places: u32,
    },
    Members(u64),
}

/// A text with holes for chance, written as JSON.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Uuid,
    Hex(usize),
    Digits(usize),
    Id,
}

impl Pattern {
    /// A string with `{uuid}`, `{hex:16}`, `{digits:7}` and `{id}` in it, its quotes included.
    pub(super) fn string(text: &str) -> Pattern {
        let mut json = String::new();
        write_string(text, &mut json);
        Pattern::json(&json)
    }

    /// JSON with the same in its strings. Any other brace is itself.
    pub(super) fn json(text: &str) -> Pattern {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut plain = String::new();
        while let Some(open) = rest.find('{') {
            let (before, after) = rest.split_at(open);
            plain.push_str(before);
            let end = after.find('}').map_or(after.len(), |end| end + 1);
            let number = |word: &str| word.split_once(':').and_then(|(_, count)| count.parse::<usize>().ok());
            let part = match after[..end].trim_matches(['{', '}']) {
                "uuid" => Some(Part::Uuid),
                "id" => Some(Part::Id),
                word if word.starts_with("hex:") => number(word).map(Part::Hex),
                word if word.starts_with("digits:") => number(word).map(Part::Digits),
                _ => None,
            };
            if let Some(part) = part {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(part);
                rest = &after[end..];
            } else {
                plain.push('{');
                rest = &after[1..];
            }
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Pattern(parts)
    }

    /// Appends the pattern with its holes filled; `id` is that of the session, unescaped.
    pub(super) fn write(&self, random: &mut Random, id: &str, out: &mut String) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Uuid => write_uuid(random, out),
                Part::Hex(count) => write_digits(random, *count, 16, out),
                Part::Digits(count) => write_digits(random, *count, 10, out),
                Part::Id => {
                    let mut escaped = String::new();
                    write_string(id, &mut escaped);
                    out.push_str(&escaped[1..escaped.len() - 1]);
                }
            }
        }
    }
}

fn write_digits(random: &mut Random, count: usize, base: u64, out: &mut String) {
    let mut left = 0;
    for place in 0..count {
        // Twelve digits out of one number.
        if place % 12 == 0 {
            left = random.next() >> 8;
        }
        out.push(char::from(b"0123456789abcdef"[(left % base) as usize]));
        left /= base;
    }
}

/// A random UUID, version 4.
fn write_uuid(random: &mut Random, out: &mut String) {
    let (high, low) = (random.next(), random.next());
    let bits = (u128::from(high) << 64 | u128::from(low)) & !(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    for digit in 0..32 {
        if matches!(digit, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(char::from(b"0123456789abcdef"[(bits >> (124 - 4 * digit)) as usize & 15]));
    }
}

impl Drawn {
    /// Makes a source ready; nothing for what is not drawn but follows from the session. `name` is the
    /// field's.
    pub(super) fn new(values: &Values, name: &str) -> Option<Drawn> {
        Some(match values {
            Values::OneOf(values) => Drawn::Weighted(values.iter().map(|value| (1, value.to_string())).collect()),
            Values::Weighted(values) => {
                Drawn::Weighted(values.iter().map(|(weight, value)| (*weight, value.to_string())).collect())
            }
            Values::Text(text) => Drawn::Pattern(Pattern::string(text)),
            Values::Json(text) => Drawn::Pattern(Pattern::json(text)),
            Values::Pool { of, size } => {
                // FNV-1a.
                let name = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
                });
                Drawn::Pool { pattern: Pattern::string(of), size: (*size).max(1), name }
            }
            Values::Integer { from, to } => Drawn::Integer { from: *from, to: *to },
            Values::Decimal { from, to, places } => Drawn::Decimal { from: *from, to: *to, places: (*places).min(9) },
            Values::Members(most) => Drawn::Members(*most),
            Values::Absent | Values::Time(_) | Values::Lasted | Values::Progress => return None,
        })
    }

    /// A value, as JSON.
    pub(super) fn draw(&self, seed: u64, random: &mut Random, id: &str) -> String {
        let mut out = String::new();
        match self {
            Drawn::Weighted(values) => {
                let place = random.weigh(values.iter().map(|(weight, _)| *weight));
                out.push_str(place.map_or("null", |place| &values[place].1));
            }
            Drawn::Pattern(pattern) => pattern.write(random, id, &mut out),
            Drawn::Pool { pattern, size, name } => {
                // The smaller of two: some customers are busier than others.
                let which = random.below(*size).min(random.below(*size));
                pattern.write(&mut Random::new(seed, Purpose::World, *name, which), id, &mut out);
            }
            Drawn::Integer { from, to } => out.push_str(&random.within(*from, *to).to_string()),
            Drawn::Decimal { from, to, places } => {
                let units = random.within(*from, *to);
                let one = 10_i64.pow(*places);
                let sign = if units < 0 { "-" } else { "" };
                let (whole, part) =
                    (units.unsigned_abs() / one.unsigned_abs(), units.unsigned_abs() % one.unsigned_abs());
                let written = match *places as usize {
                    0 => format!("{sign}{whole}"),
                    width => format!("{sign}{whole}.{part:0width$}"),
                };
                out.push_str(&written);
            }
            Drawn::Members(most) => write_members(random, *most, &mut out),
        }
        out
    }
}

/// What people tell agents, in the scripts they write in.
const MEMBERS: [(&str, &[&str]); 7] = [
    (
        "name",
        &[r#""Nancy""#, r#""Zoë""#, r#""José Ángel""#, r#""王小明""#, r#""Łukasz""#, r#""O'Neill""#, r#""さくら""#],
    ),
    ("intention", &[r#""book a demo""#, r#""預約看診""#, r#""cancel the order""#, r#""Rechnung prüfen""#]),
    ("city", &[r#""臺北""#, r#""São Paulo""#, r#""München""#, r#""Kraków""#, r#""Nashville""#]),
    ("party_size", &["1", "2", "4", "8", "11"]),
    ("callback", &["true", "false", "null"]),
    (
        "note",
        &[
            r#""said \"call me later\"""#,
            r#""wants a refund 😀""#,
            r#""C:\\invoices\\may""#,
            r#""line one\nline two""#,
            r#""""#,
        ],
    ),
    ("score", &["0.5", "1.25", "7.0", "1e2", "-0.25"]),
];

fn write_members(random: &mut Random, most: u64, out: &mut String) {
    let count = random.below(most.min(MEMBERS.len() as u64) + 1) as usize;
    let first = random.below(MEMBERS.len() as u64) as usize;
    out.push('{');
    for step in 0..count {
        // There are seven, so no name comes twice.
        let (name, values) = MEMBERS[(first + 3 * step) % MEMBERS.len()];
        if step > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        out.push_str(random.pick(values).copied().unwrap_or("null"));
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &Values) -> String {
        let drawn = Drawn::new(values, "field").unwrap();
        drawn.draw(1, &mut Random::new(1, Purpose::Event, 0, 0), "s\"1")
    }

    #[test]
    fn holes_are_filled_and_other_braces_stay() {
        let text = drawn(&Values::Text("{id}/{hex:4}-{digits:3}/{other}{".into()));
        let rest = text.strip_prefix("\"s\\\"1/").unwrap();
        let (hex, rest) = rest.split_at(4);
        assert!(hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
        assert!(rest[1..4].bytes().all(|byte| byte.is_ascii_digit()), "{text}");
        assert_eq!(&rest[4..], "/{other}{\"");
        let uuid = drawn(&Values::Text("{uuid}".into()));
        assert_eq!((uuid.len(), &uuid[15..16]), (38, "4"), "{uuid}");
        assert_eq!(drawn(&Values::Json("{}".into())), "{}");
        assert_eq!(drawn(&Values::Decimal { from: -5, to: -5, places: 2 }), "-0.05");
    }
}
