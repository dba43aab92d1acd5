//! Cuts a template into tokens, as Go's `text/template/parse` does.

use super::error::{Place, TemplateError};
use super::token::{Keyword, Kind, Token};

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Cuts `source` into tokens; the last one is [`Kind::End`].
pub(super) fn lex(source: &str) -> Result<Vec<Token<'_>>, TemplateError> {
    let mut lexer = Lexer {
        source,
        position: 0,
        parentheses: 0,
        tokens: Vec::new(),
    };
    while lexer.text()? {
        while !lexer.inside_action()? {}
    }
    lexer.push(Kind::End, source.len());
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    source: &'s str,
    position: usize,
    parentheses: usize,
    tokens: Vec<Token<'s>>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.position..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.position += next.map_or(0, char::len_utf8);
        next
    }

    fn push(&mut self, kind: Kind, start: usize) {
        let text = self.source.get(start..self.position).unwrap_or("");
        self.tokens.push(Token {
            kind,
            text,
            offset: start,
        });
    }

    fn error<T>(&self, start: usize, reason: impl Into<String>) -> Result<T, TemplateError> {
        // An unclosed action may run to the end of the template: its start says enough.
        let text = self.source.get(start..self.position).unwrap_or("");
        Err(TemplateError::Syntax {
            place: Place::of(self.source, start),
            text: text.chars().take(40).collect(),
            reason: reason.into(),
        })
    }

    /// Takes text and comments up to the next action; false at the end of the template.
    fn text(&mut self) -> Result<bool, TemplateError> {
        loop {
            let start = self.position;
            let Some(length) = self.rest().find(LEFT) else {
                self.position = self.source.len();
                if start < self.position {
                    self.push(Kind::Text, start);
                }
                return Ok(false);
            };
            let delimiter = start + length;
            let inside = self.source.get(delimiter + LEFT.len()..).unwrap_or("");
            let trims = inside
                .strip_prefix('-')
                .is_some_and(|marked| marked.starts_with(SPACES));
            let text = self.source.get(start..delimiter).unwrap_or("");
            let text = if trims {
                text.trim_end_matches(SPACES)
            } else {
                text
            };
            if !text.is_empty() {
                self.position = start + text.len();
                self.push(Kind::Text, start);
            }
            self.position = delimiter + LEFT.len() + if trims { 2 } else { 0 };
            if self.rest().starts_with("/*") {
                self.comment(delimiter)?;
                continue;
            }
            self.tokens.push(Token {
                kind: Kind::LeftDelimiter,
                text: LEFT,
                offset: delimiter,
            });
            self.parentheses = 0;
            return Ok(true);
        }
    }

    fn comment(&mut self, start: usize) -> Result<(), TemplateError> {
        self.position += 2;
        let Some(length) = self.rest().find("*/") else {
            return self.error(start, "unclosed comment, expected */");
        };
        self.position += length + 2;
        let Some(trims) = self.at_right_delimiter() else {
            return self.error(start, "comment ends before closing delimiter, expected }}");
        };
        self.skip_right_delimiter(trims);
        Ok(())
    }

    /// Whether a closing delimiter follows, and if so whether it trims the text after it.
    fn at_right_delimiter(&self) -> Option<bool> {
        let rest = self.rest();
        if let Some(marked) = rest.strip_prefix(SPACES)
            && marked
                .strip_prefix('-')
                .is_some_and(|marked| marked.starts_with(RIGHT))
        {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn skip_right_delimiter(&mut self, trims: bool) {
        self.position += RIGHT.len();
        if trims {
            self.position += 2;
            let rest = self.rest();
            self.position += rest.len() - rest.trim_start_matches(SPACES).len();
        }
    }

    /// Takes one token of an action; true if it closed the action.
    fn inside_action(&mut self) -> Result<bool, TemplateError> {
        let start = self.position;
        if let Some(trims) = self.at_right_delimiter() {
            if self.parentheses > 0 {
                return self.error(start, "unclosed left parenthesis, expected )");
            }
            self.skip_right_delimiter(trims);
            self.tokens.push(Token {
                kind: Kind::RightDelimiter,
                text: RIGHT,
                offset: start,
            });
            return Ok(true);
        }
        let Some(first) = self.next() else {
            let opened = self
                .tokens
                .iter()
                .rfind(|token| token.kind == Kind::LeftDelimiter)
                .map_or(start, |token| token.offset);
            return self.error(opened, "unclosed action, expected }}");
        };
        match first {
            ' ' | '\t' | '\r' | '\n' => self.space(start),
            '=' => self.push(Kind::Assign, start),
            ':' => {
                if self.next() != Some('=') {
                    return self.error(start, "expected :=");
                }
                self.push(Kind::Declare, start);
            }
            '|' => self.push(Kind::Pipe, start),
            '"' => self.quoted('"', Kind::Quoted, start)?,
            '\'' => self.quoted('\'', Kind::Character, start)?,
            '`' => self.raw(start)?,
            '$' => self.name(Kind::Variable, start)?,
            '.' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                self.name(Kind::Field, start)?;
            }
            '.' | '+' | '-' | '0'..='9' => self.number(start)?,
            first if is_alphanumeric(first) => self.name(Kind::Identifier, start)?,
            '(' => {
                self.parentheses += 1;
                self.push(Kind::LeftParenthesis, start);
            }
            ')' => {
                if self.parentheses == 0 {
                    return self.error(start, "unexpected right parenthesis");
                }
                self.parentheses -= 1;
                self.push(Kind::RightParenthesis, start);
            }
            '!'..='~' => self.push(Kind::Other, start),
            first => {
                let reason = format!("unrecognized character in action: U+{:04X}", first as u32);
                return self.error(start, reason);
            }
        }
        Ok(false)
    }

    /// Takes a run of spaces, but leaves the one that belongs to a trimming delimiter.
    fn space(&mut self, start: usize) {
        self.position = start;
        while self.at_right_delimiter().is_none() && self.peek().is_some_and(is_space) {
            self.next();
        }
        if self.position > start {
            self.push(Kind::Space, start);
        }
    }

    fn quoted(&mut self, quote: char, kind: Kind, start: usize) -> Result<(), TemplateError> {
        loop {
            match self.next() {
                Some('\\') => {
                    if matches!(self.next(), None | Some('\n')) {
                        break;
                    }
                }
                None | Some('\n') => break,
                Some(next) if next == quote => {
                    self.push(kind, start);
                    return Ok(());
                }
                Some(_) => {}
            }
        }
        self.error(start, format!("unterminated constant, expected {quote}"))
    }

    fn raw(&mut self, start: usize) -> Result<(), TemplateError> {
        let Some(length) = self.rest().find('`') else {
            self.position = self.source.len();
            return self.error(start, "unterminated raw string, expected `");
        };
        self.position += length + 1;
        self.push(Kind::Raw, start);
        Ok(())
    }

    /// Takes a word: `.field`, `$variable` or `identifier`, of which the first character is past.
    fn name(&mut self, kind: Kind, start: usize) -> Result<(), TemplateError> {
        if kind == Kind::Field && self.at_terminator() {
            self.push(Kind::Dot, start);
            return Ok(());
        }
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if !self.at_terminator() {
            let bad = self.position;
            self.next();
            return self.error(
                bad,
                "bad character in name, allowed are letters, digits and _",
            );
        }
        let kind = match kind {
            Kind::Identifier => word(self.source.get(start..self.position).unwrap_or("")),
            kind => kind,
        };
        self.push(kind, start);
        Ok(())
    }

    /// Whether a name may end here; an operator may not follow without a space.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    /// Takes what looks like a number; the parser judges it.
    fn number(&mut self, start: usize) -> Result<(), TemplateError> {
        self.position = start;
        let mut previous = ' ';
        let hexadecimal = {
            let digits = self.rest().trim_start_matches(['+', '-']);
            digits.starts_with("0x") || digits.starts_with("0X")
        };
        while let Some(next) = self.peek() {
            let exponent = match previous {
                'e' | 'E' => !hexadecimal,
                'p' | 'P' => hexadecimal,
                _ => false,
            };
            let sign = matches!(next, '+' | '-');
            if !(is_alphanumeric(next)
                || next == '.'
                || sign && (exponent || self.position == start))
            {
                break;
            }
            previous = next;
            self.next();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            self.next();
            return self.error(
                start,
                "bad number syntax, complex numbers are not supported",
            );
        }
        self.push(Kind::Number, start);
        Ok(())
    }
}

