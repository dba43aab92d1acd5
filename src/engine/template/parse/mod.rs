//! Builds the tree of a template, by the grammar of Go's `text/template/parse`.

mod pipeline;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{Place, Span, TemplateError};
use super::lex::lex;
use super::token::{Keyword, Kind, Token};
use super::tree::{Branch, Node};

/// How deep control structures and parentheses may be nested.
const NESTING_LIMIT: usize = 50;

/// A template and the templates that it defines.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// The template itself.
    pub(super) root: Vec<Node>,
    /// Those defined by `define` and `block`, by name.
    pub(super) definitions: BTreeMap<Arc<str>, Vec<Node>>,
}

/// Parses `source`, in which the top-level `variables` (named without `$`) are known.
pub(super) fn parse(source: &str, variables: &[&str]) -> Result<Tree, TemplateError> {
    let tokens = lex(source)?;
    let mut known = vec![Arc::from("$")];
    known.extend(variables.iter().map(|name| format!("${name}").into()));
    let mut parser = Parser {
        source,
        tokens: &tokens,
        position: 0,
        variables: known,
        range_depth: 0,
        nesting: 0,
        definitions: BTreeMap::new(),
    };
    let root = parser.root()?;
    Ok(Tree {
        root,
        definitions: parser.definitions,
    })
}

struct Parser<'s> {
    source: &'s str,
    tokens: &'s [Token<'s>],
    position: usize,
    variables: Vec<Arc<str>>,
    range_depth: usize,
    nesting: usize,
    definitions: BTreeMap<Arc<str>, Vec<Node>>,
}

/// What ended a list of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    End,
    /// A bare `{{else}}`, or one before `if` or `with`, which is not taken yet.
    Else,
}

enum Piece {
    Node(Node),
    Stop(Stop, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    If,
    With,
    Range,
}

impl<'s> Parser<'s> {
    fn peek(&self) -> Token<'s> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Token<'s> {
        let end = Token {
            kind: Kind::End,
            text: "",
            offset: self.source.len(),
        };
        self.tokens
            .get(self.position + ahead)
            .copied()
            .unwrap_or(end)
    }

    fn next(&mut self) -> Token<'s> {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn skip_space(&mut self) {
        if self.peek().kind == Kind::Space {
            self.position += 1;
        }
    }

