//! The CloudHSM CLI over real clusters: keys and users, one command at a time and at the prompt.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use portcullis_tests::{Portcullis, binary, root};
use serde_json::Value;

const PRIMARY: &str = "cluster-222222222222";
const STANDBY: &str = "cluster-333333333333";
const STRANGER: &str = "cluster-444444444444";
const STORE: &str = "cks-1234567890abcdef0";
const OLD_KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

struct Story {
    portcullis: Portcullis,
}

/// Somebody who works with the CloudHSM CLI, one command at a time.
struct Person<'a> {
    story: &'a Story,
    environment: String,
}

impl Story {
    fn begin() -> Self {
        let world = root().join("tests/clients/keys.toml");
        let portcullis = Portcullis::up(&["--world", world.to_str().unwrap(), "--ephemeral"]);
        Self { portcullis }
    }

    fn person(&self, cluster: &str, role: &str, pin: &str) -> Person<'_> {
        let environment = format!(
            "CLOUDHSM_CLUSTER_ID={cluster} CLOUDHSM_ROLE={role} CLOUDHSM_PIN={pin} \
             DESTINATION_CLOUDHSM_ROLE=admin DESTINATION_CLOUDHSM_PIN=admin:adminPassword"
        );
        Person {
            story: self,
            environment,
        }
    }

    fn admin(&self, cluster: &str) -> Person<'_> {
        self.person(cluster, "admin", "admin:adminPassword")
    }

    /// Creates a crypto user.
    fn crypto_user(&self, cluster: &str, name: &str) -> Person<'_> {
        let password = format!("{name}Password");
        self.admin(cluster).does(&format!(
            "user create --username {name} --role crypto-user --password {password}"
        ));
        self.person(cluster, "crypto-user", &format!("{name}:{password}"))
    }

    fn store_is(&self, state: &str) {
        self.portcullis.shell(&format!(
            "portcullis wait --key-store {STORE} --state {state}"
        ));
    }

    fn disconnect(&self) {
        self.portcullis.shell(&format!(
            "aws kms disconnect-custom-key-store --custom-key-store-id {STORE}"
        ));
        self.store_is("DISCONNECTED");
    }

    fn begin_to_connect(&self) {
        self.portcullis.shell(&format!(
            "aws kms connect-custom-key-store --custom-key-store-id {STORE}"
        ));
    }

    fn encrypt(&self, key: &str) {
        self.portcullis.shell(&format!(
            "printf secret > plain.bin; aws kms encrypt --key-id {key} --plaintext \
             fileb://plain.bin --query CiphertextBlob --output text | base64 -d > {key}.bin"
        ));
    }

    fn decrypt(&self, key: &str) -> String {
        self.portcullis.shell(&format!(
            "aws kms decrypt --ciphertext-blob fileb://{key}.bin --query Plaintext --output text \
             | base64 -d"
        ))
    }
}

impl Person<'_> {
    fn line(&self, verb: &str) -> String {
        format!("{} portcullis cloudhsm-cli {verb}", self.environment)
    }

    /// The `data` of a reply that says yes.
    fn does(&self, verb: &str) -> Value {
        let printed = self.story.portcullis.shell(&self.line(verb));
        let reply: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(reply["error_code"], 0, "{reply}");
        reply["data"].clone()
    }

    /// The `data` of a reply that says no.
    fn fails(&self, verb: &str) -> String {
        let output = self.story.portcullis.try_shell(&self.line(verb));
        assert_eq!(output.status.code(), Some(1), "{verb}");
        let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(reply["error_code"], 1, "{reply}");
        reply["data"].as_str().unwrap().to_owned()
    }

    /// The replies at the prompt to these lines.
    fn types(&self, lines: &str) -> Vec<Value> {
        let home = self.story.portcullis.home();
        std::fs::write(home.join("lines"), lines).unwrap();
        let printed = self
            .story
            .portcullis
            .shell(&format!("{} < lines", self.line("interactive")));
        serde_json::Deserializer::from_str(&printed)
            .into_iter()
            .map(Result::unwrap)
            .collect()
    }

    fn keys(&self, arguments: &str) -> Vec<Value> {
        let data = self.does(&format!("key list {arguments}"));
        data["matched_keys"].as_array().unwrap().clone()
    }
}

