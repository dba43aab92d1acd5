//! The metrics page as scrapers get it, whole and in every format, and as Prometheus' own readers see it.

pub mod protobuf;
mod second_writer;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use opwatch::engine::action::{Action, EndsBy};
use opwatch::engine::admission::Batch;
use opwatch::engine::baseline::Content;
use opwatch::engine::baselines::{Wanted, WantedContent};
use opwatch::engine::condition::{
    Against, Amount, Budget, Comparison, Condition, Level, Regression, Threshold,
};
use opwatch::engine::contrast::Feature;
use opwatch::engine::measurement::{Draft, Measurement, Outcome};
use opwatch::engine::metric::{Metric, Stat, Worse};
use opwatch::engine::rule::{Hold, Mode, OnError, Rule, RuleGroup, Severity, Templated};
use opwatch::engine::selector::Selector;
use opwatch::engine::series::{FieldFault, Labels};
use opwatch::engine::template::Template;
use opwatch::engine::time::{Now, Timestamp};
use opwatch::engine::window::Reach;
use opwatch::engine::{Engine, Settings};
use opwatch::exposition::{
    self, BackFillUsage, Build, ExpositionConfig, Format, Internals, ListenerUsage, NotifierUsage,
    ProcessUsage, QueueUsage, ReloadState, Snapshot, StorageUsage, TargetFailures, TargetUsage,
    sections,
};

pub use text::{Samples, sample, samples};

/// What a scraper accepts to get OpenMetrics.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";
/// What a scraper accepts to get protobuf.
pub const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// 2026-01-31T12:00:00Z.
const NOON: Duration = Duration::from_secs(1_769_860_800);

#[test]
fn the_page_is_as_the_golden_files_say() {
    let (snapshot, store_bytes) = page();
    for (format, file) in [
        (Format::Text, "tests/data/exposition/page.txt"),
        (
            Format::OpenMetrics,
            "tests/data/exposition/page.openmetrics.txt",
        ),
    ] {
        let found = written(format, &snapshot);
        // What the store holds depends on the sizes of its types, so it is checked here and not in the file.
        let line = format!("\nopwatch_store_memory_bytes {store_bytes}\n");
        assert!(found.contains(&line), "{line} is missing");
        check_golden(
            file,
            &found.replace(&line, "\nopwatch_store_memory_bytes 123456\n"),
        );
    }
}

#[test]
fn all_three_formats_say_the_same() {
    let (snapshot, _) = page();
    let classic = samples(&written(Format::Text, &snapshot));
    assert!(classic.len() > 250, "only {} samples", classic.len());
    // Only OpenMetrics has creation times as samples and exemplars beside them.
    let open_metrics = samples(&written(Format::OpenMetrics, &snapshot));
    let (created, open_metrics): (BTreeMap<_, _>, BTreeMap<_, _>) = open_metrics
        .into_iter()
        .partition(|((name, _), _)| name.ends_with("_created"));
    assert_eq!(classic, open_metrics);
    let page = protobuf::read(&bytes(Format::Protobuf, &snapshot));
    assert_eq!(page.samples, classic);
    assert_eq!(page.created, created);
    let begun = |name: &str| name.ends_with("_total") || name.ends_with("_count");
    let counters = classic.keys().filter(|(name, _)| begun(name)).count();
    assert_eq!(created.len(), counters);
}

#[test]
fn native_histograms_count_what_the_classic_ones_do() {
    let (snapshot, _) = page();
    let page = protobuf::read(&bytes(Format::Protobuf, &snapshot));
    assert!(page.native.len() >= 8, "{}", page.native.len());
    for ((name, labels), native) in &page.native {
        let count = page.samples[&(format!("{name}_count"), labels.clone())];
        let counted: u64 = native.buckets.values().sum();
        assert_eq!((native.zeros + counted) as f64, count, "{name} {labels:?}");
    }
    let durations = page.native.iter().find(|((name, labels), _)| {
        name == "opwatch_operation_duration_seconds"
            && labels.get("algorithm").is_some_and(|a| a == "iforest")
            && labels["outcome"] == "success"
    });
    let (_, durations) = durations.unwrap();
    // 0.25 s and 40 s, 32 buckets an octave: whole powers of two are upper bounds.
    let expected = BTreeMap::from([(-64, 1), (171, 1)]);
    assert_eq!((durations.schema, &durations.buckets), (5, &expected));
}

