//! Detectors over recorded series, on the command line.

use std::fmt::Write as _;
use std::fs;

use crate::sidecar::{Folder, run};

/// Values without a random generator: quantiles of a logistic distribution of scale 1.
fn logistic(i: u32) -> f64 {
    let u = (f64::from(i.wrapping_mul(2_654_435_761) % 10_007) + 0.5) / 10_007.0;
    (u / (1.0 - u)).ln()
}

/// Latencies with a daily season of 48 points that grow by a third after 300.
fn slower(i: u32) -> f64 {
    steady(i) * if i < 300 { 1.0 } else { 1.35 }
}

fn steady(i: u32) -> f64 {
    let phase = std::f64::consts::TAU * f64::from(i % 48) / 48.0;
    (1.0 + 0.3 * phase.sin() + 0.1 * logistic(i)).exp()
}

fn table(n: u32, value: impl Fn(u32) -> f64) -> String {
    (0..n).fold("index,value\n".to_owned(), |mut text, i| {
        writeln!(text, "{i},{:.4}", value(i)).unwrap();
        text
    })
}

fn scores(folder: &Folder, name: &str) -> Vec<(u32, f64)> {
    let text = fs::read_to_string(folder.0.join(name)).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("index,score"));
    let row = |line: &str| {
        let (row, score) = line.split_once(',').unwrap();
        (row.parse().unwrap(), score.parse().unwrap())
    };
    lines.map(row).collect()
}

#[test]
fn a_regression_is_told_with_what_when_and_how_much() {
    let folder = Folder::new();
    folder.write("slower.csv", &table(500, slower));
    folder.write("steady.csv", &table(500, steady));
    folder.write("short.csv", &table(50, slower));
    let arguments = [
        "detect",
        "--as",
        "regression",
        "--step",
        "30m",
        "--explain",
        "-o",
        "out",
    ];
    let files = ["slower.csv", "steady.csv", "short.csv"];
    let (code, out, err) = run(&folder, &[&arguments[..], &files].concat());
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].starts_with("slower: 500 points, 1 alert, highest score "),
        "{out}"
    );
    assert!(
        lines[1].contains(": level by +") && lines[1].contains(", since "),
        "{out}"
    );
    assert_eq!(lines[2], "steady: 500 points, 0 alerts");
    assert_eq!(
        lines[3],
        "short: 50 points, 0 alerts; not judged: the warm-up takes 96 points"
    );
    assert_eq!(lines.len(), 4, "{out}");
    let found = scores(&folder, "out/slower.csv");
    let first = found.iter().find(|(_, score)| *score >= 1.0).unwrap().0;
    assert!((300..350).contains(&first), "{found:?}");
    assert!(found.iter().all(|(_, score)| (0.5..=4.5).contains(score)));
    assert_eq!(scores(&folder, "out/short.csv"), []);

    // What was not there yet changes nothing before.
    folder.write("cut/slower.csv", &table(first + 1, slower));
    let (code, ..) = run(
        &folder,
        &[&arguments[..7], &["cut-out", "cut/slower.csv"]].concat(),
    );
    assert_eq!(code, Some(1));
    let before: Vec<_> = found
        .iter()
        .take_while(|(row, _)| *row <= first)
        .copied()
        .collect();
    assert_eq!(scores(&folder, "cut-out/slower.csv"), before);

    // Learning may take longer, and a stricter budget asks for more.
    for (warmup, expected) in [("5d", 1), ("600", 3)] {
        let longer = [&arguments[..], &["--warmup", warmup, "slower.csv"]].concat();
        assert_eq!(run(&folder, &longer).0, Some(expected), "{warmup}");
    }
    let strict = [
        &arguments[..],
        &["--false-alarms", "1 per 10y", "slower.csv"],
    ]
    .concat();
    let (_, out, _) = run(&folder, &strict);
    let highest = |found: &[(u32, f64)]| found.iter().map(|(_, score)| *score).fold(0.0, f64::max);
    assert!(
        highest(&scores(&folder, "out/slower.csv")) < highest(&found),
        "{out}"
    );
}

#[test]
fn times_say_how_far_points_are_apart_and_where_some_are_missing() {
    let folder = Folder::new();
    let mut text = "timestamp,value\n".to_owned();
    for i in (0u32..500).filter(|i| !(150..170).contains(i)) {
        let at = 1_769_860_800 + i * 1_800;
        writeln!(
            text,
            "{at},{}",
            if i % 29 == 7 {
                String::new()
            } else {
                slower(i).to_string()
            }
        )
        .unwrap();
    }
    folder.write("times.csv", &text);
    let arguments = [
        "detect",
        "--as",
        "regression",
        "--explain",
        "-o",
        "out",
        "times.csv",
    ];
    let (code, out, err) = run(&folder, &arguments);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.starts_with("times: 480 points, 1 alert,"), "{out}");
    assert!(out.contains("\n  2026-02-06T"), "{out}");
    let found = scores(&folder, "out/times.csv");
    let first = found.iter().find(|(_, score)| *score >= 1.0).unwrap().0;
    assert!((280..340).contains(&first), "rows, not points: {found:?}");
}

