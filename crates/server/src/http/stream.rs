use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::budget::HeldBytes;
use super::stall::Stall;
use super::state::ConnectionState;
use crate::connections::End;

/// Bytes that are read at once. One less than the buffer with which hyper begins: it never makes a
/// larger one but for a larger head, so that who sends much at once holds no more memory than others.
const READ_BYTES_MAX: usize = 8191;

/// Bytes of a head that every connection may hold; nearly all heads have fewer.
const HEAD_BYTES_FREE: usize = 8192;

/// Bytes of a reply that every connection may leave unread. Nearly all replies of the AWS endpoint
/// have fewer.
const UNREAD_BYTES_FREE: usize = 4096;

/// A stream whose other side must read what it is sent, in bounds of time and bytes.
///
/// As long as the other side does, this costs a few plain loads and stores for each read and write:
/// no timer, no clock, no system call.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    stream: S,
    state: Arc<ConnectionState>,
    /// For a head that is larger than most.
    head: Option<HeldBytes>,
    /// There while something is left to send that the other side does not take.
    stalled: Option<Box<Stalled>>,
}

#[derive(Debug)]
struct Stalled {
    stall: Stall,
    timer: Pin<Box<Sleep>>,
    /// For what is left to send.
    _held: Option<HeldBytes>,
}

impl<S> Bounded<S> {
    pub(super) const fn new(stream: S, state: Arc<ConnectionState>) -> Self {
        Self {
            stream,
            state,
            head: None,
            stalled: None,
        }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// Rule WIRE-29: heads above 8 KiB share a budget.
    fn received(&mut self, bytes: usize) -> io::Result<()> {
        let Some(head) = self.state.received(bytes) else {
            return Ok(());
        };
        if head <= HEAD_BYTES_FREE {
            return Ok(());
        }
        let permitted = match &mut self.head {
            Some(held) => held.grow(bytes),
            none => {
                *none = self.state.bounds.requests.take(head);
                none.is_some()
            }
        };
        if permitted {
            Ok(())
        } else {
            self.state.ends(End::Bytes);
            Err(io::ErrorKind::OutOfMemory.into())
        }
    }

    /// Something could not be sent: `left` bytes wait.
    fn wait(&mut self, context: &mut Context<'_>, left: usize) -> Poll<io::Error> {
        if self.stalled.is_none() {
            self.state.stalled();
        }
        let stalled = match &mut self.stalled {
            Some(stalled) => stalled,
            none => {
                let Some(held) = hold(&self.state, left) else {
                    self.state.ends(End::Bytes);
                    return Poll::Ready(io::ErrorKind::OutOfMemory.into());
                };
                let stall = Stall::new(Instant::now());
                let deadline = stall.deadline(&self.state.room.patience);
                none.insert(Box::new(Stalled {
                    stall,
                    timer: Box::pin(tokio::time::sleep_until(deadline)),
                    _held: held,
                }))
            }
        };
        ready!(stalled.timer.as_mut().poll(context));
        self.state.ends(End::Write);
        if let Some(times) = self.state.bounds.notices.not_read.due() {
            tracing::warn!(
                times,
                "a connection was closed because its client did not read the reply"
            );
        }
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// `sent` of `left` bytes were sent.
    fn sent(&mut self, sent: usize, left: usize) {
        let Some(stalled) = &mut self.stalled else {
            return;
        };
        if sent == left {
            self.stalled = None;
            self.state.serving();
        } else {
            stalled.stall.progress(Instant::now(), sent);
            let deadline = stalled.stall.deadline(&self.state.room.patience);
            stalled.timer.as_mut().reset(deadline);
        }
    }

    /// What came of an attempt to send.
    fn tried(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
        left: usize,
    ) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(sent)) => {
                self.sent(sent, left);
                Poll::Ready(Ok(sent))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(Err(ready!(self.wait(context, left)))),
        }
    }

    /// Nothing is sent while no request is under way but what hyper answers by itself to a head that
    /// it cannot read: a status without a body. The task of the connection says it better.
    fn is_refusal(&self, sent: &[u8]) -> bool {
        if !self.state.is_waiting() {
            return false;
        }
        let status = sent.get("HTTP/1.1 ".len()..).and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| std::str::from_utf8(digits).ok());
        let status = status.and_then(|digits| digits.parse().ok());
        self.state.refused(status.unwrap_or(400));
        true
    }
}

/// Takes what a stalled connection holds.
///
/// Rule WIRE-29: unread replies share a budget. When it is used up, the connection that has been
/// stalled for longest is closed, and this one when it is the only one.
fn hold(state: &ConnectionState, bytes: usize) -> Option<Option<HeldBytes>> {
    if bytes <= UNREAD_BYTES_FREE || state.is_counted() {
        return Some(None);
    }
    let budget = &state.bounds.unread;
    if let Some(held) = budget.take(bytes) {
        return Some(Some(held));
    }
    if let Some(times) = state.bounds.notices.no_bytes_left.due() {
        tracing::warn!(
            times,
            "a connection was closed because unread replies held all the bytes they may"
        );
    }
    state
        .close_longest_stalled()
        .then(|| Some(budget.take_anyway(bytes)))
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut limited = buffer.limit(READ_BYTES_MAX);
        let reading = pin!(this.stream.read_buf(&mut limited));
        let bytes = ready!(reading.poll(context))?;
        Poll::Ready(this.received(bytes))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_refusal(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.tried(context, outcome, bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let left = parts.iter().map(|part| part.len()).sum();
        if this.is_refusal(parts.first().map_or(&[][..], |part| part)) {
            return Poll::Ready(Ok(left));
        }
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.tried(context, outcome, left)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_flush(context) {
            Poll::Ready(Ok(())) => {
                this.sent(0, 0);
                if this.state.flushed() {
                    this.head = None;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(Err(ready!(this.wait(context, 0)))),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.state.refused_with() != 0 {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.stream).poll_shutdown(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => Poll::Ready(Err(ready!(this.wait(context, 0)))),
        }
    }
}
