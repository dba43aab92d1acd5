//! The functions of templates: those of Go's `text/template` and those of Prometheus.

use std::sync::Arc;

use super::compare;
use super::error::Fault;
use super::format::{Output, print, print_line, printf};
use super::humanize;
use super::text;
use super::time;
use super::tools::Tools;
use super::value::{Map, MapKind, Value};

use Parameter::{Any, Sample, Samples, Text};

/// How many levels of values `args` may put into each other, so that walking them stays shallow.
const VALUE_DEPTH_LIMIT: usize = 20;

/// A function that templates may call.
#[derive(Debug)]
pub(super) struct Function {
    name: &'static str,
    parameters: &'static [Parameter],
    /// What any further arguments have to be.
    rest: Option<Parameter>,
    /// How it is done.
    pub(super) call: Call,
}

/// How a function is done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    /// Stops at the first false argument, so the evaluator does it.
    And,
    /// Stops at the first true argument, so the evaluator does it.
    Or,
    /// Renders a named template, so the evaluator does it.
    Template,
    /// Computes its value from its arguments, whose number and types are checked.
    Plain(fn(&mut Tools<'_>, &[Value]) -> Result<Value, Fault>),
}

/// What an argument has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Any,
    Text,
    Sample,
    Samples,
}

impl Function {
    /// Checks how many arguments there are.
    pub(super) fn check_count(&self, count: usize) -> Result<(), Fault> {
        let least = self.parameters.len();
        if count == least || count > least && self.rest.is_some() {
            return Ok(());
        }
        let at_least = if self.rest.is_some() { "at least " } else { "" };
        Err(Fault::from(format!(
            "wrong number of arguments for {}: got {count}, expected {at_least}{least}",
            self.name
        )))
    }

    /// Checks the types of the arguments, of which there are enough.
    pub(super) fn check_types(&self, values: &[Value]) -> Result<(), Fault> {
        let parameters = self.parameters.iter().copied();
        let rest = std::iter::repeat(self.rest.unwrap_or(Any));
        for (value, parameter) in values.iter().zip(parameters.chain(rest)) {
            let (fits, expected) = match (parameter, value) {
                (Any, _) => (true, ""),
                (Text, value) => (matches!(value, Value::String(_)), "a string"),
                (Samples, value) => (matches!(value, Value::List(_)), "the result of a query"),
                (Sample, Value::Map(map)) => {
                    let fields = map.entries();
                    let fits = fields.contains_key("Labels") && fields.contains_key("Value");
                    (fits, "an element of a query's result")
                }
                (Sample, _) => (false, "an element of a query's result"),
            };
            if !fits {
                return Err(Fault::from(format!(
                    "wrong type of argument for {}: got {}, expected {expected}",
                    self.name,
                    value.type_name()
                )));
            }
        }
        Ok(())
    }
}

/// Looks a function up by name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .binary_search_by(|function| function.name.cmp(name))
        .ok()
        .and_then(|index| FUNCTIONS.get(index))
}

/// The names of all functions, separated by commas.
pub(super) fn names() -> String {
    let names: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
    names.join(", ")
}

