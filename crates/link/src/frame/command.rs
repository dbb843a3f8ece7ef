use std::time::Duration;

use portcullis_hsm::{Command, Refusal, Reply};
use serde::Serialize;

use super::cursor::Cursor;
use super::{FrameError, HEADER_BYTES, Head, Kind, finish, millis};
use crate::Wiped;

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
        let mut frame = Wiped::with_capacity(Kind::Command.bytes_max());
        Head {
            kind: Kind::Command,
            id: self.id,
            deadline_ms,
        }
        .write(&mut frame);
        write_body(Kind::Command, &self.command, &mut frame)?;
        finish(Kind::Command, &mut frame)?;
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
        let mut frame = Wiped::with_capacity(Kind::Answer.bytes_max());
        Head {
            kind: Kind::Answer,
            id: self.id,
            deadline_ms: 0,
        }
        .write(&mut frame);
        match &self.result {
            Ok(reply) => {
                frame.extend(&[0]);
                write_body(Kind::Answer, reply, &mut frame)?;
            }
            Err(refusal) => frame.extend(&[refusal.code()]),
        }
        finish(Kind::Answer, &mut frame)?;
        Ok(frame)
    }
}

/// Appends `value` without leaving a copy of it behind, whatever secrets it holds.
fn write_body<T: Serialize>(kind: Kind, value: &T, frame: &mut Wiped) -> Result<(), FrameError> {
    let start = frame.len();
    frame.vec().resize(kind.bytes_max(), 0);
    let room = frame.vec().get_mut(start..).unwrap_or_default();
    let written = postcard::to_slice(value, room)
        .map_err(|_| FrameError::Length)?
        .len();
    frame.truncate(start + written);
    Ok(())
}
