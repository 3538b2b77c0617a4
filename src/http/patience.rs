//! Writing that does not wait for ever: a peer that reads nothing, or next to nothing, loses its
//! connection.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Bytes that a peer has to take while we are patient once. A peer on the slowest of lines takes
/// many times as many; one that takes a few now and then would keep an answer for hours.
const PACE_BYTES: usize = 16 << 10;

/// A stream whose writes fail once the peer has not kept pace for a while.
pub struct Patient<T> {
    inner: T,
    patience: Duration,
    /// Runs from the first write that waits until the peer has taken enough, or all.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes that were taken since then.
    taken: usize,
}

impl<T> Patient<T> {
    /// A stream with so much patience.
    pub const fn new(inner: T, patience: Duration) -> Self {
        Self { inner, patience, stalled: None, taken: 0 }
    }

    /// The stream itself.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// What a write came to, or that it took too long.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.taken = self.taken.saturating_add(*bytes);
            if self.taken >= PACE_BYTES {
                self.stalled = None;
            }
        }
        self.watch(context, written)
    }

    /// What became of a call, or that the peer has kept us waiting for too long.
    fn watch<R>(&mut self, context: &mut Context<'_>, done: Poll<Result<R>>) -> Poll<Result<R>> {
        if done.is_ready() {
            return done;
        }
        if self.stalled.is_none() {
            self.taken = 0;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        let over = stalled.as_mut().poll(context);
        over.map(|()| Err(Error::new(ErrorKind::TimedOut, "the peer reads nothing")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.wrote(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        if flushed.is_ready() {
            // All is on its way: whoever waits next begins anew.
            self.stalled = None;
        }
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let closed = Pin::new(&mut self.inner).poll_shutdown(context);
        self.watch(context, closed)
    }
}
