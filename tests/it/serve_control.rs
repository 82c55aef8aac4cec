//! A server that runs is told by command to read its quarantine again, and to forget a session: nobody else could, and
//! it goes on taking deliveries.

use serde_json::{Value, json};

use crate::door::Scratch;
use crate::serving::{Consumer, Serving, get, post, until};
use crate::store_tools::who_says;

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN: &str = "a-token-of-no-less-than-32-characters";
const CONTRACT: &str = include_str!("../../adapters/providers/contracts/pathors.toml");

fn start(scratch: &Scratch, consumer: &Consumer) -> Serving {
    scratch.write(
        "finis.toml",
        format!(
            "contracts = \"contracts\"\n[listen]\naddress = \"127.0.0.1:0\"\n\
             [read]\naddress = \"127.0.0.1:0\"\ntoken_env = \"TOKEN\"\n\
             [source.desk]\nprovider = \"pathors\"\nunsigned = true\n\
             subscribe = [\"session.ended\", \"session.finalized\"]\n\
             [source.lab]\nprovider = \"pathors\"\nunsigned = true\n\
             [webhook.crm]\nurl = \"{}\"\nallow = [\"127.0.0.1\"]\nsecret_env = \"WHSEC\"\n",
            consumer.url()
        ),
    );
    Serving::start(scratch.finis("serve").env("WHSEC", WHSEC).env("TOKEN", TOKEN))
}

/// Posts an event of a session; what became of it.
fn deliver(serving: &Serving, kind: &str, session: &str) -> String {
    let body = format!(
        r#"{{"event":"session.{kind}","sessionId":"{session}","timestamp":"2026-05-03T08:42:11Z","messagesCount":2}}"#
    );
    let (status, body) = post(&serving.url("/hooks/desk"), &[], &body).unwrap();
    assert!((200..300).contains(&status), "{status} {body}");
    serde_json::from_str::<Value>(&body).unwrap()["outcome"].as_str().unwrap().to_owned()
}

/// Sessions that the consumer was told of, each time.
fn told(consumer: &Consumer) -> Vec<String> {
    let notices = consumer.taken().into_values().flatten();
    let mut told: Vec<String> = notices
        .map(|body| serde_json::from_str::<Value>(&body).unwrap())
        .map(|notice| format!("{} {}", notice["record"]["session"].as_str().unwrap_or("-"), notice["type"]))
        .collect();
    told.sort_unstable();
    told
}

#[test]
fn what_can_be_read_by_now_is_read_by_a_server_that_runs() {
    let (scratch, consumer) = (Scratch::new(), Consumer::start());
    std::fs::create_dir(scratch.path().join("contracts")).unwrap();
    // Whoever wrote this took ids to stand where none are.
    scratch.write("contracts/pathors.toml", CONTRACT.replace("id = \"/sessionId\"", "id = \"/no/id\""));
    let serving = start(&scratch, &consumer);
    for session in ["one", "two"] {
        assert_eq!(deliver(&serving, "ended", session), "quarantined");
    }
    assert_eq!(deliver(&serving, "finalized", "one"), "quarantined");
    let again = || scratch.finis("quarantine retry").fine().out;
    assert!(again().starts_with("Read  0 deliveries\nLeft  3 deliveries\n"), "{}", again());

    scratch.write("contracts/pathors.toml", CONTRACT);
    scratch.finis("reload").env("WHSEC", WHSEC).env("TOKEN", TOKEN).fine();
    assert_eq!(deliver(&serving, "finalized", "two"), "stored");
    let read = scratch.finis("quarantine retry --json").fine().json();
    let mut sessions: Vec<&str> =
        read["read"].as_array().unwrap().iter().map(|read| read["session"].as_str().unwrap()).collect();
    sessions.sort_unstable();
    assert_eq!((sessions, &read["left"]), (vec!["one", "one", "two"], &json!([])));
    until("both are told", || (told(&consumer).len() == 2).then_some(()));
    assert_eq!(again(), "Nothing is in quarantine.\n");
    assert_eq!(deliver(&serving, "ended", "one"), "duplicate");

    // Under contracts of one's own nobody else reads: then it has to be alone.
    let held = scratch.finis("quarantine retry --contracts contracts").run();
    assert_eq!(held.code, 2);
    assert!(held.err.contains("held by"), "{}", held.err);
    serving.stop();
    // With nobody there, the command does it by itself.
    assert_eq!(again(), "Nothing is in quarantine.\n");
}

#[test]
fn a_server_that_runs_forgets_what_it_is_told_to() {
    let (scratch, consumer) = (Scratch::new(), Consumer::start());
    std::fs::create_dir(scratch.path().join("contracts")).unwrap();
    let serving = start(&scratch, &consumer);
    for session in ["canary-1", "call-2"] {
        assert_eq!(deliver(&serving, "ended", session), "stored");
    }
    assert_eq!(deliver(&serving, "finalized", "canary-1"), "stored");
    let refused = r#"{"sessionId":"canary-1","said":"nothing"}"#;
    for source in ["desk", "lab"] {
        assert_eq!(post(&serving.url(&format!("/hooks/{source}")), &[], refused).unwrap().0, 202);
    }
    until("the first is told", || (told(&consumer).len() == 1).then_some(()));
    let store = scratch.path().join("finis.db");
    assert!(!who_says(&store, "canary-1").is_empty());

    scratch
        .finis("forget nobody --yes")
        .fails_with("finis: nothing in the store has the id `nobody`: `finis sessions` lists what is there");
    scratch
        .finis("forget canary-1 --yes --source elsewhere")
        .fails_with("finis: --source elsewhere: no source of the store is called so: there are desk, lab");
    scratch
        .finis("forget canary-1")
        .fails_with("finis: nobody is there to be asked: say --yes if it is to be erased for good");
    let session = |id| get(&format!("http://{}/v1/sessions/desk/{id}", serving.address("read")), TOKEN).0;
    assert_eq!(session("canary-1"), 200);

    let erased = scratch.finis("forget canary-1 --yes").fine().out;
    let lines: Vec<&str> = erased.lines().take(5).collect();
    assert_eq!(
        lines,
        [
            "Erased  canary-1 of desk",
            "  sessions    1 (session)",
            "  events      2",
            "  notices     1; their ids and places in the outbox stay",
            "  quarantine  2 deliveries",
        ]
    );
    assert_eq!(session("canary-1"), 404);
    assert_eq!(deliver(&serving, "ended", "canary-1"), "forgotten");
    assert_eq!(scratch.finis("forget canary-1").fine().out, "canary-1 was forgotten before\n");
    assert_eq!(scratch.finis("quarantine list").run().out, "0 deliveries in quarantine\n");
    let log = serving.err.all().join("\n");
    assert!(log.contains("was forgotten") && !log.contains("canary"), "{log}");

    // Everybody else goes on.
    assert_eq!(deliver(&serving, "finalized", "call-2"), "stored");
    until("the other is told", || (told(&consumer).len() == 2).then_some(()));
    serving.stop();
    assert_eq!(who_says(&store, "canary-1"), Vec::<String>::new());
    assert_eq!(scratch.finis("forget canary-1").fine().out, "canary-1 was forgotten before\n");
}
