//! What the original guide exports comes in with its names and units.

use serde_json::{Value, json};

use super::{HOUR, ago, export, import, import_all};
use crate::sidecar::Folder;

#[test]
fn an_export_of_the_original_guide_is_taken_with_its_units() {
    let folder = Folder::new();
    let at = |seconds| {
        let at = ago(seconds).to_string();
        // As Python writes it: six digits, and no zone.
        at.replace('Z', "000")
    };
    let record = |operation: &str, at: String| {
        json!({"execution_time": 2.5, "setup_time": 0.5, "cleanup_time": 0.0, "cpu_usage": 80.0, "memory_usage": 512.0,
            "memory_peak": 1024.0, "samples_processed": 1000, "samples_per_second": 400.0, "accuracy": 0.95,
            "precision": null, "recall": null, "f1_score": 0.9, "timestamp": at, "operation_name": operation,
            "algorithm_name": "iforest", "dataset_size": 5000, "metadata": {}})
    };
    let metrics = [record("detect", at(60)), record("train", at(30 * HOUR))];
    let text = json!({"export_timestamp": at(0), "total_metrics": 2, "metrics": metrics});
    folder.write("guide.json", &text.to_string());
    import_all(
        &folder,
        "guide.json",
        &["--format", "guide", "--data-dir", "json"],
    );
    let lines = export(&folder, "json", "ndjson");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (line, metric) in lines.iter().zip(&metrics) {
        let at = metric["timestamp"].as_str().unwrap().replace("000", "");
        let expected = json!({"operation": metric["operation_name"], "algorithm": "iforest", "duration_seconds": 2.5,
            "setup_seconds": 0.5, "cpu_cores": 0.8, "memory_bytes": 536_870_912.0, "memory_peak_bytes": 1_073_741_824.0,
            "samples": 1000, "dataset_size": 5000, "outcome": "success", "quality": {"accuracy": 0.95, "f1": 0.9},
            "timestamp": line["timestamp"]});
        assert_eq!(line, &expected);
        let shown = line["timestamp"].as_str().unwrap();
        assert!(shown.starts_with(at.get(..19).unwrap()), "{shown} {at}");
    }
    let table = format!(
        "timestamp,operation_name,algorithm_name,execution_time,memory_usage,cpu_usage,samples_processed,samples_per_second\r\n\
         {},detect,iforest,2.5,-1.5,80.0,1000,400.0\r\n",
        at(60)
    );
    folder.write("guide.csv", &table);
    let (code, said, errors) = import(
        &folder,
        "guide.csv",
        &["--format", "guide", "--data-dir", "csv"],
    );
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(
        said.contains("1 values have no place in a measurement"),
        "{said}"
    );
    assert!(export(&folder, "csv", "ndjson").contains(r#""cpu_cores":0.8,"samples":1000"#));
    // Its names are taken where they are asked for, and nowhere else.
    for (file, hint) in [
        ("guide.csv", "--format guide"),
        ("guide.json", "export_timestamp"),
    ] {
        let (code, _, errors) = import(&folder, file, &["--data-dir", "auto"]);
        assert_ne!(code, Some(0));
        assert!(errors.contains(hint), "{errors}");
    }
}
