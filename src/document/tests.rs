//! Documents good and bad, with exactly what is said of them.

mod any_text;
mod faults;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml::Value;

use super::units::{ByteSize, Period, Quantity, Ratio, Unit};
use super::*;
use crate::secret::Secret;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    groups: Vec<Group>,
    store: Option<Store>,
    buckets: Option<BTreeMap<String, Vec<Period>>>,
    pair: Option<(u8, bool)>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    interval: Option<Period>,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    threshold: Option<Threshold>,
    baseline: Option<Baseline>,
    severity: Option<Severity>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Threshold {
    metric: String,
    above: Quantity,
    recover: Option<Ratio>,
    min_samples: Option<u32>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Baseline {
    Previous,
    Pinned(String),
    Rolling { window: Period, least: Option<u32> },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    Low,
    High,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Store {
    max_memory: Option<ByteSize>,
    max_series: Option<u64>,
    fsync: Option<bool>,
    password: Option<Secret>,
}

fn decode(text: &str) -> (Option<File>, Vec<Fault>) {
    match Document::parse("f.yaml", text.to_owned()) {
        Ok(mut document) => document.decode(),
        Err(faults) => (None, faults),
    }
}

/// The brief forms of all faults, without the file's name.
fn briefs(faults: &[Fault]) -> Vec<String> {
    let brief = |fault: &Fault| fault.brief().replacen("f.yaml:", "", 1);
    faults.iter().map(brief).collect()
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    assert_eq!(briefs(&decode(text).1), expected, "{text}");
}

/// What is read without any fault.
#[track_caller]
fn read(text: &str) -> File {
    let (file, faults) = decode(text);
    assert_eq!(faults, [], "{text}");
    file.unwrap()
}

#[test]
fn an_empty_file_is_an_empty_mapping() {
    let empty = File {
        groups: Vec::new(),
        store: None,
        buckets: None,
        pair: None,
    };
    for text in [
        "",
        "\n",
        "# nothing\n",
        "---\n",
        "---\n...\n",
        "{}",
        "\u{FEFF}",
        "~",
        "groups:\nstore: null\n",
    ] {
        assert_eq!(read(text), empty, "{text:?}");
    }
}

#[test]
fn good_documents_are_read_in_every_way_of_writing() {
    let block = read(
        "\u{FEFF}# comment\r\ngroups:\r\n  - name: fraud\r\n    interval: 15s\r\n    rules:\r\n    - alert: 'Slow'\r\n      threshold: {metric: duration, above: 250ms,\r\n        recover: 80%}\r\n      severity: high\r\n      labels: {\"tier\": 1, version: 1.10, on: yes}\r\n",
    );
    let group = &block.groups[0];
    assert_eq!(
        group.interval,
        Some(Period(std::time::Duration::from_secs(15)))
    );
    let rule = &group.rules[0];
    let expected = Threshold {
        metric: "duration".to_owned(),
        above: Quantity {
            value: 0.25,
            unit: Unit::Seconds,
        },
        recover: Some(Ratio(0.8)),
        min_samples: None,
    };
    assert_eq!(rule.threshold, Some(expected));
    assert_eq!(rule.severity, Some(Severity::High));
    // As written, as Prometheus reads labels too.
    let labels = [("on", "yes"), ("tier", "1"), ("version", "1.10")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(rule.labels, BTreeMap::from(labels));
}

#[test]
fn enums_are_names_or_mappings_with_one_key() {
    let cases = [
        ("previous", Baseline::Previous),
        ("{pinned: x}", Baseline::Pinned("x".to_owned())),
        (
            "{rolling: {window: 7d}}",
            Baseline::Rolling {
                window: "7d".parse().unwrap(),
                least: None,
            },
        ),
    ];
    for (text, expected) in cases {
        let file = read(&format!(
            "groups: [{{name: g, rules: [{{alert: A, baseline: {text}}}]}}]"
        ));
        assert_eq!(file.groups[0].rules[0].baseline.as_ref(), Some(&expected));
    }
}

#[test]
fn anchors_stand_for_what_they_mark() {
    let file = read("groups:\n- &g {name: a, rules: [&r {alert: A}, *r]}\n- *g\n");
    assert_eq!(file.groups[0], file.groups[1]);
    assert_eq!(file.groups[0].rules.len(), 2);
}

#[test]
fn limits_hold_before_values_are_built() {
    let billion_laughs = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let below = level - 1;
        format!("{text}a{level}: &a{level} [*a{below}, *a{below}]\n")
    });
    let quadratic = format!(
        "a: &a '{}'\nb: [{}]",
        "x".repeat(60_000),
        "*a, ".repeat(100)
    );
    let cases = [
        (
            billion_laughs,
            "too many values, allowed: 100000 with aliases written out",
        ),
        (
            quadratic,
            "too much text, allowed: 4194304 bytes with aliases written out",
        ),
        (
            format!("a: &a 1\nb: [{}]", "*a, ".repeat(1_001)),
            "too many aliases, allowed: 1000",
        ),
        ("[".repeat(100_000), "nested too deeply, allowed: 64 levels"),
        (
            "{a: ".repeat(100_000),
            "nested too deeply, allowed: 64 levels",
        ),
        (
            "- ".repeat(100_000),
            "nested too deeply, allowed: 64 levels",
        ),
        (
            "[x, ".to_owned() + &"x, ".repeat(100_000),
            "too many values, allowed: 100000 with aliases written out",
        ),
        (
            "a: ".to_owned() + &"x".repeat(65_537),
            "text of 65537 bytes is too long, allowed: 65536 bytes",
        ),
        (
            " ".repeat(1_048_577),
            "file of 1048577 bytes is too large, allowed: 1048576 bytes",
        ),
    ];
    for (text, expected) in cases {
        let faults = Document::parse("f.yaml", text).unwrap_err();
        let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages, [expected]);
    }
}

