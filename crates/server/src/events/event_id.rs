/// The ID of an event or of a request as text.
pub(crate) fn uuid(bits: [u8; 16]) -> String {
    // A key ID is a UUID too.
    portcullis_api::KeyId::from_random(bits).to_string()
}
