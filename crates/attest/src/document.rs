//! What a document says, and which documents there are.
//!
//! ```text
//! COSE_Sign1 = [ protected, unprotected, payload, signature ]      tagged 18 or not
//!                 {1: -35}   {}           bytes    96 bytes         -35 is ES384
//!
//! payload = { module_id, digest, timestamp, pcrs, certificate, cabundle,
//!             ? public_key, ? user_data, ? nonce }
//! ```
//!
//! Source: AWS Nitro Enclaves User Guide, "Verifying the root of trust", and the document
//! "Attestation process" beside the NSM API.

use std::collections::BTreeMap;

use crate::cbor::{CborReader, CborWriter, Item, Malformed};

/// A document as it was written, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<'a> {
    /// Which enclave it is.
    pub module_id: &'a str,
    /// When it was made, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Measurements by their index.
    pub pcrs: BTreeMap<u8, &'a [u8]>,
    /// Whose key signed it: X.509, DER.
    pub certificate: &'a [u8],
    /// Who issued that certificate, the root first.
    pub cabundle: Vec<&'a [u8]>,
    /// To which key a service shall encrypt: SubjectPublicKeyInfo, DER.
    pub public_key: Option<&'a [u8]>,
    /// What the enclave wanted to have signed.
    pub user_data: Option<&'a [u8]>,
    /// What the enclave was asked to have signed.
    pub nonce: Option<&'a [u8]>,
    pub(crate) signed: SignedParts<'a>,
}

/// The parts of COSE_Sign1 that a signature is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignedParts<'a> {
    protected: &'a [u8],
    payload: &'a [u8],
    pub(crate) signature: &'a [u8],
}

/// A payload above this is refused (`bstr .size (1..16384)`).
const PAYLOAD_BYTES_MAX: usize = 16_384;
/// A certificate, and a public key, above this (`bytes .size (1..1024)`).
const CERTIFICATE_BYTES_MAX: usize = 1024;
/// More issuers than this; a real document has four. Not in the documentation.
const ISSUERS_MAX: usize = 8;
/// PCRs have an index below this.
const PCRS_MAX: usize = 32;
/// The bytes of an ES384 signature.
const SIGNATURE_BYTES: usize = 96;
/// The tag of COSE_Sign1 (RFC 9052).
const COSE_SIGN1: u64 = 18;
/// `{1: -35}`: the algorithm is ES384.
pub(crate) const ES384: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];

impl<'a> Document<'a> {
    /// Reads a document.
    ///
    /// Rule ATT-01: it has each field once and nothing else, each of the kind and length that is
    /// documented, and nothing follows it. An optional field may be null, as the NSM writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let signed = SignedParts::parse(bytes)?;
        let mut reader = CborReader::of(signed.payload);
        let mut fields = Fields::default();
        for _field in 0..reader.map()? {
            let name = reader.text()?;
            fields.take(name, &mut reader)?;
        }
        reader.end()?;
        fields.into_document(signed)
    }
}

impl<'a> SignedParts<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = CborReader::of(bytes);
        let mut first = reader.next()?;
        if first == Item::Tag(COSE_SIGN1) {
            first = reader.next()?;
        }
        if first != Item::Array(4) {
            return Err(Malformed("it is not a COSE_Sign1 structure"));
        }
        let protected = reader.bytes()?;
        let mut header = CborReader::of(protected);
        // A header may be written in more than one way, so its meaning is compared.
        let es384 = header.map()? == 1
            && header.next()? == Item::Unsigned(1)
            && header.next()? == Item::Negative(34);
        header.end()?;
        if !es384 {
            return Err(Malformed("its signature is not declared as ES384"));
        }
        if reader.map()? != 0 {
            return Err(Malformed("it has an unprotected header"));
        }
        let payload = sized(reader.bytes()?, 1, PAYLOAD_BYTES_MAX)?;
        let signature = sized(reader.bytes()?, SIGNATURE_BYTES, SIGNATURE_BYTES)?;
        reader.end()?;
        Ok(Self {
            protected,
            payload,
            signature,
        })
    }

    /// What the signature is over (RFC 9052, section 4.4).
    pub(crate) fn to_be_signed(self) -> Vec<u8> {
        to_be_signed(self.protected, self.payload)
    }
}

pub(crate) fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut writer = CborWriter::default();
    writer.put(Item::Array(4));
    writer.put(Item::Text("Signature1"));
    writer.put(Item::Bytes(protected));
    writer.put(Item::Bytes(&[]));
    writer.put(Item::Bytes(payload));
    writer.finish()
}

