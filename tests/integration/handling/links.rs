//! The links in messages, by which alerts are acknowledged.

use crate::telling::sinks;
use serde_json::{Value, json};

use super::*;

fn form(address: &str, path: &str, form: &str) -> Reply {
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    request(address, "POST", path, &kind, form.as_bytes())
}

fn page(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

#[test]
fn the_link_in_a_message_shows_a_form_and_only_its_button_acknowledges() {
    let Some((webhook, mailbox)) = sinks() else {
        return;
    };
    let more = format!(
        "acknowledgement: {{links: on}}
external_url: 'http://opwatch.example.org/at/'
smtp: {{smarthost: 'localhost:{}', from: opwatch@example.org, require_tls: false}}
",
        mailbox.port
    );
    let config = configuration(&webhook, EACH, &more).replace(
        "{name: team, ",
        "{name: team, email_configs: [{to: ml@example.org}], ",
    );
    let sidecar = start(&config);
    let hostile = "<script>alert('x')</script>";
    ran(&sidecar, hostile, 2.0);
    wait_told(&webhook, "team", &format!("fired: {hostile} fired"));
    let alert = body(&webhook, "team", "fired")["alerts"][0].clone();
    let link = alert["ack_url"].as_str().unwrap().to_owned();
    assert!(
        link.starts_with("http://opwatch.example.org/at/ack?alert="),
        "{link}"
    );
    let mail = mailbox.wait_received(1)[0].clone();
    let text = mail["text"].as_str().unwrap();
    assert!(
        text.starts_with("New alerts (fired)") && text.contains("acknowledge: http://opwatch"),
        "{text}"
    );
    assert!(
        mail["html"]
            .as_str()
            .unwrap()
            .contains("<a href=\"http://opwatch.example.org/at/ack?alert=")
    );
    let key = sidecar.folder.0.join("data/acknowledgement.key");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    // Programs that look for bad links follow this one: it changes nothing.
    let path = link.strip_prefix("http://opwatch.example.org/at").unwrap();
    let shown = request(&sidecar.public, "GET", path, &[], b"");
    assert_eq!(shown.status, 200);
    let policy = shown.header("content-security-policy").unwrap();
    assert_eq!(
        policy,
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    assert_eq!(
        shown.header("referrer-policy").as_deref(),
        Some("no-referrer")
    );
    assert_eq!(shown.header("cache-control").as_deref(), Some("no-store"));
    let text = page(&shown);
    assert!(
        !text.contains("<script") && text.contains("&lt;script&gt;alert(&#39;x&#39;)"),
        "{text}"
    );
    assert!(text.contains("<form method=\"post\">"), "{text}");
    assert_eq!(sidecar.metric("opwatch_alerts_acknowledged"), Some(0.0));

    // What is not whole, not of here, or does not say who, is refused.
    for (path, status, expected) in [
        ("/ack".to_owned(), 400, "not whole"),
        (
            path.replace("started=1", "started=2"),
            403,
            "it has been changed, or it is of another opwatch",
        ),
        (
            path.replace("until=1", "until=2"),
            403,
            "it has been changed",
        ),
        (format!("{path}&by=x"), 400, "not whole"),
    ] {
        for reply in [
            request(&sidecar.public, "GET", &path, &[], b""),
            form(&sidecar.public, &path, "by=ann"),
        ] {
            assert_eq!(reply.status, status, "{path}");
            assert!(page(&reply).contains(expected), "{path} {}", page(&reply));
        }
    }
    for (sent, status, expected) in [
        ("by=", 400, "by: is empty"),
        ("by=ann&for=soon", 400, "for: "),
        ("by=ann&x=y", 400, "other fields"),
    ] {
        let reply = form(&sidecar.public, path, sent);
        assert_eq!(reply.status, status, "{sent}");
        assert!(page(&reply).contains(expected), "{}", page(&reply));
    }
    assert_eq!(ask(&sidecar.public, "POST", path, "{}").status, 415);
    assert_eq!(sidecar.metric("opwatch_alerts_acknowledged"), Some(0.0));

    // The key outlives the process.
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    fingerprint(&sidecar, hostile);
    let done = form(
        &sidecar.public,
        path,
        "by=ann+b&comment=%3Cb%3Eon+it&for=4h",
    );
    assert_eq!(done.status, 200, "{}", page(&done));
    assert!(
        page(&done).contains("Acknowledged by ann b since"),
        "{}",
        page(&done)
    );
    assert!(page(&done).contains("&lt;b&gt;on it") && !page(&done).contains("<b>"));
    let one = firing(&sidecar)[0]["acknowledgement"].clone();
    assert_eq!(
        (&one["by"], &one["comment"]),
        (&json!("ann b"), &json!("<b>on it"))
    );
    assert_ne!(one["expiresAt"], Value::Null);

    // Of an alert that has ended it is void.
    let id = fingerprint(&sidecar, hostile);
    assert_eq!(
        ask(
            &sidecar.ingest,
            "POST",
            &format!("/api/v1/alerts/{id}/resolve"),
            ""
        )
        .status,
        200
    );
    for reply in [
        request(&sidecar.public, "GET", path, &[], b""),
        form(&sidecar.public, path, "by=ann"),
    ] {
        assert_eq!(reply.status, 410, "{}", page(&reply));
    }
    // Switched off there is nothing.
    let off = config.replace("links: on", "links: off");
    let sidecar = Sidecar::start_in(sidecar.kill(), &off);
    assert_eq!(form(&sidecar.public, path, "by=ann").status, 404);
}

#[test]
fn a_link_expires() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let more = "acknowledgement: {links: on, valid_for: 1ms}";
    let sidecar = start(&configuration(&webhook, EACH, more));
    ran(&sidecar, "a", 2.0);
    wait_told(&webhook, "team", "fired: a fired");
    let alert = body(&webhook, "team", "fired")["alerts"][0].clone();
    let link = alert["ack_url"].as_str().unwrap();
    let path = &link[link.find("/ack?").unwrap()..];
    let reply = form(&sidecar.public, path, "by=ann");
    assert_eq!(reply.status, 410);
    assert!(
        page(&reply).contains("it has expired at 2"),
        "{}",
        page(&reply)
    );
    assert_eq!(sidecar.metric("opwatch_alerts_acknowledged"), Some(0.0));
}

/// A reload is enough to have links, or to have them no more; a link of before is good again once they are.
#[test]
fn links_are_switched_on_and_off_by_a_reload() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let config = |links: &str| {
        let more = format!("acknowledgement: {{links: {links}}}");
        configuration(&webhook, EACH, &more)
    };
    let sidecar = start(&config("off"));
    let reload = |links: &str| {
        sidecar.folder.write("opwatch.yaml", &config(links));
        let reply = sidecar.post("/-/reload", "");
        assert_eq!(reply.status, 200, "{reply:?}");
    };
    let link = |operation: &str| {
        ran(&sidecar, operation, 2.0);
        wait_told(&webhook, "team", &format!("fired: {operation} fired"));
        let alert = body(&webhook, "team", "fired")["alerts"][0].clone();
        assert_eq!(alert["labels"]["operation"], operation);
        let link = alert["ack_url"].as_str().map(ToOwned::to_owned);
        link.map(|link| link[link.find("/ack?").unwrap()..].to_owned())
    };
    assert_eq!(link("a"), None);
    reload("on");
    let of_b = link("b").expect("links are on");
    assert_eq!(request(&sidecar.public, "GET", &of_b, &[], b"").status, 200);
    reload("off");
    assert_eq!(link("c"), None);
    assert_eq!(form(&sidecar.public, &of_b, "by=ann").status, 404);
    assert_eq!(sidecar.metric("opwatch_alerts_acknowledged"), Some(0.0));
    reload("on");
    assert_eq!(form(&sidecar.public, &of_b, "by=ann").status, 200);
    assert_eq!(sidecar.metric("opwatch_alerts_acknowledged"), Some(1.0));
}
