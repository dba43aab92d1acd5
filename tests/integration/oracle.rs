//! The life of alerts judged by `promtool test rules`: random cases, and the same state at every step of each.
//!
//! promtool is asked for `ALERTS` at each evaluation with nothing expected, so that its complaints list what is there. That
//! list is then what `opwatch test` has to find. One alert that always fires is in promtool's rules only: a step that its
//! complaints leave out is a fault of this test, not a step without alerts.

use std::fmt::Write;
use std::io::ErrorKind;
use std::process::Command;

use crate::peers::missing;
use crate::sidecar::{Folder, run};

const CASES: usize = 702;
/// Cases in one rule file.
const BATCH: usize = 117;
/// Evaluations of a case.
const STEPS: usize = 30;
/// Seconds between evaluations, and the values between them.
const INTERVAL: usize = 30;
const VALUES: usize = 3;
/// Seconds of `for` and `keep_firing_for`: none, under the interval, equal to it, multiples of it and between them.
const HOLDS: [usize; 9] = [0, 10, 29, 30, 31, 45, 60, 90, 150];
const KEEPS: [usize; 6] = [0, 10, 30, 31, 60, 120];
/// Aggregations over windows of so many seconds. Windows longer than the interval find values through short gaps.
const STATS: [&str; 3] = ["last", "min", "max"];
const WINDOWS: [usize; 3] = [30, 60, 20];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Inactive,
    Pending,
    Firing,
}

/// One rule over one series of its own.
struct Case {
    number: usize,
    hold: usize,
    keep: usize,
    stat: &'static str,
    window: usize,
    values: Vec<Option<f64>>,
}

/// Pseudo-random numbers, the same in every run: SplitMix64 (G. Steele and others, 2014).
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = usize::try_from((bits ^ (bits >> 31)) >> 32).unwrap();
        bits % bound
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

impl Case {
    /// Every case number has its own combination of `for` and `keep_firing_for`, all of them equally often.
    fn new(number: usize) -> Self {
        let mut chance = Chance(u64::try_from(number).unwrap());
        Self {
            number,
            hold: HOLDS[number % HOLDS.len()],
            keep: KEEPS[number / HOLDS.len() % KEEPS.len()],
            stat: chance.one_of(&STATS),
            window: chance.one_of(&WINDOWS),
            values: values(&mut chance),
        }
    }

    fn name(&self) -> String {
        format!("C{}", self.number)
    }

