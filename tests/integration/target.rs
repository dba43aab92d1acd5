//! The watched target through the public border: real processes, compared with the kernel's own numbers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::sidecar::{BINARY, Folder, Sidecar, request, wait_for};

/// The kernel counts CPU time in hundredths of a second.
const TICK: f64 = 0.01;

/// A process that ends with its test.
struct Process(Child);

impl Process {
    /// One of a name of its own.
    fn start(folder: &Folder, name: &str, script: &str) -> Self {
        // The kernel calls a process after the file that it executes.
        let program = folder.0.join(name);
        if !program.exists() {
            std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
        }
        let mut command = Command::new(program);
        let process = Self(command.arg0("sh").args(["-c", script]).spawn().unwrap());
        let kept = &name[..name.len().min(15)];
        let comm = format!("/proc/{}/comm", process.pid());
        wait_for("the process to have its name", || {
            (fs::read_to_string(&comm).unwrap().trim() == kept).then_some(())
        });
        process
    }

    /// One that keeps a core busy.
    fn busy(folder: &Folder, name: &str) -> Self {
        Self::start(folder, name, "while :; do :; done")
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// CPU seconds as the kernel counts them.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |field: usize| fields[field - 3].parse::<f64>().unwrap();
        (ticks(14) + ticks(15)) * TICK
    }

