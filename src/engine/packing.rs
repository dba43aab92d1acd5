//! Numbers as bytes, for what is kept in large numbers and rarely read: most integers are small and take one byte.

/// Appends a whole number, seven bits a byte (LEB128).
#[expect(
    clippy::cast_possible_truncation,
    reason = "seven bits at a time is the encoding"
)]
pub(super) fn put(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

/// Takes a whole number off the front.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    // Nearly all numbers are short.
    if let Some((first @ 0..0x80, rest)) = bytes.split_first() {
        *bytes = rest;
        return Some(u64::from(*first));
    }
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// Appends a whole number that may be negative, small ones of either sign in few bytes.
pub(super) fn put_signed(bytes: &mut Vec<u8>, n: i64) {
    put(bytes, ((n << 1) ^ (n >> 63)).cast_unsigned());
}

/// Takes a whole number that may be negative off the front.
pub(super) fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let n = take(bytes)?;
    Some((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
}

/// Appends a float, exactly.
pub(super) fn put_float(bytes: &mut Vec<u8>, value: f64) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

/// Takes a float off the front.
pub(super) fn take_float(bytes: &mut &[u8]) -> Option<f64> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(f64::from_le_bytes(*first))
}

/// Takes so many bytes off the front.
pub(super) fn take_part<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (part, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were() {
        let mut bytes = Vec::new();
        let whole = [0, 1, 127, 128, 300, u64::MAX];
        let signed = [0, -1, 1, -64, 64, i64::MIN, i64::MAX];
        let floats = [0.0, -1.5, 1e-300, f64::INFINITY];
        whole.iter().for_each(|n| put(&mut bytes, *n));
        signed.iter().for_each(|n| put_signed(&mut bytes, *n));
        floats.iter().for_each(|n| put_float(&mut bytes, *n));
        let mut rest = bytes.as_slice();
        whole
            .iter()
            .for_each(|n| assert_eq!(take(&mut rest), Some(*n)));
        signed
            .iter()
            .for_each(|n| assert_eq!(take_signed(&mut rest), Some(*n)));
        floats
            .iter()
            .for_each(|n| assert_eq!(take_float(&mut rest), Some(*n)));
        assert_eq!((take(&mut rest), take_float(&mut rest)), (None, None));
        assert_eq!(take(&mut &[0x80, 0x80][..]), None);
    }
}
