//! The numbers and the dashboard, as Prometheus has them: it scrapes a server while deliveries come, and answers whatever
//! the dashboard and the page about the numbers ask.
//!
//! It runs when `FINIS_PROMETHEUS=1` says so and `prometheus` and `promtool` can be started.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::door::Scratch;
use crate::serve_recordings::host;
use crate::serving::{Consumer, Serving, agent, post, until};
use crate::world::payload;

const DASHBOARD: &str = include_str!("../../docs/grafana/finis.json");
const PAGE: &str = include_str!("../../docs/watch.md");

const TIME: &str = "2026-05-03T08:42:11.512Z";
const SECRET: &str = "s3cret";
const WHSEC: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

/// Everything happens within as much time, in seconds: the whole of it is looked at, and rates are of the whole.
const WINDOW: u64 = 300;

/// What may stay 0 all the while, or be no number, by the panel and the name of the target.
const MAY_BE_ZERO: [(&str, &str); 3] = [
    ("Queue", "A"),        // one delivery after the other
    ("Consumer lag", "A"), // they take at once what they take
    ("Turned away at the door", "A"),
];

/// A Prometheus that scrapes one address. It ends when this is dropped.
struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    fn start(scratch: &Scratch, target: &str) -> Result<Prometheus, String> {
        scratch.write(
            "prometheus.yml",
            format!(
                "scrape_configs:\n  - job_name: finis\n    scrape_interval: 500ms\n    scrape_timeout: 500ms\n    \
                 static_configs:\n      - targets: [\"{target}\"]\n"
            ),
        );
        // It does not say which port it was given, so it is told one that was free.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=prometheus"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("prometheus cannot be started ({error}): apt-get install prometheus"))?;
        Ok(Prometheus { child, url: format!("http://{address}") })
    }

    /// What it answers; nothing as long as it does not answer at all.
    fn ask(&self, path: &str, pairs: &[(&str, &str)]) -> Option<Value> {
        let request = agent().get(format!("{}{path}", self.url)).query_pairs(pairs.iter().copied());
        let text = request.call().ok()?.body_mut().read_to_string().ok()?;
        serde_json::from_str(&text).ok()
    }

    /// What comes of an expression in that time: labels and numbers of each series.
    #[track_caller]
    fn over(&self, expression: &str) -> Vec<(BTreeMap<String, String>, Vec<f64>)> {
        let end = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        // The next second: what was scraped a moment ago is in it.
        let (start, end) = ((end - WINDOW).to_string(), (end + 1).to_string());
        let pairs = [("query", expression), ("start", &start), ("end", &end), ("step", "1")];
        let answer = self.ask("/api/v1/query_range", &pairs).unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let number = |pair: &Value| pair[1].as_str().unwrap().parse().unwrap();
        let of = |series: &Value| {
            let labels = serde_json::from_value(series["metric"].clone()).unwrap();
            (labels, series["values"].as_array().unwrap().iter().map(number).collect())
        };
        answer["data"]["result"].as_array().unwrap().iter().map(of).collect()
    }

    /// Waits until an expression that has no labels is true, as Prometheus has it.
    #[track_caller]
    fn wait_for(&self, expression: &str) {
        until(expression, || {
            let answer = self.ask("/api/v1/query", &[("query", expression)])?;
            (!answer["data"]["result"].as_array()?.is_empty()).then_some(())
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An endpoint that takes nothing. Where it is.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let _ = head.count();
            // Whoever asked may have gone.
            let _ = stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
        }
    });
    format!("http://{address}")
}

/// Everything that a server can be sent and told, once.
struct Traffic<'s> {
    hooks: &'s Serving,
    recordings: String,
}

