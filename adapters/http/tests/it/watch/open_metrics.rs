//! A strict reader of the text form of `OpenMetrics`: whatever its rules forbid is a panic.
//!
//! It knows counters, gauges and histograms, and shares nothing with the one who writes.

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub(super) type Labels = BTreeMap<String, String>;

/// One family, as it is announced.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) help: String,
}

/// All that a text says.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    pub(super) families: BTreeMap<String, Family>,
    pub(super) samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    #[track_caller]
    pub(super) fn read(text: &str) -> Exposition {
        let mut read = Exposition::default();
        let lines = text.strip_suffix("# EOF\n").expect("it ends with `# EOF`");
        let mut lines = lines.split_terminator('\n').peekable();
        while let Some(line) = lines.next() {
            let (name, help) = head(line, "HELP");
            assert!(is_name(name), "`{name}` is no name");
            let (same, kind) = head(lines.next().expect("a type"), "TYPE");
            assert_eq!(same, name, "the type of another family");
            if let Some(line) = lines.next_if(|line| line.starts_with("# UNIT ")) {
                let (same, unit) = head(line, "UNIT");
                assert_eq!(same, name, "the unit of another family");
                assert!(name.ends_with(&format!("_{unit}")), "`{name}` does not end with its unit `{unit}`");
            }
            let family = Family { kind: kind.to_owned(), help: help.to_owned() };
            let mut rows = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                rows.push(sample(line));
            }
            check_family(name, kind, &rows);
            for (sample, labels, value) in rows {
                let before = read.samples.insert((sample.clone(), labels.clone()), value);
                assert_eq!(before, None, "`{sample}` {labels:?} is there twice");
            }
            assert!(read.families.insert(name.to_owned(), family).is_none(), "`{name}` is announced twice");
        }
        read
    }

    /// A number; panics when it is not there.
    #[track_caller]
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let found = self.samples.get(&(name.to_owned(), labels.clone()));
        *found.unwrap_or_else(|| panic!("there is no `{name}` {labels:?}"))
    }

    /// The names of all samples.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.samples.keys().map(|(name, _)| name.as_str()).collect()
    }
}

fn head<'l>(line: &'l str, word: &str) -> (&'l str, &'l str) {
    let rest = line.strip_prefix(&format!("# {word} "));
    rest.and_then(|rest| rest.split_once(' ')).unwrap_or_else(|| panic!("no `{word}`: {line}"))
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(fits) && name.as_bytes().first().is_some_and(|first| !first.is_ascii_digit())
}

/// `name{label="value",…} number`
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "`{name}` is no name");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect("a label");
            assert!(is_name(label), "`{label}` is no name");
            let (value, after) = quoted(after);
            assert_eq!(labels.insert(label.to_owned(), value), None, "`{label}` twice: {line}");
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = after.strip_prefix(',').expect("another label");
        }
    }
    let number = rest.strip_prefix(' ').expect("a blank before the value");
    let number = if number == "+Inf" { f64::INFINITY } else { number.parse().expect("a number") };
    (name.to_owned(), labels, number)
}

/// A value up to its quote, and what follows.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next().expect("what is escaped").1 {
                'n' => '\n',
                char @ ('\\' | '"') => char,
                other => panic!("`\\{other}` is no escape"),
            }),
            char => value.push(char),
        }
    }
    panic!("a quote is open: {text}")
}

/// Samples have the names of their family's kind, and histograms are some.
fn check_family(name: &str, kind: &str, rows: &[(String, Labels, f64)]) {
    let suffix = |sample: &str| sample.strip_prefix(name).map(str::to_owned);
    for (sample, labels, value) in rows {
        let suffix = suffix(sample).unwrap_or_else(|| panic!("`{sample}` among those of `{name}`"));
        let fits = match kind {
            "counter" => suffix == "_total",
            "gauge" => suffix.is_empty(),
            "histogram" => ["_sum", "_count", "_bucket"].contains(&suffix.as_str()),
            other => panic!("`{name}` is of kind `{other}`"),
        };
        assert!(fits, "`{sample}` is no sample of a {kind}");
        assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{sample}: {labels:?}");
        assert!(*value >= 0.0 && (value.is_finite()), "{sample} is {value}");
    }
    if kind != "histogram" {
        return;
    }
    let buckets = rows.iter().filter(|(sample, ..)| sample.ends_with("_bucket"));
    let bound = |labels: &Labels| match labels["le"].as_str() {
        "+Inf" => f64::INFINITY,
        bound => bound.parse().expect("a bound"),
    };
    let buckets: Vec<(f64, f64)> = buckets.map(|(_, labels, count)| (bound(labels), *count)).collect();
    assert!(buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1), "{name}: {buckets:?}");
    let count = rows.iter().find(|(sample, ..)| sample.ends_with("_count")).map(|(.., count)| *count);
    assert_eq!(buckets.last().map(|(bound, count)| (*bound, Some(*count))), Some((f64::INFINITY, count)), "{name}");
}

#[test]
fn what_the_rules_forbid_is_refused() {
    let good = "# HELP a b.\n# TYPE a counter\na_total{x=\"q\\\"\\\\\\n\",y=\"\"} 3\n# EOF\n";
    assert_eq!(Exposition::read(good).value("a_total", &[("x", "q\"\\\n"), ("y", "")]), 3.0);
    let bad = [
        "# HELP a b.\n# TYPE a counter\na_total 3\n",
        "# HELP a b.\n# TYPE a counter\na 3\n# EOF\n",
        "# HELP a b.\n# TYPE a counter\na_total 3\na_total 3\n# EOF\n",
        "# HELP a b.\n# TYPE a gauge\na{} 3\n# EOF\n",
        "# HELP a b.\n# TYPE a gauge\na{x=\"1\",x=\"2\"} 3\n# EOF\n",
        "# HELP a b.\n# TYPE a gauge\n\na 3\n# EOF\n",
        "# TYPE a gauge\na 3\n# EOF\n",
        "# HELP a b.\n# TYPE a histogram\na_sum 1\na_count 2\na_bucket{le=\"1\"} 1\n# EOF\n",
        "# HELP a b.\n# TYPE a histogram\na_sum 1\na_count 1\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
    ];
    for text in bad {
        let read = std::panic::catch_unwind(|| Exposition::read(text));
        assert!(read.is_err(), "it was read: {text}");
    }
}
