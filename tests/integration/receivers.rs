//! Receivers tried out by the command, against a real mail server and services that are asked for in their own form.

use std::path::Path;

use serde_json::json;

use crate::faulty::{Fate, Faulty};
use crate::peers::Peer;
use crate::sidecar::{Folder, run};

/// Runs `opwatch notify test` on a configuration with these receivers; exit code, and what it said on both outputs.
fn test(config: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = Folder::new();
    let file = folder.write("opwatch.yaml", config);
    test_in(&folder, &file, arguments)
}

fn test_in(folder: &Folder, file: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut all = vec!["--config", file.to_str().unwrap(), "notify", "test"];
    all.extend(arguments);
    let (code, out, err) = run(folder, &all);
    (code, out + &err)
}

#[test]
fn a_test_shows_each_step_of_the_conversation_with_a_mail_server() {
    let Some(sink) = Peer::python("smtp_sink.py", &["--starttls", "--auth", "me:s3cret"]) else {
        return;
    };
    let authority = sink.authority.as_ref().unwrap().display().to_string();
    let config = format!(
        "smtp: {{smarthost: 'localhost:{}', from: opwatch@example.org, auth_username: me, auth_password: s3cret, tls: {{ca_file: '{authority}'}}}}\n\
         receivers: [{{name: team, email_configs: [{{to: 'a@example.org, b@example.org'}}]}}]\n\
         route: {{receiver: team}}\n",
        sink.port
    );
    let (code, said) = test(&config, &["team", "--resolved"]);
    assert_eq!(code, Some(0), "{said}");
    for step in [
        "team, 0: a test by mail to a@example.org, b@example.org through localhost:",
        "connected to localhost:",
        "STARTTLS: the connection is encrypted",
        "AUTH as me: 235",
        "MAIL FROM opwatch@example.org: 250",
        "RCPT TO b@example.org: 250",
        "DATA: 354",
        "bytes: 250",
        "taken after ",
        "team, 0: an end by mail",
    ] {
        assert!(said.contains(step), "{step}\n{said}");
    }
    assert!(!said.contains("s3cret"), "{said}");
    let received = sink.wait_received(2);
    let subject = |n: usize| received[n]["subject"].to_string();
    assert!(
        subject(0).contains("[FIRING:1] OpwatchTest"),
        "{}",
        received[0]
    );
    assert!(
        subject(1).contains("[RESOLVED] OpwatchTest"),
        "{}",
        received[1]
    );

    let (code, said) = test(&config.replace("s3cret", "wrong"), &["team"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("not taken: cannot authenticate with localhost:"),
        "{said}"
    );
    assert!(said.contains("535") && !said.contains("wrong"), "{said}");
}

#[test]
fn a_test_reaches_each_service_in_its_own_form() {
    let server = Faulty::start(vec![]);
    let folder = Folder::new();
    folder.write("key", "R0UT1NGKEY\n");
    let url = format!("http://{}/secret-path", server.address());
    let file = folder.write(
        "opwatch.yaml",
        &format!(
            "route: {{receiver: all}}\nreceivers:\n  - name: all\n    webhook_configs:\n\
             \x20     - {{url: '{url}', preset: slack}}\n\
             \x20     - {{url: '{url}', preset: teams}}\n\
             \x20     - {{url: '{url}', preset: discord}}\n\
             \x20     - {{url: '{url}', preset: pagerduty, routing_key_file: key}}\n\
             \x20     - {{url: '{url}', preset: opsgenie, http_config: {{authorization: {{type: GenieKey, credentials: g3n1e}}}}}}\n\
             \x20     - {{url: '{url}', body: {{say: '{{{{ .Subject }}}}', alerts: '{{{{ len .Alerts }}}}', deep: [1, '{{{{ (index .Alerts 0).What }}}}']}}}}\n\
             \x20     - {{url: '{url}'}}\n"
        ),
    );
    let (code, said) = test_in(&folder, &file, &["all"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("answered 200"), "{said}");
    for secret in ["secret-path", "R0UT1NGKEY", "g3n1e"] {
        assert!(!said.contains(secret), "{secret}\n{said}");
    }
    let requests = server.wait_requests(7);
    let json = |n: usize| &requests[n].json;
    assert_eq!(
        json(0)["attachments"][0]["title"],
        "FIRING OpwatchTest test (low)"
    );
    assert_eq!(json(1)["attachments"][0]["content"]["type"], "AdaptiveCard");
    assert_eq!(json(2)["embeds"][0]["footer"]["text"], "opwatch");
    assert_eq!(json(3)["routing_key"], "R0UT1NGKEY");
    assert_eq!(json(3)["payload"]["severity"], "info");
    assert_eq!(json(4)["priority"], "P4");
    assert!(requests[4].head[0].starts_with("POST /secret-path/v2/alerts HTTP"));
    assert_eq!(requests[4].header("authorization"), Some("GenieKey g3n1e"));
    assert_eq!(
        *json(5),
        json!({"say": "[FIRING:1] OpwatchTest (test low)", "alerts": "1", "deep": [1, "p95 of duration is 12s, 20.0% over the limit of 10s"]})
    );
    assert_eq!(json(6)["version"], "4");
}

#[test]
fn what_was_not_taken_says_why_and_whether_it_would_be_tried_again() {
    for (fate, expected) in [
        (Fate::answer("404 Not Found"), "answered 404: "),
        (
            Fate::answer("302 Found\r\nLocation: http://127.0.0.1:1/"),
            "answered 302: ",
        ),
        (Fate::answer("503 Down"), "opwatch would try it again"),
        (Fate::Close, "opwatch would try it again"),
    ] {
        let server = Faulty::start(vec![fate]);
        let config = format!(
            "route: {{receiver: one}}\nreceivers: [{{name: one, webhook_configs: [{{url: 'http://{}/'}}]}}]\n",
            server.address()
        );
        let (code, said) = test(&config, &["one"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let (code, said) = test(
        "receivers: [{name: one}]\nroute: {receiver: one}\n",
        &["on"],
    );
    assert_eq!(code, Some(2));
    assert!(
        said.contains("there is no receiver \"on\", allowed: one"),
        "{said}"
    );
    let (code, said) = test(
        "receivers: [{name: one}]\nroute: {receiver: one}\n",
        &["one"],
    );
    assert_eq!(code, Some(2));
    assert!(
        said.contains("has no email_configs and no webhook_configs"),
        "{said}"
    );
}

#[test]
fn settings_of_a_form_that_cannot_work_are_faults_at_their_place() {
    let check = |webhook: &str| {
        let folder = Folder::new();
        let config = format!(
            "route: {{receiver: one}}\nreceivers: [{{name: one, webhook_configs: [{webhook}]}}]\n"
        );
        let file = folder.write("opwatch.yaml", &config);
        let (code, out, err) = run(&folder, &["--config", file.to_str().unwrap(), "check"]);
        assert_eq!(code, Some(1), "{out}{err}");
        out + &err
    };
    for (webhook, expected) in [
        ("{url: 'http://x/', preset: slakc}", "slack"),
        (
            "{preset: slack}",
            "without a destination, one of url and url_file is needed",
        ),
        (
            "{preset: pagerduty}",
            "needs one of routing_key and routing_key_file",
        ),
        (
            "{url: 'http://x/', routing_key: k}",
            "allowed: with `preset: pagerduty`",
        ),
        (
            "{url: 'http://x/', preset: slack, body: {a: b}}",
            "given beside preset, only one of them is allowed",
        ),
        (
            "{url: 'http://x/', body: {a: ['{{ .Subject }']}}",
            "template: ",
        ),
    ] {
        let said = check(webhook);
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

/// A name that the resolver of the system takes for a link-local address is looked at once that is known: the URL alone does
/// not tell. No name server is needed for one that is a number.
#[test]
fn a_name_that_leads_to_a_link_local_address_is_not_reached() {
    let said = "169.254.169.254 is a link-local address, or one at which a cloud tells of its machines, allowed: with `allow_link_local: true`";
    for (host, is_refused) in [
        ("2852039166", true),
        ("0xa9fea9fe", true),
        // The same kind of name for 127.0.0.1.
        ("2130706433", false),
    ] {
        let server = Faulty::start(vec![]);
        let address = server.address();
        let port = address.strip_prefix("127.0.0.1:").unwrap();
        let config = format!(
            "receivers: [{{name: team, webhook_configs: [{{url: 'http://{host}:{port}/latest', timeout: 5s}}]}}]\n\
             route: {{receiver: team}}\n"
        );
        let (code, out) = test(&config, &["team"]);
        assert_eq!(code, Some(i32::from(is_refused)), "{host}: {out}");
        assert_eq!(out.contains(said), is_refused, "{host}: {out}");
        assert_eq!(server.requests().len(), usize::from(!is_refused), "{host}");
    }
}
