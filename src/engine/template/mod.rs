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
pub(in crate::engine) mod humanize;
mod lex;
mod literal;
mod parse;
mod pattern;
mod text;
mod time;
mod token;
mod tools;
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
        let all = tree::Whole {
            dot: true,
            dollar: true,
        };
        // Inside a definition, dot and `$` are what it is called with.
        let called = tree::calls_with_all(&tree.root, all);
        let given = tree::Whole {
            dot: called,
            dollar: called,
        };
        reference.in_nodes(&tree.root, all)
            || (tree.definitions.values()).any(|nodes| reference.in_nodes(nodes, given))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VARIABLES: [&str; 6] = [
        "labels",
        "externalLabels",
        "externalURL",
        "value",
        "threshold",
        "n",
    ];

    fn samples(expression: &str) -> Result<Vec<QuerySample>, String> {
        let sample = |instance: &str, value| QuerySample {
            labels: [("instance".to_owned(), instance.to_owned())].into(),
            value,
        };
        match expression {
            "none" => Ok(vec![]),
            "bad" => Err("cannot parse query".to_owned()),
            "text" => Ok(vec![QuerySample {
                labels: [("__value__".to_owned(), "a".to_owned())].into(),
                value: 0.0,
            }]),
            _ => Ok(vec![sample("b", 21.0), sample("a", 11.0)]),
        }
    }

    fn scope() -> Scope<'static> {
        let labels = Value::strings([("instance", "host-1:80"), ("job", "<train>")]);
        let external = Value::strings([("cluster", "eu-1")]);
        Scope::alert(
            labels,
            external,
            "http://testhost:9090/path/prefix",
            135.3563,
        )
        .bind("threshold", 10.0)
        .bind("n", 42_i64)
        .query(&samples)
    }

    fn check(cases: &[(&str, &str)]) {
        for (source, expected) in cases {
            let template = Template::parse(source, &VARIABLES);
            let rendered = template.and_then(|template| template.render(&scope()));
            assert_eq!(rendered.as_deref(), Ok(*expected), "{source}");
        }
    }

    #[test]
    fn known_renderings_of_prometheus() {
        check(&[
            (
                "{{ humanize 1048576 }} {{ humanize1024 1048576 }}",
                "1.049M 1Mi",
            ),
            ("{{ humanizeDuration 135.3563 }}", "2m 15s"),
            ("{{ humanizePercentage 0.959 }}", "95.9%"),
            (
                "{{ humanizeTimestamp 1643114203 }}",
                "2022-01-25 12:36:43 +0000 UTC",
            ),
            ("{{ parseDuration \"2h10m15s\" }}", "7815"),
            ("{{ stripPort \"[::1]:6006\" }}", "::1"),
            ("{{ humanize \"1234567.0\" }} {{ humanize 1 }}", "1.235M 1"),
            (
                "{{ printf \"%0.2f\" (parseDuration \"1h2m10ms\") }}",
                "3720.01",
            ),
            (
                "{{ 1435065584.128 | humanizeTimestamp }}",
                "2015-06-23 13:19:44.128 +0000 UTC",
            ),
            ("{{ (1435065584.128 | toTime).Format \"2006\" }}", "2015"),
        ]);
    }

    #[test]
    fn data_and_variables_of_an_alert() {
        check(&[
            ("plain text", "plain text"),
            ("{{ 1 }}", "1"),
            (
                "{{ $labels.instance }} {{ .Labels.job }}",
                "host-1:80 <train>",
            ),
            ("{{ $value }} {{ .Value }}", "135.3563 135.3563"),
            (
                "{{ $externalLabels.cluster }} {{ .ExternalLabels.cluster }}",
                "eu-1 eu-1",
            ),
            (
                "{{ $externalURL }} {{ .ExternalURL }} {{ externalURL }} {{ pathPrefix }}",
                "http://testhost:9090/path/prefix http://testhost:9090/path/prefix http://testhost:9090/path/prefix /path/prefix",
            ),
            (
                "p95 {{ humanizeDuration $value }}, limit {{ humanizeDuration $threshold }}, {{ $n }} runs",
                "p95 2m 15s, limit 10s, 42 runs",
            ),
            (
                "[{{ $labels.absent }}{{ .Labels.absent }}{{ $externalLabels.absent }}]",
                "[]",
            ),
            ("{{ if eq $labels.absent \"\" }}none{{ end }}", "none"),
            (
                "{{ range $name, $text := $labels }}{{ $name }}={{ $text }};{{ end }}",
                "instance=host-1:80;job=<train>;",
            ),
            (
                "{{ with $labels.job }}{{ . | toUpper | printf \"%q\" }}{{ end }}",
                "\"<TRAIN>\"",
            ),
            ("{{ if gt $value 100.0 }}high{{ else }}low{{ end }}", "high"),
        ]);
    }

    #[test]
    fn functions_of_prometheus() {
        check(&[
            (
                "{{define \"x\"}}{{.arg0}} {{.arg1}}{{end}}{{template \"x\" (args 1 \"2\")}}",
                "1 2",
            ),
            ("{{ query \"metric\" | first | value }}", "21"),
            ("{{ query \"metric\" | first | label \"instance\" }}", "b"),
            ("[{{ query \"metric\" | first | label \"foo\" }}]", "[]"),
            ("{{ query \"text\" | first | strvalue }}", "a"),
            (
                "[{{ $x := query \"metric\" | first }}{{ $x.Labels.foo }}]",
                "[]",
            ),
            (
                "{{ range query \"metric\" | sortByLabel \"instance\" }}{{.Labels.instance}}:{{.Value}}: {{end}}",
                "a:11: b:21: ",
            ),
            (
                "{{ with query \"none\" }}some{{ else }}none{{ end }}",
                "none",
            ),
            ("{{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}", "xa"),
            (
                "{{ match \"a+\" \"aa\" }} {{ match \"a+\" \"b\" }}",
                "true false",
            ),
            (
                "{{ \"aa bb CC\" | title }} {{ toUpper \"aB\" }} {{ toLower \"aB\" }}",
                "Aa Bb CC AB ab",
            ),
            (
                "{{ stripPort $labels.instance }} {{ \"foo.example.com:12345\" | stripDomain }}",
                "host-1 foo:12345",
            ),
            (
                "{{ graphLink \"up\" }} {{ tableLink \"up\" }}",
                "/graph?g0.expr=up&g0.tab=0 /graph?g0.expr=up&g0.tab=1",
            ),
            (
                "{{ \"<b>\" | safeHtml }}{{ \"<b>\" }}{{ html \"<b>\" }}",
                "<b><b>&lt;b&gt;",
            ),
            (
                "{{ define \"a\" }}x{{ . }}{{ end }}{{ $name := \"a\" }}{{ tmpl $name 1 | toUpper }}",
                "X1",
            ),
        ]);
    }

    #[test]
    fn without_a_provider_optional_functions_are_empty() {
        let source = "[{{ range query \"up\" }}x{{ end }}{{ externalURL }}{{ pathPrefix }}{{ safeHtml \"\" }}]";
        let template = Template::parse(source, &[]).unwrap();
        assert_eq!(template.render(&Scope::default()).as_deref(), Ok("[]"));
    }

    #[test]
    fn control_structures_of_go() {
        check(&[
            ("a {{- 1 -}} b{{/* comment */}}", "a1b"),
            (
                "{{if 0}}a{{else if \"\"}}b{{else if 1}}c{{else}}d{{end}}",
                "c",
            ),
            ("{{with 0}}a{{else with \"x\"}}{{.}}{{else}}b{{end}}", "x"),
            (
                "{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}{{range 0}}a{{else}}none{{end}}",
                "01201none",
            ),
            (
                "{{range $i, $e := (slice (query \"m\") 0)}}{{$i}}{{$e.Value}} {{end}}",
                "021 111 ",
            ),
            (
                "{{range 9}}{{if eq . 1}}{{continue}}{{end}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}",
                "023",
            ),
            (
                "{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{end}}{{$x}}",
                "2",
            ),
            (
                "{{block \"b\" 1}}<{{.}}>{{end}}{{template \"b\" 2}}{{template \"b\"}}",
                "<1><2><>",
            ),
            (
                "{{define \"x\"}}{{$.job}}{{end}}{{template \"x\" .Labels}}",
                "<train>",
            ),
            (
                "{{and 1 0 2}}{{or 0 \"\" 3}}{{not 0}}{{0 | or 0}}",
                "03true0",
            ),
            ("{{and false (index nil 1)}}", "false"),
            (
                "{{print 1 2 \"a\" nil}} {{println \"x\"}}{{'a'}} {{`r\\n`}} {{0x1F}} {{1e6}} {{1.0}}",
                "1 2a<nil> x\n97 r\\n 31 1e+06 1",
            ),
            (
                "{{len \"abc\"}}{{index .Labels \"job\"}}{{urlquery \"a b\"}}{{js \"'\"}}",
                "3<train>a+b\\'",
            ),
        ]);
    }

    #[test]
    fn failures_name_action_and_place() {
        let cases = [
            ("{{ .Foo }}", 3, "can't evaluate field Foo in type struct"),
            (
                "{{ $labels.a.b }}",
                3,
                "can't evaluate field b in type string",
            ),
            (
                "x\n{{ query \"none\" | first }}",
                20,
                "first() called on vector with no elements",
            ),
            (
                "{{ (query \"m\").banana }}",
                3,
                "can't evaluate field banana",
            ),
            ("{{ query \"bad\" }}", 3, "cannot parse query"),
            (
                "{{ humanize \"one\" }}",
                3,
                "can't convert \"one\" to a number",
            ),
            ("{{ humanizeTimestamp 1e300 }}", 3, "overflows int64"),
            (
                "{{ reReplaceAll \"(\" \"\" \"\" }}",
                3,
                "is malformed or not supported",
            ),
            (
                "{{ template \"nope\" }}",
                0,
                "template \"nope\" is not defined",
            ),
            (
                "{{ gt $value 100 }}",
                3,
                "incompatible types for comparison: float64 and int",
            ),
            (
                "{{ title 1 }}",
                3,
                "wrong type of argument for title: got int, expected a string",
            ),
            (
                "{{ title }}",
                3,
                "wrong number of arguments for title: got 0, expected 1",
            ),
            ("{{ range $value }}{{ end }}", 9, "range can't iterate over"),
            ("{{ 1 2 }}", 3, "can't give an argument"),
            ("{{ nil }}", 3, "nil is not a command"),
            ("{{ .Value 1 }}", 3, "is not a method but has arguments"),
        ];
        for (source, offset, reason) in cases {
            let template = Template::parse(source, &VARIABLES).unwrap();
            let error = template.render(&scope()).unwrap_err();
            assert!(error.to_string().contains(reason), "{source}: {error}");
            assert_eq!(error.place().offset, offset, "{source}: {error}");
        }
    }

    #[test]
    fn an_expansion_that_fails_says_so_in_its_place() {
        let template = Template::parse("{{ query \"none\" | first }}", &VARIABLES).unwrap();
        assert_eq!(
            template.expand(&scope()),
            "<error expanding template: cannot render template at line 1, column 19: first: \
             first() called on vector with no elements>"
        );
    }

    #[test]
    fn templates_know_what_they_use() {
        // template, uses value, uses labels, is constant
        let cases = [
            ("plain", false, false, true),
            ("}} plain", false, false, true),
            ("{{ 1 }}", false, false, false),
            ("{{ $value }}", true, false, false),
            ("{{ .Value | humanize }}", true, false, false),
            ("{{ $.Value }}", true, false, false),
            ("{{ if gt $value 1.0 }}a{{ end }}", true, false, false),
            (
                "{{ if true }}{{ printf \"%v\" (print $value) }}{{ end }}",
                true,
                false,
                false,
            ),
            (
                "{{ $labels.value }} {{ .Labels.Value }}",
                false,
                true,
                false,
            ),
            ("{{ with $labels.a }}{{ . }}{{ end }}", false, true, false),
            ("{{ . }}", true, true, false),
            ("{{ with . }}{{ .Value }}{{ end }}", true, false, false),
            (
                "{{ define \"x\" }}{{ .Value }}{{ end }}{{ template \"x\" . }}",
                true,
                false,
                false,
            ),
            (
                "{{ define \"x\" }}{{ .Labels.a }}{{ end }}{{ template \"x\" . }}",
                false,
                true,
                false,
            ),
            ("{{ with . }}{{ . }}{{ end }}", true, true, false),
            ("{{ with (.) }}{{ .Labels.a }}{{ end }}", false, true, false),
            (
                "{{ with $x := . }}{{ $x.Value }}{{ end }}",
                true,
                true,
                false,
            ),
            ("{{ $x := $ }}{{ $x.Labels.a }}", true, true, false),
            ("{{ with $labels.a }}{{ $ }}{{ end }}", true, true, false),
            (
                "{{ range $k, $v := . }}{{ $v }}{{ end }}",
                true,
                true,
                false,
            ),
            (
                "{{ define \"x\" }}{{ . }}{{ end }}{{ template \"x\" . }}",
                true,
                true,
                false,
            ),
            (
                "{{ define \"x\" }}{{ . }}{{ end }}{{ template \"x\" $labels.a }}",
                false,
                true,
                false,
            ),
            (
                "{{ define \"x\" }}{{ template \"y\" . }}{{ end }}{{ define \"y\" }}{{ $ }}{{ end }}{{ with . }}{{ template \"x\" $ }}{{ end }}",
                true,
                true,
                false,
            ),
        ];
        for (source, value, labels, constant) in cases {
            let template = Template::parse(source, &VARIABLES).unwrap();
            assert_eq!(template.uses("value"), value, "{source}");
            assert_eq!(template.uses("labels"), labels, "{source}");
            assert_eq!(template.is_constant(), constant, "{source}");
        }
    }

    #[test]
    fn an_unbound_variable_is_an_error_of_rendering() {
        let template = Template::parse("{{ $n }}", &["n"]).unwrap();
        let error = template.render(&Scope::default()).unwrap_err();
        assert!(
            error.to_string().contains("\"$n\" is not defined"),
            "{error}"
        );
    }

    /// Fragments that, strung together, get far into the parser and the evaluator.
    const FRAGMENTS: [&str; 51] = [
        "{{",
        "}}",
        "{{- ",
        " -}}",
        " ",
        "(",
        ")",
        "|",
        ".",
        ",",
        ":=",
        "=",
        "$",
        "$x",
        "$x := ",
        "$i, $x := ",
        "$labels",
        ".job",
        ".Value",
        "$value",
        "query \"m\"",
        "first",
        "args",
        "printf ",
        "\"%5.3v %[2]*d\"",
        "\"a\"",
        "1",
        "-2.5e3",
        "'x'",
        "nil",
        "true",
        "{{if ",
        "{{else}}",
        "{{end}}",
        "{{range 3}}",
        "{{with ",
        "{{break}}",
        "{{define \"a\"}}",
        "{{template \"a\" .}}",
        "{{block \"a\" .}}",
        "{{/* c */}}",
        "{{end}}",
        "{{ . }}",
        "{{ $x.Value }}",
        "{{with . }}",
        "{{with $x := . }}",
        "index ",
        "slice ",
        "reReplaceAll \"(a)|\" \"$1\" ",
        "eq ",
        "tmpl \"a\" ",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_a_template_panic(source in "\\PC{0,60}|[{}$.|()\"`a-z0-9 -]{0,60}") {
            if let Ok(template) = Template::parse(&source, &VARIABLES) {
                let _ = template.expand(&scope());
            }
        }

        #[test]
        fn no_mix_of_fragments_makes_a_template_panic(picks in prop::collection::vec(0..FRAGMENTS.len(), 0..24)) {
            let source: String = picks.iter().map(|pick| FRAGMENTS[*pick]).collect();
            if let Ok(template) = Template::parse(&source, &VARIABLES) {
                let _ = template.expand(&scope());
            }
        }

        #[test]
        fn a_template_that_depends_on_the_value_knows_it(picks in prop::collection::vec(0..FRAGMENTS.len(), 0..24)) {
            let source: String = picks.iter().map(|pick| FRAGMENTS[*pick]).collect();
            if let Ok(template) = Template::parse(&source, &VARIABLES) && !template.uses("value") {
                let labels = || Value::strings([("job", "train")]);
                let rendered = [0.0, 1.5, 2.0].map(|value| {
                    let scope = Scope::alert(labels(), labels(), "", value).query(&samples);
                    template.expand(&scope)
                });
                prop_assert!(rendered.iter().all(|one| *one == rendered[0]), "{source}: {rendered:?}");
            }
        }

        #[test]
        fn no_action_makes_a_template_panic(action in "(humanize|printf|html|len|parseDuration|title|stripPort|stripDomain|toTime|reReplaceAll \"[a-z(*+?|\\\\{}^\\[\\]]{0,8}\" \"[$0-9{}]{0,4}\"|match) \"[^\"\\\\]{0,20}\"( -?[0-9.e]{1,6})?") {
            if let Ok(template) = Template::parse(&format!("{{{{{action}}}}}"), &VARIABLES) {
                let _ = template.expand(&scope());
            }
        }
    }
}
