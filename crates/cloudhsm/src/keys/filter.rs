//! What the CloudHSM CLI's users write about keys: `attr.label=payments`, `encrypt=true`, `0x1f`.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use portcullis_hsm::{AttributeChange, Attributes, Criterion, Flag, KeyLength, KeyTemplate};

/// A text about keys that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyTextError {
    /// Not `key-reference=0x…` or `attr.NAME=VALUE`.
    Filter(String),
    /// Not `NAME=VALUE`.
    Attribute(String),
    /// There is no such attribute.
    Name(String),
    /// The attribute does not have such a value.
    Value {
        /// The name of the attribute.
        name: String,
        /// What it takes.
        takes: &'static str,
    },
    /// The attribute is not chosen when a key is made, or not set later.
    Fixed(String),
    /// AES has no key of that length.
    Length,
    /// What the flag was given is not what it takes.
    Form {
        /// The flag of the command line.
        flag: &'static str,
        /// What it takes.
        takes: &'static str,
    },
    /// A way to wrap that is not there.
    Mechanism(String),
    /// A type of key that is not there.
    KeyType(String),
    /// Something that this way to wrap needs is missing.
    Missing(&'static str),
}

impl fmt::Display for KeyTextError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(text) => write!(
                formatter,
                "{text:?} is not a filter. Write key-reference=0xabc or attr.NAME=VALUE, for \
                 example attr.label=payments."
            ),
            Self::Attribute(text) => write!(
                formatter,
                "{text:?} does not give an attribute its value. Write NAME=VALUE, for example \
                 encrypt=true."
            ),
            Self::Name(name) => write!(
                formatter,
                "There is no attribute {name:?}. See `key list --verbose` for those there are."
            ),
            Self::Value { name, takes } => write!(formatter, "{name} takes {takes}."),
            Self::Fixed(name) => write!(
                formatter,
                "The attribute {name} is set by the HSM or chosen at another time. Leave it out."
            ),
            Self::Length => formatter.write_str(
                "AES has no key of that length. Give 16, 24 or 32 with --key-length-bytes.",
            ),
            Self::Form { flag, takes } => {
                write!(formatter, "{flag} cannot be read. Give {takes}.")
            }
            Self::Mechanism(name) => write!(
                formatter,
                "Portcullis does not wrap with {name}: it has AES keys only. Use aes-gcm, \
                 cloudhsm-aes-gcm, aes-no-pad, aes-pkcs5-pad or aes-zero-pad."
            ),
            Self::KeyType(name) => write!(
                formatter,
                "Portcullis has no keys of the type {name} in HSMs. Use aes."
            ),
            Self::Missing(flag) => write!(formatter, "{flag} is missing. Give it."),
        }
    }
}

impl std::error::Error for KeyTextError {}

/// Rule CL-19: reads the parts of a filter; a key must meet all.
pub(super) fn criteria(filter: &[String]) -> Result<Vec<Criterion>, KeyTextError> {
    filter.iter().map(|part| criterion(part)).collect()
}

fn criterion(part: &str) -> Result<Criterion, KeyTextError> {
    let unreadable = || KeyTextError::Filter(part.to_owned());
    let (subject, value) = part.split_once('=').ok_or_else(unreadable)?;
    if subject == "key-reference" {
        let reference = value.strip_prefix("0x").map_or_else(
            || value.parse().ok(),
            |digits| u64::from_str_radix(digits, 16).ok(),
        );
        return reference.map(Criterion::Reference).ok_or_else(unreadable);
    }
    let name = subject.strip_prefix("attr.").ok_or_else(unreadable)?;
    let wrong = |takes| KeyTextError::Value {
        name: name.to_owned(),
        takes,
    };
    Ok(match name {
        "label" => Criterion::Label(value.to_owned()),
        "id" => Criterion::Id(hex(value).ok_or_else(|| wrong(HEX))?),
        "key-type" => Criterion::KeyType(value.to_owned()),
        "class" => Criterion::Class(value.to_owned()),
        "check-value" => {
            let bytes = hex(value).and_then(|bytes| bytes.try_into().ok());
            Criterion::CheckValue(bytes.ok_or_else(|| wrong("three bytes such as 0x8d9099"))?)
        }
        "key-length-bytes" => {
            Criterion::Length(value.parse().map_err(|_| wrong("a number of bytes"))?)
        }
        _ => {
            let flag = Flag::parse(name).ok_or_else(|| KeyTextError::Name(name.to_owned()))?;
            Criterion::Flag(flag, truth(value).ok_or_else(|| wrong(TRUTH))?)
        }
    })
}

