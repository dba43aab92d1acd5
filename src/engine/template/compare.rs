//! Comparison, indexing and length, by the rules of Go's `text/template`.

use std::cmp::Ordering;

use super::error::Fault;
use super::value::{MapKind, Value};

/// `eq`: whether the first argument equals any of the others.
pub(super) fn equal(values: &[Value]) -> Result<Value, Fault> {
    let Some((first, others)) = values.split_first() else {
        return Err(Fault::from("missing argument for comparison"));
    };
    if others.is_empty() {
        return Err(Fault::from("missing argument for comparison"));
    }
    for other in others {
        if is_equal(first, other)? {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

/// `ne`
pub(super) fn unequal(values: &[Value]) -> Result<Value, Fault> {
    let (left, right) = pair(values)?;
    Ok((!is_equal(left, right)?).into())
}

/// `lt`
pub(super) fn below(values: &[Value]) -> Result<Value, Fault> {
    Ok((order(values)? == Some(Ordering::Less)).into())
}

/// `le`
pub(super) fn at_most(values: &[Value]) -> Result<Value, Fault> {
    let order = order(values)?;
    Ok(matches!(order, Some(Ordering::Less | Ordering::Equal)).into())
}

/// `gt`, in Go the opposite of `le`, and therefore true where one side is not a number.
pub(super) fn above(values: &[Value]) -> Result<Value, Fault> {
    let order = order(values)?;
    Ok((!matches!(order, Some(Ordering::Less | Ordering::Equal))).into())
}

/// `ge`, in Go the opposite of `lt`, and therefore true where one side is not a number.
pub(super) fn at_least(values: &[Value]) -> Result<Value, Fault> {
    Ok((order(values)? != Some(Ordering::Less)).into())
}

fn pair(values: &[Value]) -> Result<(&Value, &Value), Fault> {
    match values {
        [left, right] => Ok((left, right)),
        _ => Err(Fault::from("comparison needs two arguments")),
    }
}

fn incompatible(left: &Value, right: &Value) -> Fault {
    let hint = match (left, right) {
        (Value::Number(_), Value::Int(_)) | (Value::Int(_), Value::Number(_)) => {
            ", a number with a decimal point is a float64"
        }
        _ => "",
    };
    Fault::from(format!(
        "incompatible types for comparison: {} and {}{hint}",
        left.type_name(),
        right.type_name()
    ))
}

fn is_equal(left: &Value, right: &Value) -> Result<bool, Fault> {
    match (left, right) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Int(left), Value::Int(right)) => Ok(left == right),
        #[expect(clippy::float_cmp, reason = "templates compare exactly, as Go does")]
        (Value::Number(left), Value::Number(right)) => Ok(left == right),
        (Value::String(left), Value::String(right)) => Ok(left == right),
        (Value::Time(left), Value::Time(right)) => Ok(left == right),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => {
            Err(Fault::from(format!(
                "values of type {} cannot be compared, allowed are basic types",
                left.type_name()
            )))
        }
        _ => Err(incompatible(left, right)),
    }
}

/// How the two arguments compare; `None` where one of them is not a number.
fn order(values: &[Value]) -> Result<Option<Ordering>, Fault> {
    match pair(values)? {
        (Value::Int(left), Value::Int(right)) => Ok(Some(left.cmp(right))),
        (Value::Number(left), Value::Number(right)) => Ok(left.partial_cmp(right)),
        (Value::String(left), Value::String(right)) => Ok(Some(left.cmp(right))),
        (left, right) if std::mem::discriminant(left) != std::mem::discriminant(right) => {
            Err(incompatible(left, right))
        }
        (left, _) => Err(Fault::from(format!(
            "invalid type for comparison: {}, allowed are numbers and strings",
            left.type_name()
        ))),
    }
}

/// `len`: bytes of a string, entries of a list or map.
pub(super) fn length(value: &Value) -> Result<Value, Fault> {
    match value {
        Value::String(text) => Ok(text.len().into()),
        Value::List(items) => Ok(items.len().into()),
        Value::Map(map) if map.kind() != MapKind::Record => Ok(map.entries().len().into()),
        other => Err(Fault::from(format!("len of type {}", other.type_name()))),
    }
}

/// `index`: looks the further arguments up in the first, one after the other.
pub(super) fn index(values: &[Value]) -> Result<Value, Fault> {
    let Some((first, keys)) = values.split_first() else {
        return Err(Fault::from("index of nothing"));
    };
    if matches!(first, Value::Nil) {
        return Err(Fault::from("index of untyped nil"));
    }
    let mut item = first.clone();
    for key in keys {
        item = match &item {
            Value::Nil => return Err(Fault::from("index of nil pointer")),
            Value::List(items) => {
                let position = position(key, items.len())?;
                items
                    .get(position)
                    .cloned()
                    .ok_or_else(|| out_of_range(key))?
            }
            Value::String(text) => {
                let position = position(key, text.len())?;
                let byte = text.as_bytes().get(position);
                let byte = byte.ok_or_else(|| out_of_range(key))?;
                i64::from(*byte).into()
            }
            Value::Map(map) if map.kind() != MapKind::Record => match key {
                Value::String(name) => map.get(name).unwrap_or_default(),
                other => {
                    return Err(Fault::from(format!(
                        "key of a map has type {}, expected string",
                        other.type_name()
                    )));
                }
            },
            other => {
                return Err(Fault::from(format!(
                    "can't index item of type {}",
                    other.type_name()
                )));
            }
        };
    }
    Ok(item)
}

/// `slice`: the part of a string (in bytes) or list from one index up to another.
pub(super) fn slice(values: &[Value]) -> Result<Value, Fault> {
    let Some((item, indexes)) = values.split_first() else {
        return Err(Fault::from("slice of nothing"));
    };
    let length = match item {
        Value::Nil => return Err(Fault::from("slice of untyped nil")),
        Value::String(_) if indexes.len() > 2 => {
            return Err(Fault::from("cannot 3-index slice a string"));
        }
        Value::String(text) => text.len(),
        Value::List(items) => items.len(),
        other => {
            return Err(Fault::from(format!(
                "can't slice item of type {}",
                other.type_name()
            )));
        }
    };
    let mut bounds = Vec::with_capacity(3);
    for index in indexes {
        bounds.push(position(index, length)?);
    }
    let (start, end) = match bounds[..] {
        [] => (0, length),
        [start] => (start, length),
        [start, end] => (start, end),
        [start, end, most] if end <= most => (start, end),
        [_, end, most] => {
            return Err(Fault::from(format!("invalid slice index: {end} > {most}")));
        }
        _ => {
            return Err(Fault::from(format!(
                "too many slice indexes: {}",
                indexes.len()
            )));
        }
    };
    if start > end {
        return Err(Fault::from(format!("invalid slice index: {start} > {end}")));
    }
    match item {
        Value::List(items) => Ok(items.get(start..end).unwrap_or_default().to_vec().into()),
        Value::String(text) => {
            // Go would print half a character as it is; here a string is always whole.
            let bytes = text.as_bytes().get(start..end).unwrap_or_default();
            Ok(String::from_utf8_lossy(bytes).into_owned().into())
        }
        _ => Ok(Value::Nil),
    }
}

fn out_of_range(key: &Value) -> Fault {
    match key {
        Value::Int(index) => Fault::from(format!("index out of range: {index}")),
        _ => Fault::from("index out of range"),
    }
}

fn position(index: &Value, length: usize) -> Result<usize, Fault> {
    match index {
        Value::Int(number) => usize::try_from(*number)
            .ok()
            .filter(|position| *position <= length)
            .ok_or_else(|| out_of_range(index)),
        other => Err(Fault::from(format!(
            "cannot index slice/array with type {}",
            other.type_name()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Comparison = fn(&[Value]) -> Result<Value, Fault>;

    #[test]
    fn values_of_one_type_compare() {
        let nan = || Value::from(f64::NAN);
        let cases: [(&str, Comparison, [Value; 2], bool); 14] = [
            ("eq", equal, [1_i64.into(), 1_i64.into()], true),
            ("eq", equal, ["a".into(), "b".into()], false),
            ("eq", equal, [Value::Nil, 1_i64.into()], false),
            ("eq", equal, [Value::Nil, Value::Nil], true),
            ("eq", equal, [nan(), nan()], false),
            ("ne", unequal, [true.into(), false.into()], true),
            ("lt", below, ["a".into(), "b".into()], true),
            ("lt", below, [1.5.into(), 1.5.into()], false),
            ("le", at_most, [1.5.into(), 1.5.into()], true),
            ("gt", above, [2_i64.into(), 1_i64.into()], true),
            ("ge", at_least, [1_i64.into(), 2_i64.into()], false),
            ("lt", below, [nan(), 1.0.into()], false),
            ("gt", above, [nan(), 1.0.into()], true),
            ("ge", at_least, [nan(), 1.0.into()], true),
        ];
        for (name, comparison, values, expected) in cases {
            assert_eq!(
                comparison(&values),
                Ok(expected.into()),
                "{name} {values:?}"
            );
        }
        let any = equal(&[1_i64.into(), 2_i64.into(), 1_i64.into()]);
        assert_eq!(any, Ok(true.into()));
    }

    #[test]
    fn values_of_different_types_do_not_compare() {
        let cases: [(Comparison, Vec<Value>); 6] = [
            (equal, vec![1_i64.into(), 1.0.into()]),
            (equal, vec!["1".into(), 1_i64.into()]),
            (equal, vec![1_i64.into()]),
            (equal, vec![vec![].into(), vec![].into()]),
            (below, vec![1_i64.into(), 1.0.into()]),
            (below, vec![true.into(), false.into()]),
        ];
        for (comparison, values) in cases {
            assert!(comparison(&values).is_err(), "{values:?}");
        }
    }

    #[test]
    fn parts_are_found_by_index() {
        let list = || Value::from(vec!["a".into(), "b".into(), "c".into()]);
        let cases = [
            (index(&[list(), 1_i64.into()]), Ok("b".into())),
            (index(&["abc".into(), 1_i64.into()]), Ok(Value::Int(98))),
            (
                index(&[Value::strings([("k", "v")]), "k".into()]),
                Ok("v".into()),
            ),
            (
                index(&[Value::strings([("k", "v")]), "x".into()]),
                Ok("".into()),
            ),
            (
                slice(&["hello".into(), 1_i64.into(), 3_i64.into()]),
                Ok("el".into()),
            ),
            (slice(&["hello".into(), 2_i64.into()]), Ok("llo".into())),
            (
                slice(&[list(), 1_i64.into()]),
                Ok(vec!["b".into(), "c".into()].into()),
            ),
            (length(&"h\u{e9}".into()), Ok(Value::Int(3))),
            (length(&list()), Ok(Value::Int(3))),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
        let refused = [
            index(&[list(), 3_i64.into()]),
            index(&[list(), Value::Int(-1)]),
            index(&[list(), "a".into()]),
            index(&[Value::strings([("k", "v")]), 1_i64.into()]),
            index(&[Value::Nil, 1_i64.into()]),
            slice(&["hello".into(), 3_i64.into(), 1_i64.into()]),
            slice(&["hello".into(), 9_i64.into()]),
            slice(&[Value::Nil]),
            length(&1_i64.into()),
        ];
        for (number, found) in refused.into_iter().enumerate() {
            assert!(found.is_err(), "case {number}: {found:?}");
        }
    }
}
