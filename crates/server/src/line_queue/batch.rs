use std::io;

use super::{Entry, LineSink};

/// Entries as they are written.
pub(super) struct LineBatch {
    text: Vec<u8>,
    /// How much of `text` the destination has taken.
    taken: usize,
    /// Lines in it.
    pub(super) lines: u64,
    /// Their bytes, as they were offered.
    pub(super) cost: usize,
}

impl LineBatch {
    pub(super) fn of<S: LineSink>(entries: &[Entry<S::Line>], sink: &mut S) -> Self {
        let mut batch = Self {
            text: Vec::new(),
            taken: 0,
            lines: 0,
            cost: 0,
        };
        for entry in entries {
            match entry {
                Entry::Line { line, bytes } => {
                    sink.format(line, &mut batch.text);
                    batch.lines += 1;
                    batch.cost += bytes;
                }
                Entry::Gap(missing) => sink.format_gap(*missing, &mut batch.text),
            }
        }
        batch
    }

    pub(super) fn is_written(&self) -> bool {
        self.taken >= self.text.len()
    }

    /// Makes one attempt to write the rest.
    pub(super) fn write(&mut self, sink: &mut impl LineSink) -> io::Result<()> {
        if sink.renew()? {
            let taken = self.text.get(..self.taken).unwrap_or_default();
            let end = taken.iter().rposition(|byte| *byte == b'\n');
            self.taken = end.map_or(0, |end| end + 1);
        }
        let rest = self.text.get(self.taken..).unwrap_or_default();
        match sink.write(rest)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            taken => {
                self.taken += taken;
                Ok(())
            }
        }
    }
}
