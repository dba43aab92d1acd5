//! The program that is watched: the isolation forest of `examples`, one phase at a time.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A run of the program; it ends with this value.
pub struct Program(Option<Child>);

impl Program {
    /// Starts it, its reports going to `address` and what of them was acknowledged to the file `log`.
    pub fn start(python: &str, address: &str, log: &Path, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/isolation_forest");
        let child = Command::new(python)
            .arg(script.join("detect.py"))
            .args(["--url", &format!("http://{address}")])
            .arg("--log")
            .arg(log)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(Some(child.unwrap()))
    }

    /// Waits for its end and gives the records that its log has.
    pub fn finish(self, log: &Path) -> Vec<Value> {
        self.finish_with_summary(log).0
    }

    /// The same, and what it has printed.
    pub fn finish_with_summary(mut self, log: &Path) -> (Vec<Value>, String) {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        let records = records(log);
        let last = format!("reported {}, refused 0, dropped 0\n", records.len());
        let Output { status, stdout, .. } = &output;
        let said = String::from_utf8_lossy(stdout);
        assert!(status.success() && said.ends_with(&last), "{output:?}");
        (records, said.into_owned())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn records(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The values of a field, given as a JSON pointer, of the scorings of one series.
pub fn scorings(records: &[Value], dataset: &str, pointer: &str) -> Vec<f64> {
    values_of(records, ("detect", dataset), pointer)
}

/// The same of an operation on one series.
pub fn values_of(records: &[Value], of: (&str, &str), pointer: &str) -> Vec<f64> {
    let wanted =
        |record: &&Value| record["operation"] == of.0 && record["labels"]["dataset"] == of.1;
    let values = records.iter().filter(wanted);
    values
        .map(|record| record.pointer(pointer).unwrap().as_f64().unwrap())
        .collect()
}

/// The value in the middle, or the mean of the two there.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len() - 1;
    f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)])
}
