//! Notices as webhooks: signed, under one id, again and again until they are taken, and in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use finis_engine::{Handover, StartAt};
use finis_http::outbound::{Client, Guard, Limits, Roots, Rules};
use finis_http::send::{Endpoint, Sender, Tally};
use finis_providers::signature::Secret;
use standardwebhooks::Webhook;

use crate::posted_to::{Receiver, Reply, Seen, status};
use crate::wait;
use crate::world::World;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) fn client(limits: Limits) -> Client {
    let rules = Rules { allow: vec!["127.0.0.1".parse().unwrap()], ..Rules::default() };
    Client::new(Guard::new(&rules), limits, &Roots::none()).unwrap()
}

/// An endpoint at a receiver, sent to from here on.
pub(crate) struct Sending {
    pub(crate) handover: Handover,
    pub(crate) tally: Arc<Tally>,
}

pub(crate) async fn send(world: &World, endpoint: Endpoint, limits: Limits) -> Sending {
    let (consumer, policy) = (endpoint.consumer(), endpoint.policy());
    // No chance in it: what is due is due.
    let sender = Sender::new(endpoint, client(limits), world.clock.clone(), Arc::new(|| 0.0));
    let tally = sender.tally();
    let (handover, worker) = world.engine.deliver(&consumer, policy, sender).await.unwrap();
    tokio::spawn(worker.run());
    Sending { handover, tally }
}

pub(crate) fn endpoint(name: &str, receiver: &Receiver) -> Endpoint {
    let secrets = [Secret::new(SECRET)];
    Endpoint::new(name, &receiver.url("/in"), &secrets, &client(Limits::default())).unwrap()
}

fn notices(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(Seen::notice).collect()
}

#[tokio::test]
async fn a_notice_is_posted_as_consumers_have_it_and_the_reference_verifies_it() {
    let world = World::new();
    let receiver = Receiver::start(|_, _| status(204)).await;
    let sending = send(&world, endpoint("crm", &receiver), Limits::default()).await;
    world.end("a", 1).await;
    let seen = receiver.after(2).await;
    world.stands("webhook:crm", "2 -0 parked 0 waiting 0").await;
    let mut told = world.engine.notices("other").await.unwrap();
    for request in &seen {
        let placed = told.next().await.unwrap().unwrap();
        assert_eq!(request.line, "POST /in HTTP/1.1");
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.id(), placed.notice.id.to_string());
        assert_eq!(String::from_utf8(request.body.clone()).unwrap(), placed.to_json());
        Webhook::new(SECRET).unwrap().verify(&request.body, &request.headers).unwrap();
        Webhook::new("whsec_AAAA").unwrap().verify(&request.body, &request.headers).unwrap_err();
    }
    let sent = sending.tally.sent();
    assert_eq!((sent.posted, sent.taken, sent.again, sent.dead), (2, 2, 0, 0));
}

#[tokio::test]
async fn what_is_not_taken_comes_again_under_the_same_id_with_the_same_body_at_the_published_times() {
    let world = World::new();
    let receiver = Receiver::start(|_, before| status(if before < 3 { 500 } else { 200 })).await;
    let sending = send(&world, endpoint("crm", &receiver), Limits::default()).await;
    world.end("a", 0).await;
    for (tries, seconds) in [(1, 5), (2, 300), (3, 1800)] {
        receiver.after(tries).await;
        let waiting = usize::from(tries > 1);
        let behind = 1 - waiting;
        // The log knows of the failure, or will not.
        world.stands("webhook:crm", &format!("{waiting} -{behind} parked {waiting} waiting {waiting}")).await;
        until(|| sending.tally.sent().again == tries as u64).await;
        world.clock.advance(Duration::from_secs(seconds - 1));
        settle().await;
        assert_eq!(receiver.seen().len(), tries, "it came before its time");
        world.clock.advance(Duration::from_secs(1));
    }
    let seen = receiver.after(4).await;
    world.stands("webhook:crm", "1 -0 parked 0 waiting 0").await;
    for request in &seen {
        assert_eq!((request.id(), &request.body), (seen[0].id(), &seen[0].body));
    }
    let times: Vec<i64> =
        seen.iter().map(|seen| seen.headers["webhook-timestamp"].to_str().unwrap().parse().unwrap()).collect();
    assert_eq!([times[1] - times[0], times[2] - times[1], times[3] - times[2]], [5, 300, 1800]);
    assert_eq!(sending.tally.sent().posted, 4);
}

