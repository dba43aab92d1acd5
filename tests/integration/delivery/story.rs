//! A long story of alerts that begin and end while the ways to those who are told fail by chance and opwatch is killed at
//! every point of a notification's life; an oracle then compares what was told with what happened.
//!
//! `OPWATCH_DELIVERY_PHASES` makes it longer, `OPWATCH_DELIVERY_SEED` another one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use std::{fmt, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::way::{Attempt, Fate, Moment, Outcome, Way};
use crate::durable::setting;
use crate::oracle::Chance;
use crate::peers::Peer;
use crate::sidecar::{Folder, PATIENCE, Sidecar, try_request};

const OPERATIONS: [&str; 4] = ["a", "b", "c", "d"];
const CONFIG: &str = "
data_dir: data
rule_files: [rules.yaml]
self_rules: off
flapping: off
evaluation_interval: 200ms
smtp: {from: opwatch@example.org, require_tls: false}
receivers:
- name: team
  email_configs: [{to: a@example.org, smarthost: '127.0.0.1:MAIL', send_resolved: true}]
  webhook_configs:
  - {url: 'http://127.0.0.1:STEADY/', timeout: 30s}
  - {url: 'http://127.0.0.1:HOOK/', timeout: 2s}
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 300ms, repeat_interval: 1h}
";
pub const RULES: &str = "groups: [{name: g, rules: [{alert: Slow, threshold: {metric: duration, stat: last, window: 1h, above: 10s}}]}]";

/// What was said of one alert.
#[derive(Clone, Debug)]
pub struct Word {
    id: String,
    pub operation: String,
    /// When it began, to the millisecond or, in mail, to the second.
    starts: String,
    pub is_firing: bool,
}

/// What a webhook was told, in the order of arrival.
pub fn by_webhook(received: &[Value]) -> Vec<Word> {
    let mut words = Vec::new();
    for one in received {
        let id = one["headers"]["idempotency-key"].as_str().unwrap();
        for alert in one["json"]["alerts"].as_array().unwrap() {
            words.push(Word {
                id: id.to_owned(),
                operation: alert["labels"]["operation"].as_str().unwrap().to_owned(),
                starts: alert["startsAt"].as_str().unwrap().replace('T', " "),
                is_firing: alert["status"] == "firing",
            });
        }
    }
    words
}

/// What was told by mail: each alert is a paragraph of its text.
pub fn by_mail(received: &[Value]) -> Vec<Word> {
    let mut words = Vec::new();
    for one in received {
        let id = &one["headers"]["X-Opwatch-Notification-Id"];
        let text = one["text"].as_str().unwrap().replace("\r\n", "\n");
        let of_alerts = text.split("\n\n");
        let of_alerts = of_alerts.filter(|part| part.starts_with(['F', 'R']));
        for part in of_alerts.filter(|part| part.contains("\n  labels:")) {
            let row = |name: &str| {
                let row = part.split(&format!("\n  {name}:")).nth(1)?;
                Some(row.trim_start().lines().next().unwrap().to_owned())
            };
            let starts = row("since").or_else(|| row("started")).unwrap();
            let labels = row("labels").unwrap();
            let operation = labels.split("operation=\"").nth(1).unwrap();
            words.push(Word {
                id: id.as_str().unwrap().to_owned(),
                operation: operation.split('"').next().unwrap().to_owned(),
                starts: starts[..19].to_owned(),
                is_firing: part.starts_with("FIRING"),
            });
        }
    }
    words
}

/// The alerts that there is word of.
fn alerts(words: &[Word]) -> BTreeSet<(String, String)> {
    let each = words.iter();
    each.map(|word| (word.operation.clone(), word.starts.clone()))
        .collect()
}

/// Whether the last word on each operation is what is so.
fn knows(words: &[Word], firing: [bool; 4]) -> bool {
    let last = |operation: &str| {
        let mut of = words.iter().rev();
        of.find(|word| word.operation == operation)
            .is_some_and(|word| word.is_firing)
    };
    OPERATIONS.map(last) == firing
}

