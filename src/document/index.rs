//! The event pass: text → tree of located nodes, with every limit checked before a value is built.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Extent, Tag};

use super::node::{Content, Entry, Node, Scalar, Span};

/// Bytes of a file; the limit of a Kubernetes ConfigMap.
pub(super) const MAX_FILE_BYTES: usize = 1 << 20;
/// Levels of lists and mappings inside each other.
const MAX_DEPTH: usize = 64;
/// Keys and values of a document, with aliases expanded.
const MAX_NODES: usize = 100_000;
/// Aliases of a document.
const MAX_ALIASES: usize = 1_000;
/// Bytes of one scalar.
pub(super) const MAX_SCALAR_BYTES: usize = 64 << 10;
/// Bytes of all scalars of a document, with aliases expanded.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// What ends the pass at once, with its place.
pub(super) struct Stop(pub(super) Span, pub(super) String);

type Faults = Vec<(Span, String)>;

/// Builds the tree of the one document in `text`, with the faults that do not end the pass.
///
/// A refused entry (a second key of the same name, a merge key, a key that is no text) is not part of the tree.
pub(super) fn index(text: &str) -> Result<(Node, Faults), Stop> {
    if text.len() > MAX_FILE_BYTES {
        let size = text.len();
        return Err(Stop(
            START,
            format!("file of {size} bytes is too large, allowed: {MAX_FILE_BYTES} bytes"),
        ));
    }
    refuse_unprintable(text)?;
    let mut builder = Builder::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, extent) = event.map_err(|error| syntax_fault(&error))?;
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
        }
        if documents > 1 {
            let message = "a second document begins here, allowed: one document in a file";
            builder.faults.push((span(extent), message.to_owned()));
            break;
        }
        builder.take(event, extent)?;
    }
    let root = builder.root.filter(|root| !root.is_nothing());
    let root = root.unwrap_or_else(|| Node::new(START, Content::Mapping(Vec::new())));
    Ok((root, builder.faults))
}

const START: Span = Span {
    line: 1,
    column: 1,
    length: 1,
};

/// Refuses what YAML does not allow anywhere (chapter 5.1 of YAML 1.2), before a parser could take it for the end.
fn refuse_unprintable(text: &str) -> Result<(), Stop> {
    let (mut line, mut column) = (1, 1);
    let mut before = ' ';
    for character in text.chars() {
        let allowed = match character {
            '\t' | '\n' | '\r' | '\u{85}' => true,
            '\u{FFFE}' | '\u{FFFF}' => false,
            other => !other.is_control(),
        };
        if !allowed {
            let place = Span {
                line,
                column,
                length: 1,
            };
            let message = format!("control character {character:?} is not allowed in YAML");
            return Err(Stop(place, message));
        }
        match (before, character) {
            ('\r', '\n') => {}
            (_, '\r' | '\n') => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
        before = character;
    }
    Ok(())
}

fn syntax_fault(error: &ScanError) -> Stop {
    let marker = error.marker();
    let place = Span {
        line: marker.line(),
        column: marker.col() + 1,
        length: 1,
    };
    match error.info() {
        // The parser's own limit, which a flood of brackets on one line reaches before ours.
        "recursion limit exceeded" => Stop(place, too_deep()),
        info => Stop(place, format!("not valid YAML: {info}")),
    }
}

fn too_deep() -> String {
    format!("nested too deeply, allowed: {MAX_DEPTH} levels")
}

/// The span of an event; where it goes on over several lines, its length is 0 and is set to what the line allows by who shows it.
fn span(extent: Extent) -> Span {
    let (start, end) = (extent.start, extent.end);
    let length = if start.line() == end.line() {
        end.col().saturating_sub(start.col())
    } else {
        0
    };
    Span {
        line: start.line(),
        column: start.col() + 1,
        length,
    }
}

/// Nodes and bytes of text, counted as if every alias were written out.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    extent: Extent,
    anchor: usize,
    /// The weight of the document when it began.
    before: Weight,
    children: Children,
}

