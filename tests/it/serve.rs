//! Deliveries in over HTTP, by the command: what is taken, how it ends, and what changes while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;

use crate::door::{Finis, Scratch, json_lines};
use crate::serving::{Consumer, Serving, get, post, until};
use crate::world::payload;

const TIME: &str = "2026-05-03T08:42:11.512Z";
const SECRET: &str = "s3cret-canary";
const TOKEN: &str = "0123456789abcdef-canary";
const WHSEC: &str = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5";

/// A source of Pathors that is called so.
fn source(name: &str) -> String {
    format!("[source.{name}]\nprovider = \"pathors\"\nheader = \"x-secret\"\nsecret_env = \"SECRET\"\n")
}

fn serve(scratch: &Scratch, more: &str) -> Finis {
    with_secrets(scratch.finis(&format!("serve --listen 127.0.0.1:0 {more}")))
}

fn with_secrets(finis: Finis) -> Finis {
    finis.env("SECRET", SECRET).env("TOKEN", TOKEN).env("WHSEC", WHSEC)
}

fn deliver(serving: &Serving, source: &str, body: &str) -> (u16, Value) {
    let (status, text) = post(&serving.url(&format!("/hooks/{source}")), &[("x-secret", SECRET)], body).unwrap();
    (status, serde_json::from_str(&text).unwrap())
}

#[test]
fn what_was_answered_is_in_the_store_after_a_calm_end() {
    for signal in ["TERM", "INT"] {
        let scratch = Scratch::new();
        scratch.write("finis.toml", source("desk"));
        let serving = Serving::start(serve(&scratch, ""));
        for (kind, outcome) in [('E', "stored"), ('T', "stored"), ('T', "duplicate")] {
            let (status, answer) = deliver(&serving, "desk", &payload(kind, "s-1", TIME));
            assert_eq!((status, &answer["outcome"]), (200, &Value::from(outcome)));
        }
        assert_eq!(deliver(&serving, "desk", "{").0, 202);
        let denied = post(&serving.url("/hooks/desk"), &[("x-secret", "guess")], "{}").unwrap();
        assert_eq!(denied, post(&serving.url("/hooks/other"), &[("x-secret", SECRET)], "{}").unwrap());
        assert_eq!(denied.0, 401);

        // Who looks into the store meanwhile is told who has it.
        let ended = scratch.finis("sessions --json").run();
        assert!(ended.err.contains("has the store"), "{}", ended.err);
        let other = serve(&scratch, "").run();
        assert_eq!(other.code, 2);
        assert!(other.err.contains("is held by") || other.err.contains("held"), "{}", other.err);

        let err = serving.err.clone();
        serving.signal(signal);
        assert_eq!(serving.ended(), Some(0), "{:#?}", err.all());
        err.wait_for("stopped: all that was taken is kept");
        let sessions = json_lines(&scratch.finis("sessions --json").fine().out);
        assert_eq!(sessions.len(), 1);
        let notices = json_lines(&scratch.finis("notices --json").fine().out);
        assert_eq!(notices[0]["kind"], "complete");
    }
}

