//! What is a hook and what is none, in whole answers: served alone, and as part of an application.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use finis_engine::log::MemoryLog;
use finis_engine::{Engine, Settings, Source, Terms, Unverified};
use finis_http::{listen, receive, with_problems};
use finis_providers::Catalogue;
use tokio::net::TcpListener;

use crate::hand::Hand;
use crate::receiver::{NOW, event};
use crate::wire::{Answer, Wire, post};

/// A source whose name cannot stand in a path as it is.
const ODD: &str = "a/b ü";

/// The doors behind which is nothing else.
const ALONE: [Door; 2] = [Door::Router, Door::Hooks];

/// How the receiver is reached.
#[derive(Clone, Copy, Debug)]
enum Door {
    /// The router, served alone as every part is.
    Router,
    /// The service, without a router.
    Hooks,
    /// In an application that has routes of its own, below a prefix.
    Nested,
    /// In an application that says what is not found.
    Merged,
}

/// Holds the whole answer to each request, of a receiver that has seen nothing yet, against the one it is to have.
async fn check(door: Door, answer: &str, requests: &str) {
    for request in requests.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let given = text(&ask(door, request, &event("session.ended", "s-1")).await);
        let has_body = !request.starts_with("HEAD ");
        let expected = if has_body { answer } else { answer.rsplit_once(" | ").expect("a body").0 };
        assert_eq!(given.trim_end_matches(" | "), expected.trim_end_matches(" | "), "{door:?}: {request}");
    }
}

/// Sends a method and a target.
async fn ask(door: Door, request: &str, body: &str) -> Answer {
    let engine = engine();
    let head = format!("{request} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut wire = Wire::open(serve(door, engine).await).await;
    wire.send(head + body).await;
    let answer = if request.starts_with("HEAD ") { wire.answer_to_head().await } else { wire.answer().await };
    answer.expect("an answer")
}

/// All of an answer but its date, in one line.
fn text(answer: &Answer) -> String {
    let headers: Vec<_> = answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{} | {} | {}", answer.status, headers.join(" | "), answer.body)
}

fn engine() -> Engine {
    let contract = Arc::new(Catalogue::shipped().get("pathors").unwrap().clone());
    let source = |name: &str| Source {
        name: name.to_owned(),
        terms: Terms::new(&contract),
        contract: Arc::clone(&contract),
        verify: Box::new(Unverified),
    };
    let log = Arc::new(MemoryLog::new());
    let (engine, writer) = Engine::new(log, Hand::said(NOW), [source("desk"), source(ODD)], Settings::default());
    tokio::spawn(writer.run());
    engine
}

async fn serve(door: Door, engine: Engine) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (limits, pending) = (listen::Limits::default(), std::future::pending());
    let settings = receive::Settings::default();
    if let Door::Hooks = door {
        tokio::spawn(listen::serve(listener, receive::Hooks::new(engine, settings), limits, pending));
        return address;
    }
    let router = receive::router(engine, settings);
    let application = Router::new().route("/", get(async || "an application"));
    let router = match door {
        Door::Router | Door::Hooks => with_problems(router),
        Door::Nested => application.nest("/webhooks", router),
        Door::Merged => application.merge(router).fallback(async || "nothing here"),
    };
    tokio::spawn(listen::serve(listener, router, limits, pending));
    address
}

const STORED: &str =
    r#"200 | content-type: application/json | content-length: 36 | {"outcome":"stored","session":"s-1"}"#;
const NOT_VERIFIED: &str = "401 | content-type: application/json | content-length: 71 | \
    {\"error\":\"not_verified\",\"message\":\"the delivery could not be verified\"}";
const NOT_UTF8: &str =
    "400 | content-type: text/plain; charset=utf-8 | content-length: 38 | Invalid URL: Invalid UTF-8 in `source`";
const NOT_FOUND: &str = "404 | content-type: application/json | content-length: 63 | \
    {\"error\":\"not_found\",\"message\":\"there is nothing at this path\"}";
const NOT_ALLOWED: &str = "405 | content-type: application/json | allow: POST | content-length: 90 | \
    {\"error\":\"method_not_allowed\",\"message\":\"this path takes other methods: `Allow` has them\"}";

/// What an application of axum says where nobody says anything else.
const NOTHING: &str = "404 | content-length: 0 | ";
const POST_ALONE: &str = "405 | allow: POST | content-length: 0 | ";
const FALLBACK: &str = "200 | content-type: text/plain; charset=utf-8 | content-length: 12 | nothing here";
const APPLICATION: &str = "200 | content-type: text/plain; charset=utf-8 | content-length: 14 | an application";

#[tokio::test]
async fn a_source_is_one_segment_decoded_once() {
    for door in ALONE {
        let taken = "
            POST /hooks/desk
            POST /hooks/desk?
            POST /hooks/desk?a=b/c
            POST /hooks/desk#a
            POST http://b/hooks/desk
            POST /hooks/%64es%6B
            POST /hooks/a%2Fb%20%C3%BC
            POST /hooks/a%2fb%20%c3%bc
            POST /hooks/a%2Fb%20ü
        ";
        check(door, STORED, taken).await;
        let of_nobody = "
            POST /hooks/nobody
            POST /hooks/a%2Fb+%C3%BC
            POST /hooks/a%252Fb%20%C3%BC
            POST /hooks/{source}
            POST /hooks/desk;a=b
            POST /hooks/desk%3Fa=b
            POST /hooks/desk%00
            POST /hooks/%
            POST /hooks/%6
            POST /hooks/%zz
            POST /hooks/.
            POST /hooks/..
            POST /hooks/%2e%2e
            POST /hooks/%2F
        ";
        check(door, NOT_VERIFIED, of_nobody).await;
        check(door, NOT_UTF8, "POST /hooks/%ff \n POST /hooks/desk%C3 \n POST /hooks/%ED%A0%80").await;
    }
}

