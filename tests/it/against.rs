//! `finis simulate --against`: hostile deliveries over loopback, and what receivers make of them.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use finis::providers::signature::Options;
use finis_simulator::script::Script;
use serde_json::{Value, json};

use crate::door::{Ended, Scratch, fixtures};
use crate::receiver::{Manner, Receiver};

const SECRET: &str = "canary-7f3a-secret";

fn proper(provider: &str) -> Receiver {
    Receiver::start(provider, None, Manner::Proper)
}

/// `finis simulate` against a receiver that has next to no time to conclude: it does so before it answers.
fn simulate(scratch: &Scratch, receiver: &Receiver, options: &str) -> Ended {
    scratch.finis("simulate --wait 1ms --json").and(receiver.arguments()).and(options.split_whitespace()).run()
}

#[track_caller]
fn fine(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    ended.json()
}

#[test]
fn a_receiver_that_keeps_sets_has_nothing_wrong_in_hostile_worlds() {
    let scratch = Scratch::new();
    for (provider, options) in [
        ("pathors", "--seed 1"),
        ("pathors", "--seed 2 --concurrency 8"),
        ("saaya", "--seed 3"),
        ("agntix", "--seed 4 --concurrency 4"),
    ] {
        let receiver = proper(provider);
        let ended = simulate(&scratch, &receiver, &format!("--faults hostile --provider {provider} {options}"));
        let report = fine(&ended);
        assert_eq!(report["concluded"]["findings"], json!([]));
        assert!(report["concluded"]["over"].as_u64().unwrap() > 30, "{report}");
        assert_eq!(report["answers"]["attempts"], report["arrivals"]);
        assert_eq!((&report["answers"]["refused"], &report["answers"]["believed"]), (&json!(0), &json!(0)));
    }
}

#[test]
fn deliveries_are_signed_for_the_moment_at_which_they_are_sent() {
    let scratch = Scratch::new();
    for (provider, header) in [("pathors", Some("x-webhook-secret")), ("saaya", None)] {
        let options = Options { header: header.map(str::to_owned), ..Options::default() };
        let receiver = Receiver::start(provider, Some((SECRET, options)), Manner::Proper);
        let header = header.map(|name| format!("--header {name}")).unwrap_or_default();
        let signed = format!("--provider {provider} --faults hostile --sessions 60 {header} --out kept");
        let report = fine(&simulate(&scratch, &receiver, &format!("{signed} --secret {SECRET}")));
        let answers = &report["answers"];
        assert_eq!((&answers["refused"], &answers["believed"]), (&json!(0), &json!(0)), "{report}");
        let script = Script::load(&scratch.path().join("kept")).unwrap();
        let unproved = script.arrivals.iter().filter(|arrival| !arrival.is.proved).count();
        assert!(unproved > 0);
        assert_eq!(answers["by_status"]["401"], json!(unproved));

        // Another secret proves nothing, and then everything is lost.
        let ended = simulate(&scratch, &receiver, &format!("{signed} --secret another"));
        assert_eq!(ended.code, 1, "{}", ended.err);
        let findings = ended.json()["concluded"]["findings"].clone();
        assert!(findings.as_array().unwrap().iter().all(|finding| finding["wrong"] == "lost"), "{findings}");
        assert!(!findings.as_array().unwrap().is_empty());
    }
}

#[test]
fn a_secret_is_in_nothing_that_is_written_or_said() {
    let scratch = Scratch::new();
    let options = || Options { header: Some("x-webhook-secret".into()), ..Options::default() };
    let receiver = Receiver::start("pathors", Some((SECRET, options())), Manner::Proper);
    let signed = format!("simulate --faults hostile --secret {SECRET} --header x-webhook-secret --out kept");
    let said = [
        scratch.finis(&signed).run(),
        scratch.finis(&format!("{signed} --json --wait 1ms")).and(receiver.arguments()).run(),
        scratch.finis(&format!("simulate --secret {SECRET} --header no\u{e4}")).run(),
        scratch.finis("simulate --help").run(),
    ];
    assert_eq!((said[0].code, said[1].code), (0, 0), "{}{}", said[0].err, said[1].err);
    for ended in &said {
        assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET));
    }
    let files = std::fs::read_dir(scratch.path().join("kept")).unwrap();
    let files: Vec<String> =
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default()).collect();
    assert_eq!(files.len(), 5);
    // Forgeries differ from it in one character.
    assert!(files.iter().all(|file| !file.contains("7f3a-secret") && !file.contains("canary-7f")));
}

