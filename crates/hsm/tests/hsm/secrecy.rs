use std::num::NonZeroU32;
use std::sync::Arc;

use portcullis_hsm::{
    Answer, Call, Command, DeviceKey, Hsm, Operation, Output, Role, Secret, Settings,
};
use portcullis_seam::Entropy;
use zeroize::Zeroizing;

use crate::world::KEY;

/// Draws bytes of one value only, so that every secret it made is recognised when printed.
#[derive(Debug)]
struct Canary;

const BYTE: u8 = 0xa7;

impl Entropy for Canary {
    fn fill(&self, out: &mut [u8]) {
        out.fill(BYTE);
    }
}

const PASSWORD: &str = "canaryPassword";

fn commands(hsm: &Hsm) -> Vec<String> {
    let password = || Secret::new(PASSWORD);
    let (username, role) = (|| "admin".to_owned(), Role::Admin);
    let login = Command::Login {
        username: username(),
        role,
        password: password(),
        fence: None,
        exclusive: false,
        holder: 0,
    };
    let mut printed = Vec::new();
    for command in [
        Command::Activate {
            password: password(),
        },
        login,
        Command::ListUsers,
    ] {
        printed.push(format!("{command:?}"));
        printed.push(format!("{:?}", hsm.manage(command)));
    }
    printed
}

/// Rule HSM-20: drawn key material, passwords, plaintexts and records are in no `Debug` output.
#[test]
fn nothing_secret_is_printed() {
    let settings = Settings {
        password_iterations: NonZeroU32::MIN,
        ..Settings::default()
    };
    let hsm = Hsm::blank(settings, Arc::new(Canary));
    let mut printed = commands(&hsm);
    let identity = hsm.set_identity(PASSWORD.as_bytes());
    let secret = PASSWORD.as_bytes();
    let operations = [
        Operation::Encrypt {
            key: KEY,
            additional_data: secret,
            plaintext: secret,
        },
        Operation::Decrypt {
            key: KEY,
            additional_data: secret,
            sealed: secret,
        },
    ];
    let session = portcullis_hsm::SessionId(1);
    for operation in operations {
        printed.push(format!("{operation:?} {:?}", Call { session, operation }));
    }
    let error = Hsm::load(settings, Arc::new(Canary), torn(&hsm)).unwrap_err();
    let answer = Answer {
        result: Ok(portcullis_hsm::Reply::Done),
        changes: identity,
    };
    let output = Output(secret.to_vec().into());
    let device = DeviceKey::draw(&Canary);
    let image = hsm.image();
    printed.push(format!("{hsm:?} {:?} {image:?} {answer:?}", hsm.batch()));
    printed.push(format!(
        "{output:?} {device:?} {:?} {error:?} {error}",
        Secret::new(PASSWORD)
    ));
    for text in printed {
        for canary in [PASSWORD, &format!("{BYTE}, {BYTE}"), &format!("{secret:?}")] {
            assert!(!text.contains(canary), "{text}");
        }
    }
}

/// An HSM's records, cut short.
fn torn(hsm: &Hsm) -> Vec<(String, Zeroizing<Vec<u8>>)> {
    let mut records = hsm.records();
    records
        .iter_mut()
        .for_each(|(_, record)| record.truncate(3));
    records
}