impl Traffic<'_> {
    #[track_caller]
    fn posts(&self, source: &str, secret: &str, body: &str, status: u16) {
        let answer = post(&self.hooks.url(&format!("/hooks/{source}")), &[("x-secret", secret)], body).unwrap();
        assert_eq!(answer.0, status, "{}", answer.1);
    }

    /// Events of one session, in this order.
    #[track_caller]
    fn session(&self, id: &str, kinds: &str) {
        kinds.chars().for_each(|kind| self.posts("desk", SECRET, &payload(kind, id, TIME), 200));
    }

    fn first(&self) {
        // In order, out of order, twice, alone.
        for (id, kinds) in [("a", "ECF"), ("b", "FFCE"), ("c", "ET"), ("inferred", "F"), ("missing", "EC"), ("d", "E")]
        {
            self.session(id, kinds);
        }
        for (source, secret, body, status) in [
            ("desk", "guess", "{}", 401),
            ("elsewhere", SECRET, "{}", 401),
            ("desk", SECRET, "{", 202),
            ("desk", SECRET, &*" ".repeat(2 << 20), 413),
        ] {
            self.posts(source, secret, body, status);
        }
        for (id, path) in [("a", "here.ogg"), ("b", "not-here.ogg")] {
            let body = json!({
                "event": "recording.ready", "sessionId": id, "timestamp": TIME, "success": true,
                "recordingUrl": format!("{}/{path}", self.recordings),
            });
            self.posts("desk", SECRET, &body.to_string(), 200);
        }
        let mut stream = TcpStream::connect(self.hooks.address("address")).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nno header\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }

    /// What comes after all, when its deadline is over.
    fn late(&self) {
        self.session("inferred", "EC");
        self.session("missing", "F");
        // A complete session of which something else is said.
        self.session("a", "G");
    }
}

/// What stands at a label of a legend.
fn legend(format: &str) -> BTreeSet<&str> {
    format.split("{{").skip(1).map(|part| part.split_once("}}").expect("it is closed").0).collect()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("`{name}` is no list in {value}"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("`{name}` is no text in {value}"))
}

/// The choices of each variable that asks for them, as Grafana asks: `label_values(name, label)`.
fn choices(prometheus: &Prometheus, dashboard: &Value) -> BTreeMap<String, Vec<String>> {
    let variables = list(&dashboard["templating"], "list").iter().filter(|variable| variable["type"] == "query");
    let of = |variable: &Value| {
        let query = text(&variable["query"], "query");
        let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (name, label) = inside.and_then(|inside| inside.split_once(", ")).unwrap_or_else(|| panic!("{query}"));
        let answer = prometheus.ask(&format!("/api/v1/label/{label}/values"), &[("match[]", name)]).unwrap();
        (text(variable, "name").to_owned(), serde_json::from_value(answer["data"].clone()).unwrap())
    };
    variables.map(of).collect()
}

/// An expression with every variable replaced: by everything, or by all that can be chosen, as Grafana writes them.
fn resolved(expression: &str, choices: &BTreeMap<String, Vec<String>>, is_all: bool) -> String {
    let window = format!("{WINDOW}s");
    let expression = expression.replace("$__rate_interval", &window).replace("$__range", &window);
    choices.iter().fold(expression, |expression, (name, values)| {
        let chosen = if is_all { ".*".to_owned() } else { format!("({})", values.join("|")) };
        expression.replace(&format!("${name}"), &chosen)
    })
}

