use portcullis_hsm::{
    Hsm, HsmKeyId, KeyKind, Message, OaepHash, Refusal, Role, SecretKey, SessionId,
    SignatureAlgorithm, SignatureHash, Task,
};
use portcullis_seam::{Entropy, SystemEntropy};
use zeroize::Zeroizing;

use crate::world::World;

const ID: HsmKeyId = HsmKeyId([9; 16]);

/// Makes a key of `kind` in a fresh HSM.
fn with_key(kind: KeyKind) -> (World, SessionId) {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    let key = SecretKey::generate(kind, &SystemEntropy).unwrap();
    let answer = world.hsm.keep_secret_key(session, ID, key);
    answer.result.unwrap();
    world.write(answer.changes);
    (world, session)
}

fn perform(world: &World, session: SessionId, task: &Task) -> Result<Vec<u8>, Refusal> {
    world
        .hsm
        .perform(session, ID, task)
        .map(|output| output.0.to_vec())
}

fn raw(bytes: &[u8]) -> Message {
    Message::Raw(Zeroizing::new(bytes.to_vec()))
}

fn digest(length: usize) -> Message {
    Message::Digest(Zeroizing::new(vec![7; length]))
}

/// What a key of this kind does, so that the same key gives itself away after a restart.
fn proof(kind: KeyKind) -> Proof {
    use SignatureAlgorithm as A;
    match kind {
        KeyKind::Hmac224 | KeyKind::Hmac256 | KeyKind::Hmac384 | KeyKind::Hmac512 => Proof::Mac,
        KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => {
            Proof::Signature(A::RsaPkcs1(SignatureHash::Sha256))
        }
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::P256k1 => {
            Proof::Signature(A::Ecdsa)
        }
        KeyKind::Ed25519 => Proof::Signature(A::Ed25519),
        KeyKind::MlDsa44 | KeyKind::MlDsa65 | KeyKind::MlDsa87 => Proof::Signature(A::MlDsa),
        KeyKind::MlKem512 | KeyKind::MlKem768 | KeyKind::MlKem1024 => Proof::Secret,
    }
}

enum Proof {
    Mac,
    Signature(SignatureAlgorithm),
    Secret,
}

/// Rule CRY-20
#[test]
fn every_kind_of_key_does_its_work_before_and_after_a_restart() {
    for kind in KeyKind::ALL {
        let (mut world, session) = with_key(kind);
        let (question, answer) = match proof(kind) {
            Proof::Mac => {
                let message = || Zeroizing::new(b"message".to_vec());
                let mac = perform(&world, session, &Task::Mac { message: message() }).unwrap();
                let message = message();
                (Task::VerifyMac { message, mac }, Vec::new())
            }
            Proof::Signature(algorithm) => {
                let message = raw(b"message");
                let signature = perform(&world, session, &Task::Sign { algorithm, message });
                let verify = Task::Verify {
                    algorithm,
                    message: raw(b"message"),
                    signature: signature.unwrap(),
                };
                (verify, Vec::new())
            }
            Proof::Secret => {
                let mut both = perform(&world, session, &Task::Encapsulate).unwrap();
                let secret = both.split_off(both.len() - 32);
                (Task::Decapsulate { ciphertext: both }, secret)
            }
        };
        assert_eq!(
            perform(&world, session, &question).as_ref(),
            Ok(&answer),
            "{kind:?}"
        );
        world.restart();
        let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
        assert_eq!(
            perform(&world, session, &question).as_ref(),
            Ok(&answer),
            "{kind:?}"
        );
        let image = world.hsm.image();
        assert_eq!(image, world.hsm.image());
        let removed = world.hsm.remove_secret_key(session, ID);
        world.write(removed.changes);
        world.restart();
        assert_eq!(world.hsm.secret_key_count(), 0, "{kind:?}");
    }
}

