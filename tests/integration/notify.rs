//! Telling others: against servers that fail on purpose, a real mail server and a real Alertmanager.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use opwatch::clock::Clock;
use opwatch::document::Document;
use opwatch::engine::alert::EndReason;
use opwatch::engine::dispatch::{Announced, Notification, NotifyReason};
use opwatch::engine::onset::Onset;
use opwatch::engine::series::Labels;
use opwatch::engine::time::Timestamp;
use opwatch::notify::alertmanager::AlertmanagerConfig;
use opwatch::notify::email::SmtpConfig;
use opwatch::notify::{Fortune, Keeper, Notifiers, NotifySettings, NotifyStats, ReceiverConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::faulty::{Fate, Faulty, Request};
use crate::peers::{Peer, wait_until};

/// The part of the configuration that telling others depends on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    smtp: SmtpConfig,
    #[serde(default)]
    receivers: Vec<ReceiverConfig>,
    #[serde(default)]
    alertmanagers: Vec<AlertmanagerConfig>,
}

fn settings(yaml: &str) -> NotifySettings {
    let mut document = Document::parse("opwatch.yaml", yaml.to_owned()).unwrap();
    let (config, faults) = document.decode::<Config>();
    assert!(faults.is_empty(), "{faults:?}");
    let config = config.unwrap();
    NotifySettings {
        smtp: config.smtp,
        receivers: config.receivers,
        alertmanagers: config.alertmanagers,
        external_url: "http://opwatch.example.org".to_owned(),
        ..NotifySettings::default()
    }
}

pub fn start(yaml: &str) -> Notifiers {
    Notifiers::start(
        &settings(yaml),
        Clock::start(),
        None,
        &CancellationToken::new(),
    )
    .unwrap()
}

pub fn wait_stats(notifiers: &Notifiers, good: impl Fn(&NotifyStats) -> bool) -> NotifyStats {
    wait_until("counts", || {
        Some(notifiers.stats()).filter(|stats| good(stats))
    })
}

pub fn alert(operation: &str) -> Announced {
    let labels: Labels = [
        ("alertname", "Slow"),
        ("operation", operation),
        ("severity", "high"),
    ]
    .into_iter()
    .collect();
    Announced {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: [("summary", "too slow")].into_iter().collect(),
        starts_at: Clock::start().now().wall,
        onset: Onset::default(),
        ended: None,
        suppressed: false,
        generator_url: "http://opwatch.example.org/api/v1/rules?rule_name[]=Slow".to_owned(),
        rule: "Slow".to_owned(),
        alert_type: "threshold_exceeded",
        metric: "duration".to_owned(),
        stat: "p95".to_owned(),
        value: Some(12.5),
        limit: 10.0,
        n: 42,
        evidence: None,
        replaces: None,
        tally: None,
        pace: None,
    }
}

fn ended(alert: &Announced) -> Announced {
    Announced {
        ended: Some((Clock::start().now().wall, EndReason::Recovered)),
        ..alert.clone()
    }
}

pub fn notification(id: &str, receiver: &str, alerts: Vec<Announced>) -> Notification {
    Notification {
        id: id.to_owned(),
        receiver: receiver.to_owned(),
        integration: 0,
        group_key: "{}:{alertname=\"Slow\"}".to_owned(),
        group_labels: [("alertname", "Slow")].into_iter().collect(),
        alerts: alerts.into_iter().map(Arc::new).collect(),
        incidents: Vec::new(),
        courses: Vec::new(),
        reason: NotifyReason::First,
        remarks: BTreeMap::new(),
        escalation: None,
        at: Clock::start().now().wall,
    }
}

/// The same to another integration of its receiver.
pub fn to_integration(notification: &Notification, integration: usize) -> Notification {
    Notification {
        integration,
        ..notification.clone()
    }
}

/// A firing alert for Alertmanagers, valid for as long as the test may take.
fn valid(alert: &Announced) -> (Arc<Announced>, Timestamp) {
    let until = alert.ended.map_or(
        alert.starts_at.after(Duration::from_secs(600)),
        |(at, _)| at,
    );
    (Arc::new(alert.clone()), until)
}

/// The answer of a server that is down, given when the test has come to the barrier.
fn unavailable(barrier: &Arc<Barrier>) -> Fate {
    Fate::AnswerAfter(barrier.clone(), "503 Service Unavailable".to_owned())
}

