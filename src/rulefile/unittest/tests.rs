//! Rule tests that pass, fail and are refused, with exactly what is said of them.

use super::*;

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(folder)
}

fn run_one(name: &str) -> Report {
    run(&[data("rules").join(name)])
}

/// What is said, without the folder that this crate happens to be in.
fn said(report: &Report) -> String {
    let text = report.render(false) + "\n";
    text.replace(&format!("{}/", data("rules").display()), "")
}

#[track_caller]
fn compare(name: &str) {
    let said = said(&run_one(name));
    let beside = data("rules").join(name).with_extension("txt");
    if std::env::var_os("OPWATCH_TEST_BLESS").is_some() {
        fs::write(&beside, &said).unwrap();
    }
    assert_eq!(said, fs::read_to_string(&beside).unwrap());
}

#[test]
fn the_behaviour_cases_pass() {
    let files = matching(&data("cases"), "case_??.yaml").unwrap();
    assert_eq!(files.len(), 10, "cases 1 to 10");
    let report = run(&files);
    assert!(report.is_good(), "{}", said(&report));
    assert_eq!(report.passed(), 11);
}

#[test]
fn alerts_are_pending_firing_and_over_in_virtual_time() {
    let report = run_one("unit.test.yaml");
    assert!(report.is_good(), "{}", said(&report));
    assert_eq!((report.passed(), report.failed()), (4, 0));
}

#[test]
fn absence_dependence_and_failing_rules_can_be_tested() {
    let report = run_one("absence.test.yaml");
    assert!(report.is_good(), "{}", said(&report));
    assert_eq!(report.passed(), 4);
}

#[test]
fn baselines_are_set_in_the_course_of_a_test() {
    let report = run_one("baseline.test.yaml");
    assert!(report.is_good(), "{}", said(&report));
    assert_eq!(report.passed(), 2);
    compare("baseline_faults.test.yaml");
    compare("baseline_nothing.test.yaml");
}

#[test]
fn a_failing_test_says_what_was_expected_and_what_was_there() {
    compare("failing.test.yaml");
    assert_eq!(run_one("failing.test.yaml").failed(), 2);
}

#[test]
fn everything_wrong_with_a_test_file_is_told_at_its_place() {
    compare("faulty.test.yaml");
    compare("names.test.yaml");
}

#[test]
fn a_file_that_is_not_there_is_a_fault() {
    let report = run_one("missing.test.yaml");
    assert!(!report.is_good());
    assert!(said(&report).contains("cannot read the file: No such file"));
}