/// Rule HSM-09
#[test]
fn a_secret_key_exists_for_its_owner_only() {
    let (mut world, session) = with_key(KeyKind::P256);
    let admin = world.login("admin", Role::Admin, "adminPassword");
    world.create("other", admin).unwrap();
    let other = world.login("other", Role::CryptoUser, "kmsPassword");
    assert_eq!(
        perform(&world, other, &Task::PublicKey),
        Err(Refusal::NoSuchKey)
    );
    assert_eq!(
        perform(&world, admin, &Task::PublicKey),
        Err(Refusal::NotPermitted)
    );
    let kept = world.hsm.remove_secret_key(other, ID);
    assert!(kept.changes.is_empty());
    assert!(perform(&world, session, &Task::PublicKey).is_ok());
}

/// Rule CRY-20
#[test]
fn a_key_does_nothing_that_its_kind_does_not() {
    for kind in [
        KeyKind::Hmac256,
        KeyKind::P256,
        KeyKind::Ed25519,
        KeyKind::MlKem512,
    ] {
        let (world, session) = with_key(kind);
        let text = || Zeroizing::new(b"text".to_vec());
        let hash = OaepHash::Sha256;
        let refused = |task| perform(&world, session, &task).unwrap_err();
        let algorithm = SignatureAlgorithm::MlDsa;
        let message = || raw(b"message");
        assert_eq!(
            refused(Task::Sign {
                algorithm,
                message: message()
            }),
            Refusal::KeyForbids
        );
        let signature = vec![0; 64];
        let verify = Task::Verify {
            algorithm,
            message: message(),
            signature,
        };
        assert_eq!(refused(verify), Refusal::KeyForbids);
        assert_eq!(
            refused(Task::Encrypt {
                hash,
                plaintext: text()
            }),
            Refusal::KeyForbids
        );
        assert_eq!(
            refused(Task::Decrypt {
                hash,
                ciphertext: text().to_vec()
            }),
            Refusal::KeyForbids
        );
        if kind != KeyKind::Hmac256 {
            assert_eq!(refused(Task::Mac { message: text() }), Refusal::KeyForbids);
        }
        if kind != KeyKind::P256 {
            let public_key = vec![0; 91];
            assert_eq!(refused(Task::Agree { public_key }), Refusal::KeyForbids);
        }
        if kind != KeyKind::MlKem512 {
            assert_eq!(refused(Task::Encapsulate), Refusal::KeyForbids);
        }
    }
    let (world, session) = with_key(KeyKind::Hmac256);
    assert_eq!(
        perform(&world, session, &Task::PublicKey),
        Err(Refusal::KeyForbids)
    );
}

/// Rule CRY-11
#[test]
fn a_signature_of_a_digest_is_that_of_its_message() {
    use SignatureAlgorithm as A;
    use SignatureHash as H;
    let hashes = [(H::Sha256, 32), (H::Sha384, 48), (H::Sha512, 64)];
    let rsa = hashes.into_iter().flat_map(|(hash, length)| {
        [A::RsaPss(hash), A::RsaPkcs1(hash)].map(|one| (KeyKind::Rsa2048, one, length))
    });
    let others = [
        (KeyKind::P256, A::Ecdsa, 32),
        (KeyKind::P256k1, A::Ecdsa, 32),
        (KeyKind::P384, A::Ecdsa, 48),
        (KeyKind::P521, A::Ecdsa, 64),
        (KeyKind::Ed25519, A::Ed25519ph, 64),
    ];
    for (kind, algorithm, length) in rsa.chain(others) {
        let (world, session) = with_key(kind);
        let sign = |message| perform(&world, session, &Task::Sign { algorithm, message });
        let verify = |message, signature: &[u8]| {
            let signature = signature.to_vec();
            let task = Task::Verify {
                algorithm,
                message,
                signature,
            };
            perform(&world, session, &task).map(drop)
        };
        let signature = sign(digest(length)).unwrap();
        assert_eq!(verify(digest(length), &signature), Ok(()), "{algorithm:?}");
        assert_eq!(sign(digest(length - 1)), Err(Refusal::BadLength));
        let other = Message::Digest(Zeroizing::new(vec![8; length]));
        assert_eq!(verify(other, &signature), Err(Refusal::NotAuthentic));
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert_eq!(
                verify(digest(length), &changed),
                Err(Refusal::NotAuthentic),
                "{algorithm:?}, byte {at}"
            );
        }
    }
}