/// Whoever is told: a real server, and the way to it.
struct Receiver {
    name: &'static str,
    sink: Peer,
    way: Way,
}

impl Receiver {
    fn new(name: &'static str) -> Option<Self> {
        let is_mail = name == "mail";
        let script = if is_mail {
            "smtp_sink.py"
        } else {
            "webhook_sink.py"
        };
        let sink = Peer::python(script, &[])?;
        let way = match is_mail {
            true => Way::smtp(sink.port, Vec::new()),
            false => Way::http(sink.port, Vec::new()),
        };
        Some(Self { name, sink, way })
    }

    fn words(&self) -> Vec<Word> {
        match self.name {
            "mail" => by_mail(&self.sink.received()),
            _ => by_webhook(&self.sink.received()),
        }
    }
}

/// Where in the life of a notification opwatch is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    Never,
    /// This long after something to tell has happened: before it is decided, after that, or after it is committed.
    After(u64),
    /// On the way to this receiver.
    On(usize, Moment),
    /// Once everyone has it and it is noted, or is being noted.
    Noted(u64),
}

impl Kill {
    fn draw(chance: &mut Chance) -> Self {
        match chance.below(8) {
            0 | 1 => Self::Never,
            2 | 3 => Self::After(chance.below(500) as u64),
            4 => Self::Noted(chance.below(60) as u64),
            _ => {
                let moments = [Moment::Sent, Moment::Arrived, Moment::Answered];
                Self::On(chance.below(3), moments[chance.below(3)])
            }
        }
    }
}

/// What may happen on the way to a webhook and to a mail server. Nothing of it is final, as there is nothing to expect then.
fn troubles() -> [Vec<Fate>; 2] {
    let late = |then| Fate::Late(Duration::from_millis(300), Box::new(then));
    let both = [
        Fate::ResetBefore,
        Fate::ResetAfter,
        Fate::ArrivesUnanswered,
        late(Fate::Arrives),
        late(Fate::ArrivesUnanswered),
    ];
    let http = [
        Fate::ArrivesAs("204 No Content"),
        Fate::ArrivesWithSlowBody,
        Fate::HalfOpen,
        Fate::Refused("408 Request Timeout"),
        Fate::Refused("425 Too Early"),
        Fate::Refused("429 Too Many Requests\r\nRetry-After: 1"),
        Fate::Refused("500 Internal Server Error"),
        Fate::Refused("502 Bad Gateway"),
        Fate::Refused("503 Service Unavailable"),
        Fate::Refused("504 Gateway Timeout"),
    ];
    let smtp = [
        Fate::RefusedEarly("421 4.3.2 too busy"),
        Fate::RefusedEarly("451 4.7.1 come back later"),
        Fate::Refused("451 4.3.0 come back later"),
        Fate::Refused("421 4.3.2 going down"),
    ];
    [
        [both.to_vec(), http.to_vec()].concat(),
        [both.to_vec(), smtp.to_vec()].concat(),
    ]
}

/// Tells opwatch how long each operation takes now, if it is there.
pub fn report(ingest: &str, firing: [bool; 4]) {
    let record = |(operation, is_slow)| {
        let seconds = if is_slow { 11 } else { 1 };
        json!({"operation": operation, "duration_seconds": seconds})
    };
    let records: Vec<Value> = OPERATIONS.into_iter().zip(firing).map(record).collect();
    let headers = [("Content-Type", "application/json")];
    let body = Value::from(records).to_string();
    let _ = try_request(ingest, "POST", "/v1/operations", &headers, body.as_bytes());
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    // It stays a child until it is waited for, so that the number is no other's.
    kill_process(pid, Signal::KILL).unwrap();
}

struct Story {
    config: String,
    receivers: Vec<Receiver>,
    sidecar: Sidecar,
    kills: u32,
}

