use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_hsm::{
    Call, Command, Criterion, Hsm, HsmKeyId, KeyTemplate, NONCE_BYTES, Operation, Refusal, Reply,
    Role, SEAL_BYTES, SessionId,
};
use portcullis_seam::SystemEntropy;

use crate::world::{KEY, World, settings};

/// Rule HSM-09
#[test]
fn a_key_exists_for_its_owner_only() {
    let mut world = World::active();
    let owner = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(owner);
    let admin = world.login("admin", Role::Admin, "adminPassword");
    world.create("other", admin).unwrap();
    let other = world.login("other", Role::CryptoUser, "kmsPassword");
    assert_eq!(world.encrypt(other, b"x"), Err(Refusal::NoSuchKey));
    let delete = Command::DeleteKey {
        session: other,
        id: KEY,
    };
    assert_eq!(world.run(delete), Err(Refusal::NoSuchKey));
    let list = |session| Command::ListKeys {
        session,
        criteria: Vec::new(),
        after: None,
        limit: 10,
    };
    assert_eq!(world.run(list(other)), Ok(Reply::Keys(Vec::new())));
    let Ok(Reply::Keys(seen)) = world.run(list(admin)) else {
        panic!("an admin lists keys")
    };
    assert_eq!((seen[0].id, seen[0].owner.as_str()), (KEY, "kmsuser"));
}

/// Rule HSM-10, HSM-11
#[test]
fn a_masked_key_opens_in_its_own_cluster_only_and_inserting_it_twice_is_harmless() {
    let mut world = World::active();
    let owner = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let mut sibling = World {
        hsm: Hsm::restore(settings(), Arc::new(SystemEntropy), &world.hsm.image()).unwrap(),
        disk: BTreeMap::new(),
    };
    let masked = world.generate(owner);
    let theirs = sibling.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let sealed = world.encrypt(owner, b"shared").unwrap();
    assert_eq!(
        sibling.decrypt(theirs, b"ad", &sealed),
        Err(Refusal::NoSuchKey)
    );
    for _ in 0..2 {
        let insert = Command::InsertMasked {
            session: theirs,
            key: masked.clone(),
        };
        assert_eq!(sibling.run(insert), Ok(Reply::Done));
    }
    assert_eq!(sibling.decrypt(theirs, b"ad", &sealed).unwrap(), b"shared");

    let mut stranger = World::active();
    let session = stranger.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let insert = Command::InsertMasked {
        session,
        key: masked,
    };
    assert_eq!(stranger.run(insert), Err(Refusal::ForeignKey));
    let exported = world.hsm.export_masked(KEY).unwrap();
    assert_eq!(
        stranger.hsm.import_masked(&exported).result,
        Err(Refusal::ForeignKey)
    );
}

/// Rule HSM-12
#[test]
fn every_change_of_a_sealed_text_or_its_additional_data_is_noticed() {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(session);
    let sealed = world.encrypt(session, b"attack at dawn").unwrap();
    assert_eq!(
        world.decrypt(session, b"ad", &sealed).unwrap(),
        b"attack at dawn"
    );
    for at in 0..sealed.len() {
        for difference in 1..=255 {
            let mut changed = sealed.clone();
            changed[at] ^= difference;
            assert_eq!(
                world.decrypt(session, b"ad", &changed),
                Err(Refusal::NotAuthentic),
                "{at}"
            );
        }
        assert_eq!(
            world.decrypt(session, b"ad", &sealed[..at]),
            Err(Refusal::NotAuthentic),
            "cut at {at}"
        );
    }
    for other in [&b""[..], b"a", b"ad ", b"da"] {
        assert_eq!(
            world.decrypt(session, other, &sealed),
            Err(Refusal::NotAuthentic)
        );
    }
}

#[test]
fn a_data_key_opens_to_itself_and_moves_between_keys() {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(session);
    let other = HsmKeyId([8; 16]);
    let generate = Command::GenerateKey {
        session,
        id: other,
        template: KeyTemplate::sealing(other, "other"),
    };
    world.run(generate).unwrap();
    let data_key = Operation::GenerateDataKey {
        key: KEY,
        additional_data: b"ad",
        bytes: 32,
    };
    let output = world.operate(session, data_key).unwrap();
    let (plaintext, sealed) = output.split_at(32);
    assert_eq!(world.decrypt(session, b"ad", sealed).unwrap(), plaintext);
    let moved = world.operate(
        session,
        Operation::ReEncrypt {
            source: KEY,
            source_additional_data: b"ad",
            destination: other,
            destination_additional_data: b"new",
            sealed,
        },
    );
    let moved = moved.unwrap();
    let open = Operation::Decrypt {
        key: other,
        additional_data: b"new",
        sealed: &moved,
    };
    assert_eq!(world.operate(session, open).unwrap(), plaintext);
    for bytes in [0, 1025] {
        let random = Operation::Random { bytes };
        assert_eq!(world.operate(session, random), Err(Refusal::BadLength));
    }
}

