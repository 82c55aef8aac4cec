//! A body, read whole, within bounds.

use std::error::Error;
use std::io;
use std::ops::Deref;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use finis_engine::ReceiveError;
use http_body::Body;
use http_body_util::BodyExt as _;

use super::BoxError;
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
pub(super) async fn read<B>(body: B, max: usize, room: &Room) -> Result<Whole<'_>, Refusal>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    let mut held = room.hold();
    // Nearly every body comes as one piece, and is not copied then.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&*error.into()))?;
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
fn broken(error: &(dyn Error + 'static)) -> Refusal {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return Refusal::BodyTimeout;
        }
        cause = error.source();
    }
    Refusal::BodyBroken
}
