//! Who is told what and when, by a real Alertmanager and by the dispatcher: both read the same random configurations of
//! routes, inhibit rules and time intervals, hear of the same alerts at the same times, and must tell the same receivers
//! the same, in the same order.
//!
//! `OPWATCH_ROUTING_CONFIGS` is how many configurations there are (12), `OPWATCH_ROUTING_SEED` which ones.
//!
//! Everything that happens to alerts happens at whole units of time and every group is due in the middle between two, so
//! that neither side can be early or late for the other. A run in which something came later than that allows, because the
//! machine stood still, is no evidence: it is repeated with a unit twice as long.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::tz::TimeZone;
use opwatch::clock::Clock;
use opwatch::config::Config;
use opwatch::engine::alert::EndReason;
use opwatch::engine::dispatch::{Announced, Dispatcher, Route, Routing};
use opwatch::engine::onset::Onset;
use opwatch::engine::series::Labels;
use opwatch::engine::time::{Now, Timestamp};
use serde_json::{Value, json};

use crate::peers::Peer;

/// How long a run takes at most. Alertmanager forgets empty groups once in 30 s, at moments that nobody knows.
const RUN: Duration = Duration::from_secs(22);
/// Of each configuration.
const ALERTS: usize = 6;
/// Where the steady clock of the invented time begins: it must not come to the moments at which groups are forgotten.
const STEADY: Duration = Duration::from_secs(1);

/// Pseudo-random numbers, the same in every run: SplitMix64 (G. Steele and others, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The labels of alerts with their values; an empty one is no label.
const LABELS: [(&str, [&str; 3]); 4] = [
    ("alertname", ["Slow", "Down", "Slow"]),
    ("severity", ["critical", "warning", ""]),
    ("host", ["a", "b", ""]),
    ("team", ["x", "y", ""]),
];

fn matcher(random: &mut Random) -> String {
    let (name, values) = random.pick(&LABELS);
    let value = random.pick(values);
    match random.below(6) {
        0 | 1 => format!("{name}=\"{value}\""),
        2 => format!("{name}!={value}x"),
        3 => format!("{name} != \"{value}\""),
        4 => format!("{name}=~{}|none", random.pick(values)),
        _ => format!("{name}!~\"{}.*\"", &values[0][..1]),
    }
}

/// One in ten is written in the form of before.
fn matchers(random: &mut Random, most: usize, keys: [&str; 3], into: &mut Value) {
    let (new, old, old_regex) = (keys[0], keys[1], keys[2]);
    let mut list: Vec<String> = Vec::new();
    for _ in 0..random.below(most + 1) {
        let (name, values) = random.pick(&LABELS);
        match random.below(20) {
            0 => into[old][*name] = json!(values[0]),
            1 => into[old_regex][*name] = json!(format!("{}|z", values[1])),
            _ => list.push(matcher(random)),
        }
    }
    if let Some(Value::Array(before)) = into.get_mut(new) {
        before.extend(list.into_iter().map(Value::from));
    } else if !list.is_empty() {
        into[new] = json!(list);
    }
}

fn some(random: &mut Random, names: &[&str]) -> Vec<String> {
    let mut chosen: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    chosen.retain(|_| random.percent(40));
    chosen
}

