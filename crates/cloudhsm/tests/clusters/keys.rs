use std::time::Duration;

use data_encoding::HEXLOWER;
use portcullis_api::ClusterId;
use portcullis_cloudhsm::{Coverage, KeyRow, NewKey, UnwrapRequest, UserError, WrapRequest};
use portcullis_hsm::{HsmKeyId, Refusal, Role, Secret};

use crate::world::World;

const ONE: HsmKeyId = HsmKeyId([1; 16]);

fn by(filter: &str) -> Vec<String> {
    filter.split(' ').map(str::to_owned).collect()
}

fn new_key(label: &str, attributes: &[&str]) -> NewKey {
    NewKey {
        label: label.to_owned(),
        length_bytes: 32,
        attributes: attributes.iter().map(|part| (*part).to_owned()).collect(),
        share_crypto_users: Vec::new(),
    }
}

impl World {
    /// Creates a crypto user and logs it in.
    async fn crypto_user(&self, cluster: &ClusterId, name: &str) -> String {
        let admin = self.admin(cluster).await;
        let password = || Secret::new("password1");
        let created = self
            .cloud
            .users()
            .create(&admin, name, Role::CryptoUser, password());
        created.await.unwrap();
        self.cloud.users().logout(&admin).await.unwrap();
        let login =
            self.cloud
                .users()
                .login(&self.scope, cluster, name, Role::CryptoUser, password());
        login.await.unwrap()
    }

    async fn keys(&self, token: &str, filter: &str) -> Vec<KeyRow> {
        let page = self.cloud.keys().list(token, &by(filter), 0, 100).await;
        page.unwrap().keys
    }
}

/// Rule CL-20.
#[tokio::test]
async fn keys_are_made_shared_and_deleted_on_every_hsm() {
    let world = World::new().await;
    let (cluster, _hsms) = world.active_cluster(&["a", "b"]).await;
    let cloud = &world.cloud;
    let alice = world.crypto_user(&cluster, "alice").await;
    let bob = world.crypto_user(&cluster, "bob").await;
    let made = cloud
        .keys()
        .generate(&alice, &new_key("k", &[]))
        .await
        .unwrap();
    assert_eq!(
        (made.cluster_coverage, made.owner_coverage),
        (Coverage::Full, Coverage::Full)
    );
    cloud
        .keys()
        .generate(&alice, &new_key("other", &[]))
        .await
        .unwrap();

    let several = cloud.keys().delete(&alice, &by("attr.key-type=aes")).await;
    assert_eq!(several, Err(UserError::SeveralKeys(2)));
    let none = cloud.keys().delete(&bob, &by("attr.label=k")).await;
    assert_eq!(none, Err(UserError::NoKey), "it does not exist for bob");

    cloud
        .keys()
        .share(&alice, &by("attr.label=k"), "bob")
        .await
        .unwrap();
    let seen = world.keys(&bob, "attr.label=k").await;
    assert_eq!(seen[0].shared_users, [("bob".to_owned(), Coverage::Full)]);
    let refused = cloud.keys().delete(&bob, &by("attr.label=k")).await;
    assert_eq!(refused, Err(UserError::Refused(Refusal::NotOwner)));
    cloud
        .keys()
        .unshare(&alice, &by("attr.label=k"), "bob")
        .await
        .unwrap();
    assert!(world.keys(&bob, "attr.label=k").await.is_empty());

    let one = by("attr.label=k");
    let set = cloud.keys().set_attribute(&alice, &one, "encrypt", "true");
    set.await.unwrap();
    let found = world.keys(&alice, "attr.encrypt=true").await;
    assert_eq!(
        (found.len(), found[0].cluster_coverage),
        (1, Coverage::Full)
    );
    cloud
        .keys()
        .delete(&alice, &by("attr.label=k"))
        .await
        .unwrap();
    let left = world.keys(&alice, "attr.class=secret-key").await;
    assert_eq!(left.len(), 1);
    let admin = world.admin(&cluster).await;
    let page = cloud.keys().list(&admin, &[], 0, 1).await.unwrap();
    assert_eq!(
        (page.total, page.next, page.all_about_them),
        (1, None, false)
    );
}

