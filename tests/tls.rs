//! TLS in front of the endpoint: clients that believe the authority speak it, and others refuse it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests fail loudly, and say what they could not do"
)]

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use portcullis_tests::{Portcullis, http};

fn bundle(portcullis: &Portcullis) -> String {
    let path = portcullis.ready.get("ca_bundle").unwrap();
    path.as_str().unwrap().to_owned()
}

/// What a Python program does that builds the URL itself from the host.
const PYTHON: &str = "import os, ssl, sys, http.client as c; \
    host = os.environ['AWS_ENDPOINT_URL'].split('//')[1]; \
    context = ssl.create_default_context(cafile=os.environ['AWS_CA_BUNDLE']); \
    connection = c.HTTPSConnection(host, context=context); \
    connection.request('GET', '/_portcullis/health'); \
    print(connection.getresponse().status, connection.sock and connection.sock.version())";

/// Rules TLS-01 and LG-13
#[test]
fn clients_speak_tls_with_the_authority_and_refuse_it_without() {
    let portcullis = Portcullis::up(&["--world", "quickstart", "--ephemeral", "--tls"]);
    assert!(portcullis.endpoint().starts_with("https://"));
    let file = bundle(&portcullis);
    let with = format!("AWS_CA_BUNDLE={file}");
    for line in [
        "aws kms list-keys",
        "portcullis status",
        "portcullis wait",
        "curl -sf --cacert $AWS_CA_BUNDLE $AWS_ENDPOINT_URL/console/ > /dev/null",
        "portcullis load run --rate 50/s --duration 2s --connections 2",
    ] {
        portcullis.shell(&format!("export {with}; {line}"));
    }
    let python = portcullis.shell(&format!("export {with}; python3 -c \"{PYTHON}\""));
    assert!(python.starts_with("200"), "{python}");
    let environment = portcullis.shell(&format!("portcullis env --ca-bundle {file}"));
    assert!(
        environment.contains(&format!("export {with}")),
        "{environment}"
    );

    // Another authority signs the same names, and is not believed.
    let other = Portcullis::up(&["--world", "empty", "--ephemeral", "--tls"]);
    let wrong = format!("AWS_CA_BUNDLE={}", bundle(&other));
    for (line, told) in [
        ("portcullis status", "is not believed"),
        (
            "portcullis load run --rate 10/s --duration 1s",
            "ClientTlsFailure",
        ),
        ("aws kms list-keys", ""),
        (
            "curl -sf --cacert $AWS_CA_BUNDLE $AWS_ENDPOINT_URL/_portcullis/health",
            "",
        ),
    ] {
        let said = portcullis.shell_fails(&format!("export {wrong}; {line}"));
        assert!(said.contains(told), "{line}: {said}");
    }
    let said = portcullis.shell_fails("unset AWS_CA_BUNDLE; portcullis status");
    assert!(said.contains("--ca-bundle"), "{said}");
    let plain = http(
        portcullis.authority(),
        "GET /_portcullis/health",
        "host: localhost\r\n",
        "",
    );
    assert_eq!(plain.status, 0, "nothing is said in the clear: {plain:?}");
}

/// Rule TLS-01
#[test]
fn the_authority_of_a_data_folder_outlives_a_restart_and_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = [
        "--world",
        "empty",
        "--tls",
        "--data",
        data.to_str().unwrap(),
    ];
    let mut first = Portcullis::up(&arguments);
    let file = bundle(&first);
    let certificate = std::fs::read_to_string(&file).unwrap();
    assert!(first.terminate().success());
    std::fs::remove_file(&file).unwrap();
    let second = Portcullis::up(&arguments);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), certificate);
    let curl = format!("curl -s --cacert {file} -H 'content-type: application/json'");
    second.shell(&format!(
        "{curl} -f -d '{{}}' $AWS_ENDPOINT_URL/_portcullis/reset"
    ));
    let health = format!("{curl} $AWS_ENDPOINT_URL/_portcullis/health || true");
    portcullis_tests::eventually("the reset is done", || {
        second.shell(&health).contains("\"resets\":1").then_some(())
    });
    assert_eq!(std::fs::read_to_string(&file).unwrap(), certificate);
    let kept = portcullis_tests::all_bytes_below(&data);
    let found = kept
        .iter()
        .any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("PRIVATE KEY"));
    assert!(!found, "the key lies sealed");
}

fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(folder)
        .output();
    let output = output.expect("openssl runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Rule TLS-02
#[test]
fn a_certificate_of_the_users_is_presented() {
    let folder = tempfile::tempdir().unwrap();
    for (name, is_authority) in [("own", "FALSE"), ("other", "FALSE"), ("authority", "TRUE")] {
        openssl(
            folder.path(),
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=own \
                 -addext subjectAltName=IP:127.0.0.1 \
                 -addext basicConstraints=critical,CA:{is_authority} -keyout {name}.key -out {name}.crt"
            ),
        );
    }
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key, other) = (file("own.crt"), file("own.key"), file("other.key"));
    let arguments = [
        "--world",
        "empty",
        "--ephemeral",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ];
    let portcullis = Portcullis::up(&arguments);
    assert_eq!(portcullis.ready.get("ca_bundle"), None);
    portcullis.shell(&format!("AWS_CA_BUNDLE={certificate} portcullis status"));
    portcullis.shell_fails(&format!(
        "AWS_CA_BUNDLE={} portcullis status",
        file("other.crt")
    ));
    refuses_an_authority(&file("authority.crt"), &file("authority.key"));
    let up = "portcullis up --ephemeral --port 0 --world empty";
    for (arguments, told) in [
        (
            format!("--tls-cert {certificate} --tls-key {other}"),
            "do not fit",
        ),
        (format!("--tls-cert {key} --tls-key {key}"), "holds none"),
        (format!("--tls-cert {certificate}"), "--tls-key"),
        (
            format!("--tls --tls-cert {certificate} --tls-key {key}"),
            "cannot be used",
        ),
        (
            "--tls-cert /nowhere --tls-key /nowhere".to_owned(),
            "cannot be read",
        ),
    ] {
        let said = portcullis.shell_fails(&format!("{up} {arguments}"));
        assert!(said.contains(told), "{arguments}: {said}");
    }
}

/// What openssl makes unless told otherwise: clients written in Rust do not take it for a server.
fn refuses_an_authority(certificate: &str, key: &str) {
    let files = ["--tls-cert", certificate, "--tls-key", key];
    let arguments = [&["--world", "empty", "--ephemeral"], &files[..]].concat();
    let portcullis = Portcullis::up(&arguments);
    let said = portcullis.shell_fails(&format!("AWS_CA_BUNDLE={certificate} portcullis status"));
    assert!(said.contains("CA:FALSE"), "{said}");
}

/// Rule TLS-03
#[test]
fn a_client_that_does_not_shake_hands_is_closed() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral", "--tls"]);
    let mut silent = TcpStream::connect(portcullis.authority()).unwrap();
    let with = format!("AWS_CA_BUNDLE={}", bundle(&portcullis));
    portcullis.shell(&format!("{with} portcullis status"));
    silent
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    // Closed is an end of the stream or a reset; a read that only runs out of time is neither.
    match silent.read(&mut [0; 16]) {
        Ok(bytes) => assert_eq!(bytes, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    portcullis.shell(&format!("{with} portcullis status"));
}

/// Rule TLS-04
#[test]
fn an_admin_api_of_its_own_on_loopback_stays_in_the_clear() {
    let arguments = [
        "--world",
        "empty",
        "--ephemeral",
        "--bind",
        "0.0.0.0",
        "--tls",
    ];
    let portcullis = Portcullis::up(&arguments);
    assert!(portcullis.admin().starts_with("http://127.0.0.1:"));
    portcullis.shell("portcullis status");
    portcullis.shell("curl -sf $PORTCULLIS_ADMIN_URL/_portcullis/health");
    let with = format!("AWS_CA_BUNDLE={}", bundle(&portcullis));
    portcullis.shell(&format!("{with} aws kms list-keys"));

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let apart = [
        "--world",
        "empty",
        "--tls",
        "--admin-bind",
        "0.0.0.0:0",
        "--data",
    ];
    let portcullis = Portcullis::up(&[&apart[..], &[data.to_str().unwrap()]].concat());
    assert!(
        portcullis.admin().starts_with("https://0.0.0.0:"),
        "{}",
        portcullis.admin()
    );
    let with = format!(
        "AWS_CA_BUNDLE={} PORTCULLIS_ADMIN_TOKEN_FILE={}",
        bundle(&portcullis),
        data.join("admin-token").display()
    );
    portcullis.shell(&format!("{with} portcullis status"));
    // By TLS and with the token the device key may cross a network.
    let file = folder.path().join("file");
    portcullis.shell(&format!(
        "{with} portcullis snapshot save {}",
        file.display()
    ));
    assert!(file.exists());
}
