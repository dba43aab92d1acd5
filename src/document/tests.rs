//! Documents good and bad, with exactly what is said of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
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
fn a_fault_shows_its_line_and_points_at_the_place() {
    let text = "groups:\n  - name: fraud\n    rules:\n      - alert: Slow\n        tresholds: {metric: duration}\n";
    let (_, faults) = decode(text);
    assert_eq!(
        faults[0].to_string(),
        "f.yaml:5:9: unknown field `tresholds`, did you mean `threshold`? allowed: alert, threshold, baseline, severity, labels\n  \
         |         tresholds: {metric: duration}\n  \
         |         ^^^^^^^^^"
    );
    assert_eq!(
        render(&faults, false),
        "error: unknown field `tresholds`, did you mean `threshold`? allowed: alert, threshold, baseline, severity, labels\n\
         \x20--> f.yaml:5:9\n\
         \x20 |\n\
         5 |         tresholds: {metric: duration}\n\
         \x20 |         ^^^^^^^^^"
    );
    assert!(render(&faults, true).contains("\u{1b}["));
}

#[test]
fn ten_faults_of_ten_kinds_are_told_in_one_pass() {
    refused(
        "\
groups:
  - name: one
    name: two
    intervall: 15s
    rules:
      - alert: A
        threshold: {metric: duration, above: 5 apples}
      - alert: B
        severity: hgh
      - labels: {a: b}
      - alert: C
        threshold: {metric: duration, above: 1s, min_samples: -3}
  - name: three
    interval: 15 s
    rules: none
store:
  max_series: many
  fsync: maybe
  <<: {max_memory: 1GB}
  7: seven
  max_memory: !size 1GB
buckets:
  a: [1s, x, 2s]
pair: [1]
",
        &[
            "3:5: key `name` is given twice, first in line 2",
            "4:5: unknown field `intervall`, did you mean `interval`? allowed: name, interval, rules",
            "7:46: invalid value \"5 apples\", allowed: a number, or one with a unit such as 250ms, 1m30s, 512MiB, 80% or 2 cores",
            "9:19: unknown value `hgh`, did you mean `high`? allowed: low, high",
            "10:9: missing field `alert` in `groups[0].rules[2]`",
            "12:63: cannot read `min_samples`: -3 given, allowed: a whole number from 0 to 4294967295",
            "14:15: invalid duration \"15 s\", allowed: such as 1h30m or 250ms (y w d h m s ms, in this order), or 0",
            "15:12: cannot read `rules`: \"none\" given, allowed: a list",
            "17:15: cannot read `max_series`: \"many\" given, allowed: a whole number, not negative",
            "18:10: cannot read `fsync`: \"maybe\" given, allowed: true or false",
            "19:3: merge key `<<` is not supported, write the keys out",
            "20:3: key `7` is not text, put it in quotes if it is meant as a name",
            "21:15: tag `!size` is not allowed, write the value without it",
            "23:11: invalid duration \"x\", allowed: such as 1h30m or 250ms (y w d h m s ms, in this order), or 0",
            "24:1: cannot read `pair`: 1 values given, allowed: a list of 2 values",
        ],
    );
}

#[test]
fn what_remains_readable_is_returned_and_places_count_in_it() {
    let text = "groups:\n- name: a\n  rules:\n  - {}\n  - alert: Second\n    severity: 3\n";
    let mut document = Document::parse("f.yaml", text.to_owned()).unwrap();
    let (file, faults) = document.decode::<File>();
    assert_eq!(
        briefs(&faults),
        [
            "4:5: missing field `alert` in `groups[0].rules[0]`",
            "6:15: unknown value `3`, allowed: low, high",
        ]
    );
    let rules = &file.unwrap().groups[0].rules;
    assert_eq!((rules.len(), rules[0].alert.as_str()), (1, "Second"));
    let rule = Place::root().key("groups").index(0).key("rules").index(0);
    let brief = |place: &Place| briefs(&[document.fault(place, "x")]).concat();
    assert_eq!(brief(&rule.key("alert")), "5:12: x");
    assert_eq!(brief(&rule), "5:5: x");
    assert_eq!(brief(&rule.key("threshold").key("above")), "5:5: x");
    assert_eq!(brief(&Place::root().key("groups")), "1:1: x");
    assert_eq!(brief(&Place::root()), "1:1: x");
    let key = document.fault_at_key(&rule.key("alert"), "x");
    assert_eq!(briefs(&[key]), ["5:5: x"]);
}

