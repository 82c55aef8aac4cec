//! What is posted: a function of a number, so that the number is all that has to be remembered.
//!
//! Sessions have four deliveries and come eight at a time, in an order that is not theirs. Every
//! seventh number posts again what an earlier one did, every 31st posts what nobody can read. Half of
//! the sessions are of a source with a secret and long deadlines, half of one without, whose deadlines
//! pass while the test runs.

use std::time::Duration;

use finis::live::{Secret, SourceSetup};

/// A delivery as a provider posts it.
pub(crate) struct Posted {
    pub(crate) source: &'static str,
    pub(crate) session: String,
    pub(crate) body: String,
    pub(crate) readable: bool,
}

const SECRET: &str = "s3cret";

/// Of both sources; the one without a secret does not look.
pub(crate) const HEADERS: [(&str, &str); 1] = [("X-Webhook-Secret", SECRET)];

pub(crate) const SIGNED: &str = "signed";
pub(crate) const BRIEF: &str = "brief";

/// Both sources; `stall` is that of the one with brief deadlines.
pub(crate) fn sources(stall: Duration) -> [SourceSetup; 2] {
    [
        SourceSetup::new(SIGNED, "pathors").header("x-webhook-secret").secret(Secret::new(SECRET)),
        SourceSetup::new(BRIEF, "pathors").unsigned().grace(Duration::from_millis(20)).stall(stall),
    ]
}

/// What this number posts.
pub(crate) fn posted(number: u64) -> Posted {
    let of = original(number);
    // 13 has no factor of 32, so each place is taken once.
    let (block, place) = (of / 32, of % 32 * 13 % 32);
    let number = block * 8 + place / 4;
    let session = format!("s-{number}");
    let source = if number % 2 == 0 { SIGNED } else { BRIEF };
    let time = format!("2026-05-03T08:42:{:02}Z", 10 + place);
    let rest = match place % 4 {
        0 => "\"event\":\"session.ended\",\"messagesCount\":8",
        1 => "\"event\":\"call.ended\",\"callStatus\":\"userHangup\",\"callDuration\":78",
        2 => "\"event\":\"session.finalized\",\"messagesCount\":8,\"callStatus\":\"userHangup\",\"callDuration\":78",
        _ => "\"event\":\"recording.ready\",\"success\":true,\"recordingUrl\":\"https://r.example/1\"",
    };
    let padding = padding(of);
    let readable = of % 31 != 30;
    let end = if readable { "}" } else { "" };
    let body = format!(
        r#"{{"number":{of},"sessionId":"{session}","timestamp":"{time}",{rest},"extractedVariables":{{"text":"{padding}"}}{end}"#
    );
    Posted { source, session, body, readable }
}

/// The number that first posts what this one does.
pub(crate) fn original(number: u64) -> u64 {
    if number % 7 == 6 { number - 3 } else { number }
}

/// The number that posts this; nothing when none does.
pub(crate) fn number_of(body: &[u8]) -> Option<u64> {
    let digits = body.strip_prefix(b"{\"number\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    let number = str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
    (posted(number).body.as_bytes() == body).then_some(number)
}

/// Mostly short, sometimes some KiB, and hard to compress.
fn padding(number: u64) -> String {
    let words = if number % 11 == 5 { 300 } else { 3 };
    crate::Random(number).text(words)
}
