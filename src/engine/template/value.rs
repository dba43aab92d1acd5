//! The data that templates see.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

/// A value in a template: what a variable holds, a field leads to or a function returns.
///
/// Copies are cheap, since everything of any size is shared.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// No value; printed as an empty string.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Number(f64),
    /// A text.
    String(Arc<str>),
    /// A moment, as `toTime` makes it, shown in UTC.
    Time(Timestamp),
    /// A sequence.
    List(Arc<[Value]>),
    /// A map or record.
    Map(Arc<Map>),
}

/// What a look-up of a key that a map lacks gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// A map of strings, such as labels: a missing key is an empty string.
    Strings,
    /// A map of any values: a missing key is [`Value::Nil`].
    Values,
    /// A record with a fixed set of fields: a missing field is an error.
    Record,
}

/// Values by name, in the order of the names.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    kind: MapKind,
    entries: BTreeMap<Arc<str>, Value>,
    depth: usize,
}

/// One element of a query's result.
#[derive(Debug, Clone, PartialEq)]
pub struct QuerySample {
    /// Labels of the element.
    pub labels: BTreeMap<String, String>,
    /// Value of the element.
    pub value: f64,
}

impl Map {
    /// Builds a map of the given kind.
    pub fn new(kind: MapKind, entries: BTreeMap<Arc<str>, Value>) -> Self {
        let depth = 1 + entries.values().map(Value::depth).max().unwrap_or(0);
        Self {
            kind,
            entries,
            depth,
        }
    }

    /// What a missing key means.
    pub fn kind(&self) -> MapKind {
        self.kind
    }

    /// The entries, sorted by key.
    pub fn entries(&self) -> &BTreeMap<Arc<str>, Value> {
        &self.entries
    }

    /// Looks a key up; `None` is a field that the record does not have.
    pub fn get(&self, key: &str) -> Option<Value> {
        match (self.entries.get(key), self.kind) {
            (Some(value), _) => Some(value.clone()),
            (None, MapKind::Strings) => Some(Value::from("")),
            (None, MapKind::Values) => Some(Value::Nil),
            (None, MapKind::Record) => None,
        }
    }
}

impl Value {
    /// A map of strings: labels, annotations.
    pub fn strings<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<Arc<str>>,
        V: Into<Arc<str>>,
    {
        Self::collect(
            MapKind::Strings,
            entries
                .into_iter()
                .map(|(key, value)| (key, Self::String(value.into()))),
        )
    }

    /// A map of any values.
    pub fn map<K: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::collect(MapKind::Values, entries)
    }

    /// A record, such as the data of an alert: a field that it lacks is an error.
    pub fn record<K: Into<Arc<str>>>(fields: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::collect(MapKind::Record, fields)
    }

    fn collect<K: Into<Arc<str>>>(
        kind: MapKind,
        entries: impl IntoIterator<Item = (K, Value)>,
    ) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect();
        Self::Map(Arc::new(Map::new(kind, entries)))
    }

    /// Whether `if` and `with` take the value for true: not nil, zero, false or empty.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Number(value) => *value != 0.0,
            Self::String(value) => !value.is_empty(),
            Self::Time(_) => true,
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => map.kind == MapKind::Record || !map.entries.is_empty(),
        }
    }

    /// The name of the type, as Go writes it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Number(_) => "float64",
            Self::String(_) => "string",
            Self::Time(_) => "time.Time",
            Self::List(_) => "[]interface {}",
            Self::Map(map) => match map.kind {
                MapKind::Strings => "map[string]string",
                MapKind::Values => "map[string]interface {}",
                MapKind::Record => "struct",
            },
        }
    }

    /// How many levels of lists and maps the value has.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Map(map) => map.depth,
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Roughly how many bytes a function that reads the value has to look at.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            Self::List(items) => items.len() * 16,
            Self::Map(map) => map.entries.len() * 16,
            _ => 0,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::String(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(items.into())
    }
}

impl From<&BTreeMap<String, String>> for Value {
    fn from(labels: &BTreeMap<String, String>) -> Self {
        Self::strings(
            labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )
    }
}

impl From<QuerySample> for Value {
    fn from(sample: QuerySample) -> Self {
        Self::record([
            ("Labels", Self::strings(sample.labels)),
            ("Value", Self::Number(sample.value)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_is_as_in_go() {
        let yes = [
            Value::from(true),
            Value::from(-1_i64),
            Value::from(f64::NAN),
            Value::from("false"),
            Value::record::<&str>([]),
            Value::from(vec![Value::Nil]),
            Value::from(Timestamp::UNIX_EPOCH),
        ];
        let no = [
            Value::Nil,
            Value::from(false),
            Value::from(0_i64),
            Value::from(-0.0),
            Value::from(""),
            Value::map::<&str>([]),
            Value::from(vec![]),
        ];
        for value in yes {
            assert!(value.is_true(), "{value:?}");
        }
        for value in no {
            assert!(!value.is_true(), "{value:?}");
        }
    }

    #[test]
    fn a_missing_key_depends_on_the_kind_of_map() {
        let get = |value: Value| match value {
            Value::Map(map) => map.get("absent"),
            _ => unreachable!("only maps are looked into"),
        };
        assert_eq!(get(Value::strings([("a", "b")])), Some(Value::from("")));
        assert_eq!(get(Value::map([("a", Value::Nil)])), Some(Value::Nil));
        assert_eq!(get(Value::record([("a", Value::Nil)])), None);
    }

    #[test]
    fn depth_counts_nested_containers() {
        assert_eq!(Value::from("x").depth(), 0);
        let inner = Value::map([("a", Value::from(vec![Value::from(1_i64)]))]);
        assert_eq!(Value::from(vec![inner]).depth(), 3);
    }
}