/// Rules CL-21 and CL-12: also what was changed while an HSM was away.
#[tokio::test(start_paused = true)]
async fn a_key_made_while_an_hsm_is_away_is_there_when_it_is_back() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    let alice = world.crypto_user(&cluster, "alice").await;
    world.crypto_user(&cluster, "bob").await;
    world
        .cloud
        .keys()
        .generate(&alice, &new_key("before", &[]))
        .await
        .unwrap();
    world.transport.cut_off(&[hsms[1].as_str()]);
    let made = world
        .cloud
        .keys()
        .generate(&alice, &new_key("k", &[]))
        .await
        .unwrap();
    assert_eq!(made.cluster_coverage, Coverage::Inconsistent);
    let shared = world
        .cloud
        .keys()
        .share(&alice, &by("attr.label=before"), "bob")
        .await;
    assert!(
        matches!(shared, Err(UserError::Partial { .. })),
        "{shared:?}"
    );
    world.transport.cut_off(&[]);
    let before = world.keys(&alice, "attr.label=before").await;
    assert_eq!(before[0].cluster_coverage, Coverage::Inconsistent);
    tokio::time::sleep(Duration::from_secs(11)).await;
    let rows = world.keys(&alice, "attr.key-type=aes").await;
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(row.cluster_coverage, Coverage::Full, "{row:?}");
        assert!(
            row.shared_users
                .iter()
                .all(|(_, coverage)| *coverage == Coverage::Full)
        );
    }
}

/// Rule CL-23, with a key that is newer than the backup.
#[tokio::test]
async fn a_key_is_replicated_to_a_related_cluster_only() {
    let world = World::new().await;
    let (cluster, hsms) = world.active_cluster(&["a", "b"]).await;
    world.create_hsm(&cluster, "c").await;
    let backup = world.backups().await[0].backup_id.clone();
    let client = world.client(&cluster, &hsms[0]).await;
    client.generate(ONE).await.unwrap();
    let sealed = client.encrypt(ONE, b"text").await.unwrap();
    let related = world.create_cluster(backup).await;
    let there = world.create_hsm(&related, "a").await;
    let (stranger, _) = world.active_cluster(&["a"]).await;

    let from = world.admin(&cluster).await;
    let id = by(&format!("attr.id=0x{ONE}"));
    let to = world.admin(&stranger).await;
    let refused = world.cloud.keys().replicate(&from, &to, &id).await;
    assert_eq!(refused, Err(UserError::Refused(Refusal::ForeignKey)));
    let to = world.admin(&related).await;
    let row = world.cloud.keys().replicate(&from, &to, &id).await.unwrap();
    assert_eq!((row.key.id, row.key.owner.as_str()), (ONE, "kmsuser"));
    let client = world.client(&related, &there).await;
    assert_eq!(client.decrypt(ONE, &sealed).await.unwrap(), b"text");
}

#[tokio::test]
async fn a_key_is_wrapped_and_unwrapped_in_every_way_and_not_by_a_stranger() {
    let world = World::new().await;
    let (one, _) = world.active_cluster(&["a", "b"]).await;
    let (two, _) = world.active_cluster(&["a"]).await;
    let here = world.crypto_user(&one, "alice").await;
    let there = world.crypto_user(&two, "bob").await;
    let wrapping = new_key("w", &["wrap=true", "unwrap=true"]);
    for token in [&here, &there] {
        world.cloud.keys().generate(token, &wrapping).await.unwrap();
    }
    let payload = world
        .cloud
        .keys()
        .generate(&here, &new_key("k", &[]))
        .await
        .unwrap();
    for mechanism in [
        "aes-gcm",
        "cloudhsm-aes-gcm",
        "aes-no-pad",
        "aes-pkcs5-pad",
        "aes-zero-pad",
    ] {
        let gcm = mechanism.ends_with("gcm");
        let wrap = WrapRequest {
            mechanism: mechanism.to_owned(),
            payload_filter: by("attr.label=k"),
            wrapping_filter: by("attr.label=w"),
            aad: gcm.then(|| "0x10".to_owned()),
            tag_length_bits: gcm.then_some(64),
        };
        let wrapped = world.cloud.keys().wrap(&here, &wrap).await.unwrap();
        assert_eq!(wrapped.payload, payload.key.id);
        let label = format!("back-{mechanism}");
        let iv = HEXLOWER.encode(&wrapped.iv);
        let unwrap = UnwrapRequest {
            mechanism: mechanism.to_owned(),
            filter: by("attr.label=w"),
            aad: wrap.aad,
            tag_length_bits: wrap.tag_length_bits,
            iv: (!iv.is_empty()).then_some(iv),
            data: wrapped.data,
            key_type_class: "aes".to_owned(),
            label,
            attributes: Vec::new(),
            share_crypto_users: Vec::new(),
        };
        let back = world.cloud.keys().unwrap(&here, &unwrap).await.unwrap();
        assert_eq!(back.key.check_value, payload.key.check_value, "{mechanism}");
        assert_ne!(back.key.id, payload.key.id);
        let foreign = world.cloud.keys().unwrap(&there, &unwrap).await;
        assert_eq!(
            foreign,
            Err(UserError::Refused(Refusal::NotAuthentic)),
            "another cluster's key does not open it"
        );
    }
}
