//! What cannot be imported is told, and harms nothing else.

use std::time::Duration;

use opwatch::clock::Clock;

use super::{HOUR, ago, export, hourly, import, url};
use crate::faulty::{Fate, Faulty};
use crate::sidecar::{Folder, Sidecar};

#[test]
fn broken_records_are_kept_apart_and_told_with_their_place() {
    let folder = Folder::new();
    let now = ago(0);
    let good = |name: &str| {
        format!("{{\"operation\":\"{name}\",\"timestamp\":\"{now}\",\"duration_seconds\":1}}\n")
    };
    let ahead = Clock::start().now().wall.after(Duration::from_secs(HOUR));
    let text = [
        good("a"),
        "nonsense\n".to_owned(),
        format!("{{\"operation\":\"__overflow__\",\"timestamp\":\"{now}\"}}\n"),
        format!("{{\"operation\":\"__opwatch__\",\"timestamp\":\"{now}\"}}\n"),
        format!(
            "{{\"operation\":\"a\",\"labels\":{{\"overflow\":\"true\"}},\"timestamp\":\"{now}\"}}\n"
        ),
        "{\"operation\":\"a\",\"duration_seconds\":1}\n".to_owned(),
        format!("{{\"operation\":\"a\",\"timestamp\":\"{ahead}\"}}\n"),
        good("b"),
    ]
    .concat();
    folder.write("broken.ndjson", &text);
    let sidecar = Sidecar::start("data_dir: data\n", &[]);
    for to in [["--data-dir", "data"], ["--url", &url(&sidecar)]] {
        let (code, said, errors) = import(&folder, "broken.ndjson", &to);
        assert_eq!(code, Some(1));
        assert!(
            said.contains("8 records: 2 imported, 0 known already, 6 refused"),
            "{said}"
        );
        assert!(
            said.contains("refused: not a record 1, labels.overflow 1, operation 2, timestamp 2"),
            "{said}"
        );
        for (line, reason) in [
            (2, "expected ident"),
            (
                3,
                "operation: \"__overflow__\" starts with `__`, which is reserved",
            ),
            (
                4,
                "operation: \"__opwatch__\" starts with `__`, which is reserved",
            ),
            (5, "labels.overflow: is a reserved label name"),
            (
                6,
                "timestamp: is missing; the end of each operation is needed",
            ),
            (7, "s ahead of the clock"),
        ] {
            let place = format!("broken.ndjson: line {line}, record {line}: ");
            let told = errors.lines().find(|told| told.starts_with(&place));
            assert!(
                told.is_some_and(|told| told.contains(reason)),
                "{reason}\n{errors}"
            );
        }
    }
    assert_eq!(
        export(&folder, "data", "csv"),
        export(&sidecar.folder, "data", "csv")
    );
    // Of what is cut off the beginning counts.
    folder.write("cut.json", &format!("[{}", good("c")));
    let (code, said, errors) = import(&folder, "cut.json", &["--data-dir", "cut"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("1 imported"), "{said}");
    assert!(errors.contains("the end of it is missing"), "{errors}");
    assert!(export(&folder, "cut", "ndjson").contains("\"c\""));
}

#[test]
fn wrong_use_says_what_is_allowed_and_changes_nothing() {
    let folder = Folder::new();
    let record = format!("{{\"operation\":\"a\",\"timestamp\":\"{}\"}}\n", ago(0));
    folder.write("good.ndjson", &record);
    folder.write("empty", "");
    folder.write("other", "hello, world\n");
    let sidecar = Sidecar::start("data_dir: data\n", &[]);
    let locked = sidecar.folder.0.join("data");
    let public = format!("http://{}", sidecar.public);
    for (file, rest, code, expected) in [
        (
            "missing",
            ["--data-dir", "new"].as_slice(),
            2,
            "missing: No such file",
        ),
        (
            "good.ndjson",
            &["--data-dir", "new", "--format", "xml"],
            2,
            "allowed are auto, json, ndjson, csv, guide",
        ),
        ("good.ndjson", &[], 2, "--data-dir <DIR>|--url <URL>"),
        (
            "good.ndjson",
            &["--data-dir", "new", "--url", &public],
            2,
            "cannot be used with",
        ),
        (
            "good.ndjson",
            &["--data-dir", locked.to_str().unwrap()],
            2,
            "another opwatch is using it; import into it with --url",
        ),
        (
            "good.ndjson",
            &["--data-dir", "good.ndjson"],
            2,
            "good.ndjson",
        ),
        (
            "good.ndjson",
            &["--url", "ftp://host"],
            2,
            "--url: not an http:// or https:// URL",
        ),
        (
            "good.ndjson",
            &["--url", &public],
            2,
            "on the ingest listener only",
        ),
        (
            "good.ndjson",
            &["--url", "http://127.0.0.1:1"],
            4,
            "cannot reach http://127.0.0.1:1",
        ),
        (
            "good.ndjson",
            &["--data-dir", "format", "--format", "csv"],
            2,
            "it is a JSON object where csv was asked for",
        ),
        (
            "other",
            &["--data-dir", "other-new"],
            2,
            "no export is recognised in it",
        ),
        (
            "empty",
            &["--data-dir", "empty-new"],
            3,
            "empty: no records",
        ),
    ] {
        let (ended, said, errors) = import(&folder, file, rest);
        assert_eq!(ended, Some(code), "{rest:?}: {said}{errors}");
        assert!(errors.contains(expected), "{rest:?}: {errors}");
        assert!(!said.contains(" 1 imported"), "{said}");
    }
    assert!(!folder.0.join("new").exists());
    assert_eq!(sidecar.get("/api/v1/export").text(), "[]\n");
}

#[test]
fn a_data_directory_that_cannot_be_read_is_not_imported_into() {
    let folder = Folder::new();
    let record = format!("{{\"operation\":\"a\",\"timestamp\":\"{}\"}}\n", ago(0));
    folder.write("good.ndjson", &record);
    let path = folder.write(
        "data/opwatch.db",
        "this is no database, but somebody may want it\n",
    );
    let before = std::fs::read(&path).unwrap();
    let (code, _, errors) = import(&folder, "good.ndjson", &["--data-dir", "data"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("opwatch.db: file is not a database"),
        "{errors}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_done_already_is_skipped_where_that_is_asked_for() {
    let folder = Folder::new();
    folder.write("history.ndjson", &hourly("train", 9));
    let (code, said, _) = import(
        &folder,
        "history.ndjson",
        &["--data-dir", "data", "--skip", "4"],
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("9 records: 5 imported"), "{said}");
    assert!(said.contains("4 were skipped"), "{said}");
    let kept = export(&folder, "data", "ndjson");
    assert_eq!(kept.lines().count(), 5);
    assert!(kept.contains("\"duration_seconds\":5.0") && !kept.contains("6.0,"));
}

#[test]
fn a_busy_server_is_asked_again_with_the_same_batch() {
    let folder = Folder::new();
    let record = format!("{{\"operation\":\"a\",\"timestamp\":\"{}\"}}\n", ago(0));
    folder.write("good.ndjson", &record);
    let busy = Fate::answer("429 Too Many Requests\r\nRetry-After: 0");
    let away = Fate::answer("503 Service Unavailable\r\nRetry-After: 0");
    let server = Faulty::start(vec![busy, away]);
    let to = format!("http://{}", server.address());
    let (code, _, errors) = import(&folder, "good.ndjson", &["--url", &to]);
    // It answers 200 with what no opwatch would say.
    assert_eq!(code, Some(2));
    assert!(errors.contains("answers as no opwatch does"), "{errors}");
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request.head[0], "POST /v1/operations HTTP/1.1");
        assert_eq!(
            request.header("opwatch-batch"),
            requests[0].header("opwatch-batch")
        );
        assert_eq!(request.json["operation"], "a");
    }
    assert!(
        requests[0]
            .header("opwatch-batch")
            .unwrap()
            .starts_with("import-")
    );
}
