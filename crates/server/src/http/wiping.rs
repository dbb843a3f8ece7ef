use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that wipes the buffer it is about to read into.
///
/// Rule SEC-02: hyper reads every request of a connection into one buffer. What a request held, such
/// as a plaintext, would stay there for as long as the client keeps the connection open and says
/// nothing. Once a request is answered hyper waits for the next one, and offers the buffer for it from
/// the start.
#[derive(Debug)]
pub(super) struct WipingStream<S> {
    stream: S,
    /// No more than this, from the start of the buffer on, can hold something: the most that was read at
    /// once, as long as the buffer is offered from its start for each read. The rest is not wiped: most
    /// requests have a tenth of what the buffer has, and a client that sends little makes the server hold
    /// no page that it would not hold otherwise.
    dirty: usize,
    /// Where the last bytes that were read end.
    end: usize,
    /// The address at which the buffer was wiped when nothing came: what is offered there next is still
    /// wiped, and hyper asks more than once for each request.
    wiped_at: Option<usize>,
}

impl<S> WipingStream<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            dirty: 0,
            end: 0,
            wiped_at: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WipingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let offered = buffer.remaining();
        let at = buffer.initialize_unfilled_to(0).as_ptr().addr();
        if at == self.end {
            // A request came in parts, for which hyper makes a larger buffer and keeps it: from now on
            // it is offered from behind requests that were answered, and all that is offered is wiped.
            self.dirty = usize::MAX;
        }
        if self.wiped_at.take() != Some(at) {
            // What is offered may begin behind bytes that are still wanted: then this reaches too far.
            let _zeros = buffer.initialize_unfilled_to(self.dirty.min(offered));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.dirty = self.dirty.max(read);
            self.end = at.wrapping_add(read);
        }
        self.wiped_at = (read == 0).then_some(at);
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WipingStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    /// Replies are written from where they lie, and not copied into a buffer that is kept.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;

    /// Reads `sent` into what is offered of a buffer, as hyper does. Gives how many of its bytes are wiped
    /// or written.
    async fn read_at(
        stream: &mut WipingStream<&[u8]>,
        sent: &'static [u8],
        buffer: &mut [MaybeUninit<u8>],
    ) -> usize {
        stream.stream = sent;
        let mut offered = ReadBuf::uninit(buffer);
        let poll =
            |context: &mut Context<'_>| Pin::new(&mut *stream).poll_read(context, &mut offered);
        std::future::poll_fn(poll).await.unwrap();
        offered.initialized().len()
    }

    /// Rule SEC-02.
    #[tokio::test]
    async fn what_an_earlier_request_held_is_wiped_before_the_next_is_waited_for() {
        let mut stream = WipingStream::new(&b""[..]);
        let mut buffer = [MaybeUninit::uninit(); 8];
        for (sent, wiped) in [
            (&b"secret"[..], 6),
            (b"no", 6),
            (b"", 6),
            (b"longest", 7),
            (b"", 7),
        ] {
            let touched = read_at(&mut stream, sent, &mut buffer).await;
            assert_eq!(touched, wiped, "{sent:?}, and no more");
        }
    }

    /// Rule SEC-02.
    #[tokio::test]
    async fn what_was_wiped_is_wiped_again_only_after_something_was_read_there() {
        let mut stream = WipingStream::new(&b""[..]);
        let mut buffer = [MaybeUninit::uninit(); 8];
        for (sent, wiped) in [
            (&b"secret"[..], 6),
            (b"", 6),
            (b"", 0),
            (b"more", 4),
            (b"", 6),
        ] {
            let touched = read_at(&mut stream, sent, &mut buffer).await;
            assert_eq!(touched, wiped, "{sent:?}");
        }
    }

    /// Rule SEC-02.
    #[tokio::test]
    async fn all_is_wiped_of_a_buffer_that_is_not_offered_from_its_start() {
        let mut stream = WipingStream::new(&b""[..]);
        let mut buffer = [MaybeUninit::uninit(); 16];
        let (first, rest) = buffer.split_at_mut(3);
        assert_eq!(read_at(&mut stream, b"sec", first).await, 3);
        assert_eq!(read_at(&mut stream, b"ret", rest).await, 13);
        assert_eq!(read_at(&mut stream, b"", &mut buffer).await, 16);
    }
}