#[test]
fn every_missing_field_of_a_mapping_is_told() {
    refused(
        "groups:\n- rules:\n  - alert: A\n    threshold: {recover: 80%, min_samples: x}\n",
        &[
            "2:3: missing field `name` in `groups[0]`",
            "4:5: missing field `above` in `groups[0].rules[0].threshold`",
            "4:5: missing field `metric` in `groups[0].rules[0].threshold`",
            "4:44: cannot read `min_samples`: \"x\" given, allowed: a whole number from 0 to 4294967295",
        ],
    );
}

#[test]
fn a_consequence_of_a_fault_is_not_a_fault_of_its_own() {
    // `metric` is missing only because it is misspelt or not readable.
    let rule = |threshold: &str| {
        format!("groups:\n- name: a\n  rules:\n  - alert: A\n    threshold: {threshold}\n")
    };
    refused(
        &rule("{metrics: duration, above: 1s}"),
        &[
            "5:17: unknown field `metrics`, did you mean `metric`? allowed: metric, above, recover, min_samples",
        ],
    );
    refused(
        &rule("{metric: [1, 2], above: 1s}"),
        &["5:25: cannot read `metric`: a list given, allowed: text"],
    );
    // But one that has nothing to do with it is.
    refused(
        &rule("{recovery: 80%, above: 1s}"),
        &[
            "5:5: missing field `metric` in `groups[0].rules[0].threshold`",
            "5:17: unknown field `recovery`, did you mean `recover`? allowed: metric, above, recover, min_samples",
        ],
    );
}

#[test]
fn enums_say_what_they_allow() {
    let rule = |field: &str| format!("groups: [{{name: g, rules: [{{alert: A,\n {field}}}]}}]");
    let cases = [
        (
            "severity: [low]",
            "2:12: cannot read `severity`: a list given, allowed: low, high",
        ),
        (
            "severity: Low",
            "2:12: unknown value `Low`, did you mean `low`? allowed: low, high",
        ),
        (
            "baseline: pinned",
            "2:12: `pinned` needs a value, allowed: {pinned: …}",
        ),
        (
            "baseline: {pined: x}",
            "2:13: unknown value `pined`, did you mean `pinned`? allowed: previous, pinned, rolling",
        ),
        (
            "baseline: {pinned: [x]}",
            "2:21: cannot read `pinned`: a list given, allowed: text",
        ),
        (
            "baseline: {pinned: x, rolling: y}",
            "2:12: cannot read `baseline`: a mapping with 2 keys given, allowed: exactly one key out of previous, pinned, rolling",
        ),
        (
            "baseline: {rolling: {windw: 7d}}",
            "2:23: unknown field `windw`, did you mean `window`? allowed: window, least",
        ),
        (
            "baseline: {rolling: {window: 7d, least: 1.5}}",
            "2:42: cannot read `least`: 1.5 given, allowed: a whole number from 0 to 4294967295",
        ),
        (
            "baseline: {previous: 5}",
            "2:23: cannot read `previous`: 5 given, allowed: nothing",
        ),
    ];
    for (field, expected) in cases {
        refused(&rule(field), &[expected]);
    }
}

#[test]
fn wrong_types_are_told_with_the_value_and_what_is_allowed() {
    let cases = [
        (
            "[1, 2]",
            "1:1: cannot read the document: a list given, allowed: a mapping",
        ),
        (
            "just text",
            "1:1: cannot read the document: \"just text\" given, allowed: a mapping",
        ),
        (
            "groups: {a: b}",
            "1:9: cannot read `groups`: a mapping given, allowed: a list",
        ),
        (
            "groups:\n- 5",
            "2:3: cannot read `groups[0]`: 5 given, allowed: a mapping",
        ),
        (
            "groups:\n- name:\n",
            "2:3: cannot read `name`: nothing given, allowed: text",
        ),
        (
            "store: {max_series: '5'}",
            "1:21: cannot read `max_series`: \"5\" given, allowed: a whole number, not negative",
        ),
        (
            "store: {max_memory: lots}",
            "1:21: invalid size \"lots\", allowed: a whole number of bytes such as 4096, 512MiB or 1GB",
        ),
        (
            "pair: [256, true]",
            "1:8: cannot read `pair[0]`: 256 given, allowed: a whole number from 0 to 255",
        ),
        (
            "pair: [1, true, 3]",
            "1:1: cannot read `pair`: 3 values given, allowed: 2 values",
        ),
    ];
    for (text, expected) in cases {
        refused(text, &[expected]);
    }
}

