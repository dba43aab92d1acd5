//! What a message to people says: what happened, how far off, since when, compared with what.

mod course;
mod grounds;
mod html;
mod incident;
pub(crate) mod reason;
mod subject;

use std::collections::BTreeMap;
use std::time::Duration;

use self::grounds::{compared, found, tallied};
use self::html::Html;
pub use self::subject::subject;
use crate::engine::action::ALERT_TYPE as ACTION_FAILED;
use crate::engine::condition::{Evidence, Pace, percent};
use crate::engine::dispatch::{Announced, Notification};
use crate::engine::metric::{Metric, Worse};
use crate::engine::series::Labels;
use crate::engine::time::Timestamp;
use crate::shown::amount;

/// The name of the alert type that says data is missing.
const NO_DATA: &str = "no_data";
/// The name of the alert type that says a rule fails.
const RULE_ERROR: &str = "rule_error";
/// The name of the alert type that says an operation is missing.
const ABSENCE: &str = "absence";

/// What all of several label sets have in common.
pub(super) fn common<'a>(mut sets: impl Iterator<Item = &'a Labels>) -> BTreeMap<&'a str, &'a str> {
    let mut shared: BTreeMap<_, _> = sets.next().into_iter().flat_map(Labels::iter).collect();
    for labels in sets {
        shared.retain(|name, value| labels.get(name) == *value);
    }
    shared
}

/// Whether an alert compares a value with a limit.
pub(super) fn has_limit(alert: &Announced) -> bool {
    ![NO_DATA, RULE_ERROR, ACTION_FAILED].contains(&alert.alert_type) && alert.limit.is_finite()
}

/// By how many percent the value is worse than the limit, or than the baseline where there is one, positive in the
/// direction in which the metric gets worse; `None` where that cannot be said: for unknown scores, a limit or baseline of
/// zero, and where there is no value.
pub(super) fn degradation_percent(alert: &Announced) -> Option<f64> {
    let over = match alert.evidence {
        Some(evidence) => evidence.change.map(|change| change * 100.0)?,
        None => percent_over(alert)?,
    };
    match Metric::named(&alert.metric).worse()? {
        Worse::Up => Some(over),
        Worse::Down => Some(-over),
    }
}

/// By how many percent the value is over the limit; negative if it is under it.
fn percent_over(alert: &Announced) -> Option<f64> {
    let value = alert
        .value
        .filter(|_| has_limit(alert) && alert.limit != 0.0)?;
    let percent = (value - alert.limit) / alert.limit.abs() * 100.0;
    percent.is_finite().then_some(percent)
}

/// One alert as rows of a name and what there is to say.
pub(super) struct Account<'a> {
    /// The rule's name, with the severity.
    pub(super) title: String,
    firing: bool,
    /// `what` comes first.
    pub(super) rows: Vec<(&'a str, Cell<'a>)>,
}

/// What a row says.
pub(super) enum Cell<'a> {
    Text(String),
    Link(&'a str),
}

impl Cell<'_> {
    /// As plain text.
    pub(super) fn text(&self) -> &str {
        match self {
            Cell::Text(text) => text,
            Cell::Link(url) => url,
        }
    }
}

