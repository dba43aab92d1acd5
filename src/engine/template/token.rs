//! The tokens of a template.

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'s> {
    /// What it is.
    pub(super) kind: Kind,
    /// Its text, as written.
    pub(super) text: &'s str,
    /// Byte offset in the template.
    pub(super) offset: usize,
}

/// The kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text outside actions, trimmed.
    Text,
    /// `{{`
    LeftDelimiter,
    /// `}}`
    RightDelimiter,
    /// A run of spaces in an action.
    Space,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// `|`
    Pipe,
    /// `(`
    LeftParenthesis,
    /// `)`
    RightParenthesis,
    /// `.` alone.
    Dot,
    /// `.name`
    Field,
    /// `$` or `$name`
    Variable,
    /// A name of a function.
    Identifier,
    /// A reserved word.
    Keyword(Keyword),
    /// `true` or `false`
    Bool,
    /// `nil`
    Nil,
    /// A number.
    Number,
    /// `'c'`
    Character,
    /// `"text"`
    Quoted,
    /// Text in back quotes.
    Raw,
    /// Any other ASCII character, such as a comma.
    Other,
    /// The end of the template.
    End,
}

/// Words that start an action with a meaning of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}
