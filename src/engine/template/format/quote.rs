//! Quotes texts as Go's `strconv.Quote` does.

use super::super::text::is_printable;

/// Whether a text can stand between back quotes.
pub(super) fn can_be_raw(text: &str) -> bool {
    text.chars().all(|character| {
        character == '\t' || !(character.is_ascii_control() || "`\u{feff}".contains(character))
    })
}

/// A text in quotes with Go's escapes.
pub(super) fn quote(text: &str, mark: char, ascii_only: bool) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(mark);
    for character in text.chars() {
        match character {
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            character if character == mark => {
                quoted.push('\\');
                quoted.push(mark);
            }
            character if character.is_ascii() || !ascii_only => {
                if is_printable(character) {
                    quoted.push(character);
                } else {
                    push_escape(&mut quoted, character);
                }
            }
            character => push_escape(&mut quoted, character),
        }
    }
    quoted.push(mark);
    quoted
}

fn push_escape(quoted: &mut String, character: char) {
    let code = u32::from(character);
    let escape = match code {
        0..0x80 => format!("\\x{code:02x}"),
        0x80..0x1_0000 => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    };
    quoted.push_str(&escape);
}
