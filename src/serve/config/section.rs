//! One table of the file, read key by key. What nobody asked for is unknown, and every fault is kept with its
//! line, so that a person mends a file once.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use finis_engine::parse_span;
use finis_providers::LocatedFault;
use toml::de::{DeTable, DeValue};

use super::size::parse_size;

/// The text of a file, and what is wrong with it.
pub(super) struct Reading<'t> {
    text: &'t str,
    faults: RefCell<Vec<LocatedFault>>,
}

/// A value, what it is called and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    /// With the tables around it, as `source.desk.grace`.
    pub(super) key: String,
    /// In bytes, from the beginning of the file.
    pub(super) offset: usize,
}

/// A table that is being read.
pub(super) struct Section<'r, 't> {
    reading: &'r Reading<'t>,
    table: &'r DeTable<'t>,
    /// How it is called, with the tables around it; empty for the file.
    name: String,
    /// Where it stands.
    offset: usize,
    /// Keys that were asked for.
    asked: RefCell<Vec<&'static str>>,
}

impl<'t> Reading<'t> {
    pub(super) fn new(text: &'t str) -> Reading<'t> {
        Reading { text, faults: RefCell::default() }
    }

    /// One fault more.
    pub(super) fn fault(&self, offset: usize, message: impl Into<String>) {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        self.faults.borrow_mut().push(LocatedFault { line, message: message.into() });
    }

    /// All of them, in the order of the file.
    pub(super) fn into_faults(self) -> Vec<LocatedFault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| fault.line);
        faults
    }
}

impl<'r, 't> Section<'r, 't> {
    /// The whole file.
    pub(super) fn file(reading: &'r Reading<'t>, table: &'r DeTable<'t>) -> Section<'r, 't> {
        Section { reading, table, name: String::new(), offset: 0, asked: RefCell::default() }
    }

    /// A fault of the table as a whole.
    pub(super) fn fault(&self, message: impl Display) {
        self.reading.fault(self.offset, format!("[{}]: {message}", self.name));
    }

    /// A fault of a value of it.
    pub(super) fn fault_at<T>(&self, at: &At<T>, message: impl Display) {
        self.reading.fault(at.offset, format!("`{}`: {message}", at.key));
    }

    /// How many faults there are so far, of all of the file.
    pub(super) fn faults(&self) -> usize {
        self.reading.faults.borrow().len()
    }

    fn named(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn get(&self, key: &'static str) -> Option<At<&'r DeValue<'t>>> {
        self.asked.borrow_mut().push(key);
        let (key, value) = self.table.get_key_value(key)?;
        Some(At { value: value.get_ref(), key: self.named(key.get_ref()), offset: key.span().start })
    }

    fn wrong_type<T>(&self, at: &At<&DeValue<'_>>, expected: &str) -> Option<T> {
        self.fault_at(at, format!("this is {}, and it has to be {expected}", kind(at.value)));
        None
    }

    /// Whether there is anything of that name.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<At<&'r str>> {
        let at = self.get(key)?;
        match at.value.as_str() {
            Some("") => {
                self.fault_at(&at, "it is empty: write something, or leave it out");
                None
            }
            Some(value) => Some(At { value, key: at.key, offset: at.offset }),
            None => self.wrong_type(&at, "a text: write it in quotes"),
        }
    }

