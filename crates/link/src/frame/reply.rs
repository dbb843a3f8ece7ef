use std::fmt;

use portcullis_hsm::Refusal;

use super::cursor::Cursor;
use super::{
    ANSWER_BYTES, CALLS_MAX, FRAME_BYTES_MAX, FrameError, FrameKind, HEADER_BYTES, Head, Request,
    finish,
};
use portcullis_wiped::Wiped;

/// How many answers there are, after the header.
const COUNT_BYTES: usize = 2;

/// The answers to a frame, being written in the order of its operations. Wiped when dropped.
pub struct ReplyFrame {
    frame: Wiped,
    expected: usize,
    answers: usize,
}

impl ReplyFrame {
    /// The empty answer to `request`, with room for everything that will be pushed.
    #[must_use]
    pub fn answering(request: &Request) -> Self {
        let mut frame = Wiped::with_capacity(request.answer_bytes());
        Head {
            kind: FrameKind::Outputs,
            id: request.id(),
            deadline_ms: 0,
        }
        .write(&mut frame);
        frame.extend(&[0; COUNT_BYTES]);
        Self {
            frame,
            expected: request.len(),
            answers: 0,
        }
    }

    /// Writes the next answer: what `run` appends, or its refusal.
    ///
    /// `run` appends in place, so that an output is written once. Room for it is reserved. An
    /// output that would not fit a frame is answered with `BadLength`, and what `run` appended
    /// before it refused is wiped.
    pub fn push(&mut self, run: impl FnOnce(&mut Vec<u8>) -> Result<(), Refusal>) {
        debug_assert!(
            self.answers < self.expected,
            "one answer for each operation"
        );
        self.frame.extend(&[0; ANSWER_BYTES]);
        let start = self.frame.len();
        let later = self.expected.saturating_sub(self.answers) * ANSWER_BYTES;
        let mut result = run(self.frame.vec());
        if result.is_ok() && self.frame.len() + later > FRAME_BYTES_MAX {
            result = Err(Refusal::BadLength);
        }
        let (status, output) = match result {
            Ok(()) => (0, self.frame.len().saturating_sub(start)),
            Err(refusal) => {
                self.frame.truncate(start);
                (refusal.code(), 0)
            }
        };
        let output = u32::try_from(output).unwrap_or(u32::MAX).to_be_bytes();
        self.frame.patch(start - ANSWER_BYTES, &[status]);
        self.frame.patch(start - ANSWER_BYTES + 1, &output);
        self.answers += 1;
    }

    /// The answers that have been written, in order.
    pub fn answers(&self) -> impl Iterator<Item = Result<&[u8], Refusal>> {
        let start = HEADER_BYTES + COUNT_BYTES;
        let mut cursor = Cursor::new(self.frame.as_ref().get(start..).unwrap_or_default());
        (0..self.answers).map_while(move |_| read_answer(&mut cursor))
    }

    /// The frame as it goes out.
    ///
    /// # Errors
    /// `Count` unless there is one answer for each operation.
    pub fn seal(mut self) -> Result<Wiped, FrameError> {
        if self.answers != self.expected {
            return Err(FrameError::Count);
        }
        let count = u16::try_from(self.answers).map_err(|_| FrameError::Count)?;
        self.frame.patch(HEADER_BYTES, &count.to_be_bytes());
        finish(FrameKind::Outputs, &mut self.frame)?;
        Ok(self.frame)
    }
}

impl fmt::Debug for ReplyFrame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ReplyFrame({} of {} answers)",
            self.answers, self.expected
        )
    }
}

/// The answers to a frame as they arrived: owned, checked whole, wiped when dropped.
pub struct Replies {
    frame: Wiped,
    id: u64,
    /// Where each answer starts, so that many callers can each fetch their own.
    starts: Vec<usize>,
}

impl Replies {
    pub(super) fn read(head: Head, frame: Wiped) -> Result<Self, FrameError> {
        let bytes = frame.as_ref();
        let mut cursor = Cursor::new(bytes.get(HEADER_BYTES..).unwrap_or_default());
        let count = cursor.length().ok_or(FrameError::Shape)?;
        if !(1..=CALLS_MAX).contains(&count) {
            return Err(FrameError::Count);
        }
        let mut starts = Vec::with_capacity(count);
        for _ in 0..count {
            starts.push(bytes.len() - cursor.remaining());
            let _checked = read_answer(&mut cursor).ok_or(FrameError::Shape)?;
        }
        if cursor.remaining() > 0 {
            return Err(FrameError::Count);
        }
        Ok(Self {
            id: head.id,
            starts,
            frame,
        })
    }

    /// The correlation id of the frame that is answered.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// How many answers there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.starts.len()
    }

    /// Never: a frame without answers is malformed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The answer to the operation at `index` of the request; none when there were fewer.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Result<&[u8], Refusal>> {
        let bytes = self.frame.as_ref().get(*self.starts.get(index)?..)?;
        read_answer(&mut Cursor::new(bytes))
    }

    /// All answers, in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<&[u8], Refusal>> {
        (0..self.len()).map_while(|index| self.get(index))
    }
}

impl fmt::Debug for Replies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Replies({})", self.len())
    }
}

fn read_answer<'a>(cursor: &mut Cursor<'a>) -> Option<Result<&'a [u8], Refusal>> {
    let status = cursor.u8()?;
    let length = usize::try_from(cursor.u32()?).ok()?;
    if status == 0 {
        return cursor.take(length).map(Ok);
    }
    // A refusal has no output.
    (length == 0).then_some(())?;
    Refusal::from_code(status).map(Err)
}
