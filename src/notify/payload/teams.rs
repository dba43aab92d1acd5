//! Microsoft Teams: an adaptive card, as workflows that wait for a webhook post it.
//!
//! Form: <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>
//! and <https://adaptivecards.io/explorer/>; messages above 28 KB are refused.

use serde_json::{Value, json};

use super::cut;
use super::outline::{Outline, Told};

const MOST_ALERTS: usize = 20;
const MOST_CHARACTERS: usize = 600;
/// Bytes of a body, with a margin for what is added on its way.
const MOST_BYTES: usize = 24_000;

pub(super) fn body(outline: &Outline<'_>) -> Value {
    let mut most = MOST_ALERTS;
    loop {
        let card = card(outline, most);
        if most <= 1 || card.to_string().len() <= MOST_BYTES {
            return card;
        }
        most -= 1;
    }
}

fn card(outline: &Outline<'_>, most: usize) -> Value {
    let (alerts, left_out) = outline.most(most);
    let colour = if outline.is_firing {
        "attention"
    } else {
        "good"
    };
    let mut elements = vec![json!({
        "type": "TextBlock", "text": escaped(&outline.subject), "size": "large", "weight": "bolder",
        "color": colour, "wrap": true,
    })];
    for told in alerts {
        elements.extend(told_of(told));
    }
    elements.extend(Outline::more(left_out).map(|text| {
        json!({"type": "TextBlock", "text": text, "isSubtle": true, "wrap": true, "separator": true})
    }));
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": elements,
    });
    let links = [
        ("Rule", outline.alerts.first().and_then(Told::link)),
        ("opwatch", Some(outline.external_url)),
    ];
    let actions: Vec<Value> = (links.into_iter())
        .filter_map(|(title, link)| Some((title, link.filter(|link| !link.is_empty())?)))
        .map(|(title, link)| json!({"type": "Action.OpenUrl", "title": title, "url": link}))
        .collect();
    if let (false, Some(content)) = (actions.is_empty(), content.as_object_mut()) {
        content.insert("actions".to_owned(), actions.into());
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": content,
        }],
    })
}

fn told_of(told: &Told<'_>) -> [Value; 2] {
    let colour = if told.alert.is_firing() {
        "attention"
    } else {
        "good"
    };
    let facts: Vec<Value> = (told.rows())
        .map(|(name, text)| json!({"title": escaped(name), "value": escaped(&cut(text, MOST_CHARACTERS))}))
        .collect();
    [
        json!({
            "type": "TextBlock", "text": escaped(&told.title()), "weight": "bolder", "color": colour,
            "wrap": true, "separator": true,
        }),
        json!({"type": "FactSet", "facts": facts}),
    ]
}

/// Text in which nothing is a link or emphasis, whatever a label holds: cards read a part of Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '[' | ']' | '*' | '`') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
