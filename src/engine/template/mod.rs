//! The templates of alert labels, annotations and messages: the subset of Go's `text/template`
//! that Prometheus' alert templates use, with Prometheus' functions.
//!
//! Renderings follow Go's `text/template` and `fmt` and Prometheus' `template/template.go` to the letter, with
//! these differences: a value that is missing prints as an empty string, never as `<no value>`; an assignment to an
//! unknown variable is found when the template is parsed; and rendering is bounded in output, work and depth.
//! Pure: no input or output, no clock, no logging.
//!
//! ```
//! use opwatch::engine::template::{Scope, Template, Value};
//!
//! let template = Template::parse(
//!     "{{ $labels.algorithm }} p95 {{ humanizeDuration $value }}, limit {{ humanizeDuration $threshold }}",
//!     &["labels", "value", "threshold"],
//! )?;
//! let scope = Scope::new(Value::Nil)
//!     .bind("labels", Value::strings([("algorithm", "iforest")]))
//!     .bind("value", 12.345)
//!     .bind("threshold", 10.0);
//! assert_eq!(template.render(&scope)?, "iforest p95 12.35s, limit 10s");
//! # Ok::<(), opwatch::engine::template::TemplateError>(())
//! ```

mod compare;
mod error;
mod eval;
mod float;
mod format;
mod functions;
mod humanize;
mod lex;
mod literal;
mod parse;
mod pattern;
mod text;
mod time;
mod tree;
mod value;

use std::fmt;
use std::sync::Arc;

pub use error::{Place, TemplateError};
pub use value::{Map, MapKind, QuerySample, Value};

/// The variables that Prometheus binds in templates of alerts.
pub const ALERT_VARIABLES: [&str; 4] = ["labels", "externalLabels", "externalURL", "value"];

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    source: Arc<str>,
    /// `None` for a template without actions, which is its own output.
    tree: Option<Arc<parse::Tree>>,
}

/// Answers an instant query of a template, or says why it cannot.
pub type Query<'a> = &'a dyn Fn(&str) -> Result<Vec<QuerySample>, String>;

/// What a template sees while it is rendered.
#[derive(Clone, Default)]
pub struct Scope<'a> {
    dot: Value,
    variables: Vec<(&'a str, Value)>,
    external_url: &'a str,
    query: Option<Query<'a>>,
}

impl Template {
    /// Parses a template that may use the given top-level variables, named without their `$`.
    ///
    /// # Errors
    ///
    /// The first fault with its place: malformed syntax, a function that does not exist or a variable that is neither
    /// among `variables` nor declared before its use.
    pub fn parse(source: &str, variables: &[&str]) -> Result<Self, TemplateError> {
        let tree = if source.contains("{{") {
            Some(Arc::new(parse::parse(source, variables)?))
        } else {
            None
        };
        Ok(Self {
            source: source.into(),
            tree,
        })
    }

    /// The template as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the template has no actions, so that it always renders to its own text.
    pub fn is_constant(&self) -> bool {
        self.tree.is_none()
    }

    /// Whether the output may depend on the variable `name`, say `value`: on `$value` itself, on the field `.Value` of
    /// the data, or on all the data at once.
    pub fn uses(&self, name: &str) -> bool {
        let Some(tree) = &self.tree else {
            return false;
        };
        let mut characters = name.chars();
        let initial = characters.next().map(|first| first.to_ascii_uppercase());
        let field: String = initial.into_iter().chain(characters).collect();
        let reference = tree::Reference {
            variable: &format!("${name}"),
            field: &field,
        };
        reference.in_nodes(&tree.root, true)
            || tree
                .definitions
                .values()
                .any(|nodes| reference.in_nodes(nodes, false))
    }

    /// Renders the template.
    ///
    /// # Errors
    ///
    /// The action that failed with its place, or the limit that the template exceeds: 64 KiB of output, an amount of
    /// work, or levels of nested templates.
    pub fn render(&self, scope: &Scope<'_>) -> Result<String, TemplateError> {
        match &self.tree {
            None => Ok(self.source.to_string()),
            Some(tree) => eval::render(tree, &self.source, scope),
        }
    }

    /// Renders the template, or gives the text that Prometheus puts in its place when it fails.
    pub fn expand(&self, scope: &Scope<'_>) -> String {
        self.render(scope)
            .unwrap_or_else(|error| error.placeholder())
    }
}

impl<'a> Scope<'a> {
    /// A scope with `data` as dot, and no variables but `$`.
    pub fn new(data: Value) -> Self {
        Self {
            dot: data,
            ..Self::default()
        }
    }

    /// The scope of a template of an alert in Prometheus: the data with the fields `Labels`, `ExternalLabels`,
    /// `ExternalURL` and `Value`, and the same in [`ALERT_VARIABLES`].
    pub fn alert(labels: Value, external_labels: Value, external_url: &'a str, value: f64) -> Self {
        let data = Value::record([
            ("Labels", labels.clone()),
            ("ExternalLabels", external_labels.clone()),
            ("ExternalURL", external_url.into()),
            ("Value", value.into()),
        ]);
        Self::new(data)
            .bind("labels", labels)
            .bind("externalLabels", external_labels)
            .bind("externalURL", external_url)
            .bind("value", value)
            .external_url(external_url)
    }

    /// Binds a variable, named without its `$`; a later binding hides an earlier one.
    #[must_use]
    pub fn bind(mut self, name: &'a str, value: impl Into<Value>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Sets the URL that the functions `externalURL` and `pathPrefix` show; empty by default.
    #[must_use]
    pub fn external_url(mut self, url: &'a str) -> Self {
        self.external_url = url;
        self
    }

    /// Sets what answers the function `query`; without it every result is empty.
    #[must_use]
    pub fn query(mut self, query: Query<'a>) -> Self {
        self.query = Some(query);
        self
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Scope")
            .field("dot", &self.dot)
            .field("variables", &self.variables)
            .field("external_url", &self.external_url)
            .field("query", &self.query.is_some())
            .finish()
    }
}
