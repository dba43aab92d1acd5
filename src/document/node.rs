//! The tree of a document, in which every key and value knows where it was written.

use serde_yaml::Number;

use super::place::Step;

/// Where something stands in the text: line and column count characters from 1, the length is cut at the end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) length: usize,
}

/// One value of a document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) content: Content,
    /// Keys (or, in a list, nothing but their number) of children that could not be read and were taken out.
    pub(super) lost: Vec<String>,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
    /// A value that is missing in the document, assumed so that the check of its mapping can go on.
    Assumed,
}

/// A key of a mapping with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Always a scalar.
    pub(super) key: Node,
    pub(super) value: Node,
}

/// Text as written, without its quotes.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Not quoted, so that it may also mean a number, true, false or nothing.
    pub(super) plain: bool,
}

/// What a scalar means by the core schema of YAML 1.2.
pub(super) enum Meaning<'a> {
    Nothing,
    Bool(bool),
    Number(Number),
    Text(&'a str),
}

impl Scalar {
    /// Resolves plain text; numbers by the rules of `serde_yaml`.
    pub(super) fn meaning(&self) -> Meaning<'_> {
        if !self.plain {
            return Meaning::Text(&self.text);
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Nothing,
            "true" | "True" | "TRUE" => Meaning::Bool(true),
            "false" | "False" | "FALSE" => Meaning::Bool(false),
            text => number(text).map_or(Meaning::Text(text), Meaning::Number),
        }
    }
}

/// The number a plain text means; one beyond 64 bits as the nearest that a float can hold.
fn number(text: &str) -> Option<Number> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // Digits after a leading zero are text (`007`), as in YAML 1.2.
    let is_whole = !digits.starts_with('0') && digits.chars().all(|c| c.is_ascii_digit());
    let float = text.parse::<f64>().ok().filter(|_| is_whole)?;
    Some(Number::from(float))
}

impl Entry {
    /// The key's text.
    pub(super) fn name(&self) -> &str {
        self.key.text()
    }
}

impl Node {
    pub(super) fn new(span: Span, content: Content) -> Self {
        Self {
            span,
            content,
            lost: Vec::new(),
        }
    }

    /// The text of a scalar, empty for others.
    pub(super) fn text(&self) -> &str {
        match &self.content {
            Content::Scalar(scalar) => &scalar.text,
            Content::Sequence(_) | Content::Mapping(_) | Content::Assumed => "",
        }
    }

    /// Whether nothing is written here (an empty value or `null`).
    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if matches!(scalar.meaning(), Meaning::Nothing))
    }

    /// The child one step down.
    fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.content, step) {
            (Content::Sequence(elements), Step::Index(index)) => elements.get(*index),
            (Content::Mapping(_), Step::Key(name)) => Some(&self.entry(name)?.value),
            _ => None,
        }
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        let Content::Mapping(entries) = &self.content else {
            return None;
        };
        entries.iter().find(|entry| entry.name() == name)
    }

    /// The node at the end of `steps`.
    pub(super) fn get(&self, steps: &[Step]) -> Option<&Self> {
        steps.iter().try_fold(self, |node, step| node.child(step))
    }

    /// The node at the end of `steps`.
    pub(super) fn get_mut(&mut self, steps: &[Step]) -> Option<&mut Self> {
        steps
            .iter()
            .try_fold(self, |node, step| match (&mut node.content, step) {
                (Content::Sequence(elements), Step::Index(index)) => elements.get_mut(*index),
                (Content::Mapping(entries), Step::Key(name)) => entries
                    .iter_mut()
                    .find(|entry| entry.name() == name)
                    .map(|entry| &mut entry.value),
                _ => None,
            })
    }

    /// Where to point for the value at the end of `steps`, or for its nearest ancestor that exists.
    ///
    /// A scalar is pointed at itself; a collection (and an empty value) at its key, since its own extent is many lines.
    pub(super) fn locate(&self, steps: &[Step]) -> Span {
        let mut node = self;
        let mut span = self.head();
        for step in steps {
            let Some(child) = node.child(step) else { break };
            let is_written_scalar =
                matches!(child.content, Content::Scalar(_)) && !child.is_nothing();
            span = match step {
                Step::Key(name) if !is_written_scalar => {
                    node.entry(name).map_or(child.span, |entry| entry.key.span)
                }
                _ => child.head(),
            };
            node = child;
        }
        span
    }

    /// Where to point for the last key of `steps`, or for the nearest ancestor that exists.
    pub(super) fn locate_key(&self, steps: &[Step]) -> Span {
        if let Some((Step::Key(name), parents)) = steps.split_last()
            && let Some(entry) = self.get(parents).and_then(|parent| parent.entry(name))
        {
            return entry.key.span;
        }
        self.locate(steps)
    }

    /// The first thing written in this node.
    pub(super) fn head(&self) -> Span {
        match &self.content {
            // A flow mapping begins with its brace, a block mapping with its first key.
            Content::Mapping(entries) => entries
                .first()
                .map(|entry| entry.key.span)
                .filter(|key| (key.line, key.column) == (self.span.line, self.span.column))
                .unwrap_or(self.span),
            _ => self.span,
        }
    }

    /// Takes out the node at the end of `steps`; false when that is the root or does not exist.
    pub(super) fn remove(&mut self, steps: &[Step]) -> bool {
        let Some((last, parents)) = steps.split_last() else {
            return false;
        };
        let Some(parent) = self.get_mut(parents) else {
            return false;
        };
        match (&mut parent.content, last) {
            (Content::Sequence(elements), Step::Index(index)) if *index < elements.len() => {
                elements.remove(*index);
                parent.lost.push(String::new());
                true
            }
            (Content::Mapping(entries), Step::Key(name)) => {
                let before = entries.len();
                entries.retain(|entry| entry.name() != name);
                let removed = entries.len() < before;
                parent.lost.push(name.clone());
                removed
            }
            _ => false,
        }
    }

    /// Whether anything was taken out of this node or of one below it.
    pub(super) fn is_damaged(&self) -> bool {
        let below = match &self.content {
            Content::Sequence(elements) => elements.iter().any(Self::is_damaged),
            Content::Mapping(entries) => entries.iter().any(|entry| entry.value.is_damaged()),
            Content::Scalar(_) | Content::Assumed => false,
        };
        below || !self.lost.is_empty()
    }

    /// The way to a mapping of which a value is only assumed.
    pub(super) fn incomplete(&self) -> Option<Vec<Step>> {
        let found = |step: Step, child: &Self| {
            if matches!(child.content, Content::Assumed) {
                return Some(Vec::new());
            }
            let mut steps = child.incomplete()?;
            steps.insert(0, step);
            Some(steps)
        };
        match &self.content {
            Content::Sequence(elements) => elements
                .iter()
                .enumerate()
                .find_map(|(index, element)| found(Step::Index(index), element)),
            Content::Mapping(entries) => entries
                .iter()
                .find_map(|entry| found(Step::Key(entry.name().to_owned()), &entry.value)),
            Content::Scalar(_) | Content::Assumed => None,
        }
    }
}