/// Rule CRY-13
#[test]
fn ml_dsa_signs_a_mu_that_was_computed_outside() {
    for (kind, bytes) in [
        (KeyKind::MlDsa44, 2420),
        (KeyKind::MlDsa65, 3309),
        (KeyKind::MlDsa87, 4627),
    ] {
        let (world, session) = with_key(kind);
        let algorithm = SignatureAlgorithm::MlDsa;
        let mu = |byte| Message::ExternalMu(Zeroizing::new(vec![byte; 64]));
        let sign = |message| perform(&world, session, &Task::Sign { algorithm, message });
        let signature = sign(mu(1)).unwrap();
        assert_eq!(signature.len(), bytes);
        let verify = |message| {
            let signature = signature.clone();
            let task = Task::Verify {
                algorithm,
                message,
                signature,
            };
            perform(&world, session, &task).map(drop)
        };
        assert_eq!(verify(mu(1)), Ok(()));
        assert_eq!(verify(mu(2)), Err(Refusal::NotAuthentic));
        let short = Message::ExternalMu(Zeroizing::new(vec![1; 63]));
        assert_eq!(sign(short), Err(Refusal::BadLength));
        assert_eq!(sign(digest(64)), Err(Refusal::BadMechanism));
    }
}

/// Rule CRY-07
#[test]
fn rsa_encrypts_as_much_as_its_modulus_leaves_room_for() {
    for (kind, sha1, sha256) in [
        (KeyKind::Rsa2048, 214, 190),
        (KeyKind::Rsa3072, 342, 318),
        (KeyKind::Rsa4096, 470, 446),
    ] {
        let (world, session) = with_key(kind);
        for (hash, most) in [(OaepHash::Sha1, sha1), (OaepHash::Sha256, sha256)] {
            let encrypt = |length| {
                let plaintext = Zeroizing::new(vec![5; length]);
                perform(&world, session, &Task::Encrypt { hash, plaintext })
            };
            let ciphertext = encrypt(most).unwrap();
            let task = Task::Decrypt { hash, ciphertext };
            assert_eq!(perform(&world, session, &task), Ok(vec![5; most]));
            assert_eq!(encrypt(most + 1), Err(Refusal::BadLength));
            let ciphertext = vec![1; 256];
            let task = Task::Decrypt { hash, ciphertext };
            assert_eq!(perform(&world, session, &task), Err(Refusal::NotAuthentic));
        }
    }
}

/// Rule CRY-16
#[test]
fn two_keys_of_a_curve_agree_and_others_do_not() {
    let public = |kind| {
        let pair = SecretKey::generate(kind, &SystemEntropy).unwrap();
        pair.public_key().to_vec()
    };
    for (kind, bytes) in [
        (KeyKind::P256, 32),
        (KeyKind::P384, 48),
        (KeyKind::P521, 66),
    ] {
        let (one, one_session) = with_key(kind);
        let (two, two_session) = with_key(kind);
        let key_of = |world: &World, session| perform(world, session, &Task::PublicKey).unwrap();
        let agree = |world: &World, session, public_key| {
            perform(world, session, &Task::Agree { public_key })
        };
        let left = agree(&one, one_session, key_of(&two, two_session)).unwrap();
        let right = agree(&two, two_session, key_of(&one, one_session)).unwrap();
        assert_eq!(left, right);
        assert_eq!(left.len(), bytes);
        for foreign in [
            public(KeyKind::P256k1),
            public(KeyKind::Ed25519),
            vec![4; 65],
        ] {
            assert_eq!(
                agree(&one, one_session, foreign),
                Err(Refusal::BadMechanism)
            );
        }
    }
}

