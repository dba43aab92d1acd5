//! A response body: bytes at hand, or chunks that a writer makes while they are sent.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

use super::encoding::Encoding;
use crate::ingest::budget::Share;

/// How much text a [`ChunkWriter`] gathers before it passes it on, in bytes.
const CHUNK_BYTES: usize = 32 << 10;

/// How much compressed data a [`ChunkWriter`] gathers before it sends it, in bytes.
const COMPRESSED_CHUNK_BYTES: usize = 16 << 10;

/// The body of a response.
#[derive(Debug)]
pub struct Body(Content);

#[derive(Debug)]
enum Content {
    Whole(Bytes),
    Stream(mpsc::Receiver<Part>),
}

#[derive(Debug)]
enum Part {
    Chunk(Bytes),
    End,
}

impl Body {
    /// A body without bytes.
    pub fn empty() -> Self {
        Self(Content::Whole(Bytes::new()))
    }

    /// The body with what it holds of the memory for requests in flight, until the client has taken it.
    #[must_use]
    pub fn held_by(self, share: Share) -> Self {
        match self.0 {
            Content::Whole(bytes) => Self(Content::Whole(share.answer(bytes))),
            // It never holds more than a few chunks.
            stream @ Content::Stream(_) => Self(stream),
        }
    }

    /// The bytes of a body that is not streamed.
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Content::Whole(bytes) => Some(bytes),
            Content::Stream(_) => None,
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Content::Whole(bytes.into()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let parts = match &mut self.0 {
            Content::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Content::Whole(bytes) => {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
            }
            Content::Stream(parts) => parts,
        };
        let part = ready!(parts.poll_recv(context));
        Poll::Ready(match part {
            Some(Part::Chunk(chunk)) => Some(Ok(Frame::data(chunk))),
            Some(Part::End) => {
                self.0 = Content::Whole(Bytes::new());
                None
            }
            // Half a page must not look like a whole one: the error makes hyper break the connection
            // instead of ending the chunks.
            None => Some(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the writer of the response stopped before its end",
            ))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.whole().is_some_and(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        self.whole().map_or_else(SizeHint::default, |bytes| {
            SizeHint::with_exact(bytes.len() as u64)
        })
    }
}

/// A streamed body and its sending side; at most `capacity` chunks wait for the reader.
pub fn channel(capacity: usize) -> (Sender, Body) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (Sender(sender), Body(Content::Stream(receiver)))
}

/// The sending side of a streamed body.
///
/// Dropped without a finish it breaks the response off, and the client can tell.
#[derive(Debug)]
pub struct Sender(mpsc::Sender<Part>);

/// The client has gone, so nobody reads what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reader of the response has gone")]
pub struct ReaderGone;

impl From<ReaderGone> for io::Error {
    fn from(gone: ReaderGone) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, gone)
    }
}

impl Sender {
    /// Sends one chunk, waiting while the reader is behind.
    ///
    /// # Errors
    ///
    /// When the client has gone.
    pub async fn send(&self, chunk: Bytes) -> Result<(), ReaderGone> {
        let sent = self.0.send(Part::Chunk(chunk)).await;
        sent.map_err(|_| ReaderGone)
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// When the client has gone.
    pub async fn finish(self) -> Result<(), ReaderGone> {
        self.0.send(Part::End).await.map_err(|_| ReaderGone)
    }

    /// A writer for a blocking thread (`spawn_blocking`); it waits while the reader is behind, and within
    /// asynchronous code it panics.
    pub fn into_writer(self, encoding: Encoding) -> ChunkWriter {
        ChunkWriter {
            gathered: Vec::with_capacity(CHUNK_BYTES),
            encoder: match encoding {
                Encoding::Identity => None,
                Encoding::Gzip => Some(GzEncoder::new(Vec::new(), Compression::fast())),
            },
            sender: self,
        }
    }

    fn send_blocking(&self, part: Part) -> io::Result<()> {
        let sent = self.0.blocking_send(part);
        sent.map_err(|_| ReaderGone.into())
    }
}

/// Turns what is written to it into chunks of a streamed body.
///
/// A write fails when the client has gone. Only [`ChunkWriter::finish`] makes the body complete.
#[derive(Debug)]
pub struct ChunkWriter {
    gathered: Vec<u8>,
    encoder: Option<GzEncoder<Vec<u8>>>,
    sender: Sender,
}

impl ChunkWriter {
    /// Sends what is left and ends the body.
    ///
    /// # Errors
    ///
    /// When the client has gone.
    pub fn finish(mut self) -> io::Result<()> {
        self.pass_on()?;
        if let Some(encoder) = self.encoder.take() {
            let rest = encoder.finish()?;
            self.sender.send_blocking(Part::Chunk(rest.into()))?;
        }
        self.sender.send_blocking(Part::End)
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let Some(encoder) = &mut self.encoder else {
            let chunk = std::mem::replace(&mut self.gathered, Vec::with_capacity(CHUNK_BYTES));
            return self.sender.send_blocking(Part::Chunk(chunk.into()));
        };
        encoder.write_all(&self.gathered)?;
        self.gathered.clear();
        if encoder.get_ref().len() < COMPRESSED_CHUNK_BYTES {
            return Ok(());
        }
        let chunk = std::mem::take(encoder.get_mut());
        self.sender.send_blocking(Part::Chunk(chunk.into()))
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A long write is taken in parts, so that a chunk never grows past its size.
        let room = CHUNK_BYTES - self.gathered.len();
        let (now, _) = bytes.split_at(room.min(bytes.len()));
        self.gathered.extend_from_slice(now);
        if self.gathered.len() == CHUNK_BYTES {
            self.pass_on()?;
        }
        Ok(now.len())
    }

