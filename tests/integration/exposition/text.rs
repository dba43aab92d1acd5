//! Reads a text page back, and brings the samples of a server's answer into the same shape.

use std::collections::BTreeMap;

use serde_json::Value;

/// Samples by name and labels, `le` as the number it is: the formats spell it differently.
pub type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// The samples of a page in either text format, without exemplars. A sample that occurs twice fails.
pub fn samples(page: &str) -> Samples {
    let mut found = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let (name, mut rest) = line.split_at(end);
        let mut labels = BTreeMap::new();
        while let Some(pair) = rest.strip_prefix(['{', ',']) {
            let (label, text) = pair.split_once("=\"").unwrap();
            let (value, after) = unquoted(text);
            let before = labels.insert(label.to_owned(), value);
            assert_eq!(before, None, "{line}");
            rest = after;
        }
        let rest = rest.strip_prefix('}').unwrap_or(rest);
        let value = rest.strip_prefix(' ').unwrap();
        let value = value.split(" # {").next().unwrap().parse().unwrap();
        let before = found.insert((name.to_owned(), with_number(labels)), value);
        assert_eq!(before, None, "{line} occurs twice");
    }
    found
}

/// Name and labels of a `metric` as Prometheus' API and its relatives write it.
pub fn sample(metric: &Value) -> (String, BTreeMap<String, String>) {
    let mut labels: BTreeMap<String, String> = serde_json::from_value(metric.clone()).unwrap();
    let name = labels.remove("__name__").unwrap();
    (name, with_number(labels))
}

fn with_number(mut labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    if let Some(bound) = labels.get_mut("le") {
        *bound = bound.parse::<f64>().unwrap().to_string();
    }
    labels
}

/// What is in front of the closing quote, and what comes after it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return (value, characters.as_str()),
            '\\' => value.push(match characters.next().unwrap() {
                'n' => '\n',
                escaped @ ('"' | '\\') => escaped,
                other => panic!("\\{other} in {text}"),
            }),
            plain => value.push(plain),
        }
    }
    panic!("no closing quote in {text}")
}