/// A route and what is below it.
fn route(
    random: &mut Random,
    config: usize,
    depth: usize,
    intervals: &[String],
    unit: Duration,
) -> Value {
    let times = |halves: u32| format!("{}ms", (unit / 2 * halves).as_millis());
    let mut route = json!({});
    if depth == 0 {
        route["matchers"] = json!([format!("config=\"{config}\"")]);
        route["receiver"] = json!(format!("{config}-0"));
        route["group_wait"] = json!(times(1));
        route["group_interval"] = json!(times(2));
    } else {
        matchers(random, 2, ["matchers", "match", "match_re"], &mut route);
        if random.percent(60) {
            route["receiver"] = json!(format!("{config}-{}", random.below(3)));
        }
        if random.percent(50) {
            route["continue"] = json!(true);
        }
        if random.percent(40) {
            route["group_wait"] = json!(times(*random.pick(&[1, 3])));
        }
        if random.percent(40) {
            route["group_interval"] = json!(times(*random.pick(&[2, 4, 6])));
        }
    }
    if depth == 0 || random.percent(40) {
        // Never a multiple of a group interval: whether the time has come then is a matter of microseconds.
        route["repeat_interval"] = json!(times(*random.pick(&[5, 9, 1_001])));
    }
    if random.percent(50) {
        route["group_by"] = match random.below(4) {
            0 => json!(["..."]),
            _ => json!(some(random, &["alertname", "severity", "host", "team"])),
        };
    }
    if random.percent(15) {
        route["mute_time_intervals"] = json!([random.pick(intervals), random.pick(intervals)]);
    }
    if random.percent(15) {
        route["active_time_intervals"] = json!([random.pick(intervals)]);
    }
    if depth < 3 {
        let children = random.below(4 - depth);
        let children =
            (0..children).map(|_| self::route(random, config, depth + 1, intervals, unit));
        route["routes"] = json!(children.collect::<Vec<_>>());
    }
    route
}

/// Intervals that hold and that do not, and some that begin or end with the next minute.
fn intervals(at: Timestamp) -> Vec<Value> {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap();
    let mut all = vec![
        json!({"name": "always", "time_intervals": [{}]}),
        json!({"name": "never", "time_intervals": [{"years": ["1990:2000"]}]}),
        json!({"name": "none", "time_intervals": []}),
    ];
    for (zone, written) in [
        ("UTC", None),
        ("UTC", Some("UTC")),
        ("Asia/Kolkata", Some("Asia/Kolkata")),
        ("America/St_Johns", Some("America/St_Johns")),
    ] {
        let local = TimeZone::get(zone).unwrap().to_datetime(at);
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute()) + 1;
        let time = |minute: i32| {
            let minute = minute.clamp(0, 24 * 60);
            format!("{:02}:{:02}", minute / 60, minute % 60)
        };
        let (day, last) = (local.day(), local.date().days_in_month());
        let weekday = format!("{:?}", local.weekday()).to_lowercase();
        let month = local.month();
        let fields = [
            (
                "begins",
                json!({"times": [{"start_time": time(minute.min(1_439)), "end_time": "24:00"}]}),
            ),
            (
                "ends",
                json!({"times": [{"start_time": "00:00", "end_time": time(minute)}]}),
            ),
            ("weekday", json!({"weekdays": [weekday]})),
            ("weekend", json!({"weekdays": ["sunday", "saturday"]})),
            ("day", json!({"days_of_month": [format!("{day}")]})),
            (
                "day_from_end",
                json!({"days_of_month": [format!("{}:-1", day - last - 1)]}),
            ),
            (
                "other_day",
                json!({"days_of_month": [if day > 1 { "1" } else { "2:5" }]}),
            ),
            (
                "month",
                json!({"months": [format!("{month}:12")], "years": ["2000:2100"]}),
            ),
            (
                "other_month",
                json!({"months": [if month > 1 { "january" } else { "may:july" }]}),
            ),
        ];
        for (name, mut field) in fields {
            let name = format!("{name}-{}", written.unwrap_or("default"));
            if let Some(zone) = written {
                field["location"] = json!(zone);
            }
            all.push(json!({"name": name, "time_intervals": [field]}));
        }
    }
    all
}

/// Many configurations in one: each is a route of its own, and takes the alerts that have its number as a label.
fn configuration(
    random: &mut Random,
    configs: usize,
    sink: u16,
    at: Timestamp,
    unit: Duration,
) -> Value {
    let intervals = intervals(at);
    let names: Vec<String> = intervals
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    let (mut routes, mut receivers, mut rules) = (vec![], vec![json!({"name": "nobody"})], vec![]);
    for config in 0..configs {
        routes.push(route(random, config, 0, &names, unit));
        for receiver in 0..3 {
            let hooks = (0..=random.below(2)).map(|integration| {
                let url = format!("http://127.0.0.1:{sink}/{config}-{receiver}/{integration}");
                json!({"url": url, "send_resolved": random.percent(70)})
            });
            let hooks: Vec<_> = hooks.collect();
            receivers
                .push(json!({"name": format!("{config}-{receiver}"), "webhook_configs": hooks}));
        }
        for _ in 0..random.below(3) {
            let own = json!([format!("config=\"{config}\"")]);
            let mut rule = json!({"source_matchers": own, "target_matchers": own});
            matchers(
                random,
                2,
                ["source_matchers", "source_match", "source_match_re"],
                &mut rule,
            );
            matchers(
                random,
                2,
                ["target_matchers", "target_match", "target_match_re"],
                &mut rule,
            );
            rule["equal"] = json!(some(random, &["host", "team", "severity"]));
            rules.push(rule);
        }
    }
    let (old, new) = intervals.split_at(4);
    json!({
        "route": {"receiver": "nobody", "routes": routes},
        "receivers": receivers,
        "inhibit_rules": rules,
        "mute_time_intervals": old,
        "time_intervals": new,
    })
}

