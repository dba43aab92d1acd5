//! Cuts a stream of JSON into its records, as text, without reading what is in them.
//!
//! So an array need not be in memory as a whole, and a record that is no JSON costs itself only: where a record ends
//! is told by its brackets and quotes alone.

use std::io;

use super::read::{MAX_RECORD_BYTES, ReadError};

/// How the records stand in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One a line.
    Lines,
    /// One after the other, each over as many lines as it likes.
    Objects,
    /// Between `[` and `]`, with commas.
    Array,
}

/// The records of a stream that has been read up to its first record.
pub(super) struct Elements<R> {
    input: R,
    layout: Layout,
    /// The text of the record, as much of it as may be.
    text: Vec<u8>,
    /// Line that is being read.
    line: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Inside,
    /// After the `]` of the array.
    Closed,
    /// After the last byte.
    Ended,
}

/// Where in the text of a record a byte is.
#[derive(Default)]
struct Cursor {
    depth: u32,
    in_string: bool,
    is_escaped: bool,
}

/// What a byte means for the record that it is in.
#[derive(PartialEq, Eq)]
enum Step {
    Goes,
    /// The record ends with this byte.
    EndsWith,
    /// The record has ended before this byte.
    EndsBefore,
    /// As before, and it was the last of the array.
    Closes,
}

impl Cursor {
    fn step(&mut self, byte: u8, layout: Layout) -> Step {
        if layout == Layout::Lines {
            return if byte == b'\n' {
                Step::EndsBefore
            } else {
                Step::Goes
            };
        }
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Step::Goes;
        }
        match (byte, layout) {
            (b'"', _) => self.in_string = true,
            (b'{' | b'[', _) => self.depth += 1,
            (b']', Layout::Array) if self.depth == 0 => return Step::Closes,
            (b',', Layout::Array) if self.depth == 0 => return Step::EndsBefore,
            (b'}' | b']', _) => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 && layout == Layout::Objects {
                    return Step::EndsWith;
                }
            }
            _ => {}
        }
        Step::Goes
    }
}

impl<R: io::BufRead> Elements<R> {
    /// The records of `input`, which is at line `line`; of an array the `[` has been read.
    pub(super) fn new(input: R, layout: Layout, line: u64) -> Self {
        Self {
            input,
            layout,
            text: Vec::new(),
            line,
            state: State::default(),
        }
    }

    /// The next record that is not blank, with the line it begins in. One that is too long is cut off, to a length that
    /// is still too long.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>, ReadError> {
        loop {
            self.text.clear();
            let (begins, was) = (self.line, self.state);
            let blank_lines = self.fill()?;
            match (was, self.state, self.text.is_empty()) {
                (State::Closed, _, false) => return Err(ReadError::AfterArray { line: self.line }),
                (_, _, false) => return Ok(Some((begins + blank_lines, &self.text))),
                (State::Inside, State::Ended, true) if self.layout == Layout::Array => {
                    return Err(ReadError::Unfinished { line: self.line });
                }
                (_, State::Ended, true) => return Ok(None),
                _ => {}
            }
        }
    }

    /// Reads one record into `text`, which stays empty where there is nothing but blanks; gives the number of line ends
    /// before its first byte.
    fn fill(&mut self) -> Result<u64, ReadError> {
        let mut cursor = Cursor::default();
        let mut blank_lines = 0;
        loop {
            let chunk = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                // The end of an array that is cut off is told after its last record.
                let is_cut_off = self.layout == Layout::Array
                    && self.state == State::Inside
                    && !self.text.is_empty();
                if !is_cut_off {
                    self.state = State::Ended;
                }
                return Ok(blank_lines);
            }
            let mut used = 0;
            let mut step = Step::Goes;
            for &byte in chunk {
                used += 1;
                self.line += u64::from(byte == b'\n');
                let is_blank = byte.is_ascii_whitespace() && self.text.is_empty();
                blank_lines += u64::from(is_blank && byte == b'\n');
                // After the array there may be blanks and nothing else.
                step = match self.state {
                    State::Inside => cursor.step(byte, self.layout),
                    _ => Step::Goes,
                };
                let is_part = matches!(step, Step::Goes | Step::EndsWith) && !is_blank;
                if is_part && self.text.len() <= MAX_RECORD_BYTES {
                    self.text.push(byte);
                }
                if step != Step::Goes {
                    break;
                }
            }
            self.input.consume(used);
            if step == Step::Closes {
                self.state = State::Closed;
            }
            if step != Step::Goes {
                return Ok(blank_lines);
            }
        }
    }
}
