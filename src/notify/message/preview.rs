//! Mails as people see them, for `tests/mail/preview`, which photographs them; and what holds for each of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{html, text};
use crate::engine::dispatch::{Announced, Course, Notification, NotifyReason};
use crate::engine::incident::Tale;
use crate::engine::tally::Tally;
use crate::notify::fixture;

const URL: &str = "http://opwatch.example.org";
/// Gmail cuts off what is longer.
const MOST_BYTES: usize = 102_000;

fn course(alert: &Announced, is_rough: bool) -> Course {
    let shape = [
        1.2, 1.3, 1.1, 1.2, 1.4, 1.3, 1.2, 1.1, 1.3, 1.2, 1.3, 1.2, 1.2, 1.5, 4.0, 9.0, 12.0, 11.0,
        12.5, 12.4, 11.8, 12.2, 12.5, 12.5,
    ];
    let values = shape.iter().enumerate().map(|(place, value)| {
        let is_there = !(is_rough && place % 5 == 2);
        is_there.then_some(if is_rough { 14.0 - value } else { *value })
    });
    Course {
        fingerprint: alert.fingerprint,
        step: Duration::from_secs(150),
        to: fixture::start().after(Duration::from_secs(900)),
        values: values.collect(),
        usual: Some((1.1, 1.9)),
    }
}

fn firing(operation: &str) -> Arc<Announced> {
    let mut alert = Announced::clone(&fixture::firing(operation));
    alert.annotations.set("summary", "The slowest twentieth of the detections takes longer than agreed with the users of the service.");
    alert.annotations.set(
        "runbook_url",
        "https://runbooks.example.org/detection/slow-detections-of-the-isolation-forest.html",
    );
    alert.tally = Some(Tally {
        evaluations: 61,
        values: 1_000,
        first: fixture::start(),
        last: fixture::start().after(Duration::from_secs(900)),
        worst: Some(31.5),
    });
    Arc::new(alert)
}

fn with_courses(alerts: &[Arc<Announced>]) -> Notification {
    let mut notification = fixture::notification(alerts);
    let shown = alerts.iter().take(8).enumerate();
    notification.courses = shown
        .map(|(place, one)| course(one, place % 2 == 1))
        .collect();
    notification
}

fn all() -> Vec<(&'static str, Notification)> {
    let mut resolved = Announced::clone(&firing("detect"));
    resolved.ended = fixture::resolved("detect").ended;
    resolved.value = Some(1.3);
    let mut ended = with_courses(&[Arc::new(resolved)]);
    ended.reason = NotifyReason::AllResolved;
    let many = (0..30).map(|number| firing(&format!("operation-{number}")));
    let mut incident =
        with_courses(&[firing("detect"), firing("train"), fixture::resolved("load")]);
    incident.incidents = vec![Tale {
        id: 0xb2,
        since: fixture::start(),
        ended_at: None,
        alerts: 3,
        firing: 2,
        operations: 3,
        members: Vec::new(),
    }];
    let mut hostile = Announced::clone(&firing("x"));
    hostile.rule = "</td></table><script>alert(1)</script>\u{202e}lairetam".to_owned();
    hostile.labels.set("operation", "x".repeat(200));
    hostile
        .labels
        .set("path", "<img src=x onerror=alert(1)>\r\nBcc: x@example.org");
    hostile.annotations.set(
        "summary",
        "עברית 日本語 👩\u{200d}👩\u{200d}👧\u{200d}👦 \u{202e}txt.exe\u{2028}FIRING fake",
    );
    hostile.annotations.set("link", "javascript:alert(1)");
    hostile
        .annotations
        .set("page", "http://a/\"onmouseover=\"alert(1)");
    vec![
        ("firing", with_courses(&[firing("detect")])),
        ("resolved", ended),
        ("many", with_courses(&many.collect::<Vec<_>>())),
        ("incident", incident),
        ("hostile", with_courses(&[Arc::new(hostile)])),
    ]
}

#[test]
fn every_mail_is_whole_and_short_enough_to_be_shown_whole() {
    let folder = std::env::var("OPWATCH_MAIL_PREVIEW").ok();
    for (name, notification) in all() {
        let page = html(&notification, URL);
        assert!(page.len() < MOST_BYTES, "{name}: {} bytes", page.len());
        for tag in [
            "table", "tr", "td", "p", "h2", "h3", "span", "a", "html", "body",
        ] {
            let opened = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(
                opened,
                page.matches(&format!("</{tag}>")).count(),
                "{name}: {tag}"
            );
        }
        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{name}"
        );
        assert_eq!(
            page.matches("bgcolor").count() > 0,
            !notification.courses.is_empty()
        );
        let said = text(&notification, URL);
        let courses = said.lines().filter(|line| line.starts_with("  course: "));
        assert!(
            courses.clone().all(|line| line.chars().count() <= 78),
            "{said}"
        );
        assert_eq!(courses.count(), notification.courses.len(), "{said}");
        if let Some(folder) = &folder {
            let folder = Path::new(folder);
            std::fs::write(folder.join(format!("{name}.html")), page).unwrap();
            std::fs::write(folder.join(format!("{name}.txt")), said).unwrap();
        }
    }
}
