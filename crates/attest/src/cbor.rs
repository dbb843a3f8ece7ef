//! The part of CBOR (RFC 8949) that attestation documents are made of: integers, texts, bytes,
//! arrays and maps of definite length, null and tags.
//!
//! Nothing is copied and nothing nests by itself: the reader asks for the next item, and a
//! length is permitted only if that many bytes are there.

use std::fmt;

/// Why bytes are no attestation document: what is wrong, in the words of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// One item; of an array or a map its head alone, with how many items or pairs follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Unsigned(u64),
    /// The number is -1 less this.
    Negative(u64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(usize),
    Map(usize),
    Tag(u64),
    Null,
}

/// Reads one item after the other.
#[derive(Debug, Clone)]
pub(crate) struct CborReader<'a> {
    rest: &'a [u8],
}

const SHORT: Malformed = Malformed("it ends too early");

impl<'a> CborReader<'a> {
    pub(crate) const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn next(&mut self) -> Result<Item<'a>, Malformed> {
        let [first] = *self.take_array()?;
        let argument = self.argument(first & 0x1f)?;
        match (first >> 5, argument) {
            (0, number) => Ok(Item::Unsigned(number)),
            (1, number) => Ok(Item::Negative(number)),
            (2, length) => Ok(Item::Bytes(self.take(length)?)),
            (3, length) => std::str::from_utf8(self.take(length)?)
                .map(Item::Text)
                .map_err(|_| Malformed("a text in it is not UTF-8")),
            (4, count) => Ok(Item::Array(self.at_most(count)?)),
            (5, count) => Ok(Item::Map(self.at_most(count)?)),
            (6, tag) => Ok(Item::Tag(tag)),
            (7, 22) if first == 0xf6 => Ok(Item::Null),
            _ => Err(Malformed("it has an item of a kind that no document has")),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        if let Item::Bytes(bytes) = self.next()? {
            Ok(bytes)
        } else {
            Err(Malformed("something else stands in it where bytes belong"))
        }
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        if let Item::Text(text) = self.next()? {
            Ok(text)
        } else {
            Err(Malformed(
                "something else stands in it where a text belongs",
            ))
        }
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, Malformed> {
        if let Item::Unsigned(number) = self.next()? {
            Ok(number)
        } else {
            Err(Malformed(
                "something else stands in it where a number belongs",
            ))
        }
    }

    pub(crate) fn map(&mut self) -> Result<usize, Malformed> {
        if let Item::Map(pairs) = self.next()? {
            Ok(pairs)
        } else {
            Err(Malformed("something else stands in it where a map belongs"))
        }
    }

    pub(crate) fn array(&mut self) -> Result<usize, Malformed> {
        if let Item::Array(items) = self.next()? {
            Ok(items)
        } else {
            Err(Malformed(
                "something else stands in it where an array belongs",
            ))
        }
    }

    /// Nothing may follow.
    pub(crate) const fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed("something follows its end"))
        }
    }

    /// The number in or behind the first byte of an item.
    fn argument(&mut self, low: u8) -> Result<u64, Malformed> {
        match low {
            0..=23 => Ok(u64::from(low)),
            24 => self.take_array().map(|[byte]: &[u8; 1]| u64::from(*byte)),
            25 => Ok(u64::from(u16::from_be_bytes(*self.take_array()?))),
            26 => Ok(u64::from(u32::from_be_bytes(*self.take_array()?))),
            27 => Ok(u64::from_be_bytes(*self.take_array()?)),
            _ => Err(Malformed("it has an item of indefinite length")),
        }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| SHORT)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A count of what follows: each takes a byte at least.
    fn at_most(&self, count: u64) -> Result<usize, Malformed> {
        let count = usize::try_from(count).map_err(|_| SHORT)?;
        if count <= self.rest.len() {
            Ok(count)
        } else {
            Err(SHORT)
        }
    }
}

/// Writes items.
#[derive(Debug, Default)]
pub(crate) struct CborWriter(Vec<u8>);

impl CborWriter {
    pub(crate) fn put(&mut self, item: Item<'_>) {
        match item {
            Item::Unsigned(number) => self.head(0, number),
            Item::Negative(number) => self.head(1, number),
            Item::Bytes(bytes) => {
                self.head(2, length(bytes.len()));
                self.0.extend_from_slice(bytes);
            }
            Item::Text(text) => {
                self.head(3, length(text.len()));
                self.0.extend_from_slice(text.as_bytes());
            }
            Item::Array(items) => self.head(4, length(items)),
            Item::Map(pairs) => self.head(5, length(pairs)),
            Item::Tag(tag) => self.head(6, tag),
            Item::Null => self.0.push(0xf6),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn head(&mut self, major: u8, number: u64) {
        let bytes = number.to_be_bytes();
        let [.., eighth] = bytes;
        // The shortest form: in the byte itself, or in one, two, four or eight behind it.
        let (low, behind) = match number {
            0..=23 => (eighth, 0),
            24..=0xff => (24, 1),
            0x100..=0xffff => (25, 2),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 8),
        };
        self.0.push(major << 5 | low);
        self.0
            .extend_from_slice(bytes.get(8 - behind..).unwrap_or_default());
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8949, appendix A.
    #[test]
    fn examples_of_the_standard_read_as_it_says_and_are_written_so() {
        let check = |bytes: &[u8], item: Item<'_>| {
            let mut reader = CborReader::of(bytes);
            assert_eq!(reader.next(), Ok(item));
            let mut writer = CborWriter::default();
            writer.put(item);
            assert!(bytes.starts_with(&writer.finish()));
        };
        check(&[0x17], Item::Unsigned(23));
        check(&[0x18, 0x18], Item::Unsigned(24));
        check(&[0x19, 0x03, 0xe8], Item::Unsigned(1000));
        check(&[0x1a, 0x00, 0x0f, 0x42, 0x40], Item::Unsigned(1_000_000));
        check(
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            Item::Unsigned(u64::MAX),
        );
        check(&[0x38, 0x63], Item::Negative(99));
        check(&[0x44, 1, 2, 3, 4], Item::Bytes(&[1, 2, 3, 4]));
        check(&[0x62, 0xc3, 0xbc, 0x61][..3], Item::Text("ü"));
        check(&[0x83, 1, 2, 3], Item::Array(3));
        check(&[0xa1, 1, 2], Item::Map(1));
        check(&[0xd2], Item::Tag(18));
        check(&[0xf6], Item::Null);
    }

    #[test]
    fn what_a_length_promises_must_be_there() {
        for bytes in [
            &[][..],
            &[0x18],
            &[0x44, 1, 2, 3],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
            &[0xb9, 0xff, 0xff],
        ] {
            assert_eq!(CborReader::of(bytes).next(), Err(SHORT), "{bytes:x?}");
        }
        assert!(CborReader::of(&[0x5f, 0x41, 1, 0xff]).next().is_err());
        assert!(
            CborReader::of(&[0xfb, 0, 0, 0, 0, 0, 0, 0, 0])
                .next()
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = CborReader::of(&bytes);
            while reader.next().is_ok() {}
        }
    }
}
