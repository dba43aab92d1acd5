//! The export of a running opwatch.

use std::fmt::Write as _;

use serde_json::json;

use super::{FORMATS, HOUR, ago, all_fields, export, hourly, import_all, url};
use crate::sidecar::Sidecar;

#[test]
fn a_running_opwatch_exports_the_same_over_http() {
    let sidecar = Sidecar::start("data_dir: data\n", &[]);
    let folder = &sidecar.folder;
    let mut text = all_fields() + &hourly("train", 30);
    for n in 0..3_000 {
        let at = ago(20);
        let _ = writeln!(
            text,
            r#"{{"operation":"detect","timestamp":"{at}","duration_seconds":{n}}}"#
        );
    }
    folder.write("all.ndjson", &text);
    import_all(folder, "all.ndjson", &["--url", &url(&sidecar)]);
    for (format, content_type) in FORMATS.iter().zip([
        "application/json",
        "application/x-ndjson",
        "text/csv; charset=utf-8; header=present",
    ]) {
        let reply = sidecar.get(&format!("/api/v1/export?format={format}"));
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type").as_deref(), Some(content_type));
        assert_eq!(reply.text(), export(folder, "data", format));
        // And what it gives is taken again.
        folder.write(format, &reply.text());
        import_all(folder, format, &["--data-dir", &format!("again-{format}")]);
    }
    let lines = |query: &str| {
        let reply = sidecar.get(&format!("/api/v1/export?format=ndjson&{query}"));
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        reply.text().lines().count()
    };
    assert_eq!(lines("operation=train"), 30);
    assert_eq!(lines("operation=train&from=-10h30m"), 10);
    assert_eq!(lines("operation=train&from=-10h30m&to=-5h30m"), 5);
    assert_eq!(
        lines(&format!("operation=train&to={}", ago(20 * HOUR + 60))),
        10
    );
    assert_eq!(lines(&format!("from={}", ago(600).seconds())), 3_002);
    assert_eq!(lines("operation=nothing"), 0);
    assert_eq!(
        sidecar.get("/api/v1/export?operation=nothing").text(),
        "[]\n"
    );
    for (query, expected) in [
        ("format=xml", "allowed are json, ndjson, csv"),
        ("from=yesterday", "is no time"),
        ("operatoin=train", "allowed are format, from, to, operation"),
    ] {
        let reply = sidecar.get(&format!("/api/v1/export?{query}"));
        assert_eq!(reply.status, 400);
        let body = reply.json();
        assert_eq!(
            (&body["status"], &body["errorType"]),
            (&json!("error"), &json!("bad_data"))
        );
        assert!(body["error"].as_str().unwrap().contains(expected), "{body}");
    }
}

#[test]
fn without_a_store_an_export_says_that_nothing_is_kept() {
    let sidecar = Sidecar::start("", &[]);
    sidecar.measure(r#"{"operation":"a","duration_seconds":1}"#);
    let reply = sidecar.get("/api/v1/export");
    assert_eq!(reply.status, 404);
    let body = reply.json();
    assert!(
        body["error"].as_str().unwrap().contains("data_dir: none"),
        "{body}"
    );
}