#[test]
fn what_yaml_allows_and_nobody_means_is_refused() {
    let cases = [
        (
            "a: 1\n---\nb: 2\n",
            "2:1: a second document begins here, allowed: one document in a file",
        ),
        (
            "a: 1\n---\n",
            "2:1: a second document begins here, allowed: one document in a file",
        ),
        (
            "a: {x: 1, 'x': 2}",
            "1:11: key `x` is given twice, first in line 1",
        ),
        (
            "[a]: 1",
            "1:1: a list or mapping cannot be a key, allowed: text",
        ),
        (
            "? {a: b}\n: 1",
            "1:3: a list or mapping cannot be a key, allowed: text",
        ),
        (
            "1.5: a",
            "1:1: key `1.5` is not text, put it in quotes if it is meant as a name",
        ),
        (
            "true: a",
            "1:1: key `true` is not text, put it in quotes if it is meant as a name",
        ),
        (
            ": a",
            "1:1: key `` is not text, put it in quotes if it is meant as a name",
        ),
        (
            "a: !!str 5",
            "1:4: tag `!!str` is not allowed, write the value without it",
        ),
        (
            "a: !!binary aGVsbG8=",
            "1:4: tag `!!binary` is not allowed, write the value without it",
        ),
        (
            "&a x: &b 1\n*b : 2",
            "2:1: key `1` is not text, put it in quotes if it is meant as a name",
        ),
        (
            "a: &x [1, *x]",
            "1:11: alias stands inside of what it refers to",
        ),
        (
            "a: *x",
            "1:4: not valid YAML: while parsing node, found unknown anchor",
        ),
        (
            "a:\n\t- b",
            "2:2: not valid YAML: tabs disallowed within this context (block indentation)",
        ),
        (
            "a: b: c",
            "1:5: not valid YAML: mapping values are not allowed in this context",
        ),
        (
            "a: [1, 2",
            "1:9: not valid YAML: while parsing a flow sequence, expected ',' or ']'",
        ),
        (
            "a: [1, 2\n",
            "1:9: not valid YAML: while parsing a flow sequence, expected ',' or ']'",
        ),
        (
            "a: 1\r\nb: \0",
            "2:4: control character '\\0' is not allowed in YAML",
        ),
        (
            "a: 'é\u{7}'",
            "1:6: control character '\\u{7}' is not allowed in YAML",
        ),
    ];
    for (text, expected) in cases {
        let faults = match Document::parse("f.yaml", text.to_owned()) {
            Ok(mut document) => document.decode::<Value>().1,
            Err(faults) => faults,
        };
        assert_eq!(briefs(&faults), [expected], "{text}");
    }
}

