//! Rules with a detector on a running opwatch: what was imported is learned by a rule that comes later, and what it finds is
//! what `opwatch detect` finds in the same points.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use opwatch::clock::Clock;
use opwatch::engine::time::Timestamp;
use serde_json::{Value, json};

use crate::faulty::Faulty;
use crate::sidecar::{Folder, Sidecar, run, wait_for};

/// Seconds of a block, and blocks of a day.
const BLOCK: u64 = 300;
const PER_DAY: u64 = 288;
/// Blocks of the history.
const BLOCKS: u64 = 10 * PER_DAY;
/// The block with which most of the changes begin, and that of the drift.
const CHANGED: u64 = 9 * PER_DAY;
const DRIFTS: u64 = 6 * PER_DAY;

const CONFIG: &str = "
data_dir: data
rule_files: [rules.yaml]
self_rules: off
evaluation_interval: 1s
receivers: [{name: team, webhook_configs: [{url: 'http://HOOK/'}]}]
route: {receiver: team, group_by: [alertname, operation], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
";
const RULES: &str = "
groups:
  - name: g
    interval: 1s
    rules:
      - alert: Changed
        select: '{operation!=\"tail\"}'
        regression: {metric: duration, stat: mean, baseline: {change_point: 1d}}
      - alert: TailChanged
        select: '{operation=\"tail\"}'
        regression: {metric: duration, stat: p95, baseline: {change_point: 1d}}
      - alert: Odd
        select: '{operation!=\"tail\"}'
        anomaly: {metric: duration, stat: mean}
";

/// Normal noise of standard deviation 1, from twelve uniform numbers of the C standard's generator.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..12 {
            self.0 = (self.0 * 1_103_515_245 + 12_345) % 2_147_483_648;
            sum += f64::from(u16::try_from(self.0 / 65_536 % 1_000).unwrap()) / 1_000.0;
        }
        sum - 6.0
    }
}

/// How many runs an operation has in a block, and how long one takes.
fn runs(operation: &str, block: u64) -> u64 {
    match operation {
        "tail" => 12,
        "traffic" if block >= CHANGED => 6,
        _ => 2,
    }
}

fn seconds(operation: &str, block: u64, noise: &mut Noise) -> f64 {
    let has_changed = block >= CHANGED;
    let phase = std::f64::consts::TAU * (block % PER_DAY) as f64 / PER_DAY as f64;
    let z = noise.next();
    let usual = |z: f64| (0.2 * phase.sin() + 0.1 * z).exp();
    match operation {
        "step" if has_changed => 1.10 * usual(z),
        // Only the slowest fifth.
        "tail" if has_changed && z > 0.85 => 1.2 * usual(z),
        "spread" if has_changed => usual(2.5 * z),
        "drift" => {
            let days = block.saturating_sub(DRIFTS) as f64 / PER_DAY as f64;
            1.03_f64.powf(days) * usual(z)
        }
        "spike" if block == CHANGED => 6.0 * usual(z),
        _ => usual(z),
    }
}

/// What was measured before a time, as it is imported, and of each operation the mean of each block.
struct History {
    text: String,
    means: BTreeMap<&'static str, Vec<f64>>,
    /// When the first block began.
    begin: Timestamp,
}

