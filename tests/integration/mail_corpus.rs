//! S8: whatever stands in a label, an annotation or a name, a mail is one message with the headers it should have, as a real
//! mail server and Python's parser of mail see it.

use opwatch::engine::series::Labels;
use serde_json::Value;

use crate::notify::{alert, mail, notification, start, wait_stats};
use crate::peers::Peer;
use crate::sidecar::{Folder, run};

/// The headers of a mail, in this order and each of them once.
const HEADERS: [&str; 11] = [
    "From",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "To",
    "Subject",
    "Auto-Submitted",
    "X-Opwatch-Notification-Id",
    "MIME-Version",
    "Content-Type",
];

fn corpus() -> Vec<String> {
    let mut texts: Vec<String> = [
        // Ends of lines and of messages.
        "x\r\nBcc: evil@example.org",
        "x\nBcc: evil@example.org\n\nbody",
        "x\rBcc: evil@example.org",
        "\r\n.\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<evil@example.org>\r\nDATA\r\nSubject: evil\r\n\r\n",
        "\n.\n",
        ".",
        "..",
        "\r\n.\r\n.\r\n",
        "x\0y",
        "\0",
        "x\u{b}y\u{c}z",
        "\u{1b}[31mred\u{7}\u{8}\u{7f}",
        // Ends of lines to some.
        "next\u{85}line",
        "line\u{2028}paragraph\u{2029}end",
        "\u{2028}Bcc: evil@example.org",
        // What changes the direction, or is not seen.
        "abc\u{202e}gnp.exe\u{202c}",
        "\u{2066}isolated\u{2069} \u{200f}\u{200e}",
        "\u{feff}zero\u{200b}width\u{200d}",
        // Characters of several bytes and of several parts.
        "größe→∞",
        "🚀🚀🚀",
        "👩\u{200d}👩\u{200d}👧\u{200d}👦 🇩🇪 e\u{301}",
        "日本語の演算",
        "עברית العربية",
        // What looks like the encoding of a header, or like MIME.
        "=?utf-8?q?Bcc:_evil?=",
        "=?utf-8?b?QmNjOiBldmls?= =?utf-8?b?eA==?=",
        "=?",
        "?=",
        "a=20b=",
        "--boundary\r\nContent-Type: text/html\r\n\r\n<b>",
        "\"quoted\" \\ (comment) <evil@example.org>, evil@example.org;",
        "From evil",
        ">From evil",
        " in front and behind ",
        "a\tb",
        "a  b",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    // Around the lengths at which words of a header and lines of a message have to be broken.
    for length in [59, 60, 61, 62, 63, 74, 75, 76, 77, 78, 79, 150, 199, 200] {
        texts.push("x".repeat(length));
        texts.push("é".repeat(length));
        texts.push(format!(
            "{}🚀{}",
            "x".repeat(length / 2),
            "y".repeat(length / 2)
        ));
        texts.push("ab ".repeat(length / 3));
    }
    for length in [996, 997, 998, 999, 1_000, 2_000, 10_000] {
        texts.push("x".repeat(length));
        texts.push(".".repeat(length));
        texts.push("ü".repeat(length));
    }
    texts
}

/// The text as a line of a mail shows it.
fn shown(text: &str) -> String {
    let each = text.trim_end().chars().map(|c| match c {
        '\u{2028}' | '\u{2029}' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => ' ',
        c => c,
    });
    each.collect()
}

/// The subject for a text in a label that the group has, and in one that it does not have.
fn subject(text: &str) -> String {
    let parts = ["[FIRING:1] Slow", text, "(high", text];
    let parts = parts.map(shown).join(" ") + ")";
    let words: Vec<&str> = parts.split_whitespace().collect();
    let subject = words.join(" ").replace(" )", ")");
    match subject.char_indices().nth(200) {
        Some(_) => subject.chars().take(199).collect::<String>() + "…",
        None => subject,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_makes_one_message_with_the_headers_it_should_have() {
    let Some(sink) = Peer::python("smtp_sink.py", &["--starttls", "--auth", "me:s3cret"]) else {
        return;
    };
    let notifiers = start(&mail(&sink, "s3cret"));
    let corpus = corpus();
    let id = |n: usize| format!("{n:016x}");
    let notifications = corpus.iter().enumerate().map(|(n, text)| {
        let mut alert = alert("x");
        alert.labels = [("alertname", "Slow"), ("severity", "high")]
            .into_iter()
            .collect();
        alert.labels.set("operation", text.as_str());
        alert.labels.set("z_place", text.as_str());
        alert.annotations = Labels::default();
        alert.annotations.set("summary", text.as_str());
        alert.rule = format!("Slow {text}");
        let mut one = notification(&id(n), "team", vec![alert]);
        one.group_key = format!("{n} {text}");
        one.group_labels.set("operation", text.as_str());
        one
    });
    notifiers.send(notifications.collect());
    let stats = wait_stats(&notifiers, |stats| stats.integrations[0].queue_length == 0);
    let deliveries = stats.integrations[0].deliveries;
    let expected = (corpus.len() as u64, 0, 0);
    let counts = (
        deliveries.delivered,
        deliveries.failed_attempts,
        deliveries.dead_letters,
    );
    assert_eq!(counts, expected);
    let received = sink.received();
    assert_eq!(received.len(), corpus.len());
    for mail in &received {
        let number = mail["headers"]["X-Opwatch-Notification-Id"]
            .as_str()
            .unwrap();
        let number = usize::from_str_radix(number, 16).unwrap();
        let text = &corpus[number];
        let what = format!("{text:?}: {mail}");
        assert_eq!(mail["faults"], Value::Array(Vec::new()), "{what}");
        let names = mail["header_names"].as_array().unwrap().iter();
        let names: Vec<&str> = names.map(|name| name.as_str().unwrap()).collect();
        assert_eq!(names, HEADERS, "{what}");
        assert_eq!(
            mail["to"],
            serde_json::json!(["a@example.org", "b@example.org"])
        );
        assert_eq!(mail["tls"], true);
        assert_eq!(mail["subject"], subject(text), "{what}");
        let body = mail["text"].as_str().unwrap().replace("\r\n", "\n");
        let text_shown = shown_inside(text);
        let title = match text.is_empty() {
            true => "FIRING Slow  (high)".to_owned(),
            false => format!("FIRING Slow {text_shown} {text_shown} (high)"),
        };
        assert_eq!(body.lines().nth(2), Some(title.trim_end()), "{what}");
        if !text.is_empty() {
            let row = format!("  summary:   {}", shown(text));
            assert!(
                body.lines().any(|line| line.trim_end() == row.trim_end()),
                "{row:?} {what}"
            );
        }
        assert!(
            body.ends_with("Sent by opwatch to team, http://opwatch.example.org\n"),
            "{what}"
        );
        let html = mail["html"].as_str().unwrap();
        assert!(html.trim_end().ends_with("</html>"), "{what}");
        assert!(
            !html.contains("<b>") && !html.contains('\u{202e}'),
            "{what}"
        );
    }
    println!("{} texts", corpus.len());
}

/// As in the middle of a line, where blanks at its end stay.
fn shown_inside(text: &str) -> String {
    let whole = shown(&format!("{text}|"));
    whole.trim_end_matches('|').to_owned()
}

#[test]
fn a_mail_server_under_another_name_than_its_certificate_has_is_told_nothing() {
    let Some(sink) = Peer::python("smtp_sink.py", &["--starttls", "--auth", "me:s3cret"]) else {
        return;
    };
    let authority = sink.authority.as_ref().unwrap().display().to_string();
    let config = format!(
        "smtp: {{smarthost: 'localhost:{}', from: opwatch@example.org, auth_username: me, auth_password: s3cret, tls: {{ca_file: '{authority}', server_name: mail.example.org}}}}\n\
         receivers: [{{name: team, email_configs: [{{to: a@example.org}}]}}]\n\
         route: {{receiver: team}}\n",
        sink.port
    );
    let folder = Folder::new();
    let file = folder.write("opwatch.yaml", &config);
    let test = ["--config", file.to_str().unwrap(), "notify", "test", "team"];
    let (code, out, err) = run(&folder, &test);
    let said = out + &err;
    assert_eq!(code, Some(1), "{said}");
    for part in ["cannot start TLS with localhost:", "mail.example.org"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    // Neither a message nor the password.
    assert!(!said.contains("AUTH as me"), "{said}");
    assert!(sink.received().is_empty());
    let right = config.replace("mail.example.org", "localhost");
    folder.write("opwatch.yaml", &right);
    assert_eq!(run(&folder, &test).0, Some(0));
    assert_eq!(sink.wait_received(1).len(), 1);
}
