//! Reading a whole tree with every fault in one pass: what cannot be read is reported, taken out, and the rest is read again.

use serde::de::DeserializeOwned;

use super::deserializer::{Error, Reason};
use super::node::{Content, Entry, Node, Scalar, Span};
use super::place::{Place, Step};

/// Faults after which a file is not read on.
pub(super) const MAX_FAULTS: usize = 100;

/// Reads `T` from the tree; what could not be read is missing in the tree afterwards.
///
/// A fault of a mapping as a whole takes the smallest enclosing node that can go: an element of a list or a key of a mapping.
/// What may only be a consequence of that (a field now missing, a check that a type makes over its own fields) is not reported;
/// it comes to light when the first fault is repaired, if it is one of its own.
pub(super) fn decode<T: DeserializeOwned>(
    root: &mut Node,
    faults: &mut Vec<(Span, String)>,
) -> Option<T> {
    while faults.len() < MAX_FAULTS {
        let error = match T::deserialize(&*root) {
            Err(error) => error,
            Ok(value) => match root.incomplete() {
                None => return Some(value),
                Some(steps) if root.remove(&steps) => continue,
                Some(_) => return None,
            },
        };
        let mut steps = error.steps();
        if let Some(incomplete) = assumed_on_the_way(root, &steps) {
            // The assumed value did not do: nothing more can be learnt about its mapping.
            if root.remove(incomplete) {
                continue;
            }
            return None;
        }
        let suggestion = suggestion(&error.reason);
        if !is_consequence(root, &steps, &error.reason) {
            let span = place_of(root, &steps, &error);
            faults.push((span, explain(&error, steps.clone(), suggestion)));
            if let Reason::MissingField(field) = error.reason
                && assume(root, &steps, field, span)
            {
                continue;
            }
            steps = error.removable();
        } else if let Some(incomplete) = root.get(&steps).and_then(Node::incomplete) {
            // The smaller node goes first.
            steps.extend(incomplete);
        }
        if !root.remove(&steps) {
            return None;
        }
        // A misspelt key stood for the right one, which is now missing only for that.
        if let (Some(suggestion), Some((_, parents))) = (suggestion, steps.split_last())
            && let Some(parent) = root.get_mut(parents)
        {
            parent.lost.push(suggestion.to_owned());
        }
    }
    None
}

/// The way to the mapping with the assumed value through which `steps` goes.
fn assumed_on_the_way<'a>(root: &Node, steps: &'a [Step]) -> Option<&'a [Step]> {
    let is_assumed = |length: &usize| {
        let node = steps.get(..*length).and_then(|way| root.get(way));
        node.is_some_and(|node| matches!(node.content, Content::Assumed))
    };
    let length = (1..=steps.len()).find(is_assumed)?;
    steps.get(..length - 1)
}

/// Puts an assumed value into the mapping, so that the next missing field of it can be found in this pass too.
fn assume(root: &mut Node, steps: &[Step], field: &str, span: Span) -> bool {
    let Some(Node {
        content: Content::Mapping(entries),
        ..
    }) = root.get_mut(steps)
    else {
        return false;
    };
    let name = Scalar {
        text: field.to_owned(),
        plain: false,
    };
    entries.push(Entry {
        key: Node::new(span, Content::Scalar(name)),
        value: Node::new(span, Content::Assumed),
    });
    true
}

/// Whether an error may be there only because something was taken out before.
fn is_consequence(root: &Node, steps: &[Step], reason: &Reason) -> bool {
    let Some(node) = root.get(steps) else {
        return false;
    };
    match reason {
        Reason::MissingField(field) => node.lost.iter().any(|lost| lost == field),
        Reason::WrongLength(..) | Reason::WrongType(..) | Reason::Own(_) => {
            node.is_damaged() || node.incomplete().is_some()
        }
        Reason::UnknownField(..) | Reason::UnknownVariant(..) => false,
    }
}

fn place_of(root: &Node, steps: &[Step], error: &Error) -> Span {
    match (&error.reason, root.get(steps)) {
        _ if error.at_key => root.locate_key(steps),
        // A list or mapping that should be something else is itself what is wrong, not its key.
        (Reason::WrongType(..), Some(node)) if !node.is_nothing() => node.head(),
        _ => root.locate(steps),
    }
}

/// What was probably meant by an unknown name.
fn suggestion(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::UnknownField(name, allowed) | Reason::UnknownVariant(name, allowed) => {
            nearest(name, allowed)
        }
        _ => None,
    }
}

/// The allowed name that is at most a few slips of the pen away.
fn nearest(name: &str, allowed: &[&'static str]) -> Option<&'static str> {
    const LONGEST: usize = 100;
    if name.len() > LONGEST {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
    let name = plain(name);
    let slips = 1 + name.chars().count() / 4;
    let distance = |candidate: &str| strsim::damerau_levenshtein(&name, &plain(candidate));
    let near = allowed
        .iter()
        .map(|&candidate| (distance(candidate), candidate));
    let (_, candidate) = near
        .filter(|&(distance, candidate)| distance <= slips && distance < candidate.len())
        .min_by_key(|&(distance, _)| distance)?;
    Some(candidate)
}

/// The sentence for the user.
fn explain(error: &Error, steps: Vec<Step>, suggestion: Option<&str>) -> String {
    let place = Place::from_steps(steps);
    let name = place
        .name()
        .map_or("the document".to_owned(), |name| format!("`{name}`"));
    let unknown = |what: &str, name: &str, allowed: &[&str]| {
        let hint = suggestion.map(|name| format!(" did you mean `{name}`?"));
        let hint = hint.unwrap_or_default();
        let allowed = match allowed {
            [] => "none".to_owned(),
            some => some.join(", "),
        };
        let name: String = name.escape_debug().take(100).collect();
        format!("unknown {what} `{name}`,{hint} allowed: {allowed}")
    };
    match &error.reason {
        Reason::UnknownField(name, allowed) => unknown("field", name, allowed),
        Reason::UnknownVariant(name, allowed) => unknown("value", name, allowed),
        Reason::MissingField(field) if place.steps().is_empty() => {
            format!("missing field `{field}`")
        }
        Reason::MissingField(field) => format!("missing field `{field}` in `{place}`"),
        Reason::WrongType(found, allowed) => {
            format!("cannot read {name}: {found} given, allowed: {allowed}")
        }
        Reason::WrongLength(length, allowed) => {
            format!("cannot read {name}: {length} values given, allowed: {allowed}")
        }
        Reason::Own(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_another_word_is_not() {
        let allowed = ["threshold", "for", "for_samples", "keep_firing_for", "by"];
        let cases = [
            ("tresholds", Some("threshold")),
            ("keepFiringFor", Some("keep_firing_for")),
            ("for-samples", Some("for_samples")),
            ("fro", Some("for")),
            ("to", None),
            ("expr", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, &allowed), expected, "{name}");
        }
    }
}