    /// Waits until it has used that much CPU.
    fn use_up(&self, seconds: f64) {
        wait_for("the process to use CPU", || {
            (self.cpu() >= seconds).then_some(())
        });
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A name that no other test's process has.
fn own_name(what: &str) -> String {
    format!("ow{}-{what}", std::process::id())
}

fn family(name: &str, process: &str) -> String {
    format!("opwatch_target_{name}{{process=\"{process}\"}}")
}

fn failures(sidecar: &Sidecar, reason: &str) -> f64 {
    let series = format!("opwatch_target_read_failures_total{{reason=\"{reason}\"}}");
    sidecar.metric(&series).unwrap()
}

/// Waits until the log has said so many times that the target is away, and that it is here.
fn told(sidecar: &Sidecar, away: usize, here: usize) {
    let count = |text: &str| sidecar.log().matches(text).count();
    let seen = || {
        let away = count("the target cannot be read");
        (away, count("watching the target"))
    };
    wait_for("the log", || (seen() == (away, here)).then_some(()));
    // It would be said again within a few readings.
    thread::sleep(Duration::from_millis(200));
    assert_eq!(seen(), (away, here));
}

#[test]
fn a_process_shows_what_the_kernel_counts() {
    let folder = Folder::new();
    // Longer than the kernel keeps.
    let whole = own_name("as-the-kernel-counts");
    let name = &whole[..15];
    let process = Process::busy(&folder, &whole);
    let config = format!("target: {{pid: {}, interval: 50ms}}\n", process.pid());
    let sidecar = Sidecar::start(&config, &[]);
    process.use_up(0.3);
    let before = process.cpu();
    let cpu = family("cpu_seconds_total", name);
    let shown = wait_for("a later reading", || {
        sidecar.metric(&cpu).filter(|shown| *shown >= before)
    });
    let after = process.cpu();
    assert!(shown <= after + TICK / 2.0, "{shown} after {after}");
    assert_eq!(sidecar.metric(&family("threads", name)), Some(1.0));
    let memory = sidecar.metric(&family("memory_bytes", name)).unwrap();
    let peak = sidecar.metric(&family("memory_peak_bytes", name)).unwrap();
    assert!(memory > 10_000.0 && peak >= memory, "{memory} {peak}");
    assert!(sidecar.metric("opwatch_target_cpu_limit_cores").unwrap() > 0.0);
    assert_eq!(failures(&sidecar, "not_found"), 0.0);
    assert_eq!(failures(&sidecar, "unreadable"), 0.0);
}

#[test]
fn processes_of_one_name_are_counted_together_and_what_one_used_stays() {
    let folder = Folder::new();
    let name = own_name("workers-of-a-long-name");
    let one = Process::busy(&folder, &name);
    let mut two = Process::busy(&folder, &name);
    let config = format!("target: {{name: {name}, interval: 50ms}}\n");
    let sidecar = Sidecar::start(&config, &[]);
    let cpu = family("cpu_seconds_total", &name);
    let threads = family("threads", &name);
    one.use_up(0.3);
    two.use_up(0.3);
    let both = one.cpu() + two.cpu();
    let mut shown = wait_for("both to be counted", || {
        sidecar.metric(&cpu).filter(|shown| *shown >= both)
    });
    assert_eq!(sidecar.metric(&threads), Some(2.0));
    two.end();
    wait_for("one to be left", || {
        let next = sidecar.metric(&cpu).unwrap();
        assert!(next >= shown, "{next} after {shown}");
        shown = next;
        (sidecar.metric(&threads) == Some(1.0)).then_some(())
    });
    // The one that is left has used far less than both together.
    assert!(sidecar.metric(&cpu).unwrap() >= shown && shown >= both);
    // Another one is found, and all that it used counts.
    let three = Process::busy(&folder, &name);
    let before = shown;
    three.use_up(0.5);
    wait_for("the third to be found", || {
        (sidecar.metric(&threads) == Some(2.0)).then_some(())
    });
    let used = three.cpu();
    wait_for("the third to be counted", || {
        (sidecar.metric(&cpu).unwrap() >= before + used).then_some(())
    });
}

/// Ends an operation and returns what was measured.
fn end(sidecar: &Sidecar, operation: &str, id: &str) -> Value {
    let ended = sidecar.post(&format!("/v1/operations/{id}/end"), "");
    assert_eq!(ended.json()["accepted"], 1, "{ended:?}");
    let mut detail = sidecar.data(&format!("/api/v1/operations/{operation}"));
    detail["lastMeasurement"].take()
}

fn start(sidecar: &Sidecar, body: &str) -> String {
    let started = sidecar.post("/v1/operations/start", body).json();
    started["operation_id"].as_str().unwrap().to_owned()
}

#[test]
fn an_operation_gets_the_cpu_of_the_target_or_of_the_process_that_it_names() {
    let folder = Folder::new();
    let name = own_name("operation");
    let process = Process::busy(&folder, &name);
    let pid = process.pid();
    let plain = r#"{"operation":"op"}"#.to_owned();
    for (target, body) in [
        (format!("target: {{pid: {pid}}}"), plain.clone()),
        (format!("target: {{name: {name}}}"), plain.clone()),
        (
            String::new(),
            format!(r#"{{"operation":"op","pid":{pid}}}"#),
        ),
    ] {
        let sidecar = Sidecar::start(&format!("{target}\n"), &[]);
        let earliest = process.cpu();
        let id = start(&sidecar, &body);
        let begun = process.cpu();
        process.use_up(begun + 0.5);
        let ending = process.cpu();
        let last = end(&sidecar, "op", &id);
        let latest = process.cpu();
        let number = |field: &str| last[field].as_f64().unwrap();
        let used = number("cpu_cores") * number("duration_seconds");
        assert!(
            used >= ending - begun - TICK && used <= latest - earliest + TICK,
            "{target}: {used} of {earliest} {begun} {ending} {latest}"
        );
        assert!(number("memory_bytes") > 10_000.0);
        assert!(number("memory_peak_bytes") >= number("memory_bytes"));
    }
}

#[test]
fn the_largest_process_is_found_and_is_not_opwatch_itself() {
    let sidecar = Sidecar::start("target: {process: largest, interval: 1s}\n", &[]);
    let page = sidecar.metrics();
    let shown = page
        .lines()
        .find(|line| line.starts_with("opwatch_target_memory_bytes{"));
    let memory: f64 = shown.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!(memory > 0.0);
    let own = format!("pid={}", sidecar.pid());
    let log = sidecar.log();
    let found = log
        .lines()
        .find(|line| line.contains("watching the target"));
    assert!(found.is_some_and(|line| !line.ends_with(&own)), "{log}");
}

#[test]
fn a_target_that_is_away_is_counted_but_told_once_and_found_when_it_comes() {
    let folder = Folder::new();
    let name = own_name("away");
    let config = format!("target: {{name: {name}, interval: 50ms}}\n");
    let sidecar = Sidecar::start(&config, &[]);
    let count = || failures(&sidecar, "not_found");
    let before = count();
    wait_for("failures to be counted", || {
        (count() >= before + 3.0).then_some(())
    });
    told(&sidecar, 1, 0);
    let id = start(&sidecar, r#"{"operation":"alone"}"#);
    let last = end(&sidecar, "alone", &id);
    assert_eq!(
        (&last["cpu_cores"], &last["memory_bytes"]),
        (&Value::Null, &Value::Null)
    );
    assert!(last["duration_seconds"].is_number());

    let mut process = Process::start(&folder, &name, "while :; do sleep 1; done");
    let memory = family("memory_bytes", &name);
    wait_for("the process to be found", || sidecar.metric(&memory));
    told(&sidecar, 1, 1);
    let id = start(&sidecar, r#"{"operation":"left"}"#);
    process.end();
    wait_for("the process to be gone", || {
        sidecar.metric(&memory).is_none().then_some(())
    });
    // What it used at its end nobody has seen.
    let last = end(&sidecar, "left", &id);
    assert_eq!(
        (&last["cpu_cores"], &last["memory_bytes"]),
        (&Value::Null, &Value::Null)
    );
    assert!(last["memory_peak_bytes"].as_f64().unwrap() > 10_000.0);
    told(&sidecar, 2, 1);
}

#[test]
fn without_privileges_the_process_of_another_user_is_read_all_the_same() {
    const NOBODY: u32 = 65_534;
    let own = fs::metadata("/proc/self").unwrap().uid();
    if own != 0 {
        println!("skipped: only root can run opwatch as somebody else");
        return;
    }
    let folder = Folder::new();
    let name = own_name("other");
    let process = Process::busy(&folder, &name);
    // Where the build lies only its owner may look.
    let program = folder.0.join("opwatch");
    fs::copy(BINARY, &program).unwrap();
    let config = format!(
        "listen: {{public: '127.0.0.1:0', ingest: '127.0.0.1:0'}}\ndata_dir: none\ntarget: {{name: {name}, interval: 50ms}}\n"
    );
    let config = folder.write("opwatch.yaml", &config);
    let log = folder.0.join("log");
    let mut command = Command::new(program);
    command.arg("--config").arg(config).uid(NOBODY).gid(NOBODY);
    command.stderr(fs::File::create(&log).unwrap());
    let opwatch = Process(command.spawn().unwrap());
    let address = wait_for("opwatch to start", || {
        let log = fs::read_to_string(&log).unwrap();
        let (_, rest) = log.split_once(" public=")?;
        rest.split_once(" ingest=")
            .map(|(address, _)| address.to_owned())
    });
    let status = fs::read_to_string(format!("/proc/{}/status", opwatch.pid())).unwrap();
    assert!(status.contains(&format!("Uid:\t{NOBODY}")), "{status}");
    process.use_up(0.2);
    let before = process.cpu();
    let cpu = family("cpu_seconds_total", &name);
    let shown = wait_for("a later reading", || {
        let page = request(&address, "GET", "/metrics", &[], b"").text();
        let line = page.lines().find_map(|line| line.strip_prefix(&cpu))?;
        let shown: f64 = line.trim().parse().unwrap();
        (shown >= before).then_some(shown)
    });
    assert!(shown <= process.cpu() + TICK / 2.0);
}

#[test]
fn cpu_ratio_is_judged_by_the_configured_limit_also_after_a_reload() {
    let rules = "groups: [{name: g, rules: [{alert: Busy, threshold: {metric: cpu_ratio, stat: last, window: 1 runs, above: 80%}}]}]\n";
    let config = |limit: &str| {
        format!(
            "rule_files: [rules.yaml]\nevaluation_interval: 1s\ntarget: {{cpu_limit: {limit}}}\n"
        )
    };
    let sidecar = Sidecar::start(&config("500m"), &[("rules.yaml", rules)]);
    assert_eq!(sidecar.metric("opwatch_target_cpu_limit_cores"), Some(0.5));
    sidecar.measure(r#"{"operation":"op","duration_seconds":1,"cpu_cores":0.45}"#);
    let alerts = || {
        sidecar.data("/api/v1/alerts")["alerts"]
            .as_array()
            .unwrap()
            .clone()
    };
    let alert = wait_for("the rule to fire", || alerts().first().cloned());
    assert_eq!(alert["value"], "9e-01");
    let mean =
        |metric: &str| sidecar.data("/api/v1/operations/op")["metrics"][metric]["mean"].clone();
    assert_eq!((mean("cpu"), mean("cpu_ratio")), (0.45.into(), 0.9.into()));
    let path = sidecar.folder.0.join("opwatch.yaml");
    rewrite(&path, "500m", "2");
    assert_eq!(sidecar.post("/-/reload", "").status, 200);
    wait_for("the rule to end", || alerts().is_empty().then_some(()));
    assert_eq!(mean("cpu_ratio"), Value::from(0.225));
    assert_eq!(sidecar.metric("opwatch_target_cpu_limit_cores"), Some(2.0));
}

fn rewrite(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, text.replace(from, to)).unwrap();
}
