//! Algorithms compared, over HTTP and on the command line.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::sidecar::{BINARY, Folder, Sidecar};

fn opwatch(arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(BINARY).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Of three algorithms `runs` operations each, and two of a fourth.
fn measured(sidecar: &Sidecar, runs: usize) {
    let mut records = Vec::new();
    for (algorithm, version, seconds, bytes, samples, f1) in [
        ("fast", "v1", 1.0, 3e9, 3_000, 0.8),
        ("middle", "v1", 1.02, 2e9, 2_000, 0.9),
        ("slow", "v2", 3.0, 1e9, 1_000, 0.7),
    ] {
        for run in 0..runs {
            // Some spread, the same for each.
            let more = 1.0 + (run % 10) as f64 / 10.0;
            let mut record = json!({
                "operation": "detect", "algorithm": algorithm, "version": version,
                "duration_seconds": seconds * more, "memory_peak_bytes": bytes, "samples": samples,
                "quality": {"f1": f1 + (run % 3) as f64 / 100.0, "loss": 1.0},
            });
            if algorithm == "slow" && run == 0 {
                record = json!({"operation": "detect", "algorithm": algorithm, "version": version,
                                "outcome": "failure"});
            }
            records.push(record);
        }
    }
    for _ in 0..2 {
        let few = json!({"operation": "detect", "algorithm": "few", "duration_seconds": 0.1});
        records.push(few);
    }
    sidecar.measure(&Value::from(records).to_string());
}

/// Names in the order of a ranking.
fn order<'a>(data: &'a Value, aspect: &str) -> Vec<&'a str> {
    let places = places(data, aspect);
    places
        .iter()
        .map(|place| place["name"].as_str().unwrap())
        .collect()
}

fn places<'a>(data: &'a Value, aspect: &str) -> &'a Vec<Value> {
    let rankings = data["rankings"].as_array().unwrap();
    let ranking = rankings.iter().find(|ranking| ranking["aspect"] == aspect);
    ranking.unwrap()["places"].as_array().unwrap()
}

