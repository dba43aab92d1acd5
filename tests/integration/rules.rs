//! Rules through the public border: absence, dependence, shadow, built-in ones, and templates that fail.

use serde_json::{Value, json};

use crate::faulty::Faulty;
use crate::sidecar::{Sidecar, wait_for};

/// An opwatch that tells a webhook at once, and what tells of it.
fn told(rules: &str, config: &str) -> (Sidecar, Faulty) {
    let server = Faulty::start(Vec::new());
    let config = format!(
        "rule_files: [rules.yaml]\nevaluation_interval: 1s\n\
         route: {{receiver: x, group_by: [alertname], group_wait: 0s, group_interval: 1s}}\n\
         receivers: [{{name: x, webhook_configs: [{{url: 'http://{}/'}}]}}]\n{config}",
        server.address()
    );
    (Sidecar::start(&config, &[("rules.yaml", rules)]), server)
}

/// Waits for an alert that the webhook was told of.
fn alert(server: &Faulty, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || {
        let requests = server.requests();
        let alerts = requests.iter().filter_map(|r| r.json["alerts"].as_array());
        alerts.flatten().find(|alert| matches(alert)).cloned()
    })
}

fn rule(sidecar: &Sidecar, name: &str) -> Value {
    let groups = sidecar.data("/api/v1/rules");
    let groups = groups["groups"].as_array().unwrap();
    let mut rules = groups.iter().flat_map(|g| g["rules"].as_array().unwrap());
    rules.find(|rule| rule["name"] == name).unwrap().clone()
}

#[test]
fn what_is_missing_is_told_and_what_has_been_away_for_long_is_forgotten() {
    let rules = "
groups:
- name: g
  rules:
  - alert: Missing
    absence: {expect_every: 2s, grace: 1s, remember: 6s, expect: [{operation: train}]}
    annotations: {summary: '{{ $labels.operation }} {{ $threshold }}'}
";
    let (sidecar, server) = told(rules, "");
    sidecar.measure(r#"{"operation":"import","duration_seconds":1}"#);
    let told = alert(&server, "the missing training", |alert| {
        alert["labels"]["operation"] == "train"
    });
    let labels = json!({"alertname": "Missing", "operation": "train", "severity": "medium"});
    assert_eq!(told["labels"], labels);
    assert_eq!(
        (
            &told["type"],
            &told["threshold"],
            &told["metric"],
            &told["n"]
        ),
        (&json!("absence"), &json!(3.0), &json!("absence"), &json!(0))
    );
    assert_eq!(told["annotations"]["summary"], "train 3");
    assert!(told["value"].as_f64().unwrap() > 3.0, "{told}");
    let ended = alert(&server, "the forgotten import", |alert| {
        alert["status"] == "resolved" && alert["labels"]["operation"] == "import"
    });
    assert_eq!(ended["reason"], "forgotten");
    let history = sidecar.data("/api/v1/alerts/history");
    let last = history
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["change"] == "resolved")
        .unwrap();
    assert_eq!(last["reason"], "forgotten");
    sidecar.measure(
        r#"{"operation":"train","algorithm":"a","duration_seconds":1,"outcome":"failure"}"#,
    );
    let ended = alert(&server, "the training", |alert| {
        alert["status"] == "resolved" && alert["labels"]["operation"] == "train"
    });
    assert_eq!(ended["reason"], "recovered");
    let rule = rule(&sidecar, "Missing");
    assert_eq!(
        rule["query"],
        r#"opwatch_rule_value{alertname="Missing"} > opwatch_rule_limit{alertname="Missing"}"#
    );
}