#[tokio::test]
async fn in_a_session_nothing_overtakes_and_other_sessions_do_not_wait() {
    let world = World::new();
    let heal = Arc::new(AtomicBool::new(false));
    let healed = Arc::clone(&heal);
    let receiver = Receiver::start(move |seen, _| {
        let fails = seen.notice().starts_with('a') && !healed.load(Ordering::SeqCst);
        status(if fails { 503 } else { 200 })
    })
    .await;
    let sending = send(&world, endpoint("crm", &receiver), Limits::default()).await;
    world.end("a", 2).await;
    // Far more than are looked at ahead of what is not settled.
    for session in 0..600 {
        world.end(&format!("b{session}"), 0).await;
    }
    until(|| sending.tally.sent().again == 1).await;
    world.clock.advance(Duration::from_secs(5));
    // After the second failure it is set aside, and nobody waits for it.
    let seen = receiver.after(602).await;
    assert!(notices(&seen).iter().all(|notice| notice == "a1" || notice.starts_with('b')));
    world.stands("webhook:crm", "603 -0 parked 3 waiting 1").await;
    heal.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(300));
    let seen = receiver.after(605).await;
    assert_eq!(notices(&seen[602..]), ["a1", "a2", "a3"]);
    world.stands("webhook:crm", "603 -0 parked 0 waiting 0").await;
}

#[tokio::test]
async fn a_restart_begins_no_schedule_anew() {
    let world = World::new();
    let receiver = Receiver::start(|_, before| status(if before < 3 { 500 } else { 200 })).await;
    let sending = send(&world, endpoint("crm", &receiver), Limits::default()).await;
    world.end("a", 0).await;
    until(|| sending.tally.sent().again == 1).await;
    world.clock.advance(Duration::from_secs(5));
    receiver.after(2).await;
    world.stands("webhook:crm", "1 -0 parked 1 waiting 1").await;
    sending.handover.stop().await.unwrap();

    let world = world.restart().await;
    let sending = send(&world, endpoint("crm", &receiver), Limits::default()).await;
    world.clock.advance(Duration::from_secs(299));
    settle().await;
    assert_eq!(receiver.seen().len(), 2, "it came before its time");
    world.clock.advance(Duration::from_secs(1));
    receiver.after(3).await;
    until(|| sending.tally.sent().again == 1).await;
    // The third failure, and not the first: half an hour, and not five seconds.
    world.clock.advance(Duration::from_secs(1799));
    settle().await;
    assert_eq!(receiver.seen().len(), 3);
    world.clock.advance(Duration::from_secs(1));
    let seen = receiver.after(4).await;
    assert!(seen.iter().all(|request| request.id() == seen[0].id()));
    world.stands("webhook:crm", "1 -0 parked 0 waiting 0").await;
}

