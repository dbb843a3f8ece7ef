//! The tag of a KMS key. Written by hand, because one tag of CreateKey carries key material, which is
//! longer than the service's tags and must not be shown.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::validate::{Text, Validate, Violations};
use crate::values::or_default;

/// `Tag` of the service model.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tag {
    /// `TagKey`: 1 to 128 characters, required.
    #[serde(rename = "TagKey", deserialize_with = "or_default")]
    pub tag_key: String,
    /// `TagValue`: 0 to 256 characters, required; more where it is key material.
    #[serde(rename = "TagValue", deserialize_with = "or_default")]
    pub tag_value: String,
}

/// Characters of a tag's value in the service model.
const VALUE_MAX: usize = 256;

/// Characters of key material in base64. The largest, an RSA_4096 key in PKCS #8, has 3,200.
const MATERIAL_MAX: usize = 8192;

impl Tag {
    /// The key of the tag whose value is key material in base64.
    pub const MATERIAL: &str = "_custom_key_material_";

    /// Whether its value is key material.
    #[must_use]
    pub fn is_material(&self) -> bool {
        self.tag_key == Self::MATERIAL
    }
}

impl Validate for Tag {
    fn check(&self, at: &mut Violations) {
        at.required("tagKey", at.present("tagKey", &self.tag_key).is_some());
        at.text(
            "tagKey",
            at.present("tagKey", &self.tag_key).map(String::as_str),
            &Text {
                min: 1,
                max: 128,
                ..Text::ANY
            },
        );
        let max = if self.is_material() {
            MATERIAL_MAX
        } else {
            VALUE_MAX
        };
        at.text(
            "tagValue",
            Some(self.tag_value.as_str()),
            &Text {
                max,
                secret: self.is_material(),
                ..Text::ANY
            },
        );
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.is_material() {
            "***"
        } else {
            &self.tag_value
        };
        formatter
            .debug_struct("Tag")
            .field("tag_key", &self.tag_key)
            .field("tag_value", &value)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, validate};

    fn tag(key: &str, value: &str) -> Tag {
        Tag {
            tag_key: key.to_owned(),
            tag_value: value.to_owned(),
        }
    }

    /// Rule CONF-08.
    #[test]
    fn key_material_is_longer_than_other_tags_and_never_shown() {
        let long = "QQ".repeat(1600);
        assert_eq!(validate(&tag(Tag::MATERIAL, &long)), Ok(()));
        let refused = validate(&tag("other", &long)).unwrap_err();
        assert_eq!(refused.code, Code::Validation);
        assert!(refused.message.contains("QQQ"), "{refused}");
        let refused = validate(&tag(Tag::MATERIAL, &"QQ".repeat(5000))).unwrap_err();
        assert!(!refused.message.contains("QQQ"), "{refused}");
        let shown = format!("{:?}", tag(Tag::MATERIAL, &long));
        assert!(!shown.contains("QQQ"), "{shown}");
        assert!(format!("{:?}", tag("a", "value")).contains("value"));
    }
}
