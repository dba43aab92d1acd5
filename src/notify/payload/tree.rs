//! A JSON tree whose strings are templates.
//!
//! The tree is built first and filled after, so that no text of a label can change its form.

use serde::Deserialize;
use serde_json::Value;

use super::data;
use crate::document::Place;
use crate::engine::dispatch::Notification;
use crate::engine::template::{Scope, Template, Value as Data};

/// As it is written in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Tree(Value);

impl Tree {
    /// What is wrong with its templates, each with its place below `place`.
    pub fn check(&self, place: &Place, fault: &mut dyn FnMut(Place, &str)) {
        check(&self.0, place, fault);
    }

    /// The tree with every template filled in.
    ///
    /// # Errors
    /// The template that cannot be rendered, and why.
    pub(in crate::notify) fn render(
        &self,
        notification: &Notification,
        external_url: &str,
        max_alerts: usize,
    ) -> Result<Value, String> {
        self.fill(
            data::of(notification, external_url, max_alerts),
            external_url,
        )
    }

    /// The tree with every template filled in from any data.
    ///
    /// # Errors
    /// As [`Tree::render`].
    pub(in crate::notify) fn fill(&self, data: Data, external_url: &str) -> Result<Value, String> {
        let scope = Scope::new(data).external_url(external_url);
        let mut tree = self.0.clone();
        fill(&mut tree, &scope)?;
        Ok(tree)
    }
}

fn check(value: &Value, place: &Place, fault: &mut dyn FnMut(Place, &str)) {
    match value {
        Value::String(text) => {
            if let Err(error) = Template::parse(text, &[]) {
                fault(place.clone(), &format!("template: {error}"));
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                check(value, &place.index(index), fault);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                check(value, &place.key(name), fault);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn fill(value: &mut Value, scope: &Scope<'_>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            let rendered = Template::parse(text, &[]).and_then(|template| template.render(scope));
            *text = rendered.map_err(|error| format!("cannot render {text:?}: {error}"))?;
        }
        Value::Array(values) => {
            for value in values {
                fill(value, scope)?;
            }
        }
        Value::Object(fields) => {
            for value in fields.values_mut() {
                fill(value, scope)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}
