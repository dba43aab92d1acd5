//! A request body, read and decompressed within bounds.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Buf, Bytes};
use hyper::header::CONTENT_ENCODING;
use hyper::{HeaderMap, StatusCode};
use tokio::time::timeout;

use super::encoding::Encoding;
use super::limits::{ByteSize, Limits};
use crate::ingest::budget::{OverBudget, Share, WorkerGone};

/// Decompressed on the spot, which takes well under a millisecond; what is longer goes to a blocking thread.
const INLINE_BYTES: usize = 128 << 10;

/// A decompressed size from which the whole body is measured before more of it is kept.
const SUSPICIOUS_BYTES: usize = 1 << 20;

/// The growth from which a body is measured first; logs and measurements compress 5 to 30 times.
const SUSPICIOUS_RATIO: usize = 50;

/// Bodies up to this length are taken as long as there is any room, however many large ones are on their way.
const SMALL_BYTES: usize = 16 << 10;

/// Most bytes that are held for a length that the client merely claims.
const MAX_CLAIM_BYTES: usize = 256 << 10;

/// Bytes decompressed at a time.
const STEP_BYTES: usize = 16 << 10;

/// Why a request body cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than [`Limits::body_bytes`].
    #[error("request body exceeds {limit}; send smaller batches", limit = ByteSize(*.0))]
    TooLarge(usize),
    /// More bytes after decompression than [`Limits::decompressed_bytes`].
    #[error("decompressed body exceeds {limit}; send smaller batches", limit = ByteSize(*.0))]
    DecompressedTooLarge(usize),
    /// A content encoding other than one `gzip` or `identity`.
    #[error("content encoding {0:?} is not supported; send gzip or identity, and only one")]
    Encoding(String),
    /// The gzip data ends too early.
    #[error("gzip body is truncated")]
    Truncated,
    /// The gzip data is wrong.
    #[error("gzip body is corrupt: {0}")]
    Corrupt(io::Error),
    /// The body did not arrive within [`Limits::body_timeout`].
    #[error("request body did not arrive within {0:?}")]
    TimedOut(Duration),
    /// The connection broke, or the framing is wrong.
    #[error("read the request body: {0}")]
    Interrupted(Box<dyn Error + Send + Sync>),
    /// The thread that decompresses is gone: the process is shutting down.
    #[error("decompress the request body: {0}")]
    Worker(#[from] WorkerGone),
    /// There is no room in the memory for requests in flight.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
}

impl BodyError {
    /// The status to answer with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_)
            | Self::DecompressedTooLarge(_)
            | Self::OverBudget(OverBudget::ForGood(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::OverBudget(OverBudget::ForNow(_)) => StatusCode::TOO_MANY_REQUESTS,
            Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Truncated | Self::Corrupt(_) | Self::Interrupted(_) => StatusCode::BAD_REQUEST,
            Self::TimedOut(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Worker(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Reads a request body to its end and decompresses it by its `Content-Encoding`; `share` then holds its length.
///
/// Little is held for a length that the client merely claims, and a body that grows suspiciously
/// is measured to its end before it is kept, so a bomb costs time but no memory.
///
/// # Errors
///
/// Each bound that the body breaks, see [`BodyError`]; a declared length over the bound is refused before any
/// of it is read, so a client that waits for `100 Continue` never sends it.
pub async fn read<B>(
    body: B,
    headers: &HeaderMap,
    limits: &Limits,
    mut share: Share,
) -> Result<(Bytes, Share), BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let encoding = content_encoding(headers)?;
    let wait = limits.body_timeout;
    let raw = within(wait, collect(body, limits.body_bytes, &mut share))
        .await
        .ok_or(BodyError::TimedOut(wait))??;
    match encoding {
        Encoding::Identity => Ok((raw, share)),
        Encoding::Gzip => decompress(raw, limits.decompressed_bytes, share).await,
    }
}

/// What a future gives, unless it takes longer than `wait`. Small bodies come with their head: one that is done at once
/// sets no timer.
async fn within<F: Future>(wait: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(done) => Some(done),
        Poll::Pending => timeout(wait, future).await.ok(),
    }
}

fn content_encoding(headers: &HeaderMap) -> Result<Encoding, BodyError> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(first) = values.next() else {
        return Ok(Encoding::Identity);
    };
    let text = String::from_utf8_lossy(first.as_bytes());
    match text.trim().to_ascii_lowercase().as_str() {
        _ if values.next().is_some() => Err(BodyError::Encoding(all(headers))),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "identity" | "" => Ok(Encoding::Identity),
        _ => Err(BodyError::Encoding(text.into_owned())),
    }
}

/// Every content encoding of a request, as one list.
fn all(headers: &HeaderMap) -> String {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let texts: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    texts.join(", ")
}

async fn collect<B>(body: B, limit: usize, share: &mut Share) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(body);
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge(limit));
    }
    let claimed = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if claimed > SMALL_BYTES {
        // Held before it arrives: of a crowd that shares what there is as it comes, nobody would ever be done.
        share.grow_body(claimed.min(MAX_CLAIM_BYTES))?;
        share.expect_body(claimed)?;
    }
    // Most bodies are one chunk, which is passed on without a copy.
    let mut only = Bytes::new();
    let mut joined = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Interrupted(error.into()))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        let arrived = only.len() + joined.len() + chunk.len();
        if arrived > limit {
            return Err(BodyError::TooLarge(limit));
        }
        if arrived <= SMALL_BYTES && share.body() == 0 {
            share.resize(arrived)?;
        } else {
            if share.body() == 0 {
                share.resize(0)?;
            }
            share.grow_body(arrived.saturating_sub(share.body()))?;
        }
        if joined.is_empty() && only.is_empty() {
            only = chunk;
        } else {
            if joined.is_empty() {
                // Pages that are never written to are never there, so a mere claim costs no memory.
                joined.reserve_exact(claimed.min(MAX_CLAIM_BYTES));
            }
            joined.extend_from_slice(&std::mem::take(&mut only));
            joined.extend_from_slice(&chunk);
        }
    }
    Ok(if joined.is_empty() {
        only
    } else {
        Bytes::from(joined)
    })
}