fn is_space(character: char) -> bool {
    SPACES.contains(&character)
}

fn is_alphanumeric(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn word(text: &str) -> Kind {
    Kind::Keyword(match text {
        "true" | "false" => return Kind::Bool,
        "nil" => return Kind::Nil,
        "block" => Keyword::Block,
        "break" => Keyword::Break,
        "continue" => Keyword::Continue,
        "define" => Keyword::Define,
        "else" => Keyword::Else,
        "end" => Keyword::End,
        "if" => Keyword::If,
        "range" => Keyword::Range,
        "template" => Keyword::Template,
        "with" => Keyword::With,
        _ => return Kind::Identifier,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(source: &str) -> Vec<(Kind, &str)> {
        let tokens = lex(source).unwrap();
        tokens
            .into_iter()
            .map(|token| (token.kind, token.text))
            .collect()
    }

    #[test]
    fn trim_markers_eat_the_spaces_beside_them() {
        let texts = |source| {
            pieces(source)
                .into_iter()
                .filter(|(kind, _)| *kind == Kind::Text)
                .map(|(_, text)| text)
                .collect::<Vec<_>>()
        };
        let cases: &[(&str, &[&str])] = &[
            ("a {{1}} b", &["a ", " b"]),
            ("a \n{{- 1 -}} \t b", &["a", "b"]),
            ("a {{- /* c */ -}} b", &["a", "b"]),
            ("a {{/* c */}} b", &["a ", " b"]),
            ("a {{/* c */ -}} b", &["a ", "b"]),
            ("a {{-1}} b", &["a ", " b"]),
            (" {{- 1}}", &[]),
        ];
        for (source, expected) in cases {
            assert_eq!(texts(source), *expected, "{source}");
        }
    }

    #[test]
    fn an_action_is_cut_into_its_parts() {
        use Kind::{Bool, Dot, Field, Identifier, Number, Quoted, Raw, Variable};
        let cases: &[(&str, &[(Kind, &str)])] = &[
            ("{{.a.b}}", &[(Field, ".a"), (Field, ".b")]),
            ("{{$x.y}}", &[(Variable, "$x"), (Field, ".y")]),
            ("{{.}}", &[(Dot, ".")]),
            ("{{$}}", &[(Variable, "$")]),
            ("{{-1.5e-3}}", &[(Number, "-1.5e-3")]),
            ("{{.5}}", &[(Number, ".5")]),
            ("{{0x1Fp-2}}", &[(Number, "0x1Fp-2")]),
            ("{{printf}}", &[(Identifier, "printf")]),
            ("{{true}}", &[(Bool, "true")]),
            (r#"{{"}}\""}}"#, &[(Quoted, r#""}}\"""#)]),
            ("{{`a\n`}}", &[(Raw, "`a\n`")]),
        ];
        for (source, expected) in cases {
            let found = pieces(source);
            let inner = &found[1..found.len() - 2];
            assert_eq!(inner, *expected, "{source}");
        }
    }

    #[test]
    fn faults_name_their_place() {
        let cases = [
            ("a{{", 1, "unclosed action"),
            ("a{{ (1 }}", 7, "unclosed left parenthesis"),
            ("{{ ) }}", 3, "unexpected right parenthesis"),
            ("{{ \u{a0}}}", 3, "unrecognized character in action: U+00A0"),
            ("{{ \"x }}", 3, "unterminated constant"),
            ("{{ `x }}", 3, "unterminated raw string"),
            ("{{ 'x }}", 3, "unterminated constant"),
            ("{{/* x }}", 0, "unclosed comment"),
            ("{{/*/}}", 0, "unclosed comment"),
            ("{{/* x */ }}", 0, "comment ends before"),
            ("{{ $x+2 }}", 5, "bad character"),
            ("{{ 1+2i }}", 3, "bad number syntax"),
            ("{{ :x }}", 3, "expected :="),
        ];
        for (source, offset, reason) in cases {
            let error = lex(source).unwrap_err();
            assert_eq!(error.place().offset, offset, "{source}");
            assert!(error.to_string().contains(reason), "{source}: {error}");
        }
    }
}