impl Story {
    fn begin(seed: u64) -> Option<Self> {
        let receivers = vec![
            Receiver::new("steady")?,
            Receiver::new("hook")?,
            Receiver::new("mail")?,
        ];
        let [http, smtp] = troubles();
        receivers[1].way.may(http, seed);
        receivers[2].way.may(smtp, seed + 1);
        let mut config = CONFIG.to_owned();
        for receiver in &receivers {
            let (name, port) = (receiver.name.to_uppercase(), receiver.way.port);
            config = config.replace(&name, &port.to_string());
        }
        let folder = Folder::new();
        folder.write("rules.yaml", RULES);
        let sidecar = Sidecar::start_in(folder, &config);
        Some(Self {
            config,
            receivers,
            sidecar,
            kills: 0,
        })
    }

    /// Goes on until they know what is so; those that are not waited for may be behind.
    fn go_on(mut self, firing: [bool; 4], everyone: bool, mut planned: Kill) -> Self {
        // The last phase's may have come at its very end.
        if self.sidecar.has_ended() {
            self = self.again();
        }
        if let Kill::On(receiver, moment) = planned {
            let pid = self.sidecar.pid();
            self.receivers[receiver].way.at(moment, move || kill(pid));
        }
        let mut waited = 0;
        loop {
            report(&self.sidecar.ingest, firing);
            thread::sleep(Duration::from_millis(40));
            waited += 40;
            let waits_for = if everyone { 3 } else { 1 };
            let waits_for = &self.receivers[..waits_for];
            let all_know = (waits_for.iter()).all(|one| knows(&one.words(), firing));
            match planned {
                Kill::After(time) if waited > time => {
                    kill(self.sidecar.pid());
                    planned = Kill::Never;
                }
                Kill::Noted(time) if all_know => {
                    thread::sleep(Duration::from_millis(time));
                    kill(self.sidecar.pid());
                    planned = Kill::Never;
                }
                _ if self.sidecar.has_ended() => self = self.again(),
                _ if all_know && !matches!(planned, Kill::After(_)) => break,
                _ => {}
            }
            let patience = 2_000 * PATIENCE.as_secs();
            assert!(waited < patience, "{firing:?}: {self:?}");
        }
        self.forget_plans();
        self
    }

    /// What was planned and did not come to pass must not hit a later process.
    fn forget_plans(&self) {
        for receiver in &self.receivers {
            receiver.way.at(Moment::Sent, || {});
        }
    }

    fn again(mut self) -> Self {
        self.forget_plans();
        for receiver in &self.receivers {
            receiver.way.sender_died();
        }
        self.kills += 1;
        self.sidecar = Sidecar::start_in(self.sidecar.kill(), &self.config);
        self
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for receiver in &self.receivers {
            let attempts = receiver.way.attempts();
            let last = attempts.iter().rev().take(6).collect::<Vec<_>>();
            let words = receiver.words();
            let words = words.iter().rev().take(8).collect::<Vec<_>>();
            writeln!(formatter, "{}: {words:#?} {last:#?}", receiver.name)?;
        }
        Ok(())
    }
}

/// How often something arrived once more though it was known to be there, and how often it rightly did.
fn duplicates(attempts: &[Attempt]) -> (Vec<String>, usize) {
    let mut before: BTreeMap<&str, &Attempt> = BTreeMap::new();
    let (mut wrong, mut right) = (Vec::new(), 0);
    for attempt in attempts.iter().filter(|attempt| attempt.arrived) {
        if let Some(before) = before.insert(&attempt.id, attempt) {
            // A killed process may not have come to note what it was told.
            if before.outcome == Outcome::Unknown || before.lives != attempt.lives {
                right += 1;
            } else {
                wrong.push(attempt.id.clone());
            }
        }
    }
    (wrong, right)
}

