//! A timeline as JSON: an object for each entry, and one for where the session stands.

use super::{Step, What};
use crate::json::write_string;
use crate::timestamp::Timestamp;

impl Step {
    /// The entry as one line of JSON.
    ///
    /// `entry` says what sort it is: `event`, `deadline`, `too_many_events`, or `said` for what fits no state of
    /// the record. Every entry has `changes`, each with its `part` and what of `old` and `new` there is, and
    /// `said`, each with `id`, `kind` and `revision`. Values stand as they do in records.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut line = Line::new();
        match &self.what {
            What::Event { kind, at, received_at, again, came, arrivals, digest } => {
                line.text("entry", "event");
                line.maybe_text("kind", kind.as_deref());
                line.time("at", *at);
                line.time("received_at", *received_at);
                line.raw("again", if *again { "true" } else { "false" });
                line.text("digest", digest);
                line.raw("came", &came.to_string());
                if let Some(arrivals) = arrivals {
                    line.list("arrivals", arrivals.first(), |out, at| write_string(&at.to_string(), out));
                    line.time("last_arrival", Some(arrivals.last()));
                }
            }
            What::Passed => {
                line.text("entry", "deadline");
                line.time("due", self.when);
            }
            What::Crowded => line.text("entry", "too_many_events"),
            What::Said => line.text("entry", "said"),
        }
        line.list("changes", &self.changes, |out, change| change.write_json(out));
        line.list("said", &self.said, |out, notice| {
            let mut said = Line::new();
            said.text("id", &notice.id.to_string());
            said.text("kind", notice.kind.as_str());
            said.raw("revision", &notice.revision.to_string());
            out.extend_from_slice(said.end().as_bytes());
        });
        line.end()
    }
}

/// The last line of a timeline: the record, given as JSON, and when it is judged again though nothing comes.
pub(crate) fn where_it_stands(record: &str, awaits_until: Option<Timestamp>) -> String {
    let mut line = Line::new();
    line.text("entry", "record");
    line.time("awaits_until", awaits_until);
    line.raw("record", record);
    line.end()
}

/// An object of JSON, member by member.
struct Line(Vec<u8>);

impl Line {
    fn new() -> Line {
        Line(Vec::with_capacity(256))
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        write_string(name, &mut self.0);
        self.0.push(b':');
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write_string(text, &mut self.0);
    }

    fn maybe_text(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.raw(name, "null"),
        }
    }

    fn time(&mut self, name: &str, at: Option<Timestamp>) {
        self.maybe_text(name, at.map(|at| at.to_string()).as_deref());
    }

    /// A value that is JSON already.
    fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
    }

    fn list<T>(&mut self, name: &str, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
        self.name(name);
        self.0.push(b'[');
        for (place, value) in values.iter().enumerate() {
            if place > 0 {
                self.0.push(b',');
            }
            write(&mut self.0, value);
        }
        self.0.push(b']');
    }

    fn end(mut self) -> String {
        self.0.push(b'}');
        // Made of str and of JSON that is one.
        String::from_utf8(self.0).unwrap_or_default()
    }
}
