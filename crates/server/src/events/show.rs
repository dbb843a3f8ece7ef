//! An input or output as an event shows it: JSON with names that begin small, and without what is
//! nobody's business.
//!
//! It is written by a serialiser of its own, so that a secret is not even copied: a member that is
//! hidden is never asked for its value.

use std::fmt::{self, Write};

use serde::ser::{
    Error, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer,
};

/// Members that no event shows. Rule EV-02.
///
/// Every blob and every sensitive member of both service models, which a test of the client side
/// compares, and beside them: certificates, which are long and public, and grant tokens, which
/// CloudTrail leaves out too. In order, for a binary search.
pub(crate) const HIDDEN: [&str; 24] = [
    "AccessKeyId",
    "AttestationDocument",
    "CiphertextBlob",
    "CiphertextForRecipient",
    "EncryptedKeyMaterial",
    "GrantToken",
    "GrantTokens",
    "ImportToken",
    "KeyStorePassword",
    "Mac",
    "Message",
    "Plaintext",
    "PrivateKeyCiphertextBlob",
    "PrivateKeyPlaintext",
    "PublicKey",
    "RawSecretAccessKey",
    "Recipient",
    "SharedSecret",
    "SharedSecretCiphertextBlob",
    "Signature",
    "SignedCert",
    "TrustAnchor",
    "TrustAnchorCertificate",
    "XksProxyAuthenticationCredential",
];

/// A tag's key as it is written, whose value, which stands behind it, no event shows.
const MATERIAL_TAG: &str = r#""_custom_key_material_""#;

/// What is kept of an input or an output: more than any request has but those with a policy or a
/// large encryption context. All records together have 130 megabytes at the most.
const SHOWN_BYTES_MAX: usize = 8 << 10;

/// A shape as an event shows it: JSON.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ShownShape(String);

impl ShownShape {
    /// Everything that an event shows of `shape`; nothing when it cannot be written.
    pub(crate) fn of(shape: &impl Serialize) -> Self {
        let mut writer = ShapeWriter {
            // Most requests of a key fit: `{"keyId":"<ARN>"}` has 87 characters.
            text: String::with_capacity(96),
            depth: 0,
        };
        match shape.serialize(&mut writer) {
            Ok(()) => Self(writer.text),
            Err(_never) => Self::default(),
        }
    }

    /// In the place of one that is too large to keep, as CloudTrail does with those above 100 KB.
    pub(crate) fn bounded(self) -> Self {
        if self.0.len() <= SHOWN_BYTES_MAX {
            return self;
        }
        Self(format!(
            "{{\"omitted\":true,\"originalSize\":{}}}",
            self.0.len()
        ))
    }

    /// The text, which is JSON.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

#[derive(Debug)]
struct ShapeWriter {
    text: String,
    /// How many objects and lists the value being written is in.
    depth: usize,
}

/// What the shapes of the services do not have.
#[derive(Debug)]
pub(crate) struct NotAShape(String);

impl fmt::Display for NotAShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for NotAShape {}

impl Error for NotAShape {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Written = Result<(), NotAShape>;

impl ShapeWriter {
    fn open(&mut self, bracket: char) -> ShownList<'_> {
        self.text.push(bracket);
        self.depth += 1;
        ShownList {
            writer: self,
            is_first: true,
            hides_value: false,
            close: if bracket == '{' { '}' } else { ']' },
        }
    }

    fn put(&mut self, value: impl fmt::Display) -> Written {
        write!(self.text, "{value}").map_err(Error::custom)
    }

    /// A text in quotes.
    fn quote(&mut self, value: &str) -> Written {
        let text = &mut self.text;
        text.push('"');
        // Nearly every text is put down as it is.
        let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        if value.bytes().all(plain) {
            text.push_str(value);
            text.push('"');
            return Ok(());
        }
        for letter in value.chars() {
            match letter {
                '"' | '\\' => {
                    text.push('\\');
                    text.push(letter);
                }
                control if control < ' ' => {
                    write!(text, "\\u{:04x}", u32::from(control)).map_err(NotAShape::custom)?;
                }
                other => text.push(other),
            }
        }
        text.push('"');
        Ok(())
    }

    /// A member's name as CloudTrail spells it. The documented records of the key store operations
    /// call CloudHsmClusterId `clusterId`.
    fn name(&mut self, member: &str) -> Written {
        if member == "CloudHsmClusterId" && self.depth == 1 {
            return self.quote("clusterId");
        }
        let mut letters = member.chars();
        self.text.push('"');
        if let Some(first) = letters.next() {
            self.text.push(first.to_ascii_lowercase());
        }
        self.text.push_str(letters.as_str());
        self.text.push('"');
        Ok(())
    }
}

/// An object or a list on its way.
#[derive(Debug)]
pub(crate) struct ShownList<'a> {
    writer: &'a mut ShapeWriter,
    is_first: bool,
    close: char,
    /// Set between the key and the value of a tag whose value is key material. Rule EV-02.
    hides_value: bool,
}

impl ShownList<'_> {
    fn next(&mut self) {
        if !self.is_first {
            self.writer.text.push(',');
        }
        self.is_first = false;
    }

    fn close(self) {
        self.writer.text.push(self.close);
        self.writer.depth -= 1;
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Written {
        if HIDDEN.binary_search(&name).is_ok() || (name == "TagValue" && self.hides_value) {
            return Ok(());
        }
        self.next();
        self.writer.name(name)?;
        self.writer.text.push(':');
        let from = self.writer.text.len();
        value.serialize(&mut *self.writer)?;
        if name == "TagKey" {
            let key = self.writer.text.get(from..);
            self.hides_value = key == Some(MATERIAL_TAG);
        }
        Ok(())
    }
}

