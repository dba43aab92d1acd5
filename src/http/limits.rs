//! How much a client may ask of a listener.

use std::fmt;
use std::time::Duration;

/// The bounds of one listener; what exceeds one is refused, never queued without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body as sent, in bytes; above it 413.
    pub body_bytes: usize,
    /// Largest request body after decompression, in bytes; above it 413.
    pub decompressed_bytes: usize,
    /// Connections open at once; above it idle ones give way, else 503.
    pub connections: usize,
    /// How long a new connection may take to send a request head; then it is closed.
    pub header_timeout: Duration,
    /// How long a request body may take to arrive (then 408), and a response may wait for its reader (then it is closed).
    pub body_timeout: Duration,
    /// How long a connection may rest between two requests; then it is closed.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 8 << 20,
            decompressed_bytes: 64 << 20,
            connections: 512,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
        }
    }
}

/// A number of bytes, printed in the largest binary unit that divides it, for example `8 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub usize);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(usize, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        for (size, unit) in UNITS {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(f, "{} {unit}", self.0 / size);
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_sizes_print_in_the_largest_unit_that_divides_them() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1536 bytes"),
            (8 << 20, "8 MiB"),
            (64 << 20, "64 MiB"),
            (3 << 30, "3 GiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), expected);
        }
    }
}
