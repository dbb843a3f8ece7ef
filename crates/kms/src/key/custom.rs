//! A key whose ID is chosen by whoever creates it: by a tag, as other emulators do.

use portcullis_api::kms::Tag;
use portcullis_api::{Code, Exception, KeyId};

use crate::kms::unsupported;

/// The tag whose value is the ID.
const ID: &str = "_custom_id_";

/// The tag whose value is the material, in base64.
const MATERIAL: &str = "_custom_key_material_";

/// Takes the ID that the tags of a CreateKey ask for out of them.
///
/// Rule CONF-05: the tag `_custom_id_` of CreateKey is the key's ID, and no tag of the key.
pub(super) fn take_id(tags: &mut Option<Vec<Tag>>) -> Result<Option<KeyId>, Exception> {
    let Some(all) = tags else { return Ok(None) };
    if all.iter().any(|tag| tag.tag_key == MATERIAL) {
        let text = "Portcullis does not build key material chosen by the tag \
                    _custom_key_material_. Leave the tag out.";
        return Err(unsupported(text));
    }
    let Some(at) = all.iter().position(|tag| tag.tag_key == ID) else {
        return Ok(None);
    };
    let chosen = all.remove(at).tag_value;
    let id = chosen.parse().map_err(|_invalid| {
        let text = format!(
            "The tag {ID} has {chosen:?}, which is no key ID. Give one such as \
             1234abcd-12ab-34cd-56ef-1234567890ab."
        );
        Exception::new(Code::Validation, text)
    })?;
    Ok(Some(id))
}

/// An ID that somebody chose may be taken.
pub(super) fn taken(id: &KeyId) -> Exception {
    let text = format!("There is a key {id} already. Choose another ID with the tag {ID}.");
    Exception::new(Code::Validation, text)
}

/// The form of an ID says whether its key is a multi-Region key.
pub(super) fn other_kind(id: &KeyId) -> Exception {
    let text = format!(
        "The tag {ID} has {id}, and an ID that begins with mrk- goes together with MultiRegion. Give \
         both or neither."
    );
    Exception::new(Code::Validation, text)
}