#[test]
fn variables_become_values_and_never_structure() {
    let lookup = |name: &str| match name {
        "N" => Some("2000".to_owned()),
        "YES" => Some("true".to_owned()),
        "EVIL" => Some("x, fsync: true}\n- a: b".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let parse = |text: &str| {
        let mut document = Document::parse_expanding("f.yaml", text.to_owned(), &lookup).unwrap();
        let (value, faults) = document.decode::<Value>();
        (value.unwrap(), briefs(&faults))
    };
    let good = [
        ("a: ${N}", "a: 2000"),
        ("a: ${N}${N}", "a: 20002000"),
        ("a: '${N}'", "a: '2000'"),
        ("a: ${YES}", "a: true"),
        ("a: ${EMPTY}", "a: null"),
        (
            "a:\n- pre-${N}-post\n- $N\n- $",
            "a: [pre-2000-post, $N, $]",
        ),
        ("a: $${N} $$${N} ${N}", "a: '${N} $${N} 2000'"),
        ("{a: '${EVIL}'}", "a: \"x, fsync: true}\\n- a: b\""),
        ("${N}: 1", "${N}: 1"),
    ];
    for (text, expected) in good {
        let expected: Value = serde_yaml::from_str(expected).unwrap();
        assert_eq!(parse(text), (expected, Vec::new()), "{text}");
    }
    let allowed = "allowed: ${NAME} of letters, digits and _, or $${ for ${ itself";
    let bad = [
        (
            "a: x ${NOPE}",
            "1:6: environment variable `NOPE` is not set".to_owned(),
        ),
        (
            "a:\n- 'é ${N} ${NOPE}'",
            "2:11: environment variable `NOPE` is not set".to_owned(),
        ),
        (
            "a: |\n  x\n  ${NOPE}",
            "3:3: environment variable `NOPE` is not set".to_owned(),
        ),
        (
            "a: ${N",
            format!("1:4: cannot expand the variable after `${{`, {allowed}"),
        ),
        (
            "a: ${N:-5}",
            format!("1:4: cannot expand the variable after `${{`, {allowed}"),
        ),
        (
            "a: ${}",
            format!("1:4: cannot expand the variable after `${{`, {allowed}"),
        ),
    ];
    for (text, expected) in bad {
        assert_eq!(parse(text).1, [expected], "{text}");
    }
    let text =
        "store: {max_series: '${N}'}\npair: [1, yes]\nbuckets: {a: ['${N}ms']}\nstore2: ${N}";
    let mut document = Document::parse_expanding("f.yaml", text.to_owned(), &lookup).unwrap();
    assert_eq!(document.decode::<File>().1.len(), 2);
}

#[test]
fn secrets_do_not_show_in_faults() {
    let lines = [
        ("store: {password: hunter2}", "store: {password: ********"),
        ("auth_password: 'hunter2'", "auth_password: *********"),
        ("\"api-key\" : hunter2", "\"api-key\" : *******"),
        ("auth_password_file: /run/x", "auth_password_file: /run/x"),
        (
            "url: http://me:hunter2@host/",
            "url: http://**********@host/",
        ),
        (
            "url: 'https://host/a?key=hunter2'",
            "url: 'https://host/a?***********'",
        ),
        ("url: https://host/a", "url: https://host/a"),
    ];
    for (line, expected) in lines {
        let fault = Document::parse("f", format!("{line}\n---\n")).unwrap();
        assert_eq!(fault.fault(&Place::root(), "x").source_line, expected);
    }
    let (_, faults) = decode("store:\n  password: [hunter2]\n");
    let shown = format!("{} {}", faults[0], render(&faults, false));
    assert!(
        shown.contains("a list given") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn values_are_those_of_yaml_serde() {
    let texts = [
        "a: 1\nb: -1\nc: 1.5\nd: 1e3\ne: 0x1F\nf: 0o17\ng: 007\nh: .inf\ni: -.inf\nj: +12",
        "a: yes\nb: True\nc: ~\nd: null\ne:\nf: 'null'\ng: \"\\u00e9\\t\"\nh: NULL\ni: False",
        "a: |\n  x\n   y\n\nb: >-\n  x\n  y\n\n  z\nc: plain\n  folded\nd: 'it''s'",
        "a: [1, [2, {b: c}], {}]\nd: {e: [], f: }\ng:\n- h\n-\n- - i\n  - j",
        "x: &x {a: [1]}\ny: *x\nz: [*x, &s text, *s]",
        "a: http://host:80/x#y # comment\nb: '# no comment'\nd: '-'\ne: 18446744073709551615",
        "a: 2024-01-01\nb: 12:30:45\nc: 1_000\nd: 0b11\ne: nan\nf: .5\ng: 5.",
    ];
    for text in texts {
        let mut document = Document::parse("f.yaml", text.to_owned()).unwrap();
        let (value, faults) = document.decode::<Value>();
        assert_eq!(faults, []);
        assert_eq!(
            value.unwrap(),
            serde_yaml::from_str::<Value>(text).unwrap(),
            "{text}"
        );
    }
}

#[test]
fn scalars_mean_what_the_core_schema_says_beyond_64_bits_too() {
    let text = "[18446744073709551616, -99999999999999999999, 007, '5', 0x, 1_000]".to_owned();
    let (value, _) = Document::parse("f.yaml", text).unwrap().decode::<Value>();
    let text = |text: &str| Value::from(text);
    let huge = [18_446_744_073_709_551_616.0, -1e20].map(Value::from);
    let texts = [text("007"), text("5"), text("0x"), text("1_000")];
    assert_eq!(value, Some(Value::from([&huge[..], &texts].concat())));
}

#[test]
fn unquoted_variables_in_flow_collections_are_explained() {
    let text = "store: {max_series: ${N}}".to_owned();
    let faults = Document::parse_expanding("f.yaml", text, &|_| None).unwrap_err();
    let hint = "(inside of [ ] or { }, a value with ${NAME} must stand in quotes)";
    assert!(faults[0].message.ends_with(hint), "{}", faults[0]);
}
