//! Why a delivery is not taken.

use std::fmt;
use std::time::Duration;

use finis_engine::print_span;

use super::header::SIGNATURES_MAX;
use super::signed::Unfillable;

/// Why a delivery is not taken. Its text is for the operator's log: it names headers and lengths of
/// time, and holds nothing that the delivery or a secret says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// A header is not there.
    MissingHeader {
        /// Its name, as the contract writes it.
        header: String,
    },
    /// A header is there, and is not what it should be.
    Malformed {
        /// Its name, as the contract writes it.
        header: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// More signatures, or other elements, than [`SIGNATURES_MAX`].
    TooManySignatures {
        /// The name of the header, as the contract writes it.
        header: String,
    },
    /// What is signed has parts that this delivery has not.
    Unfillable(Unfillable),
    /// No secret that counts now made any of the signatures: someone else did, or the delivery was
    /// changed on its way.
    NoMatch,
    /// Signed, but longer ago than the tolerance: delivered again, or a clock is wrong.
    TooOld {
        /// How long ago.
        by: Duration,
    },
    /// Signed, but further ahead of our clock than the tolerance: a clock is wrong.
    TooFarAhead {
        /// How far.
        by: Duration,
    },
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// It stands in the delivery twice: one cannot know which of them others go by.
    Repeated,
    /// There is nothing in it.
    Empty,
    /// It is not ASCII.
    NotText,
    /// Elements are not as `t=…`, or not those that must be there.
    Elements,
    /// Nothing in it is written as a signature of this provider is.
    NoSignature,
    /// The time is not written as those of this provider are.
    Time,
    /// The id could be taken for more than an id.
    Id,
}

impl Refused {
    /// What the sender is told, whatever the reason: a forger learns nothing from it.
    pub const PUBLIC: &'static str = "the delivery could not be verified";
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::MissingHeader { header } => write!(f, "no header `{header}`"),
            Refused::Malformed { header, problem } => write!(f, "header `{header}`: {problem}"),
            Refused::TooManySignatures { header } => {
                write!(f, "header `{header}`: more than {SIGNATURES_MAX} elements")
            }
            Refused::Unfillable(unfillable) => unfillable.fmt(f),
            Refused::NoMatch => f.write_str("no secret made this signature"),
            Refused::TooOld { by } => write!(f, "signed {} ago, which is too long", print_span(*by)),
            Refused::TooFarAhead { by } => write!(f, "signed {} ahead of our clock", print_span(*by)),
        }
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Repeated => "it stands there twice",
            Problem::Empty => "it is empty",
            Problem::NotText => "it is not ASCII",
            Problem::Elements => "its elements are not those of this provider",
            Problem::NoSignature => "no signature of this provider is in it",
            Problem::Time => "the time is not written as the contract says",
            Problem::Id => "the id holds what separates it from the rest",
        })
    }
}
