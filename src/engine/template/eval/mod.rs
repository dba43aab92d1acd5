//! Renders a parsed template, by the rules of Go's `text/template`.

mod range;

use std::sync::Arc;

use super::Scope;
use super::error::{Fault, Span, TemplateError};
use super::format::{Output, print_value};
use super::functions::{Call, Function};
use super::parse::Tree;
use super::time;
use super::tools::Tools;
use super::tree::{Branch, Command, Node, Operand, Pipeline, Term};
use super::value::Value;

/// How deep named templates, control structures and parentheses may be nested while rendering.
const DEPTH_LIMIT: usize = 100;

/// Renders `tree`, which was parsed from `source`.
pub(super) fn render(
    tree: &Tree,
    source: &str,
    scope: &Scope<'_>,
) -> Result<String, TemplateError> {
    let mut variables = vec![(Arc::from("$"), scope.dot.clone())];
    variables.extend(
        scope
            .variables
            .iter()
            .map(|(name, value)| (format!("${name}").into(), value.clone())),
    );
    let mut evaluator = Evaluator {
        tree,
        tools: Tools::new(scope),
        output: Output::default(),
        variables,
        depth: 0,
        span: Span::default(),
    };
    match evaluator.list(&scope.dot, &tree.root) {
        Ok(_) => Ok(evaluator.output.into_text()),
        Err(fault) => Err(fault.at(source, evaluator.span)),
    }
}

struct Evaluator<'t> {
    tree: &'t Tree,
    tools: Tools<'t>,
    output: Output,
    variables: Vec<(Arc<str>, Value)>,
    depth: usize,
    /// What is being evaluated, for errors.
    span: Span,
}

/// How a list of nodes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Done,
    Break,
    Continue,
}

impl<'t> Evaluator<'t> {
    /// Counts a level of nesting while `evaluate` runs.
    fn nested<T>(
        &mut self,
        evaluate: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.depth == DEPTH_LIMIT {
            return Err(Fault::Limit {
                limit: "levels of nested templates, control structures and parentheses",
                allowed: DEPTH_LIMIT,
            });
        }
        self.depth += 1;
        let result = evaluate(self);
        self.depth -= 1;
        result
    }