#[test]
fn what_was_refused_is_sent_again_where_the_provider_does_so() {
    let scratch = Scratch::new();
    let options = "--faults none --sessions 20 --retry-after 1ms";
    let receiver = Receiver::start("saaya", None, Manner::Busy(2));
    let report = fine(&simulate(&scratch, &receiver, &format!("{options} --provider saaya --retries 2")));
    let arrivals = report["arrivals"].as_u64().unwrap();
    assert_eq!(report["answers"]["retries"], json!(2 * arrivals));
    assert_eq!(report["answers"]["by_status"], json!({"200": arrivals, "503": 2 * arrivals}));
    assert_eq!(report["answers"]["refused"], json!(0));

    let receiver = Receiver::start("pathors", None, Manner::Busy(2));
    let ended = simulate(&scratch, &receiver, &format!("{options} --provider pathors --retries 2"));
    assert_eq!(ended.code, 1, "what was refused is lost: {}", ended.err);
    let report = ended.json();
    assert_eq!((&report["answers"]["retries"], &report["answers"]["refused"]), (&json!(0), &report["arrivals"]));
    let text =
        scratch.finis("simulate --faults none --sessions 2 --retries 2 --against").and([receiver.url("/hook")]).fine();
    assert_eq!(text.line("nothing was sent"), "nothing was sent again: the provider never does");
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let scratch = Scratch::new();
    let elsewhere = proper("pathors");
    let receiver = Receiver::start("pathors", None, Manner::Redirect(elsewhere.url("/hook")));
    let ended =
        scratch.finis("simulate --sessions 5 --faults none --json --against").and([receiver.url("/hook")]).fine();
    let report = ended.json();
    assert_eq!(report["answers"]["by_class"], json!({"3xx": report["arrivals"]}));
    assert_eq!(elsewhere.requests(), 0);
    let ended = scratch.finis("simulate --sessions 5 --wait 1ms --against").and([elsewhere.url("/hook")]);
    let ended = ended.and(["--expect", &receiver.url("/hook")]).run();
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("answers 404"), "{}", ended.err);
}

#[test]
fn a_receiver_that_says_nothing_is_given_up_in_time() {
    let scratch = Scratch::new();
    let receiver = Receiver::start("pathors", None, Manner::Silent);
    let options = "simulate --sessions 2 --faults none --timeout 20ms --concurrency 4 --json --against";
    let report = scratch.finis(options).and([receiver.url("/hook")]).fine().json();
    assert_eq!(report["answers"]["by_class"], json!({"timeout": report["arrivals"]}));
    assert_eq!(report["answers"]["refused"], report["arrivals"]);
}

#[test]
fn a_pace_is_kept() {
    let scratch = Scratch::new();
    let receiver = proper("pathors");
    let options = |pace: &str| format!("--sessions 3 --faults none {pace}");
    let report = fine(&simulate(&scratch, &receiver, &options("--pace 50")));
    let seconds = |report: &Value| report["answers"]["seconds"].as_f64().unwrap();
    let arrivals = report["arrivals"].as_f64().unwrap();
    assert!(seconds(&report) >= (arrivals - 1.0) / 50.0, "{report}");

    let report = fine(&simulate(&scratch, &receiver, &options("--speedup 1000 --out kept")));
    let script = Script::load(&scratch.path().join("kept")).unwrap();
    let at = |place: usize| finis_simulator::clock::micros(script.arrivals[place].received_at);
    let world = (at(script.arrivals.len() - 1) - at(0)) as f64 / 1e6;
    assert!(world > 60.0 && seconds(&report) >= world / 1000.0, "{world} {report}");
}

#[test]
fn deliveries_go_to_hosts_of_ones_own_alone() {
    let scratch = Scratch::new();
    let far = "is neither this machine nor a private network: deliveries go to hosts of your own alone; if it is yours, \
               say --i-own-this-host";
    for (options, problem) in [
        ("--against http://192.0.2.1/hook", format!("--against http://192.0.2.1/hook: 192.0.2.1 {far}")),
        ("--against http://[::ffff:8.8.8.8]/", format!("--against http://[::ffff:8.8.8.8]/: ::ffff:8.8.8.8 {far}")),
        (
            "--against http://127.0.0.1:9/ --expect http://169.254.169.254/latest",
            format!("--expect http://169.254.169.254/latest: 169.254.169.254 {far}"),
        ),
        (
            "--against https://127.0.0.1/",
            "--against https://127.0.0.1/: only plain HTTP is spoken: give the receiver's own port, behind TLS".into(),
        ),
        (
            "--against http://name:word@127.0.0.1/",
            "--against http://name:word@127.0.0.1/: it has a name or a password in it, which would be shown: leave it out"
                .into(),
        ),
        ("--against desk", "--against desk: it is no URL of HTTP: write http://HOST:PORT/PATH".into()),
    ] {
        scratch.finis(&format!("simulate --sessions 1 {options}")).fails_with(&format!("finis: {problem}"));
    }
}