#[test]
fn why_it_does_not_start_is_said_with_what_to_do() {
    let scratch = Scratch::new();
    scratch.finis("serve").fails_with(
        "finis: there is no `finis.toml`: write one, as docs/serve.md has it, or name it with --config; to try finis without one, `finis serve --dev`",
    );
    scratch.write("finis.toml", "[listen]\nadress = \"127.0.0.1:0\"\n");
    scratch
        .finis("serve")
        .fails_with("finis: cannot serve:\nfinis.toml:2: unknown key `listen.adress`: did you mean `address`?");
    scratch.write("finis.toml", source("desk"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    with_secrets(scratch.finis(&format!("serve --listen {address}"))).fails_with(&format!(
        "finis: cannot listen on {address}: somebody does already; stop it, or choose another port"
    ));
    let ended = scratch.finis("reload").env("SECRET", SECRET).run();
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("no `finis serve` can be reached at the store `finis.db`"), "{}", ended.err);
}

#[test]
fn sources_change_while_deliveries_come_and_a_file_with_faults_changes_nothing() {
    let scratch = Scratch::new();
    scratch.write("finis.toml", source("desk"));
    let serving = Serving::start(serve(&scratch, ""));
    let reload = || with_secrets(scratch.finis("reload")).run();
    let url = serving.url("/hooks/desk");

    // Whoever posts all the while is never turned away.
    let (is_over, posted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic = {
        let (is_over, posted) = (Arc::clone(&is_over), Arc::clone(&posted));
        std::thread::spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                let number = posted.fetch_add(1, Ordering::SeqCst);
                let body = payload('E', &format!("s-{number}"), TIME);
                let answer = post(&url, &[("x-secret", SECRET)], &body);
                assert_eq!(answer.map(|(status, _)| status), Some(200), "delivery {number}");
            }
        })
    };
    let goes_on = || {
        let before = posted.load(Ordering::SeqCst);
        until("more deliveries", || (posted.load(Ordering::SeqCst) > before + 5).then_some(()));
    };
    goes_on();

    assert_eq!(deliver(&serving, "annex", &payload('E', "a-1", TIME)).0, 401);
    scratch.write("finis.toml", source("desk") + "grace = \"5m\"\n" + &source("annex"));
    let ended = reload();
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(ended.out, "Reloaded   2 sources; added annex; changed desk\n");
    assert_eq!(deliver(&serving, "annex", &payload('E', "a-1", TIME)).0, 200);
    goes_on();

    // Whoever asks is told, and so is the log.
    scratch.write("finis.toml", source("desk") + "grase = \"5m\"\n");
    let ended = reload();
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("finis.toml:5: unknown key `source.desk.grase`: did you mean `grace`?"),
        "{}",
        ended.err
    );
    serving.signal("HUP");
    serving.err.wait_for("not reloaded: finis.toml:5: unknown key `source.desk.grase`");
    assert_eq!(deliver(&serving, "annex", &payload('E', "a-2", TIME)).0, 200);
    goes_on();

    scratch.write("finis.toml", source("desk") + "[limits]\nqueue_max = 17\n");
    let ended = reload();
    assert_eq!(
        ended.out,
        "Reloaded   1 source; changed desk; removed annex\n           changed, and needs a restart: [limits]\n"
    );
    serving.err.wait_for("these tables changed, and need a restart");
    assert_eq!(deliver(&serving, "annex", &payload('E', "a-3", TIME)).0, 401);

    // A contract of one's own that changes under the same source.
    std::fs::create_dir(scratch.path().join("contracts")).unwrap();
    let contract = include_str!("../../adapters/providers/contracts/pathors.toml");
    scratch.write("contracts/pathors.toml", contract.replace("messages_count", "count_of_messages"));
    scratch.write("finis.toml", format!("contracts = \"contracts\"\n{}", source("desk")));
    serving.signal("HUP");
    until("the change of the contract", || {
        let lines = serving.err.all();
        (lines.iter().filter(|line| line.contains("reloaded")).count() >= 4).then_some(())
    });
    assert_eq!(deliver(&serving, "desk", &payload('T', "s-0", TIME)).0, 200);
    goes_on();

    is_over.store(true, Ordering::SeqCst);
    traffic.join().unwrap();
    serving.stop();
    let sessions = json_lines(&scratch.finis("sessions --json --contracts contracts").fine().out);
    // Those of `annex` stay, though nobody can read them by this file.
    assert_eq!(sessions.len() as u64, posted.load(Ordering::SeqCst) + 2);
    let shown = scratch.finis("show s-0 --contracts contracts --json").fine().out;
    assert!(shown.contains("count_of_messages"), "{shown}");
}

