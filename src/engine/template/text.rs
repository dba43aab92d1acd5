//! Functions on strings: escaping, case, addresses and links.

use core::net::IpAddr;

/// Escapes for HTML, as Go's `html` function.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\0' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Escapes for a JavaScript string, as Go's `js` function.
pub(super) fn js(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '\'' | '"' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '<' | '>' | '&' | '=' | '\0'..='\x1f' => push_unicode(&mut escaped, character),
            other if is_printable(other) || other == '\x7f' => escaped.push(other),
            other => push_unicode(&mut escaped, other),
        }
    }
    escaped
}

fn push_unicode(escaped: &mut String, character: char) {
    escaped.push_str(&format!("\\u{:04X}", u32::from(character)));
}

/// Whether Go would print the character rather than escape it.
pub(super) fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    // Behind another character, the standard library escapes exactly what is not printable.
    let pair: String = ['a', character].iter().collect();
    pair.escape_debug().count() == 2
}

/// Escapes for the query part of a URL, as Go's `url.QueryEscape`.
pub(super) fn url_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            b' ' => escaped.push('+'),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

/// Upper case, character by character as Go does.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(upper_character).collect()
}

/// Lower case, character by character as Go does.
pub(super) fn lower(text: &str) -> String {
    text.chars()
        .map(|character| character.to_lowercase().next().unwrap_or(character))
        .collect()
}

/// Go knows only mappings from one character to one: `ß` stays.
fn upper_character(character: char) -> char {
    let mut mapped = character.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        _ => character,
    }
}

/// Sets the first letter of each word in upper case, as Go's `strings.Title`.
pub(super) fn title(text: &str) -> String {
    let mut previous = ' ';
    text.chars()
        .map(|character| {
            let starts_word = is_separator(previous);
            previous = character;
            if starts_word {
                upper_character(character)
            } else {
                character
            }
        })
        .collect()
}

fn is_separator(character: char) -> bool {
    if character.is_ascii() {
        return !(character.is_ascii_alphanumeric() || character == '_');
    }
    !character.is_alphanumeric() && character.is_whitespace()
}

/// Splits `host:port`, as Go's `net.SplitHostPort`; `None` where that is an error.
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let (before, port) = address.rsplit_once(':')?;
    let host = match before.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']')?,
        None if before.contains(':') => return None,
        None => before,
    };
    let is_clean = !host.contains(['[', ']']) && !port.contains(['[', ']']);
    is_clean.then_some((host, port))
}

/// The host of `host:port`, or the whole text where it is none.
pub(super) fn strip_port(address: &str) -> &str {
    split_host_port(address).map_or(address, |(host, _)| host)
}

/// The first part of a host name, with the port if there is one; addresses stay.
pub(super) fn strip_domain(address: &str) -> String {
    let (host, port) = split_host_port(address).unwrap_or((address, ""));
    if host.parse::<IpAddr>().is_ok() {
        return address.to_owned();
    }
    let name = host.split('.').next().unwrap_or(host);
    match (port.is_empty(), name.contains(':')) {
        (true, _) => name.to_owned(),
        (false, true) => format!("[{name}]:{port}"),
        (false, false) => format!("{name}:{port}"),
    }
}

/// A link to the page of an expression in Prometheus; tab 0 is the graph, 1 the table.
pub(super) fn graph_link(expression: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", url_query(expression))
}

/// The path of a URL.
pub(super) fn url_path(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = if after_scheme.len() < url.len() {
        after_scheme
            .find(['/', '?', '#'])
            .and_then(|start| after_scheme.get(start..))
            .unwrap_or("")
    } else {
        url
    };
    path.split(['?', '#']).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_port_or_domain() {
        // address, stripPort, stripDomain
        let cases = [
            ("foo.example.com", "foo.example.com", "foo"),
            ("foo.example.com:12345", "foo.example.com", "foo:12345"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:12345", "192.0.2.1", "192.0.2.1:12345"),
            ("2001:0DB8::1", "2001:0DB8::1", "2001:0DB8::1"),
            (
                "[2001:0DB8::1]:12345",
                "2001:0DB8::1",
                "[2001:0DB8::1]:12345",
            ),
            (
                "[2001:0DB8::1]::12345",
                "[2001:0DB8::1]::12345",
                "[2001:0DB8::1]::12345",
            ),
            ("[::1]:6006", "::1", "[::1]:6006"),
            ("host:", "host", "host"),
            ("", "", ""),
        ];
        for (address, host, name) in cases {
            assert_eq!(strip_port(address), host, "{address}");
            assert_eq!(strip_domain(address), name, "{address}");
        }
    }

    #[test]
    fn words_change_case_as_in_go() {
        let cases = [
            ("aa bb CC", "Aa Bb CC", "AA BB CC", "aa bb cc"),
            ("a-b_c d.e", "A-B_c D.E", "A-B_C D.E", "a-b_c d.e"),
            ("élan ßa", "Élan ßa", "ÉLAN ßA", "élan ßa"),
        ];
        for (text, titled, raised, lowered) in cases {
            assert_eq!(title(text), titled);
            assert_eq!(upper(text), raised);
            assert_eq!(lower(text), lowered);
        }
    }

    #[test]
    fn escapes_are_those_of_go() {
        assert_eq!(
            html("<a b='\"&\">\0"),
            "&lt;a b=&#39;&#34;&amp;&#34;&gt;\u{fffd}"
        );
        assert_eq!(
            js("a'\"\\<=>\n\u{7f}é"),
            "a\\'\\\"\\\\\\u003C\\u003D\\u003E\\u000A\u{7f}é"
        );
        assert_eq!(url_query("a b&c=é~"), "a+b%26c%3D%C3%A9~");
        assert_eq!(
            graph_link("up{a=\"b\"}", 1),
            "/graph?g0.expr=up%7Ba%3D%22b%22%7D&g0.tab=1"
        );
    }

    #[test]
    fn the_path_of_a_url_is_between_host_and_query() {
        let cases = [
            ("http://testhost:9090/path/prefix", "/path/prefix"),
            ("http://testhost:9090", ""),
            ("http://testhost/?a=/b", "/"),
            ("/only", "/only"),
            ("", ""),
        ];
        for (url, path) in cases {
            assert_eq!(url_path(url), path, "{url}");
        }
    }
}
