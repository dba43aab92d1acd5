//! R9: what is to be told arrives, whatever happens on the way, and nobody waits for another.
//!
//! Real servers, an HTTP one and aiosmtpd, stand behind ways on which everything goes wrong: [`way`]. The first test goes
//! through all that may happen one by one; [`story`] lets it happen by chance, with kills between.

mod story;
mod way;

use std::collections::BTreeMap;

use serde_json::Value;

use self::way::{Fate, Way};
use crate::notify::{alert, notification, start, wait_stats};
use crate::peers::Peer;

use std::time::Duration;

const SHORT: Duration = Duration::from_millis(200);

/// What is to come of a first attempt that meets some fate: whether the notification is given up, and how often it
/// arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    given_up: bool,
    attempts: usize,
    arrivals: usize,
}

const AT_ONCE: End = End {
    given_up: false,
    attempts: 1,
    arrivals: 1,
};
const TRIED_AGAIN: End = End {
    attempts: 2,
    ..AT_ONCE
};
/// Nobody can know whether it had arrived.
const TWICE: End = End {
    arrivals: 2,
    ..TRIED_AGAIN
};
const REFUSED: End = End {
    given_up: true,
    attempts: 1,
    arrivals: 0,
};

fn of_http() -> Vec<(Fate, End)> {
    let mut all = vec![
        (Fate::Arrives, AT_ONCE),
        (Fate::ArrivesAs("201 Created"), AT_ONCE),
        (Fate::ArrivesAs("204 No Content"), AT_ONCE),
        (Fate::ArrivesWithSlowBody, AT_ONCE),
        (Fate::Late(SHORT, Box::new(Fate::Arrives)), AT_ONCE),
        (Fate::ResetBefore, TRIED_AGAIN),
        (Fate::ResetAfter, TRIED_AGAIN),
        (Fate::Late(SHORT, Box::new(Fate::ResetBefore)), TRIED_AGAIN),
        (Fate::HalfOpen, TRIED_AGAIN),
        (Fate::ArrivesUnanswered, TWICE),
        // The receiver has it and says that it has not: it knows best.
        (Fate::ArrivesAs("500 Internal Server Error"), TWICE),
    ];
    all.extend(
        [
            "408 Request Timeout",
            "425 Too Early",
            "429 Too Many Requests\r\nRetry-After: 1",
            "429 Too Many Requests",
            "500 Internal Server Error",
            "502 Bad Gateway",
            "503 Service Unavailable\r\nRetry-After: 1",
            "504 Gateway Timeout",
        ]
        .map(|status| (Fate::Refused(status), TRIED_AGAIN)),
    );
    all.extend(
        [
            // To the same place, again and again.
            "301 Moved Permanently\r\nLocation: /",
            "302 Found\r\nLocation: /",
            "303 See Other\r\nLocation: /",
            "307 Temporary Redirect\r\nLocation: /",
            "308 Permanent Redirect\r\nLocation: /",
            "304 Not Modified",
            "400 Bad Request",
            "401 Unauthorized",
            "403 Forbidden",
            "404 Not Found",
            "410 Gone",
            "413 Content Too Large",
        ]
        .map(|status| (Fate::Refused(status), REFUSED)),
    );
    all
}

fn of_mail() -> Vec<(Fate, End)> {
    vec![
        (Fate::Arrives, AT_ONCE),
        (Fate::Late(SHORT, Box::new(Fate::Arrives)), AT_ONCE),
        (Fate::ResetBefore, TRIED_AGAIN),
        (Fate::RefusedEarly("421 4.3.2 too busy"), TRIED_AGAIN),
        (Fate::RefusedEarly("451 4.7.1 come back later"), TRIED_AGAIN),
        (Fate::Refused("451 4.3.0 come back later"), TRIED_AGAIN),
        (Fate::Refused("421 4.3.2 going down"), TRIED_AGAIN),
        (Fate::ResetAfter, TRIED_AGAIN),
        (Fate::ArrivesUnanswered, TWICE),
        (Fate::RefusedEarly("550 5.1.1 no such user"), REFUSED),
        (Fate::Refused("550 5.7.1 no mail like this"), REFUSED),
        (Fate::Refused("554 5.6.0 no mail at all"), REFUSED),
    ]
}