/// What a notification is to say of one of its alerts.
pub(super) fn account<'a>(alert: &'a Announced, notification: &'a Notification) -> Account<'a> {
    let at = notification.at;
    let labels = &alert.labels;
    let severity = labels.get("severity");
    let mut title = alert.rule.clone();
    // Many alerts of one message may be of the same rule.
    let operation = alert.labels.get("operation");
    if !operation.is_empty() {
        title = format!("{title} {operation}");
    }
    if !severity.is_empty() {
        title = format!("{title} ({severity})");
    }
    let text = |text: String| Cell::Text(text);
    let mut rows = vec![("what", text(what(alert)))];
    match alert.ended {
        None => {
            let lasted = amount::span(at.since(alert.starts_at));
            rows.push((
                "since",
                text(format!("{} ({lasted})", moment(alert.starts_at))),
            ));
        }
        Some((ended, _)) => {
            rows.push(("started", text(moment(alert.starts_at))));
            let lasted = amount::span(ended.since(alert.starts_at));
            rows.push(("ended", text(format!("{} (after {lasted})", moment(ended)))));
        }
    }
    rows.push(("why", text(reason::why(alert, notification))));
    let remark = notification.remarks.get(&alert.fingerprint);
    let remark = remark.filter(|_| alert.is_firing());
    if let Some(one) = remark.and_then(|remark| remark.acknowledged.as_deref()) {
        rows.push(("looked after", text(reason::acknowledged(one))));
    }
    if let Some(remark) = remark.filter(|remark| !remark.link.is_empty()) {
        rows.push(("acknowledge", Cell::Link(&remark.link)));
    }
    if ![NO_DATA, RULE_ERROR, ABSENCE, ACTION_FAILED].contains(&alert.alert_type) {
        let plural = if alert.n == 1 { "" } else { "s" };
        let rests_on = match alert.evidence.and_then(|evidence| evidence.feature) {
            Some(_) => format!("{} block{plural}", alert.n),
            None => format!("{} value{plural}", alert.n),
        };
        rows.push(("rests on", text(rests_on)));
    }
    if let Some(tally) = alert.tally.filter(|_| alert.alert_type != ABSENCE) {
        rows.push(("found", text(tallied(alert, tally))));
    }
    if let Some(found) = alert.evidence.and_then(|evidence| found(alert, evidence)) {
        rows.push(("what changed", text(found)));
    } else if let Some(compared) = alert
        .evidence
        .and_then(|evidence| compared(alert, evidence))
    {
        rows.push(("compared with", text(compared)));
    }
    rows.push(("type", text(alert.alert_type.to_owned())));
    let annotations = alert.annotations.iter();
    rows.extend(annotations.map(|(name, value)| {
        let cell = if is_web_link(value) {
            Cell::Link(value)
        } else {
            text(value.to_owned())
        };
        (name, cell)
    }));
    rows.push(("labels", text(labels.to_string())));
    if !alert.generator_url.is_empty() {
        rows.push(("rule", Cell::Link(&alert.generator_url)));
    }
    Account {
        title,
        firing: alert.is_firing(),
        rows,
    }
}

/// What was measured, how far off it is and what it is compared with.
fn what(alert: &Announced) -> String {
    let metric = Metric::named(&alert.metric);
    let own = metric
        .own_stat()
        .is_some_and(|stat| stat.to_string() == alert.stat);
    let measured = if own || alert.stat.is_empty() {
        alert.metric.clone()
    } else {
        format!("{} of {}", alert.stat, alert.metric)
    };
    let verb = |now, then| if alert.is_firing() { now } else { then };
    match alert.alert_type {
        NO_DATA => return format!("there {} no data of {}", verb("is", "was"), alert.metric),
        RULE_ERROR => {
            let cannot = verb("cannot", "could not");
            return format!("the rule {cannot} be evaluated");
        }
        ACTION_FAILED => {
            let has = verb("has", "had");
            return format!("the action for {} {has} not helped", alert.metric);
        }
        ABSENCE => return missing(alert),
        _ => {}
    }
    let amount = |number| amount(alert, number);
    let is = match alert.pace {
        None => verb("is", "was at last"),
        Some(_) => verb("changes by", "changed at last by"),
    };
    let Some(value) = alert.value else {
        return format!("{measured} {} no value", verb("has", "had"));
    };
    if !has_limit(alert) {
        return format!("{measured} {is} {}", amount(value));
    }
    let is_found = |evidence: Evidence| evidence.baseline.is_some() && evidence.feature.is_some();
    let against = match alert.alert_type {
        // A detector knows no limit, but what is usual, or what of the past is most like an anomaly.
        "anomaly_detected" if alert.evidence.is_some_and(is_found) => "the nearest known value",
        _ if alert.evidence.is_some_and(is_found) => "the usual",
        "anomaly_detected" => "the end of the normal range",
        _ => "the limit",
    };
    let limit = amount(alert.limit);
    let distance = match percent_over(alert) {
        Some(percent) if percent >= 0.05 => format!("{percent:.1}% over {against} of {limit}"),
        Some(percent) if percent <= -0.05 => format!("{:.1}% under {against} of {limit}", -percent),
        _ if value > alert.limit => format!("over {against} of {limit}"),
        _ if value < alert.limit => format!("under {against} of {limit}"),
        _ => format!("at {against}"),
    };
    format!("{measured} {is} {}, {distance}", amount(value))
}

/// A value or a limit of an alert in its unit: `1.5s`, of a slope `+3.1 % a day` or `+50ms a day`.
fn amount(alert: &Announced, number: f64) -> String {
    let metric = Metric::named(&alert.metric);
    match alert.pace {
        None => amount::of(&metric, &alert.stat, number),
        Some(Pace::Relative) => format!("{} a day", percent(number)),
        Some(Pace::Absolute) => {
            let sign = if number < 0.0 { '-' } else { '+' };
            let size = amount::of(&metric, &alert.stat, number.abs());
            format!("{sign}{size} a day")
        }
    }
}

