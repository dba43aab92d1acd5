//! A real Prometheus that scrapes opwatch over kills: for it there was one process that never ended.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::client::{Client, sent};
use super::setting;
use crate::native_histograms::query;
use crate::oracle::Chance;
use crate::peers::{Peer, wait_until};
use crate::sidecar::{Folder, Sidecar};

/// What has to go on over a restart.
const COUNTERS: &str =
    r#"{__name__=~"opwatch_operations_total|opwatch_operation_.*_(total|sum|count|bucket)"}"#;

/// Times and values of a series.
fn samples(series: &Value) -> Vec<(f64, f64)> {
    let values = series["values"].as_array().unwrap().iter();
    let pair = |pair: &Value| {
        (
            pair[0].as_f64().unwrap(),
            pair[1].as_str().unwrap().parse().unwrap(),
        )
    };
    values.map(pair).collect()
}

fn number(prometheus: &Peer, expression: &str) -> f64 {
    let found = query(prometheus, expression);
    assert_eq!(found.len(), 1, "{expression}: {found:?}");
    found[0]["value"][1].as_str().unwrap().parse().unwrap()
}

/// R1: no counter falls, and what Prometheus counts over all kills is what was acknowledged.
#[test]
fn prometheus_sees_no_reset_over_kills_and_counts_what_was_acknowledged() {
    // Two ports that are free now, so that each start is where Prometheus looks.
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [public, ingest] = ports.map(|port| port.local_addr().unwrap());
    let config = format!("data_dir: data\nlisten: {{public: '{public}', ingest: '{ingest}'}}\n");
    let scraping = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: opwatch, static_configs: [{{targets: ['{public}']}}]}}]\n"
    );
    let Some(prometheus) = Peer::prometheus(&scraping, &["--log.level=warn"]) else {
        return;
    };
    let total = || {
        let found = query(&prometheus, "sum(opwatch_operations_total)");
        Some(found.first()?["value"][1].as_str()?.parse::<f64>().unwrap())
    };
    let mut client = Client::new(0);
    let mut chance = Chance(3);
    let mut sidecar = Sidecar::start_in(Folder::new(), &config);
    assert!(client.send_next(&sidecar.ingest));
    wait_until("a first scrape", total);
    for _ in 0..setting("OPWATCH_SCRAPED_KILLS", 5) {
        let stop = AtomicBool::new(false);
        let address = sidecar.ingest.clone();
        let folder = thread::scope(|scope| {
            scope.spawn(|| client.send(&address, &stop));
            thread::sleep(Duration::from_millis(700 + chance.below(1_500) as u64));
            let folder = sidecar.kill();
            stop.store(true, Ordering::Relaxed);
            folder
        });
        sidecar = Sidecar::start_in(folder, &config);
    }
    assert!(client.send_next(&sidecar.ingest));
    let (operations, _) = sent(&[client]);
    wait_until("a last scrape", || {
        total().filter(|total| *total >= operations)
    });

    let names = query(&prometheus, &format!("count by (__name__) ({COUNTERS})"));
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let name = name["metric"]["__name__"].as_str().unwrap();
        for series in query(&prometheus, &format!("resets({name}[1h])")) {
            assert_eq!(series["value"][1], "0", "{name}: {series}");
        }
    }
    let (mut last_total, mut compared) = (0.0, 0);
    for series in query(&prometheus, "opwatch_operations_total[1h]") {
        let samples = samples(&series);
        assert!(samples.is_sorted_by_key(|(_, value)| *value), "{series}");
        let ((first_at, first), (last_at, last)) = (samples[0], samples[samples.len() - 1]);
        last_total += last;
        if last == first {
            continue;
        }
        let labels = &series["metric"];
        let name = format!(
            "opwatch_operations_total{{operation={},outcome={}}}",
            labels["operation"], labels["outcome"]
        );
        // Just longer than the series: extrapolation may add a millisecond's share, and does not where it began with zero.
        let seconds = (last_at - first_at).mul_add(1_000.0, 1.0).round() / 1_000.0;
        let range = format!("{name}[{}ms] @ {last_at}", seconds * 1_000.0);
        let increase = number(&prometheus, &format!("increase({range})"));
        let rate = number(&prometheus, &format!("rate({range})")) * seconds;
        for found in [increase, rate] {
            let share = found / (last - first) - 1.0;
            assert!(
                share.abs() <= 1.0 / (seconds * 1_000.0 - 1.0) + 1e-9,
                "{increase}, {rate}: {series}"
            );
        }
        compared += 1;
    }
    assert_eq!(last_total, operations);
    assert!(compared >= 6, "{compared}");
    println!("{operations} operations in {compared} series");
}
