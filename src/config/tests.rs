//! Configurations good and bad, with exactly what is said of them.

use super::*;
use crate::document::render;
use crate::engine::dispatch::{GroupBy, Integration, Timing};
use std::fs;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/config")
        .join(name)
}

fn lookup(name: &str) -> Option<String> {
    (name == "POD_NAME").then(|| "pod-1".to_owned())
}

fn load(name: &str) -> Result<(Config, Vec<Warning>), Vec<Fault>> {
    Config::load(&data(name), &lookup)
}

fn config_of(text: &str) -> Result<Config, Vec<Fault>> {
    let read = read::text("opwatch.yaml", text.to_owned(), Path::new(""), &|_| None);
    Config::judge(read).map(|(config, _)| config)
}

/// What is said, without the folder that this crate happens to be in.
fn portable(text: &str) -> String {
    text.replace(&format!("{}/", data("").display()).replace("//", "/"), "")
}

#[test]
fn an_empty_configuration_has_every_default() {
    let (config, warnings) = Config::without_file().unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.listen.public, "0.0.0.0:9776");
    assert_eq!(config.listen.ingest, "127.0.0.1:9777");
    assert!(config.external_url.starts_with("http://") && config.external_url.ends_with(":9776"));
    assert_eq!(config.data_dir, Some(PathBuf::from("opwatch-data")));
    assert_eq!(config.evaluation_interval, Duration::from_secs(15));
    assert_eq!(config.log.level, "info");
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.target, Target::default());
    assert!(config.store.max_memory <= 96 << 20);
    assert_eq!(config.store.max_history, 1_000);
    assert_eq!(config.store.max_series, 2_000);
    assert_eq!(config.store.series_ttl, Duration::from_secs(3_600));
    assert_eq!(config.store.retention, Duration::from_secs(30 * 86_400));
    assert_eq!(config.max_disk, 256 << 20);
    let limits = Limits {
        body_bytes: 8 << 20,
        decompressed_bytes: 64 << 20,
        in_flight_bytes: config.store.max_memory / 4,
        connections: 512,
        queue: 64,
    };
    assert_eq!(config.limits, limits);
    assert_eq!(config.resend_delay, Duration::from_secs(60));
    assert_eq!(config.resolved_retention, Duration::from_secs(900));
    assert_eq!(config.send_levels, SendLevels::Highest);
    assert_eq!(config.incidents, Some(Duration::from_secs(300)));
    let settings = config.engine_settings();
    let whole = settings.store.max_memory + config.limits.in_flight_bytes;
    assert_eq!(whole, config.store.max_memory);
    // Nothing but what opwatch says of itself.
    let files: Vec<_> = settings.groups.iter().map(|g| g.file.as_str()).collect();
    assert_eq!(files, ["built-in:opwatch"]);
    assert!(settings.route.is_none());
    assert!(settings.receivers.is_empty() && !settings.send_levels);
}

