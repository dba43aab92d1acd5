//! Slack: an attachment for each alert, in the colour of its state.
//!
//! Form and bounds: <https://api.slack.com/messaging/webhooks> and
//! <https://api.slack.com/reference/messaging/attachments>.

use serde_json::{Value, json};

use super::cut;
use super::outline::{Outline, Told};

/// Attachments of one message, of which more are a wall of text.
const MOST_ALERTS: usize = 20;
/// Characters of a value; far below what is taken, so that a message stays one.
const MOST_CHARACTERS: usize = 1_000;
/// Characters up to which two fields stand beside each other.
const SHORT: usize = 40;

pub(super) fn body(outline: &Outline<'_>) -> Value {
    let (alerts, left_out) = outline.most(MOST_ALERTS);
    let mut attachments: Vec<Value> = alerts.map(attachment).collect();
    attachments.extend(Outline::more(left_out).map(|text| json!({"text": text, "fallback": text})));
    json!({
        "text": escaped(&outline.subject),
        "attachments": attachments,
    })
}

fn attachment(told: &Told<'_>) -> Value {
    let title = escaped(&told.title());
    let mut what = String::new();
    let mut fields = Vec::new();
    for (name, text) in told.rows() {
        let text = escaped(&cut(text, MOST_CHARACTERS));
        if name == "what" {
            what = text;
        } else {
            let is_short = text.chars().count() <= SHORT;
            fields.push(json!({"title": escaped(name), "value": text, "short": is_short}));
        }
    }
    let mut attachment = json!({
        "fallback": format!("{title}: {what}"),
        "color": if told.alert.is_firing() { "#b00020" } else { "#1b6e3c" },
        "title": title,
        "text": what,
        "fields": fields,
        // What a label holds is text and no formatting.
        "mrkdwn_in": [],
        "footer": "opwatch",
        "ts": told.alert.starts_at.millis().div_euclid(1_000),
    });
    if let (Some(link), Some(attachment)) = (told.link(), attachment.as_object_mut()) {
        attachment.insert("title_link".to_owned(), link.into());
    }
    attachment
}

/// The three characters by which Slack knows links and mentions.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