/// Rule CRY-17
#[test]
fn a_changed_encapsulation_gives_another_secret_and_a_short_one_none() {
    for (kind, bytes) in [
        (KeyKind::MlKem512, 768),
        (KeyKind::MlKem768, 1088),
        (KeyKind::MlKem1024, 1568),
    ] {
        let (world, session) = with_key(kind);
        let mut both = perform(&world, session, &Task::Encapsulate).unwrap();
        assert_eq!(both.len(), bytes + 32);
        let secret = both.split_off(bytes);
        let open = |ciphertext| perform(&world, session, &Task::Decapsulate { ciphertext });
        assert_eq!(open(both.clone()).unwrap(), secret);
        let mut changed = both.clone();
        changed[0] ^= 1;
        assert_ne!(open(changed).unwrap(), secret);
        both.pop();
        assert_eq!(open(both), Err(Refusal::BadLength));
    }
}

/// Rule CRY-20
#[test]
fn a_key_is_the_same_from_its_bytes_and_from_pkcs8() {
    for kind in KeyKind::ALL {
        let key = SecretKey::generate(kind, &SystemEntropy).unwrap();
        let Ok(pkcs8) = key.to_pkcs8() else {
            assert!(key.public_key().is_empty(), "{kind:?}");
            continue;
        };
        let again = SecretKey::from_pkcs8(kind, &pkcs8).unwrap();
        assert_eq!(again.public_key(), key.public_key(), "{kind:?}");
        assert_eq!(*again.to_pkcs8().unwrap(), *pkcs8, "{kind:?}");
        for other in KeyKind::ALL {
            let refused = SecretKey::from_pkcs8(other, &pkcs8);
            assert_eq!(refused.is_ok(), other == kind, "{kind:?} as {other:?}");
        }
        let short = &pkcs8[..pkcs8.len() - 1];
        assert!(SecretKey::from_pkcs8(kind, short).is_err(), "{kind:?}");
    }
    for (kind, bytes) in [
        (KeyKind::Hmac224, 28),
        (KeyKind::Hmac256, 32),
        (KeyKind::Hmac384, 48),
        (KeyKind::Hmac512, 64),
        (KeyKind::Ed25519, 32),
        (KeyKind::MlDsa44, 32),
        (KeyKind::MlKem512, 64),
    ] {
        assert!(SecretKey::from_bytes(kind, &vec![1; bytes]).is_ok());
        for wrong in [0, bytes - 1, bytes + 1] {
            let refused = SecretKey::from_bytes(kind, &vec![1; wrong]).unwrap_err();
            assert_eq!(refused, Refusal::BadLength, "{kind:?}");
        }
    }
}

/// Draws one byte over and over.
#[derive(Debug)]
struct Canary;

impl Entropy for Canary {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0xa7);
    }
}

/// Rule HSM-20
#[test]
fn no_secret_key_is_printed() {
    let key = SecretKey::generate(KeyKind::Hmac256, &Canary).unwrap();
    let mac = Zeroizing::new(vec![0xa7; 4]);
    let tasks = [
        Task::Mac {
            message: mac.clone(),
        },
        Task::Sign {
            algorithm: SignatureAlgorithm::Ecdsa,
            message: Message::Raw(mac.clone()),
        },
        Task::Encrypt {
            hash: OaepHash::Sha1,
            plaintext: mac,
        },
    ];
    let printed = format!("{key:?} {tasks:?} {:?}", raw(&[0xa7]));
    assert!(
        !printed.contains("167") && !printed.contains("a7"),
        "{printed}"
    );
}

/// The built-in fleet holds these keys and nobody else: no masked form of them exists.
#[test]
fn a_secret_key_has_no_masked_form() {
    let (world, _session) = with_key(KeyKind::P256);
    assert!(Hsm::export_masked(&world.hsm, ID).is_none());
    assert!(world.hsm.key_ids().is_empty());
}
