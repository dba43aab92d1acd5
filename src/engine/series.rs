//! Who a measurement belongs to: series identity, label sets, and the matchers that select them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Label names that the exposition and the alerts use themselves; no client may set them.
pub const RESERVED_LABELS: &[&str] = &[
    "operation",
    "algorithm",
    "version",
    "outcome",
    "error_class",
    "score",
    "metric",
    "stat",
    "baseline",
    "process",
    "severity",
    "alertname",
    "alertstate",
    "alert_type",
    "rule_mode",
    "le",
    "quantile",
    "job",
    "instance",
    "overflow",
];

/// The operation under which opwatch measures itself.
pub const OWN_OPERATION: &str = "__opwatch__";
/// Most labels a client may add to a series.
pub const MAX_LABELS: usize = 8;
/// Most characters in a name or value of a series' identity.
pub const MAX_NAME_CHARS: usize = 200;

/// Separates the parts of an encoded [`SeriesKey`]; control characters are refused in every part.
const UNIT: char = '\u{1f}';
const EQUALS: char = '\u{1e}';

/// What is wrong with one field of a measurement: its name, and why, with the value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field, for example `labels.le`.
    pub field: String,
    /// What was given and what is allowed.
    pub reason: String,
}

impl FieldFault {
    /// A fault of `field` for `reason`.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// The identity of a series: operation, algorithm, version and further labels.
///
/// Kept as one shared string (`operation␟algorithm␟version␟name␞value…`, labels sorted), so that a key costs
/// one allocation however many hold it, and compares and hashes as bytes. An absent algorithm or version is
/// empty, as an absent label is in Prometheus.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey(Arc<str>);

impl SeriesKey {
    /// Builds a checked key; `labels` in any order.
    ///
    /// # Errors
    /// The first part that is empty where it may not be, too long, reserved, ill-formed or has control characters.
    pub fn new(
        operation: &str,
        algorithm: &str,
        version: &str,
        labels: &mut [(&str, &str)],
    ) -> Result<Self, FieldFault> {
        if operation.is_empty() {
            return Err(FieldFault::new(
                "operation",
                "is empty; 1 to 200 characters are allowed",
            ));
        }
        if operation.starts_with("__") {
            return Err(FieldFault::new(
                "operation",
                format!("{operation:?} starts with `__`, which is reserved"),
            ));
        }
        check_text("operation", operation)?;
        check_text("algorithm", algorithm)?;
        check_text("version", version)?;
        if labels.len() > MAX_LABELS {
            return Err(FieldFault::new(
                "labels",
                format!(
                    "{} labels given; at most {MAX_LABELS} are allowed",
                    labels.len()
                ),
            ));
        }
        for (name, value) in labels.iter() {
            check_label(name, value)?;
        }
        labels.sort_unstable();
        for pair in labels.windows(2) {
            if let [(a, _), (b, _)] = pair
                && a == b
            {
                return Err(FieldFault::new(format!("labels.{a}"), "is given twice"));
            }
        }
        Ok(Self::encode(
            operation,
            algorithm,
            version,
            labels.iter().copied(),
        ))
    }

    fn encode<'a>(
        operation: &str,
        algorithm: &str,
        version: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut text = String::with_capacity(
            operation.len() + algorithm.len() + version.len() + 2 + labels.size_hint().0 * 24,
        );
        text.push_str(operation);
        text.push(UNIT);
        text.push_str(algorithm);
        text.push(UNIT);
        text.push_str(version);
        // A label with an empty value is the same as no label.
        for (name, value) in labels.filter(|(_, value)| !value.is_empty()) {
            text.push(UNIT);
            text.push_str(name);
            text.push(EQUALS);
            text.push_str(value);
        }
        Self(text.into())
    }

    /// The series that takes what the cap on series refuses: labels dropped first, then the version.
    #[must_use]
    pub fn overflow(&self, keep_version: bool) -> Self {
        let version = if keep_version { self.version() } else { "" };
        Self::encode(
            self.operation(),
            self.algorithm(),
            version,
            [("overflow", "true")].into_iter(),
        )
    }