#[test]
fn a_key_is_made_with_attributes_and_changed() {
    let story = Story::begin();
    let alice = story.crypto_user(PRIMARY, "alice");
    let made = alice.does(
        "key generate-symmetric aes --label payments --key-length-bytes 24 --attributes \
         encrypt=true decrypt=true",
    );
    let key = &made["key"];
    let info = &key["key-info"];
    assert_eq!(info["key-owners"][0]["username"], "alice");
    assert_eq!(info["cluster-coverage"], "full");
    assert_eq!(info["key-quorum-values"]["use-key-quorum-value"], 0);
    let attributes = &key["attributes"];
    assert_eq!(
        attributes.as_object().unwrap().len(),
        24,
        "all that the CLI of AWS has"
    );
    for (name, value) in [
        ("encrypt", Value::Bool(true)),
        ("sign", Value::Bool(true)),
        ("wrap", Value::Bool(false)),
        ("local", Value::Bool(true)),
        ("id", "".into()),
        ("class", "secret-key".into()),
        ("key-type", "aes".into()),
        ("key-length-bytes", 24.into()),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    let set = "key set-attribute --filter attr.label=payments --name";
    let done = alice.does(&format!("{set} encrypt --value false"));
    assert_eq!(done["message"], "Attribute set successfully");
    let fixed = alice.fails(&format!("{set} extractable --value false"));
    assert!(fixed.contains("another key"), "{fixed}");
    assert_eq!(alice.keys("--filter attr.encrypt=true").len(), 0);
    alice.does(&format!("{set} label --value two words"));
    let found = alice.keys("--filter 'attr.label=two words' -v");
    assert_eq!(found[0]["key-reference"], key["key-reference"]);
}

#[test]
fn keys_are_found_by_filter_page_by_page() {
    let story = Story::begin();
    let alice = story.crypto_user(PRIMARY, "alice");
    let bob = story.crypto_user(PRIMARY, "bob");
    let made = alice.does(
        "key generate-symmetric aes --label payments --key-length-bytes 24 --attributes \
         encrypt=true decrypt=true",
    );
    let key = &made["key"];
    let many = (1..=11).map(|number| {
        format!(
            "key generate-symmetric aes --label many-{number} --key-length-bytes 32 \
             --share-crypto-users bob\n"
        )
    });
    let lines: String = many.collect();
    let login = "login --username alice --role crypto-user --password alicePassword";
    alice.types(&format!("{login}\n{lines}"));

    let first = alice.does("key list");
    assert_eq!(
        (&first["total_key_count"], &first["returned_key_count"]),
        (&12.into(), &10.into())
    );
    let rest = alice.does(&format!(
        "key list --starting-token {}",
        first["next_token"]
    ));
    assert_eq!(
        (&rest["returned_key_count"], rest.get("next_token")),
        (&2.into(), None)
    );
    assert_eq!(bob.does("key list --max-items 3")["total_key_count"], 11);
    let reference = key["key-reference"].as_str().unwrap();
    for filter in [
        "attr.label=payments",
        &format!("key-reference={reference}"),
        "attr.key-length-bytes=24 attr.encrypt=true",
    ] {
        let found = alice.keys(&format!("--filter {filter} --verbose"));
        assert_eq!(found.as_slice(), std::slice::from_ref(key), "{filter}");
    }
    let brief = alice.keys("--filter attr.label=payments");
    assert_eq!(
        brief[0]["attributes"].as_object().unwrap().len(),
        1,
        "the label alone"
    );

    let many = alice.fails("key delete --filter attr.key-length-bytes=32");
    assert!(many.contains("matched 11 keys"), "{many}");
    // All keys of the cluster, that of KMS among them.
    let admin = story.admin(PRIMARY);
    assert_eq!(admin.does("key list --verbose")["total_key_count"], 13);
}

#[test]
fn a_key_is_shared_and_the_owner_alone_manages_it() {
    let story = Story::begin();
    let alice = story.crypto_user(PRIMARY, "alice");
    let bob = story.crypto_user(PRIMARY, "bob");
    alice.does("key generate-symmetric aes --label payments --key-length-bytes 32");
    assert!(bob.keys("--filter attr.label=payments").is_empty());
    alice.does("key share --filter attr.label=payments --username bob --role crypto-user");
    let shared = bob.keys("--filter attr.label=payments -v");
    assert_eq!(shared[0]["key-info"]["shared-users"][0]["username"], "bob");
    let refused = bob.fails("key delete --filter attr.label=payments");
    assert!(refused.contains("only the key's owner"), "{refused}");
    alice.does("key unshare --filter attr.label=payments --username bob --role crypto-user");
    assert!(bob.keys("--filter attr.label=payments").is_empty());

    let gone = alice.does("key delete --filter attr.label=payments");
    assert_eq!(gone["message"], "Key deleted successfully");
    assert!(alice.keys("--filter attr.label=payments").is_empty());
}

#[test]
fn a_key_goes_wrapped_from_one_cluster_to_another() {
    let story = Story::begin();
    let alice = story.crypto_user(PRIMARY, "alice");
    let there = story.crypto_user(STANDBY, "alice");
    let make = "key generate-symmetric aes --key-length-bytes 32 --label";
    alice.does(&format!(
        "{make} wrapping --attributes wrap=true unwrap=true"
    ));
    let payload = alice.does(&format!("{make} payload"));
    alice.does(&format!(
        "key replicate --filter attr.label=wrapping --source-cluster-id {PRIMARY} \
         --destination-cluster-id {STANDBY}"
    ));
    let select = "--payload-filter attr.label=payload --wrapping-filter attr.label=wrapping";
    let wrapped = alice.does(&format!(
        "key wrap aes-gcm {select} --tag-length-bits 64 --aad 0x10 --path wrapped.bin"
    ));
    assert_eq!(
        wrapped["payload_key_reference"],
        payload["key"]["key-reference"]
    );
    let iv = wrapped["iv"].as_str().unwrap();
    let back = there.does(&format!(
        "key unwrap aes-gcm --filter attr.label=wrapping --key-type-class aes --label back \
         --tag-length-bits 64 --aad 0x10 --iv {iv} --data-path wrapped.bin"
    ));
    let attribute = |data: &Value, name: &str| data["key"]["attributes"][name].clone();
    assert_eq!(
        attribute(&back, "check-value"),
        attribute(&payload, "check-value")
    );
    assert_eq!(attribute(&back, "local"), false);
    let changed = there.fails(&format!(
        "key unwrap aes-gcm --filter attr.label=wrapping --key-type-class aes --label again \
         --tag-length-bits 64 --aad 0x11 --iv {iv} --data-path wrapped.bin"
    ));
    assert!(changed.contains("does not open"), "{changed}");
    for way in ["aes-no-pad", "aes-pkcs5-pad", "aes-zero-pad"] {
        let wrapped = alice.does(&format!("key wrap {way} {select}"));
        let data = wrapped["wrapped_key_data"].as_str().unwrap();
        let back = there.does(&format!(
            "key unwrap {way} --filter attr.label=wrapping --key-type-class aes --label {way} \
             --data {data}"
        ));
        assert_eq!(
            attribute(&back, "check-value"),
            attribute(&payload, "check-value")
        );
    }
    alice.does(&format!("{make} stays --attributes extractable=false"));
    let stays = "--payload-filter attr.label=stays --wrapping-filter attr.label=wrapping";
    let refused = alice.fails(&format!("key wrap aes-zero-pad {stays}"));
    assert!(refused.contains("do not permit"), "{refused}");
}

/// The manual clean-up of the Developer Guide: a key whose last day came while its key store was
/// disconnected left its material behind.
#[test]
fn orphaned_key_material_is_found_by_its_label_and_deleted_by_hand() {
    let story = Story::begin();
    let described = story
        .portcullis
        .aws(&format!("kms describe-key --key-id {OLD_KEY}"));
    let arn = described["KeyMetadata"]["Arn"].as_str().unwrap();
    story.portcullis.shell(&format!(
        "aws kms schedule-key-deletion --key-id {OLD_KEY} --pending-window-in-days 7"
    ));
    story.disconnect();
    story.portcullis.shell("portcullis clock advance 8d");
    let gone = story
        .portcullis
        .shell_fails(&format!("aws kms describe-key --key-id {OLD_KEY}"));
    assert!(gone.contains("NotFoundException"), "{gone}");

    story
        .admin(PRIMARY)
        .does("user change-password --username kmsuser --role crypto-user --password tempPassword");
    let kmsuser = story.person(PRIMARY, "crypto-user", "kmsuser:tempPassword");
    kmsuser.does("login --username kmsuser --role crypto-user --password tempPassword");
    let found = kmsuser.keys(&format!("--filter attr.label={arn} --verbose"));
    let attributes = &found[0]["attributes"];
    assert_eq!(
        (&attributes["extractable"], &attributes["key-length-bytes"]),
        (&false.into(), &32.into())
    );
    let id = attributes["id"].as_str().unwrap();
    let events = story
        .portcullis
        .shell("curl -sf $AWS_ENDPOINT_URL/_portcullis/events");
    let backing_key = id.trim_start_matches("0x");
    assert!(events.contains("FAILURE"), "{events}");
    assert!(events.contains(backing_key), "{backing_key}: {events}");
    kmsuser.does(&format!("key delete --filter attr.id={id}"));
    assert_eq!(kmsuser.does("key list")["total_key_count"], 0);

    // A session that was left open keeps KMS out.
    story.portcullis.shell(&format!(
        "aws kms update-custom-key-store --custom-key-store-id {STORE} --key-store-password tempPassword"
    ));
    story.begin_to_connect();
    story.store_is("FAILED");
    let code = "--query CustomKeyStores[0].ConnectionErrorCode";
    let why = story.portcullis.aws(&format!(
        "kms describe-custom-key-stores --custom-key-store-id {STORE} {code}"
    ));
    assert_eq!(why, "USER_LOGGED_IN");
    story.disconnect();
    kmsuser.does("logout");
    story.begin_to_connect();
    story.store_is("CONNECTED");
}

/// A cluster restored from a backup lacks what is newer; `key replicate` brings it.
#[test]
fn a_kms_key_newer_than_the_backup_works_in_the_restored_cluster_once_replicated() {
    let story = Story::begin();
    let create = format!(
        "kms create-key --origin AWS_CLOUDHSM --custom-key-store-id {STORE} --query KeyMetadata"
    );
    let newer = story.portcullis.aws(&create);
    let forgotten = story.portcullis.aws(&create);
    let name = |key: &Value| key["KeyId"].as_str().unwrap().to_owned();
    let (newer_id, forgotten_id) = (name(&newer), name(&forgotten));
    story.encrypt(&newer_id);
    story.encrypt(&forgotten_id);
    let replicate = |destination: &str| {
        format!(
            "key replicate --filter attr.label={} --source-cluster-id {PRIMARY} \
             --destination-cluster-id {destination}",
            newer["Arn"].as_str().unwrap()
        )
    };
    let admin = story.admin(PRIMARY);
    let refused = admin.fails(&replicate(STRANGER));
    assert!(refused.contains("made from a backup"), "{refused}");
    let replicated = admin.does(&replicate(STANDBY));
    assert_eq!(replicated["message"], "Successfully replicated key");
    assert_eq!(replicated["key"]["key-info"]["cluster-coverage"], "full");

    story.disconnect();
    story.portcullis.shell(&format!(
        "aws kms update-custom-key-store --custom-key-store-id {STORE} --cloud-hsm-cluster-id \
         {STANDBY} --key-store-password knownAgain"
    ));
    story.begin_to_connect();
    story.store_is("CONNECTED");
    assert_eq!(story.decrypt(&newer_id), "secret");
    let lost = story.portcullis.shell_fails(&format!(
        "aws kms decrypt --ciphertext-blob fileb://{forgotten_id}.bin"
    ));
    assert!(lost.contains("KMSInvalidStateException"), "{lost}");
}

/// Rule CL-25, typed and piped.
#[test]
fn the_prompt_keeps_one_session_and_hides_passwords() {
    let story = Story::begin();
    let script = root().join("tests/clients/prompt.py");
    let folder = binary().parent().unwrap().display();
    let typed = story.portcullis.shell(&format!(
        "PATH={folder}:$PATH python3 {} --cluster-id {PRIMARY}",
        script.display()
    ));
    assert_eq!(typed, "ok\n");
    story.crypto_user(PRIMARY, "alice");
    let lines = "login --username alice --role crypto-user\nalicePassword\n\
                 key generate-symmetric aes --label 'with a blank' --key-length-bytes 16\n\
                 key list --filter 'attr.label=with a blank'\n\
                 login --username alice --role crypto-user --password alicePassword\n\
                 key list --cluster-id cluster-444444444444\nquit\nkey list\n";
    let replies = story.admin(PRIMARY).types(lines);
    let codes: Vec<_> = replies
        .iter()
        .map(|reply| reply["error_code"].as_i64())
        .collect();
    assert_eq!(
        codes,
        [Some(0), Some(0), Some(0), Some(1), Some(1)],
        "{replies:?}"
    );
    assert_eq!(replies[2]["data"]["total_key_count"], 1);
    assert!(
        replies[3].to_string().contains("alice is logged in"),
        "{replies:?}"
    );
    assert!(replies[4].to_string().contains(STRANGER), "{replies:?}");
    // The end of the prompt logged out: the password can be changed.
    story.admin(PRIMARY).does(
        "user change-password --username alice --role crypto-user --password changedPassword",
    );
}

/// Rule CL-28. A second `login` used to take the place of the first one's token, so that nobody
/// could end the first session any more: KMS was kept out until Portcullis was started again.
#[test]
fn a_login_command_opens_one_session_that_nobody_else_finds() {
    let story = Story::begin();
    let alice = story.crypto_user(PRIMARY, "alice");
    let login = "login --username alice --role crypto-user --password alicePassword";
    alice.does(login);
    let again = alice.fails(login);
    assert!(again.contains("alice is logged in"), "{again}");
    // Another Portcullis has a cluster of the same ID.
    let other = Story::begin();
    let output = other.portcullis.try_shell(&format!(
        "XDG_RUNTIME_DIR={} portcullis cloudhsm-cli --cluster-id {PRIMARY} key list",
        story.portcullis.home().display()
    ));
    let reply = String::from_utf8(output.stdout).unwrap();
    assert!(reply.contains("Nobody is logged in"), "{reply}");
    alice.does("logout");
    alice.does(login);
    // As if Portcullis had been started again meanwhile: the session has ended.
    story
        .portcullis
        .shell("for file in portcullis-session-*; do printf gone > $file; done");
    alice.does("key list");
    let ended = alice.fails("logout");
    assert!(ended.contains("Nobody"), "{ended}");
    alice.does(login);
    alice.does("logout");
}

/// Rule CL-29, and what is wrong is a reply like any other: its text says what to write instead.
#[test]
fn names_are_shown_in_lower_case_and_mistakes_are_told() {
    let story = Story::begin();
    let admin = story.admin(PRIMARY);
    let made = admin.does("user create --username Alice --role crypto-user --password Password1");
    assert_eq!(made["username"], "alice");
    let alice = story.person(PRIMARY, "crypto-user", "ALICE:Password1");
    for (person, verb, why) in [
        (
            &story.person(PRIMARY, "boss", "admin:adminPassword"),
            "key list",
            "admin or crypto-user",
        ),
        (
            &story.person(PRIMARY, "admin", "adminPassword"),
            "key list",
            "user:password",
        ),
        (
            &story.person("nonsense", "admin", "admin:adminPassword"),
            "user list",
            "\"nonsense\"",
        ),
        (
            &story.person("''", "admin", "admin:adminPassword"),
            "user list",
            "No cluster is named",
        ),
        (
            &alice,
            "key generate-symmetric aes --label x --key-length-bytes 16 --attributes wrap",
            "encrypt=true",
        ),
        (
            &alice,
            "key unwrap aes-zero-pad --filter attr.label=x --key-type-class aes --label y --data-path nowhere",
            "nowhere cannot be read",
        ),
    ] {
        let text = person.fails(verb);
        assert!(text.contains(why), "{verb}: {text}");
    }
    alice.does("key generate-symmetric aes --label w --key-length-bytes 16 --attributes wrap=true unwrap=true");
    let wrap = "key wrap aes-gcm --payload-filter attr.label=w --wrapping-filter attr.label=w";
    for (flags, why) in [
        ("--tag-length-bits 128 --aad zz", "hexadecimal"),
        ("--tag-length-bits 7", "steps of 8"),
        ("--tag-length-bits 136", "64 to 128"),
        (
            "--tag-length-bits 128 --path no/where",
            "no/where cannot be written",
        ),
    ] {
        let text = alice.fails(&format!("{wrap} {flags}"));
        assert!(text.contains(why), "{flags}: {text}");
    }
    let text = alice.fails("key unwrap aes-gcm --filter attr.label=w --key-type-class aes --label y --tag-length-bits 128 --iv 0x00 --data YWJj");
    assert!(text.contains("12 bytes"), "{text}");
    let help = story
        .portcullis
        .shell("portcullis cloudhsm-cli help key share");
    assert!(
        help.contains("portcullis cloudhsm-cli key share --filter"),
        "{help}"
    );
    let printed = story.portcullis.shell(&admin.line("cluster hsm-info"));
    assert!(printed.starts_with("{\n  \"error_code\": 0,"), "{printed}");
}

/// Rule CL-33.
#[test]
fn a_script_for_the_cloudhsm_cli_finds_it_under_its_own_name() {
    let story = Story::begin();
    let script = format!(
        "ln -s $(command -v portcullis) cloudhsm-cli; {} ./cloudhsm-cli user create --username \
         carol --role crypto-user --password carolsPassword > /dev/null; \
         ./cloudhsm-cli --cluster-id {PRIMARY} user list; ./cloudhsm-cli help",
        story.admin(PRIMARY).environment
    );
    let printed = story.portcullis.shell(&script);
    assert!(printed.contains("\"carol\""), "{printed}");
    assert!(printed.contains("interactive"), "{printed}");
}

/// Rule CL-24.
#[test]
fn what_is_not_there_says_so() {
    let story = Story::begin();
    let admin = story.admin(PRIMARY);
    for verb in [
        "crypto sign ecdsa --key-filter attr.label=x --hash-function sha256 --data YWJj",
        "quorum token-sign list",
        "cluster mtls get-enforcement",
        "user change-mfa token-sign --username a --role admin",
        "key generate-asymmetric-pair rsa --public-label x",
        "key generate-symmetric generic-secret --label x --key-length-bytes 8",
        "key generate-symmetric aes --label x --key-length-bytes 16 --session",
        "key generate-symmetric aes --label x --key-length-bytes 16 --use-key-quorum-value 2",
        "key wrap rsa-oaep --payload-filter attr.label=x",
        "key unwrap rsa-aes --filter attr.label=x",
    ] {
        let why = admin.fails(verb);
        assert!(why.contains("docs/cloudhsm-cli.md"), "{verb}: {why}");
    }
    let alice = story.crypto_user(PRIMARY, "alice");
    for (verb, why) in [
        ("key list --filter label=x", "attr.label=payments"),
        ("key list --filter attr.colour=red", "no attribute"),
        (
            "key generate-symmetric aes --label x --key-length-bytes 20",
            "16, 24 or 32",
        ),
        ("key delete --filter attr.label=x", "No key"),
        (
            "key generate-symmetric aes --label x --key-length-bytes 16 --attributes local=false",
            "set by the HSM",
        ),
    ] {
        let text = alice.fails(verb);
        assert!(text.contains(why), "{verb}: {text}");
    }
    let info = admin.does("cluster hsm-info");
    assert_eq!(info["hsms"][0]["vendor"], "Portcullis");
}