fn ids(requests: &[Request]) -> Vec<&str> {
    let id = |request: &'_ Request| request.header("opwatch-notification-id").map(str::len);
    assert!(requests.iter().all(|request| id(request).is_some()));
    requests
        .iter()
        .filter_map(|request| request.header("idempotency-key"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_tried_again_with_the_same_id_until_it_answers_well() {
    let server = Faulty::start(vec![
        Fate::answer("429 Too Many Requests\r\nRetry-After: 1"),
        Fate::answer("500 Internal Server Error"),
        Fate::Close,
        Fate::Silence,
    ]);
    let notifiers = start(&format!(
        "receivers: [{{name: team, webhook_configs: [{{url: 'http://{}/hook?key=1', timeout: 300ms}}]}}]",
        server.address()
    ));
    notifiers.send(vec![notification(
        "00000000000000a1",
        "team",
        vec![alert("detect")],
    )]);
    let stats = wait_stats(&notifiers, |stats| {
        stats.integrations[0].deliveries.delivered == 1
    });
    let of = &stats.integrations[0];
    let counts = (
        of.deliveries.attempts,
        of.deliveries.failed_attempts,
        of.deliveries.dead_letters,
        of.queue_length,
    );
    assert_eq!(counts, (5, 4, 0, 0));
    assert_eq!((of.kind, of.receiver.as_str()), ("webhook", "team"));
    let requests = server.requests();
    assert_eq!(ids(&requests), ["00000000000000a1"; 5]);
    for request in &requests {
        assert_eq!(request.head[0], "POST /hook?key=1 HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/json"));
        let agent = concat!("opwatch/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent));
        assert_eq!(request.json, requests[0].json);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_final_and_redirects_are_not_followed() {
    let other = Faulty::start(Vec::new());
    let moved = format!(
        "307 Temporary Redirect\r\nLocation: http://{}/",
        other.address()
    );
    for fate in [
        "400 Bad Request",
        "401 Unauthorized",
        "404 Not Found",
        &moved,
    ] {
        let server = Faulty::start(vec![Fate::answer(fate)]);
        let notifiers = start(&format!(
            "receivers: [{{name: team, webhook_configs: [{{url: 'http://me:s3cret@{}/'}}]}}]",
            server.address()
        ));
        notifiers.send(vec![notification("1", "team", vec![alert("detect")])]);
        let stats = wait_stats(&notifiers, |stats| {
            stats.integrations[0].deliveries.dead_letters == 1
        });
        assert_eq!(stats.integrations[0].queue_length, 0);
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{fate}");
        assert_eq!(
            requests[0].header("authorization"),
            Some("Basic bWU6czNjcmV0")
        );
    }
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_receiver_does_not_delay_another() {
    let silent = Faulty::start(vec![Fate::Silence; 3]);
    let good = Faulty::start(Vec::new());
    let notifiers = start(&format!(
        "receivers:
          - {{name: slow, webhook_configs: [{{url: 'http://{}/', timeout: 1h}}]}}
          - {{name: down, webhook_configs: [{{url: 'http://127.0.0.1:1/'}}]}}
          - {{name: team, webhook_configs: [{{url: 'http://{}/', http_config: {{authorization: {{credentials: t0ken}}}}}}]}}",
        silent.address(),
        good.address()
    ));
    let to = |receiver| notification("1", receiver, vec![alert("detect")]);
    notifiers.send(vec![to("slow"), to("down"), to("team")]);
    let requests = good.wait_requests(1);
    assert_eq!(requests[0].header("authorization"), Some("Bearer t0ken"));
    silent.wait_requests(1);
    let stats = wait_stats(&notifiers, |stats| {
        stats.integrations[1].deliveries.failed_attempts > 0
    });
    assert_eq!(stats.integrations[0].queue_length, 1);
    // The end of the program waits for nobody beyond its deadline, and says what was not told.
    notifiers.drain(Duration::from_millis(200)).await;
    let dead: Vec<u64> = notifiers
        .stats()
        .integrations
        .iter()
        .map(|of| of.deliveries.dead_letters)
        .collect();
    assert_eq!(dead, [1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_ended_while_the_receiver_was_down_is_told_once_as_both() {
    for send_resolved in [true, false] {
        let barrier = Arc::new(Barrier::new(2));
        let server = Faulty::start(vec![unavailable(&barrier)]);
        let notifiers = start(&format!(
            "receivers: [{{name: team, webhook_configs: [{{url: 'http://{}/', send_resolved: {send_resolved}}}]}}]",
            server.address()
        ));
        let firing = alert("detect");
        notifiers.send(vec![notification("1", "team", vec![firing.clone()])]);
        server.wait_requests(1);
        let ended = ended(&firing);
        notifiers.announced(&[Arc::new(ended.clone())]);
        barrier.wait();
        let requests = server.wait_requests(2);
        let (first, second) = (&requests[0].json, &requests[1].json);
        assert_eq!(
            (&first["status"], &second["status"]),
            (&json!("firing"), &json!("resolved"))
        );
        let (first, second) = (&first["alerts"][0], &second["alerts"][0]);
        assert_eq!(second["startsAt"], first["startsAt"]);
        assert_eq!(second["endsAt"], valid(&ended).1.to_string());
        // The engine's own word of the end, where it gives one, is no news any more.
        if send_resolved {
            notifiers.send(vec![notification("2", "team", vec![ended])]);
        }
        notifiers.drain(Duration::from_secs(10)).await;
        assert_eq!(server.requests().len(), 2);
    }
}

/// R9: what waits goes on under other settings, what has no receiver any more is given up, and both are told to whoever
/// keeps them.
#[tokio::test(flavor = "multi_thread")]
async fn other_settings_take_over_what_waits_and_settle_what_has_no_receiver_any_more() {
    let barrier = Arc::new(Barrier::new(2));
    let down = Fate::answer("503 Service Unavailable");
    let (before, after) = (Faulty::start(vec![down; 100]), Faulty::start(Vec::new()));
    let gone = Faulty::start(vec![unavailable(&barrier)]);
    let team = |server: &Faulty| {
        let url = format!("http://{}/", server.address());
        format!("{{name: team, webhook_configs: [{{url: '{url}'}}]}}")
    };
    let both = |server: &Faulty| {
        let url = format!("http://{}/", gone.address());
        let gone = format!("{{name: gone, webhook_configs: [{{url: '{url}'}}]}}");
        settings(&format!("receivers: [{gone}, {}]", team(server)))
    };
    let only = settings(&format!("receivers: [{}]", team(&before)));
    let (clock, keeper) = (Clock::start(), Arc::new(Keeper::default()));
    let stop = CancellationToken::new();
    let notifiers = Notifiers::start(&both(&before), clock, Some(keeper.clone()), &stop).unwrap();
    let of = |stats: &NotifyStats, receiver: &str| {
        let mut all = stats.integrations.iter();
        all.find(|one| one.receiver == receiver).unwrap().clone()
    };
    let other = |id: &str| Notification {
        group_key: format!("{{}}:{{{id}}}"),
        ..notification(id, "gone", vec![alert("detect")])
    };
    notifiers.send(vec![other("1")]);
    gone.wait_requests(1);
    notifiers.send(vec![
        other("2"),
        notification("3", "team", vec![alert("detect")]),
    ]);
    before.wait_requests(1);
    notifiers.reconfigure(only.prepare(clock).unwrap());
    assert_eq!(keeper.take(), [Fortune::Settled("2".to_owned())]);
    assert_eq!(notifiers.dropped(), 1);
    let kept = |fortune: Fortune| match fortune {
        Fortune::Changed(one) => one.id.clone(),
        Fortune::Settled(id) => format!("{id} settled"),
    };
    let waits: Vec<String> = notifiers.undelivered().into_iter().map(kept).collect();
    assert_eq!(waits, ["3", "1"], "also what is under way");
    // A late one, which the engine had decided on before.
    notifiers.send(vec![other("4")]);
    barrier.wait();
    let stats = wait_stats(&notifiers, |stats| of(stats, "gone").queue_length == 0);
    let counts = of(&stats, "gone").deliveries;
    let counts = (counts.failed_attempts, counts.dead_letters);
    assert_eq!((counts, notifiers.dropped()), ((1, 3), 3));
    // It comes back, and the other one has moved.
    notifiers.reconfigure(both(&after).prepare(clock).unwrap());
    notifiers.send(vec![other("5")]);
    let stats = wait_stats(&notifiers, |stats| {
        let mut all = stats.integrations.iter();
        all.all(|one| one.deliveries.delivered == 1)
    });
    assert_eq!(ids(&after.requests()), ["3"]);
    assert_eq!(ids(&gone.requests()), ["1", "5"]);
    let counts = of(&stats, "gone").deliveries;
    let counts = (counts.attempts, counts.failed_attempts, counts.dead_letters);
    assert_eq!((counts, notifiers.dropped()), ((2, 1, 3), 3));
    assert!(of(&stats, "team").deliveries.failed_attempts > 0);
    let settled = ["4", "1", "3", "5"].map(|id| Fortune::Settled(id.to_owned()));
    let news = keeper.take();
    assert!(settled.iter().all(|one| news.contains(one)), "{news:?}");
    assert_eq!((news.len(), notifiers.undelivered()), (4, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alertmanager_gets_the_latest_word_and_one_that_is_down_delays_no_other() {
    let barrier = Arc::new(Barrier::new(2));
    let late = Faulty::start(vec![unavailable(&barrier)]);
    let good = Faulty::start(Vec::new());
    let strict = Faulty::start(vec![Fate::answer("400 Bad Request")]);
    let notifiers = start(&format!(
        "alertmanagers: [{{url: 'http://{}/am'}}, {{url: 'http://u:s3cret@{}'}}, {{url: 'http://{}'}}, {{url: 'http://127.0.0.1:1'}}]",
        late.address(),
        good.address(),
        strict.address()
    ));
    let (a, b) = (alert("a"), alert("b"));
    notifiers.alertmanagers(&[valid(&a), valid(&b)]);
    late.wait_requests(1);
    good.wait_requests(1);
    strict.wait_requests(1);
    wait_stats(&notifiers, |stats| {
        // All but the first, whose request is still under way.
        let mut others = stats.alertmanagers.iter().skip(1);
        others.all(|of| of.requests >= 1)
    });
    let a_ended = ended(&a);
    notifiers.alertmanagers(&[valid(&a_ended)]);
    barrier.wait();
    for (server, alerts) in [
        (&late, vec![&b, &a_ended]),
        (&good, vec![&a_ended]),
        (&strict, vec![&a_ended]),
    ] {
        let requests = server.wait_requests(2);
        let told = requests.last().unwrap().json.as_array().unwrap();
        let told: Vec<(&Value, &Value)> = told
            .iter()
            .map(|alert| (&alert["labels"]["operation"], &alert["endsAt"]))
            .collect();
        let ends: Vec<String> = alerts
            .iter()
            .map(|alert| valid(alert).1.to_string())
            .collect();
        let expected: Vec<(Value, Value)> = alerts
            .iter()
            .zip(ends)
            .map(|(alert, end)| (json!(alert.labels.get("operation")), json!(end)))
            .collect();
        let told: Vec<(Value, Value)> = told
            .into_iter()
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        assert_eq!(told, expected);
    }
    assert_eq!(
        late.requests()[0].head[0],
        "POST /am/api/v2/alerts HTTP/1.1"
    );
    assert_eq!(
        good.requests()[0].header("authorization"),
        Some("Basic dTpzM2NyZXQ=")
    );
    let stats = wait_stats(&notifiers, |stats| {
        stats
            .alertmanagers
            .iter()
            .take(3)
            .all(|of| of.sent >= 1 && of.requests == 2)
    });
    let counts: Vec<_> = stats
        .alertmanagers
        .iter()
        .take(3)
        .map(|of| (of.sent, of.errors, of.dropped, of.waiting))
        .collect();
    assert_eq!(counts, [(2, 1, 0, 0), (3, 0, 0, 0), (1, 1, 2, 0)]);
    assert_eq!(
        stats.alertmanagers[1].url,
        format!("http://***@{}/", good.address())
    );
    // What could not be sent to the one that is down is still there, once per alert.
    assert_eq!(
        (stats.alertmanagers[3].sent, stats.alertmanagers[3].waiting),
        (0, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_alertmanager_that_is_gone_is_dropped_and_counted() {
    let barrier = Arc::new(Barrier::new(2));
    let server = Faulty::start(vec![unavailable(&barrier)]);
    let with = format!("alertmanagers: [{{url: 'http://{}'}}]", server.address());
    let notifiers = start(&with);
    notifiers.alertmanagers(&[valid(&alert("a"))]);
    server.wait_requests(1);
    notifiers.alertmanagers(&[valid(&alert("b"))]);
    let none = settings("{}").prepare(Clock::start()).unwrap();
    notifiers.reconfigure(none);
    assert_eq!(notifiers.dropped(), 1);
    notifiers.alertmanagers(&[valid(&alert("c"))]);
    // What is under way has its attempt.
    barrier.wait();
    let stats = wait_stats(&notifiers, |stats| stats.alertmanagers[0].dropped == 2);
    let of = &stats.alertmanagers[0];
    assert_eq!((of.errors, of.waiting, of.capacity), (1, 0, 0));
    let again = settings(&with).prepare(Clock::start()).unwrap();
    notifiers.reconfigure(again);
    notifiers.alertmanagers(&[valid(&alert("d"))]);
    let requests = server.wait_requests(2);
    assert_eq!(requests[1].json[0]["labels"]["operation"], "d");
    let stats = wait_stats(&notifiers, |stats| stats.alertmanagers[0].sent == 1);
    let of = &stats.alertmanagers[0];
    assert_eq!((of.requests, of.errors, of.dropped), (2, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_alerts_go_to_alertmanager_in_portions_of_256() {
    let server = Faulty::start(Vec::new());
    let notifiers = start(&format!(
        "alertmanagers: [{{url: 'http://{}', drop_labels: [severity]}}]",
        server.address()
    ));
    let alerts: Vec<_> = (0..600)
        .map(|number| valid(&alert(&format!("o{number:03}"))))
        .collect();
    notifiers.alertmanagers(&alerts);
    let requests = server.wait_requests(3);
    let portions: Vec<usize> = requests
        .iter()
        .map(|request| request.json.as_array().unwrap().len())
        .collect();
    assert_eq!(portions, [256, 256, 88]);
    assert_eq!(
        requests[2].json[87]["labels"],
        json!({"alertname": "Slow", "operation": "o599"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_alertmanager_tells_of_our_alerts_what_we_tell_ourselves() {
    let sink = Faulty::start(Vec::new());
    let config = format!(
        "route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s}}\n\
         receivers: [{{name: team, webhook_configs: [{{url: 'http://{}/'}}]}}]\n",
        sink.address()
    );
    let Some(alertmanager) = Peer::alertmanager(&config) else {
        return;
    };
    let ours = Faulty::start(Vec::new());
    let notifiers = start(&format!(
        "{{alertmanagers: [{{url: '{}'}}], receivers: [{{name: team, webhook_configs: [{{url: 'http://{}/'}}]}}]}}",
        alertmanager.url(),
        ours.address()
    ));
    let firing = alert("detect");
    let send = |id: &str, alert: &Announced| {
        notifiers.alertmanagers(&[valid(alert)]);
        notifiers.send(vec![notification(id, "team", vec![alert.clone()])]);
    };
    send("1", &firing);
    sink.wait_requests(1);
    ours.wait_requests(1);
    // It is listed with the fingerprint that we compute, and by Alertmanager's own tool.
    let (_, listed) = crate::peers::get(alertmanager.port, "/api/v2/alerts").unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        listed[0]["fingerprint"],
        format!("{:016x}", firing.fingerprint)
    );
    assert_eq!(listed[0]["startsAt"], firing.starts_at.to_string());
    assert_eq!(listed[0]["generatorURL"], firing.generator_url);
    let url = format!("--alertmanager.url={}", alertmanager.url());
    let output = Command::new("amtool")
        .args([&url, "alert", "query", "--output=json", "operation=detect"])
        .output();
    let output: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    assert_eq!(output[0]["annotations"], json!({"summary": "too slow"}));
    // Sent again, its start stays.
    let mut again = firing.clone();
    again.value = Some(13.0);
    notifiers.alertmanagers(&[valid(&again)]);
    send("2", &ended(&firing));
    let theirs = wait_until("the end", || {
        let requests = sink.requests();
        requests
            .into_iter()
            .find(|request| request.json["status"] == "resolved")
    });
    let all = [(sink.requests()[0].clone(), 0), (theirs, 1)];
    let ours = ours.wait_requests(2);
    for (request, place) in all {
        let mut own = ours[place].json.clone();
        for extra in [
            "type",
            "severity",
            "metric",
            "stat",
            "value",
            "threshold",
            "n",
            "degradation_percent",
            "reason",
            "notify_reason",
        ] {
            assert!(
                own["alerts"][0]
                    .as_object_mut()
                    .unwrap()
                    .remove(extra)
                    .is_some(),
                "{extra}"
            );
        }
        let mut theirs = request.json.clone();
        let why = own.as_object_mut().unwrap().remove("notifyReason");
        assert!(why.is_some(), "{own}");
        for body in [&mut own, &mut theirs] {
            // Each names itself, and Go leaves out zeros at the end of a second.
            body["externalURL"] = json!("");
            for key in ["startsAt", "endsAt"] {
                let time = body["alerts"][0][key].as_str().unwrap();
                body["alerts"][0][key] = json!(Timestamp::parse(time).unwrap().to_string());
            }
        }
        assert_eq!(own, theirs);
    }
}

/// The configuration of mail over TLS with authentication.
pub fn mail(sink: &Peer, password: &str) -> String {
    let authority = sink.authority.as_ref().unwrap().display();
    format!(
        "smtp: {{smarthost: 'localhost:{}', from: 'opwatch <opwatch@example.org>', auth_username: me, \
           auth_password: {password}, tls: {{ca_file: '{authority}'}}}}\n\
         receivers: [{{name: team, email_configs: [{{to: 'a@example.org, B <b@example.org>', send_resolved: true}}]}}]\n",
        sink.port
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_arrives_over_starttls_and_is_tried_again() {
    let Some(sink) = Peer::python(
        "smtp_sink.py",
        &["--starttls", "--auth", "me:s3cret", "--fail", "1"],
    ) else {
        return;
    };
    let notifiers = start(&mail(&sink, "s3cret"));
    let mut firing = alert("détect");
    // Lines of dots end a message unless they are stuffed; the encoding wraps this one.
    let dots = ".".repeat(300);
    firing.annotations.set("dots", dots.as_str());
    firing
        .annotations
        .set("inject", "x\r\n.\r\nMAIL FROM:<evil@example.org>\r\n");
    notifiers.send(vec![notification("00000000000000a1", "team", vec![firing])]);
    let received = sink.wait_received(1);
    wait_stats(&notifiers, |stats| {
        stats.integrations[0].deliveries.delivered == 1
    });
    let stats = notifiers.stats();
    assert_eq!(
        (
            stats.integrations[0].kind,
            stats.integrations[0].deliveries.failed_attempts
        ),
        ("email", 1)
    );
    assert_eq!(sink.received().len(), 1);
    let mail = &received[0];
    assert_eq!(mail["attempt"], 2);
    assert_eq!(
        (&mail["tls"], &mail["authenticated"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(mail["to"], json!(["a@example.org", "b@example.org"]));
    assert_eq!(mail["from"], "opwatch@example.org");
    assert_eq!(mail["subject"], "[FIRING:1] Slow (détect high)");
    let headers = &mail["headers"];
    assert_eq!(headers["Message-ID"], "<00000000000000a1@example.org>");
    assert_eq!(headers["X-Opwatch-Notification-Id"], "00000000000000a1");
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    assert_eq!(headers["References"], headers["In-Reply-To"]);
    let text = mail["text"].as_str().unwrap();
    assert!(
        text.contains("p95 of duration is 12.5s, 25.0% over the limit of 10s"),
        "{text}"
    );
    assert!(text.contains(&format!("dots:      {dots}")), "{text}");
    assert!(mail["html"].as_str().unwrap().contains("<td"), "{mail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_arrives_where_encryption_begins_at_once() {
    let arguments = ["--implicit-tls", "--auth", "me:s3cret"];
    let Some(sink) = Peer::python("smtp_sink.py", &arguments) else {
        return;
    };
    let config = mail(&sink, "s3cret").replace("smtp: {", "smtp: {force_implicit_tls: true, ");
    let notifiers = start(&config);
    notifiers.send(vec![notification("1", "team", vec![alert("detect")])]);
    let received = sink.wait_received(1);
    assert_eq!(received[0]["tls"], true);
    assert_eq!(received[0]["authenticated"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_is_refused_is_final_and_what_a_repair_may_cure_is_not() {
    let Some(sink) = Peer::python(
        "smtp_sink.py",
        &["--starttls", "--auth", "me:s3cret", "--reject"],
    ) else {
        return;
    };
    let config = mail(&sink, "s3cret");
    let authority = sink.authority.as_ref().unwrap().display().to_string();
    for (config, final_at_once) in [
        (config.clone(), true),
        (mail(&sink, "wrong"), false),
        // An authority that is not trusted.
        (
            config.replace(&format!("{{ca_file: '{authority}'}}"), "{}"),
            false,
        ),
        // Another name than the certificate has.
        (
            config.replace("{ca_file:", "{server_name: other.example.org, ca_file:"),
            false,
        ),
    ] {
        let notifiers = start(&config);
        notifiers.send(vec![notification("1", "team", vec![alert("detect")])]);
        let stats = wait_stats(&notifiers, |stats| {
            stats.integrations[0].deliveries.failed_attempts >= 1
        });
        let of = &stats.integrations[0];
        let expected = if final_at_once { (1, 0) } else { (0, 1) };
        assert_eq!(
            (of.deliveries.dead_letters, of.queue_length),
            (expected.0, expected.1),
            "{config}"
        );
    }
    assert_eq!(sink.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_without_tls_is_only_sent_where_that_is_allowed() {
    let Some(sink) = Peer::python("smtp_sink.py", &[]) else {
        return;
    };
    let config = |require| {
        format!(
            "smtp: {{smarthost: '127.0.0.1:{}', from: opwatch@example.org, require_tls: {require}}}\n\
             receivers: [{{name: team, email_configs: [{{to: a@example.org}}]}}]\n",
            sink.port
        )
    };
    let strict = start(&config(true));
    strict.send(vec![notification("1", "team", vec![alert("detect")])]);
    wait_stats(&strict, |stats| {
        stats.integrations[0].deliveries.failed_attempts >= 1
    });
    assert_eq!(sink.received().len(), 0);
    let open = start(&config(false));
    open.send(vec![notification("2", "team", vec![alert("detect")])]);
    open.drain(Duration::from_secs(30)).await;
    assert_eq!(sink.received()[0]["tls"], false);
    assert_eq!(open.stats().integrations[0].deliveries.delivered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_says_nothing_does_not_hold_up_the_end() {
    let Some(sink) = Peer::python("smtp_sink.py", &["--hang", "connect"]) else {
        return;
    };
    let notifiers = start(&format!(
        "smtp: {{smarthost: '127.0.0.1:{}', from: opwatch@example.org, require_tls: false}}\n\
         receivers: [{{name: team, email_configs: [{{to: a@example.org}}]}}]\n",
        sink.port
    ));
    notifiers.send(vec![notification("1", "team", vec![alert("detect")])]);
    notifiers.drain(Duration::from_millis(300)).await;
    assert_eq!(notifiers.stats().integrations[0].deliveries.dead_letters, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_resets_connections_gets_its_message_in_the_end() {
    let Some(sink) = Peer::python("webhook_sink.py", &["--reset", "--times", "1"]) else {
        return;
    };
    let notifiers = start(&format!(
        "receivers: [{{name: team, webhook_configs: [{{url: '{}/hook', max_alerts: 1}}]}}]",
        sink.url()
    ));
    notifiers.send(vec![notification(
        "1",
        "team",
        vec![alert("a"), alert("b")],
    )]);
    let received = sink.wait_received(2);
    assert_eq!(received[0]["fate"], "reset");
    assert_eq!(received[1]["fate"], 200);
    assert_eq!(received[0]["body"], received[1]["body"]);
    assert_eq!(received[1]["json"]["truncatedAlerts"], 1);
}

#[test]
fn settings_that_cannot_work_are_told_with_their_place_before_anything_starts() {
    let settings = settings(
        "smtp: {smarthost: 'mail:587', from: a@example.org, auth_username: u, auth_password_file: /nonexistent/smtp}\n\
         receivers:\n\
         - {name: team, email_configs: [{to: b@example.org}, {to: c@example.org}], webhook_configs: [{}]}\n\
         alertmanagers: [{url: 'http://am', tls_config: {ca_file: /nonexistent/ca}}]\n",
    );
    let faults: Vec<String> = settings.check().iter().map(ToString::to_string).collect();
    let expected = [
        "smtp.auth_password_file: cannot read /nonexistent/smtp: no such file",
        "receivers[0].webhook_configs[0]: without a destination, one of url and url_file is needed",
        "alertmanagers[0].tls_config: cannot read /nonexistent/ca: no such file",
    ];
    assert_eq!(faults, expected);
    let receiver = settings.receivers[0].receiver();
    let resolved: Vec<bool> = receiver
        .integrations
        .iter()
        .map(|of| of.send_resolved)
        .collect();
    assert_eq!(resolved, [false, false, true]);
}
