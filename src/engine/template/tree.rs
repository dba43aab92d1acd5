//! The parsed form of a template.

use std::sync::Arc;

use super::error::Span;
use super::functions::Function;
use super::value::Value;

/// One piece of a template, in the order of rendering.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Text to print as it stands.
    Text(Arc<str>),
    /// An action whose value is printed, unless it declares or assigns.
    Action(Pipeline),
    /// `if` with its alternatives.
    If(Branch),
    /// `with` with its alternatives.
    With(Branch),
    /// `range` with what to print when there is nothing to range over.
    Range(Branch),
    /// A call of a named template; its dot is nil without a pipeline.
    Template {
        /// The whole action.
        span: Span,
        /// Which template.
        name: Arc<str>,
        /// What its dot becomes.
        argument: Option<Pipeline>,
    },
    /// Leaves the innermost `range`.
    Break,
    /// Goes on with the next element of the innermost `range`.
    Continue,
}

/// A control structure.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    /// What decides.
    pub(super) pipeline: Pipeline,
    /// What is done if it is true, or for each element.
    pub(super) body: Vec<Node>,
    /// What is done otherwise.
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each of which feeds its value to the next one as last argument.
#[derive(Debug, Clone, Default)]
pub(super) struct Pipeline {
    /// The whole pipeline.
    pub(super) span: Span,
    /// Variables that take the value, with their `$`.
    pub(super) variables: Vec<Arc<str>>,
    /// Whether the variables exist already (`=` rather than `:=`).
    pub(super) assigns: bool,
    /// The commands, at least one.
    pub(super) commands: Vec<Command>,
}

/// A value, or a function or method with its arguments.
#[derive(Debug, Clone)]
pub(super) struct Command {
    /// The whole command.
    pub(super) span: Span,
    /// What is evaluated.
    pub(super) first: Operand,
    /// What it is given.
    pub(super) arguments: Vec<Operand>,
}

/// An operand with its place.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    /// The operand as written.
    pub(super) span: Span,
    /// What it is.
    pub(super) term: Term,
    /// Fields to look up in it, one after the other.
    pub(super) fields: Vec<Arc<str>>,
}

/// What an operand starts with.
#[derive(Debug, Clone)]
pub(super) enum Term {
    /// The current data; with fields, `.a.b`.
    Dot,
    /// `nil`
    Nil,
    /// A number, string or truth value.
    Literal(Value),
    /// A variable with its `$`.
    Variable(Arc<str>),
    /// A function.
    Function(&'static Function),
    /// A pipeline in parentheses.
    Pipeline(Box<Pipeline>),
}

/// Finds whether a tree refers to one top-level variable.
pub(super) struct Reference<'n> {
    /// The variable with its `$`, as in `$value`.
    pub(super) variable: &'n str,
    /// The field of the data that holds the same, as in `.Value`.
    pub(super) field: &'n str,
}

/// What holds all the data at some place of a template.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    /// Dot does.
    pub(super) dot: bool,
    /// `$` does.
    pub(super) dollar: bool,
}

impl Reference<'_> {
    /// Whether any of `nodes` refers to it. Where something may depend on it, it is taken to do so.
    pub(super) fn in_nodes(&self, nodes: &[Node], whole: Whole) -> bool {
        nodes.iter().any(|node| match node {
            Node::Text(_) | Node::Break | Node::Continue => false,
            Node::Action(pipeline) => self.in_pipeline(pipeline, whole),
            Node::If(branch) => {
                self.in_pipeline(&branch.pipeline, whole)
                    || self.in_nodes(&branch.body, whole)
                    || self.in_nodes(&branch.otherwise, whole)
            }
            Node::With(branch) => {
                // `with .` hands all the data on: what is done with it shows in the body.
                let hands_on = hands_on(&branch.pipeline, whole);
                let inside = Whole {
                    dot: hands_on,
                    ..whole
                };
                let declares = !branch.pipeline.variables.is_empty();
                (if hands_on {
                    declares
                } else {
                    self.in_pipeline(&branch.pipeline, whole)
                }) || self.in_nodes(&branch.body, inside)
                    || self.in_nodes(&branch.otherwise, whole)
            }
            Node::Range(branch) => {
                let inside = Whole {
                    dot: false,
                    ..whole
                };
                self.in_pipeline(&branch.pipeline, whole)
                    || self.in_nodes(&branch.body, inside)
                    || self.in_nodes(&branch.otherwise, whole)
            }
            // What a template does with all the data shows in its definition.
            Node::Template { argument, .. } => (argument.as_ref())
                .is_some_and(|one| !hands_on(one, whole) && self.in_pipeline(one, whole)),
        })
    }

    fn in_pipeline(&self, pipeline: &Pipeline, whole: Whole) -> bool {
        pipeline.commands.iter().any(|command| {
            self.in_operand(&command.first, whole)
                || command
                    .arguments
                    .iter()
                    .any(|argument| self.in_operand(argument, whole))
        })
    }

    fn in_operand(&self, operand: &Operand, whole: Whole) -> bool {
        let first = operand.fields.first();
        let names_field = first.is_some_and(|field| &**field == self.field);
        match &operand.term {
            // Printing all the data prints the field too.
            Term::Dot => names_field || whole.dot && first.is_none(),
            Term::Variable(name) if &**name == "$" => {
                names_field || whole.dollar && first.is_none()
            }
            // The maps of labels may have a label of that name; any other variable may hold the data.
            Term::Variable(name) => {
                let is_map = ["$labels", "$externalLabels"].contains(&&**name);
                &**name == self.variable || names_field && !is_map
            }
            Term::Pipeline(pipeline) => names_field || self.in_pipeline(pipeline, whole),
            Term::Nil | Term::Literal(_) | Term::Function(_) => false,
        }
    }
}

/// Whether any template is called with all the data.
pub(super) fn calls_with_all(nodes: &[Node], whole: Whole) -> bool {
    nodes.iter().any(|node| match node {
        Node::Text(_) | Node::Action(_) | Node::Break | Node::Continue => false,
        Node::If(branch) => {
            calls_with_all(&branch.body, whole) || calls_with_all(&branch.otherwise, whole)
        }
        Node::With(branch) | Node::Range(branch) => {
            let inside = Whole {
                dot: hands_on(&branch.pipeline, whole),
                ..whole
            };
            calls_with_all(&branch.body, inside) || calls_with_all(&branch.otherwise, whole)
        }
        Node::Template { argument, .. } => {
            argument.as_ref().is_some_and(|one| hands_on(one, whole))
        }
    })
}

/// Whether a pipeline is all the data and nothing else.
fn hands_on(pipeline: &Pipeline, whole: Whole) -> bool {
    let [command] = pipeline.commands.as_slice() else {
        return false;
    };
    let plain = command.arguments.is_empty() && command.first.fields.is_empty();
    plain
        && match &command.first.term {
            Term::Dot => whole.dot,
            Term::Variable(name) => &**name == "$" && whole.dollar,
            Term::Pipeline(inner) => hands_on(inner, whole),
            Term::Nil | Term::Literal(_) | Term::Function(_) => false,
        }
}
