//! The dashboard: it is one that Grafana takes, and every number that it asks for is told.

use std::collections::{BTreeMap, BTreeSet};

use finis_engine::{Placed, Policy};
use serde_json::Value;

use super::numbers::{an_evening, world};
use super::open_metrics::Exposition;
use super::world::until;

const DASHBOARD: &str = include_str!("../../../../../docs/grafana/finis.json");

const PAGE: &str = include_str!("../../../../../docs/watch.md");

/// Numbers that no panel shows, and why.
const LEFT_OUT: [(&str, &str); 0] = [];

/// Labels that Prometheus adds to whatever it scrapes.
const ADDED: [&str; 2] = ["job", "instance"];

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("`{name}` is no list in {value}"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("`{name}` is no text in {value}"))
}

/// All that is asked of Prometheus.
fn expressions(dashboard: &Value) -> Vec<&str> {
    let targets = list(dashboard, "panels").iter().filter(|panel| text(panel, "type") != "row");
    let asked = targets.flat_map(|panel| list(panel, "targets")).map(|target| text(target, "expr"));
    let variables = list(&dashboard["templating"], "list").iter().filter(|variable| variable["type"] == "query");
    asked.chain(variables.map(|variable| text(&variable["query"], "query"))).collect()
}

/// The words of an expression that begin with `start`.
fn words<'e>(expression: &'e str, start: &'e str) -> impl Iterator<Item = &'e str> {
    let words = expression.split(|char: char| !char.is_ascii_alphanumeric() && char != '_' && char != '$');
    words.filter(move |word| word.starts_with(start))
}

/// Labels that an expression selects or sums by.
fn labels(expression: &str) -> BTreeSet<&str> {
    let mut labels = BTreeSet::new();
    for part in expression.split("by (").skip(1) {
        let (inside, _) = part.split_once(')').expect("it is closed");
        labels.extend(inside.split(", "));
    }
    for part in expression.split('{').skip(1) {
        let (inside, _) = part.split_once('}').expect("it is closed");
        labels.extend(inside.split(", ").map(|one| one.split_once('=').expect("a matcher").0));
    }
    labels
}

/// Everything that is told when everything has happened once.
async fn scrape() -> Exposition {
    let mut world = world().await;
    an_evening(&mut world).await;
    let handler = |_: Placed| async { Ok::<(), String>(()) };
    let (_handover, worker) = world.engine.deliver("webhook:crm", Policy::default(), handler).await.unwrap();
    tokio::spawn(worker.run());
    until("all is handed over", || world.engine.stats().handovers["webhook:crm"].tries == 7).await;
    world.scrape().await
}

#[tokio::test]
async fn every_number_it_asks_for_is_told_and_every_number_told_is_asked_for() {
    let (dashboard, scrape) = (dashboard(), scrape().await);
    let told = scrape.names();
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, of_sample) in scrape.samples.keys() {
        by_name.entry(name).or_default().extend(of_sample.keys().map(String::as_str));
    }
    let mut asked = BTreeSet::new();
    for expression in expressions(&dashboard) {
        let names: Vec<&str> = words(expression, "finis_").collect();
        assert!(!names.is_empty(), "it asks for nothing: {expression}");
        for name in names {
            assert!(told.contains(name), "nobody tells `{name}`: {expression}");
            let unknown =
                labels(expression).into_iter().find(|label| !ADDED.contains(label) && !by_name[name].contains(label));
            assert_eq!(unknown, None, "`{name}` has no such label: {expression}");
            asked.insert(name);
        }
    }
    for (family, about) in &scrape.families {
        let is_asked = asked.iter().any(|name| {
            let suffixes: &[&str] = match about.kind.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            name.strip_prefix(family.as_str()).is_some_and(|suffix| suffixes.contains(&suffix))
        });
        let is_left_out = LEFT_OUT.iter().any(|(name, _)| name == family);
        assert_ne!(is_asked, is_left_out, "`{family}` is shown by no panel, or left out and shown");
    }
}

#[tokio::test]
async fn the_page_about_them_names_each_number_and_no_other() {
    let scrape = scrape().await;
    let told = scrape.families.iter().map(|(family, about)| match about.kind.as_str() {
        "counter" => format!("{family}_total"),
        _ => family.clone(),
    });
    let named: BTreeSet<String> =
        words(PAGE, "finis_").filter(|name| *name != "finis_http").map(str::to_owned).collect();
    assert_eq!(named, told.collect());
}

#[test]
fn it_is_one_that_grafana_takes() {
    let dashboard = dashboard();
    // 39 is that of Grafana 11; later ones bring an older one up to their own.
    assert_eq!(dashboard["schemaVersion"], 39);
    assert_eq!((text(&dashboard, "uid"), text(&dashboard, "title")), ("finis", "finis"));
    let variables = list(&dashboard["templating"], "list").iter().map(|variable| text(variable, "name"));
    let variables: BTreeSet<&str> = variables.collect();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in list(&dashboard, "panels") {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is that of another");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{title}: beyond the 24 columns");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title}: over another");
        }
        if text(panel, "type") == "row" {
            continue;
        }
        assert!(["timeseries", "stat"].contains(&text(panel, "type")), "{title}");
        assert!(text(panel, "description").ends_with('.'), "{title}: it does not say what it shows");
        let mut refs = BTreeSet::new();
        for target in list(panel, "targets") {
            assert!(refs.insert(text(target, "refId")), "{title}: two of one name");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    for expression in expressions(&dashboard) {
        let (mut open, mut least) = (0_i32, 0);
        for char in expression.chars() {
            open += i32::from("([{".contains(char)) - i32::from(")]}".contains(char));
            least = least.min(open);
        }
        assert_eq!((open, least), (0, 0), "brackets do not match: {expression}");
        for variable in words(expression, "$").filter(|word| !word.starts_with("$__")) {
            assert!(variables.contains(&variable[1..]), "there is no `{variable}`: {expression}");
        }
    }
}