/// Holds every target of every panel against what comes of it.
fn check_panels(prometheus: &Prometheus, dashboard: &Value) {
    let choices = choices(prometheus, dashboard);
    assert_eq!(choices["job"], ["finis"]);
    assert_eq!(choices["source"], ["desk"]);
    assert_eq!(choices["consumer"], ["recordings", "webhook:broken", "webhook:crm"]);
    let mut wrong = Vec::new();
    for panel in list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row") {
        for target in list(panel, "targets") {
            let place = (text(panel, "title"), text(target, "refId"));
            for is_all in [true, false] {
                let expression = resolved(text(target, "expr"), &choices, is_all);
                assert!(!expression.contains('$'), "{expression}");
                let series = prometheus.over(&expression);
                let is_told = series.iter().any(|(_, numbers)| numbers.iter().any(|number| *number > 0.0));
                if series.is_empty() || !(is_told || MAY_BE_ZERO.contains(&place)) {
                    wrong.push(format!("{place:?}: {expression}: {series:?}"));
                }
                let named = legend(text(target, "legendFormat"));
                for (labels, _) in &series {
                    if named.iter().any(|label| !labels.contains_key(*label)) {
                        wrong.push(format!("{place:?}: no label of {named:?} in {labels:?}"));
                    }
                }
                // Lines of one legend cannot be told apart.
                if named.is_empty() && series.len() > 1 {
                    wrong.push(format!("{place:?}: {} lines of one name", series.len()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn prometheus_has_every_number_that_the_dashboard_asks_for() {
    if std::env::var("FINIS_PROMETHEUS").as_deref() != Ok("1") {
        return println!("skipped: FINIS_PROMETHEUS=1 runs it, where there is a Prometheus");
    }
    let (scratch, consumer) = (Scratch::new(), Consumer::start());
    scratch.write(
        "finis.toml",
        format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[watch]\naddress = \"127.0.0.1:0\"\n[source.desk]\nprovider = \"pathors\"\n\
             header = \"x-secret\"\nsecret_env = \"SECRET\"\ngrace = \"1s\"\nstall = \"2s\"\n\
             [source.desk.recordings]\nallow = [\"127.0.0.1\"]\n\
             [webhook.crm]\nurl = \"{}\"\nallow = [\"127.0.0.1\"]\nsecret_env = \"WHSEC\"\n\
             [webhook.broken]\nurl = \"{}\"\nallow = [\"127.0.0.1\"]\nsecret_env = \"WHSEC\"\nschedule = [\"1s\"]\n",
            consumer.url(),
            refusing(),
        ),
    );
    let serving = Serving::start(scratch.finis("serve").env("SECRET", SECRET).env("WHSEC", WHSEC));
    let watch = serving.address("watch");
    let prometheus = match Prometheus::start(&scratch, &watch.to_string()) {
        Ok(prometheus) => prometheus,
        Err(reason) => return println!("skipped: {reason}"),
    };

    // What happens between two scrapes is a rate; before the first one it is nothing.
    prometheus.wait_for("finis_ready == 1");
    let traffic = Traffic { hooks: &serving, recordings: host() };
    traffic.first();
    prometheus.wait_for("sum(finis_sessions_stalled_total) == 2");
    prometheus.wait_for("sum(finis_lost_events_total{how=\"inferred\"}) > 0");
    traffic.late();
    for happened in [
        "sum(finis_sessions_revived_total) == 1",
        "sum(finis_notices_total{kind=\"amended\"}) > 0",
        "sum(finis_recovered_events_total) > 0",
        "sum(finis_handover_retries_total) > 0",
        "sum(finis_handover_parked_total) > 0",
        "sum(finis_recording_retries_total) > 0",
        "sum(finis_recordings_total{outcome=\"archived\"}) == 1",
    ] {
        prometheus.wait_for(happened);
    }

    let targets = prometheus.ask("/api/v1/targets", &[]).unwrap();
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!((&target["health"], &target["lastError"]), (&json!("up"), &json!("")), "{target}");
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    check_panels(&prometheus, &dashboard);

    // What somebody should be woken for.
    let rows = PAGE.split("should be woken for").nth(1).unwrap().lines().filter(|line| line.starts_with("| "));
    let expressions: Vec<String> =
        rows.filter_map(|row| Some(row.split_once(" | `")?.1.strip_suffix("` |")?.replace("\\|", "|"))).collect();
    assert_eq!(expressions.len(), 5, "{expressions:?}");
    let fire: Vec<bool> = expressions.iter().map(|expression| !prometheus.over(expression).is_empty()).collect();
    assert_eq!(fire, [true, false, false, true, false], "{expressions:?}");
    serving.stop();
}
