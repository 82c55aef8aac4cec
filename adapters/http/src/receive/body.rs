//! A body, read whole, within bounds.

use std::error::Error;
use std::io;
use std::ops::Deref;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use finis_engine::ReceiveError;
use http_body_util::BodyExt as _;

use super::answer::Refusal;
use super::room::{Held, Room};

/// A body in memory, and the room that it has there.
pub(super) struct Whole<'r> {
    bytes: Bytes,
    _held: Held<'r>,
}

impl Deref for Whole<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body, and stops as soon as it is longer than it may be. Trailers are read and passed over.
pub(super) async fn read(mut body: Body, max: usize, room: &Room) -> Result<Whole<'_>, Refusal> {
    let mut held = room.hold();
    // Nearly every body comes as one piece, and is not copied then.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        let bytes = first.len().max(rest.len()) + data.len();
        if bytes > max {
            return Err(Refusal::Receive(ReceiveError::TooLarge { bytes, max }));
        }
        held.grow_to(bytes)?;
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    let bytes = if rest.is_empty() { first } else { rest.freeze() };
    Ok(Whole { bytes, _held: held })
}

/// Why a body cannot be read on: it came too slowly, or what came is no body.
fn broken(error: &axum::Error) -> Refusal {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return Refusal::BodyTimeout;
        }
        cause = error.source();
    }
    Refusal::BodyBroken
}
