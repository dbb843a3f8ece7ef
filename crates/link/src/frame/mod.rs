//! The bytes between a facade and an HSM.
//!
//! A frame carries many operations, or one management command, or the answers. Numbers are in
//! network byte order.
//!
//! ```text
//!  0        4      5                13            17
//! +--------+------+----------------+-------------+- - - - - - -+
//! | length | kind | correlation id | deadline ms |    body     |
//! +--------+------+----------------+-------------+- - - - - - -+
//!   u32 of   u8     u64              u32: how long the answer is waited for;
//!   the rest                         0 in answers
//!
//! kind 1, operations:  count u16, then each operation:
//!
//! +--------+---------+--------------------------------------------------------------+
//! | 1 or 2 | session | key 16 | lengths u16, u16 | additional data | text           |  Encrypt,
//! | u8     | u64     |                                                              |  Decrypt
//! | 3      |   "     | key 16 | length u16, bytes u16 | additional data             |  GenerateDataKey
//! | 4      |   "     | source 16 | destination 16 | lengths 3 x u16 | two, sealed   |  ReEncrypt
//! | 5      |   "     | bytes u16                                                    |  Random
//! +--------+---------+--------------------------------------------------------------+
//!
//! kind 2, answers in the order of the operations:  count u16, then each:
//!
//! +--------+--------+- - - - -+
//! | status | length | output  |  status u8: 0, or the code of a refusal (then length is 0);
//! +--------+--------+- - - - -+  length u32
//!
//! kind 3, a command: postcard.     kind 4, its answer: status u8, then postcard if 0.
//! ```
//!
//! Whatever arrives is checked here, whole, before anything of it is used: no operation runs of
//! a frame that has one malformed one.

mod assemble;
mod command;
mod cursor;
mod reply;
mod request;

use std::fmt;
use std::time::Duration;

pub use assemble::Assembler;
pub use command::{Answer, Order};
pub use reply::{Replies, ReplyFrame};
pub use request::{Pushed, Request, RequestFrame};

use cursor::Cursor;
use portcullis_wiped::Wiped;

/// The largest frame, prefix included (Rule LINK-02): some 120 operations with the largest plaintext.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// The most operations in a frame: beyond some 64 larger frames gain nothing, and one frame holds
/// up those behind it.
pub const CALLS_MAX: usize = 1024;

/// The largest frame of a management command; the longest one inserts a masked key.
pub const COMMAND_BYTES_MAX: usize = 64 << 10;

/// Status and length.
const ANSWER_BYTES: usize = 5;

/// The largest frame of an answer to a command: the longest lists 1,000 keys with their labels.
pub const COMMAND_ANSWER_BYTES_MAX: usize = 256 << 10;

/// Bytes before the body.
const HEADER_BYTES: usize = 17;
const PREFIX_BYTES: usize = 4;

/// A frame that arrived, checked.
#[derive(Debug)]
pub enum Message {
    /// Operations for an HSM.
    Request(Request),
    /// What an HSM answers to operations.
    Replies(Replies),
    /// A management command for an HSM.
    Order(Order),
    /// What an HSM answers to a command.
    Answer(Answer),
}

/// Reads one whole frame, length prefix included.
///
/// # Errors
/// When anything about it is malformed; nothing of it must be used then.
pub fn decode(frame: Wiped) -> Result<Message, FrameError> {
    let mut cursor = Cursor::new(frame.as_ref());
    let head = Head::read(&mut cursor)?;
    match head.kind {
        FrameKind::Operations => Request::read(head, frame).map(Message::Request),
        FrameKind::Outputs => Replies::read(head, frame).map(Message::Replies),
        FrameKind::Command => Order::read(head, &frame).map(Message::Order),
        FrameKind::Answer => Answer::read(head, &frame).map(Message::Answer),
    }
}

/// Why bytes are not a frame. No text of it repeats a byte of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The length prefix is out of range or differs from what is there.
    Length,
    /// The kind is unknown, or not one that this end takes.
    Kind,
    /// A frame of no or too many operations, or another number than announced.
    Count,
    /// Something ends before it should, or goes on after it.
    Shape,
    /// The answers would not fit a frame.
    AnswerTooLarge,
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Length => "malformed frame: its length is out of range",
            Self::Kind => "malformed frame: not a kind that is taken here",
            Self::Count => "malformed frame: a wrong number of operations",
            Self::Shape => "malformed frame: a field ends too early or too late",
            Self::AnswerTooLarge => "malformed frame: its answer would not fit a frame",
        })
    }
}

impl std::error::Error for FrameError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Operations = 1,
    Outputs = 2,
    Command = 3,
    Answer = 4,
}

impl FrameKind {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Operations,
            2 => Self::Outputs,
            3 => Self::Command,
            4 => Self::Answer,
            _ => return None,
        })
    }

    const fn bytes_max(self) -> usize {
        match self {
            Self::Operations | Self::Outputs => FRAME_BYTES_MAX,
            Self::Command => COMMAND_BYTES_MAX,
            Self::Answer => COMMAND_ANSWER_BYTES_MAX,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Head {
    kind: FrameKind,
    id: u64,
    deadline_ms: u32,
}

impl Head {
    /// Reads a header and checks the length prefix against what `cursor` holds.
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FrameError> {
        let total = cursor.remaining();
        let length = cursor.u32().ok_or(FrameError::Length)?;
        if usize::try_from(length).ok() != total.checked_sub(PREFIX_BYTES) {
            return Err(FrameError::Length);
        }
        let kind = cursor.u8().ok_or(FrameError::Shape)?;
        let kind = FrameKind::from_code(kind).ok_or(FrameError::Kind)?;
        if total > kind.bytes_max() {
            return Err(FrameError::Length);
        }
        let id = cursor.u64().ok_or(FrameError::Shape)?;
        let deadline_ms = cursor.u32().ok_or(FrameError::Shape)?;
        Ok(Self {
            kind,
            id,
            deadline_ms,
        })
    }

    /// Appends the header; the length is patched by [`finish`].
    fn write(self, out: &mut Wiped) {
        out.extend(&[0; PREFIX_BYTES]);
        // The discriminants are the codes.
        out.extend(&[self.kind as u8]);
        out.extend(&self.id.to_be_bytes());
        out.extend(&self.deadline_ms.to_be_bytes());
    }

    const fn patience(self) -> Duration {
        Duration::from_millis(self.deadline_ms as u64)
    }
}

/// Sets the length prefix, if the frame is within its bound.
fn finish(kind: FrameKind, out: &mut Wiped) -> Result<(), FrameError> {
    if out.len() > kind.bytes_max() {
        return Err(FrameError::Length);
    }
    let length = u32::try_from(out.len() - PREFIX_BYTES).map_err(|_| FrameError::Length)?;
    out.patch(0, &length.to_be_bytes());
    Ok(())
}

/// A duration in whole milliseconds, rounded up so that a short one does not become none.
fn millis(patience: Duration) -> u32 {
    let rounded = patience
        .saturating_add(Duration::from_micros(999))
        .as_millis();
    u32::try_from(rounded).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
