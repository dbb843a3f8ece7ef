use std::fmt;
use std::time::Duration;

use portcullis_hsm::{Call, HsmKeyId, Operation, Refusal, SEAL_BYTES, SessionId};

use super::ANSWER_BYTES;
use super::cursor::Cursor;
use super::{
    CALLS_MAX, FRAME_BYTES_MAX, FrameError, FrameKind, HEADER_BYTES, Head, finish, millis,
};
use portcullis_wiped::Wiped;

/// Header and count.
const CALLS_START: usize = HEADER_BYTES + 2;

/// A frame of operations as it arrived: owned, checked whole, wiped when dropped.
pub struct Request {
    frame: Wiped,
    head: Head,
    calls: usize,
    payload_bytes: usize,
    answer_bytes: usize,
}

impl Request {
    pub(super) fn read(head: Head, frame: Wiped) -> Result<Self, FrameError> {
        let mut cursor = Cursor::new(frame.as_ref().get(HEADER_BYTES..).unwrap_or_default());
        let count = cursor.length().ok_or(FrameError::Shape)?;
        if !(1..=CALLS_MAX).contains(&count) {
            return Err(FrameError::Count);
        }
        let (mut payload_bytes, mut answer_bytes) = (0, CALLS_START);
        for _ in 0..count {
            let call = read_call(&mut cursor).ok_or(FrameError::Shape)?;
            payload_bytes += payload_of(&call.operation);
            answer_bytes += answer_of(&call.operation);
        }
        if cursor.remaining() > 0 {
            return Err(FrameError::Count);
        }
        if answer_bytes > FRAME_BYTES_MAX {
            return Err(FrameError::AnswerTooLarge);
        }
        Ok(Self {
            frame,
            head,
            calls: count,
            payload_bytes,
            answer_bytes,
        })
    }

    /// The operations, in order.
    pub fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        let mut cursor = Cursor::new(self.frame.as_ref().get(CALLS_START..).unwrap_or_default());
        // Every call was read once when the frame was accepted, so that none is missing here.
        (0..self.calls).map_while(move |_| read_call(&mut cursor))
    }

    /// How many operations there are: 1 to [`CALLS_MAX`].
    #[must_use]
    pub const fn len(&self) -> usize {
        self.calls
    }

    /// Never: a frame without operations is malformed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.calls == 0
    }

    /// Bytes to be sealed, opened or drawn: how much work it is.
    #[must_use]
    pub const fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// How long, from its arrival, the caller waits for the answer.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.head.patience()
    }

    /// What the answer must repeat.
    pub(super) const fn id(&self) -> u64 {
        self.head.id
    }

    /// The most bytes the answers can take.
    pub(super) const fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Request({} operations)", self.calls)
    }
}

/// A frame of operations being filled by the sender.
pub struct RequestFrame {
    frame: Wiped,
    calls: usize,
    answer_bytes: usize,
}

/// Whether an operation found its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is in the frame.
    Added,
    /// The frame is full: send it, and put the operation into the next one.
    Full,
}

impl RequestFrame {
    /// An empty frame with room for `bytes`; it grows when they do not suffice.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut frame = Wiped::with_capacity(bytes.max(CALLS_START));
        Head {
            kind: FrameKind::Operations,
            id: 0,
            deadline_ms: 0,
        }
        .write(&mut frame);
        frame.extend(&[0; 2]);
        Self {
            frame,
            calls: 0,
            answer_bytes: CALLS_START,
        }
    }

    /// Writes one operation.
    ///
    /// # Errors
    /// `BadLength` when a field does not fit any frame: a text, or additional data, of 64 KiB.
    pub fn push(&mut self, call: &Call<'_>) -> Result<Pushed, Refusal> {
        let start = self.frame.len();
        let answer_bytes = self.answer_bytes + answer_of(&call.operation);
        if self.calls == CALLS_MAX || answer_bytes > FRAME_BYTES_MAX {
            return Ok(Pushed::Full);
        }
        if start + CALL_BYTES_MAX + variable_of(&call.operation) > FRAME_BYTES_MAX {
            return Ok(Pushed::Full);
        }
        if let Err(refusal) = write_call(call, &mut self.frame) {
            self.frame.truncate(start);
            return Err(refusal);
        }
        self.calls += 1;
        self.answer_bytes = answer_bytes;
        Ok(Pushed::Added)
    }

    /// How many operations it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.calls
    }

    /// How many bytes it takes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.frame.len()
    }

    /// Whether it holds none yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.calls == 0
    }

    /// The frame as it goes out, under this correlation id, to be answered within `patience`.
    #[must_use]
    pub fn seal(mut self, id: u64, patience: Duration) -> Wiped {
        self.frame.patch(5, &id.to_be_bytes());
        self.frame.patch(13, &millis(patience).to_be_bytes());
        let count = u16::try_from(self.calls).unwrap_or(u16::MAX);
        self.frame.patch(HEADER_BYTES, &count.to_be_bytes());
        let finished = finish(FrameKind::Operations, &mut self.frame);
        debug_assert!(finished.is_ok(), "push keeps the frame within its bound");
        self.frame
    }
}

impl fmt::Debug for RequestFrame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RequestFrame({} operations)", self.calls)
    }
}

/// Bytes to be sealed, opened or drawn.
const fn payload_of(operation: &Operation<'_>) -> usize {
    match operation {
        Operation::Encrypt { plaintext, .. } => plaintext.len(),
        Operation::Decrypt { sealed, .. } => sealed.len(),
        Operation::ReEncrypt { sealed, .. } => 2 * sealed.len(),
        Operation::GenerateDataKey { bytes, .. } => 2 * (*bytes as usize),
        Operation::Random { bytes } => *bytes as usize,
    }
}

