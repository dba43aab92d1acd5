//! Whole bodies beside the form that each service documents.

use serde_json::json;

use super::*;
use crate::document::Place;
use crate::notify::fixture;

const URL: &str = "http://opwatch.example.org";

fn key() -> Secret {
    Secret::new("R0UT1NGKEY".to_owned())
}

/// Compares with a file, or writes it anew where `OPWATCH_UPDATE_GOLDEN` says so.
fn check(name: &str, found: &Value) {
    let path = format!(
        "{}/src/notify/payload/golden/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let found = format!("{found:#}\n");
    if std::env::var_os("OPWATCH_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap(), "{path}");
}

#[test]
fn each_service_is_told_in_its_own_form() {
    let firing = fixture::notification(&[fixture::firing("detect"), fixture::resolved("train")]);
    let resolved = fixture::notification(&[fixture::resolved("detect")]);
    for preset in [
        Preset::Slack,
        Preset::Teams,
        Preset::Discord,
        Preset::PagerDuty,
        Preset::Opsgenie,
    ] {
        for (status, notification) in [("firing", &firing), ("resolved", &resolved)] {
            let Payload { path, body } = preset.payload(notification, URL, 0, &key());
            let shown = json!({"path": path, "body": body});
            check(&format!("{}.{status}", preset.as_str()), &shown);
        }
    }
}

/// Whatever is in labels: the form stays, nothing is a link or calls anybody, and bounds are kept.
#[test]
fn hostile_labels_change_nothing_but_text() {
    let hostile = "<!channel> <@here> [x](http://evil.example) @everyone \u{0}\r\n\"}],\"a\":1";
    let mut alert = fixture::firing("detect");
    let told = std::sync::Arc::make_mut(&mut alert);
    told.labels.set("operation", hostile);
    told.annotations.set("summary", hostile.repeat(500));
    let mut many = vec![alert; 200];
    many.push(fixture::firing("score"));
    let notification = fixture::notification(&many);
    let body = |preset: Preset| preset.payload(&notification, URL, 0, &key()).body;

    let slack = body(Preset::Slack);
    assert_eq!(slack["attachments"].as_array().unwrap().len(), 21);
    let text = slack.to_string();
    assert!(
        !text.contains("<!channel>") && !text.contains("<@"),
        "{text}"
    );

    let teams = body(Preset::Teams);
    assert!(teams.to_string().len() <= 28_000);
    assert!(!teams.to_string().replace("\\\\[", "").contains("[x]"));
    assert!(teams.to_string().contains("more alerts"));

    let discord = body(Preset::Discord);
    let embeds = discord["embeds"].as_array().unwrap();
    assert!(!embeds.is_empty() && embeds.len() <= 10);
    assert!(discord["content"].as_str().unwrap().chars().count() <= 2_000);
    assert_eq!(discord["allowed_mentions"], json!({"parse": []}));
    let characters: usize = (embeds.iter())
        .flat_map(|embed| {
            let fields = embed["fields"].as_array().unwrap().iter();
            let fields = fields.flat_map(|one| [one["name"].clone(), one["value"].clone()]);
            let rest = ["title", "description"].map(|name| embed[name].clone());
            fields.chain(rest).collect::<Vec<_>>()
        })
        .map(|text| text.as_str().unwrap().chars().count())
        .sum();
    assert!(characters <= 6_000, "{characters}");

    let pagerduty = body(Preset::PagerDuty);
    assert!(pagerduty.to_string().len() < 512_000);
    assert!(
        pagerduty["payload"]["summary"]
            .as_str()
            .unwrap()
            .chars()
            .count()
            <= 1_024
    );

    let opsgenie = body(Preset::Opsgenie);
    assert!(opsgenie["message"].as_str().unwrap().chars().count() <= 130);
    assert!(opsgenie["description"].as_str().unwrap().chars().count() <= 15_000);
}

/// The same group is known again when it has ended, and another receiver's is another one.
#[test]
fn an_end_has_the_key_of_its_beginning() {
    let firing = fixture::notification(&[fixture::firing("detect")]);
    let resolved = fixture::notification(&[fixture::resolved("detect")]);
    let dedup = |notification| {
        let body = Preset::PagerDuty.payload(notification, URL, 0, &key()).body;
        body["dedup_key"].clone()
    };
    assert_eq!(dedup(&firing), dedup(&resolved));
    let mut other = firing.clone();
    other.receiver = "others".to_owned();
    assert_ne!(dedup(&firing), dedup(&other));
    let close = Preset::Opsgenie.payload(&resolved, URL, 0, &key());
    let alias = Preset::Opsgenie.payload(&firing, URL, 0, &key()).body["alias"].clone();
    assert_eq!(
        close.path,
        format!(
            "/v2/alerts/{}/close?identifierType=alias",
            alias.as_str().unwrap()
        )
    );
}

fn tree(yaml: &str) -> Tree {
    serde_yaml::from_str(yaml).unwrap()
}

#[test]
fn the_strings_of_a_tree_are_templates_and_the_rest_stays() {
    let tree = tree(
        "{text: '{{ .Subject }}', n: 3, on: true, none: null,
          list: ['{{ len .Alerts }} of {{ .CommonLabels.severity }}', '{{ range .Firing }}{{ .What }}; since {{ .StartsAt }}{{ end }}'],
          deep: {operation: '{{ (index .Alerts 0).Labels.operation }}', summary: '{{ .CommonAnnotations.summary }}'}}",
    );
    let mut alert = fixture::firing("de\"tect");
    std::sync::Arc::make_mut(&mut alert).evidence = None;
    let notification = fixture::notification(&[alert]);
    let found = tree.render(&notification, URL, 0).unwrap();
    assert_eq!(
        found,
        json!({
            "text": "[FIRING:1] DetectionSlow (de\"tect high)", "n": 3, "on": true, "none": null,
            "list": ["1 of high", "p95 of duration is 12.5s, 25.0% over the limit of 10s; since 2026-01-31 12:00:00.25 +0000 UTC"],
            "deep": {"operation": "de\"tect", "summary": "p95 is <high>"},
        })
    );
}

/// What not every alert has is nothing where there is none, so that a template can ask for it.
#[test]
fn templates_know_how_often_it_was_found_and_how_it_went() {
    let tree = tree(
        "{found: '{{ range .Alerts }}{{ with .Tally }}{{ .Evaluations }} of {{ .Values }}, {{ .FirstSeen }} to {{ .LastSeen }}, worst {{ .Worst | humanizeDuration }}{{ else }}nothing{{ end }}{{ end }}',
          course: '{{ range .Alerts }}{{ with .Course }}{{ .Line }} {{ .StepSeconds }} {{ .To }} {{ len .Values }} {{ index .Values 2 }} {{ .UsualLow }}-{{ .UsualHigh }}{{ else }}nothing{{ end }}{{ end }}'}",
    );
    let found = tree.render(&fixture::with_course(), URL, 0).unwrap();
    assert_eq!(
        found,
        json!({
            "found": "61 of 1000, 2026-01-31 12:00:00.25 +0000 UTC to 2026-01-31 12:15:00.25 +0000 UTC, worst 31.5s",
            "course": "▁·█ 1s to 12.5s, usually 1s to 1.9s 150 2026-01-31 12:15:00.25 +0000 UTC 3 12.5 1-1.9",
        })
    );
    let without = fixture::notification(&[fixture::firing("detect")]);
    let found = tree.render(&without, URL, 0).unwrap();
    assert_eq!(found, json!({"found": "nothing", "course": "nothing"}));
}

#[test]
fn a_template_that_is_wrong_is_reported_at_its_place() {
    let wrong = tree("{text: '{{ .Subject }', deep: [{a: '{{ nofunction }}'}]}");
    let mut faults = Vec::new();
    wrong.check(&Place::root().key("body"), &mut |place, message| {
        faults.push(format!("{place}: {message}"));
    });
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults
            .iter()
            .any(|one| one.starts_with("body.text: template: ")),
        "{faults:?}"
    );
    assert!(
        faults
            .iter()
            .any(|one| one.starts_with("body.deep[0].a: template: ")),
        "{faults:?}"
    );
    // What is only known when it is rendered is an error then.
    let notification = fixture::notification(&[fixture::firing("detect")]);
    let missing = tree("{a: '{{ .NoSuchField }}'}");
    let error = missing.render(&notification, URL, 0).unwrap_err();
    assert!(error.contains("NoSuchField"), "{error}");
}
