//! The timeouts of a connection, in the stream that hyper reads and writes.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::connection::{Phase, Slot};
use super::limits::Limits;

/// How long the rest of a refused request is read so that its sender gets to read the answer.
const LINGER: Duration = Duration::from_secs(1);

/// A stream that knows the phase of its connection and ends it when a phase lasts too long.
///
/// hyper calls it in a fixed order that makes the phases exact: it drops a response body when the last of it
/// is in its buffer, and flushes the stream only when that buffer is empty.
pub(super) struct Watched<S> {
    stream: S,
    limits: Limits,
    slot: Arc<Slot>,
    has_spoken: bool,
    reading: Deadline,
    writing: Deadline,
    is_shut: bool,
    drained_bytes: usize,
}

impl<S> Watched<S> {
    /// Watches the stream of the connection of `slot`.
    pub(super) fn new(stream: S, limits: Limits, slot: Arc<Slot>) -> Self {
        Self {
            stream,
            limits,
            slot,
            has_spoken: false,
            reading: Deadline::default(),
            writing: Deadline::default(),
            is_shut: false,
            drained_bytes: 0,
        }
    }

    /// The end of a read that found nothing: wait, or give up on the client.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.slot.phase();
        let patience = match phase {
            Phase::Idle if self.has_spoken => self.limits.idle_timeout,
            Phase::Idle | Phase::Head => self.limits.header_timeout,
            Phase::Busy | Phase::Flushing => return Poll::Pending,
        };
        let period = self.slot.period();
        ready!(self.reading.poll(context, period, patience));
        if phase == Phase::Idle && self.has_spoken {
            // Nothing went wrong: an end of input has hyper close quietly.
            return Poll::Ready(Ok(()));
        }
        self.slot.count_timeout();
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no request head within {patience:?}"),
        )))
    }

    /// The end of a write: done, or wait, or give up on a reader that does not read.
    fn poll_reader(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.writing.forget();
            return written;
        }
        let patience = self.limits.body_timeout;
        ready!(self.writing.poll(context, 0, patience));
        self.slot.count_timeout();
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the client has read nothing for {patience:?}"),
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(context, buffer);
        if result.is_pending() {
            return this.poll_patience(context);
        }
        if buffer.filled().len() > before {
            this.has_spoken = true;
            if this.slot.phase() == Phase::Idle {
                this.slot.enter(Phase::Head);
            }
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.poll_reader(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.poll_reader(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        if this.slot.phase() == Phase::Flushing {
            this.slot.enter(Phase::Idle);
            // hyper may not read again before something arrives, so the rest is timed from here.
            let period = this.slot.period();
            let _ = this.reading.poll(context, period, this.limits.idle_timeout);
        }
        Poll::Ready(Ok(()))
    }

    /// Closes our direction; after a refused body it reads on for a moment, because closing a socket with
    /// unread input resets the connection, and the client would lose the answer that says why.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.is_shut = true;
        }
        while this.slot.lingers() && this.drained_bytes < this.limits.body_bytes {
            let mut scratch = [0; 4096];
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    this.drained_bytes += buffer.filled().len();
                }
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(this.writing.poll(context, 1, LINGER));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A timer for one period at a time; its memory is kept for the next one.
#[derive(Default)]
struct Deadline {
    period: Option<u64>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Ready when `patience` has passed since the first call with this period.
    fn poll(&mut self, context: &mut Context<'_>, period: u64, patience: Duration) -> Poll<()> {
        let is_new = self.period.replace(period) != Some(period);
        let timer = match &mut self.timer {
            Some(timer) => {
                if is_new {
                    timer.set(sleep(patience));
                }
                timer
            }
            None => self.timer.insert(Box::pin(sleep(patience))),
        };
        timer.as_mut().poll(context)
    }

    /// The next call starts a new period.
    fn forget(&mut self) {
        self.period = None;
    }
}