/// How long an operation has been missing, and when it should have come.
fn missing(alert: &Announced) -> String {
    let seconds =
        |seconds: f64| amount::span(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let limit = seconds(alert.limit);
    let Some(value) = alert.value.map(seconds) else {
        return format!("an operation is expected at least every {limit}");
    };
    let is_back = alert.value.is_some_and(|value| value <= alert.limit);
    let seen = match (alert.is_firing(), alert.n) {
        (true, 0) => format!("never seen in {value}"),
        (true, _) => format!("last seen {value} ago"),
        (false, _) if is_back => format!("seen again {value} before the end"),
        (false, 0) => format!("had never been seen in {value}"),
        (false, _) => format!("had last been seen {value} before the end"),
    };
    format!("{seen}, expected at least every {limit}")
}

/// A moment in UTC, to the second, for people.
fn moment(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Whether a text is a link that may be shown as one.
pub(super) fn is_web_link(text: &str) -> bool {
    let web = text.starts_with("http://") || text.starts_with("https://");
    web && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Text of one line each: what a label holds must not look like another row, nor turn around what stands behind it.
pub(super) fn line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.trim_end()
        .replace(breaks, " ")
        .replace(turns, "\u{fffd}")
}

/// Whether a character changes the direction of what follows, until another one or for good.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The course of an alert in one line of text, where the notification has it.
pub(super) fn course_line(alert: &Announced, notification: &Notification) -> Option<String> {
    course::of(notification, alert).map(|course| course.line())
}

/// The body as plain text.
pub fn text(notification: &Notification, external_url: &str) -> String {
    let mut out = format!("{}\n", reason::headline(notification));
    if let Some(head) = incident::head(notification) {
        out += &format!("{head}\n");
    }
    for alert in &notification.alerts {
        let account = account(alert, notification);
        let status = if account.firing { "FIRING" } else { "RESOLVED" };
        out += &format!("\n{status} {}\n", line(&account.title));
        let mut row = |name: &str, said: &str| {
            out += &format!("  {:<10} {said}\n", format!("{name}:"));
        };
        for (number, (name, cell)) in account.rows.iter().enumerate() {
            // After what happened, and before all the rest of it.
            if let (1, Some(course)) = (number, course::of(notification, alert)) {
                row("course", &course.line());
                row("over", &course.caption());
            }
            row(name, &line(cell.text()));
        }
    }
    out += &format!("\nSent by opwatch to {}", line(&notification.receiver));
    if !external_url.is_empty() {
        out += &format!(", {external_url}");
    }
    out.push('\n');
    out
}

/// The body as HTML, with its styles inline as mail programs want them.
pub fn html(notification: &Notification, external_url: &str) -> String {
    let mut out = Html::document(&subject(notification));
    out.element("h2", html::HEADLINE, &reason::headline(notification));
    if let Some(head) = incident::head(notification) {
        out.element("p", html::INCIDENT, &head);
    }
    for alert in &notification.alerts {
        let account = account(alert, notification);
        let (status, style) = match account.firing {
            true => ("FIRING", html::FIRING),
            false => ("RESOLVED", html::RESOLVED),
        };
        out.open("h3", html::TITLE);
        out.element("span", style, status);
        out.text(" ");
        out.text(&account.title);
        out.close();
        if let Some(course) = course::of(notification, alert) {
            out.raster(&course.raster());
            out.element(
                "p",
                html::CAPTION,
                &format!("{}; {}", course.range(), course.caption()),
            );
        }
        out.open("table", html::TABLE);
        for (name, cell) in &account.rows {
            out.open("tr", "");
            out.element("td", html::NAME, name);
            out.open("td", html::VALUE);
            match cell {
                Cell::Link(url) if is_web_link(url) => out.link(url),
                Cell::Link(text) => out.text(text),
                Cell::Text(text) => out.text(text),
            }
            out.close();
            out.close();
        }
        out.close();
    }
    out.open("p", html::FOOT);
    out.text("Sent by opwatch to ");
    out.text(&notification.receiver);
    if is_web_link(external_url) {
        out.text(", ");
        out.link(external_url);
    }
    out.finish()
}

#[cfg(test)]
mod preview;
#[cfg(test)]
mod tests;