#[test]
fn every_key_has_its_effect() {
    let (config, warnings) = load("full.good.yaml").unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.listen.ingest, "unix:/run/opwatch.sock");
    assert_eq!(config.external_url, "https://opwatch.example.org/x");
    assert_eq!(config.data_dir, None);
    // Two patterns, but each file once.
    let files: Vec<_> = config
        .rule_files
        .iter()
        .map(|p| p.file_name().unwrap())
        .collect();
    assert_eq!(
        files,
        [
            "all_keys.good.yaml",
            "detection.good.yaml",
            "json.good.yaml",
            "regressions.good.yaml",
            "relative.good.yaml"
        ]
    );
    // Of the file, and the guide's; `self_rules` is off.
    let groups: Vec<_> = config.groups.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(
        groups,
        [
            "fraud",
            "empty",
            "detection",
            "json",
            "regressions",
            "relative",
            "guide"
        ]
    );
    // A group without an interval takes the configured one.
    assert_eq!(config.groups[1].interval, Duration::from_secs(30));
    assert_eq!(
        config.external_labels.to_string(),
        r#"{cluster="eu-1", pod="pod-1"}"#
    );
    assert_eq!(config.log.format, LogFormat::Json);
    let target = Target {
        choice: Some(Choice::Pid(42)),
        interval: Duration::from_secs(2),
        cpu_limit: Some(2.5),
    };
    assert_eq!(config.target, target);
    assert_eq!(config.store.max_memory, 64 << 20);
    assert_eq!(config.store.max_history, 500);
    assert_eq!(config.store.max_series, 3_000);
    assert_eq!(config.store.series_ttl, Duration::from_secs(7_200));
    assert_eq!(
        &*config.store.grids.by_operation["detect"],
        [0.000_1, 0.005, 0.05, 1.0, 10.0]
    );
    assert_eq!(config.limits.in_flight_bytes, 8 << 20);
    assert_eq!(config.limits.queue, 4);
    assert!(config.exposition.prometheus_alerts);
    assert_eq!(config.notify.alertmanagers.len(), 1);
    let settings = config.engine_settings();
    assert!(settings.send_levels);
    assert_eq!(settings.incidents, Some(Duration::from_secs(600)));
    assert_eq!(settings.resend_delay, Duration::from_secs(120));
    assert_eq!(settings.resolved_retention, Duration::from_secs(1_800));
    assert_eq!(config.notify.resolved_retention, Duration::from_secs(1_800));
    assert_eq!(settings.external.url, config.external_url);
    assert_eq!(settings.receivers[0].name, "team");
    let resolved = |send_resolved| Integration { send_resolved };
    assert_eq!(
        settings.receivers[1].integrations,
        [resolved(true), resolved(false)]
    );
}

#[test]
fn incidents_are_on_or_off_or_so_far_apart() {
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    for (written, expected) in [
        ("on", minutes(5)),
        ("true", minutes(5)),
        ("off", None),
        ("false", None),
        ("{}", minutes(5)),
        ("{merge: 0s}", minutes(0)),
        ("{merge: 10m}", minutes(10)),
    ] {
        let config = config_of(&format!("incidents: {written}\n")).unwrap();
        assert_eq!(config.incidents, expected, "{written}");
    }
    for written in ["sometimes", "{merge: often}", "{mrge: 1m}", "[]"] {
        let faults = config_of(&format!("incidents: {written}\n")).unwrap_err();
        assert_eq!(faults.len(), 1, "{written}: {faults:?}");
    }
}

