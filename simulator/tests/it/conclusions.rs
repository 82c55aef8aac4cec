//! What a receiver says, held against what was posted to it.

use finis_engine::Timestamp;
use finis_simulator::Arrival;
use finis_simulator::clock::{micros, timestamp};
use finis_simulator::conclusions::{Conclusions, Expected, Finding, Wrong};
use finis_simulator::faults::{Faults, Origin, Preset};
use finis_simulator::json::Json;
use finis_simulator::model::{Model, Terms};
use finis_simulator::script::Script;
use finis_simulator::world::{Settings, World};
use serde_json::{Value, json};

use crate::contracts;

/// A pathors body of a session called `s`.
fn body(kind: &str, more: &str) -> Arrival {
    let at = "2026-05-03T08:42:11.512Z";
    let text = format!(r#"{{"event":"{kind}","sessionId":"s","timestamp":"{at}"{more}}}"#);
    let is = finis_simulator::Is { session: 0, event: 0, faults: Vec::new(), proved: true, readable: true };
    let received_at = Timestamp::parse(at).unwrap();
    Arrival { received_at, source: "pathors".into(), headers: Vec::new(), body: text.into_bytes(), is }
}

fn at(second: i64) -> Timestamp {
    timestamp(1_800_000_000_000_000 + second * 1_000_000)
}

/// What is wrong when these were posted, one each second, and a receiver says this of `s` a second later.
fn judge(posted: &[Arrival], said: &[Value]) -> Vec<Finding> {
    let contract = contracts::pathors();
    let mut expected = Expected::new(&contract, Terms::default());
    for (second, arrival) in posted.iter().enumerate() {
        expected.posted(arrival, at(second as i64));
    }
    let said = json!({"sessions": said}).to_string();
    let conclusions: Conclusions = serde_json::from_str(&said).unwrap();
    expected.compare(&conclusions, at(posted.len() as i64))
}

#[track_caller]
fn check(posted: &[Arrival], said: &[Value], wrong: &[Wrong]) {
    let findings = judge(posted, said);
    let found: Vec<Wrong> = findings.iter().map(|finding| finding.wrong).collect();
    assert_eq!(found, wrong, "{findings:?}");
}

fn ended() -> Arrival {
    body("session.ended", r#","messagesCount":8"#)
}

fn finalized() -> Arrival {
    body("session.finalized", r#","messagesCount":8"#)
}

#[test]
fn an_end_that_nobody_tells_is_lost() {
    let text = [ended(), finalized()];
    check(&text, &[], &[Wrong::Lost]);
    check(&text, &[json!({"session": "s", "status": "open"})], &[Wrong::Lost]);
    check(&text, &[json!({"session": "s", "status": "complete", "announced": 0})], &[Wrong::Lost]);
    check(&text, &[json!({"session": "s", "status": "complete", "announced": 1})], &[]);
    check(&text, &[json!({"session": "s", "status": "complete"})], &[]);
}

#[test]
fn what_may_still_be_waited_for_is_not_lost() {
    check(&[finalized()], &[], &[]);
    check(&[finalized()], &[json!({"session": "s", "status": "settling"})], &[]);
    check(&[finalized()], &[json!({"session": "s", "status": "complete"})], &[]);
    check(&[ended()], &[json!({"session": "s", "status": "open"})], &[]);
}

#[test]
fn an_end_told_twice_is_doubled() {
    let text = [ended(), finalized(), finalized()];
    check(&text, &[json!({"session": "s", "status": "complete", "announced": 2})], &[Wrong::Doubled]);
    let row = json!({"session": "s", "status": "complete"});
    check(&text, &[row.clone(), row], &[Wrong::Doubled]);
}

#[test]
fn an_end_told_before_it_came_is_too_early() {
    check(&[ended()], &[json!({"session": "s", "status": "complete"})], &[Wrong::Early]);
    check(&[ended()], &[json!({"session": "s", "status": "open", "announced": 1})], &[Wrong::Early]);
    let told = |time: &str| json!({"session": "s", "status": "complete", "announced_at": time});
    let text = [ended(), finalized()];
    let end = at(1).to_string();
    let cut = format!("{}Z", end.split('.').next().unwrap().trim_end_matches('Z'));
    check(&text, &[told(&at(0).to_string())], &[Wrong::Early]);
    check(&text, &[told(&end)], &[]);
    check(&text, &[told(&cut)], &[]);
    check(&text, &[told("yesterday")], &[Wrong::Wrong]);
}

#[test]
fn only_what_is_said_is_compared() {
    let text = [ended(), finalized()];
    let fields = |fields: Value| json!({"session": "s", "status": "complete", "channel": "text", "fields": fields});
    check(&text, &[fields(json!({}))], &[]);
    check(&text, &[fields(json!({"messages_count": 8.0, "call_status": null}))], &[]);
    check(&text, &[fields(json!({"ended_at": "2026-05-03T10:42:11.512+02:00"}))], &[]);
    check(&text, &[fields(json!({"messages_count": 7}))], &[Wrong::Wrong]);
    check(&text, &[fields(json!({"messages_count": null}))], &[Wrong::Wrong]);
    check(&text, &[fields(json!({"call_status": "userHangup"}))], &[Wrong::Wrong]);
    check(&text, &[json!({"session": "s", "status": "complete", "channel": "call"})], &[Wrong::Wrong]);
}

#[test]
fn what_nothing_but_a_digest_decides_is_nobodys_mistake() {
    let count = |count: u32| json!({"session": "s", "status": "complete", "fields": {"messages_count": count}});
    let other = body("session.finalized", r#","messagesCount":9"#);
    let text = [ended(), finalized(), other];
    check(&text, &[count(8)], &[]);
    check(&text, &[count(9)], &[]);
    check(&text, &[count(10)], &[Wrong::Wrong]);
}

#[test]
fn what_proves_nothing_makes_no_session() {
    let row = json!({"session": "s", "status": "open"});
    let mut forged = ended();
    forged.is.proved = false;
    check(&[forged], std::slice::from_ref(&row), &[Wrong::Wrong]);
    check(&[ended()], &[json!({"session": "another", "status": "open"})], &[Wrong::Wrong]);
}

#[test]
fn a_parser_that_forgives_more_is_forgiven() {
    let said = json!({"session": "s", "status": "complete", "announced": 1, "fields": {"messages_count": 9}});
    let twice = body("session.finalized", r#","messagesCount":8,"messagesCount":9"#);
    check(&[ended(), twice.clone()], std::slice::from_ref(&said), &[]);
    check(&[twice], &[said], &[]);
}

#[test]
fn a_form_that_is_not_the_documented_one_is_refused() {
    for said in [
        json!({}),
        json!({"sessions": [{"session": "s"}]}),
        json!({"sessions": [{"session": "s", "status": "done"}]}),
        json!({"sessions": [{"session": "s", "status": "open", "anounced": 1}]}),
    ] {
        assert!(serde_json::from_value::<Conclusions>(said.clone()).is_err(), "{said}");
    }
}

/// What a receiver says that concluded just what the model does.
fn by_the_model(script: &Script, now: Timestamp, posted_at: impl Fn(&Arrival) -> Timestamp) -> String {
    let contract = contracts::all().into_iter().find(|contract| contract.provider() == script.head.provider).unwrap();
    let mut model = Model::new(&contract, Terms::default());
    for arrival in script.arrivals.iter().filter(|arrival| arrival.is.proved) {
        model.take(&arrival.source, &arrival.headers, &arrival.body, Some(posted_at(arrival)));
    }
    let records = model.keys().map(|key| (key.clone(), Json::parse_deep(&model.record(key, now.into()).unwrap(), 300)));
    let sessions: Vec<String> = records
        .map(|(key, record)| {
            let record = record.unwrap();
            let part = |path: &str| record.at(path).unwrap().to_string();
            let (subject, id) = (json!(key.subject), json!(key.id));
            let (status, channel, fields) = (part("/status"), part("/channel"), part("/fields"));
            format!(r#"{{"session":{id},"subject":{subject},"status":{status},"channel":{channel},"fields":{fields}}}"#)
        })
        .collect();
    format!(r#"{{"sessions":[{}]}}"#, sessions.join(","))
}

#[test]
fn a_receiver_that_does_as_the_model_has_nothing_wrong() {
    for contract in contracts::all() {
        for (seed, faults) in [(1, Preset::Hostile.faults()), (2, Faults::none())] {
            let world = World::new(&contract, Settings { seed, sessions: 30, ..Settings::default() }).unwrap();
            let origin = Origin { source: "desk".into(), signing: None };
            let script = Script::new(&world, &faults, seed, origin);
            let posted_at = |arrival: &Arrival| arrival.received_at;
            let now = timestamp(micros(script.end().unwrap()) + 8 * 86_400_000_000);
            let mut expected = Expected::new(&contract, Terms::default());
            script.arrivals.iter().for_each(|arrival| expected.posted(arrival, posted_at(arrival)));
            let said: Conclusions = serde_json::from_str(&by_the_model(&script, now, posted_at)).unwrap();
            assert_eq!(expected.compare(&said, now), []);
            assert!(expected.over(now) > 0);
            let nothing = expected.compare(&Conclusions { sessions: Vec::new() }, now);
            assert_eq!(nothing.len() as u64, expected.over(now));
            assert!(nothing.iter().all(|finding| finding.wrong == Wrong::Lost), "{nothing:?}");
        }
    }
}
