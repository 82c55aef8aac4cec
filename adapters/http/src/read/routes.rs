//! Every route there is. The `OpenAPI` document says the same, and a test holds the two against each other.

use std::sync::Arc;

use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::header;

use super::{DOCUMENT, Shared, consumers, notices, parameters, quarantine, recordings, sessions, single, stream};

/// A method of a path.
pub(super) struct Route {
    pub(super) verb: Verb,
    /// As `OpenAPI` and axum write it: what varies stands in braces.
    pub(super) path: &'static str,
    /// The parameters that its query may have, and no others.
    pub(super) query: &'static [&'static str],
    answer: fn(MethodFilter) -> MethodRouter<Arc<Shared>>,
}

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

pub(super) const ROUTES: &[Route] = &[
    get("/v1/openapi.json", &[], |verb| on(verb, document)),
    get("/v1/sessions", &["source", "status", "missing", "since", "until", "limit", "cursor"], |verb| {
        on(verb, sessions::list)
    }),
    get("/v1/sessions/{source}/{id}", &["subject"], |verb| on(verb, single::record)),
    get("/v1/sessions/{source}/{id}/timeline", &["subject"], |verb| on(verb, single::timeline)),
    get("/v1/sessions/{source}/{id}/recordings", &["subject"], |verb| on(verb, recordings::list)),
    get("/v1/sessions/{source}/{id}/deliveries/{digest}", &["subject"], |verb| on(verb, single::delivery)),
    get("/v1/quarantine", &["source", "limit", "cursor"], |verb| on(verb, quarantine::list)),
    get("/v1/notices", &["consumer", "after", "limit"], |verb| on(verb, notices::list)),
    post("/v1/notices/ack", |verb| on(verb, notices::acknowledge)),
    get("/v1/stream", &["consumer", "after"], |verb| on(verb, stream::follow)),
    get("/v1/consumers", &[], |verb| on(verb, consumers::list)),
    Route {
        verb: Verb::Put,
        path: "/v1/consumers/{consumer}",
        query: &["start"],
        answer: |verb| on(verb, consumers::begin),
    },
    Route {
        verb: Verb::Delete,
        path: "/v1/consumers/{consumer}",
        query: &[],
        answer: |verb| on(verb, consumers::remove),
    },
    post("/v1/consumers/{consumer}/rewind", |verb| on(verb, consumers::rewind)),
    get("/v1/consumers/{consumer}/parked", &["after", "limit"], |verb| on(verb, consumers::parked)),
    post("/v1/consumers/{consumer}/retry", |verb| on(verb, consumers::retry)),
    post("/v1/consumers/{consumer}/skip", |verb| on(verb, consumers::skip)),
];

type Answer = fn(MethodFilter) -> MethodRouter<Arc<Shared>>;

const fn get(path: &'static str, query: &'static [&'static str], answer: Answer) -> Route {
    Route { verb: Verb::Get, path, query, answer }
}

const fn post(path: &'static str, answer: Answer) -> Route {
    Route { verb: Verb::Post, path, query: &[], answer }
}

impl Route {
    /// What answers it.
    pub(super) fn method(&self) -> MethodRouter<Arc<Shared>> {
        let query = self.query;
        (self.answer)(self.verb.filter()).layer(from_fn(move |request, next| parameters::check(query, request, next)))
    }
}

impl Verb {
    fn filter(self) -> MethodFilter {
        match self {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
            Verb::Delete => MethodFilter::DELETE,
        }
    }
}

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// A route: its method, its path, the parameters of path and query.
    type Told = (String, String, BTreeSet<String>, BTreeSet<String>);

    fn documented() -> BTreeSet<Told> {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut told = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let named = |place: &str| {
                    let parameters = operation["parameters"].as_array().into_iter().flatten();
                    let parameters = parameters.map(|parameter| match parameter["$ref"].as_str() {
                        Some(to) => document.pointer(to.strip_prefix('#').unwrap()).unwrap(),
                        None => parameter,
                    });
                    let parameters = parameters.filter(|parameter| parameter["in"] == place);
                    parameters.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
                };
                told.insert((method.clone(), path.clone(), named("path"), named("query")));
            }
        }
        told
    }

    fn routed() -> BTreeSet<Told> {
        let told = |route: &Route| {
            let varies = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            (
                format!("{:?}", route.verb).to_lowercase(),
                route.path.to_owned(),
                varies.map(str::to_owned).collect(),
                route.query.iter().map(|name| (*name).to_owned()).collect(),
            )
        };
        ROUTES.iter().map(told).collect()
    }

    #[test]
    fn the_document_and_the_table_say_the_same() {
        let (documented, routed) = (documented(), routed());
        let only = |one: &BTreeSet<Told>, other: &BTreeSet<Told>| one.difference(other).cloned().collect::<Vec<_>>();
        assert_eq!(only(&routed, &documented), [], "not as in the document");
        assert_eq!(only(&documented, &routed), [], "not as in the table");
        assert_eq!(routed.len(), ROUTES.len(), "one stands there twice");
    }
}