#[test]
fn case_42_algorithms_are_ranked_and_differences_are_more_than_chance_or_none() {
    let sidecar = Sidecar::start("", &[]);
    measured(&sidecar, 40);
    let data = sidecar.data("/api/v1/comparison?operation=detect");
    assert_eq!(order(&data, "speed"), ["fast", "middle", "slow"]);
    assert_eq!(order(&data, "memory"), ["slow", "middle", "fast"]);
    assert_eq!(order(&data, "throughput"), ["fast", "middle", "slow"]);
    assert_eq!(order(&data, "reliability"), ["fast", "middle", "slow"]);
    assert_eq!(order(&data, "quality"), ["middle", "fast", "slow"]);
    assert_eq!(
        data["leftOut"],
        json!([{"name": "few", "operations": 2, "failures": 0}])
    );
    assert_eq!(
        data["compared"][2],
        json!({"name": "slow", "operations": 40, "failures": 1})
    );
    assert_eq!(
        (&data["minOperations"], &data["window"]),
        (&json!(3), &json!("1000 runs"))
    );

    let speed = places(&data, "speed");
    assert_eq!(speed[0]["toBest"], Value::Null);
    let (near, far) = (&speed[1]["toBest"], &speed[2]["toBest"]);
    assert_eq!(
        (&near["significant"], &far["significant"]),
        (&json!(false), &json!(true)),
        "{data}"
    );
    let ratio = far["value"].as_f64().unwrap();
    assert!(
        (ratio - 3.0).abs() < 0.1 && far["low"].as_f64().unwrap() < ratio,
        "{far}"
    );
    // Failed operations have no duration.
    assert_eq!((&speed[2]["n"], &speed[0]["n"]), (&json!(39), &json!(40)));
    for place in places(&data, "reliability") {
        let [low, value, high] = ["low", "value", "high"].map(|end| place[end].as_f64().unwrap());
        assert!(
            0.0 <= low && low <= value && value <= high && high <= 1.0,
            "{place}"
        );
    }
    // Which way a loss is better nobody has said.
    let loss = data["rankings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["metric"] == "loss");
    assert_eq!(loss.unwrap()["better"], Value::Null);

    let by =
        sidecar.data("/api/v1/comparison?operation=detect&by=version&window=1h&min_operations=50");
    assert_eq!(order(&by, "speed"), ["v1"]);
    assert_eq!(by["leftOut"].as_array().unwrap().len(), 2);
    for (query, status, expected) in [
        ("", 400, "operation is missing"),
        (
            "operation=detect&by=host",
            400,
            "allowed are algorithm, version",
        ),
        (
            "operation=detect&windwo=1h",
            400,
            "\"windwo\" is no parameter; allowed are operation",
        ),
        (
            "operation=other",
            404,
            "no operation \"other\" has been measured; there are: detect",
        ),
    ] {
        let reply = sidecar.get(&format!("/api/v1/comparison?{query}"));
        assert_eq!(reply.status, status, "{query}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_command_says_the_same_of_a_server_and_of_what_it_kept() {
    let folder = Folder::new();
    let kept = folder.0.join("kept").display().to_string();
    let sidecar = Sidecar::start_in(folder, &format!("data_dir: {kept}\n"));
    measured(&sidecar, 40);
    let url = format!("http://{}", sidecar.public);
    let (code, table, errors) = opwatch(&["compare", "detect", "--url", &url]);
    assert_eq!((code, errors.as_str()), (0, ""), "{table}");
    for expected in [
        "detect by algorithm, last 1000 runs of each; intervals of 95 %",
        "speed: median duration, lower is better",
        "no significant difference",
        "left out, fewer than 3 operations: few (2)",
    ] {
        assert!(table.contains(expected), "{expected}\n{table}");
    }
    let json = |arguments: &[&str]| -> Value {
        let (code, text, errors) = opwatch(arguments);
        assert_eq!(code, 0, "{errors}");
        serde_json::from_str(&text).unwrap()
    };
    let remote = json(&["compare", "detect", "--url", &url, "-o", "json"]);
    assert_eq!(remote, sidecar.data("/api/v1/comparison?operation=detect"));
    let folder = kept.as_str();
    let of_kept = json(&["compare", "detect", "--data-dir", folder, "-o", "json"]);
    assert_eq!(of_kept, remote);
    let (_, csv, _) = opwatch(&[
        "compare",
        "detect",
        "--url",
        &url,
        "-o",
        "csv",
        "--select",
        "algorithm=slow",
    ]);
    assert_eq!(
        csv.lines().nth(1).unwrap(),
        "speed,duration,median,seconds,1,slow,39,4.5,,,,,,,"
    );

    for (arguments, expected, message) in [
        (
            vec!["compare", "detect", "--url", &url, "--by", "host"],
            2,
            "by: \"host\" is none",
        ),
        (
            vec!["compare", "detect", "--url", &url, "-o", "xml"],
            2,
            "possible values: table, json, csv",
        ),
        (
            vec!["compare", "other", "--url", &url],
            3,
            "no operation \"other\"",
        ),
        (
            vec!["compare", "other", "--data-dir", folder],
            3,
            "no operation \"other\"",
        ),
        (
            vec!["compare", "detect", "--url", &url, "--min-operations", "99"],
            3,
            "nobody has 99 operations",
        ),
        (
            vec!["compare", "detect", "--url", "http://127.0.0.1:1"],
            4,
            "127.0.0.1:1",
        ),
        (
            vec!["compare", "detect", "--url", &url, "--data-dir", folder],
            2,
            "cannot be used with",
        ),
    ] {
        let (code, _, errors) = opwatch(&arguments);
        assert_eq!(code, expected, "{arguments:?} {errors}");
        assert!(errors.contains(message), "{errors}");
    }
    let empty = Folder::new();
    let (code, ..) = opwatch(&["compare", "detect", "--data-dir", empty.0.to_str().unwrap()]);
    assert_eq!(code, 3);
}