#[test]
fn a_rule_in_shadow_is_judged_and_shown_as_such_but_is_no_alert_to_anyone() {
    let rules = "
groups:
- name: g
  rules:
  - {alert: Real, threshold: {metric: duration, stat: last, window: 1 run, above: 1s}}
  - {alert: Tried, mode: shadow, threshold: {metric: duration, stat: last, window: 1 run, above: 1s}}
";
    let (sidecar, server) = told(rules, "exposition: {prometheus_alerts: true}\n");
    sidecar.measure(r#"{"operation":"op","duration_seconds":9}"#);
    alert(&server, "the real one", |alert| {
        alert["labels"]["alertname"] == "Real"
    });
    let tried = rule(&sidecar, "Tried");
    assert_eq!(
        (&tried["mode"], &tried["state"]),
        (&json!("shadow"), &json!("firing"))
    );
    assert_eq!(tried["alerts"][0]["shadow"], true);
    let real = rule(&sidecar, "Real");
    assert_eq!(
        (&real["mode"], &real["alerts"][0]["shadow"]),
        (&json!("active"), &Value::Null)
    );
    let alerts = sidecar.data("/api/v1/alerts");
    let names: Vec<_> = alerts["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["labels"]["alertname"])
        .collect();
    assert_eq!(names, ["Real"]);
    let page = sidecar.metrics();
    let of_tried: Vec<&str> = page
        .lines()
        .filter(|line| line.contains("\"Tried\""))
        .collect();
    let alerts = |line: &&&str| line.starts_with("ALERTS") || line.starts_with("opwatch_alerts");
    assert_eq!(of_tried.iter().find(alerts), None);
    let state = r#"opwatch_rule_state{operation="op",alertname="Tried",rule_mode="shadow"} 2"#;
    assert!(of_tried.contains(&state), "{of_tried:#?}");
    let history = sidecar.data("/api/v1/alerts/history");
    let history = history.as_array().unwrap();
    let tried = history
        .iter()
        .find(|c| c["labels"]["alertname"] == "Tried")
        .unwrap();
    assert_eq!(tried["shadow"], true);
    // A second is enough for another round: still nobody has heard of it.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let requests = server.requests();
    assert!(
        requests
            .iter()
            .all(|request| !request.json.to_string().contains("Tried"))
    );
}

#[test]
fn a_template_that_fails_says_so_in_its_place_and_the_alert_is_sent_all_the_same() {
    let rules = r#"
groups:
- name: g
  rules:
  - alert: Slow
    threshold: {metric: duration, stat: last, window: 1 run, above: 1s}
    labels:
      tier: '{{ define "t" }}{{ . | toUpper }}{{ end }}{{ with $labels.operation }}{{ template "t" . }}{{ end }}'
      all: '{{ range $name, $text := $labels }}{{ $name }}={{ $text }};{{ end }}'
      broken: '{{ $labels.operation.x }}'
      queried: '[{{ range query "up" | sortByLabel "instance" }}{{ .Labels.instance }}{{ end }}]'
    annotations:
      good: '{{ printf "%.1f" $value }} {{ humanizeDuration $threshold }} {{ args 1 2 | len }}'
      broken: '{{ query "up" | first | value }}'
      number: '{{ humanize "one" }}'
      links: '{{ graphLink "up" }} {{ tableLink "up" }} {{ pathPrefix }} {{ "<b>" | safeHtml }} {{ externalURL }}'
      text: '{{ title "a b" }} {{ stripPort "[::1]:6006" }} {{ stripDomain "a.example.org:80" }} {{ parseDuration "2h10m15s" }} {{ match "a+" "aa" }} {{ reReplaceAll "(a)b" "x$1" "ab" }} {{ "Ab" | toLower }}'
"#;
    let (sidecar, server) = told(rules, "external_url: http://opwatch.example.org/prefix\n");
    sidecar.measure(r#"{"operation":"op","duration_seconds":9}"#);
    let told = alert(&server, "the alert", |_| true);
    let fault = "<error expanding template: cannot render template at line 1, column ";
    let check = |kind: &str, name: &str, expected: &str| {
        let found = told[kind][name].as_str().unwrap_or_default();
        assert!(found.starts_with(expected), "{kind}.{name}: {found}");
    };
    check("labels", "tier", "OP");
    check("labels", "all", "operation=op;");
    check("labels", "broken", fault);
    check("labels", "queried", "[]");
    check("annotations", "good", "9.0 1s 2");
    check(
        "annotations",
        "broken",
        &format!("{fault}17: first: first() called on vector with no elements>"),
    );
    check(
        "annotations",
        "number",
        &format!("{fault}4: humanize \"one\": can't convert \"one\" to a number>"),
    );
    check(
        "annotations",
        "links",
        "/graph?g0.expr=up&g0.tab=0 /graph?g0.expr=up&g0.tab=1 /prefix <b> http://opwatch.example.org/prefix",
    );
    check("annotations", "text", "A B ::1 a:80 7815 true xa ab");
    assert_eq!(rule(&sidecar, "Slow")["health"], "ok");
}

#[test]
fn the_built_in_rules_are_shown_by_their_files_and_tell_of_too_many_series() {
    let rules = "
groups:
- name: mine
  rules:
  - {alert: CpuUsage, mode: off}
  # The built-in one looks every 15 s only.
  - alert: OpwatchSeriesOverflow
    select: '{operation=\"__opwatch__\"}'
    by: []
    threshold: {metric: series_overflow, stat: sum, window: 15m, above: 0}
";
    let (sidecar, server) = told(rules, "guide_rules: on\nstore: {max_series: 10}\n");
    let groups = sidecar.data("/api/v1/rules");
    let names = |file: &str| -> Vec<String> {
        let groups = groups["groups"].as_array().unwrap().iter();
        let group = groups
            .into_iter()
            .find(|g| g["file"].as_str().unwrap().ends_with(file))
            .unwrap();
        let rules = group["rules"].as_array().unwrap().iter();
        rules
            .map(|rule| rule["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names("built-in:guide"),
        ["ExecutionTime", "MemoryUsage", "Throughput"]
    );
    assert_eq!(names("rules.yaml"), ["OpwatchSeriesOverflow"]);
    assert!(!names("built-in:opwatch").contains(&"OpwatchSeriesOverflow".to_owned()));
    let record = |n| json!({"operation": "op", "labels": {"request": format!("{n}")}, "duration_seconds": 1});
    sidecar.measure(&Value::from((0..50).map(record).collect::<Vec<_>>()).to_string());
    let told = alert(&server, "the overflow", |alert| {
        alert["labels"]["alertname"] == "OpwatchSeriesOverflow"
    });
    assert_eq!(told["value"], 40.0);
    let operations = sidecar.data("/api/v1/operations");
    let names: Vec<_> = operations
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["operation"])
        .collect();
    assert_eq!(names, ["op"]);
    let page = sidecar.metrics();
    assert!(
        !page
            .lines()
            .any(|line| line.starts_with("opwatch_operation") && line.contains("__opwatch__"))
    );
    let reply = sidecar.post(
        "/v1/operations",
        r#"{"operation":"__opwatch__","quality":{"series_overflow":1}}"#,
    );
    assert_eq!(
        reply.json()["rejected"][0]["field"],
        "operation",
        "{reply:?}"
    );
    assert_eq!(sidecar.get("/api/v1/operations/__opwatch__").status, 404);
}

#[test]
fn while_an_alert_that_a_rule_depends_on_fires_its_own_is_shown_but_not_told() {
    let rules = "
groups:
- name: dependent
  rules:
  - {alert: Slow, depends_on: [Failing], threshold: {metric: duration, stat: last, window: 1 run, above: 1s}}
- name: other
  rules:
  - {alert: Failing, by: [operation], threshold: {metric: error_ratio, window: 2 runs, above: 0}}
";
    let (sidecar, server) = told(rules, "");
    let failed = r#"{"operation":"op","algorithm":"a","outcome":"failure"}"#;
    let slow = r#"{"operation":"op","algorithm":"a","duration_seconds":9}"#;
    sidecar.measure(&format!("[{slow},{failed}]"));
    alert(&server, "the failures", |alert| {
        alert["labels"]["alertname"] == "Failing"
    });
    let dependent = rule(&sidecar, "Slow");
    assert_eq!(dependent["dependsOn"], json!(["Failing"]));
    assert_eq!(
        (
            &dependent["alerts"][0]["state"],
            &dependent["alerts"][0]["suppressed"]
        ),
        (&json!("firing"), &json!(true))
    );
    assert!(
        server
            .requests()
            .iter()
            .all(|r| !r.json.to_string().contains("Slow"))
    );
    sidecar.measure(&format!("[{slow},{slow}]"));
    alert(&server, "what was held back", |alert| {
        alert["labels"]["alertname"] == "Slow"
    });
}