/// The most bytes an operation's answer can take.
const fn answer_of(operation: &Operation<'_>) -> usize {
    ANSWER_BYTES
        + match operation {
            Operation::Encrypt { plaintext, .. } => plaintext.len() + SEAL_BYTES,
            Operation::Decrypt { sealed, .. } | Operation::ReEncrypt { sealed, .. } => sealed.len(),
            Operation::GenerateDataKey { bytes, .. } => 2 * (*bytes as usize) + SEAL_BYTES,
            Operation::Random { bytes } => *bytes as usize,
        }
}

/// The longest fixed part of an operation: that of ReEncrypt.
const CALL_BYTES_MAX: usize = 1 + 8 + 32 + 6;

/// Bytes of the fields without a fixed length.
const fn variable_of(operation: &Operation<'_>) -> usize {
    match operation {
        Operation::Encrypt {
            additional_data,
            plaintext: text,
            ..
        }
        | Operation::Decrypt {
            additional_data,
            sealed: text,
            ..
        } => additional_data.len() + text.len(),
        Operation::GenerateDataKey {
            additional_data, ..
        } => additional_data.len(),
        Operation::ReEncrypt {
            source_additional_data,
            destination_additional_data,
            sealed,
            ..
        } => source_additional_data.len() + destination_additional_data.len() + sealed.len(),
        Operation::Random { .. } => 0,
    }
}

const ENCRYPT: u8 = 1;
const DECRYPT: u8 = 2;
const GENERATE_DATA_KEY: u8 = 3;
const RE_ENCRYPT: u8 = 4;
const RANDOM: u8 = 5;

fn write_call(call: &Call<'_>, frame: &mut Wiped) -> Result<(), Refusal> {
    frame.reserve(CALL_BYTES_MAX + variable_of(&call.operation));
    // All room is reserved, so that no append below moves the vector and leaves a copy behind.
    let out = frame.vec();
    let mut start = |code: u8| {
        out.push(code);
        out.extend_from_slice(&call.session.0.to_be_bytes());
    };
    match call.operation {
        Operation::Encrypt {
            key,
            additional_data,
            plaintext: text,
        } => {
            start(ENCRYPT);
            out.extend_from_slice(&key.0);
            write_fields(out, &[additional_data, text])
        }
        Operation::Decrypt {
            key,
            additional_data,
            sealed,
        } => {
            start(DECRYPT);
            out.extend_from_slice(&key.0);
            write_fields(out, &[additional_data, sealed])
        }
        Operation::GenerateDataKey {
            key,
            additional_data,
            bytes,
        } => {
            start(GENERATE_DATA_KEY);
            out.extend_from_slice(&key.0);
            out.extend_from_slice(&bytes.to_be_bytes());
            write_fields(out, &[additional_data])
        }
        Operation::ReEncrypt {
            source,
            source_additional_data,
            destination,
            destination_additional_data,
            sealed,
        } => {
            start(RE_ENCRYPT);
            out.extend_from_slice(&source.0);
            out.extend_from_slice(&destination.0);
            write_fields(
                out,
                &[source_additional_data, destination_additional_data, sealed],
            )
        }
        Operation::Random { bytes } => {
            start(RANDOM);
            out.extend_from_slice(&bytes.to_be_bytes());
            Ok(())
        }
    }
}

/// All lengths, then all fields.
fn write_fields(out: &mut Vec<u8>, fields: &[&[u8]]) -> Result<(), Refusal> {
    for field in fields {
        let length = u16::try_from(field.len()).map_err(|_| Refusal::BadLength)?;
        out.extend_from_slice(&length.to_be_bytes());
    }
    for field in fields {
        out.extend_from_slice(field);
    }
    Ok(())
}

fn read_call<'a>(cursor: &mut Cursor<'a>) -> Option<Call<'a>> {
    let code = cursor.u8()?;
    let session = SessionId(cursor.u64()?);
    let operation = match code {
        ENCRYPT | DECRYPT => read_seal_or_open(code, cursor)?,
        GENERATE_DATA_KEY => {
            let key = HsmKeyId(cursor.array()?);
            let bytes = cursor.u16()?;
            let length = cursor.length()?;
            Operation::GenerateDataKey {
                key,
                additional_data: cursor.take(length)?,
                bytes,
            }
        }
        RE_ENCRYPT => {
            let source = HsmKeyId(cursor.array()?);
            let destination = HsmKeyId(cursor.array()?);
            let lengths = (cursor.length()?, cursor.length()?, cursor.length()?);
            Operation::ReEncrypt {
                source,
                source_additional_data: cursor.take(lengths.0)?,
                destination,
                destination_additional_data: cursor.take(lengths.1)?,
                sealed: cursor.take(lengths.2)?,
            }
        }
        RANDOM => Operation::Random {
            bytes: cursor.u16()?,
        },
        _ => return None,
    };
    Some(Call { session, operation })
}

fn read_seal_or_open<'a>(code: u8, cursor: &mut Cursor<'a>) -> Option<Operation<'a>> {
    let key = HsmKeyId(cursor.array()?);
    let lengths = (cursor.length()?, cursor.length()?);
    let additional_data = cursor.take(lengths.0)?;
    let text = cursor.take(lengths.1)?;
    Some(if code == ENCRYPT {
        Operation::Encrypt {
            key,
            additional_data,
            plaintext: text,
        }
    } else {
        Operation::Decrypt {
            key,
            additional_data,
            sealed: text,
        }
    })
}
