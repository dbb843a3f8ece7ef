use data_encoding::HEXLOWER;

/// Appends `bytes` in lower-case hexadecimal, straight into `out`: every request that is verified
/// comes here twice.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + HEXLOWER.encode_len(bytes.len()), 0);
    HEXLOWER.encode_mut(bytes, out.get_mut(start..).unwrap_or_default());
}

/// Reads exactly 32 bytes of lower-case hexadecimal.
pub(crate) fn parse(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_long_enough = text.len() == 2 * bytes.len();
    let is_read = is_long_enough && HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).is_ok();
    is_read.then_some(bytes)
}
