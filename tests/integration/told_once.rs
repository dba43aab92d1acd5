//! The behaviour cases on who is told what, on the running program: 6, a thousand offending measurements are one alert, and
//! 47, a receiver that fails keeps nobody else from being told.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use opwatch::clock::Clock;
use serde_json::{Value, json};

use crate::faulty::{Fate, Faulty};
use crate::peers::Peer;
use crate::sidecar::{Folder, Sidecar, run, wait_for};

const RULES: &str = "groups: [{name: g, rules: [{alert: Slow, threshold: {metric: duration, stat: max, window: 5s, above: 10s}}]}]";
/// How long a group that has been told of waits until it is told again.
const REPEAT: Duration = Duration::from_secs(2);

fn records(seconds: &[f64]) -> String {
    let record = |seconds: &f64| json!({"operation": "detect", "duration_seconds": seconds});
    Value::from(seconds.iter().map(record).collect::<Vec<_>>()).to_string()
}

fn alerts(sidecar: &Sidecar) -> Vec<Value> {
    let data = sidecar.data("/api/v1/alerts");
    data["alerts"].as_array().unwrap().clone()
}

/// The one alert, once that many offending measurements are counted.
fn counted(sidecar: &Sidecar, values: u64) -> Value {
    wait_for("the alert to count them", || {
        let alerts = alerts(sidecar);
        assert!(alerts.len() < 2, "{alerts:?}");
        let alert = alerts.first()?;
        (alert["tally"]["values"] == values).then(|| alert.clone())
    })
}