/// What came back to life: word that an alert fires after word that it has ended, which was not said before.
fn revived(words: &[Word]) -> Vec<&Word> {
    let (mut ended, mut said) = (BTreeSet::new(), BTreeSet::new());
    let mut revived = Vec::new();
    for word in words {
        let alert = (&word.operation, &word.starts);
        match word.is_firing {
            true if ended.contains(&alert) && !said.contains(&word.id) => revived.push(word),
            true => {}
            false => {
                ended.insert(alert);
            }
        }
        said.insert(&word.id);
    }
    revived
}

/// R9: every alert that began is told to everyone at least once, whatever happens; what is told twice is told under the
/// same id, and only where nobody can know whether it had arrived; and a good receiver never waits for a bad one.
#[test]
fn every_alert_is_told_to_everyone_through_faults_and_kills() {
    let phases = setting("OPWATCH_DELIVERY_PHASES", 12);
    let seed = setting("OPWATCH_DELIVERY_SEED", 3) as u64;
    let Some(mut story) = Story::begin(seed) else {
        return;
    };
    let mut chance = Chance(seed);
    let (mut firing, mut began) = ([false; 4], 0);
    for phase in 0..phases {
        // Something changes, not always everything.
        let changes = 1 + chance.below(15);
        for (place, is_firing) in firing.iter_mut().enumerate() {
            if changes >> place & 1 == 1 {
                *is_firing = !*is_firing;
                began += usize::from(*is_firing);
            }
        }
        let everyone = chance.below(3) > 0;
        let kill = Kill::draw(&mut chance);
        println!("phase {phase}: {firing:?}, {kill:?}");
        story = story.go_on(firing, everyone, kill);
    }
    story = story.go_on([false; 4], true, Kill::Never);
    // Longer than any wait between attempts that there can be by now: were there more to tell, it would be told.
    thread::sleep(Duration::from_secs(3));

    let truth = story.receivers[0].words();
    let alerts_told = alerts(&truth);
    assert_eq!(alerts_told.len(), began, "{alerts_told:#?}");
    let mut troubles = 0;
    for receiver in &story.receivers {
        let (words, attempts) = (receiver.words(), receiver.way.attempts());
        let known = alerts(&words);
        let exact = if receiver.name == "mail" { 19 } else { 23 };
        let missed: Vec<_> = (alerts_told.iter())
            .map(|(operation, starts)| (operation.clone(), starts[..exact].to_owned()))
            .filter(|(operation, starts)| {
                !(known.iter()).any(|(o, s)| o == operation && s.starts_with(starts))
            })
            .collect();
        assert!(missed.is_empty(), "{}: {missed:?}", receiver.name);
        let (wrong, right) = duplicates(&attempts);
        assert!(wrong.is_empty(), "{}: {wrong:?}", receiver.name);
        // Mails say seconds: two lives of one alert that began in the same one cannot be told apart there.
        let lives = |word: &&Word| {
            let begin = &word.starts[..exact];
            let alike = |(operation, starts): &&(String, String)| {
                *operation == word.operation && starts.starts_with(begin)
            };
            alerts_told.iter().filter(alike).count()
        };
        let mut revived = revived(&words);
        revived.retain(|word| lives(word) < 2);
        assert!(
            revived.is_empty(),
            "{}: {revived:?} of {words:#?}",
            receiver.name
        );
        assert!(knows(&words, [false; 4]), "{}", receiver.name);
        let bad = attempts.iter().filter(|one| one.outcome != Outcome::Taken);
        let bad = bad.count();
        println!(
            "{}: {} attempts, {bad} of them in trouble, {right} duplicates",
            receiver.name,
            attempts.len()
        );
        troubles += bad;
    }
    println!("{phases} phases, {began} alerts, {} kills", story.kills);
    // A story without troubles would prove little.
    assert!(troubles > phases / 2 && story.kills as usize > phases / 4);
    let dead = r#"opwatch_notifications_dead_letters_total"#;
    let page = story.sidecar.metrics();
    let mut given_up = page.lines().filter(|line| line.starts_with(dead));
    assert!(given_up.all(|line| line.ends_with(" 0")), "{page}");
}