/// What happens to an alert: it begins, is told again, or has ended.
struct Event {
    labels: Labels,
    /// In units.
    at: u32,
    started: u32,
    ended: bool,
}

/// What happens to alerts in each unit of time.
fn events(random: &mut Random, configs: usize, units: u32) -> Vec<Event> {
    let mut events = Vec::new();
    for config in 0..configs {
        let mut alerts: Vec<(Labels, Option<u32>)> = Vec::new();
        while alerts.len() < ALERTS {
            let mut labels: Labels = [("config", config.to_string())].into_iter().collect();
            for (name, values) in LABELS {
                let value = random.pick(&values);
                if !value.is_empty() {
                    labels.set(name, *value);
                }
            }
            if !alerts.iter().any(|(other, _)| *other == labels) {
                alerts.push((labels, None));
            }
        }
        for at in 0..units {
            for (labels, since) in &mut alerts {
                let toggles = random.percent(22);
                let (started, ended) = match (*since, toggles) {
                    (None, true) => (at, false),
                    (Some(started), true) => (started, true),
                    // Told again, as Prometheus does.
                    (Some(started), false) if random.percent(30) => (started, false),
                    (_, false) => continue,
                };
                *since = (!ended).then_some(started);
                events.push(Event {
                    labels: labels.clone(),
                    at,
                    started,
                    ended,
                });
            }
        }
    }
    events
}

/// What was told to one integration of one group: in which unit, with which status, and the alerts with theirs.
type Told = BTreeMap<(String, String), Vec<(u32, String, BTreeMap<String, String>)>>;

/// What our dispatcher tells, in invented time.
fn ours(config: &Config, events: &[Event], base: Timestamp, unit: Duration, units: u32) -> Told {
    let settings = config.engine_settings();
    let mut dispatcher = Dispatcher::new(Routing {
        root: settings.route,
        receivers: settings.receivers,
        inhibit_rules: settings.inhibit_rules,
        time_intervals: settings.time_intervals,
        // Alertmanager does not know it.
        flapping: None,
        digests: Vec::new(),
        escalations: settings.escalations,
    });
    let now = |after: Duration| Now {
        wall: base.after(after),
        steady: STEADY + after,
    };
    let mut told = Told::new();
    for at in 0..=units {
        let begin = unit * at;
        // Everything that is due before.
        while let Some(due) = dispatcher.next_due().filter(|due| *due < STEADY + begin) {
            for notification in dispatcher.flush(now(due - STEADY)) {
                let path = format!("/{}/{}", notification.receiver, notification.integration);
                let alerts = notification.alerts.iter().map(|alert| {
                    let status = if alert.is_firing() {
                        "firing"
                    } else {
                        "resolved"
                    };
                    (format!("{:016x}", alert.fingerprint), status.to_owned())
                });
                let slot = u32::try_from((due - STEADY).as_millis() / unit.as_millis()).unwrap();
                let status = notification.status().to_owned();
                let key = (path, notification.group_key.clone());
                told.entry(key)
                    .or_default()
                    .push((slot, status, alerts.collect()));
            }
        }
        for event in events.iter().filter(|event| event.at == at) {
            let alert = Announced {
                fingerprint: event.labels.fingerprint(),
                labels: event.labels.clone(),
                annotations: Labels::default(),
                starts_at: base.after(unit * event.started),
                ended: event
                    .ended
                    .then(|| (base.after(begin), EndReason::Recovered)),
                suppressed: false,
                generator_url: String::new(),
                rule: String::new(),
                alert_type: "threshold_exceeded",
                metric: String::new(),
                stat: String::new(),
                value: None,
                limit: 0.0,
                n: 0,
                evidence: None,
                replaces: None,
                tally: None,
                pace: None,
                onset: Onset::default(),
            };
            dispatcher.update(&Arc::new(alert), now(begin));
        }
    }
    told
}

