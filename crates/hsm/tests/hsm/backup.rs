use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_hsm::{DeviceKey, Hsm, HsmKeyId, Image, MaskedKey, Refusal, Reply, Role};
use portcullis_seam::SystemEntropy;
use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::world::{World, session, settings};

/// Rule BK-01
#[test]
fn a_backup_has_users_keys_and_identity_but_no_fences() {
    let mut world = World::active();
    let session = session(world.connect(9));
    world.generate(session);
    let sealed = world.encrypt(session, b"kept").unwrap();
    let changes = world.hsm.set_identity(b"certificate and key");
    world.write(changes);
    let bytes = world.hsm.image().to_bytes();
    let image = Image::from_bytes(&bytes).unwrap();
    assert_eq!(image, world.hsm.image());
    let hsm = Hsm::restore(settings(), Arc::new(SystemEntropy), &image).unwrap();
    let mut restored = World {
        hsm,
        disk: BTreeMap::new(),
    };
    assert_eq!(
        restored.hsm.identity().unwrap().as_slice(),
        b"certificate and key"
    );
    let again = match restored.connect(1) {
        Ok(Reply::Session(session)) => session,
        other => panic!("a restored HSM has no fence: {other:?}"),
    };
    assert_eq!(restored.decrypt(again, b"ad", &sealed).unwrap(), b"kept");
}

/// Rule HSM-13
#[test]
fn keys_and_users_survive_a_restart_from_sealed_records() {
    let mut world = World::active();
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    world.generate(session);
    let sealed = world.encrypt(session, b"kept").unwrap();
    let device = DeviceKey::draw(&SystemEntropy);
    let at_rest: BTreeMap<String, Vec<u8>> = world
        .disk
        .iter()
        .map(|(name, record)| (name.clone(), device.seal(name, record, &SystemEntropy)))
        .collect();
    world.disk = at_rest
        .iter()
        .map(|(name, record)| (name.clone(), device.open(name, record).unwrap()))
        .collect();
    let written: BTreeMap<_, _> = world.hsm.records().into_iter().collect();
    assert_eq!(world.disk, written, "the changes add up to the whole");
    world.restart();
    let again = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    assert_eq!(world.decrypt(again, b"ad", &sealed).unwrap(), b"kept");
}

#[test]
fn an_hsm_does_not_start_from_records_that_lack_something() {
    let world = World::active();
    for lacking in ["phase", "masking-key"] {
        let mut disk = world.disk.clone();
        disk.remove(lacking);
        let error = Hsm::load(settings(), Arc::new(SystemEntropy), disk).unwrap_err();
        assert_eq!(error.key, lacking);
    }
    for (name, record) in &world.disk {
        let mut disk = world.disk.clone();
        disk.insert(
            name.clone(),
            Zeroizing::new([record.as_slice(), b"x"].concat()),
        );
        let error = Hsm::load(settings(), Arc::new(SystemEntropy), disk).unwrap_err();
        assert_eq!(error.key, *name, "trailing bytes are not ignored");
    }
}

/// An HSM with these keys and users besides the first admin.
fn furnished(ids: &[[u8; 16]], users: &[String]) -> World {
    let mut world = World::active();
    let admin = world.login("admin", Role::Admin, "adminPassword");
    for user in users {
        let _exists_perhaps = world.create(user, admin);
    }
    let session = world.login("kmsuser", Role::CryptoUser, "kmsPassword");
    for id in ids {
        world.generate_at(session, HsmKeyId(*id));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_image_reads_back_as_it_was(
        ids in prop::collection::vec(any::<[u8; 16]>(), 0..8),
        users in prop::collection::vec("[a-z_0-9]{1,31}", 0..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let world = furnished(&ids, &users);
        let image = world.hsm.image();
        let bytes = image.to_bytes();
        prop_assert_eq!(Image::from_bytes(&bytes), Ok(image));
        prop_assert!(Image::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        let longer = Zeroizing::new([bytes.as_slice(), b"x"].concat());
        prop_assert!(Image::from_bytes(&longer).is_err());
        let restored = Image::from_bytes(&bytes).unwrap();
        let restored = Hsm::restore(settings(), Arc::new(SystemEntropy), &restored).unwrap();
        prop_assert_eq!(restored.image(), world.hsm.image());
    }

    #[test]
    fn random_bytes_are_no_image_and_no_masked_key(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let framed = [b"PCIM\x02".as_slice(), &bytes].concat();
        if let Ok(image) = Image::from_bytes(&framed) {
            prop_assert!(Hsm::restore(settings(), Arc::new(SystemEntropy), &image).is_err());
        }
        prop_assert!(Image::from_bytes(&bytes).is_err());
        let hsm = Hsm::blank(settings(), Arc::new(SystemEntropy));
        prop_assert_eq!(hsm.import_masked(&MaskedKey(bytes)).result, Err(Refusal::ForeignKey));
    }
}
