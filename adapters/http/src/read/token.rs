//! Who may read.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, header};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::Shared;
use super::problem::Problem;

/// A bearer token. Its bytes are wiped when it is dropped, and nothing prints them.
///
/// Comparing takes the same time wherever two tokens differ; that of another length is told from it.
pub struct Token(Zeroizing<Vec<u8>>);

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is shorter than [`Token::BYTES_MIN`].
    TooShort,
    /// It has a character that no bearer token has: those are letters, digits and `-._~+/`, and `=` at the end.
    Character,
}

impl Token {
    /// Bytes that a token has at least.
    pub const BYTES_MIN: usize = 16;

    /// A token of this text.
    ///
    /// # Errors
    /// When it is too short to be one, or no header can carry it.
    pub fn new(text: impl Into<Vec<u8>>) -> Result<Token, TokenError> {
        let token = Token(Zeroizing::new(text.into()));
        let unpadded = token.0.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
        if token.0.len() < Token::BYTES_MIN {
            return Err(TokenError::TooShort);
        }
        let is_fit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
        if unpadded == 0 || !token.0[..unpadded].iter().all(is_fit) {
            return Err(TokenError::Character);
        }
        Ok(token)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::TooShort => write!(f, "a token has at least {} characters", Token::BYTES_MIN),
            TokenError::Character => {
                f.write_str("a token is made of letters, digits and `-._~+/`, and may end with `=`")
            }
        }
    }
}

impl std::error::Error for TokenError {}

/// Lets through whoever has one of the tokens.
pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if is_allowed(&shared.tokens, request.headers()) { Ok(next.run(request).await) } else { Err(Problem::no_token()) }
}

fn is_allowed(tokens: &[Token], headers: &HeaderMap) -> bool {
    // Two of them, and nobody knows which counts.
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(given), None) = (given.next(), given.next()) else { return false };
    let Some((scheme, given)) = given.as_bytes().split_at_checked(7) else { return false };
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return false;
    }
    // All are looked at, so that nothing shows which one it was.
    let found = tokens.iter().fold(Choice::from(0), |found, token| found | token.0.as_slice().ct_eq(given));
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(values: &[&str]) -> bool {
        let tokens = ["0123456789abcdef", "abcdefghijklmnopqrs="].map(|text| Token::new(text).unwrap());
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        is_allowed(&tokens, &headers)
    }

    #[test]
    fn only_a_whole_token_by_the_bearer_scheme_counts() {
        assert!(allowed(&["Bearer 0123456789abcdef"]));
        assert!(allowed(&["bearer abcdefghijklmnopqrs="]));
        for value in [
            "Bearer 0123456789abcdeg",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer  0123456789abcdef",
            "Bearer",
            "Bearer ",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "",
        ] {
            assert!(!allowed(&[value]), "{value}");
        }
        assert!(!allowed(&[]));
        assert!(!allowed(&["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"]));
    }

    #[test]
    fn a_token_is_long_enough_and_fit_for_a_header() {
        assert_eq!(Token::new("").err(), Some(TokenError::TooShort));
        assert_eq!(Token::new("0123456789abcde").err(), Some(TokenError::TooShort));
        for text in ["0123456789 abcdef", "0123456789abcdef\n", "================", "abc=def0123456789"] {
            assert_eq!(Token::new(text).err(), Some(TokenError::Character), "{text:?}");
        }
    }
}