#[test]
fn exemplars_stand_at_their_buckets_in_open_metrics_and_protobuf() {
    let (snapshot, _) = page();
    let text = written(Format::OpenMetrics, &snapshot);
    let found: Vec<_> = text.lines().filter(|line| line.contains(" # {")).collect();
    assert_eq!(
        found,
        [
            r#"opwatch_operation_duration_seconds_bucket{operation="detect",algorithm="iforest",outcome="success",le="60.0"} 2 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 40 1769860800"#
        ]
    );
    let page = protobuf::read(&bytes(Format::Protobuf, &snapshot));
    let expected = (
        "0af7651916cd43dd8448eb211c80319c".to_owned(),
        40.0,
        NOON.as_secs(),
    );
    assert_eq!(page.exemplars, [(60.0, expected)]);
    assert!(!written(Format::Text, &snapshot).contains("trace_id"));
}

#[test]
fn the_page_comes_in_pieces() {
    struct Pieces(Vec<usize>);
    impl std::io::Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut engine = Engine::new(Settings::default(), Now::invented(NOON));
    let operations: Vec<String> = (0..100).map(|n| format!("operation-{n}")).collect();
    for operation in &operations {
        let draft = Draft {
            operation,
            duration_seconds: Some(1.0),
            ..Draft::default()
        };
        put(&mut engine, draft, Now::invented(NOON));
    }
    let snapshot = Snapshot::take(&engine, Now::invented(NOON), Internals::default());
    for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
        let mut pieces = Pieces(Vec::new());
        exposition::write(format, &snapshot, &mut pieces).unwrap();
        let whole = bytes(format, &snapshot).len();
        assert_eq!(pieces.0.iter().sum::<usize>(), whole);
        assert!(pieces.0.len() > 3, "{:?}", pieces.0);
        assert!(
            pieces.0.iter().all(|piece| *piece < 32 << 10),
            "{:?}",
            pieces.0
        );
    }
}