    /// The series that keeps nothing but the operation.
    #[must_use]
    pub fn overflow_of_operation(&self) -> Self {
        Self::encode(self.operation(), "", "", [("overflow", "true")].into_iter())
    }

    /// The series of all operations that the cap refused.
    pub fn overflow_of_all() -> Self {
        Self::encode("__overflow__", "", "", [("overflow", "true")].into_iter())
    }

    /// The series in which opwatch measures itself; no client can name it.
    pub fn own() -> Self {
        Self::encode(OWN_OPERATION, "", "", std::iter::empty())
    }

    /// The key as one text, from which [`SeriesKey::from_text`] makes it again.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// The key that has this text; `None` where it is the text of none.
    pub fn from_text(text: &str) -> Option<Self> {
        let is_key = text.split(UNIT).count() >= 3 && !text.starts_with(UNIT);
        is_key.then(|| Self(text.into()))
    }

    /// Whether this is one of the overflow series.
    pub fn is_overflow(&self) -> bool {
        self.labels().any(|(name, _)| name == "overflow")
    }

    /// The operation's name.
    pub fn operation(&self) -> &str {
        self.0.split(UNIT).next().unwrap_or_default()
    }

    /// The algorithm or model; empty when not given.
    pub fn algorithm(&self) -> &str {
        self.0.split(UNIT).nth(1).unwrap_or_default()
    }

    /// The model or build version; empty when not given.
    pub fn version(&self) -> &str {
        self.0.split(UNIT).nth(2).unwrap_or_default()
    }

    /// The further labels, sorted by name.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .split(UNIT)
            .skip(3)
            .filter_map(|pair| pair.split_once(EQUALS))
    }

    /// Every non-empty label of the series, identity first: `operation`, `algorithm`, `version`, then the others.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        [
            ("operation", self.operation()),
            ("algorithm", self.algorithm()),
            ("version", self.version()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .chain(self.labels())
    }

    /// The value of a label; empty when the series has none of that name.
    pub fn get(&self, name: &str) -> &str {
        match name {
            "operation" => self.operation(),
            "algorithm" => self.algorithm(),
            "version" => self.version(),
            _ => self
                .labels()
                .find_map(|(n, value)| (n == name).then_some(value))
                .unwrap_or_default(),
        }
    }

    /// Bytes this key holds on the heap, shared by all who have it.
    pub fn heap_bytes(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.all().collect::<Labels>(), f)
    }
}

/// Refuses text that is too long or has control characters, which would break logs and terminals.
pub fn check_text(field: &str, value: &str) -> Result<(), FieldFault> {
    // Bytes bound characters from above, so the common short text is counted only once.
    if value.len() > MAX_NAME_CHARS && value.chars().count() > MAX_NAME_CHARS {
        return Err(FieldFault::new(
            field,
            format!(
                "has {} characters; at most {MAX_NAME_CHARS} are allowed",
                value.chars().count()
            ),
        ));
    }
    if value.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(FieldFault::new(
            field,
            format!("{value:?} has a control character"),
        ));
    }
    Ok(())
}

fn check_label(name: &str, value: &str) -> Result<(), FieldFault> {
    let field = || format!("labels.{name}");
    if !is_label_name(name) {
        return Err(FieldFault::new(
            "labels",
            format!(
                "{name:?} is no label name; letters, digits and `_`, not starting with a digit"
            ),
        ));
    }
    if name.starts_with("__") || RESERVED_LABELS.contains(&name) {
        return Err(FieldFault::new(
            field(),
            "is a reserved label name; opwatch sets it itself",
        ));
    }
    check_text(&field(), name)?;
    check_text(&field(), value)
}

/// Whether `name` is a label name of the Prometheus text format: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A set of labels, sorted by name; empty values are never kept. Copies share it until one is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<BTreeMap<String, String>>);