async fn decompress(
    compressed: Bytes,
    limit: usize,
    mut share: Share,
) -> Result<(Bytes, Share), BodyError> {
    let is_small = compressed.len() <= SMALL_BYTES;
    if !is_small {
        share.take_turn().await;
    }
    let mut decoding = Decoding::new(compressed, limit, share);
    if !(is_small && decoding.run(INLINE_BYTES)?) {
        decoding.share.take_turn().await;
        let budget = decoding.share.budget().clone();
        let run = move || {
            decoding.run(usize::MAX)?;
            Ok::<_, BodyError>(decoding)
        };
        decoding = budget.run(run).await??;
    }
    let Decoding {
        output, mut share, ..
    } = decoding;
    // The compressed body is gone.
    share.drop_body();
    share.resize(output.len())?;
    Ok((Bytes::from(output), share))
}

/// A gzip body half way through.
struct Decoding {
    compressed: Bytes,
    decoder: MultiGzDecoder<Remaining>,
    output: Vec<u8>,
    limit: usize,
    measured: bool,
    share: Share,
}

impl Decoding {
    fn new(compressed: Bytes, limit: usize, share: Share) -> Self {
        Self {
            decoder: MultiGzDecoder::new(Remaining(compressed.clone())),
            compressed,
            output: Vec::new(),
            limit,
            measured: false,
            share,
        }
    }

    /// Goes on until the output has `pause` bytes; whether the end was reached.
    fn run(&mut self, pause: usize) -> Result<bool, BodyError> {
        while self.output.len() < pause {
            if !self.measured
                && self.output.len() >= SUSPICIOUS_BYTES
                && self.output.len() / SUSPICIOUS_RATIO > self.compressed.len()
            {
                measure(&self.compressed, self.limit)?;
                self.measured = true;
            }
            let step = (&mut self.decoder)
                .take(STEP_BYTES as u64)
                .read_to_end(&mut self.output);
            let step = step.map_err(fault)?;
            if step == 0 {
                return Ok(true);
            }
            // The output grows by doubling, for which the old and the new one are there together.
            self.share.grow(2 * step)?;
            if self.output.len() > self.limit {
                return Err(BodyError::DecompressedTooLarge(self.limit));
            }
        }
        Ok(false)
    }
}

/// Checks how long a body becomes, and keeps nothing of it.
fn measure(compressed: &Bytes, limit: usize) -> Result<(), BodyError> {
    let decoder = MultiGzDecoder::new(Remaining(compressed.clone()));
    let allowed = limit as u64;
    let length = io::copy(
        &mut decoder.take(allowed.saturating_add(1)),
        &mut io::sink(),
    );
    if length.map_err(fault)? > allowed {
        return Err(BodyError::DecompressedTooLarge(limit));
    }
    Ok(())
}

fn fault(error: io::Error) -> BodyError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BodyError::Truncated,
        _ => BodyError::Corrupt(error),
    }
}

