//! `opwatch healthcheck`, `completions` and `man`, as those use them who run opwatch without a shell, or package it.

use std::process::{Command, Output};

use crate::sidecar::{BINARY, Folder, Sidecar, wait_for};

fn opwatch(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_healthcheck_asks_the_opwatch_of_the_configuration() {
    let sidecar = Sidecar::start("", &[]);
    let path = sidecar.folder.0.join("opwatch.yaml");
    let config = path.display().to_string();
    let output = opwatch(&["--config", &config, "healthcheck"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), "opwatch is ready\n");

    // What an edit has broken does not make the opwatch that refused it unhealthy.
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{written}\nno_such_key: 1\n")).unwrap();
    let output = opwatch(&["--config", &config, "healthcheck"]);
    assert!(output.status.success(), "{output:?}");

    let url = format!("http://{}", sidecar.public);
    assert!(opwatch(&["healthcheck", "--url", &url]).status.success());
    drop(sidecar);
    let output = opwatch(&["healthcheck", "--url", &url]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(text(&output.stderr).contains("cannot reach"), "{output:?}");
}

#[test]
fn files_that_change_are_taken_without_being_asked_to() {
    const RULES: &str = "groups: [{name: g, rules: [{alert: NAME, threshold: {metric: duration, stat: last, window: 1h, above: 10s}}]}]";
    let config = "rule_files: ['*.rules.yaml']\nself_rules: off\n";
    let sidecar = Sidecar::start(config, &[("a.rules.yaml", &RULES.replace("NAME", "First"))]);
    let names = || {
        let groups = sidecar.data("/api/v1/rules");
        let groups = groups["groups"].as_array().unwrap().clone();
        let rules = groups.iter().map(|group| &group["rules"][0]["name"]);
        let mut names: Vec<String> = rules.map(|name| name.as_str().unwrap().into()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(), ["First"]);
    // A file that comes belongs to the pattern as well; its group needs a name of its own.
    let second = RULES
        .replace("NAME", "Second")
        .replace("name: g", "name: h");
    sidecar.folder.write("b.rules.yaml", &second);
    wait_for("the second rule", || {
        (names() == ["First", "Second"]).then_some(())
    });
    sidecar.folder.write("a.rules.yaml", "groups: 3\n");
    wait_for("the refusal", || {
        let metrics = sidecar.get("/metrics").text();
        (metrics.contains("opwatch_config_last_reload_successful 0")).then_some(())
    });
    assert_eq!(names(), ["First", "Second"]);
    sidecar.folder.write("a.rules.yaml", "groups: []\n");
    wait_for("the end of the first rule", || {
        (names() == ["Second"]).then_some(())
    });
}

#[test]
fn manual_pages_and_completions_name_every_command() {
    let folder = Folder::new();
    let out = folder.0.display().to_string();
    let output = opwatch(&["man", "--out", &out]);
    assert!(output.status.success(), "{output:?}");
    let help = text(&opwatch(&["--help"]).stdout);
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.contains(&"healthcheck"), "{commands:?}");
    let shells = ["bash", "zsh", "fish"];
    let scripts = shells.map(|shell| text(&opwatch(&["completions", shell]).stdout));
    for command in commands {
        let page = std::fs::read_to_string(folder.0.join(format!("opwatch-{command}.1")));
        assert!(page.unwrap().contains(".SH SYNOPSIS"), "{command}");
        for (shell, script) in shells.iter().zip(&scripts) {
            assert!(script.contains(command), "{command} in {shell}");
        }
    }
    let page = text(&opwatch(&["man"]).stdout);
    assert!(page.contains(".TH opwatch 1"), "{page}");
    let nowhere = folder.0.join("nowhere").display().to_string();
    assert_eq!(opwatch(&["man", "--out", &nowhere]).status.code(), Some(2));
}
