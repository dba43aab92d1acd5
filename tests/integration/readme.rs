//! What the README shows works as it stands there.

use crate::sidecar::{Folder, run};

/// The YAML blocks of a text.
fn blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```yaml\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_rules_of_the_reference_are_good() {
    let folder = Folder::new();
    for block in blocks(include_str!("../../docs/rules.md")) {
        folder.write("rules.yaml", block);
        let (code, said, errors) = run(&folder, &["check", "rules.yaml"]);
        assert_eq!(code, Some(0), "{said}{errors}");
        assert!(said.contains("0 faults, 0 warnings"), "{said}");
    }
}

#[test]
fn the_tests_of_the_reference_pass() {
    let folder = Folder::new();
    for (pack, rules) in [
        ("latency", include_str!("../../rules/latency.yaml")),
        ("drift", include_str!("../../rules/drift.yaml")),
    ] {
        folder.write(&format!("rules/{pack}.yaml"), rules);
    }
    let blocks = blocks(include_str!("../../docs/rule-tests.md"));
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        folder.write("rules/tests/test.yaml", block);
        let (code, said, errors) = run(&folder, &["test", "rules/tests/test.yaml"]);
        assert_eq!(code, Some(0), "{said}{errors}");
        assert!(said.contains("1 passed, 0 failed"), "{said}");
    }
}

#[test]
fn the_examples_of_the_readme_are_good() {
    let readme = include_str!("../../README.md");
    let blocks = blocks(readme);
    let [config, rules, tests, target] = blocks[..] else {
        panic!("{} YAML blocks in the README", blocks.len());
    };
    let folder = Folder::new();
    let password = folder.write("password", "secret\n");
    let config = config.replace("/run/secrets/smtp", password.to_str().unwrap());
    folder.write("opwatch.yaml", &format!("{config}{target}"));
    folder.write("rules.yaml", rules);
    folder.write("test.yaml", tests);
    let (code, said, errors) = run(&folder, &["check"]);
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(said.contains("0 faults, 0 warnings"), "{said}");
    let (code, said, errors) = run(&folder, &["test", "test.yaml"]);
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(said.contains("1 passed, 0 failed"), "{said}");
}