/// Sets what `--attributes` chooses for a new key.
fn choose(chosen: &[String], attributes: &mut Attributes) -> Result<(), KeyTextError> {
    for part in chosen {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| KeyTextError::Attribute(part.clone()))?;
        match change(name, value)? {
            AttributeChange::Label(label) => attributes.label = label,
            AttributeChange::Id(id) => attributes.id = id,
            AttributeChange::Flag(Flag::Token, false) => {
                return Err(KeyTextError::Value {
                    name: name.to_owned(),
                    takes: "only true here: session keys are not there",
                });
            }
            AttributeChange::Flag(flag, value) if flag.is_chosen_at_creation() => {
                attributes.flags = attributes.flags.with(flag, value);
            }
            AttributeChange::Flag(..) => return Err(KeyTextError::Fixed(name.to_owned())),
        }
    }
    Ok(())
}

/// A general key with the attributes that a user chose.
pub(super) fn template(
    length: KeyLength,
    label: &str,
    attributes: &[String],
    shared_users: &[String],
) -> Result<KeyTemplate, KeyTextError> {
    let mut template = KeyTemplate::general(length, label);
    choose(attributes, &mut template.attributes)?;
    template.shared_users = shared_users.to_vec();
    Ok(template)
}

/// Reads one attribute and its new value.
pub(super) fn change(name: &str, value: &str) -> Result<AttributeChange, KeyTextError> {
    let wrong = |takes| KeyTextError::Value {
        name: name.to_owned(),
        takes,
    };
    Ok(match name {
        "label" => AttributeChange::Label(value.to_owned()),
        "id" => AttributeChange::Id(hex(value).ok_or_else(|| wrong(HEX))?),
        "key-type" | "class" | "check-value" | "key-length-bytes" => {
            return Err(KeyTextError::Fixed(name.to_owned()));
        }
        _ => {
            let flag = Flag::parse(name).ok_or_else(|| KeyTextError::Name(name.to_owned()))?;
            AttributeChange::Flag(flag, truth(value).ok_or_else(|| wrong(TRUTH))?)
        }
    })
}

/// Reads `0x1f`; the prefix may be missing.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

pub(super) const HEX: &str = "bytes in hexadecimal, such as 0x1f2e";
const TRUTH: &str = "true or false";

#[cfg(test)]
mod tests {
    use super::*;

    fn one(part: &str) -> Result<Criterion, KeyTextError> {
        criterion(part)
    }

    /// Rule CL-19.
    #[test]
    fn a_filter_reads_as_the_cli_of_cloudhsm_writes_it() {
        for (part, expected) in [
            ("key-reference=0xabc", Criterion::Reference(0xabc)),
            ("key-reference=2748", Criterion::Reference(0xabc)),
            ("attr.label=a=b c", Criterion::Label("a=b c".to_owned())),
            ("attr.id=0x1F2e", Criterion::Id(vec![0x1f, 0x2e])),
            ("attr.id=0x", Criterion::Id(Vec::new())),
            (
                "attr.class=secret-key",
                Criterion::Class("secret-key".to_owned()),
            ),
            ("attr.key-type=aes", Criterion::KeyType("aes".to_owned())),
            (
                "attr.check-value=0x8d9099",
                Criterion::CheckValue([0x8d, 0x90, 0x99]),
            ),
            ("attr.key-length-bytes=24", Criterion::Length(24)),
            (
                "attr.never-extractable=true",
                Criterion::Flag(Flag::NeverExtractable, true),
            ),
        ] {
            assert_eq!(one(part), Ok(expected));
        }
        for part in [
            "label=x",
            "attr.label",
            "key-reference=xyz",
            "attr.colour=red",
            "attr.id=0x1",
            "attr.id=é",
            "attr.encrypt=yes",
            "attr.check-value=0x8d",
            "attr.key-length-bytes=-1",
        ] {
            let text = one(part).unwrap_err().to_string();
            assert!(text.ends_with('.'), "{part}: {text}");
        }
    }

    /// Rule HSM-24.
    #[test]
    fn only_what_is_chosen_at_creation_can_be_chosen() {
        let mut attributes = KeyTemplate::general(KeyLength::Bytes32, "k").attributes;
        let chosen = ["encrypt=true", "extractable=false", "id=0x07", "token=true"];
        choose(&chosen.map(str::to_owned), &mut attributes).unwrap();
        assert!(attributes.flags.has(Flag::Encrypt) && !attributes.flags.has(Flag::Extractable));
        assert_eq!(attributes.id, [7]);
        for refused in [
            "local=false",
            "trusted=true",
            "token=false",
            "class=x",
            "encrypt",
        ] {
            assert!(
                choose(&[refused.to_owned()], &mut attributes).is_err(),
                "{refused}"
            );
        }
    }
}