#[tokio::test]
async fn a_hook_is_posted_to() {
    for door in ALONE {
        let requests = "
            GET /hooks/desk
            HEAD /hooks/desk
            PUT /hooks/desk
            DELETE /hooks/desk
            PATCH /hooks/desk
            OPTIONS /hooks/desk
            TRACE /hooks/desk
            QUERY /hooks/desk
            post /hooks/desk
            GET /hooks/nobody?a=b
            GET /hooks/%ff
        ";
        check(door, NOT_ALLOWED, requests).await;
    }
}

#[tokio::test]
async fn no_other_path_is_a_hook() {
    for door in ALONE {
        let requests = "
            POST /
            GET /
            HEAD /
            OPTIONS *
            POST http://b
            POST /hooks
            POST /hooks?
            POST /hooks/
            GET /hooks/
            HEAD /hooks/
            POST /hooks/?a=b
            POST /hooks//
            POST /hooks/a/b
            POST /hooks/desk/
            GET /hooks/desk/
            POST /hooks/desk/..
            POST /hooks//desk
            POST //hooks/desk
            POST /hooks/./desk
            POST /./hooks/desk
            POST /a/../hooks/desk
            POST /%68ooks/desk
            POST /hooks%2Fdesk
            POST /Hooks/desk
            POST /hook/desk
            POST /a/hooks/desk
        ";
        check(door, NOT_FOUND, requests).await;
    }
}

#[tokio::test]
async fn below_a_prefix_it_is_as_without_one() {
    let nested = async |answer, requests| check(Door::Nested, answer, requests).await;
    let taken = "
        POST /webhooks/hooks/desk
        POST /webhooks/hooks/desk?a=b
        POST /webhooks/hooks/a%2Fb%20%C3%BC
    ";
    nested(STORED, taken).await;
    nested(NOT_VERIFIED, "POST /webhooks/hooks/nobody").await;
    nested(NOT_UTF8, "POST /webhooks/hooks/%ff").await;
    let others = "GET /webhooks/hooks/desk \n HEAD /webhooks/hooks/desk \n GET /webhooks/hooks/%ff";
    nested(POST_ALONE, others).await;
    let nothing = "
        POST /webhooks/hooks/
        POST /webhooks/hooks/desk/
        POST /webhooks//hooks/desk
        POST /webhooks
        POST /webhooks/webhooks/hooks/desk
        POST /hooks/desk
        GET /hooks/desk
    ";
    nested(NOTHING, nothing).await;
    nested(APPLICATION, "GET /").await;
}

#[tokio::test]
async fn what_is_no_hook_is_left_to_the_application() {
    let merged = async |answer, requests| check(Door::Merged, answer, requests).await;
    merged(STORED, "POST /hooks/desk \n POST /hooks/%64esk").await;
    merged(NOT_UTF8, "POST /hooks/%ff").await;
    merged(POST_ALONE, "GET /hooks/desk \n HEAD /hooks/desk").await;
    merged(FALLBACK, "POST /hooks/ \n HEAD /hooks/ \n POST /hooks/desk/").await;
    merged(APPLICATION, "GET /").await;
}

/// Of the text in an answer, and of the headers: of several requests on one connection, of which each has others.
#[tokio::test]
async fn an_answer_has_nothing_of_its_request_but_the_session() {
    for door in ALONE {
        let mut wire = Wire::open(serve(door, engine()).await).await;
        for (number, id) in
            ["s-1", r#"a \"quoted\" id"#, r"a \\ b / c", r"\u00fc \ud83d\ude00", "s-2"].iter().enumerate()
        {
            let body = event("session.ended", id);
            for outcome in ["stored", "duplicate"] {
                let many: Vec<_> = (0..number * 9).map(|number| (format!("x-{number}"), "a".repeat(number))).collect();
                let headers: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let answer = wire.send(post("/hooks/desk", &headers, &body)).await.answer().await.unwrap();
                let id: String = serde_json::from_str(&format!("\"{id}\"")).unwrap();
                let expected =
                    format!(r#"{{"outcome":"{outcome}","session":{}}}"#, serde_json::to_string(&id).unwrap());
                let length = expected.len();
                let expected = format!("200 | content-type: application/json | content-length: {length} | {expected}");
                assert_eq!(text(&answer), expected);
            }
        }
        let answer = wire
            .send(post("/hooks/desk", &[("x-a", "b")], event("session.ended", r"a\tb")))
            .await
            .answer()
            .await
            .unwrap();
        let expected = "202 | content-type: application/json | content-length: 81 | \
        {\"outcome\":\"quarantined\",\"reason\":\"the session id has a control character in it\"}";
        assert_eq!(text(&answer), expected);
    }
}
