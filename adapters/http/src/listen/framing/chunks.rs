//! A body in chunks: sizes, data, and what stands around it.

use super::Refusal;

/// Digits of a chunk's size. More would be more than any body may have.
const SIZE_DIGITS_MAX: u8 = 8;

/// Bytes of all that is neither data nor a size: extensions and trailers, of a whole body.
const ASIDE_BYTES_MAX: usize = 4 << 10;

/// Follows a chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: At,
    /// The size that is being read, and then what is left of the data.
    size: u64,
    digits: u8,
    aside: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    Extension,
    SizeFeed,
    Data,
    DataReturn,
    DataFeed,
    /// Where a trailer begins, or the end.
    Trailer,
    InTrailer,
    TrailerFeed,
    EndFeed,
    End,
}

impl Chunks {
    /// How many of these bytes belong to the body, at least one, and whether it ends with them.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<(usize, bool), Refusal> {
        let mut here = 0;
        while here < bytes.len() && self.at != At::End {
            if self.at == At::Data {
                // Never more than there are bytes here.
                let data = self.size.min((bytes.len() - here) as u64);
                self.size -= data;
                here += data as usize;
                if self.size == 0 {
                    self.at = At::DataReturn;
                }
            } else {
                self.at = self.after(bytes[here])?;
                here += 1;
            }
        }
        Ok((here, self.at == At::End))
    }

    fn after(&mut self, byte: u8) -> Result<At, Refusal> {
        match (self.at, byte) {
            (At::Size, _) if byte.is_ascii_hexdigit() && self.digits < SIZE_DIGITS_MAX => {
                // One digit of sixteen.
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                (self.size, self.digits) = (self.size * 16 + digit, self.digits + 1);
                Ok(At::Size)
            }
            (At::Size, b';') if self.digits > 0 => Ok(At::Extension),
            (At::Size | At::Extension, b'\r') if self.digits > 0 => Ok(At::SizeFeed),
            (At::Extension, _) => self.aside(byte, At::Extension),
            (At::SizeFeed, b'\n') => {
                self.digits = 0;
                Ok(if self.size == 0 { At::Trailer } else { At::Data })
            }
            (At::DataReturn, b'\r') => Ok(At::DataFeed),
            (At::DataFeed, b'\n') => Ok(At::Size),
            (At::Trailer, b'\r') => Ok(At::EndFeed),
            (At::EndFeed, b'\n') => Ok(At::End),
            (At::InTrailer, b'\r') => Ok(At::TrailerFeed),
            (At::TrailerFeed, b'\n') => Ok(At::Trailer),
            (At::Trailer | At::InTrailer, _) => self.aside(byte, At::InTrailer),
            _ => Err(Refusal::Chunk),
        }
    }

    fn aside(&mut self, byte: u8, at: At) -> Result<At, Refusal> {
        self.aside += 1;
        let is_text = byte == b'\t' || !byte.is_ascii_control();
        if is_text && self.aside <= ASIDE_BYTES_MAX { Ok(at) } else { Err(Refusal::Chunk) }
    }
}
