//! Real answers held against the document: paths, statuses, content types, bodies.

use std::sync::LazyLock;

use finis_http::read::DOCUMENT;
use serde_json::{Value, json};

use crate::read_world::{Answer, World};

static PARSED: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(DOCUMENT).unwrap());

/// Follows a reference within the document.
fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(to) => resolve(PARSED.pointer(to.strip_prefix('#').unwrap()).unwrap()),
        None => value,
    }
}

/// The operation of the document that answers to this, if there is one.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let (mut template, mut path) = (template.split('/'), path.split('/'));
        loop {
            match (template.next(), path.next()) {
                (None, None) => return true,
                (Some(varies), Some(part)) if varies.starts_with('{') && !part.is_empty() => {}
                (Some(fixed), Some(part)) if fixed == part => {}
                _ => return false,
            }
        }
    };
    let paths = PARSED["paths"].as_object().unwrap();
    // What is fixed goes before what varies.
    let found = paths.iter().filter(|(template, _)| fits(template)).min_by_key(|(template, _)| template.contains('{'));
    found.and_then(|(_, item)| item.get(method.to_lowercase()))
}

/// Fails unless the document has this answer.
#[track_caller]
pub(crate) fn check(method: &str, path: &str, answer: &Answer) {
    let operation = operation(method, path).unwrap_or_else(|| panic!("{method} {path} is not in the document"));
    let response = operation["responses"].get(answer.status.to_string());
    let response = resolve(response.unwrap_or_else(|| panic!("{method} {path}: not in the document: {answer:?}")));
    for (name, _) in response["headers"].as_object().into_iter().flatten() {
        assert!(answer.header(&name.to_lowercase()).is_some(), "{method} {path}: no {name}: {answer:?}");
    }
    let Some(content) = response["content"].as_object() else {
        assert_eq!(answer.body, "", "{method} {path}");
        return;
    };
    let (kind, media) = content.iter().next().unwrap();
    assert_eq!(answer.header("content-type"), Some(kind.as_str()), "{method} {path}");
    let mut schema = media["schema"].clone();
    // What it refers to is found from its own root.
    schema["components"] = PARSED["components"].clone();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let body = answer.json();
    let errors: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{method} {path}: {errors:#?}\n{body:#}");
}

#[test]
fn an_answer_that_is_not_in_the_document_is_found() {
    let answer = |status, body: Value| {
        let kind = ("content-type".to_owned(), "application/json".to_owned());
        Answer { status, headers: vec![kind], body: body.to_string() }
    };
    let is_found =
        |path: &'static str, answer: Answer| std::panic::catch_unwind(|| check("GET", path, &answer)).is_err();
    let page = json!({"sessions": [], "next": null, "looked_at": 0, "unreadable": 0});
    assert!(!is_found("/v1/sessions?limit=1", answer(200, page.clone())));
    assert!(is_found("/v1/session", answer(200, page.clone())));
    assert!(is_found("/v1/sessions", answer(418, page.clone())));
    assert!(is_found("/v1/sessions", answer(200, json!({"sessions": [], "next": null, "looked_at": 0}))));
    assert!(is_found(
        "/v1/sessions",
        answer(200, json!({"sessions": [{"source": 1}], "next": null, "looked_at": 0, "unreadable": 0}))
    ));
    let delivery = |at: &str| json!({"received_at": at, "source": "desk", "headers": {}, "body": ""});
    let path = "/v1/sessions/desk/s-1/deliveries/00";
    assert!(!is_found(path, answer(200, delivery("2026-05-03T08:42:14Z"))));
    assert!(is_found(path, answer(200, delivery("yesterday"))));
}

#[tokio::test]
async fn every_operation_of_the_document_is_there_and_asks_for_the_token() {
    let world = World::new().await;
    let mut operations = 0;
    for (path, item) in PARSED["paths"].as_object().unwrap() {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            for headers in ["", "authorization: Bearer a-token-for-tests-onlx\r\n", "authorization: Basic eDp5\r\n"] {
                let answer = world.ask_with(&method, &path, headers, "").await;
                answer.refused(401, "unauthorized");
                check(&method, &path, &answer);
            }
            if path != "/v1/stream" {
                let answer = world.ask(&method, &path, "").await;
                assert!(answer.status < 500 && answer.status != 405, "{method} {path}: {answer:?}");
            }
            // A parameter that the document does not have, on every path alike, and is not said again.
            let answer = world.ask(&method, &format!("{path}?canary-7=canary-8"), "").await;
            answer.refused(400, "unknown_parameter");
            assert!(!answer.body.contains("canary"), "{answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            operations += 1;
        }
    }
    assert!(operations >= 15, "{operations}");
}

#[tokio::test]
async fn the_document_is_served_and_is_openapi() {
    let world = World::new().await;
    let served = world.read("/v1/openapi.json").await;
    assert_eq!(served, *PARSED);
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1."));
    let ids: Vec<&str> = operations().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(ids.len(), distinct.len(), "an operation's id stands there twice");
    // Whatever refers to something refers to something that is there.
    let mut values = vec![&*PARSED];
    while let Some(value) = values.pop() {
        if let Some(to) = value["$ref"].as_str() {
            assert!(PARSED.pointer(to.strip_prefix('#').unwrap()).is_some(), "{to}");
        }
        values.extend(value.as_object().into_iter().flat_map(|object| object.values()));
        values.extend(value.as_array().into_iter().flatten());
    }
}

fn operations() -> impl Iterator<Item = &'static Value> {
    PARSED["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
}
