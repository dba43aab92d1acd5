//! Parses what stands in an action: pipelines, commands and operands.

use std::sync::Arc;

use super::super::error::{Place, TemplateError};
use super::super::functions;
use super::super::literal;
use super::super::token::{Kind, Token};
use super::super::tree::{Command, Operand, Pipeline, Term};
use super::Parser;

impl<'s> Parser<'s> {
    /// Takes a pipeline and the `}}` behind it.
    pub(super) fn pipeline(
        &mut self,
        context: &str,
        is_range: bool,
    ) -> Result<Pipeline, TemplateError> {
        self.pipeline_until(Kind::RightDelimiter, context, is_range)
    }

    fn pipeline_until(
        &mut self,
        end: Kind,
        context: &str,
        is_range: bool,
    ) -> Result<Pipeline, TemplateError> {
        let start = self.peek_past_space().offset;
        let mut pipeline = Pipeline::default();
        self.declarations(&mut pipeline, context, is_range)?;
        loop {
            let token = self.peek_past_space();
            if token.kind == end {
                pipeline.span = self.span_from(start);
                self.position += 1;
                if pipeline.commands.is_empty() {
                    return self.error(token, format!("missing value for {context}"));
                }
                return Ok(pipeline);
            }
            if !starts_operand(token.kind) {
                return self.unexpected(token, context, "a value or function");
            }
            let command = self.command()?;
            let executable = match &command.first.term {
                Term::Dot => !command.first.fields.is_empty(),
                Term::Nil | Term::Literal(_) => false,
                Term::Variable(_) | Term::Function(_) | Term::Pipeline(_) => true,
            };
            if !executable && !pipeline.commands.is_empty() {
                let stage = pipeline.commands.len() + 1;
                return self.error(
                    token,
                    format!("non executable command in pipeline stage {stage}"),
                );
            }
            pipeline.commands.push(command);
        }
    }

    /// Takes `$x :=`, `$x =` or, in `range`, `$i, $x :=`, if there is one.
    fn declarations(
        &mut self,
        pipeline: &mut Pipeline,
        context: &str,
        is_range: bool,
    ) -> Result<(), TemplateError> {
        loop {
            let variable = self.peek_past_space();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            let ahead = usize::from(self.peek_at(1).kind == Kind::Space) + 1;
            let operator = self.peek_at(ahead);
            let is_comma = operator.kind == Kind::Other && operator.text == ",";
            if !is_comma && !matches!(operator.kind, Kind::Assign | Kind::Declare) {
                return Ok(());
            }
            self.position += ahead + 1;
            pipeline.variables.push(variable.text.into());
            if is_comma {
                if !is_range || pipeline.variables.len() > 1 {
                    return self.error(operator, format!("too many declarations in {context}"));
                }
                if self.peek_past_space().kind != Kind::Variable {
                    return self.error(operator, "range can only initialize variables");
                }
                continue;
            }
            pipeline.assigns = operator.kind == Kind::Assign;
            if pipeline.assigns {
                for name in &pipeline.variables {
                    self.check_variable(name, variable.offset)?;
                }
            } else {
                self.variables.extend_from_slice(&pipeline.variables);
            }
            return Ok(());
        }
    }

    fn check_variable(&self, name: &str, offset: usize) -> Result<(), TemplateError> {
        if self.variables.iter().any(|known| &**known == name) {
            return Ok(());
        }
        Err(TemplateError::UndefinedVariable {
            place: Place::of(self.source, offset),
            name: name.to_owned(),
            allowed: self.variables.join(", "),
        })
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        self.skip_space();
        let start = self.peek().offset;
        let first = self.operand()?;
        let mut arguments = Vec::new();
        let mut span = self.span_from(start);
        loop {
            let token = self.peek();
            match token.kind {
                Kind::Space => self.position += 1,
                Kind::RightDelimiter | Kind::RightParenthesis => break,
                Kind::Pipe => {
                    self.position += 1;
                    break;
                }
                _ => return self.unexpected(token, "operand", "a space before the next one"),
            }
            if starts_operand(self.peek().kind) {
                arguments.push(self.operand()?);
                span = self.span_from(start);
            }
        }
        Ok(Command {
            span,
            first,
            arguments,
        })
    }

    fn operand(&mut self) -> Result<Operand, TemplateError> {
        let token = self.peek();
        let mut fields = Vec::new();
        let term = self.term(&mut fields)?;
        if self.peek().kind == Kind::Field {
            let takes_fields = match &term {
                Term::Dot => !fields.is_empty(),
                Term::Variable(_) | Term::Function(_) | Term::Pipeline(_) => true,
                Term::Nil | Term::Literal(_) => false,
            };
            if !takes_fields {
                let reason = format!("unexpected . after term {}", token.text);
                return self.error(self.peek(), reason);
            }
            while self.peek().kind == Kind::Field {
                fields.push(field_name(self.next()));
            }
        }
        Ok(Operand {
            span: self.span_from(token.offset),
            term,
            fields,
        })
    }

    fn term(&mut self, fields: &mut Vec<Arc<str>>) -> Result<Term, TemplateError> {
        let token = self.next();
        Ok(match token.kind {
            Kind::Identifier => match functions::find(token.text) {
                Some(function) => Term::Function(function),
                None => {
                    return Err(TemplateError::UnknownFunction {
                        place: Place::of(self.source, token.offset),
                        name: token.text.to_owned(),
                        allowed: functions::names(),
                    });
                }
            },
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Variable => {
                self.check_variable(token.text, token.offset)?;
                Term::Variable(token.text.into())
            }
            Kind::Field => {
                fields.push(field_name(token));
                Term::Dot
            }
            Kind::Bool => Term::Literal((token.text == "true").into()),
            Kind::Number => match literal::number(token.text) {
                Ok(value) => Term::Literal(value),
                Err(reason) => return self.error(token, reason),
            },
            Kind::Character => match literal::character(token.text) {
                Ok(value) => Term::Literal(value),
                Err(reason) => return self.error(token, reason),
            },
            Kind::Quoted | Kind::Raw => Term::Literal(self.string(token)?.into()),
            Kind::LeftParenthesis => {
                let inner = self.nested(|parser| {
                    parser.pipeline_until(Kind::RightParenthesis, "parenthesized pipeline", false)
                })?;
                Term::Pipeline(Box::new(inner))
            }
            _ => return self.unexpected(token, "operand", "a value or function"),
        })
    }

    pub(super) fn string(&self, token: Token<'s>) -> Result<String, TemplateError> {
        if token.kind == Kind::Raw {
            // Go drops carriage returns from raw strings.
            return Ok(token.text.trim_matches('`').replace('\r', ""));
        }
        match literal::quoted(token.text) {
            Ok(text) => Ok(text),
            Err(reason) => self.error(token, reason),
        }
    }
}

fn field_name(token: Token<'_>) -> Arc<str> {
    token.text.trim_start_matches('.').into()
}

fn starts_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::Character
            | Kind::Dot
            | Kind::Field
            | Kind::Identifier
            | Kind::Number
            | Kind::Nil
            | Kind::Raw
            | Kind::Quoted
            | Kind::Variable
            | Kind::LeftParenthesis
    )
}
