//! Names and label values that a page has to escape, or that look like a piece of one: every reader gets them back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::exposition::{
    OPEN_METRICS, PROTOBUF, Samples, protobuf, python, sample, samples, samples_by_python,
};
use crate::native_histograms::{FEATURES, prometheus, query};
use crate::peers::wait_until;
use crate::sidecar::{Reply, Sidecar, request};

/// The labels that carry the text.
const CARRIERS: [&str; 4] = ["operation", "algorithm", "version", "place"];

fn hostile() -> BTreeSet<String> {
    let texts = [
        r#"say "hi""#,
        "\"",
        "\"\"",
        r"\",
        r"\\",
        r"\n",
        r"\\n",
        r#"\""#,
        r"C:\new\table\",
        "{",
        "}",
        ",",
        "=",
        "#",
        r#"a="b",c="d""#,
        r#"x",le="0.1"} 7"#,
        r#"} 1 # {trace_id="0"} 1 1"#,
        "# EOF",
        "# TYPE opwatch_operations counter",
        " in front",
        "behind ",
        " ",
        "größe→∞ 🚀",
        "e\u{301}",
        "\u{e9}",
        // Ends of lines to some, but not to a page.
        "next\u{85}line\u{2028}separator\u{2029}",
        "\u{feff}\u{200b}\u{202e}",
        "NaN",
        "+Inf",
        "0x1p-2",
        "$1 ${2} %s %00 {{ $labels.operation }}",
        "<b>&amp;</b>",
    ];
    let long = ["\"", r"\", "é", "🚀", "x"].map(|character| character.repeat(200));
    texts.map(str::to_owned).into_iter().chain(long).collect()
}

/// A running opwatch with one measurement of every text, and a trace for exemplars.
fn measured() -> Sidecar {
    let sidecar = Sidecar::start("", &[]);
    let records = hostile().into_iter().map(|text| {
        json!({
            "operation": text, "algorithm": text, "version": text, "labels": {"place": text},
            "duration_seconds": 0.25, "trace_id": "0af7651916cd43dd8448eb211c80319c",
        })
    });
    sidecar.measure(&Value::from(records.collect::<Vec<_>>()).to_string());
    sidecar
}

fn page(sidecar: &Sidecar, accept: &str) -> Reply {
    request(
        &sidecar.public,
        "GET",
        "/metrics",
        &[("Accept", accept)],
        b"",
    )
}

/// Fails unless every text has its one success, with the text in all the labels that carry it.
fn check(reader: &str, found: &Samples) {
    let of_success = |labels: &BTreeMap<String, String>| labels["outcome"] == "success";
    let mut texts = BTreeSet::new();
    for ((name, labels), value) in found {
        if name == "opwatch_operations_total" && of_success(labels) {
            let carried = CARRIERS.map(|label| labels[label].as_str());
            assert_eq!(carried, [carried[0]; 4], "{reader}");
            assert_eq!(*value, 1.0, "{reader}: {labels:?}");
            texts.insert(carried[0].to_owned());
        }
    }
    assert_eq!(texts, hostile(), "{reader}");
}

#[test]
fn hostile_names_are_read_back_from_every_format() {
    let sidecar = measured();
    let classic = page(&sidecar, "text/plain").text();
    check("the classic page", &samples(&classic));
    let open_metrics = page(&sidecar, OPEN_METRICS).text();
    assert!(open_metrics.ends_with("# EOF\n"));
    check("the OpenMetrics page", &samples(&open_metrics));
    let page = protobuf::read(&page(&sidecar, PROTOBUF).body);
    check("the protobuf page", &page.samples);
    assert_eq!(page.exemplars.len(), hostile().len());

    let Some(python) = python() else { return };
    for (arguments, page) in [(&["--classic"][..], classic), (&[], open_metrics)] {
        let found = samples_by_python(&python, arguments, &page);
        check(&format!("Python {arguments:?}"), &found);
        assert_eq!(found, samples(&page), "{arguments:?}");
    }
}

#[test]
fn hostile_names_arrive_in_prometheus() {
    let sidecar = measured();
    // With the feature for protobuf, and without for OpenMetrics.
    for flags in [&[][..], &[FEATURES]] {
        let Some(prometheus) = prometheus(&sidecar, flags) else {
            return;
        };
        let found = wait_until("a scrape", || {
            let found = query(&prometheus, "opwatch_operations_total");
            (!found.is_empty()).then_some(found)
        });
        let found = found.iter().map(|one| {
            let value = one["value"][1].as_str().unwrap();
            (sample(&one["metric"]), value.parse().unwrap())
        });
        check(&format!("Prometheus {flags:?}"), &found.collect());
    }
}
