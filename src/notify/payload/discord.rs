//! Discord: an embed for each alert, in the colour of its state.
//!
//! Form and bounds: <https://discord.com/developers/docs/resources/webhook#execute-webhook> and
//! <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>.

use serde_json::{Value, json};

use super::cut;
use super::outline::{Outline, Told};

const MOST_EMBEDS: usize = 10;
/// Characters of all embeds together are at most 6000.
const MOST_TOGETHER: usize = 5_800;
const MOST_CONTENT: usize = 1_900;
const MOST_TITLE: usize = 256;
const MOST_DESCRIPTION: usize = 1_000;
const MOST_VALUE: usize = 500;
const MOST_FIELDS: usize = 25;
/// Characters up to which fields stand beside each other.
const SHORT: usize = 40;

pub(super) fn body(outline: &Outline<'_>) -> Value {
    let (alerts, mut left_out) = outline.most(MOST_EMBEDS);
    let (mut embeds, mut together) = (Vec::new(), 0);
    for told in alerts {
        let (embed, characters) = embed(told);
        together += characters;
        if together > MOST_TOGETHER && !embeds.is_empty() {
            left_out += 1;
        } else {
            embeds.push(embed);
        }
    }
    let mut content = cut(&outline.subject, MOST_CONTENT);
    if let Some(more) = Outline::more(left_out) {
        content += &format!(" ({more})");
    }
    json!({
        "content": escaped(&content),
        "embeds": embeds,
        // Nobody is called by what stands in a label.
        "allowed_mentions": {"parse": []},
    })
}

/// An embed, and how many characters of it count.
fn embed(told: &Told<'_>) -> (Value, usize) {
    let title = cut(&escaped(&told.title()), MOST_TITLE);
    let mut characters = title.chars().count() + "opwatch".len();
    let mut description = String::new();
    let mut fields = Vec::new();
    for (name, text) in told.rows() {
        if name == "what" {
            description = cut(&escaped(text), MOST_DESCRIPTION);
            characters += description.chars().count();
            continue;
        }
        // An empty value is refused.
        if fields.len() == MOST_FIELDS || text.trim().is_empty() {
            continue;
        }
        let (name, value) = (
            cut(&escaped(name), MOST_TITLE),
            cut(&escaped(text), MOST_VALUE),
        );
        let length = value.chars().count();
        characters += name.chars().count() + length;
        fields.push(json!({"name": name, "value": value, "inline": length <= SHORT}));
    }
    let mut embed = json!({
        "title": title,
        "description": description,
        "color": if told.alert.is_firing() { 0xb0_00_20 } else { 0x1b_6e_3c },
        "fields": fields,
        "timestamp": told.alert.starts_at.to_string(),
        "footer": {"text": "opwatch"},
    });
    if let (Some(link), Some(embed)) = (told.link(), embed.as_object_mut()) {
        embed.insert("url".to_owned(), link.into());
    }
    (embed, characters)
}

/// Text in which nothing is Markdown, whatever a label holds.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(
            character,
            '\\' | '*' | '_' | '~' | '`' | '|' | '[' | ']' | '<' | '>'
        ) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
