use std::time::Duration;

use portcullis_hsm::{Command, Refusal, Reply};
use postcard::ser_flavors::Flavor;
use serde::Serialize;

use super::cursor::Cursor;
use super::{FrameError, FrameKind, HEADER_BYTES, Head, finish, millis};
use portcullis_wiped::Wiped;

/// A management command on its way to an HSM.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    /// What the answer repeats.
    pub id: u64,
    /// How long, from its arrival, the caller waits for the answer.
    pub patience: Duration,
    /// What to do.
    pub command: Command,
}

impl Order {
    pub(super) fn read(head: Head, frame: &Wiped) -> Result<Self, FrameError> {
        let body = frame.as_ref().get(HEADER_BYTES..).unwrap_or_default();
        let (command, rest) = postcard::take_from_bytes(body).map_err(|_| FrameError::Shape)?;
        if rest.is_empty() {
            Ok(Self {
                id: head.id,
                patience: head.patience(),
                command,
            })
        } else {
            Err(FrameError::Shape)
        }
    }

    /// The frame.
    ///
    /// # Errors
    /// When the command is larger than [`COMMAND_BYTES_MAX`](super::COMMAND_BYTES_MAX).
    pub fn encode(&self) -> Result<Wiped, FrameError> {
        let deadline_ms = millis(self.patience);
        let mut frame = Wiped::with_capacity(USUAL_BYTES);
        Head {
            kind: FrameKind::Command,
            id: self.id,
            deadline_ms,
        }
        .write(&mut frame);
        write_body(FrameKind::Command, &self.command, &mut frame)?;
        finish(FrameKind::Command, &mut frame)?;
        Ok(frame)
    }
}

/// The answer to a management command.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The id of the command.
    pub id: u64,
    /// What the HSM says.
    pub result: Result<Reply, Refusal>,
}

impl Answer {
    pub(super) fn read(head: Head, frame: &Wiped) -> Result<Self, FrameError> {
        let body = frame.as_ref().get(HEADER_BYTES..).unwrap_or_default();
        let mut cursor = Cursor::new(body);
        let status = cursor.u8().ok_or(FrameError::Shape)?;
        let (result, rest) = if status == 0 {
            let (reply, rest) =
                postcard::take_from_bytes(cursor.rest()).map_err(|_| FrameError::Shape)?;
            (Ok(reply), rest)
        } else {
            (
                Err(Refusal::from_code(status).ok_or(FrameError::Shape)?),
                cursor.rest(),
            )
        };
        if rest.is_empty() {
            Ok(Self {
                id: head.id,
                result,
            })
        } else {
            Err(FrameError::Shape)
        }
    }

    /// The frame.
    ///
    /// # Errors
    /// When the reply is larger than
    /// [`COMMAND_ANSWER_BYTES_MAX`](super::COMMAND_ANSWER_BYTES_MAX).
    pub fn encode(&self) -> Result<Wiped, FrameError> {
        let mut frame = Wiped::with_capacity(USUAL_BYTES);
        Head {
            kind: FrameKind::Answer,
            id: self.id,
            deadline_ms: 0,
        }
        .write(&mut frame);
        match &self.result {
            Ok(reply) => {
                frame.extend(&[0]);
                write_body(FrameKind::Answer, reply, &mut frame)?;
            }
            Err(refusal) => frame.extend(&[refusal.code()]),
        }
        finish(FrameKind::Answer, &mut frame)?;
        Ok(frame)
    }
}

/// Most commands and answers fit; a larger one grows.
const USUAL_BYTES: usize = 512;

/// Appends `value` without leaving a copy of it behind, whatever secrets it holds.
fn write_body<T: Serialize>(
    kind: FrameKind,
    value: &T,
    frame: &mut Wiped,
) -> Result<(), FrameError> {
    let bytes_max = kind.bytes_max();
    postcard::serialize_with_flavor(value, FrameRoom { frame, bytes_max })
        .map_err(|_too_large| FrameError::Length)
}

/// Where postcard writes: the frame itself, which wipes what it leaves when it grows. Room for the
/// largest frame at once would cost a quarter of a megabyte, zeroed and wiped, for every answer.
struct FrameRoom<'a> {
    frame: &'a mut Wiped,
    bytes_max: usize,
}

impl Flavor for FrameRoom<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if self.frame.len() + bytes.len() > self.bytes_max {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.frame.extend(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_answer_takes_little_room_and_a_large_one_is_refused() {
        let answer = Answer {
            id: 1,
            result: Ok(Reply::Done),
        };
        assert!(answer.encode().unwrap().vec().capacity() <= USUAL_BYTES);
        let mut frame = Wiped::with_capacity(8);
        for bytes_max in [3, 4] {
            let room = FrameRoom {
                frame: &mut frame,
                bytes_max,
            };
            let written = postcard::serialize_with_flavor(b"abcd", room);
            assert_eq!(written.is_ok(), bytes_max == 4, "{bytes_max}");
            frame.truncate(0);
        }
    }
}
