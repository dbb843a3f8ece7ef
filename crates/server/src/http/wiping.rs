use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that wipes the buffer it is about to read into.
///
/// Rule SEC-02: hyper reads every request of a connection into one buffer. What a request held, such
/// as a plaintext, would stay there for as long as the client keeps the connection open and says
/// nothing. Once a request is answered hyper waits for the next one, and offers the buffer for it from
/// the start. Wiping 8 KiB, as the buffer has for requests of usual size, takes some 100 ns.
#[derive(Debug)]
pub(super) struct WipingStream<S> {
    stream: S,
    /// What was read so far: no more than this, from the start of the buffer on, can hold something.
    /// The rest is not wiped, so that a client that sends little makes the server hold no page that it
    /// would not hold otherwise.
    read: usize,
    /// The address at which the buffer was wiped when nothing came: what is offered there next is still
    /// wiped, and hyper asks more than once for each request.
    wiped_at: Option<usize>,
}

impl<S> WipingStream<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            read: 0,
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
        let room = self.read.min(offered);
        let at = buffer.initialize_unfilled_to(0).as_ptr().addr();
        if self.wiped_at.take() != Some(at) {
            // What is offered may begin behind bytes that are still wanted: then this reaches too far.
            let _zeros = buffer.initialize_unfilled_to(room);
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        self.read = self.read.saturating_add(read);
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

    /// Reads `sent` into a buffer of which `room` bytes are offered, as hyper does. Gives how many of
    /// them are wiped or written.
    async fn read(stream: &mut WipingStream<&[u8]>, sent: &'static [u8], room: usize) -> usize {
        stream.stream = sent;
        let mut buffer = vec![MaybeUninit::uninit(); room];
        let mut offered = ReadBuf::uninit(&mut buffer);
        let poll =
            |context: &mut Context<'_>| Pin::new(&mut *stream).poll_read(context, &mut offered);
        std::future::poll_fn(poll).await.unwrap();
        offered.initialized().len()
    }

    /// Rule SEC-02.
    #[tokio::test]
    async fn what_an_earlier_request_held_is_wiped_before_the_next_is_waited_for() {
        let mut stream = WipingStream::new(&b""[..]);
        assert_eq!(read(&mut stream, b"secret", 8).await, 6, "and no more");
        assert_eq!(read(&mut stream, b"no", 8).await, 6);
        // A request in two parts: behind the first less is offered.
        read(&mut stream, b"sec", 8).await;
        read(&mut stream, b"retly", 5).await;
        assert_eq!(read(&mut stream, b"", 8).await, 8);
    }

    /// Rule SEC-02.
    #[tokio::test]
    async fn what_was_wiped_is_wiped_again_only_after_something_was_read_there() {
        let mut stream = WipingStream::new(&b""[..]);
        let mut buffer = vec![MaybeUninit::uninit(); 8];
        for (sent, wiped) in [
            (&b"secret"[..], 0),
            (b"", 6),
            (b"", 0),
            (b"more", 0),
            (b"", 8),
        ] {
            stream.stream = sent;
            let mut offered = ReadBuf::uninit(&mut buffer);
            let poll =
                |context: &mut Context<'_>| Pin::new(&mut stream).poll_read(context, &mut offered);
            std::future::poll_fn(poll).await.unwrap();
            let initialised = offered.initialized().len();
            assert_eq!(
                initialised.max(sent.len()),
                wiped.max(sent.len()),
                "{sent:?}"
            );
        }
    }
}
