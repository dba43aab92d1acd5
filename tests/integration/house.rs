//! The rules of the house, held by reading the source.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The production lines of a file: those before its unit tests, without comments.
fn production(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .take_while(|line| !line.trim_start().starts_with("#[cfg(test)]"))
        .zip(1..)
        .map(|(line, number)| (number, line.split("//").next().unwrap().to_owned()))
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_engine_is_pure() {
    const FORBIDDEN: &[(&str, &str)] = &[
        ("tokio", "async runtime"),
        (".await", "waiting"),
        ("async fn", "waiting"),
        ("serde", "serialisation belongs to the edges"),
        ("tracing", "logging"),
        ("println!", "output"),
        ("std::fs", "files"),
        ("std::net", "network"),
        ("std::env", "environment"),
        ("std::process", "processes"),
        ("std::thread", "threads"),
        ("SystemTime", "the system clock"),
        ("Instant", "the system clock"),
        ("hyper", "HTTP"),
        ("rand::", "chance"),
    ];
    let mut faults = Vec::new();
    for path in sources(&root().join("src/engine")) {
        for (number, line) in production(&path) {
            let place = format!("{}:{number}", path.display());
            for (word, why) in FORBIDDEN {
                if line.contains(word) {
                    faults.push(format!("{place}: `{word}` ({why}) in {line:?}"));
                }
            }
            let outside = line
                .match_indices("crate::")
                .any(|(at, _)| !line[at..].starts_with("crate::engine"));
            if outside {
                faults.push(format!(
                    "{place}: uses something outside the engine: {line:?}"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_source_file_outgrows_the_house() {
    let large: Vec<String> = sources(&root().join("src"))
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
        .map(|path| (production(&path).len(), path))
        .filter(|(lines, _)| *lines > 450)
        .map(|(lines, path)| format!("{lines} {}", path.display()))
        .collect();
    assert!(large.is_empty(), "{large:?}");
}

#[test]
fn every_name_that_the_exposition_uses_is_reserved() {
    let reserved = opwatch::engine::series::RESERVED_LABELS;
    for name in [
        "operation",
        "algorithm",
        "version",
        "outcome",
        "error_class",
        "score",
        "metric",
        "stat",
        "baseline",
        "process",
        "severity",
        "alertname",
        "alertstate",
        "rule_mode",
        "le",
        "quantile",
        "job",
        "instance",
    ] {
        assert!(reserved.contains(&name), "{name}");
    }
}
