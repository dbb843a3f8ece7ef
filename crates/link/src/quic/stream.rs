use std::collections::VecDeque;

use bytes::Bytes;
use quinn::RecvStream;

use crate::frame::{Assembler, FrameError, Message, decode};
use portcullis_wiped::Wiped;

/// Why there is no further message.
#[derive(Debug)]
pub(super) enum StreamEnd {
    /// The other side finished, or the connection broke.
    Stream(String),
    /// What arrived is not a frame.
    Frame(FrameError),
}

impl std::fmt::Display for StreamEnd {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stream(why) => formatter.write_str(why),
            Self::Frame(error) => std::fmt::Display::fmt(error, formatter),
        }
    }
}

/// Reads messages off a stream. Cancel-safe: what has arrived is kept.
#[derive(Debug)]
pub(super) struct MessageReader {
    stream: RecvStream,
    assembler: Assembler,
    complete: VecDeque<Wiped>,
}

/// Chunks taken from quinn under one lock; a frame of 64 operations is two or three packets.
const CHUNKS: usize = 16;

impl MessageReader {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            assembler: Assembler::default(),
            complete: VecDeque::new(),
        }
    }

    /// The next message, checked whole.
    pub(super) async fn next(&mut self) -> Result<Message, StreamEnd> {
        loop {
            if let Some(frame) = self.complete.pop_front() {
                return decode(frame).map_err(StreamEnd::Frame);
            }
            let mut chunks: [Bytes; CHUNKS] = std::array::from_fn(|_| Bytes::new());
            let read = match self.stream.read_chunks(&mut chunks).await {
                Ok(Some(read)) => read,
                Ok(None) => return Err(self.finished()),
                Err(error) => return Err(StreamEnd::Stream(error.to_string())),
            };
            for chunk in chunks.iter().take(read) {
                let keep = |frame| self.complete.push_back(frame);
                self.assembler.feed(chunk, keep).map_err(StreamEnd::Frame)?;
            }
        }
    }

    fn finished(&self) -> StreamEnd {
        if self.assembler.is_between_frames() {
            StreamEnd::Stream("the other side finished".to_owned())
        } else {
            StreamEnd::Frame(FrameError::Length)
        }
    }
}