    fn peek_past_space(&mut self) -> Token<'s> {
        self.skip_space();
        self.peek()
    }

    fn next_past_space(&mut self) -> Token<'s> {
        self.skip_space();
        self.next()
    }

    fn error<T>(&self, token: Token<'_>, reason: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError::Syntax {
            place: Place::of(self.source, token.offset),
            text: token.text.chars().take(40).collect(),
            reason: reason.into(),
        })
    }

    fn unexpected<T>(
        &self,
        token: Token<'_>,
        context: &str,
        expected: &str,
    ) -> Result<T, TemplateError> {
        let found = if token.kind == Kind::End {
            "unexpected end of template"
        } else {
            "unexpected token"
        };
        self.error(token, format!("{found} in {context}, expected {expected}"))
    }

    fn expect(&mut self, kind: Kind, context: &str, name: &str) -> Result<(), TemplateError> {
        let token = self.next_past_space();
        if token.kind == kind {
            return Ok(());
        }
        self.unexpected(token, context, name)
    }

    /// Counts a level of nesting while `parse` runs.
    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.nesting == NESTING_LIMIT {
            let token = self.peek();
            return self.error(
                token,
                format!(
                    "template is nested too deeply, at most {NESTING_LIMIT} levels are allowed"
                ),
            );
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    fn root(&mut self) -> Result<Vec<Node>, TemplateError> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            if self.peek().kind == Kind::LeftDelimiter {
                let keyword = usize::from(self.peek_at(1).kind == Kind::Space) + 1;
                if self.peek_at(keyword).kind == Kind::Keyword(Keyword::Define) {
                    self.position += keyword + 1;
                    self.definition()?;
                    continue;
                }
            }
            let token = self.peek();
            match self.piece()? {
                Piece::Node(node) => nodes.push(node),
                Piece::Stop(..) => {
                    return self.error(token, "unexpected {{end}} or {{else}} without {{if}}");
                }
            }
        }
        Ok(nodes)
    }

    /// Takes nodes up to `{{end}}` or `{{else}}`.
    fn list(&mut self) -> Result<(Vec<Node>, Stop, usize), TemplateError> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            match self.piece()? {
                Piece::Node(node) => nodes.push(node),
                Piece::Stop(stop, offset) => return Ok((nodes, stop, offset)),
            }
        }
        let token = self.peek();
        self.unexpected(token, "control structure", "{{end}}")
    }

    fn piece(&mut self) -> Result<Piece, TemplateError> {
        let token = self.next();
        match token.kind {
            Kind::Text => Ok(Piece::Node(Node::Text(token.text.into()))),
            Kind::LeftDelimiter => self.action(token),
            _ => self.unexpected(token, "input", "text or {{"),
        }
    }

    fn action(&mut self, delimiter: Token<'s>) -> Result<Piece, TemplateError> {
        let token = self.peek_past_space();
        let Kind::Keyword(keyword) = token.kind else {
            return Ok(Piece::Node(Node::Action(self.pipeline("command", false)?)));
        };
        self.position += 1;
        let node = match keyword {
            Keyword::End => {
                self.expect(Kind::RightDelimiter, "end", "}}")?;
                return Ok(Piece::Stop(Stop::End, token.offset));
            }
            Keyword::Else => {
                let next = self.peek_past_space().kind;
                if !matches!(next, Kind::Keyword(Keyword::If | Keyword::With)) {
                    self.expect(Kind::RightDelimiter, "else", "}}")?;
                }
                return Ok(Piece::Stop(Stop::Else, token.offset));
            }
            Keyword::If => Node::If(self.control(Control::If)?),
            Keyword::With => Node::With(self.control(Control::With)?),
            Keyword::Range => Node::Range(self.control(Control::Range)?),
            Keyword::Break | Keyword::Continue => {
                self.expect(Kind::RightDelimiter, "loop control", "}}")?;
                if self.range_depth == 0 {
                    return self.error(token, "allowed only inside {{range}}");
                }
                match keyword {
                    Keyword::Break => Node::Break,
                    _ => Node::Continue,
                }
            }
            Keyword::Template => self.template(delimiter)?,
            Keyword::Block => self.block(delimiter)?,
            Keyword::Define => {
                return self.error(token, "allowed only outside of control structures");
            }
        };
        Ok(Piece::Node(node))
    }

    fn control(&mut self, control: Control) -> Result<Branch, TemplateError> {
        let context = match control {
            Control::If => "if",
            Control::With => "with",
            Control::Range => "range",
        };
        let scope = self.variables.len();
        let branch = self.nested(|parser| {
            let pipeline = parser.pipeline(context, control == Control::Range)?;
            let in_range = usize::from(control == Control::Range);
            parser.range_depth += in_range;
            let (body, stop, _) = parser.list()?;
            parser.range_depth -= in_range;
            let otherwise = match stop {
                Stop::End => Vec::new(),
                Stop::Else => parser.otherwise(control)?,
            };
            Ok(Branch {
                pipeline,
                body,
                otherwise,
            })
        })?;
        self.variables.truncate(scope);
        Ok(branch)
    }

    /// Takes what follows `{{else`: a chained structure brings the common `{{end}}` with it.
    fn otherwise(&mut self, control: Control) -> Result<Vec<Node>, TemplateError> {
        match (control, self.peek().kind) {
            (Control::If, Kind::Keyword(Keyword::If)) => {
                self.position += 1;
                Ok(vec![Node::If(self.control(Control::If)?)])
            }
            (Control::With, Kind::Keyword(Keyword::With)) => {
                self.position += 1;
                Ok(vec![Node::With(self.control(Control::With)?)])
            }
            _ => {
                let (nodes, stop, offset) = self.list()?;
                if stop == Stop::End {
                    return Ok(nodes);
                }
                let token = Token {
                    kind: Kind::Keyword(Keyword::Else),
                    text: "else",
                    offset,
                };
                self.unexpected(token, "control structure", "{{end}}")
            }
        }
    }

    fn template_name(&mut self, context: &str) -> Result<Arc<str>, TemplateError> {
        let token = self.next_past_space();
        match token.kind {
            Kind::Quoted | Kind::Raw => Ok(self.string(token)?.into()),
            _ => self.unexpected(token, context, "a quoted name"),
        }
    }

    fn template(&mut self, delimiter: Token<'s>) -> Result<Node, TemplateError> {
        let name = self.template_name("template clause")?;
        let argument = if self.peek_past_space().kind == Kind::RightDelimiter {
            self.position += 1;
            None
        } else {
            Some(self.pipeline("template clause", false)?)
        };
        Ok(Node::Template {
            span: self.span_from(delimiter.offset),
            name,
            argument,
        })
    }

    fn definition(&mut self) -> Result<(), TemplateError> {
        let name = self.template_name("define clause")?;
        self.expect(Kind::RightDelimiter, "define clause", "}}")?;
        self.define(name)
    }

    fn block(&mut self, delimiter: Token<'s>) -> Result<Node, TemplateError> {
        let name = self.template_name("block clause")?;
        let argument = self.pipeline("block clause", false)?;
        let span = self.span_from(delimiter.offset);
        self.nested(|parser| parser.define(name.clone()))?;
        Ok(Node::Template {
            span,
            name,
            argument: Some(argument),
        })
    }

    /// Takes the body of a definition, which sees no variables but `$` and is in no loop.
    fn define(&mut self, name: Arc<str>) -> Result<(), TemplateError> {
        let start = self.peek();
        let variables = std::mem::replace(&mut self.variables, vec![Arc::from("$")]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (nodes, stop, offset) = self.list()?;
        if stop == Stop::Else {
            let token = Token {
                kind: Kind::Keyword(Keyword::Else),
                text: "else",
                offset,
            };
            return self.unexpected(token, "definition of a template", "{{end}}");
        }
        self.variables = variables;
        self.range_depth = range_depth;
        match self.definitions.get(&name) {
            Some(earlier) if !is_blank(earlier) => {
                if !is_blank(&nodes) {
                    let reason = format!("template {name:?} is defined more than once");
                    return self.error(start, reason);
                }
            }
            _ => {
                self.definitions.insert(name, nodes);
            }
        }
        Ok(())
    }

    fn span_from(&self, start: usize) -> Span {
        let last = self.position.checked_sub(1);
        let end = last
            .and_then(|index| self.tokens.get(index))
            .map_or(start, |token| token.offset + token.text.len());
        Span { start, end }
    }
}

