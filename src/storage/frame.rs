//! How a blob stands in the database: compressed where that pays, and with a checksum, because a disk may give back
//! something else than was written.

/// The first byte says how the rest is written.
const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// Shorter ones are not worth compressing.
const COMPRESSED_FROM: usize = 512;
/// Nothing that is written is longer; a damaged length must not be allocated.
const MOST_BYTES: usize = 256 << 20;

/// Why a blob cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// It is shorter than any that is written.
    #[error("it is cut off")]
    CutOff,
    /// Its checksum is another one.
    #[error("its checksum is wrong")]
    Checksum,
    /// It is written in a way that is not known.
    #[error("it is written in way {0}, which this version does not know")]
    Unknown(u8),
    /// It cannot be decompressed.
    #[error("it cannot be decompressed")]
    Compression,
}

/// The blob that holds `body`.
pub fn seal(body: &[u8]) -> Vec<u8> {
    let compressed = (body.len() >= COMPRESSED_FROM)
        .then(|| lz4_flex::compress_prepend_size(body))
        .filter(|compressed| compressed.len() < body.len());
    let (kind, content) = match &compressed {
        Some(compressed) => (LZ4, compressed.as_slice()),
        None => (PLAIN, body),
    };
    let mut blob = Vec::with_capacity(content.len() + 5);
    blob.push(kind);
    blob.extend_from_slice(&checksum(kind, content).to_le_bytes());
    blob.extend_from_slice(content);
    blob
}

/// What a blob holds.
///
/// # Errors
/// When it is not as it was written.
pub fn open(blob: &[u8]) -> Result<Vec<u8>, BadFrame> {
    let (kind, rest) = blob.split_first().ok_or(BadFrame::CutOff)?;
    let (sum, content) = rest.split_first_chunk().ok_or(BadFrame::CutOff)?;
    if u32::from_le_bytes(*sum) != checksum(*kind, content) {
        return Err(BadFrame::Checksum);
    }
    match *kind {
        PLAIN => Ok(content.to_vec()),
        LZ4 => {
            let length = content.first_chunk().map(|size| u32::from_le_bytes(*size));
            let fits = |length| usize::try_from(length).is_ok_and(|length| length <= MOST_BYTES);
            if !length.is_some_and(fits) {
                return Err(BadFrame::Compression);
            }
            lz4_flex::decompress_size_prepended(content).map_err(|_| BadFrame::Compression)
        }
        other => Err(BadFrame::Unknown(other)),
    }
}

fn checksum(kind: u8, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_blob_gives_back_its_body_and_no_other(
            body in prop::collection::vec(0u8..4, 0..3_000), place: prop::sample::Index, bit in 0u8..8,
        ) {
            let blob = seal(&body);
            prop_assert_eq!(open(&blob), Ok(body));
            let mut flipped = blob.clone();
            flipped[place.index(blob.len())] ^= 1u8 << bit;
            prop_assert!(open(&flipped).is_err());
            prop_assert!(open(&blob[..place.index(blob.len())]).is_err());
        }
    }
}
