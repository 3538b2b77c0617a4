//! Connections that end well: what the peer still sends is taken in for a while. One that is closed
//! with bytes unread is reset, and the answer that went before, such as that a body is too large,
//! is lost with it.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Bytes that are taken in, and thrown away, of a peer that was answered before it had sent all.
const LINGER_BYTES_MAX: usize = 16 << 20;
/// Longest time that takes.
const LINGER_WAIT: Duration = Duration::from_secs(2);
/// A peer that has sent nothing for so long has sent all.
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// Bytes that are read at a time.
const READ_BYTES: usize = 16 << 10;

/// A stream that lingers when it is shut down.
pub struct Lingering<T> {
    inner: T,
    rest: Option<Rest>,
}

/// What is still waited for once our side is closed.
struct Rest {
    bytes: usize,
    end: Pin<Box<Sleep>>,
    pause: Pin<Box<Sleep>>,
}

impl<T> Lingering<T> {
    /// A stream that is open.
    pub const fn new(inner: T) -> Self {
        Self { inner, rest: None }
    }

    /// The stream itself.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Lingering<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Self { inner, rest } = &mut *self;
        if rest.is_none() {
            ready!(Pin::new(&mut *inner).poll_shutdown(context))?;
        }
        let rest = rest.get_or_insert_with(|| Rest {
            bytes: 0,
            end: Box::pin(sleep(LINGER_WAIT)),
            pause: Box::pin(sleep(PAUSE_MAX)),
        });
        let mut scratch = [0; READ_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *inner).poll_read(context, &mut buffer) {
                Poll::Pending => break,
                // The peer has closed its side, or is gone.
                Poll::Ready(read) if read.is_err() || buffer.filled().is_empty() => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(_) => {
                    rest.bytes += buffer.filled().len();
                    rest.pause = Box::pin(sleep(PAUSE_MAX));
                    if rest.bytes > LINGER_BYTES_MAX {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
        let paused = rest.pause.as_mut().poll(context).is_ready();
        if paused || rest.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    const PIPE_BYTES: usize = 1 << 20;

    /// Our side of a connection, closed after an answer; the bytes that were taken in then.
    async fn answer(near: DuplexStream) -> usize {
        let mut near = Lingering::new(near);
        near.write_all(b"no").await.unwrap();
        near.shutdown().await.unwrap();
        near.rest.unwrap().bytes
    }

    #[tokio::test]
    async fn who_sends_on_is_heard_out_and_reads_the_answer() {
        let (near, mut far) = duplex(1 << 10);
        let sends = async {
            far.write_all(&vec![1; PIPE_BYTES]).await.unwrap();
            far.shutdown().await.unwrap();
            let mut answer = Vec::new();
            far.read_to_end(&mut answer).await.unwrap();
            answer
        };
        assert_eq!(tokio::join!(sends, answer(near)), (b"no".to_vec(), PIPE_BYTES));
    }

    #[tokio::test]
    async fn who_sends_nothing_is_not_waited_for_long() {
        let (near, _far) = duplex(PIPE_BYTES);
        let began = Instant::now();
        assert_eq!(answer(near).await, 0);
        assert!(began.elapsed() < LINGER_WAIT);
    }

    #[tokio::test]
    async fn who_sends_for_ever_is_cut_off() {
        let (near, mut far) = duplex(PIPE_BYTES);
        let trickles = async {
            while far.write_all(b"x").await.is_ok() {
                sleep(PAUSE_MAX / 4).await;
            }
        };
        let began = Instant::now();
        let (bytes, ()) = tokio::join!(answer(near), trickles);
        assert!(began.elapsed() >= LINGER_WAIT && bytes < 100, "{bytes}");

        let (near, mut far) = duplex(PIPE_BYTES);
        let much = vec![1; PIPE_BYTES];
        let pours = async { while far.write_all(&much).await.is_ok() {} };
        let (bytes, ()) = tokio::join!(answer(near), pours);
        assert!(bytes > LINGER_BYTES_MAX && bytes < 2 * LINGER_BYTES_MAX, "{bytes}");
    }
}
