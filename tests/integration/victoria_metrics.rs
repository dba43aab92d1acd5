//! The page in a VictoriaMetrics, whose parser is nobody else's.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::exposition::{OPEN_METRICS, Samples, sample, samples};
use crate::peers::{Peer, get, wait_until};
use crate::sidecar::{Sidecar, request};

/// Everything a measurement can carry, a failure with and without a class, and a second operation.
const MEASUREMENTS: &str = r#"[
    {"operation": "detect", "algorithm": "iforest", "version": "2", "labels": {"zone": "eu"}, "duration_seconds": 0.25,
     "setup_seconds": 0.5, "cleanup_seconds": 0.0005, "cpu_cores": 1.5, "memory_bytes": 3e8, "memory_peak_bytes": 2e9,
     "samples": 1000, "dataset_size": 5000, "quality": {"f1": 0.9, "balance": -0.25}, "quality_samples": 1000,
     "trace_id": "0af7651916cd43dd8448eb211c80319c"},
    {"operation": "detect", "algorithm": "iforest", "version": "2", "labels": {"zone": "eu"}, "duration_seconds": 40},
    {"operation": "detect", "algorithm": "iforest", "duration_seconds": 9, "outcome": "failure", "error_class": "Timeout"},
    {"operation": "detect", "algorithm": "iforest", "duration_seconds": 2, "outcome": "failure"},
    {"operation": "train \"big\" in C:\\data", "duration_seconds": 5000}
]"#;

#[test]
fn victoria_metrics_finds_every_sample_of_both_text_formats() {
    let Some(server) = Peer::victoria_metrics() else {
        return;
    };
    let sidecar = Sidecar::start("", &[]);
    sidecar.measure(MEASUREMENTS);
    for (format, accept) in [("classic", "text/plain"), ("open_metrics", OPEN_METRICS)] {
        let reply = request(
            &sidecar.public,
            "GET",
            "/metrics",
            &[("Accept", accept)],
            b"",
        );
        let page = reply.text();
        let is_open_metrics = format == "open_metrics";
        assert_eq!(page.ends_with("# EOF\n"), is_open_metrics, "{format}");
        assert_eq!(page.contains(" # {trace_id="), is_open_metrics, "{format}");
        let mut expected = samples(&page);
        expected.retain(|(name, _), _| name.starts_with("opwatch_operation"));
        assert!(expected.len() > 100, "{format}: {}", expected.len());

        // The label tells the two imports apart.
        let path = format!("/api/v1/import/prometheus?extra_label=format={format}");
        let address = format!("127.0.0.1:{}", server.port);
        let reply = request(&address, "POST", &path, &[], page.as_bytes());
        assert_eq!(reply.status, 204, "{reply:?}");
        let found = settled(&server, format);
        assert_eq!(found, expected, "{format}");
    }
    let (_, own) = get(server.port, "/metrics").unwrap();
    let invalid = r#"vm_rows_invalid_total{type="prometheus"} 0"#;
    assert!(own.lines().any(|line| line == invalid), "{own}");
}

/// What was imported with this label, once there is something and it grows no more: new series can be found
/// only after a moment.
fn settled(server: &Peer, format: &str) -> Samples {
    let mut before = Samples::new();
    wait_until("the imported series", || {
        let found = exported(server, format);
        let settled = !found.is_empty() && found.len() == before.len();
        before = found;
        if !settled {
            // Longer than it takes until new series can be found.
            thread::sleep(Duration::from_secs(1));
        }
        settled.then(|| before.clone())
    })
}

/// The series of that import; each has to have one sample.
fn exported(server: &Peer, format: &str) -> Samples {
    let (status, body) = get(server.port, "/internal/force_flush").unwrap();
    assert_eq!(status, 200, "{body}");
    // {__name__=~"opwatch_operation.*",format="…"}
    let path = format!(
        "/api/v1/export?match[]=%7B__name__%3D~%22opwatch_operation.*%22%2Cformat%3D%22{format}%22%7D"
    );
    let (status, body) = get(server.port, &path).unwrap();
    assert_eq!(status, 200, "{body}");
    let mut found = Samples::new();
    for line in body.lines() {
        let series: Value = serde_json::from_str(line).unwrap();
        let (name, mut labels) = sample(&series["metric"]);
        assert_eq!(labels.remove("format").as_deref(), Some(format), "{series}");
        let values = series["values"].as_array().unwrap();
        assert_eq!(values.len(), 1, "{series}");
        let before = found.insert((name, labels), values[0].as_f64().unwrap());
        assert_eq!(before, None, "{series} twice");
    }
    found
}