/// The fields met so far.
#[derive(Default)]
struct Fields<'a> {
    module_id: Option<&'a str>,
    digest: Option<()>,
    timestamp_ms: Option<u64>,
    pcrs: Option<BTreeMap<u8, &'a [u8]>>,
    certificate: Option<&'a [u8]>,
    cabundle: Option<Vec<&'a [u8]>>,
    public_key: Option<Option<&'a [u8]>>,
    user_data: Option<Option<&'a [u8]>>,
    nonce: Option<Option<&'a [u8]>>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, reader: &mut CborReader<'a>) -> Result<(), Malformed> {
        match name {
            "module_id" => once(&mut self.module_id, module_id(reader)?),
            "digest" => once(&mut self.digest, digest(reader)?),
            "timestamp" => once(&mut self.timestamp_ms, timestamp(reader)?),
            "pcrs" => once(&mut self.pcrs, pcrs(reader)?),
            "certificate" => once(&mut self.certificate, certificate(reader)?),
            "cabundle" => once(&mut self.cabundle, cabundle(reader)?),
            "public_key" => once(
                &mut self.public_key,
                optional(reader, 1, CERTIFICATE_BYTES_MAX)?,
            ),
            // The payload's own bound is theirs: real documents have had more than is documented.
            "user_data" => once(&mut self.user_data, optional(reader, 0, PAYLOAD_BYTES_MAX)?),
            "nonce" => once(&mut self.nonce, optional(reader, 0, PAYLOAD_BYTES_MAX)?),
            "nitrotpm_pcrs" => Err(Malformed(
                "it is of a NitroTPM, and only those of Nitro enclaves are built",
            )),
            _ => Err(Malformed("it has a field that no document has")),
        }
    }

    fn into_document(self, signed: SignedParts<'a>) -> Result<Document<'a>, Malformed> {
        self.digest.ok_or(Malformed("it has no digest"))?;
        Ok(Document {
            module_id: self.module_id.ok_or(Malformed("it has no module_id"))?,
            timestamp_ms: self.timestamp_ms.ok_or(Malformed("it has no timestamp"))?,
            pcrs: self.pcrs.ok_or(Malformed("it has no pcrs"))?,
            certificate: self.certificate.ok_or(Malformed("it has no certificate"))?,
            cabundle: self.cabundle.ok_or(Malformed("it has no cabundle"))?,
            public_key: self.public_key.flatten(),
            user_data: self.user_data.flatten(),
            nonce: self.nonce.flatten(),
            signed,
        })
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed("it has a field twice")),
    }
}

fn module_id<'a>(reader: &mut CborReader<'a>) -> Result<&'a str, Malformed> {
    match reader.text()? {
        "" => Err(Malformed("its module_id is empty")),
        text => Ok(text),
    }
}

fn digest(reader: &mut CborReader<'_>) -> Result<(), Malformed> {
    match reader.text()? {
        "SHA384" => Ok(()),
        _ => Err(Malformed("its digest is not SHA384")),
    }
}

fn timestamp(reader: &mut CborReader<'_>) -> Result<u64, Malformed> {
    match reader.unsigned()? {
        0 => Err(Malformed("its timestamp is 0")),
        millis => Ok(millis),
    }
}

fn pcrs<'a>(reader: &mut CborReader<'a>) -> Result<BTreeMap<u8, &'a [u8]>, Malformed> {
    let count = reader.map()?;
    if !(1..=PCRS_MAX).contains(&count) {
        return Err(Malformed("it must have 1 to 32 pcrs"));
    }
    let mut pcrs = BTreeMap::new();
    for _pcr in 0..count {
        let index = u8::try_from(reader.unsigned()?).ok();
        let index = index.filter(|index| usize::from(*index) < PCRS_MAX);
        let index = index.ok_or(Malformed("a PCR's index is not below 32"))?;
        let value = reader.bytes()?;
        if !matches!(value.len(), 32 | 48 | 64) {
            return Err(Malformed("a PCR has not 32, 48 or 64 bytes"));
        }
        if pcrs.insert(index, value).is_some() {
            return Err(Malformed("it has a PCR twice"));
        }
    }
    Ok(pcrs)
}

fn certificate<'a>(reader: &mut CborReader<'a>) -> Result<&'a [u8], Malformed> {
    sized(reader.bytes()?, 1, CERTIFICATE_BYTES_MAX)
}

/// May be empty, unlike in documents of AWS: a certificate may be its own root.
fn cabundle<'a>(reader: &mut CborReader<'a>) -> Result<Vec<&'a [u8]>, Malformed> {
    let count = reader.array()?;
    if count > ISSUERS_MAX {
        return Err(Malformed("its cabundle has more than 8 certificates"));
    }
    (0..count).map(|_| certificate(reader)).collect()
}

fn optional<'a>(
    reader: &mut CborReader<'a>,
    least: usize,
    most: usize,
) -> Result<Option<&'a [u8]>, Malformed> {
    match reader.next()? {
        Item::Null => Ok(None),
        Item::Bytes(bytes) => sized(bytes, least, most).map(Some),
        Item::Unsigned(_)
        | Item::Negative(_)
        | Item::Text(_)
        | Item::Array(_)
        | Item::Map(_)
        | Item::Tag(_) => Err(Malformed("something else stands in it where bytes belong")),
    }
}

fn sized(bytes: &[u8], least: usize, most: usize) -> Result<&[u8], Malformed> {
    if (least..=most).contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(Malformed("a part of it is too short or too long"))
    }
}
