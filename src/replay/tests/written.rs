//! Random rule files.

use proptest::prelude::*;

fn threshold() -> impl Strategy<Value = String> {
    let statistic = prop_oneof![
        Just("metric: duration, stat: p95, window: WINDOW, above: LIMIT"),
        Just("metric: duration, stat: mean, window: WINDOW, above: LIMIT"),
        Just("metric: duration, stat: max, window: RUNS, above: LIMIT"),
        Just("metric: duration, stat: median, window: RUNS, above: LIMIT"),
        Just("metric: duration, stat: min, window: WINDOW, below: {medium: 2s, high: 1s}"),
        Just("metric: errors, window: WINDOW, above: {medium: 1, high: 3}"),
        Just("metric: error_ratio, window: WINDOW, above: {medium: 10%, high: 40%}"),
        Just("metric: rate, window: WINDOW, below: {medium: 0.1, high: 0.05}"),
        Just("metric: cpu_ratio, stat: max, window: RUNS, above: {medium: 50%, high: 60%}"),
    ];
    let window = prop_oneof![Just("20s"), Just("1m"), Just("10m"), Just("1h")];
    let runs = prop_oneof![Just("1 runs"), Just("5 runs"), Just("20 runs")];
    let limit = prop_oneof![
        Just("{medium: 5s, high: 10s}"),
        Just("{high: 8s}"),
        Just("{low: 3s}")
    ];
    let recover = prop_oneof![Just(""), Just(", recover: 80%")];
    let samples = prop_oneof![Just(""), Just(", min_samples: 3")];
    (statistic, window, runs, limit, recover, samples).prop_map(
        |(statistic, window, runs, limit, recover, samples)| {
            let recover = if statistic.contains("LIMIT") {
                recover
            } else {
                ""
            };
            let is_one = statistic.contains("RUNS") && runs == "1 runs";
            let samples = if is_one { "" } else { samples };
            let written = statistic.replace("WINDOW", window).replace("RUNS", runs);
            format!(
                "threshold: {{{}{recover}{samples}}}",
                written.replace("LIMIT", limit)
            )
        },
    )
}

fn rule() -> impl Strategy<Value = String> {
    let hold = prop_oneof![
        Just(""),
        Just(", for: 15s"),
        Just(", for: 40s"),
        Just(", for_samples: 2 of 4")
    ];
    let keep = prop_oneof![Just(""), Just(", keep_firing_for: 35s")];
    let no_data = prop_oneof![
        Just(""),
        Just(", no_data: resolve"),
        Just(", no_data: alert, stale_after: 2m"),
        Just(", stale_after: 1m"),
    ];
    let threshold = (threshold(), hold, keep, no_data)
        .prop_map(|(threshold, hold, keep, no_data)| format!("{threshold}{hold}{keep}{no_data}"));
    let every = prop_oneof![Just("10s"), Just("1m"), Just("20m")];
    let grace = prop_oneof![Just("0s"), Just("7s")];
    let expect = prop_oneof![
        Just("[]"),
        Just("[{operation: never}]"),
        Just("[{operation: op0}]")
    ];
    let hold = prop_oneof![Just(""), Just(", for: 15s"), Just(", keep_firing_for: 20s")];
    let absence = (every, grace, expect, hold).prop_map(|(every, grace, expect, hold)| {
        format!("absence: {{expect_every: {every}, grace: {grace}, expect: {expect}}}{hold}")
    });
    prop_oneof![4 => threshold, 1 => absence, 4 => regression(), 2 => relative(), 3 => trend()]
}

fn regression() -> impl Strategy<Value = String> {
    let stat = prop_oneof![Just("mean"), Just("median"), Just("p90")];
    let baseline = prop_oneof![
        3 => Just("{pinned: b}, compat: guide"),
        3 => Just("{pinned: b}"),
        3 => Just("{pinned: measured}, false_alarms: 100 per 1d"),
        3 => Just("{rolling: 1h}, false_alarms: 100 per 1d"),
        1 => Just("{offset: 10m}, false_alarms: 100 per 1d"),
        1 => Just("{seasonal: 10m}, false_alarms: 100 per 1d"),
    ];
    let window = prop_oneof![Just("2m"), Just("10m"), Just("'2m, at least 12 runs'")];
    let worse = prop_oneof![Just("1%"), Just("{medium: 1%, high: 30%}"), Just("0.1 sd")];
    (stat, baseline, window, worse).prop_map(|(stat, baseline, window, worse)| {
        let (baseline, more) = baseline.split_once('}').unwrap();
        let worse = if baseline.contains("pinned: b") && worse.contains("sd") { "2%" } else { worse };
        format!(
            "by: [], regression: {{metric: duration, stat: {stat}, window: {window}, min_samples: 5, worse_by: {worse}, baseline: {baseline}}}{more}}}"
        )
    })
}

/// Limits that are multiples of what was usual.
fn relative() -> impl Strategy<Value = String> {
    let stat = prop_oneof![Just("p95"), Just("median"), Just("mean")];
    let of = prop_oneof![
        Just("{rolling: 1h}"),
        Just("{pinned: b}"),
        Just("{pinned: measured}")
    ];
    let above = prop_oneof![
        Just("{baseline: STAT, times: 1.1}"),
        Just("{medium: {baseline: STAT, times: 1.05}, high: {baseline: STAT, times: 1.5}}"),
    ];
    (stat, of, above).prop_map(|(stat, of, above)| {
        let above = above.replace("STAT", stat);
        format!(
            "by: [], threshold: {{metric: duration, stat: {stat}, window: 10 runs, min_samples: 5, above: {above}, of: {of}}}"
        )
    })
}

fn trend() -> impl Strategy<Value = String> {
    let stat = prop_oneof![Just("mean"), Just("median"), Just("max")];
    let frame = prop_oneof![
        Just("window: 10m, bucket: 10s"),
        Just("window: 1h, bucket: 1m")
    ];
    let asked = prop_oneof![
        Just("rising: 1% per day"),
        Just("rising: {low: 1% per day, high: 5000% per day}"),
        Just("falling: 1% per day"),
        Just("rising: 1% per day, reaches: 20s within 1d"),
    ];
    (stat, frame, asked).prop_map(|(stat, frame, asked)| {
        format!("by: [], trend: {{metric: duration, stat: {stat}, {frame}, {asked}, min_samples: 5, false_alarms: 100 per 1d}}")
    })
}

/// Groups of one to three rules.
pub(super) fn written() -> impl Strategy<Value = String> {
    let interval = prop_oneof![Just("5s"), Just("15s"), Just("20s"), Just("2m")];
    let group = (interval, prop::collection::vec(rule(), 1..4));
    prop::collection::vec(group, 1..3).prop_map(|groups| {
        let groups = groups.iter().enumerate().map(|(group, (interval, rules))| {
            let rules = rules.iter().enumerate();
            let rules = rules.map(|(rule, text)| format!("{{alert: R{group}{rule}, {text}}}"));
            let rules = rules.collect::<Vec<_>>().join(",\n   ");
            format!("{{name: g{group}, interval: {interval}, rules: [\n   {rules}]}}")
        });
        format!("groups: [{}]", groups.collect::<Vec<_>>().join(",\n  "))
    })
}
