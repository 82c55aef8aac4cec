//! Little-endian integers at fixed places. Past the end they are zero, so no caller can panic; each
//! checks the length before it believes a value.

/// Everything stands at a multiple of this, so that eight bytes never cross a sector.
pub(super) const ALIGN: usize = 8;

pub(super) const fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGN)
}

pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = at.checked_add(N).and_then(|end| bytes.get(at..end));
    found.and_then(|found| found.try_into().ok()).unwrap_or([0; N])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// CRC32C of two stretches, one after the other.
pub(super) fn crc(left: &[u8], right: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(left), right)
}