    /// A text, or a list of texts.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<At<&'r str>>> {
        let at = self.get(key)?;
        let DeValue::Array(list) = at.value else { return self.text(key).map(|text| vec![text]) };
        let mut texts = Vec::with_capacity(list.len());
        for element in list {
            let at = At { value: element.get_ref(), key: at.key.clone(), offset: element.span().start };
            match at.value.as_str() {
                Some(value) if !value.is_empty() => texts.push(At { value, key: at.key, offset: at.offset }),
                _ => self.fault_at(&at, "each of the list has to be a text that is not empty: write it in quotes"),
            }
        }
        Some(texts)
    }

    /// A word of these.
    pub(super) fn word(&self, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let at = self.text(key)?;
        let found = words.iter().copied().find(|word| *word == at.value);
        if found.is_none() {
            self.fault_at(&at, format!("`{}` is none of the words {}", at.value, listed(words)));
        }
        found
    }

    /// What a text says, by whoever reads it.
    pub(super) fn parse<T, E: Display>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<At<T>> {
        let at = self.text(key)?;
        match parse(at.value) {
            Ok(value) => Some(At { value, key: at.key, offset: at.offset }),
            Err(error) => {
                self.fault_at(&at, error);
                None
            }
        }
    }

    /// A length of time within these bounds.
    pub(super) fn span(&self, key: &'static str, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let at = self.parse(key, parse_span)?;
        if bounds.contains(&at.value) {
            return Some(at.value);
        }
        let [least, most] = [bounds.start(), bounds.end()].map(|bound| finis_engine::print_span(*bound));
        self.fault_at(&at, format!("it has to be from {least} to {most}"));
        None
    }

    /// A whole number within these bounds.
    pub(super) fn count(&self, key: &'static str, bounds: RangeInclusive<usize>) -> Option<usize> {
        let at = self.get(key)?;
        let Some(number) = at.value.as_integer() else { return self.wrong_type(&at, "a whole number") };
        self.within(&at, usize::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok(), bounds)
    }

    /// An amount of bytes within these bounds: a whole number, or a text with a unit.
    pub(super) fn size(&self, key: &'static str, bounds: RangeInclusive<usize>) -> Option<usize> {
        let at = self.get(key)?;
        match at.value.as_str() {
            None => self.count(key, bounds),
            Some(text) => match parse_size(text) {
                Ok(size) => self.within(&at, Some(size), bounds),
                Err(error) => {
                    self.fault_at(&at, error);
                    None
                }
            },
        }
    }

    fn within<T>(&self, at: &At<T>, number: Option<usize>, bounds: RangeInclusive<usize>) -> Option<usize> {
        let within = number.filter(|number| bounds.contains(number));
        if within.is_none() {
            self.fault_at(at, format!("it has to be from {} to {}", bounds.start(), bounds.end()));
        }
        within
    }

    /// Yes or no.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let at = self.get(key)?;
        at.value.as_bool().or_else(|| self.wrong_type(&at, "`true` or `false`, without quotes"))
    }

    /// A table inside.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'r, 't>> {
        let at = self.get(key)?;
        self.inside(at)
    }

    /// The tables of a table of tables, each with its name, by their names.
    pub(super) fn sections(&self, key: &'static str) -> Vec<(&'r str, Section<'r, 't>)> {
        let Some(all) = self.get(key) else { return Vec::new() };
        let DeValue::Table(tables) = all.value else {
            self.fault_at(&all, format!("write a table for each, with its name: [{key}.NAME]"));
            return Vec::new();
        };
        let named = tables.iter().filter_map(|(name, value)| {
            let key = format!("{}.{}", all.key, name.get_ref());
            let at = At { value: value.get_ref(), key, offset: name.span().start };
            Some((&**name.get_ref(), self.inside(at)?))
        });
        named.collect()
    }

    fn inside(&self, at: At<&'r DeValue<'t>>) -> Option<Section<'r, 't>> {
        let DeValue::Table(table) = at.value else { return self.wrong_type(&at, &format!("a table: [{}]", at.key)) };
        Some(Section { reading: self.reading, table, name: at.key, offset: at.offset, asked: RefCell::default() })
    }

    /// Names every key that nobody asked for. To be called when all of them were.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table {
            if asked.iter().any(|asked| *asked == key.get_ref()) {
                continue;
            }
            let remedy = nearest(key.get_ref(), &asked)
                .map_or_else(|| format!("there are {}", listed(&asked)), |near| format!("did you mean `{near}`?"));
            let named = self.named(key.get_ref());
            self.reading.fault(key.span().start, format!("unknown key `{named}`: {remedy}"));
        }
    }
}

/// The one of these that was probably meant.
pub(super) fn nearest<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    let distance = |other: &&&str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let near = names.iter().min_by_key(distance)?;
    // As many letters may be wrong as a person gets wrong.
    (distance(&near) <= (name.chars().count() / 3).max(1)).then_some(near)
}

fn listed(names: &[&str]) -> String {
    let mut names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.sort();
    names.dedup();
    names.join(", ")
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "yes or no",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