/// The bytes that the decoder has not taken yet.
struct Remaining(Bytes);

impl Read for Remaining {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(into.len());
        self.0
            .split_to(count)
            .copy_to_slice(into.split_at_mut(count).0);
        Ok(count)
    }
}

impl io::BufRead for Remaining {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.0)
    }

    fn consume(&mut self, count: usize) {
        self.0.advance(count.min(self.0.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body_util::Full;
    use hyper::header::HeaderValue;
    use std::io::Write;

    use crate::http::stream;
    use crate::ingest::budget::Budget;

    /// A share of plenty.
    fn share() -> Share {
        Budget::new(1 << 30).share()
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// `count` zero bytes, compressed without ever holding them.
    fn bomb(count: u64) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        io::copy(&mut io::repeat(0).take(count), &mut encoder).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(encodings: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for encoding in encodings {
            headers.append(CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap());
        }
        headers
    }

    async fn read_with(
        sent: impl Into<Bytes>,
        encodings: &[&str],
        limits: &Limits,
    ) -> Result<Bytes, BodyError> {
        let share = Budget::new(1 << 30).share();
        let read = read(Full::new(sent.into()), &headers(encodings), limits, share).await;
        read.map(|(body, share)| {
            assert_eq!(share.bytes(), body.len());
            body
        })
    }

    /// Lines that no two are the same, `bytes` long in all.
    fn lines(bytes: usize) -> Vec<u8> {
        let mut text = String::new();
        for index in 0_u64.. {
            if text.len() >= bytes {
                break;
            }
            text.push_str(&format!("{}\n", index.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        }
        text.truncate(bytes);
        text.into_bytes()
    }

    #[tokio::test]
    async fn a_body_is_returned_as_it_was_before_compression() {
        let limits = Limits::default();
        for size in [0, 1, 1000, INLINE_BYTES, INLINE_BYTES + 1, 2 << 20] {
            let plain = lines(size);
            for (encodings, sent) in [
                (&[][..], plain.clone()),
                (&["identity"], plain.clone()),
                (&["gzip"], gzip(&plain)),
                (&["x-GZIP"], gzip(&plain)),
            ] {
                let body = read_with(sent, encodings, &limits).await.unwrap();
                assert_eq!(body, plain, "{size} {encodings:?}");
            }
        }
    }

    #[tokio::test]
    async fn all_members_of_a_gzip_body_are_read() {
        let sent = [gzip(b"one "), gzip(b"two "), gzip(b"three")].concat();
        let body = read_with(sent, &["gzip"], &Limits::default())
            .await
            .unwrap();
        assert_eq!(body, "one two three");
    }

    #[tokio::test]
    async fn chunks_are_joined_and_bounded() {
        let limits = Limits {
            body_bytes: 10,
            ..Limits::default()
        };
        for (count, expected) in [(0, Some(0)), (1, Some(2)), (5, Some(10)), (6, None)] {
            let (sender, chunks) = stream::channel(8);
            for _ in 0..count {
                sender.send(Bytes::from("ab")).await.unwrap();
            }
            sender.finish().await.unwrap();
            let result = read(chunks, &HeaderMap::new(), &limits, share()).await;
            assert_eq!(result.ok().map(|(body, _)| body.len()), expected, "{count}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_or_never_ends_is_an_error() {
        let limits = Limits {
            body_timeout: Duration::from_millis(20),
            ..Limits::default()
        };
        let (sender, chunks) = stream::channel(8);
        sender.send(Bytes::from("ab")).await.unwrap();
        drop(sender);
        let error = read(chunks, &HeaderMap::new(), &limits, share())
            .await
            .unwrap_err();
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        let (sender, chunks) = stream::channel(8);
        sender.send(Bytes::from("ab")).await.unwrap();
        let error = read(chunks, &HeaderMap::new(), &limits, share())
            .await
            .unwrap_err();
        assert_eq!(error.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(error.to_string(), "request body did not arrive within 20ms");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_with_the_limit() {
        let limits = Limits {
            body_bytes: 1 << 10,
            ..Limits::default()
        };
        assert!(read_with(vec![0; 1 << 10], &[], &limits).await.is_ok());
        let error = read_with(vec![0; (1 << 10) + 1], &[], &limits)
            .await
            .unwrap_err();
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(
            error.to_string(),
            "request body exceeds 1 KiB; send smaller batches"
        );
    }

    #[test]
    fn a_bomb_is_measured_before_it_is_kept() {
        for sent in [bomb(20 << 20), [bomb(7 << 20), bomb(7 << 20)].concat()] {
            let mut decoding = Decoding::new(sent.into(), 8 << 20, share());
            let error = decoding.run(usize::MAX).unwrap_err();
            assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(
                error.to_string(),
                "decompressed body exceeds 8 MiB; send smaller batches"
            );
            let kept = decoding.output.capacity();
            assert!(kept <= 2 * SUSPICIOUS_BYTES, "{kept}");
        }
    }

    #[tokio::test]
    async fn a_very_repetitive_body_within_the_limit_is_accepted() {
        let limits = Limits {
            decompressed_bytes: 4 << 20,
            ..Limits::default()
        };
        let sent = bomb(4 << 20);
        let body = read_with(sent, &["gzip"], &limits).await.unwrap();
        assert_eq!(body.len(), 4 << 20);
        let sent = bomb((4 << 20) + 1);
        let error = read_with(sent, &["gzip"], &limits).await.unwrap_err();
        assert!(
            matches!(error, BodyError::DecompressedTooLarge(_)),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_body_that_compresses_as_usual_is_bounded_too() {
        let limits = Limits {
            decompressed_bytes: 1 << 20,
            ..Limits::default()
        };
        for (size, accepted) in [(1 << 20, true), ((1 << 20) + 1, false)] {
            let result = read_with(gzip(&lines(size)), &["gzip"], &limits).await;
            assert_eq!(result.is_ok(), accepted, "{size}");
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_beside_others_is_refused_for_now_and_what_never_fits_for_good() {
        let limits = Limits::default();
        let budget = Budget::new(3 << 20);
        let mut other = budget.share();
        other.grow(5 << 19).unwrap();
        let plain = lines(600 << 10);
        for (encodings, sent) in [(&[][..], plain.clone()), (&["gzip"], gzip(&plain))] {
            let send = || Full::new(Bytes::from(sent.clone()));
            let refused = read(send(), &headers(encodings), &limits, budget.share()).await;
            let error = refused.unwrap_err();
            assert_eq!(error.status(), StatusCode::TOO_MANY_REQUESTS, "{error}");
            assert_eq!(budget.used(), 5 << 19);
            other.resize(0).unwrap();
            let taken = read(send(), &headers(encodings), &limits, budget.share()).await;
            assert_eq!(taken.unwrap().0, plain);
            assert_eq!(budget.used(), 0);
            other.resize(5 << 19).unwrap();
        }
        drop(other);
        let sent = Full::new(Bytes::from(bomb(4 << 20)));
        let never = read(sent, &headers(&["gzip"]), &limits, budget.share()).await;
        let error = never.unwrap_err();
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(
            error.to_string(),
            "the request needs more memory than the 3 MiB that all requests together may hold; send smaller batches"
        );
    }

    #[tokio::test]
    async fn a_truncated_body_is_told_from_a_corrupt_one() {
        let whole = gzip(&lines(1 << 20));
        for length in [0, 5, 10, whole.len() / 2, whole.len() - 1] {
            let sent = whole.get(..length).unwrap().to_vec();
            let error = read_with(sent, &["gzip"], &Limits::default())
                .await
                .unwrap_err();
            assert_eq!(error.status(), StatusCode::BAD_REQUEST);
            assert_eq!(error.to_string(), "gzip body is truncated", "{length}");
        }
        let mut wrong_sum = whole.clone();
        let place = whole.len() - 6;
        wrong_sum[place] ^= 0xff;
        for sent in [
            wrong_sum,
            b"{\"not\": \"gzip\"}".to_vec(),
            [&whole[..], b"garbage after it"].concat(),
        ] {
            let error = read_with(sent, &["gzip"], &Limits::default())
                .await
                .unwrap_err();
            assert_eq!(error.status(), StatusCode::BAD_REQUEST);
            assert!(
                error.to_string().starts_with("gzip body is corrupt: "),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn other_encodings_are_refused_with_what_is_allowed() {
        for (encodings, named) in [
            (&["br"][..], "br"),
            (&["gzip, gzip"], "gzip, gzip"),
            (&["gzip", "gzip"], "gzip, gzip"),
            (&["zstd"], "zstd"),
            (&["deflate"], "deflate"),
        ] {
            let error = read_with("x", encodings, &Limits::default())
                .await
                .unwrap_err();
            assert_eq!(error.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
            assert_eq!(
                error.to_string(),
                format!(
                    "content encoding {named:?} is not supported; send gzip or identity, and only one"
                )
            );
        }
    }
}