    /// Sends what was gathered; what the compressor holds back stays with it, or it would compress badly.
    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use http_body_util::BodyExt;
    use std::io::Read;
    use tokio::task::spawn_blocking;

    /// Writes `count` numbered lines.
    fn write_lines(writer: &mut impl Write, count: usize) -> io::Result<()> {
        (0..count).try_for_each(|line| writeln!(writer, "line {line}"))
    }

    fn expected_lines(count: usize) -> String {
        (0..count).map(|line| format!("line {line}\n")).collect()
    }

    #[tokio::test]
    async fn what_is_written_arrives_whole_and_in_order() {
        for encoding in [Encoding::Identity, Encoding::Gzip] {
            for count in [0, 1, 200_000] {
                let (sender, body) = channel(2);
                let writer = spawn_blocking(move || {
                    let mut writer = sender.into_writer(encoding);
                    write_lines(&mut writer, count).unwrap();
                    writer.finish()
                });
                let bytes = body.collect().await.unwrap().to_bytes();
                writer.await.unwrap().unwrap();
                let text = match encoding {
                    Encoding::Identity => String::from_utf8(bytes.to_vec()).unwrap(),
                    Encoding::Gzip => {
                        let mut text = String::new();
                        let mut decoder = GzDecoder::new(&bytes[..]);
                        decoder.read_to_string(&mut text).unwrap();
                        text
                    }
                };
                assert!(text == expected_lines(count), "{encoding:?} {count}");
            }
        }
    }

    #[tokio::test]
    async fn a_long_write_is_cut_into_chunks() {
        let (sender, mut body) = channel(2);
        let writer = spawn_blocking(move || {
            let mut writer = sender.into_writer(Encoding::Identity);
            writer.write_all(&vec![7; 100_000])?;
            writer.finish()
        });
        let mut lengths = Vec::new();
        while let Some(frame) = body.frame().await {
            lengths.push(frame.unwrap().into_data().unwrap().len());
        }
        writer.await.unwrap().unwrap();
        assert_eq!(lengths, [32_768, 32_768, 32_768, 1_696]);
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_holds_the_writer_and_one_that_goes_stops_it() {
        let (sender, body) = channel(2);
        let writer = spawn_blocking(move || {
            let mut writer = sender.into_writer(Encoding::Identity);
            // Without an end: only the reader stops it.
            loop {
                if let Err(error) = writer.write_all(b"more and more") {
                    return error.kind();
                }
            }
        });
        let Body(Content::Stream(parts)) = &body else {
            panic!("not a stream");
        };
        while parts.len() < 2 {
            tokio::task::yield_now().await;
        }
        assert!(!writer.is_finished());
        drop(body);
        assert_eq!(writer.await.unwrap(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_writer_that_stops_early_is_an_error_to_the_reader() {
        let (sender, body) = channel(2);
        sender.send("half".into()).await.unwrap();
        drop(sender);
        let error = body.collect().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