fn history(operations: &[&'static str]) -> History {
    let now = Clock::start().now().wall;
    let block = i64::try_from(BLOCK * 1_000).unwrap();
    let open = Timestamp::from_millis(now.millis().div_euclid(block) * block);
    let begin = open.before(Duration::from_secs(BLOCKS * BLOCK));
    let (mut text, mut means) = (String::new(), BTreeMap::new());
    for (seed, operation) in (1..).zip(operations) {
        let mut noise = Noise(seed * 7_919);
        let of_blocks = (0..BLOCKS).map(|block| {
            let count = runs(operation, block);
            let of_runs = (0..count).map(|run| {
                let after = block * BLOCK + (run + 1) * BLOCK / (count + 1);
                let at = begin.after(Duration::from_secs(after));
                let seconds = seconds(operation, block, &mut noise);
                let line = json!({"operation": operation, "timestamp": at.to_string(), "duration_seconds": seconds});
                writeln!(text, "{line}").unwrap();
                seconds
            });
            of_runs.sum::<f64>() / count as f64
        });
        means.insert(*operation, of_blocks.collect());
    }
    History { text, means, begin }
}

/// What is known of an instance of a rule, once it has learned from the log.
fn explained(sidecar: &Sidecar, rule: &str, operation: &str) -> Value {
    wait_for("a detector that has learned from the log", || {
        let path =
            format!("/api/v1/explain?rule={rule}&labels=%7Boperation%3D%22{operation}%22%7D");
        let rule = sidecar.data(&path).pointer("/rules/0")?.clone();
        let mut one = rule.pointer("/instances/0")?.clone();
        one["evaluated_at"] = rule["evaluated_at"].clone();
        // The first evaluation after it has.
        let is_judged = one["learned"]["log_until"].is_string()
            && one["window"]["n"].as_u64() >= Some(BLOCKS - 1);
        (is_judged && one["levels"][0]["standing"] != "insufficient").then_some(one)
    })
}

fn import(sidecar: &Sidecar, history: &History) {
    sidecar.folder.write("history.ndjson", &history.text);
    let url = format!("http://{}", sidecar.ingest);
    let (code, said, errors) = run(
        &sidecar.folder,
        &["import", "history.ndjson", "--url", &url],
    );
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
}

fn block_of(at: &Value, history: &History) -> u64 {
    let at: jiff::Timestamp = at.as_str().unwrap().parse().unwrap();
    let since = at.as_millisecond() - history.begin.millis();
    u64::try_from(since).unwrap() / 1_000 / BLOCK
}

#[test]
fn a_new_rule_learns_what_was_imported_and_finds_what_goes_on() {
    let operations = [
        "quiet", "step", "tail", "spread", "drift", "traffic", "spike",
    ];
    let hook = Faulty::start(Vec::new());
    let config = CONFIG.replace("HOOK", &hook.address());
    let sidecar = Sidecar::start(&config, &[("rules.yaml", "groups: []")]);
    let history = history(&operations);
    import(&sidecar, &history);
    sidecar.folder.write("rules.yaml", RULES);
    assert_eq!(sidecar.post("/-/reload", "").status, 200);

    // What is found is typed and dated, and the truth is in the interval that is told.
    for (rule, operation, feature, began) in [
        ("Changed", "step", "level", CHANGED),
        ("TailChanged", "tail", "level", CHANGED),
        ("Changed", "spread", "spread", CHANGED),
        ("Changed", "drift", "drift", DRIFTS),
    ] {
        let one = explained(&sidecar, rule, operation);
        assert_eq!(one["levels"][0]["state"], "firing", "{operation}: {one}");
        let evidence = &one["evidence"];
        assert_eq!(evidence["feature"], feature, "{operation}: {one}");
        let within = &evidence["began_within"];
        let (earliest, latest) = (
            block_of(&within[0], &history),
            block_of(&within[1], &history),
        );
        let is_dated = (earliest..=latest).contains(&began);
        assert!(is_dated, "{operation}: {earliest} to {latest}, {one}");
        let per_day = &evidence["per_day_interval"];
        let is_sized = per_day[0].as_f64() < Some(0.03) && Some(0.03) < per_day[1].as_f64();
        assert_eq!(is_sized, operation == "drift", "{operation}: {one}");
    }
    for operation in ["quiet", "traffic", "spike"] {
        for rule in ["Changed", "Odd"] {
            let one = explained(&sidecar, rule, operation);
            assert_eq!(one["levels"][0]["state"], "inactive", "{operation}: {one}");
        }
    }

    // The webhook says the same.
    let bodies = wait_for("all alerts to be told", || {
        let requests = hook.requests();
        let alerts = requests
            .iter()
            .flat_map(|request| request.json["alerts"].as_array().unwrap().clone());
        let alerts: Vec<Value> = alerts.collect();
        (alerts.len() >= 4).then_some(alerts)
    });
    let mut told: Vec<_> = bodies
        .iter()
        .map(|alert| alert["labels"]["operation"].as_str().unwrap())
        .collect();
    told.sort_unstable();
    assert_eq!(told, ["drift", "spread", "step", "tail"]);
    for alert in &bodies {
        assert!(
            alert["began_within"][0].as_str() <= alert["began_at"].as_str(),
            "{alert}"
        );
        assert!(
            alert["began_at"].as_str() <= alert["began_within"][1].as_str(),
            "{alert}"
        );
        assert!(
            ["level", "drift", "spread"].contains(&alert["feature"].as_str().unwrap()),
            "{alert}"
        );
        let is_drift = alert["feature"] == "drift";
        assert_eq!(alert["change_per_day"].is_number(), is_drift, "{alert}");
        println!("{alert:#}");
    }
    let log = sidecar.log();
    assert!(log.contains("back-filled detectors from the log"), "{log}");
    let detectors = sidecar.metric("opwatch_rule_backfill_detectors_total");
    assert_eq!(detectors, Some(13.0));

    same_as_detect(&sidecar, &history);

    // What was learned outlives the process, and is not learned again.
    let before = explained(&sidecar, "Changed", "step");
    wait_for("the detectors to be saved", || {
        let path = format!("http://{}", sidecar.public);
        let (code, said, _) = run(&sidecar.folder, &["explain", "Changed", "--url", &path]);
        assert_eq!(code, Some(0), "{said}");
        (said.contains("back-filled from the log until")).then_some(())
    });
    std::thread::sleep(Duration::from_secs(3));
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    let after = explained(&sidecar, "Changed", "step");
    assert_eq!(
        after["learned"]["log_until"],
        before["learned"]["log_until"]
    );
    assert_eq!(
        sidecar.metric("opwatch_rule_backfill_runs_total"),
        Some(0.0)
    );
}

/// `opwatch detect` gives the scores of the same points.
fn same_as_detect(sidecar: &Sidecar, history: &History) {
    let folder = Folder::new();
    for operation in ["quiet", "step", "spread", "drift", "spike"] {
        let one = explained(sidecar, "Changed", operation);
        // The blocks that have closed by then; those after the history have no value.
        let evaluated: jiff::Timestamp = one["evaluated_at"].as_str().unwrap().parse().unwrap();
        let lived = evaluated.as_millisecond() - history.begin.millis() - 15_000;
        let blocks = usize::try_from(lived).unwrap() / 1_000 / usize::try_from(BLOCK).unwrap();
        let mut table = "index,value\n".to_owned();
        let values = history.means[operation].iter().map(Some);
        for (index, value) in values
            .chain(std::iter::repeat(None))
            .take(blocks)
            .enumerate()
        {
            let value = value.map_or_else(String::new, f64::to_string);
            writeln!(table, "{index},{value}").unwrap();
        }
        folder.write(&format!("{operation}.csv"), &table);
        let file = format!("{operation}.csv");
        let arguments = [
            "detect",
            "--as",
            "regression",
            "--step",
            "5m",
            "-o",
            "out",
            &file,
        ];
        let (code, said, errors) = run(&folder, &arguments);
        assert!([Some(0), Some(1)].contains(&code), "{said}{errors}");
        let scores = fs::read_to_string(folder.0.join(format!("out/{operation}.csv"))).unwrap();
        let last = scores.lines().last().and_then(|line| line.split_once(','));
        let last = last.filter(|(row, _)| row.parse() == Ok(blocks - 1));
        let detected: f64 = last.map_or(0.0, |(_, score)| score.parse().unwrap());
        let score = one["evidence"]["statistic"].as_f64().unwrap();
        let written = (score.min(4.5) * 20.0 + 1e-9).floor() / 20.0;
        let expected = if written >= 0.5 { written } else { 0.0 };
        assert!(
            (detected - expected).abs() < 1e-9,
            "{operation}: {detected}, live {score}"
        );
        println!("{operation}: {blocks} blocks, score {score}");
    }
}

#[test]
fn a_process_that_ends_while_it_learns_begins_anew() {
    let hook = Faulty::start(Vec::new());
    let config = CONFIG.replace("HOOK", &hook.address());
    let sidecar = Sidecar::start(&config, &[("rules.yaml", "groups: []")]);
    import(&sidecar, &history(&["quiet"]));
    sidecar.folder.write("rules.yaml", RULES);
    assert_eq!(sidecar.post("/-/reload", "").status, 200);
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    let one = explained(&sidecar, "Changed", "quiet");
    assert!(
        one["learned"]["log_blocks"].as_u64().unwrap() >= BLOCKS - 1,
        "{one}"
    );
}
