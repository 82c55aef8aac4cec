//! What came of the recordings of a session. It is no part of its record, which stays as it was certified.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::Shared;
use super::parameters::{Parameters, path};
use super::problem::Problem;
use super::single::key;

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    of: Result<Path<(String, String)>, PathRejection>,
    asked: Parameters,
) -> Result<Response, Problem> {
    let (source, id) = path(of)?;
    let key = key(&source, &asked, &id);
    let archives = shared.recordings.clone();
    let of = key.clone();
    // It is looked at on a thread that may wait for a disk.
    let list = move || {
        let mut all = Vec::new();
        for archive in archives {
            all.extend(archive.outcomes(&of).map_err(|error| {
                tracing::error!(%error, "what came of recordings cannot be read");
                Problem::internal()
            })?);
        }
        Ok(json!({ "recordings": all }).to_string())
    };
    shared.look(key, move |_| list()).await
}