    fn list(&mut self, dot: &Value, nodes: &'t [Node]) -> Result<Flow, Fault> {
        for node in nodes {
            self.tools.charge(1)?;
            let flow = match node {
                Node::Text(text) => {
                    self.output.push(text)?;
                    Flow::Done
                }
                Node::Action(pipeline) => {
                    let value = self.pipeline(dot, pipeline)?;
                    if pipeline.variables.is_empty() {
                        print_value(&mut self.output, &value)?;
                    }
                    Flow::Done
                }
                Node::If(branch) => self.choice(dot, branch, false)?,
                Node::With(branch) => self.choice(dot, branch, true)?,
                Node::Range(branch) => self.range(dot, branch)?,
                Node::Template {
                    span,
                    name,
                    argument,
                } => {
                    let data = match argument {
                        Some(pipeline) => self.pipeline(dot, pipeline)?,
                        None => Value::Nil,
                    };
                    self.span = *span;
                    self.template(name, &data)?;
                    Flow::Done
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Done {
                return Ok(flow);
            }
        }
        Ok(Flow::Done)
    }

    fn choice(&mut self, dot: &Value, branch: &'t Branch, rebinds: bool) -> Result<Flow, Fault> {
        let mark = self.variables.len();
        let flow = self.nested(|evaluator| {
            let value = evaluator.pipeline(dot, &branch.pipeline)?;
            if !value.is_true() {
                evaluator.list(dot, &branch.otherwise)
            } else if rebinds {
                evaluator.list(&value, &branch.body)
            } else {
                evaluator.list(dot, &branch.body)
            }
        })?;
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn template(&mut self, name: &str, data: &Value) -> Result<(), Fault> {
        let tree = self.tree;
        let Some(nodes) = tree.definitions.get(name) else {
            return Err(Fault::from(format!("template {name:?} is not defined")));
        };
        // A template sees nothing of its caller but its dot.
        let own = vec![(Arc::from("$"), data.clone())];
        let variables = std::mem::replace(&mut self.variables, own);
        self.nested(|evaluator| evaluator.list(data, nodes))?;
        self.variables = variables;
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Value) -> Result<(), Fault> {
        match self
            .variables
            .iter_mut()
            .rfind(|(known, _)| &**known == name)
        {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => Err(Fault::from(format!("variable {name:?} is not defined"))),
        }
    }

    fn pipeline(&mut self, dot: &Value, pipeline: &'t Pipeline) -> Result<Value, Fault> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(dot, command, value)?);
        }
        let value = value.unwrap_or_default();
        self.span = pipeline.span;
        for name in &pipeline.variables {
            if pipeline.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    /// Evaluates one command; `last` is what the command before it in the pipeline gave.
    fn command(
        &mut self,
        dot: &Value,
        command: &'t Command,
        last: Option<Value>,
    ) -> Result<Value, Fault> {
        self.tools.charge(1)?;
        self.span = command.span;
        let first = &command.first;
        if let (Term::Function(function), true) = (&first.term, first.fields.is_empty()) {
            return self.call(dot, function, command.span, &command.arguments, last);
        }
        let base = self.base(dot, first)?;
        let Some((field, path)) = first.fields.split_last() else {
            if !command.arguments.is_empty() || last.is_some() {
                return Err(Fault::from("can't give an argument to what is no function"));
            }
            if matches!(first.term, Term::Nil) {
                return Err(Fault::from("nil is not a command"));
            }
            return Ok(base);
        };
        let receiver = self.path(dot, base, path)?;
        self.field(dot, &receiver, field, &command.arguments, last)
    }

    /// Evaluates an operand that stands as an argument.
    fn operand(&mut self, dot: &Value, operand: &'t Operand) -> Result<Value, Fault> {
        self.span = operand.span;
        let base = self.base(dot, operand)?;
        self.path(dot, base, &operand.fields)
    }

    fn path(&mut self, dot: &Value, base: Value, fields: &'t [Arc<str>]) -> Result<Value, Fault> {
        let mut value = base;
        for name in fields {
            value = self.field(dot, &value, name, &[], None)?;
        }
        Ok(value)
    }

    fn base(&mut self, dot: &Value, operand: &'t Operand) -> Result<Value, Fault> {
        match &operand.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Value::Nil),
            Term::Literal(value) => Ok(value.clone()),
            Term::Variable(name) => self
                .variables
                .iter()
                .rfind(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
                .ok_or_else(|| Fault::from(format!("variable {name:?} is not defined"))),
            Term::Function(function) => self.call(dot, function, operand.span, &[], None),
            Term::Pipeline(pipeline) => {
                let value = self.nested(|evaluator| evaluator.pipeline(dot, pipeline))?;
                self.span = operand.span;
                Ok(value)
            }
        }
    }

    /// Looks a field up, or calls a method of a time.
    fn field(
        &mut self,
        dot: &Value,
        receiver: &Value,
        name: &str,
        arguments: &'t [Operand],
        last: Option<Value>,
    ) -> Result<Value, Fault> {
        let value = match receiver {
            Value::Nil => Some(Value::Nil),
            Value::Time(moment) => {
                let span = self.span;
                let mut values = Vec::new();
                for argument in arguments {
                    values.push(self.operand(dot, argument)?);
                }
                values.extend(last);
                self.span = span;
                return time::method(*moment, name, &values);
            }
            Value::Map(map) => map.get(name),
            _ => None,
        };
        let Some(value) = value else {
            return Err(Fault::from(format!(
                "can't evaluate field {name} in type {}",
                receiver.type_name()
            )));
        };
        if !arguments.is_empty() || last.is_some() {
            return Err(Fault::from(format!(
                "{name} is not a method but has arguments"
            )));
        }
        Ok(value)
    }

    fn call(
        &mut self,
        dot: &Value,
        function: &'static Function,
        span: Span,
        arguments: &'t [Operand],
        last: Option<Value>,
    ) -> Result<Value, Fault> {
        function.check_count(arguments.len() + usize::from(last.is_some()))?;
        if let Call::And | Call::Or = function.call {
            let mut value = Value::Nil;
            for argument in arguments {
                value = self.operand(dot, argument)?;
                if value.is_true() == matches!(function.call, Call::Or) {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            values.push(self.operand(dot, argument)?);
        }
        values.extend(last);
        self.span = span;
        function.check_types(&values)?;
        match function.call {
            Call::Plain(body) => {
                let weight: usize = values.iter().map(Value::weight).sum();
                self.tools.charge(1 + weight / 256)?;
                let value = body(&mut self.tools, &values)?;
                Output::check(value.weight())?;
                self.tools.charge(value.weight() / 256)?;
                Ok(value)
            }
            Call::Template | Call::And | Call::Or => {
                let (Some(Value::String(name)), Some(data)) = (values.first(), values.get(1))
                else {
                    return Err(Fault::from("expected the name of a template and its data"));
                };
                let output = std::mem::take(&mut self.output);
                self.template(name, data)?;
                let inner = std::mem::replace(&mut self.output, output);
                Ok(inner.into_text().into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Template;
    use super::*;

    #[test]
    fn a_template_cannot_hang_or_grow_without_bound() {
        let cases = [
            (
                r#"{{define "a"}}{{template "a"}}{{end}}{{template "a"}}"#,
                "levels of nested",
            ),
            (
                r#"{{define "a"}}{{tmpl "a" .}}{{end}}{{template "a"}}"#,
                "levels of nested",
            ),
            ("{{range 1000000000}}{{end}}", "steps of work"),
            (
                "{{range 1000}}{{range 1000}}{{end}}{{end}}",
                "steps of work",
            ),
            ("{{range 100000}}0123456789{{end}}", "bytes of output"),
            (
                r#"{{$x := "xxxxxxxx"}}{{range 60}}{{$x = printf "%s%s" $x $x}}{{end}}"#,
                "bytes of output",
            ),
            (
                r#"{{$x := 1}}{{range 60}}{{$x = args $x $x}}{{end}}"#,
                "levels of values",
            ),
            (
                r#"{{$x := printf "%60000d" 1}}{{$x = reReplaceAll "" $x $x}}"#,
                "bytes of output",
            ),
            (
                r#"{{$x := printf "%60000d" 1}}{{range 100}}{{$y := match "(.*)*x" $x}}{{end}}"#,
                "steps of work",
            ),
            (r#"{{match "(\\pL{100}){100}" ""}}"#, "bytes of a compiled"),
        ];
        for (source, limit) in cases {
            let template = Template::parse(source, &[]).unwrap();
            let error = template.render(&Scope::default()).unwrap_err();
            assert!(
                matches!(error, TemplateError::LimitExceeded { .. }),
                "{source}: {error}"
            );
            assert!(error.to_string().contains(limit), "{source}: {error}");
        }
    }

    #[test]
    fn the_deepest_template_fits_a_small_stack() {
        // Fifty levels of everything that a call of a template can hold.
        let open = "{{if (1)}}".repeat(40);
        let close = "{{end}}".repeat(40);
        let parentheses = format!("{{{{{}1{}}}}}", "(".repeat(9), ")".repeat(9));
        let source = format!(
            r#"{{{{define "a"}}}}{open}{parentheses}{{{{template "a"}}}}{close}{{{{end}}}}{{{{template "a"}}}}"#
        );
        let render = move || {
            let template = Template::parse(&source, &[]).unwrap();
            template.render(&Scope::default()).unwrap_err()
        };
        let thread = std::thread::Builder::new().stack_size(1024 * 1024);
        let error = thread.spawn(render).unwrap().join().unwrap();
        assert!(error.to_string().contains("levels of nested"), "{error}");
    }
}