    fn notation(&self) -> String {
        let values = self.values.iter();
        let words = values.map(|value| value.map_or("_".to_owned(), |value| value.to_string()));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The keys of its life, which both rule languages share; zero is left out half of the time.
    fn holds(&self) -> String {
        let mut keys = String::new();
        for (key, seconds) in [("for", self.hold), ("keep_firing_for", self.keep)] {
            if seconds > 0 || self.number.is_multiple_of(2) {
                write!(keys, ", {key}: {seconds}s").unwrap();
            }
        }
        keys
    }
}

/// Spells above the limit of 10, below it (or equal to it), with missing values, and without any.
fn values(chance: &mut Chance) -> Vec<Option<f64>> {
    let mut values = Vec::new();
    while values.len() < STEPS * VALUES {
        let pool: &[Option<f64>] = chance.one_of(&[
            &[Some(10.5), Some(11.0), Some(40.0)],
            &[Some(10.5), Some(11.0), Some(40.0)],
            &[Some(12.0), None],
            &[Some(10.0), Some(9.5), Some(0.0)],
            &[Some(10.0), None],
            &[Some(11.0), Some(9.0)],
            &[None],
        ]);
        for _ in 0..=chance.below(6 * VALUES) {
            values.push(chance.one_of(pool));
        }
    }
    values.truncate(STEPS * VALUES);
    values
}

/// The states of each case at each step, as promtool has them; `None` where it is not installed.
fn ask_promtool(folder: &Folder, cases: &[Case]) -> Option<Vec<Vec<State>>> {
    let mut rules =
        "groups:\n- name: oracle\n  rules:\n  - {alert: Always, expr: vector(1)}\n".to_owned();
    let mut series = String::new();
    for case in cases {
        let (name, stat) = (case.name(), case.stat);
        // Before version 3 a range is closed on the left, so it must be shorter to hold the values of (t - window, t].
        let range = case.window - 1;
        let holds = case.holds();
        writeln!(
            rules,
            "  - {{alert: {name}, expr: '{stat}_over_time(m{{case=\"{name}\"}}[{range}s]) > 10'{holds}}}"
        )
        .unwrap();
        let values = case.notation();
        writeln!(
            series,
            "  - {{series: 'm{{case=\"{name}\"}}', values: '{values}'}}"
        )
        .unwrap();
    }
    let mut test = format!(
        "rule_files: [promtool.rules.yaml]\nevaluation_interval: {INTERVAL}s\ntests:\n- interval: {}s\n  input_series:\n{series}  promql_expr_test:\n",
        INTERVAL / VALUES
    );
    for step in 0..STEPS {
        // The matcher selects everything; it tells the complaints of the steps apart.
        let time = step * INTERVAL;
        writeln!(
            test,
            "  - {{expr: 'ALERTS{{step!=\"{step}\"}}', eval_time: {time}s, exp_samples: []}}"
        )
        .unwrap();
    }
    folder.write("promtool.rules.yaml", &rules);
    let path = folder.write("promtool.test.yaml", &test);
    let output = match Command::new("promtool")
        .args(["test", "rules"])
        .arg(path)
        .output()
    {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return missing("promtool", "not installed");
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8(output.stderr).unwrap();
    let mut states = vec![vec![State::Inactive; STEPS]; cases.len()];
    let mut steps = 0;
    let mut step = None;
    for line in said.lines() {
        if let Some(expr) = line.split("ALERTS{step!=\\\"").nth(1) {
            step = Some(expr.split('\\').next().unwrap().parse::<usize>().unwrap());
        } else if let Some(got) = line.trim().strip_prefix("got: ") {
            let step = step.take().unwrap();
            assert_eq!(step, steps, "{said}");
            steps += 1;
            assert!(
                got.contains(r#"alertname="Always", alertstate="firing""#),
                "{line}"
            );
            note(got, step, cases, &mut states);
        }
    }
    assert_eq!(
        steps,
        STEPS,
        "{said}\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    Some(states)
}

/// Reads `{__name__="ALERTS", alertname="C0", alertstate="pending", case="C0"} 1E+00, …`.
fn note(got: &str, step: usize, cases: &[Case], states: &mut [Vec<State>]) {
    for alert in got.split("{__name__=\"ALERTS\", alertname=\"").skip(1) {
        let words: Vec<&str> = alert.split('"').collect();
        let (name, state) = (words[0], words[2]);
        if name == "Always" {
            continue;
        }
        let case = cases.iter().position(|case| case.name() == name).unwrap();
        assert_eq!(states[case][step], State::Inactive, "{name} twice in {got}");
        states[case][step] = match state {
            "pending" => State::Pending,
            "firing" => State::Firing,
            other => panic!("{other} in {got}"),
        };
    }
}

/// Writes the cases as opwatch's rules, and the states as what its test expects.
fn ask_opwatch(folder: &Folder, cases: &[Case], states: &[Vec<State>]) -> (Option<i32>, String) {
    let mut rules = "groups:\n- name: oracle\n  rules:\n".to_owned();
    let mut measurements = String::new();
    let mut looks = String::new();
    for (case, states) in cases.iter().zip(states) {
        let (name, stat, window, holds) = (case.name(), case.stat, case.window, case.holds());
        writeln!(
            rules,
            "  - {{alert: {name}, select: '{{operation=\"{name}\"}}', threshold: {{metric: duration, stat: {stat}, window: {window}s, above: 10s, min_samples: 1}}, no_data: resolve{holds}, labels: {{severity: low}}}}"
        )
        .unwrap();
        let values = case.notation();
        writeln!(
            measurements,
            "  - {{operation: {name}, duration_seconds: '{values}'}}"
        )
        .unwrap();
        for (step, state) in states.iter().enumerate() {
            let alert = format!("[{{exp_labels: {{operation: {name}, severity: low}}}}]");
            let (firing, pending) = match state {
                State::Inactive => ("[]", "[]"),
                State::Pending => ("[]", alert.as_str()),
                State::Firing => (alert.as_str(), "[]"),
            };
            let time = step * INTERVAL;
            writeln!(
                looks,
                "  - {{eval_time: {time}s, alertname: {name}, exp_alerts: {firing}, exp_pending: {pending}}}"
            )
            .unwrap();
        }
    }
    let test = format!(
        "rule_files: [opwatch.rules.yaml]\nevaluation_interval: {INTERVAL}s\ntests:\n- interval: {}s\n  measurements:\n{measurements}  alert_rule_test:\n{looks}",
        INTERVAL / VALUES
    );
    folder.write("opwatch.rules.yaml", &rules);
    folder.write("opwatch.test.yaml", &test);
    let (code, output, errors) = run(folder, &["test", "opwatch.test.yaml"]);
    (code, output + &errors)
}

#[test]
fn oracle_promtool_and_opwatch_have_every_alert_in_the_same_state_at_every_step() {
    let cases: Vec<Case> = (0..CASES).map(Case::new).collect();
    let mut changes = [[0; 3]; 3];
    for cases in cases.chunks(BATCH) {
        let folder = Folder::new();
        let Some(states) = ask_promtool(&folder, cases) else {
            return;
        };
        let (code, said) = ask_opwatch(&folder, cases, &states);
        assert_eq!(code, Some(0), "{said}");
        for pair in states.iter().flat_map(|states| states.windows(2)) {
            changes[pair[0] as usize][pair[1] as usize] += 1;
        }
    }
    // Cases in which little happens would prove little. Firing never turns into pending: it ends first.
    let [inactive, pending, firing] = changes;
    println!("from inactive {inactive:?}, from pending {pending:?}, from firing {firing:?}");
    assert_eq!(firing[1], 0);
    let others = [inactive, pending, [firing[0], firing[2], firing[2]]];
    assert!(
        others.iter().flatten().all(|count| *count > 100),
        "{changes:?}"
    );
}

#[test]
fn oracle_test_fails_by_name_and_time_where_one_expectation_is_wrong() {
    use State::{Firing, Inactive, Pending};
    let cases: Vec<Case> = (0..HOLDS.len()).map(Case::new).collect();
    let folder = Folder::new();
    let Some(states) = ask_promtool(&folder, &cases) else {
        return;
    };
    for (right, wrong) in [
        (Inactive, Pending),
        (Inactive, Firing),
        (Pending, Inactive),
        (Pending, Firing),
        (Firing, Inactive),
        (Firing, Pending),
    ] {
        // After the first minute, when times are written as minutes and seconds.
        let find = |states: &Vec<State>| (3..STEPS).step_by(2).find(|step| states[*step] == right);
        let (case, step) = (states.iter().enumerate().rev())
            .find_map(|(case, states)| Some((case, find(states)?)))
            .unwrap();
        let mut states = states.clone();
        states[case][step] = wrong;
        let (code, said) = ask_opwatch(&folder, &cases, &states);
        assert_eq!(code, Some(1), "{said}");
        let seconds = step * INTERVAL;
        let expected = format!(
            "alertname: C{case}, time: {}m{}s",
            seconds / 60,
            seconds % 60
        );
        let mut named = said
            .lines()
            .filter(|line| line.contains("alertname: "))
            .peekable();
        assert!(named.peek().is_some(), "{said}");
        assert!(
            named.all(|line| line.contains(&expected)),
            "{expected} in {said}"
        );
    }
}
