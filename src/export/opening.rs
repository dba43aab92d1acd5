//! Finds the records in a JSON object that holds all of them, as the guide exports it.

use std::io::{self, BufRead};

use super::read::MAX_RECORD_BYTES;

/// How an input that begins with an object goes on.
pub(super) enum Opened {
    /// Its records are in an array, whose `[` has been read, that many lines further on.
    Metrics { lines: u64 },
    /// It is a record itself; so much of it has been read.
    Records(Vec<u8>),
}

/// Looks for the array `metrics` of the first object, reading no further than its `[`.
pub(super) fn open(input: &mut impl BufRead) -> io::Result<Opened> {
    let mut head: Vec<u8> = Vec::new();
    let (mut depth, mut in_string, mut is_escaped) = (0_u32, false, false);
    // Where the last text of the first object began, and whether a colon has followed it.
    let (mut text, mut is_name) = (0..0, false);
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() || head.len() > MAX_RECORD_BYTES {
            return Ok(Opened::Records(head));
        }
        let mut used = 0;
        let mut is_found = false;
        for &byte in chunk {
            used += 1;
            head.push(byte);
            let end = head.len();
            match (in_string, byte) {
                (true, _) if is_escaped => is_escaped = false,
                (true, b'\\') => is_escaped = true,
                (true, b'"') => {
                    in_string = false;
                    text.end = end - 1;
                }
                (false, b'"') => {
                    in_string = true;
                    (text, is_name) = (end..end, false);
                }
                (false, b':') => is_name = true,
                (false, b'[') if depth == 1 && is_name => {
                    is_found = head.get(text.clone()) == Some(b"metrics");
                    depth += 1;
                }
                (false, b'{' | b'[') => depth += 1,
                (false, b'}' | b']') => depth = depth.saturating_sub(1),
                (false, b',') => is_name = false,
                _ => {}
            }
            if is_found || depth == 0 {
                break;
            }
        }
        input.consume(used);
        if is_found {
            let ends = head.iter().filter(|byte| **byte == b'\n');
            let lines = u64::try_from(ends.count()).unwrap_or_default();
            return Ok(Opened::Metrics { lines });
        }
        if depth == 0 {
            // To the end of its line, so that the lines after it stay whole.
            let most = u64::try_from(MAX_RECORD_BYTES).unwrap_or(u64::MAX);
            io::Read::take(&mut *input, most).read_until(b'\n', &mut head)?;
            return Ok(Opened::Records(head));
        }
    }
}
