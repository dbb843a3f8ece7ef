//! Documents from the maker, good ones and such as nobody may believe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use portcullis_attest::{Authority, Claims, Document, Refused, Trust, verify};
use portcullis_seam::{SystemEntropy, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Enclave {
    key: PrivateDecryptingKey,
    public: Vec<u8>,
}

impl Enclave {
    fn new() -> Self {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let public = public.as_ref().to_vec();
        Self { key, public }
    }

    fn claims(&self) -> Claims<'_> {
        Claims {
            module_id: "i-1234567890abcdef0-enc0123456789abcde",
            pcrs: BTreeMap::from([(0, vec![7; 48]), (8, vec![9; 48])]),
            public_key: Some(&self.public),
            user_data: Some(b"hello"),
            nonce: None,
        }
    }
}

fn authority() -> Authority {
    Authority::generate(&SystemEntropy, NOW).unwrap()
}

fn root_of(authority: &Authority) -> Trust {
    Trust::Roots(vec![authority.certificate().to_vec()])
}

fn why(document: &[u8], now: Timestamp, trust: &Trust) -> Refused {
    verify(document, now, trust).expect_err("nobody may believe it")
}

/// Rules ATT-01 and ATT-05.
#[test]
fn what_a_document_says_is_read_and_what_is_sealed_to_it_opens() {
    let enclave = Enclave::new();
    let authority = authority();
    let document = authority
        .attest(&enclave.claims(), &SystemEntropy, NOW)
        .unwrap();
    let read = Document::parse(&document).unwrap();
    assert_eq!(read.timestamp_ms, NOW.millis());
    assert_eq!(read.user_data, Some(&b"hello"[..]));
    assert_eq!(read.nonce, None);
    let attested = verify(&document, NOW, &root_of(&authority)).unwrap();
    assert_eq!(attested.module_id, enclave.claims().module_id);
    assert_eq!(attested.pcrs[&0], vec![7; 48]);
    assert_eq!(attested.pcrs[&1], vec![0; 48]);
    assert_eq!(attested.pcrs[&8], vec![9; 48]);
    for length in [0, 1, 15, 16, 17, 1024, 6144] {
        let plaintext = vec![0x5a; length];
        let sealed = attested
            .public_key
            .seal(&plaintext, &SystemEntropy)
            .unwrap();
        assert_eq!(open(&enclave, &sealed), plaintext, "{length}");
        assert_ne!(
            sealed,
            attested
                .public_key
                .seal(&plaintext, &SystemEntropy)
                .unwrap()
        );
    }
}

/// Opens a message by where its parts stand for a key of 2048 bits.
fn open(enclave: &Enclave, sealed: &[u8]) -> Vec<u8> {
    let after = |mark: &[u8], from: usize| {
        let found = sealed[from..]
            .windows(mark.len())
            .position(|part| part == mark);
        from + found.expect("a message has this part") + mark.len()
    };
    let key_at = after(&[0x04, 0x82, 0x01, 0x00], 0);
    let iv_at = after(&[0x01, 0x2a, 0x04, 0x10], key_at + 256);
    let iv: [u8; 16] = sealed[iv_at..iv_at + 16].try_into().unwrap();
    // `[0]` without a length, an octet string, and five ends.
    let content = &sealed[iv_at + 16 + 2..sealed.len() - 10];
    let head = match content[1] {
        0x82 => 4,
        0x81 => 3,
        _ => 2,
    };
    let mut content = content[head..].to_vec();
    let decrypting = OaepPrivateDecryptingKey::new(enclave.key.clone()).unwrap();
    let mut out = vec![0; decrypting.min_output_size()];
    let key = decrypting
        .decrypt(
            &OAEP_SHA256_MGF1SHA256,
            &sealed[key_at..key_at + 256],
            &mut out,
            None,
        )
        .unwrap();
    let key = UnboundCipherKey::new(&AES_256, key).unwrap();
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(key).unwrap();
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    cipher.decrypt(&mut content, context).unwrap().to_vec()
}

/// Rule ATT-02.
#[test]
fn whose_documents_are_believed_is_chosen() {
    let enclave = Enclave::new();
    let (ours, theirs) = (authority(), authority());
    let document = ours.attest(&enclave.claims(), &SystemEntropy, NOW).unwrap();
    assert!(verify(&document, NOW, &Trust::AnyRoot).is_ok());
    assert!(verify(&document, NOW, &Trust::Unchecked).is_ok());
    assert!(verify(&document, NOW, &root_of(&ours)).is_ok());
    assert_eq!(why(&document, NOW, &root_of(&theirs)), Refused::Untrusted);
    assert_eq!(
        why(&document, NOW, &Trust::aws().unwrap()),
        Refused::Untrusted
    );
    // One of several roots is enough.
    let both = [&theirs, &ours].map(|one| one.certificate().to_vec());
    assert!(verify(&document, NOW, &Trust::Roots(both.to_vec())).is_ok());
}