enum Children {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        /// The line of each key so far.
        lines: HashMap<String, usize>,
        /// The key whose value comes next; a refused one is `None` inside.
        key: Option<Option<Node>>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Weight)>,
    aliases: usize,
    weight: Weight,
    root: Option<Node>,
    faults: Faults,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, extent: Extent) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), extent);
                let before = self.weight;
                self.grow(1, text.len(), extent)?;
                let plain = style == ScalarStyle::Plain;
                let text = text.into_owned();
                let node = Node::new(span(extent), Content::Scalar(Scalar { text, plain }));
                self.finish(node, anchor, before, extent)
            }
            Event::Alias(anchor) => self.expand(anchor, extent),
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), extent);
                self.begin(anchor, extent, Children::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), extent);
                let children = Children::Mapping {
                    entries: Vec::new(),
                    lines: HashMap::new(),
                    key: None,
                };
                self.begin(anchor, extent, children)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(extent),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, extent: Extent) {
        if let Some(tag) = tag {
            let core = tag.is_yaml_core_schema();
            let name = if core {
                format!("!!{}", tag.suffix)
            } else {
                tag.to_string()
            };
            let message = format!("tag `{name}` is not allowed, write the value without it");
            self.faults.push((span(extent), message));
        }
    }

    /// Adds to the weight, refusing what is beyond a limit.
    fn grow(&mut self, nodes: usize, bytes: usize, extent: Extent) -> Result<(), Stop> {
        self.weight.nodes += nodes;
        self.weight.bytes += bytes;
        let limit = if nodes == 1 && bytes > MAX_SCALAR_BYTES {
            format!("text of {bytes} bytes is too long, allowed: {MAX_SCALAR_BYTES} bytes")
        } else if self.weight.nodes > MAX_NODES {
            format!("too many values, allowed: {MAX_NODES} with aliases written out")
        } else if self.weight.bytes > MAX_TEXT_BYTES {
            format!("too much text, allowed: {MAX_TEXT_BYTES} bytes with aliases written out")
        } else {
            return Ok(());
        };
        Err(Stop(span(extent), limit))
    }

    fn expand(&mut self, anchor: usize, extent: Extent) -> Result<(), Stop> {
        self.aliases += 1;
        if self.aliases > MAX_ALIASES {
            let message = format!("too many aliases, allowed: {MAX_ALIASES}");
            return Err(Stop(span(extent), message));
        }
        let Some((_, weight)) = self.anchors.get(&anchor) else {
            let message = "alias stands inside of what it refers to";
            return Err(Stop(span(extent), message.to_owned()));
        };
        // Counted before anything is copied: a few hundred bytes of aliases to aliases mean billions of nodes.
        let (weight, before) = (*weight, self.weight);
        self.grow(weight.nodes, weight.bytes, extent)?;
        let copy = self.anchors.get(&anchor).map(|(node, _)| node.clone());
        copy.map_or(Ok(()), |node| self.finish(node, 0, before, extent))
    }

    fn begin(&mut self, anchor: usize, extent: Extent, children: Children) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Stop(span(extent), too_deep()));
        }
        let before = self.weight;
        self.grow(1, 0, extent)?;
        self.open.push(Open {
            extent,
            anchor,
            before,
            children,
        });
        Ok(())
    }

    fn end(&mut self, extent: Extent) -> Result<(), Stop> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let content = match open.children {
            Children::Sequence(elements) => Content::Sequence(elements),
            Children::Mapping { entries, .. } => Content::Mapping(entries),
        };
        let whole = Extent::new(open.extent.start, extent.end);
        let node = Node::new(span(whole), content);
        self.finish(node, open.anchor, open.before, open.extent)
    }

    /// Puts a complete node where it belongs: root, element, key or value.
    fn finish(
        &mut self,
        node: Node,
        anchor: usize,
        before: Weight,
        extent: Extent,
    ) -> Result<(), Stop> {
        if anchor != 0 {
            let weight = Weight {
                nodes: self.weight.nodes - before.nodes,
                bytes: self.weight.bytes - before.bytes,
            };
            // The kept copy is paid for as well, else anchors inside each other multiply the work.
            self.grow(weight.nodes, weight.bytes, extent)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        match self.open.last_mut().map(|open| &mut open.children) {
            None => self.root = Some(node),
            Some(Children::Sequence(elements)) => elements.push(node),
            Some(Children::Mapping {
                entries,
                lines,
                key,
            }) => match key.take() {
                Some(None) => {}
                Some(Some(key)) => entries.push(Entry { key, value: node }),
                None => match check_key(&node, lines) {
                    Ok(()) => *key = Some(Some(node)),
                    Err(message) => {
                        *key = Some(None);
                        self.faults.push((span(extent), message));
                    }
                },
            },
        }
        Ok(())
    }
}

/// Whether a node can be the next key of a mapping; `lines` has those before it.
fn check_key(node: &Node, lines: &mut HashMap<String, usize>) -> Result<(), String> {
    use super::node::Meaning;
    let Content::Scalar(scalar) = &node.content else {
        return Err("a list or mapping cannot be a key, allowed: text".to_owned());
    };
    let text = &scalar.text;
    if let Meaning::Nothing | Meaning::Bool(_) | Meaning::Number(_) = scalar.meaning() {
        return Err(format!(
            "key `{text}` is not text, put it in quotes if it is meant as a name"
        ));
    }
    if scalar.plain && text == "<<" {
        return Err("merge key `<<` is not supported, write the keys out".to_owned());
    }
    if let Some(line) = lines.get(text) {
        return Err(format!("key `{text}` is given twice, first in line {line}"));
    }
    lines.insert(text.clone(), node.span.line);
    Ok(())
}