#[test]
fn who_has_the_token_reads_and_who_is_named_is_told() {
    let scratch = Scratch::new();
    let consumer = Consumer::start();
    scratch.write(
        "finis.toml",
        format!(
            "{}[read]\naddress = \"127.0.0.1:0\"\ntoken_env = \"TOKEN\"\n[watch]\naddress = \"127.0.0.1:0\"\n[webhook.crm]\nurl = \"{}\"\nallow = [\"127.0.0.1\"]\nsecret_env = \"WHSEC\"\n",
            source("desk"),
            consumer.url()
        ),
    );
    let serving = Serving::start(serve(&scratch, ""));
    for kind in ['E', 'T'] {
        assert_eq!(deliver(&serving, "desk", &payload(kind, "s-1", TIME)).0, 200);
    }
    let sessions = format!("http://{}/v1/sessions", serving.address("read"));
    assert_eq!(get(&sessions, "wrong-0123456789").0, 401);
    let (status, page) = get(&sessions, TOKEN);
    assert_eq!(status, 200, "{page}");
    assert!(page.to_string().contains("s-1"), "{page}");

    let watch = serving.address("watch");
    assert_eq!(get(&format!("http://{watch}/readyz"), "").0, 200);
    let (status, numbers) = get(&format!("http://{watch}/metrics"), "");
    assert!(status == 200 && numbers.as_str().unwrap().contains("source=\"desk\""), "{numbers}");

    let (id, bodies) = until("a notice", || consumer.taken().into_iter().next());
    // Whatever is refused on the way is counted where it was.
    assert_eq!(deliver(&serving, "desk", &"a".repeat(2 << 20)).0, 413);
    until("the numbers of all of it", || {
        let (_, numbers) = get(&format!("http://{watch}/metrics"), "");
        let numbers = numbers.as_str().unwrap();
        let has = |line: &str| numbers.lines().any(|said| said == line);
        (has("finis_webhook_posts_total{endpoint=\"crm\"} 1")
            && has("finis_webhook_outcomes_total{endpoint=\"crm\",outcome=\"taken\"} 1")
            && has("finis_deliveries_total{source=\"desk\",fate=\"too_large\"} 1")
            && has("finis_connections_refused_total{listener=\"read\"} 0")
            && has("finis_requests_refused_total{listener=\"hooks\",rule=\"not_http\"} 0"))
        .then_some(())
    });
    for url in [serving.url("/elsewhere"), format!("http://{watch}/"), format!("{sessions}/a/b/c/d/e/f")] {
        let (status, answer) = get(&url, TOKEN);
        assert_eq!((status, answer["error"].as_str()), (404, Some("not_found")), "{url}: {answer}");
    }
    assert_eq!(get(&serving.url("/hooks/desk"), "").1["error"], "method_not_allowed");
    let notice: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!((notice["kind"].as_str(), notice["id"].as_str()), (Some("complete"), Some(id.as_str())));
    serving.stop();
    assert_eq!(consumer.taken().len(), 1);
}

#[test]
fn logs_are_json_on_request_and_hold_no_secret_and_no_telephone_number() {
    let scratch = Scratch::new();
    scratch.write("finis.toml", source("desk") + "[log]\nlevel = \"debug\"\n");
    for format in ["human", "json"] {
        let serving = Serving::start(serve(&scratch, &format!("--log {format}")));
        let line = serving.err.wait_for("listening");
        let address = if format == "json" {
            serde_json::from_str::<Value>(&line).unwrap()["address"].as_str().unwrap().to_owned()
        } else {
            serving.address("address").to_string()
        };
        let url = format!("http://{address}/hooks/desk");
        let body = payload('E', "+886912345678", TIME);
        assert_eq!(post(&url, &[("x-secret", SECRET)], &body).unwrap().0, 200);
        assert_eq!(post(&url, &[("x-secret", "guess-canary")], &body).unwrap().0, 401);
        assert_eq!(post(&format!("http://{address}/hooks/+886912345678"), &[], &body).unwrap().0, 401);
        let unreadable = payload('E', "+886912345678", "+886912345678");
        assert_eq!(post(&url, &[("x-secret", SECRET)], &unreadable).unwrap().0, 202);
        let err = serving.err.clone();
        serving.stop();
        let lines = err.all();
        assert!(lines.len() >= 3, "{lines:#?}");
        for line in lines {
            assert!(!line.contains("canary") && !line.contains("912345678"), "{line}");
            assert!(format == "human" || serde_json::from_str::<Value>(&line).is_ok(), "{line}");
        }
    }
}
