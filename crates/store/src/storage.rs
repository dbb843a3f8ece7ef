use std::fmt;
use std::io;

/// Bytes that stay where they were written, from 0 to a length that can change: what a store is kept
/// on where that is no file.
///
/// A store that has met a failure reads everything again before it writes on, or is closed.
pub trait Storage: Send + Sync + fmt::Debug + 'static {
    /// How many bytes there are.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn length(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// When there are not so many, or they cannot be read.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Cuts the bytes off at `length`, or adds zeros up to it.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there is no room; then nothing has changed.
    fn resize(&self, length: u64) -> io::Result<()>;

    /// Replaces the bytes from `offset` on by `data`, which ends within the length.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there is no room.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Returns when everything that was written before survives a loss of power.
    ///
    /// # Errors
    /// When that is not known, whatever the reason.
    fn sync(&self) -> io::Result<()>;
}
