//! Text in URLs.

use std::fmt::Write as _;

/// Text with everything encoded that means anything in a URL (RFC 3986, section 2.3): as it may stand in a segment of a
/// path, or as a name or value of a query.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_could_lead_elsewhere_is_encoded() {
        for (text, expected) in [
            ("aZ09-._~", "aZ09-._~"),
            ("../a?b=c&d#e", "..%2Fa%3Fb%3Dc%26d%23e"),
            ("100% \u{e4}", "100%25%20%C3%A4"),
            ("", ""),
        ] {
            assert_eq!(percent_encoded(text), expected);
        }
    }
}