/// Rule HSM-08: the nonces of sealed texts, under one key that outlives three starts.
#[test]
fn no_sealed_text_of_a_key_has_the_nonce_of_another() {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(session);
    let mut nonces = Vec::new();
    for _start in 0..3 {
        world.restart();
        let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
        let hsm = &world.hsm;
        std::thread::scope(|scope| {
            let other = scope.spawn(|| seal_many(hsm, session));
            nonces.extend(seal_many(hsm, session));
            nonces.extend(other.join().unwrap());
        });
    }
    let sealed = nonces.len();
    assert!(sealed > 1_000_000);
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), sealed);
}

fn seal_many(hsm: &Hsm, session: SessionId) -> Vec<[u8; NONCE_BYTES]> {
    let mut out = Vec::new();
    let mut nonces = Vec::new();
    let operation = Operation::Encrypt {
        key: KEY,
        additional_data: b"",
        plaintext: b"",
    };
    while nonces.len() < 167_000 {
        out.clear();
        let mut batch = hsm.batch();
        for _ in 0..=nonces.len() % 130 {
            batch.run(&Call { session, operation }, &mut out).unwrap();
        }
        nonces.extend(
            out.chunks(SEAL_BYTES)
                .map(|sealed| *sealed.first_chunk().unwrap()),
        );
    }
    nonces
}

#[test]
fn generating_a_key_again_gives_the_same_key_to_its_maker_only() {
    let mut world = World::active();
    let owner = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(owner);
    let sealed = world.encrypt(owner, b"kept").unwrap();
    world.generate(owner);
    assert_eq!(world.decrypt(owner, b"ad", &sealed).unwrap(), b"kept");
    let admin = world.login("admin", Role::Admin, "adminPassword");
    world.create("other", admin).unwrap();
    let other = world.login("other", Role::CryptoUser, "kmsPassword");
    for (session, label) in [(owner, "another label"), (other, "arn:aws:kms:key")] {
        let generate = Command::GenerateKey {
            session,
            id: KEY,
            template: KeyTemplate::sealing(KEY, label),
        };
        assert_eq!(world.run(generate), Err(Refusal::NotPermitted));
    }
}

#[test]
fn pages_of_keys_are_in_order_and_complete() {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let mut made = BTreeSet::new();
    for number in 0..25_u128 {
        let id = HsmKeyId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let label = if number % 2 == 0 { "even" } else { "odd" };
        let template = KeyTemplate::sealing(id, label);
        let generate = Command::GenerateKey {
            session,
            id,
            template,
        };
        world.run(generate).unwrap();
        made.insert(id);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let list = Command::ListKeys {
            session,
            criteria: Vec::new(),
            after,
            limit: 10,
        };
        let Ok(Reply::Keys(page)) = world.run(list) else {
            panic!("keys are listed")
        };
        seen.extend(page.iter().map(|key| key.id));
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 10);
        after = Some(last.id);
    }
    assert_eq!(seen, made.into_iter().collect::<Vec<_>>());
    let criteria = vec![Criterion::Label("odd".to_owned())];
    let list = Command::ListKeys {
        session,
        criteria,
        after: None,
        limit: u16::MAX,
    };
    let Ok(Reply::Keys(odd)) = world.run(list) else {
        panic!("keys are listed")
    };
    assert_eq!(odd.len(), 12);
}

/// A refused operation leaves a reply as it was, whatever the step that failed.
#[test]
fn a_refused_operation_appends_nothing() {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(session);
    let sealed = world.encrypt(session, b"text").unwrap();
    let missing = HsmKeyId([9; 16]);
    let large = vec![0; Operation::PLAINTEXT_BYTES_MAX + 1];
    let re_encrypt = |source, destination, additional_data| Operation::ReEncrypt {
        source,
        source_additional_data: additional_data,
        destination,
        destination_additional_data: b"",
        sealed: &sealed,
    };
    let (ad, empty): (&[u8], &[u8]) = (b"ad", b"");
    let data_key = |key, bytes| Operation::GenerateDataKey {
        key,
        additional_data: b"",
        bytes,
    };
    for (operation, expected) in [
        (re_encrypt(missing, KEY, ad), Refusal::NoSuchKey),
        (re_encrypt(KEY, missing, ad), Refusal::NoSuchKey),
        (re_encrypt(KEY, KEY, empty), Refusal::NotAuthentic),
        (data_key(missing, 32), Refusal::NoSuchKey),
        (data_key(KEY, 0), Refusal::BadLength),
        (data_key(KEY, 1025), Refusal::BadLength),
        (
            Operation::Encrypt {
                key: KEY,
                additional_data: b"",
                plaintext: &large,
            },
            Refusal::BadLength,
        ),
    ] {
        assert_eq!(
            world.operate(session, operation),
            Err(expected),
            "{operation:?}"
        );
    }
}
