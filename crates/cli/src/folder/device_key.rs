//! The key under which everything secret in a data folder is sealed.

use std::path::Path;

use portcullis_seam::{Entropy, draw};
use zeroize::Zeroizing;

use super::files::write_whole;
use super::layout::DEVICE_KEY;
use super::refusal::unusable;

/// A device key in the open, which is not printed.
#[derive(Clone)]
pub(crate) struct DeviceKeyBytes(pub(crate) Zeroizing<[u8; 32]>);

impl std::fmt::Debug for DeviceKeyBytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DeviceKeyBytes(..)")
    }
}

/// The key under which everything secret in the folder is sealed: 32 bytes that only the owner of
/// the folder can read. One that is there already stays: what it has sealed may lie elsewhere too.
pub(super) fn make_or_read(path: &Path, entropy: &dyn Entropy) -> Result<DeviceKeyBytes, String> {
    if !path.join(DEVICE_KEY).exists() {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(draw(entropy));
        write_whole(path, DEVICE_KEY, &*bytes).map_err(|error| unusable(path, error))?;
    }
    read(path)
}

pub(super) fn read(path: &Path) -> Result<DeviceKeyBytes, String> {
    let unreadable = |why: String| {
        format!(
            "The file `device.key` in {} cannot be read: {why}. Put the right file back, or use \
             another folder with --data.",
            path.display()
        )
    };
    let read = std::fs::read(path.join(DEVICE_KEY)).map(Zeroizing::new);
    let read = read.map_err(|error| unreadable(error.to_string()))?;
    let bytes = <[u8; 32]>::try_from(&**read);
    let bytes = bytes.map_err(|_| unreadable(format!("it has {} bytes, not 32", read.len())))?;
    Ok(DeviceKeyBytes(Zeroizing::new(bytes)))
}