#[test]
fn routes_inhibit_rules_and_time_intervals_have_the_keys_of_alertmanager() {
    let (config, _) = load("full.good.yaml").unwrap();
    let root = config.route.unwrap();
    let [_, teams, old, new] = root.routes.as_slice() else {
        panic!("{root:?}");
    };
    assert_eq!(teams.mute_time_intervals, ["nights"]);
    // Not inherited.
    assert!(teams.routes[0].mute_time_intervals.is_empty());
    assert_eq!(teams.routes[0].active_time_intervals, ["office", "nights"]);
    // Written in two ways they have the same key, and are two routes all the same.
    assert_eq!(old.key, r#"{}/{severity="critical",zone="eu"}"#);
    assert_eq!((&old.key, old.ordinal, new.ordinal), (&new.key, 0, 1));
    // As Alertmanager has it in the keys of groups.
    assert_eq!(
        old.routes[0].matchers.to_string(),
        r#"{severity=~"^(?:a|b)$"}"#
    );
    let [first, second] = config.inhibit_rules.as_slice() else {
        panic!("{:?}", config.inhibit_rules);
    };
    assert_eq!(first.target.to_string(), r#"{severity=~"low|medium"}"#);
    assert_eq!(first.equal, ["operation"]);
    assert_eq!(
        second.source.to_string(),
        r#"{alertname="Down",team=~"^(?:a|b)$"}"#
    );
    assert_eq!(
        second.target.to_string(),
        r#"{alertname=~"^(?:Slow.*)$",team="a"}"#
    );
    let [office] = config.time_intervals["office"].as_slice() else {
        panic!("{:?}", config.time_intervals);
    };
    assert_eq!(office.times, [(540, 1_050)]);
    assert_eq!(office.weekdays, [1..=5, 0..=0]);
    assert_eq!(office.days_of_month, [(1, 28), (30, 30), (-1, -1)]);
    assert_eq!(office.months, [1..=5, 9..=9, 12..=12]);
    assert_eq!(office.years, [2026..=2026, 2030..=2040]);
    assert_eq!(office.zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(
        config.time_intervals["nights"][0].times,
        [(0, 360), (1_320, 1_440)]
    );
}

#[test]
fn a_target_is_chosen_in_one_of_several_ways() {
    let folder = std::env::temp_dir().join(format!("opwatch-target-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("opwatch.yaml");
    for (written, choice, cpu_limit) in [
        (
            "{process: largest, interval: 1s}",
            Some(Choice::Largest),
            None,
        ),
        ("{pid: 42}", Some(Choice::Pid(42)), None),
        (
            "{name: model-inference-server}",
            Some(Choice::Name("model-inference-server".to_owned())),
            None,
        ),
        ("{cpu_limit: 2}", None, Some(2.0)),
        (
            "{name: '7', cpu_limit: 500m}",
            Some(Choice::Name("7".to_owned())),
            Some(0.5),
        ),
    ] {
        fs::write(&path, format!("data_dir: none\ntarget: {written}\n")).unwrap();
        let (config, warnings) = Config::load(&path, &|_| None).unwrap();
        assert_eq!(warnings, []);
        let expected = Target {
            choice,
            cpu_limit,
            interval: Duration::from_secs(1),
        };
        assert_eq!(config.target, expected, "{written}");
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_rule_of_a_file_takes_the_place_of_a_built_in_one_and_can_switch_it_off() {
    let folder = std::env::temp_dir().join(format!("opwatch-built-in-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let rules = "groups: [{name: mine, rules: [{alert: CpuUsage, mode: off}, {alert: OpwatchMemoryShort, mode: off}, {alert: ExecutionTime, threshold: {metric: duration, stat: max, window: 1m, above: 60s}}]}]";
    fs::write(folder.join("rules.yaml"), rules).unwrap();
    let file = folder.join("opwatch.yaml");
    let names = |config: &str| -> Vec<(String, String)> {
        fs::write(&file, format!("rule_files: [rules.yaml]\n{config}")).unwrap();
        let (config, _) = Config::load(&file, &lookup).unwrap();
        let groups = config.groups.iter();
        groups
            .flat_map(|g| g.rules.iter().map(|r| (g.name.clone(), r.name.clone())))
            .collect()
    };
    let pair = |group: &str, rule: &str| (group.to_owned(), rule.to_owned());
    assert_eq!(
        names("guide_rules: on\nself_rules: off\n"),
        [
            pair("mine", "ExecutionTime"),
            pair("guide", "MemoryUsage"),
            pair("guide", "Throughput")
        ]
    );
    let own = names("");
    assert!(own.contains(&pair("opwatch", "OpwatchIngestRefused")));
    assert!(!own.iter().any(|(_, rule)| rule == "OpwatchMemoryShort"));
    fs::write(
        folder.join("rules.yaml"),
        "groups: [{name: mine, rules: [{alert: CpuUsge, mode: off}]}]",
    )
    .unwrap();
    let faults = Config::load(&file, &lookup).unwrap_err();
    assert!(
        faults[0].message.contains("no condition given"),
        "{faults:?}"
    );
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn routes_inherit_and_are_named_as_in_alertmanager() {
    let (config, _) = load("full.good.yaml").unwrap();
    let root = config.route.unwrap();
    let hour = Duration::from_secs(3_600);
    let timing = Timing {
        repeat_interval: hour,
        ..Timing::default()
    };
    assert_eq!((root.key.as_str(), root.receiver.as_str()), ("{}", "team"));
    assert_eq!(root.timing, timing);
    let pager = &root.routes[0];
    // Sorted, as Alertmanager does.
    assert_eq!(pager.key, r#"{}/{severity="critical",team="x"}"#);
    assert_eq!(pager.receiver, "pager");
    assert_eq!(pager.group_by, root.group_by);
    assert_eq!(pager.timing.group_wait, Duration::ZERO);
    assert_eq!(pager.timing.repeat_interval, hour);
    assert!(pager.go_on);
    let teams = &root.routes[1];
    assert_eq!(
        (teams.receiver.as_str(), &teams.group_by),
        ("team", &GroupBy::All)
    );
    assert!(!teams.go_on);
    let inner = &teams.routes[0];
    assert_eq!(inner.key, r#"{}/{team=~"a|b"}/{a="b"}"#);
    assert_eq!(inner.group_by, GroupBy::All);
    assert_eq!(inner.timing.group_interval, Duration::from_secs(60));
    assert!(inner.routes.is_empty());
}

#[test]
fn a_digest_comes_at_one_time_or_at_several_on_some_days() {
    let (config, _) = load("full.good.yaml").unwrap();
    let [daily, often] = config.digests.as_slice() else {
        panic!("{:?}", config.digests);
    };
    assert_eq!(daily.when.times, [(480, 481)]);
    assert_eq!(daily.when.weekdays, [1..=5]);
    assert_eq!(often.when.times, [(540, 541), (1_050, 1_051)]);
    assert_eq!(often.when.days_of_month, [(1, 7)]);
    assert_eq!(often.when.months, [1..=6]);
    assert!(!often.is_also_told);
}

#[test]
fn bad_configurations_are_refused_with_all_their_faults_at_their_places() {
    for name in [
        "unknown_key.bad.yaml",
        "values.bad.yaml",
        "routes.bad.yaml",
        "intervals.bad.yaml",
        "maintenance.bad.yaml",
        "flapping.bad.yaml",
        "digest.bad.yaml",
        "target_two.bad.yaml",
        "target_none.bad.yaml",
        "target_values.bad.yaml",
        "actions.bad.yaml",
        "actions_url.bad.yaml",
        "escalations.bad.yaml",
        "escalation_values.bad.yaml",
    ] {
        let faults = load(name).unwrap_err();
        let said = portable(&render(&faults, false)) + "\n";
        let beside = data(name).with_extension("txt");
        if std::env::var_os("OPWATCH_TEST_BLESS").is_some() {
            fs::write(&beside, &said).unwrap();
        }
        assert_eq!(said, fs::read_to_string(&beside).unwrap(), "{name}");
    }
}

#[test]
fn what_is_probably_not_meant_is_a_warning_at_its_place() {
    let (config, warnings) = load("warnings.good.yaml").unwrap();
    let said: Vec<_> = warnings
        .iter()
        .map(|warning| portable(&warning.brief()))
        .collect();
    assert_eq!(
        said,
        [
            "warnings.good.yaml:2:14: no file matches \"none/*.yaml\"",
            "warnings.good.yaml:7:12: receiver \"other\" is not used by any route or escalation",
        ]
    );
    // Relative to the file, not to where the process runs.
    assert_eq!(config.data_dir, Some(data("data")));
}

#[test]
fn the_configuration_of_the_example_loads() {
    let path = data("../../../examples/isolation_forest/opwatch.yaml");
    let (config, warnings) = Config::load(&path, &|_| None).unwrap();
    assert_eq!(warnings, []);
    let rules: Vec<usize> = config
        .groups
        .iter()
        .map(|group| group.rules.len())
        .collect();
    assert_eq!(rules[..2], [4, 1]);
    assert_eq!(config.groups[0].interval, Duration::from_secs(1));
}

#[test]
fn faults_of_rule_files_belong_to_the_configuration() {
    let folder = std::env::temp_dir().join(format!("opwatch-config-{}", std::process::id()));
    fs::create_dir_all(folder.join("rules")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write(
        "opwatch.yaml",
        "rule_files: [rules/*.yaml]\nlog: {level: loud}\n",
    );
    write("rules/a.yaml", "groups: [{nmae: x}]");
    write("rules/b.yaml", "groups: [{name: x, rules: [{alert: A}]}]");
    let path = folder.join("opwatch.yaml");
    let report = check(&path, &lookup);
    fs::remove_dir_all(&folder).unwrap();
    assert!(!report.is_good());
    let briefs: Vec<_> = report
        .findings
        .faults
        .iter()
        .map(|fault| fault.brief().replace(&format!("{}/", folder.display()), ""))
        .collect();
    let starts = [
        "opwatch.yaml:2:14: invalid log level \"loud\"",
        "rules/a.yaml:1:11: unknown field `nmae`, did you mean `name`?",
        "rules/b.yaml:1:28: no condition given",
    ];
    assert_eq!(briefs.len(), starts.len(), "{briefs:?}");
    for (brief, start) in briefs.iter().zip(starts) {
        assert!(brief.starts_with(start), "{brief}");
    }
    let rendered = report.render(false);
    assert!(
        rendered.ends_with("3 files, 1 group, 0 rules: 3 faults, 0 warnings"),
        "{rendered}"
    );
}

#[test]
fn rule_files_can_be_checked_by_themselves() {
    let good = check_rules(&[
        data("../rules/all_keys.good.yaml"),
        data("../rules/misspelt.warn.yaml"),
    ]);
    assert!(good.is_good());
    let rendered = good.render(false);
    assert!(rendered.contains("did you mean `duration`?"), "{rendered}");
    assert!(
        rendered.ends_with("2 files, 3 groups, 10 rules: 0 faults, 2 warnings"),
        "{rendered}"
    );
    let missing = check_rules(&[data("none.yaml")]);
    assert!(missing.render(false).contains("cannot read the file"));
}

#[test]
fn a_missing_configuration_is_a_fault() {
    let faults = load("none.yaml").unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0]
            .brief()
            .contains("cannot read the configuration: No such file")
    );
}

#[test]
fn escalations_and_links_are_read_with_their_defaults() {
    let text = "\
route: {receiver: team}
receivers: [{name: team}, {name: pager}]
acknowledgement: {links: on}
escalations:
  - {name: age, matchers: [severity=~\"high|critical\"], after: 30m, receiver: pager}
  - {name: often, more_than: {times: 3, within: 1h}, unless_acknowledged: false, receiver: pager, repeat_interval: 4h}
";
    let folder = std::env::temp_dir();
    let read = read::text("x.yaml", text.to_owned(), &folder, &|_| None);
    // A receiver that only an escalation names is used.
    assert_eq!(
        (read.findings.faults.len(), read.findings.warnings.len()),
        (0, 0)
    );
    let config = read.config.unwrap();
    assert_eq!(
        config.acknowledgement_links,
        Some(Duration::from_secs(86_400))
    );
    let [age, often] = config.escalations.as_slice() else {
        panic!("{:?}", config.escalations);
    };
    assert_eq!(age.after, Some(Duration::from_secs(1_800)));
    assert_eq!((age.unless_acknowledged, age.repeat_interval), (true, None));
    assert!(age.matchers.matches(|_| "high") && !age.matchers.matches(|_| "low"));
    let limit = often.more_than.unwrap();
    assert_eq!((limit.times, limit.within.as_secs()), (3, 3_600));
    assert!(!often.unless_acknowledged && often.after.is_none());
    assert_eq!(often.repeat_interval, Some(Duration::from_secs(14_400)));
}