#[test]
fn nobody_there_is_said_at_once() {
    let scratch = Scratch::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ended = scratch.finis(&format!("simulate --against http://127.0.0.1:{port}/hook")).run();
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("nobody answers"), "{}", ended.err);
}

/// The receiver of the fixtures, which is written as most are at first. It ends with the test.
struct Naive(Child, String);

impl Naive {
    /// Nothing, with a printed reason, where there is no Node.
    fn start() -> Option<Naive> {
        let script = fixtures().join("receivers/naive-pathors/receiver.mjs");
        let child = Command::new("node").arg(script).stdout(Stdio::piped()).spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: node cannot be started ({error}); install Node 18 or later");
                return None;
            }
        };
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Some(Naive(child, url))
    }

    fn arguments(&self) -> Vec<String> {
        let urls = [("--against", "/pathors-webhook"), ("--expect", "/conclusions"), ("--reset", "/reset")];
        urls.iter().flat_map(|(option, path)| [(*option).to_owned(), format!("{}{path}", self.1)]).collect()
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn the_receiver_of_an_afternoon_fails_with_a_story_of_a_few_deliveries() {
    let Some(naive) = Naive::start() else { return };
    let scratch = Scratch::new();
    let simulate =
        |options: &str| scratch.finis(&format!("simulate --wait 50ms {options}")).and(naive.arguments()).run();

    // On a good day nobody notices.
    let calm = simulate("--faults calm --sessions 40");
    assert_eq!((calm.code, calm.err.as_str()), (0, ""), "{}", calm.out);
    assert_eq!(calm.line("nothing lost"), "nothing lost, doubled, wrong or too early");

    for (options, wrong) in [
        ("--faults none --duplicate 5% --seed 1", "doubled"),
        ("--faults none --delay-tail 10% --seed 2", "lost"),
        ("--faults hostile --seed 3", "lost"),
    ] {
        let ended = simulate(&format!("{options} --sessions 40 --shrink --out story --json"));
        assert_eq!((ended.code, ended.err.as_str()), (1, ""), "{}", ended.out);
        let report = ended.json();
        let length = report["story"]["deliveries"].as_u64().unwrap();
        assert!((1..=5).contains(&length), "{report}");
        assert_eq!(report["story"]["sessions"], json!(1));
        assert_eq!(report["story"]["findings"][0]["wrong"], wrong);
        let script = Script::load(&scratch.path().join("story")).unwrap();
        assert_eq!(script.arrivals.len() as u64, length);

        // What was kept fails again, and in the same way.
        let again = simulate("--replay story --json");
        assert_eq!((again.code, again.err.as_str()), (1, ""), "{}", again.out);
        assert_eq!(again.json()["concluded"]["findings"][0]["wrong"], wrong);
        // It is no fault of the deliveries: a receiver that keeps sets has nothing wrong with them.
        let proper = proper("pathors");
        let ended = scratch.finis("simulate --wait 1ms --replay story --json").and(proper.arguments()).run();
        assert_eq!(fine(&ended)["concluded"]["findings"], json!([]));
    }
}

#[test]
fn a_story_is_told_as_a_person_reads_it() {
    let Some(naive) = Naive::start() else { return };
    let scratch = Scratch::new();
    let options = "simulate --wait 50ms --faults none --duplicate 5% --sessions 40 --shrink --out story";
    let ended = scratch.finis(options).and(naive.arguments()).run();
    assert_eq!(ended.code, 1, "{}", ended.err);
    let story = ended.out.split("Story ").nth(1).unwrap();
    let told: Vec<&str> = story.lines().collect();
    assert!(told[0].contains("the smallest that goes wrong: "), "{story}");
    assert!(told[1].trim_start().starts_with("+0.000s  session."), "{story}");
    assert!(story.contains("→ 200") && story.contains("duplicate"), "{story}");
    assert!(story.contains("its end was told 2 times"), "{story}");
    assert!(story.contains("again with --replay story"), "{story}");
}