#[tokio::test]
async fn what_is_never_taken_is_a_dead_letter_until_somebody_sends_it_again() {
    let world = World::new();
    let heal = Arc::new(AtomicBool::new(false));
    let healed = Arc::clone(&heal);
    let receiver = Receiver::start(move |_, _| status(if healed.load(Ordering::SeqCst) { 200 } else { 418 })).await;
    let mut crm = endpoint("crm", &receiver);
    crm.delays = vec![Duration::from_secs(1), Duration::from_secs(100)];
    let sending = send(&world, crm, Limits::default()).await;
    world.end("a", 1).await;
    until(|| sending.tally.sent().again == 1).await;
    world.clock.advance(Duration::from_secs(1));
    until(|| sending.tally.sent().again == 2).await;
    world.stands("webhook:crm", "2 -0 parked 2 waiting 1").await;
    world.clock.advance(Duration::from_secs(100));
    world.stands("webhook:crm", "2 -0 parked 2 waiting 0").await;
    let reasons = world.reasons("webhook:crm").await;
    assert!(reasons[0].starts_with("answered 418 I'm a teapot (try 3, at 2"), "{reasons:?}");
    assert_eq!(reasons[1], "held");
    assert_eq!(sending.tally.sent().dead, 1);
    world.clock.advance(Duration::from_secs(1_000_000));
    settle().await;
    assert_eq!(receiver.seen().len(), 3, "a dead letter was sent");

    heal.store(true, Ordering::SeqCst);
    assert_eq!(world.engine.retry_parked("webhook:crm").await, Ok(2));
    let seen = receiver.after(5).await;
    assert_eq!(notices(&seen), ["a1", "a1", "a1", "a1", "a2"]);
    assert_eq!(seen[3].id(), seen[0].id());
    world.stands("webhook:crm", "2 -0 parked 0 waiting 0").await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_left_alone_through_restarts_until_somebody_lets_it_go_on() {
    let world = World::new();
    let back = Arc::new(AtomicBool::new(false));
    let is_back = Arc::clone(&back);
    let receiver = Receiver::start(move |_, _| status(if is_back.load(Ordering::SeqCst) { 200 } else { 410 })).await;
    let mut crm = endpoint("crm", &receiver);
    crm.concurrency = 1;
    let sending = send(&world, crm, Limits::default()).await;
    world.end("a", 0).await;
    world.stands("webhook:crm", "1 -0 parked 1 waiting 0 closed").await;
    world.end("b", 0).await;
    settle().await;
    sending.handover.stop().await.unwrap();

    let world = world.restart().await;
    let mut crm = endpoint("crm", &receiver);
    crm.concurrency = 1;
    let sending = send(&world, crm, Limits::default()).await;
    world.end("c", 0).await;
    world.clock.advance(Duration::from_secs(1_000_000));
    settle().await;
    assert_eq!(receiver.seen().len(), 1, "somebody who is gone was asked again");
    assert!(world.reasons("webhook:crm").await[0].starts_with("answered 410 Gone"));
    back.store(true, Ordering::SeqCst);
    assert_eq!(world.engine.retry_one_parked("webhook:crm", 1).await, Ok(1));
    let seen = receiver.after(4).await;
    assert_eq!(notices(&seen), ["a1", "a1", "b1", "c1"]);
    world.stands("webhook:crm", "3 -0 parked 0 waiting 0").await;
    assert_eq!(sending.tally.sent().closed, 0);
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is_left_alone() {
    let world = World::new();
    let receiver = Receiver::start(|_, before| match before {
        0 => Reply::Status(429, vec![("retry-after", "90".into())]),
        _ => status(200),
    })
    .await;
    let mut crm = endpoint("crm", &receiver);
    crm.concurrency = 1;
    let sending = send(&world, crm, Limits::default()).await;
    world.end("a", 0).await;
    until(|| sending.tally.sent().again == 1).await;
    world.end("b", 0).await;
    world.clock.advance(Duration::from_secs(89));
    settle().await;
    assert_eq!(receiver.seen().len(), 1, "it was not left alone");
    world.clock.advance(Duration::from_secs(1));
    let seen = receiver.after(3).await;
    let mut after = notices(&seen[1..]);
    after.sort();
    assert_eq!(after, ["a1", "b1"]);
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_nothing_else_up() {
    let world = World::new();
    let hanging = Receiver::start(|_, _| Reply::Silence).await;
    let well = Receiver::start(|_, _| status(200)).await;
    // Nobody waits for it as long as this test runs.
    let patient = Limits { total: Duration::from_secs(600), ..Limits::default() };
    let mut stuck = endpoint("stuck", &hanging);
    stuck.concurrency = 3;
    let stuck = send(&world, stuck, patient).await;
    send_and_keep(&world, endpoint("crm", &well)).await;
    for session in 0..100 {
        world.end(&format!("s{session}"), 0).await;
    }
    well.after(100).await;
    world.stands("webhook:crm", "100 -0 parked 0 waiting 0").await;
    world.stands("webhook:stuck", "0 -100 parked 0 waiting 0").await;
    until(|| hanging.seen().len() == 3).await;
    settle().await;
    assert_eq!(hanging.seen().len(), 3, "more at once than it may have");
    assert_eq!(stuck.tally.sent().taken, 0);
}

#[tokio::test]
async fn one_that_is_new_may_begin_with_what_is_said_from_now_on() {
    let world = World::new();
    world.end("a", 0).await;
    let receiver = Receiver::start(|_, _| status(200)).await;
    let mut crm = endpoint("crm", &receiver);
    crm.start = StartAt::Now;
    let _sending = send(&world, crm, Limits::default()).await;
    world.end("b", 0).await;
    assert_eq!(notices(&receiver.after(1).await), ["b1"]);
}

async fn send_and_keep(world: &World, endpoint: Endpoint) {
    let sending = send(world, endpoint, Limits::default()).await;
    // It runs to the end of the test.
    std::mem::forget(sending.handover);
}

/// Until something is so.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    wait::until(async || is_so()).await;
}

/// Gives everybody a chance to do what they should not.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
}
