//! What is wrong in a document, said at its place.

use super::*;

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
fn a_flood_of_faults_is_cut() {
    let (_, faults) = decode(&format!("buckets: {{a: [{}]}}", "x, ".repeat(500)));
    assert_eq!(faults.len(), 101);
    assert_eq!(
        faults[100].message,
        "more than 99 faults, further ones are not shown"
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