/// Whether a template prints nothing but spaces, so that a later definition may replace it.
fn is_blank(nodes: &[Node]) -> bool {
    nodes
        .iter()
        .all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_templates_are_accepted() {
        for source in [
            "",
            "plain",
            "{{.}}",
            "{{ .Labels.instance }}",
            "{{ $labels.a | toUpper | printf \"%s\" }}",
            "{{ if .a }}x{{ else if .b }}y{{ else }}z{{ end }}",
            "{{ with $x := .a }}{{ $x }}{{ else with .b }}{{ . }}{{ end }}",
            "{{ range $i, $v := .a }}{{ if $v }}{{ break }}{{ end }}{{ continue }}{{ end }}",
            "{{ define \"x\" }}{{ . }}{{ end }}{{ template \"x\" (args 1 2) }}",
            "{{ block \"x\" . }}{{ $ }}{{ end }}",
            "{{ (index .a 1).b }}",
            "{{ $x := 1 }}{{ $x = 2 }}{{ $x }}",
            "{{/* comment */}}",
        ] {
            if let Err(error) = parse(source, &["labels", "value"]) {
                panic!("{source}: {error}");
            }
        }
    }

    #[test]
    fn faults_are_found_where_they_are() {
        let deep = format!(
            "{}1{}",
            "{{".to_owned() + &"(".repeat(61),
            ")".repeat(61) + "}}"
        );
        let cases: &[(&str, usize, &str)] = &[
            ("{{}}", 2, "missing value for command"),
            ("{{ foo }}", 3, "function \"foo\" is not defined"),
            (
                "{{ $x }}",
                3,
                "variable \"$x\" is not defined, allowed are $, $value",
            ),
            ("{{ $x = 1 }}", 3, "variable \"$x\" is not defined"),
            ("{{if .a}}", 9, "expected {{end}}"),
            ("{{if}}{{end}}", 4, "missing value for if"),
            ("a{{end}}", 1, "unexpected {{end}}"),
            ("{{if .a}}{{else}}{{else}}{{end}}", 19, "expected {{end}}"),
            ("{{range .a}}{{else if .b}}{{end}}", 19, "in input"),
            ("{{break}}", 2, "allowed only inside {{range}}"),
            (
                "{{range .a}}{{block \"x\" .}}{{break}}{{end}}{{end}}",
                29,
                "allowed only inside",
            ),
            (
                "{{if .a}}{{define \"x\"}}{{end}}{{end}}",
                11,
                "outside of control",
            ),
            (
                "{{define \"x\"}}a{{end}}{{define \"x\"}}b{{end}}",
                36,
                "defined more than once",
            ),
            (
                "{{define \"x\"}}{{$value}}{{end}}",
                16,
                "is not defined, allowed are $",
            ),
            ("{{define x}}{{end}}", 9, "expected a quoted name"),
            ("{{template .a}}", 11, "expected a quoted name"),
            ("{{1 | 2}}", 6, "non executable command in pipeline stage 2"),
            ("{{ \"a\".b }}", 6, "unexpected . after term"),
            ("{{ .a(1) }}", 5, "a space before the next one"),
            ("{{ .a , }}", 6, "expected a space"),
            ("{{ $a, $b := .x }}", 5, "too many declarations in command"),
            (
                "{{range $a, 1 := .x}}{{end}}",
                10,
                "range can only initialize variables",
            ),
            ("{{if .a}}{{$x := 1}}{{end}}{{$x}}", 29, "is not defined"),
            ("{{ 1e999 }}", 3, "bad number syntax"),
            (&deep, 53, "at most 50 levels"),
        ];
        for (source, offset, reason) in cases {
            let error = parse(source, &["value"]).unwrap_err();
            assert!(error.to_string().contains(reason), "{source}: {error}");
            assert_eq!(error.place().offset, *offset, "{source}: {error}");
        }
    }

    #[test]
    fn a_blank_definition_may_be_replaced() {
        let tree = parse("{{define \"x\"}} {{end}}{{define \"x\"}}b{{end}}", &[]).unwrap();
        let body = tree.definitions.get("x").unwrap();
        assert!(matches!(&body[..], [Node::Text(text)] if &**text == "b"));
    }
}