#[test]
fn columns_count_characters() {
    let text = "buckets: {\"größe 🚀\": [x], größe: [1s]}\r\nstore:\r  fsync: ä\n";
    refused(
        text,
        &[
            "1:23: invalid duration \"x\", allowed: such as 1h30m or 250ms (y w d h m s ms, in this order), or 0",
            "3:10: cannot read `fsync`: \"ä\" given, allowed: true or false",
        ],
    );
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
fn a_flood_of_faults_is_cut() {
    let (_, faults) = decode(&format!("buckets: {{a: [{}]}}", "x, ".repeat(500)));
    assert_eq!(faults.len(), 101);
    assert_eq!(
        faults[100].message,
        "more than 99 faults, further ones are not shown"
    );
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
fn long_and_hostile_lines_are_fit_to_show() {
    let long = format!("buckets: {{a: [{}x, 1s]}}", "1s, ".repeat(200));
    let (_, faults) = decode(&long);
    let fault = &faults[0];
    assert_eq!((fault.column, fault.source_column), (815, 61));
    assert_eq!(fault.source_line.chars().nth(60), Some('x'));
    let drawn = render(&faults, false);
    assert!(drawn.contains("--> f.yaml:1:815"), "{drawn}");

    let (_, faults) = decode("buckets:\t{a: [\"\u{85}\u{202E}\"]}");
    assert_eq!(
        faults[0].source_line,
        "buckets: {a: [\"\u{FFFD}\u{FFFD}\"]}"
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

/// Text made of what matters to YAML, so that most of the parser is reached.
fn yaml_like() -> impl Strategy<Value = String> {
    let pieces = [
        "groups",
        "name",
        "rules",
        "alert",
        "threshold",
        "metric",
        "above",
        "labels",
        "store",
        "password",
        "a",
        "é",
        "🚀",
        "5s",
        "80%",
        "1",
        "-",
        "- ",
        "? ",
        ": ",
        ":",
        ",",
        "[",
        "]",
        "{",
        "}",
        "&x ",
        "*x",
        "!t ",
        "!!str ",
        "<<",
        "|",
        ">-",
        "'",
        "\"",
        "\\",
        "#",
        " #",
        "\n",
        "\n",
        "\n  ",
        "\n    ",
        "\r\n",
        "\r",
        "\t",
        " ",
        "  ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "${N}",
        "$${",
        "\u{FEFF}",
        "\0",
        "\u{85}",
        "\u{2028}",
        "~",
        "null",
        "true",
        "0x",
        "@",
        "`",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..60)
        .prop_map(|pieces| pieces.concat())
}

/// Reads a text in every way and gives all faults.
fn all_faults(text: &str) -> Vec<Fault> {
    let lookup = |name: &str| (name == "N").then(|| "1".to_owned());
    match Document::parse_expanding("f.yaml", text.to_owned(), &lookup) {
        Err(faults) => faults,
        Ok(mut document) => {
            let place = Place::root().key("groups").index(0).key("rules").index(0);
            let (_, mut faults) = document.decode::<File>();
            faults.push(document.fault(&place, "x"));
            faults.push(document.fault_at_key(&place.key("labels"), "x"));
            sort(&mut faults);
            faults
        }
    }
}

fn check_any_text(text: &str) -> Result<(), TestCaseError> {
    let faults = all_faults(text);
    let normal = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let normal = normal.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = normal.split('\n').collect();
    for fault in &faults {
        prop_assert!((1..=lines.len()).contains(&fault.line), "{fault:?}");
        let width = lines[fault.line - 1].chars().count();
        prop_assert!((1..=width + 1).contains(&fault.column), "{fault:?}");
        prop_assert!(
            fault.length >= 1 && fault.column + fault.length <= width.max(fault.column) + 1,
            "{fault:?}"
        );
        let shown = fault.to_string();
        prop_assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{shown:?}"
        );
    }
    prop_assert!(faults.is_sorted_by_key(|fault| (fault.line, fault.column)));
    prop_assert!(faults.is_empty() || render(&faults, true).contains("f.yaml"));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_yaml_like_text_makes_it_panic_or_point_outside(text in yaml_like()) {
        check_any_text(&text)?;
    }

    #[test]
    fn no_text_at_all_makes_it_panic_or_point_outside(text in any::<String>()) {
        check_any_text(&text)?;
    }

    #[test]
    fn keys_are_pointed_at_exactly(
        keys in prop::collection::vec("[a-zé🚀]{1,8}", 1..6), flow in any::<bool>(), indent in 0_usize..5,
    ) {
        let (open, close, separator) = if flow { ("{", "}", ", ") } else { ("", "", "\n") };
        let entries: Vec<String> = keys.iter().enumerate()
            .map(|(number, key)| format!("{}k{number}{key}: v", " ".repeat(indent)))
            .collect();
        let text = format!("{open}{}{close}", entries.join(separator));
        let document = Document::parse("f.yaml", text.clone()).unwrap();
        for (number, key) in keys.iter().enumerate() {
            let key = format!("k{number}{key}");
            let fault = document.fault_at_key(&Place::root().key(&key), "x");
            let line = text.lines().nth(fault.line - 1).unwrap();
            let pointed: String = line.chars().skip(fault.column - 1).take(fault.length).collect();
            prop_assert_eq!(pointed, key);
        }
    }
}