impl SerializeStruct for ShownList<'_> {
    type Ok = ();
    type Error = NotAShape;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        self.member(name, value)
    }

    fn end(self) -> Written {
        self.close();
        Ok(())
    }
}

impl SerializeSeq for ShownList<'_> {
    type Ok = ();
    type Error = NotAShape;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.next();
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Written {
        self.close();
        Ok(())
    }
}

impl SerializeMap for ShownList<'_> {
    type Ok = ();
    type Error = NotAShape;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        self.next();
        key.serialize(&mut *self.writer)?;
        self.writer.text.push(':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Written {
        self.close();
        Ok(())
    }
}

macro_rules! numbers {
    ($($method:ident $number:ty),*) => {$(
        fn $method(self, number: $number) -> Written { self.put(number) }
    )*};
}

impl<'a> Serializer for &'a mut ShapeWriter {
    type Ok = ();
    type Error = NotAShape;
    type SerializeSeq = ShownList<'a>;
    type SerializeTuple = Impossible<(), NotAShape>;
    type SerializeTupleStruct = Impossible<(), NotAShape>;
    type SerializeTupleVariant = Impossible<(), NotAShape>;
    type SerializeMap = ShownList<'a>;
    type SerializeStruct = ShownList<'a>;
    type SerializeStructVariant = Impossible<(), NotAShape>;

    numbers!(
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32,
        serialize_i64 i64, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32,
        serialize_u64 u64, serialize_f32 f32, serialize_f64 f64
    );

    fn serialize_char(self, letter: char) -> Written {
        self.quote(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Written {
        self.quote(text)
    }

    fn serialize_bytes(self, _bytes: &[u8]) -> Written {
        Err(Error::custom("bytes have no place in an event"))
    }

    fn serialize_none(self) -> Written {
        self.put("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        self.put("null")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Written {
        self.put("null")
    }

    fn serialize_unit_variant(self, _of: &'static str, _at: u32, name: &'static str) -> Written {
        self.quote(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _of: &'static str, of: &T) -> Written {
        of.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _of: &'static str,
        _at: u32,
        _name: &'static str,
        value: &T,
    ) -> Written {
        value.serialize(self)
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<ShownList<'a>, NotAShape> {
        Ok(self.open('['))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<ShownList<'a>, NotAShape> {
        Ok(self.open('{'))
    }

    fn serialize_struct(
        self,
        _of: &'static str,
        _members: usize,
    ) -> Result<ShownList<'a>, NotAShape> {
        Ok(self.open('{'))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self::SerializeTuple, NotAShape> {
        Err(Error::custom("no shape has a tuple"))
    }

    fn serialize_tuple_struct(
        self,
        _of: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, NotAShape> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        _of: &'static str,
        _at: u32,
        _name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, NotAShape> {
        self.serialize_tuple(length)
    }

    fn serialize_struct_variant(
        self,
        _of: &'static str,
        _at: u32,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, NotAShape> {
        Err(Error::custom("no shape has a variant with members"))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_api::kms::{
        CreateCustomKeyStoreRequest, CreateKeyRequest, EncryptRequest, TagResourceRequest,
    };
    use serde::de::DeserializeOwned;

    use super::*;

    fn shown<T: Serialize + DeserializeOwned>(body: &str) -> ShownShape {
        ShownShape::of(&serde_json::from_str::<T>(body).unwrap())
    }

    /// Rule EV-02.
    #[test]
    fn what_is_secret_is_left_out_and_the_rest_keeps_its_form() {
        let encrypt = shown::<EncryptRequest>(
            r#"{"KeyId":"alias/a","Plaintext":"Y2FuYXJ5","EncryptionContext":{"Who\"":"Bob"},
                "GrantTokens":["canary"],"DryRun":true}"#,
        );
        assert_eq!(
            encrypt.text(),
            r#"{"keyId":"alias/a","encryptionContext":{"Who\"":"Bob"},"dryRun":true}"#
        );
        let store = shown::<CreateCustomKeyStoreRequest>(
            r#"{"CustomKeyStoreName":"n","CloudHsmClusterId":"cluster-1a23b4cdefg",
                "TrustAnchorCertificate":"PEM","KeyStorePassword":"canaryPassword"}"#,
        );
        assert_eq!(
            store.text(),
            r#"{"customKeyStoreName":"n","clusterId":"cluster-1a23b4cdefg"}"#
        );
        let tags = shown::<TagResourceRequest>(
            r#"{"KeyId":"k","Tags":[{"TagKey":"A","TagValue":"a\n"},{"TagKey":"B","TagValue":""}]}"#,
        );
        let tags: serde_json::Value = serde_json::from_str(tags.text()).unwrap();
        assert_eq!(tags["tags"][0]["tagValue"], "a\n");
        assert_eq!(tags["tags"][1]["tagKey"], "B");
        let made = shown::<CreateKeyRequest>(
            r#"{"Tags":[{"TagValue":"Y2FuYXJ5","TagKey":"_custom_key_material_"},
                {"TagKey":"B","TagValue":"b"}]}"#,
        );
        assert_eq!(
            made.text(),
            r#"{"tags":[{"tagKey":"_custom_key_material_"},{"tagKey":"B","tagValue":"b"}]}"#
        );
    }

    /// Rule EV-01.
    #[test]
    fn a_large_input_is_left_out_of_its_record() {
        let short = ShownShape("{}".to_owned());
        assert_eq!(short.clone().bounded(), short);
        let long = ShownShape("x".repeat(10_000));
        assert_eq!(
            long.bounded().text(),
            r#"{"omitted":true,"originalSize":10000}"#
        );
    }

    #[test]
    fn what_is_hidden_is_in_order() {
        assert!(HIDDEN.is_sorted());
    }
}