/// Rule ATT-04: the certificate of a document is valid for three hours.
#[test]
fn a_document_is_believed_while_its_certificate_is_valid() {
    let document = authority()
        .attest(&Enclave::new().claims(), &SystemEntropy, NOW)
        .unwrap();
    let at = |hours| NOW.plus(Duration::from_hours(hours));
    assert!(verify(&document, at(2), &Trust::AnyRoot).is_ok());
    assert_eq!(why(&document, at(4), &Trust::AnyRoot), Refused::Expired);
    let before = Timestamp::from_millis(NOW.millis() - 3_600_000);
    assert_eq!(why(&document, before, &Trust::AnyRoot), Refused::Expired);
    assert!(verify(&document, at(4), &Trust::Unchecked).is_ok());
}

#[test]
fn there_must_be_an_rsa_key_to_seal_to() {
    let authority = authority();
    let enclave = Enclave::new();
    for (public_key, expected) in [
        (None, Refused::NoPublicKey),
        (Some(&b"no key"[..]), Refused::PublicKey),
        (
            Some(&enclave.public[..enclave.public.len() - 1]),
            Refused::PublicKey,
        ),
    ] {
        let claims = Claims {
            public_key,
            ..enclave.claims()
        };
        let document = authority.attest(&claims, &SystemEntropy, NOW).unwrap();
        assert_eq!(why(&document, NOW, &Trust::AnyRoot), expected);
    }
}

/// Rules ATT-01 and ATT-03: nothing of a document can be left out or changed.
#[test]
fn a_document_that_was_shortened_or_changed_anywhere_is_refused() {
    let authority = authority();
    let enclave = Enclave::new();
    let document = authority
        .attest(&enclave.claims(), &SystemEntropy, NOW)
        .unwrap();
    let trust = root_of(&authority);
    for end in 0..document.len() {
        let refused = why(&document[..end], NOW, &trust);
        assert!(matches!(refused, Refused::Malformed(_)), "{end}: {refused}");
        let _any = verify(&document[..end], NOW, &Trust::Unchecked);
    }
    for at in 0..document.len() {
        let mut changed = document.clone();
        changed[at] ^= 1 << (at % 8);
        let _refused = why(&changed, NOW, &trust);
    }
    let mut longer = document.clone();
    longer.push(0);
    assert!(matches!(why(&longer, NOW, &trust), Refused::Malformed(_)));
    // The signature alone, without anything else changed.
    let mut broken = document;
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(why(&broken, NOW, &Trust::AnyRoot), Refused::Signature);
    assert!(verify(&broken, NOW, &Trust::Unchecked).is_ok());
}

#[test]
fn a_document_above_its_bounds_is_refused() {
    let authority = authority();
    let large = vec![1; 20_000];
    let enclave = Enclave::new();
    let claims = Claims {
        user_data: Some(&large),
        ..enclave.claims()
    };
    let document = authority.attest(&claims, &SystemEntropy, NOW).unwrap();
    assert!(matches!(
        why(&document, NOW, &Trust::Unchecked),
        Refused::Malformed(_)
    ));
    let claims = Claims {
        pcrs: BTreeMap::from([(0, vec![1; 47])]),
        ..enclave.claims()
    };
    let document = authority.attest(&claims, &SystemEntropy, NOW).unwrap();
    assert!(matches!(
        why(&document, NOW, &Trust::Unchecked),
        Refused::Malformed(_)
    ));
    let claims = Claims {
        pcrs: BTreeMap::from([(32, vec![1; 48])]),
        ..enclave.claims()
    };
    let document = authority.attest(&claims, &SystemEntropy, NOW).unwrap();
    assert!(matches!(
        why(&document, NOW, &Trust::Unchecked),
        Refused::Malformed(_)
    ));
}

#[test]
fn an_authority_that_is_kept_attests_again() {
    let first = authority();
    let again = Authority::kept(
        first.certificate().to_vec(),
        first.private_key().to_vec().into(),
    );
    let document = again
        .attest(&Enclave::new().claims(), &SystemEntropy, NOW)
        .unwrap();
    assert!(verify(&document, NOW, &root_of(&first)).is_ok());
}

/// The fuzzer's corpus, as anybody sends it.
#[test]
fn the_fuzzers_corpus_is_answered() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/attestation");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let document = std::fs::read(entry.unwrap().path()).unwrap();
        for trust in [Trust::Unchecked, Trust::AnyRoot, Trust::aws().unwrap()] {
            let _answered = verify(&document, NOW, &trust);
        }
        count += 1;
    }
    assert!(count > 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _answered = verify(&bytes, NOW, &Trust::AnyRoot);
    }
}