impl Labels {
    /// Sets `name` to `value`; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        let labels = Arc::make_mut(&mut self.0);
        if value.is_empty() {
            labels.remove(&name);
        } else {
            labels.insert(name, value);
        }
    }

    /// The value of `name`; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Names and values in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// These without the one of that name.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        self.iter().filter(|(other, _)| *other != name).collect()
    }

    /// Whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The map itself, for rendering.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Alertmanager's fingerprint: 64-bit FNV-1a over `name 0xff value 0xff` in the order of names
    /// (prometheus/common `model/signature.go`), so that ours and its identifiers agree.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv1a::new();
        for (name, value) in self.iter() {
            hash.add(name.as_bytes());
            hash.add(&[0xff]);
            hash.add(value.as_bytes());
            hash.add(&[0xff]);
        }
        hash.finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        labels
    }
}

impl fmt::Display for Labels {
    /// As Prometheus prints a label set: `{a="1", b="2"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

/// The 64-bit Fowler–Noll–Vo hash, variant 1a: stable across builds, as identifiers must be.
pub(crate) struct Fnv1a(u64);

impl Fnv1a {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_back_its_parts_and_ignores_label_order() {
        let key = |labels: &mut [(&str, &str)]| SeriesKey::new("detect", "iforest", "", labels);
        let a = key(&mut [("zone", "b"), ("host", "a")]).unwrap();
        let b = key(&mut [("host", "a"), ("zone", "b"), ("empty", "")]).unwrap();
        assert_eq!(a, b);
        assert_eq!(
            a.all().collect::<Vec<_>>(),
            [
                ("operation", "detect"),
                ("algorithm", "iforest"),
                ("host", "a"),
                ("zone", "b")
            ]
        );
        assert_eq!((a.get("zone"), a.get("version"), a.get("x")), ("b", "", ""));
    }

    #[test]
    fn each_reserved_label_is_refused_by_name() {
        for name in RESERVED_LABELS.iter().chain(&["__name__", "__x"]) {
            let fault = SeriesKey::new("op", "", "", &mut [(name, "v")]).unwrap_err();
            assert_eq!(fault.field, format!("labels.{name}"));
            assert!(fault.reason.contains("reserved"), "{fault:?}");
        }
    }

    #[test]
    fn ill_formed_identities_name_the_field_and_what_is_allowed() {
        let long = "x".repeat(201);
        for (operation, algorithm, labels, field) in [
            ("", "", vec![], "operation"),
            ("__x", "", vec![], "operation"),
            (long.as_str(), "", vec![], "operation"),
            ("a\u{1f}b", "", vec![], "operation"),
            ("op", "a\nb", vec![], "algorithm"),
            ("op", "", vec![("a-b", "1")], "labels"),
            ("op", "", vec![("", "1")], "labels"),
            ("op", "", vec![("a", "1\u{0}")], "labels.a"),
            ("op", "", vec![("a", "1"), ("a", "2")], "labels.a"),
            ("op", "", vec![("a", "1"); 9], "labels"),
        ] {
            let mut labels = labels;
            let fault = SeriesKey::new(operation, algorithm, "", &mut labels).unwrap_err();
            assert_eq!(fault.field, field, "{fault:?}");
        }
    }

    #[test]
    fn overflow_keys_keep_the_operation() {
        let key = SeriesKey::new("detect", "a", "v1", &mut [("host", "h")]).unwrap();
        let labels = |key: SeriesKey| format!("{key:?}");
        assert_eq!(
            labels(key.overflow(true)),
            r#"{algorithm="a", operation="detect", overflow="true", version="v1"}"#
        );
        assert_eq!(
            labels(key.overflow(false)),
            r#"{algorithm="a", operation="detect", overflow="true"}"#
        );
        assert!(SeriesKey::overflow_of_all().is_overflow() && !key.is_overflow());
    }

    #[test]
    fn fingerprints_are_those_of_alertmanager() {
        // Answers of Alertmanager 0.25 to the same label sets.
        for (labels, expected) in [
            (vec![("alertname", "A")], "d2c6efc389df0927"),
            (vec![("zone", "b"), ("alertname", "A")], "596908cbd0bd9761"),
        ] {
            let labels: Labels = labels.into_iter().collect();
            assert_eq!(format!("{:016x}", labels.fingerprint()), expected);
        }
    }
}