#[test]
fn a_point_unlike_any_before_is_an_anomaly() {
    let folder = Folder::new();
    let value = |i| if i == 400 { 40.0 } else { steady(i) };
    folder.write("odd.csv", &table(500, value));
    let arguments = [
        "detect",
        "--as",
        "anomaly",
        "--step",
        "30m",
        "--explain",
        "-o",
        "out",
        "odd.csv",
    ];
    let (code, out, err) = run(&folder, &arguments);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.contains("\n  400: 40: "), "{out}");
    let found = scores(&folder, "out/odd.csv");
    assert!(
        found
            .iter()
            .any(|(row, score)| *row == 400 && *score >= 1.0),
        "{found:?}"
    );
}

#[test]
fn a_series_is_cut_where_it_changes() {
    let folder = Folder::new();
    folder.write(
        "level.csv",
        &table(100, |i| if i < 60 { 5.0 } else { 9.0 } + 0.3 * logistic(i)),
    );
    folder.write("flat.csv", &table(100, |_| 5.0));
    let arguments = ["detect", "--as", "segments", "--explain", "-o", "out"];
    let (code, out, err) = run(
        &folder,
        &[&arguments[..], &["level.csv", "flat.csv"]].concat(),
    );
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(
        out.starts_with("level: 100 points, 1 cut, ") && out.contains("\n  60: from "),
        "{out}"
    );
    assert!(
        out.ends_with("flat: 100 points, 0 cuts; too short or constant\n"),
        "{out}"
    );
    let found = scores(&folder, "out/level.csv");
    assert_eq!(found.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [60]);
    let (code, ..) = run(&folder, &[&arguments[..], &["flat.csv"]].concat());
    assert_eq!(code, Some(3), "nothing that could be judged");
}

#[test]
fn a_bad_file_is_told_and_the_others_are_judged() {
    let folder = Folder::new();
    folder.write("bad.csv", "index,value\n0,1\n1,fast\n1,2\n");
    folder.write("other.csv", "time;value\n0;1\n");
    folder.write("good.csv", &table(500, slower));
    folder.write("again/good.csv", &table(500, slower));
    let daily = "timestamp,value\n2026-01-01,1\n2026-01-02 00:00:00,1\n2026-01-03 00:00:00,2\n";
    folder.write(
        "daily.csv",
        &daily.replace("2026-01-01,", "2026-01-01 00:00:00,"),
    );
    let arguments = ["detect", "--as", "regression", "--step", "30m", "-o", "out"];
    let files = [
        "bad.csv",
        "other.csv",
        "gone.csv",
        "good.csv",
        "again/good.csv",
        "daily.csv",
    ];
    let (code, out, err) = run(&folder, &[&arguments[..], &files].concat());
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(
        out.starts_with("good: 500 points, 1 alert,") && out.lines().count() == 1,
        "{out}"
    );
    assert_eq!(
        err,
        "bad.csv: line 3: value: \"fast\" is not allowed; a finite number, or nothing where it is missing, is\n\
         other.csv: line 1: \"time;value\" is not allowed; `timestamp,value` or `index,value` is\n\
         gone.csv: No such file or directory (os error 2)\n\
         again/good.csv: another file has given scores under its name; different names are allowed\n\
         daily.csv: a season of 1d has too few points 1d apart; at least two steps, 2d, are allowed\n"
    );
    assert!(!folder.0.join("out/bad.csv").exists());

    let before = fs::read_to_string(folder.0.join("good.csv")).unwrap();
    let (code, _, err) = run(
        &folder,
        &["detect", "--as", "anomaly", "-o", ".", "good.csv"],
    );
    assert_eq!(code, Some(2));
    assert_eq!(
        err,
        "good.csv: its scores would take its place; another folder after -o is allowed\n"
    );
    assert_eq!(
        fs::read_to_string(folder.0.join("good.csv")).unwrap(),
        before
    );

    for (option, value, said) in [
        (
            "--false-alarms",
            "often",
            "allowed is a number per time such as `1 per 30d`",
        ),
        (
            "--warmup",
            "long",
            "a number of points, or a time such as `2d`, is",
        ),
        ("--season", "0", "--season: a time above 0 is allowed"),
        (
            "--warmup",
            "20",
            "a warm-up of 20 points is not allowed; 96 (two seasons",
        ),
    ] {
        let (code, _, err) = run(
            &folder,
            &[&arguments[..], &[option, value, "good.csv"]].concat(),
        );
        assert!(
            code == Some(2) && err.contains(said),
            "{option} {value}: {err}"
        );
    }
}