const fn plain(
    name: &'static str,
    parameters: &'static [Parameter],
    body: fn(&mut Tools<'_>, &[Value]) -> Result<Value, Fault>,
) -> Function {
    Function {
        name,
        parameters,
        rest: None,
        call: Call::Plain(body),
    }
}

const fn variadic(
    name: &'static str,
    parameters: &'static [Parameter],
    body: fn(&mut Tools<'_>, &[Value]) -> Result<Value, Fault>,
) -> Function {
    Function {
        name,
        parameters,
        rest: Some(Any),
        call: Call::Plain(body),
    }
}

const fn special(
    name: &'static str,
    parameters: &'static [Parameter],
    rest: Option<Parameter>,
    call: Call,
) -> Function {
    Function {
        name,
        parameters,
        rest,
        call,
    }
}

/// All functions, sorted by name.
static FUNCTIONS: &[Function] = &[
    special("and", &[Any], Some(Any), Call::And),
    variadic("args", &[], args),
    variadic("eq", &[Any], |_, values| compare::equal(values)),
    plain("externalURL", &[], |tools, _| {
        Ok(tools.scope.external_url.into())
    }),
    plain("first", &[Samples], first),
    plain("ge", &[Any, Any], |_, values| compare::at_least(values)),
    plain("graphLink", &[Text], |_, values| {
        Ok(text::graph_link(string(values, 0), 0).into())
    }),
    plain("gt", &[Any, Any], |_, values| compare::above(values)),
    variadic("html", &[], |_, values| {
        Ok(text::html(&joined(values)?).into())
    }),
    plain("humanize", &[Any], |_, values| {
        Ok(humanize::decimal(number(values)?).into())
    }),
    plain("humanize1024", &[Any], |_, values| {
        Ok(humanize::binary(number(values)?).into())
    }),
    plain("humanizeDuration", &[Any], |_, values| {
        Ok(humanize::duration(number(values)?).into())
    }),
    plain("humanizePercentage", &[Any], |_, values| {
        Ok(humanize::percentage(number(values)?).into())
    }),
    plain("humanizeTimestamp", &[Any], |_, values| {
        Ok(humanize::timestamp(number(values)?)?.into())
    }),
    variadic("index", &[Any], |_, values| compare::index(values)),
    variadic("js", &[], |_, values| Ok(text::js(&joined(values)?).into())),
    plain("label", &[Text, Sample], label),
    plain("le", &[Any, Any], |_, values| compare::at_most(values)),
    plain("len", &[Any], |_, values| compare::length(value(values, 0))),
    plain("lt", &[Any, Any], |_, values| compare::below(values)),
    plain("match", &[Text, Text], |tools, values| {
        let subject = string(values, 1);
        let pattern = tools.pattern(string(values, 0), subject)?;
        Ok(pattern.is_match(subject).into())
    }),
    plain("ne", &[Any, Any], |_, values| compare::unequal(values)),
    plain("not", &[Any], |_, values| {
        Ok((!value(values, 0).is_true()).into())
    }),
    special("or", &[Any], Some(Any), Call::Or),
    plain("parseDuration", &[Text], |_, values| {
        Ok(time::parse_duration(string(values, 0))?.into())
    }),
    plain("pathPrefix", &[], |tools, _| {
        Ok(text::url_path(tools.scope.external_url).into())
    }),
    variadic("print", &[], |_, values| {
        let mut output = Output::default();
        print(&mut output, values)?;
        Ok(output.into_text().into())
    }),
    variadic("printf", &[Text], |_, values| {
        let mut output = Output::default();
        let arguments = values.get(1..).unwrap_or_default();
        printf(&mut output, string(values, 0), arguments)?;
        Ok(output.into_text().into())
    }),
    variadic("println", &[], |_, values| {
        let mut output = Output::default();
        print_line(&mut output, values)?;
        Ok(output.into_text().into())
    }),
    plain("query", &[Text], query),
    plain("reReplaceAll", &[Text, Text, Text], |tools, values| {
        let subject = string(values, 2);
        let pattern = tools.pattern(string(values, 0), subject)?;
        let mut output = Output::default();
        super::pattern::replace_all(&mut output, &pattern, string(values, 1), subject)?;
        Ok(output.into_text().into())
    }),
    // The output is plain text, in which all is as safe as it is.
    plain(
        "safeHtml",
        &[Text],
        |_, values| Ok(value(values, 0).clone()),
    ),
    variadic("slice", &[Any], |_, values| compare::slice(values)),
    plain("sortByLabel", &[Text, Samples], sort_by_label),
    plain("stripDomain", &[Text], |_, values| {
        Ok(text::strip_domain(string(values, 0)).into())
    }),
    plain("stripPort", &[Text], |_, values| {
        Ok(text::strip_port(string(values, 0)).into())
    }),
    plain("strvalue", &[Sample], |_, values| {
        Ok(sample_label(value(values, 0), "__value__"))
    }),
    plain("tableLink", &[Text], |_, values| {
        Ok(text::graph_link(string(values, 0), 1).into())
    }),
    plain("title", &[Text], |_, values| {
        Ok(text::title(string(values, 0)).into())
    }),
    special("tmpl", &[Text, Any], None, Call::Template),
    plain("toLower", &[Text], |_, values| {
        Ok(text::lower(string(values, 0)).into())
    }),
    plain("toTime", &[Any], |_, values| {
        Ok(time::from_seconds(number(values)?)?.into())
    }),
    plain("toUpper", &[Text], |_, values| {
        Ok(text::upper(string(values, 0)).into())
    }),
    variadic("urlquery", &[], |_, values| {
        Ok(text::url_query(&joined(values)?).into())
    }),
    plain("value", &[Sample], |_, values| {
        Ok(field(value(values, 0), "Value"))
    }),
];

/// The argument at `index`; the evaluator has checked that it is there.
fn value(values: &[Value], index: usize) -> &Value {
    values.get(index).unwrap_or(&Value::Nil)
}

fn string(values: &[Value], index: usize) -> &str {
    match value(values, index) {
        Value::String(text) => text,
        _ => "",
    }
}

/// The first argument as a number; strings are read as one.
fn number(values: &[Value]) -> Result<f64, Fault> {
    match value(values, 0) {
        Value::Number(number) => Ok(*number),
        #[expect(
            clippy::cast_precision_loss,
            reason = "Go rounds large integers to the nearest float64 too"
        )]
        Value::Int(number) => Ok(*number as f64),
        Value::String(text) => humanize::parse_number(text),
        other => Err(Fault::from(format!(
            "can't convert a value of type {} to a number",
            other.type_name()
        ))),
    }
}

