//! Environment variables in the values of a document: `${NAME}`.

use super::index::MAX_SCALAR_BYTES;
use super::node::{Content, Node, Span};
use super::source::Source;

/// Replaces `${NAME}` in every value by what `lookup` gives, and `$${` by `${`; keys stay as they are.
///
/// This comes after parsing, so a variable can never add a key or a list; but an unquoted value is judged anew, so that
/// `${N}` can be a number.
pub(super) fn expand(
    node: &mut Node,
    source: &Source,
    lookup: &dyn Fn(&str) -> Option<String>,
    faults: &mut Vec<(Span, String)>,
) {
    match &mut node.content {
        Content::Scalar(scalar) if scalar.text.contains("${") => {
            match expand_text(&scalar.text, lookup) {
                Ok(text) => scalar.text = text,
                Err(Refusal { written, message }) => {
                    faults.push((find(source, node.span, &written), message));
                }
            }
        }
        Content::Scalar(_) | Content::Assumed => {}
        Content::Sequence(elements) => {
            for element in elements {
                expand(element, source, lookup, faults);
            }
        }
        Content::Mapping(entries) => {
            for entry in entries {
                expand(&mut entry.value, source, lookup, faults);
            }
        }
    }
}

/// The part of a value that could not be expanded, and why.
struct Refusal {
    written: String,
    message: String,
}

fn expand_text(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Refusal> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_name(name)) else {
            let allowed = "allowed: ${NAME} of letters, digits and _, or $${ for ${ itself";
            return Err(Refusal {
                written: "${".to_owned(),
                message: format!("cannot expand the variable after `${{`, {allowed}"),
            });
        };
        let written = format!("${{{name}}}");
        let Some(value) = lookup(name) else {
            return Err(Refusal {
                message: format!("environment variable `{name}` is not set"),
                written,
            });
        };
        if expanded.len() + value.len() > MAX_SCALAR_BYTES {
            let message = format!(
                "environment variable `{name}` makes the value too long, allowed: {MAX_SCALAR_BYTES} bytes"
            );
            return Err(Refusal { written, message });
        }
        expanded.push_str(&value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_';
    !name.is_empty() && name.chars().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Where `written` stands in the lines of a value; the value itself if it was written with escapes.
fn find(source: &Source, span: Span, written: &str) -> Span {
    let lines = (span.line..).map_while(|line| Some((line, source.line(line)?)));
    let mut found = lines.filter_map(|(number, line)| {
        let before = if number == span.line {
            span.column - 1
        } else {
            0
        };
        let start = line.char_indices().nth(before)?.0;
        let bytes = start + line.get(start..)?.find(written)?;
        Some(Span {
            line: number,
            column: line.get(..bytes)?.chars().count() + 1,
            length: written.chars().count(),
        })
    });
    found.next().unwrap_or(span)
}