#[test]
fn the_reference_of_metrics_is_up_to_date() {
    let mut text = String::from(
        "# Metrics\n\n\
        Everything that `GET /metrics` can show. A family without samples is left out.\n\n\
        - *series*: `operation`, and where they were given `algorithm`, `version` and the labels of the client; \
        `overflow=\"true\"` where there were too many series.\n\
        - *instance*: the labels that the rule keeps (`by`); `rule_mode=\"shadow\"` marks those of a rule in shadow.\n\
        - *alert*: the labels of the alert, `alertname` among them.\n",
    );
    for (title, families) in sections() {
        write!(
            text,
            "\n## {title}\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"
        )
        .unwrap();
        for family in families {
            let (name, kind, labels) = (family.name(), family.kind.as_str(), family.labels);
            let (labels, help) = (if labels.is_empty() { "–" } else { labels }, family.help);
            writeln!(text, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
        }
    }
    check_golden("docs/metrics.md", &text);
}

#[test]
fn prometheus_readers_take_both_formats_and_find_the_same_in_them() {
    let Some(python) = python() else { return };
    let (snapshot, _) = page();
    let classic = written(Format::Text, &snapshot);
    let classic = read_by_python(&python, &["--classic"], &classic);
    let open_metrics = written(Format::OpenMetrics, &snapshot);
    let open_metrics = read_by_python(&python, &["--no-created"], &open_metrics);
    assert_eq!(classic, open_metrics);
    let found = classic.matches("\"name\"").count();
    let expected = samples(&written(Format::Text, &snapshot)).len();
    assert_eq!(found, expected, "samples read by the peer");
}

#[test]
fn promtool_finds_nothing_to_say_against_the_page() {
    if Command::new("promtool").arg("--version").output().is_err() {
        return missing("promtool");
    }
    let (snapshot, _) = page();
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    assert_eq!(run(&mut promtool, &written(Format::Text, &snapshot)), "");
}

/// A page with something in every family, and the bytes that the store holds.
fn page() -> (Arc<Snapshot>, usize) {
    let started = Now::invented(NOON - Duration::from_secs(7_200));
    let noon = Now::invented(NOON);
    let action = Action {
        name: "retrain".to_owned(),
        matchers: Selector::default(),
        min_degradation: None,
        delay: Duration::ZERO,
        cooldown: Duration::ZERO,
        timeout: Duration::from_secs(60),
        ends_by: EndsBy::Callback,
        probation: None,
        alerts: true,
    };
    let settings = Settings {
        groups: groups(),
        actions: vec![action],
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, started);
    let idle = Draft {
        operation: "nightly",
        duration_seconds: Some(60.0),
        memory_bytes: Some(1e9),
        quality: vec![("f1", 0.75)],
        quality_samples: Some(200),
        ..Draft::default()
    };
    put(&mut engine, idle, started);
    for seconds in [0.25, 2.0, 40.0] {
        let whole = Draft {
            duration_seconds: Some(seconds),
            setup_seconds: Some(0.5),
            cleanup_seconds: Some(0.000_5),
            cpu_cores: Some(1.5),
            memory_bytes: Some(3e8),
            memory_peak_bytes: Some(2e9),
            samples: Some(1_000),
            quality: vec![("f1", 0.9), ("balance", -0.25)],
            quality_samples: Some(1_000),
            id: "the-same",
            ..detect()
        };
        // The id is used up by the first one, so the second is a duplicate; the third has none.
        let (id, trace_id) = match seconds > 2.0 {
            true => ("", "0af7651916cd43dd8448eb211c80319c"),
            false => (whole.id, ""),
        };
        let draft = Draft {
            id,
            trace_id,
            ..whole
        };
        put(&mut engine, draft, noon);
    }
    for error_class in ["Timeout", "", "Timeout"] {
        let failed = Draft {
            duration_seconds: Some(9.0),
            outcome: Some(Outcome::Failure),
            error_class,
            ..detect()
        };
        put(&mut engine, failed, noon);
    }
    let odd = Draft {
        operation: r#"train "big" in C:\data→größe"#,
        version: "v1.2",
        labels: vec![("zone", "eu{1}"), ("host", "a,b=\"c\"")],
        duration_seconds: Some(5_000.0),
        ..Draft::default()
    };
    put(&mut engine, odd, noon);
    let report = Draft {
        operation: "evaluate",
        quality: vec![("accuracy", 0.5)],
        ..Draft::default()
    };
    put(&mut engine, report, noon);
    let early = Draft {
        at: Some(noon.wall.after(Duration::from_secs(60))),
        ..detect()
    };
    put(&mut engine, early, noon);
    let broken = Batch {
        origin: None,
        records: vec![Err(FieldFault::new("duration_seconds", "is no number"))],
    };
    engine.admit(broken, noon);
    score(&mut engine);
    let (operation, quoted) = (("operation", "detect"), "odd \"name\"");
    let number = |name: &str, labels: Labels| Wanted {
        name: name.to_owned(),
        metric: Metric::Duration,
        content: WantedContent::Given {
            labels,
            content: Content::Number {
                value: 2.5,
                sd: None,
            },
        },
    };
    let measured = Wanted {
        name: "good".to_owned(),
        metric: Metric::MemoryPeak,
        content: WantedContent::Measured {
            select: Selector::parse("{operation=\"detect\"}").unwrap(),
            by: vec!["operation".to_owned(), "algorithm".to_owned()],
            reach: Reach::Runs(100),
            until: None,
        },
    };
    let wanted = [
        number(quoted, Labels::default()),
        // The names of our own labels are ours.
        number("good", [operation, ("stat", "x")].into_iter().collect()),
        measured,
    ];
    engine.set_baselines(&wanted, noon).unwrap();
    for due in engine.due(noon) {
        let answer = engine.answer(due, noon);
        engine.evaluate(due, &answer, noon);
        engine.note_duration(due, Duration::from_micros(250));
    }
    let store_bytes = engine.store().heap_bytes();
    (Snapshot::take(&engine, noon, internals()), store_bytes)
}

/// Runs that become slower, as a rule finds by comparing them with those before.
fn score(engine: &mut Engine) {
    for run in 0..90_u64 {
        let (seconds, before) = match run {
            0..70 => (1.0, 3_600 - run),
            _ => (1.5, 90 - run),
        };
        let draft = Draft {
            operation: "score",
            duration_seconds: Some(seconds + f64::from(u32::try_from(run % 7).unwrap()) / 64.0),
            ..Draft::default()
        };
        let now = Now::invented(NOON - Duration::from_secs(before));
        put(engine, draft, now);
    }
}

fn slower() -> Rule {
    let level = Level {
        severity: Some(Severity::High),
        limit: 0.25,
        recover: None,
    };
    Rule {
        condition: Condition::Regression(Regression {
            metric: Metric::Duration,
            stat: Stat::Quantile(0.5),
            feature: Feature::Median,
            reach: Reach::Runs(20),
            against: Against::Rolling(Duration::from_secs(7 * 86_400)),
            worse: Worse::Up,
            levels: vec![level],
            amount: Amount::Relative,
            budget: Budget {
                alarms: 1.0,
                per: Duration::from_secs(30 * 86_400),
            },
            min_samples: 10,
            weighs_evidence: true,
        }),
        ..rule("ScoringSlower", "score", Metric::Duration, &[1.0])
    }
}

fn detect<'a>() -> Draft<'a> {
    Draft {
        operation: "detect",
        algorithm: "iforest",
        ..Draft::default()
    }
}

fn put(engine: &mut Engine, draft: Draft<'_>, now: Now) {
    let batch = Batch {
        origin: None,
        records: vec![Measurement::new(draft)],
    };
    let (admitted, _) = engine.admit(batch, now);
    engine.apply(&admitted, now);
}

fn groups() -> Vec<RuleGroup> {
    let group = |name: &str, rules| RuleGroup {
        file: "rules/fraud.yaml".to_owned(),
        name: name.to_owned(),
        interval: Duration::from_secs(15),
        limit: 0,
        rules,
    };
    let slow = || {
        rule(
            "DetectionSlow",
            "detect",
            Metric::Duration,
            &[10.0, 20.0, 30.0],
        )
    };
    let pending = Rule {
        hold: Hold {
            hold: Duration::from_secs(300),
            ..Hold::default()
        },
        ..rule(
            "TrainingSlow",
            r#"train "big" in C:\data→größe"#,
            Metric::Duration,
            &[100.0],
        )
    };
    vec![
        group(
            "fraud",
            vec![
                slow(),
                pending,
                rule("NothingThere", "nothing", Metric::Duration, &[1.0]),
                rule("NoScore", "detect", Metric::Score("recall".into()), &[1.0]),
                Rule {
                    mode: Mode::Off,
                    ..rule("SwitchedOff", "detect", Metric::Duration, &[1.0])
                },
            ],
        ),
        // The same rule again: its label sets are there already, and twice they would spoil the whole page.
        group("again", vec![slow()]),
        group("regressions", vec![slower()]),
    ]
}

fn rule(name: &str, operation: &str, metric: Metric, limits: &[f64]) -> Rule {
    let label = |name: &str, text| Templated {
        name: name.to_owned(),
        template: Template::parse(text, &["labels"]).unwrap(),
    };
    let severities = [Severity::Medium, Severity::High, Severity::Critical];
    let levels = limits
        .iter()
        .zip(severities)
        .map(|(limit, severity)| Level {
            severity: Some(severity),
            limit: *limit,
            recover: None,
        });
    Rule {
        name: name.to_owned(),
        select: Selector::parse(&format!("{{operation={operation:?}}}")).unwrap(),
        by: vec!["operation".to_owned(), "algorithm".to_owned()],
        condition: Condition::Threshold(Threshold {
            metric,
            stat: Stat::Mean,
            reach: Reach::Time(Duration::from_secs(600)),
            comparison: Comparison::Above,
            levels: levels.collect(),
            min_samples: 1,
            relative: None,
        }),
        hold: Hold::default(),
        on_error: OnError::Keep,
        depends_on: Vec::new(),
        actions: Vec::new(),
        mode: Mode::Active,
        labels: vec![
            label("team", "fraud of {{ $labels.operation }}"),
            label("alertstate", "of my own"),
        ],
        annotations: Vec::new(),
        definition: 1,
    }
}

fn internals() -> Internals {
    let at = |seconds| Timestamp::default().after(NOON - Duration::from_secs(seconds));
    Internals {
        config: ExpositionConfig {
            prometheus_alerts: true,
        },
        build: Build {
            version: "1.2.3",
            revision: Some("4d3c2b1a"),
        },
        started_at: Some(at(7_200)),
        process: Some(ProcessUsage {
            cpu_seconds: 12.25,
            resident_bytes: 11_534_336,
            threads: 4,
            open_files: Some(23),
            max_open_files: Some(1_024),
        }),
        listeners: vec![
            ListenerUsage {
                name: "public".to_owned(),
                open: 3,
                accepted: 100,
                refused: 4,
                evicted: 5,
                timeouts: 6,
                accept_errors: 7,
                panics: 8,
            },
            ListenerUsage {
                name: "ingest".to_owned(),
                accepted: 1,
                ..ListenerUsage::default()
            },
        ],
        queue: QueueUsage {
            length: 2,
            capacity: 64,
            refused: 9,
            refused_for_memory: 10,
            refused_in_flight: 26,
            in_flight_bytes: 27,
            in_flight_capacity_bytes: 28,
        },
        notifiers: vec![NotifierUsage {
            receiver: "team".to_owned(),
            integration: "email".to_owned(),
            sent: 11,
            errors: 12,
            dropped: 13,
            attempts: 23,
            attempt_seconds: 4.5,
            queue_length: 14,
            queue_capacity: 1_000,
        }],
        reload: Some(ReloadState {
            successful: true,
            succeeded_at: at(3_600),
        }),
        targets: vec![TargetUsage {
            process: "gunicorn".to_owned(),
            cpu_seconds: 12.25,
            memory_bytes: 123_456_789,
            memory_peak_bytes: 223_456_789,
            threads: Some(17),
        }],
        target_failures: TargetFailures {
            not_found: 24,
            unreadable: 25,
        },
        target_cpu_limit: Some(2.5),
        back_fill: BackFillUsage {
            runs: 3,
            failures: 1,
            detectors: 12,
            blocks: 48_384,
        },
        storage: Some(StorageUsage {
            degraded: true,
            bytes: 26,
            commits: 27,
            commit_seconds: 2.75,
            failures: 28,
            uncommitted: 29,
            set_aside: 30,
            restored_baselines: 32,
            restored_silences: 33,
            restored_maintenance: 34,
            dropped_events: 31,
        }),
    }
}

fn written(format: Format, snapshot: &Arc<Snapshot>) -> String {
    String::from_utf8(bytes(format, snapshot)).unwrap()
}

fn bytes(format: Format, snapshot: &Arc<Snapshot>) -> Vec<u8> {
    let mut page = Vec::new();
    exposition::write(format, snapshot, &mut page).unwrap();
    page
}

/// Compares with the file; `OPWATCH_UPDATE_GOLDEN=1` writes it instead.
fn check_golden(file: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("OPWATCH_UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let first = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(
        expected == found,
        "{file} differs, first at {first:?}; OPWATCH_UPDATE_GOLDEN=1 writes it anew"
    );
}

/// What Prometheus' Python parsers find in a page: OpenMetrics, strictly, unless the arguments say otherwise.
fn read_by_python(python: &str, arguments: &[&str], page: &str) -> String {
    let check = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/peers/openmetrics_check.py"
    );
    run(Command::new(python).arg(check).args(arguments), page)
}

/// The same as samples.
pub fn samples_by_python(python: &str, arguments: &[&str], page: &str) -> Samples {
    let found: Vec<Value> = serde_json::from_str(&read_by_python(python, arguments, page)).unwrap();
    let samples = found.into_iter().map(|mut one| {
        let mut metric = one["labels"].take();
        metric["__name__"] = one["name"].take();
        let value = match &one["value"] {
            Value::String(odd) => odd.parse().unwrap(),
            number => number.as_f64().unwrap(),
        };
        (sample(&metric), value)
    });
    samples.collect()
}

/// The interpreter that has Prometheus' client library.
pub fn python() -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = Command::new(&python)
        .args(["-c", "import prometheus_client"])
        .output();
    if import.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    missing("prometheus_client of Python");
    None
}

/// Without its peers a check cannot run: `tests/run` brings them and makes that a failure.
fn missing(peer: &str) {
    assert!(
        std::env::var("OPWATCH_TEST_PEERS").as_deref() != Ok("required"),
        "{peer} is missing"
    );
    println!("skipped: {peer} is missing; tests/run installs it");
}

/// What the program says to `input` on both outputs; it has to be content.
fn run(command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}