/// Case 6.
#[test]
fn case_06_a_thousand_offending_measurements_are_one_alert_told_at_each_repeat_and_resolved() {
    let Some(mail) = Peer::python("smtp_sink.py", &[]) else {
        return;
    };
    let hook = Faulty::start(Vec::new());
    let config = format!(
        "data_dir: data\nrule_files: [rules.yaml]\nself_rules: off\nevaluation_interval: 200ms\n\
         smtp: {{smarthost: '127.0.0.1:{}', from: opwatch@example.org, require_tls: false}}\n\
         receivers: [{{name: team, webhook_configs: [{{url: 'http://{}/'}}], email_configs: [{{to: a@example.org, send_resolved: true}}]}}]\n\
         route: {{receiver: team, group_wait: 0s, group_interval: 500ms, repeat_interval: {}s}}\n",
        mail.port,
        hook.address(),
        REPEAT.as_secs()
    );
    let folder = Folder::new();
    folder.write("rules.yaml", RULES);
    let sidecar = Sidecar::start_in(folder, &config);
    let clock = Clock::start();
    // How it was before; this long ago it is none of what the rule looks at.
    let before = (4..40).map(|minutes| {
        let at = clock.now().wall.before(Duration::from_secs(30 * minutes));
        json!({"operation": "detect", "duration_seconds": 1.5, "timestamp": at.to_string()})
    });
    sidecar.measure(&Value::from(before.collect::<Vec<_>>()).to_string());
    for batch in 1..=10 {
        let mut seconds = [12.0; 100];
        // The worst of all comes in the middle.
        seconds[99] = if batch == 5 { 99.0 } else { 11.0 };
        sidecar.measure(&records(&seconds));
        let alert = counted(&sidecar, 100 * batch);
        assert_eq!(alert["state"], "firing");
    }
    let alert = counted(&sidecar, 1_000);
    assert_eq!(alert["tally"]["worst"], 99.0, "{alert}");
    let seen = |name: &str| alert["tally"][name].as_str().unwrap().to_owned();
    assert!(seen("firstSeen") < seen("lastSeen"), "{alert}");
    assert_eq!(alert["activeAt"], seen("firstSeen"), "{alert}");
    hook.wait_requests(3);
    // Over a kill it goes on where it was.
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    let again = counted(&sidecar, 1_000);
    assert_eq!(again["tally"]["worst"], 99.0);
    assert_eq!(again["tally"]["firstSeen"], seen("firstSeen").as_str());
    let url = format!("http://{}", sidecar.public);
    let (code, shown, errors) = run(&sidecar.folder, &["alerts", "--url", &url, "-o", "csv"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        shown.starts_with("state,labels,active_at,value,worst,found,values,last_seen,"),
        "{shown}"
    );
    assert!(
        shown.contains(",99,") && shown.contains(",1000,"),
        "{shown}"
    );
    let requests = hook.requests();
    let passed = clock.now().steady;
    let is_firing = |one: &&crate::faulty::Request| one.json["status"] == "firing";
    let told = requests.iter().filter(is_firing).count() as u128;
    let most = 1 + passed.as_millis().div_ceil(REPEAT.as_millis());
    assert!((3..=most).contains(&told), "{told} in {passed:?}");

    // Once the window holds nothing but this. It is made of buckets of 10 s, so that it may be longer by one.
    thread::sleep(Duration::from_secs(16));
    sidecar.measure(&records(&[1.0]));
    wait_for("the end", || alerts(&sidecar).is_empty().then_some(()));
    let resolved = || {
        let requests = hook.requests();
        let ends = requests
            .into_iter()
            .filter(|one| one.json["status"] == "resolved");
        ends.collect::<Vec<_>>()
    };
    wait_for("word of the end", || (!resolved().is_empty()).then_some(()));
    thread::sleep(2 * REPEAT);
    let ends = resolved();
    assert_eq!(
        ends.len(),
        1,
        "the end is told once, and then there is nothing to repeat"
    );
    assert_eq!(ends[0].json["alerts"].as_array().unwrap().len(), 1);
    let end = &ends[0].json["alerts"][0];
    assert_eq!(end["tally"]["values"], 1_000, "{end}");
    assert_eq!(end["tally"]["worst"], 99.0, "{end}");
    let values = end["course"]["values"].as_array().unwrap();
    assert!(values.contains(&json!(1.5)), "{end}");
    assert_eq!(end["course"]["usual"], json!([1.5, 1.5]), "{end}");
    let mails = mail.received();
    let last = mails.last().unwrap();
    assert_eq!(last["subject"], "[RESOLVED] (Slow detect)", "{last}");
    let text = last["text"].as_str().unwrap();
    assert!(
        text.contains(" in 1000 values, last ") && text.contains(", worst 1m 39s"),
        "{text}"
    );
    // And each mail shows how it went.
    for mail in &mails {
        let text = mail["text"].as_str().unwrap();
        let course = text.lines().find(|line| line.starts_with("  course:    ▁"));
        let course = course.unwrap_or_else(|| panic!("{text}"));
        assert!(
            course.contains('█') && course.contains(" 1.5s to "),
            "{text}"
        );
        assert!(course.ends_with(", usually 1.5s to 1.5s"), "{text}");
        assert!(mail["html"].as_str().unwrap().contains("bgcolor"), "{mail}");
    }
}

/// Case 47.
#[test]
fn case_47_a_failing_receiver_stops_no_other_is_tried_again_and_hears_of_the_end() {
    let barrier = Arc::new(Barrier::new(2));
    let down = "503 Service Unavailable";
    let bad = Faulty::start(vec![
        Fate::AnswerAfter(barrier.clone(), down.to_owned()),
        Fate::Close,
        Fate::answer("500 Internal Server Error"),
    ]);
    let good = Faulty::start(Vec::new());
    let config = format!(
        "rule_files: [rules.yaml]\nself_rules: off\nevaluation_interval: 200ms\n\
         receivers:\n\
         - {{name: bad, webhook_configs: [{{url: 'http://{}/', timeout: 1h}}]}}\n\
         - {{name: good, webhook_configs: [{{url: 'http://{}/'}}]}}\n\
         route: {{receiver: bad, group_wait: 0s, group_interval: 300ms, routes: [{{receiver: bad, continue: true}}, {{receiver: good}}]}}\n",
        bad.address(),
        good.address()
    );
    let sidecar = Sidecar::start(&config, &[("rules.yaml", RULES)]);
    sidecar.measure(&records(&[11.0]));
    bad.wait_requests(1);
    // While the one is still waited for the other hears of everything.
    let first = &good.wait_requests(1)[0].json;
    assert_eq!(first["status"], "firing");
    let starts = first["alerts"][0]["startsAt"].clone();
    barrier.wait();
    let tries = bad.wait_requests(4);
    let ids: Vec<_> = tries[..4]
        .iter()
        .map(|one| one.header("idempotency-key"))
        .collect();
    assert!(
        ids[0].is_some() && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    assert!(tries[3].is_taken);
    for receiver in [&bad, &good] {
        let end = wait_for("word of the end", || {
            sidecar.measure(&records(&[1.0]));
            let requests = receiver.requests().into_iter();
            let mut ends = requests.filter(|one| one.json["status"] == "resolved");
            ends.next()
        });
        assert!(end.is_taken);
        assert_eq!(end.json["alerts"][0]["startsAt"], starts);
    }
}