/// How often each id has arrived.
fn arrivals(received: &[Value]) -> BTreeMap<String, usize> {
    let mut arrivals = BTreeMap::new();
    for one in received {
        let headers = &one["headers"];
        let id = match headers["idempotency-key"].as_str() {
            Some(id) => id,
            None => headers["X-Opwatch-Notification-Id"].as_str().unwrap(),
        };
        *arrivals.entry(id.to_owned()).or_default() += 1;
    }
    arrivals
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_meets_a_notification_on_its_way_it_arrives_or_is_given_up_and_counted() {
    let (Some(hook), Some(mail)) = (
        Peer::python("webhook_sink.py", &[]),
        Peer::python("smtp_sink.py", &[]),
    ) else {
        return;
    };
    let (of_http, of_mail) = (of_http(), of_mail());
    let mut receivers = String::new();
    let (mut ways, mut expected) = (Vec::new(), Vec::new());
    for (fate, end) in of_http {
        let way = Way::http(hook.port, vec![fate.clone()]);
        // Only that one is to wait in vain within this test.
        let timeout = if fate == Fate::HalfOpen { "1s" } else { "60s" };
        let timeout = match fate {
            Fate::ArrivesWithSlowBody => "1s",
            _ => timeout,
        };
        receivers += &format!(
            "- {{name: r{}, webhook_configs: [{{url: 'http://127.0.0.1:{}/', timeout: {timeout}}}]}}\n",
            ways.len(),
            way.port
        );
        ways.push(way);
        expected.push((format!("http {fate:?}"), end));
    }
    for (fate, end) in of_mail {
        let way = Way::smtp(mail.port, vec![fate.clone()]);
        receivers += &format!(
            "- {{name: r{}, email_configs: [{{to: a@example.org, smarthost: '127.0.0.1:{}'}}]}}\n",
            ways.len(),
            way.port
        );
        ways.push(way);
        expected.push((format!("mail {fate:?}"), end));
    }
    // Two that hang for longer than the test lasts, and come first.
    let hung = [
        Way::http(hook.port, vec![Fate::HalfOpen]),
        Way::smtp(mail.port, vec![Fate::HalfOpen]),
    ];
    let notifiers = start(&format!(
        "smtp: {{from: opwatch@example.org, require_tls: false}}\n\
         receivers:\n\
         - {{name: hung, webhook_configs: [{{url: 'http://127.0.0.1:{}/', timeout: 1h}}], email_configs: [{{to: a@example.org, smarthost: '127.0.0.1:{}'}}]}}\n\
         {receivers}",
        hung[0].port, hung[1].port
    ));
    let id = |n: usize| format!("{n:016x}");
    let mut all = vec![notification("hung", "hung", vec![alert("a")])];
    all.push(crate::notify::to_integration(&all[0], 1));
    all.extend((0..ways.len()).map(|n| notification(&id(n), &format!("r{n}"), vec![alert("a")])));
    notifiers.send(all);
    let stats = wait_stats(&notifiers, |stats| {
        let others = stats.integrations.iter().filter(|of| of.receiver != "hung");
        others.map(|of| of.queue_length).sum::<usize>() == 0
    });
    let received = [hook.received(), mail.received()].concat();
    let arrivals = arrivals(&received);
    for (n, (what, expected)) in expected.iter().enumerate() {
        let receiver = format!("r{n}");
        let of = |of: &&_| -> bool {
            let of: &opwatch::notify::IntegrationStats = of;
            of.receiver == receiver
        };
        let of = stats.integrations.iter().find(of).unwrap().deliveries;
        let end = End {
            given_up: of.dead_letters == 1,
            attempts: usize::try_from(of.attempts).unwrap(),
            arrivals: arrivals.get(&id(n)).copied().unwrap_or_default(),
        };
        assert_eq!(end, *expected, "{what}: {of:?}");
        assert_eq!(of.delivered + of.dead_letters, 1, "{what}");
        // Every attempt that said its id said the same.
        let attempts = ways[n].attempts();
        assert!(
            (attempts.iter()).all(|one| one.id.is_empty() || one.id == id(n)),
            "{what}: {attempts:?}"
        );
    }
    println!("{} ways, {} arrivals", expected.len(), received.len());
    let still: Vec<usize> = (stats.integrations.iter())
        .filter(|of| of.receiver == "hung")
        .map(|of| of.queue_length)
        .collect();
    assert_eq!(still, [1, 1]);
}