/// What has arrived: when on the steady clock, at which path, and what.
type Arrived = Arc<Mutex<Vec<(Duration, String, Bytes)>>>;

/// A server that takes everything.
async fn sink(clock: Clock) -> (u16, Arrived) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let arrived = Arrived::default();
    let into = arrived.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let into = into.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let into = into.clone();
                    async move {
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let at = clock.now().steady;
                        into.lock().unwrap().push((at, path, body));
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                    }
                });
                let io = TokioIo::new(stream);
                // A client that goes away is none of our business.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await;
            });
        }
    });
    (port, arrived)
}

fn post(port: u16, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "POST /api/v2/alerts HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What Alertmanager tells of the same; an error where the machine was too slow for it to mean anything.
fn theirs(
    alertmanager: &Peer,
    arrived: &Arrived,
    events: &[Event],
    clock: Clock,
    (begin, base): (Duration, Timestamp),
    (unit, units): (Duration, u32),
) -> Result<Told, String> {
    let tolerated = unit * 4 / 10;
    for at in 0..=units {
        let planned = begin + unit * at;
        std::thread::sleep(clock.until(planned));
        let of_now = events.iter().filter(|event| event.at == at).map(|event| {
            let ends = if event.ended {
                base.after(unit * at)
            } else {
                base.after(Duration::from_secs(600))
            };
            json!({
                "labels": event.labels.as_map(),
                "startsAt": base.after(unit * event.started).to_string(),
                "endsAt": ends.to_string(),
            })
        });
        let body: Vec<_> = of_now.collect();
        if !body.is_empty() {
            let answer = post(alertmanager.port, &Value::from(body).to_string());
            assert!(answer.contains(" 200 OK"), "{answer}");
        }
        let late = clock.now().steady.saturating_sub(planned);
        if late > tolerated {
            return Err(format!("alerts were posted {late:?} late"));
        }
    }
    let mut told = Told::new();
    let end = begin + unit * units;
    for (at, path, body) in arrived.lock().unwrap().iter().filter(|(at, ..)| *at < end) {
        let since = (*at - begin).as_millis();
        let late = since % unit.as_millis();
        let half = unit.as_millis() / 2;
        if !(half..half + tolerated.as_millis()).contains(&late) {
            return Err(format!("a notification came {late} ms after the unit"));
        }
        let body: Value = serde_json::from_slice(body).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let alerts = body["alerts"].as_array().unwrap().iter();
        let alerts = alerts.map(|alert| (text(&alert["fingerprint"]), text(&alert["status"])));
        let slot = u32::try_from(since / unit.as_millis()).unwrap();
        let one = (slot, text(&body["status"]), alerts.collect());
        told.entry((path.clone(), text(&body["groupKey"])))
            .or_default()
            .push(one);
    }
    Ok(told)
}

/// Receivers and keys that two routes have in common.
fn twins(root: &Route) -> BTreeSet<(String, String)> {
    fn walk(
        route: &Route,
        seen: &mut BTreeSet<(String, String)>,
        twins: &mut BTreeSet<(String, String)>,
    ) {
        let one = (route.receiver.clone(), route.key.clone());
        if !seen.insert(one.clone()) {
            twins.insert(one);
        }
        for child in &route.routes {
            walk(child, seen, twins);
        }
    }
    let mut twins = BTreeSet::new();
    walk(root, &mut BTreeSet::new(), &mut twins);
    twins
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dispatcher_tells_the_same_receivers_the_same_as_a_real_alertmanager() {
    let configs = usize::try_from(setting("OPWATCH_ROUTING_CONFIGS", 12)).unwrap();
    let seed = setting("OPWATCH_ROUTING_SEED", 1);
    let folder = std::env::temp_dir().join(format!("opwatch-routing-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut unit = Duration::from_secs(1);
    for attempt in 0..3 {
        let mut random = Random(seed);
        let clock = Clock::start();
        let (port, arrived) = sink(clock).await;
        let units = u32::try_from(RUN.as_millis() / unit.as_millis()).unwrap();
        // Many configurations are worth waiting for: a minute ends in the middle of their run.
        let now = clock.now();
        let wait = match configs {
            0..100 => 0,
            _ => 30_000 + (15_000 - now.wall.millis()).rem_euclid(60_000),
        };
        let wait = Duration::from_millis(u64::try_from(wait).unwrap());
        let at = now.wall.after(wait);
        let configuration = configuration(&mut random, configs, port, at, unit);
        let text = configuration.to_string();
        let file = folder.join("opwatch.yaml");
        fs::write(&file, &text).unwrap();
        let (config, _) = Config::load(&file, &|_| None).unwrap_or_else(|faults| {
            let said: Vec<_> = faults
                .iter()
                .take(5)
                .map(opwatch::document::Fault::brief)
                .collect();
            panic!("{said:#?}");
        });
        let events = events(&mut random, configs, units);
        tokio::time::sleep(clock.until(now.steady + wait)).await;
        let started = clock.now().steady;
        let Some(alertmanager) = Peer::alertmanager(&text) else {
            return;
        };
        // The next whole second but one.
        let now = clock.now();
        let rest = 2_000 - now.wall.millis().rem_euclid(1_000);
        let rest = Duration::from_millis(u64::try_from(rest).unwrap());
        let (begin, base) = (now.steady + rest, now.wall.after(rest));
        let run = ((begin, base), (unit, units));
        let slow = begin + unit * units > started + Duration::from_secs(30);
        let theirs = tokio::task::block_in_place(|| {
            theirs(&alertmanager, &arrived, &events, clock, run.0, run.1)
        });
        let theirs = match theirs {
            Ok(theirs) if !slow => theirs,
            other => {
                let why = other
                    .err()
                    .unwrap_or_else(|| "Alertmanager was slow to start".to_owned());
                println!("attempt {attempt} is no evidence: {why}");
                unit *= 2;
                continue;
            }
        };
        let ours = ours(&config, &events, base, unit, units);
        let count = |told: &Told| told.values().map(Vec::len).sum::<usize>();
        println!(
            "{configs} configurations, {} events, {} groups of integrations: {} notifications of Alertmanager, {} of ours",
            events.len(),
            ours.len(),
            count(&theirs),
            count(&ours)
        );
        assert!(count(&theirs) > configs, "hardly anything was told");
        // Where two routes have the same matchers and the same receiver, they have one log between them in Alertmanager, and
        // which of two groups that are due at the same moment looks at it first is chance.
        let twins = twins(config.route.as_ref().unwrap());
        let is_twin = |(path, group): &(String, String)| {
            twins.iter().any(|(receiver, key)| {
                path.starts_with(&format!("/{receiver}/")) && group.starts_with(&format!("{key}:"))
            })
        };
        let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        let all = keys.len();
        let keys: Vec<_> = keys.into_iter().filter(|key| !is_twin(key)).collect();
        println!(
            "{} of {all} are left out: their routes have twins",
            all - keys.len()
        );
        assert!((all - keys.len()) * 10 < all, "hardly anything is compared");
        let wrong: Vec<String> = keys
            .into_iter()
            .filter(|key| ours.get(*key) != theirs.get(*key))
            .map(|key| {
                format!(
                    "{key:?}\n  ours   {:?}\n  theirs {:?}",
                    ours.get(key),
                    theirs.get(key)
                )
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "{} groups differ, such as\n{}",
            wrong.len(),
            wrong.iter().take(4).cloned().collect::<Vec<_>>().join("\n")
        );
        fs::remove_dir_all(&folder).unwrap();
        return;
    }
    fs::remove_dir_all(&folder).unwrap();
    // Only a machine that is hopelessly slow comes here.
    println!("skipped, the machine does not keep pace with Alertmanager");
}