/// The arguments as one text, for the functions that escape it.
fn joined(values: &[Value]) -> Result<String, Fault> {
    let mut output = Output::default();
    print(&mut output, values)?;
    Ok(output.into_text())
}

fn args(_: &mut Tools<'_>, values: &[Value]) -> Result<Value, Fault> {
    let entries = values.iter().enumerate();
    let entries = entries
        .map(|(index, value)| (format!("arg{index}").into(), value.clone()))
        .collect();
    let value = Value::Map(Arc::new(Map::new(MapKind::Values, entries)));
    if value.depth() > VALUE_DEPTH_LIMIT {
        return Err(Fault::Limit {
            limit: "levels of values inside each other",
            allowed: VALUE_DEPTH_LIMIT,
        });
    }
    Ok(value)
}

fn query(tools: &mut Tools<'_>, values: &[Value]) -> Result<Value, Fault> {
    let samples = match tools.scope.query {
        Some(query) => query(string(values, 0))?,
        None => Vec::new(),
    };
    let samples: Vec<_> = samples.into_iter().map(Value::from).collect();
    Ok(samples.into())
}

fn first(_: &mut Tools<'_>, values: &[Value]) -> Result<Value, Fault> {
    match value(values, 0) {
        Value::List(items) => items.first().cloned(),
        _ => None,
    }
    .ok_or_else(|| Fault::from("first() called on vector with no elements"))
}

fn label(_: &mut Tools<'_>, values: &[Value]) -> Result<Value, Fault> {
    Ok(sample_label(value(values, 1), string(values, 0)))
}

fn sort_by_label(_: &mut Tools<'_>, values: &[Value]) -> Result<Value, Fault> {
    let name = string(values, 0);
    let Value::List(items) = value(values, 1) else {
        return Ok(Value::Nil);
    };
    let mut items = items.to_vec();
    items.sort_by_cached_key(|item| match sample_label(item, name) {
        Value::String(text) => text,
        _ => Arc::from(""),
    });
    Ok(items.into())
}

fn field(record: &Value, name: &str) -> Value {
    match record {
        Value::Map(map) => map.get(name).unwrap_or_default(),
        _ => Value::Nil,
    }
}

fn sample_label(sample: &Value, name: &str) -> Value {
    field(&field(sample, "Labels"), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_so_that_all_are_found() {
        for function in FUNCTIONS {
            assert!(find(function.name).is_some(), "{}", function.name);
        }
        assert!(FUNCTIONS.is_sorted_by_key(|function| function.name));
        assert!(find("call").is_none());
    }
}
