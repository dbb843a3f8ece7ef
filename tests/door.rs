//! The control plane's door. Bound to an address that others reach, Portcullis once showed them the
//! whole admin API, `--auth enforce` or not: a stranger enrolled a host, and the owner's next HSM was
//! made on it, with the device key beside it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests fail loudly, and say what they could not do"
)]

use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

use portcullis_tests::{Caller, Outcome, Portcullis, eventually, http, root};
use serde_json::json;

/// An address of this machine that others would use; one of the loopback interface that the admin
/// API is not at, when the machine has no other.
fn outside() -> IpAddr {
    let reached = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        // Nothing is sent: this only asks by which address that would be.
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    match reached {
        Ok(address) if !address.ip().is_loopback() => address.ip(),
        Ok(_) | Err(_) => {
            eprintln!("This machine has loopback addresses only: 127.0.0.2 stands for the others.");
            "127.0.0.2".parse().unwrap()
        }
    }
}

/// Method and path of every route, which a test of the server compares with what it serves.
fn routes() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("docs/admin.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let routes: Vec<_> = rows
        .filter_map(|row| row.split('`').next()?.split_once(' '))
        .map(|(method, path)| {
            let parts = path.split('/');
            let filled = parts.map(|part| if part.starts_with('{') { "1" } else { part });
            (method.to_owned(), filled.collect::<Vec<_>>().join("/"))
        })
        .collect();
    assert!(routes.len() > 50, "docs/admin.md lists {}", routes.len());
    routes
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

/// Rules DOOR-01, DOOR-02 and DOOR-03
#[test]
fn a_stranger_gets_the_aws_endpoint_and_the_health_and_nothing_else() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral", "--bind", "0.0.0.0"]);
    let outside = outside();
    let public = format!("{outside}:{}", port(portcullis.endpoint()));
    let admin = portcullis
        .admin()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    assert!(admin.starts_with("127.0.0.1:"), "{admin}");
    assert_ne!(port(&admin), port(&public));

    let headers = format!("host: {public}\r\ncontent-type: application/json\r\n");
    let mut shown = Vec::new();
    for (method, path) in routes() {
        let reply = http(&public, &format!("{method} {path}"), &headers, "{}");
        if reply.status == 200 {
            shown.push(path);
            continue;
        }
        assert_eq!(reply.status, 404, "{method} {path}: {reply:?}");
        assert!(reply.body.contains("--admin-bind"), "{reply:?}");
        assert!(
            !reply.body.contains(&admin),
            "where it is, is not told: {reply:?}"
        );
    }
    assert_eq!(shown, ["/_portcullis/health", "/_localstack/health"]);
    let mut caller = Caller::new(&public);
    let called = caller.kms("CreateKey", &json!({}));
    assert!(matches!(called, Outcome::Done(_)), "{called:?}");

    // The other address is not reachable from there, and has everything.
    let there = (outside, port(&admin)).into();
    let reached = TcpStream::connect_timeout(&there, Duration::from_secs(5));
    assert!(reached.is_err(), "the admin API listens at {there}");
    let status = portcullis.shell("portcullis status --output json");
    assert!(status.contains("key_stores"), "{status}");
    let health = portcullis.shell("curl -sf $PORTCULLIS_ADMIN_URL/_portcullis/health");
    assert!(health.contains("\"resets\":0"), "{health}");
    let said = portcullis.shell_fails("portcullis status --admin-url $AWS_ENDPOINT_URL");
    assert!(said.contains("--admin-bind"), "{said}");
    let environment = portcullis.shell("portcullis env");
    let line = format!("export PORTCULLIS_ADMIN_URL=http://{admin}");
    assert!(environment.contains(&line), "{environment}");

    let log = portcullis.log();
    let told = log
        .lines()
        .find(|line| line.starts_with("Others reach this"));
    let told = told.unwrap_or_else(|| panic!("{log}"));
    assert!(
        told.contains("open to everybody") && told.contains(&admin),
        "{told}"
    );
}

fn bearer(portcullis: &Portcullis) -> String {
    let file = portcullis.ready.get("admin_token_file").unwrap();
    let token = std::fs::read_to_string(file.as_str().unwrap()).unwrap();
    format!(
        "host: localhost\r\nauthorization: Bearer {}\r\n",
        token.trim()
    )
}

/// Rules DOOR-04, DOOR-05 and DOOR-08
#[test]
fn an_admin_api_elsewhere_asks_for_its_token() {
    let helper = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let open = [
        "--admin-bind 0.0.0.0:0",
        "--bind 0.0.0.0 --admin-bind [::]:0",
    ];
    for arguments in open {
        let said = helper.shell_fails(&format!("portcullis up --ephemeral --port 0 {arguments}"));
        assert!(said.contains("--admin-token-file"), "{said}");
    }
}

/// Rules DOOR-04, DOOR-05 and DOOR-08
#[test]
fn the_token_of_a_data_folder_opens_the_admin_api_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--world", "empty", "--admin-bind", "0.0.0.0:0", "--data"];
    let arguments = [&arguments[..], &[data.to_str().unwrap()]].concat();
    let mut portcullis = Portcullis::up(&arguments);
    let file = portcullis.ready.get("admin_token_file").unwrap();
    let file = file.as_str().unwrap().to_owned();
    let token = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let admin = format!("{}:{}", outside(), port(portcullis.admin()));
    eventually("what is said of the admin token", || {
        let told = portcullis.log();
        told.contains("for who has the admin token").then_some(())
    });
    let own = format!("--admin-url http://{admin}");
    for (arguments, needle) in [
        (own.clone(), "needs the admin token"),
        (
            format!("{own} --admin-token-file /dev/null"),
            "needs the admin token",
        ),
        (
            format!("{own} --admin-token-file /etc/hostname"),
            "not the admin token",
        ),
    ] {
        let said = portcullis.shell_fails(&format!("portcullis status {arguments}"));
        let known = said.contains(needle) || said.contains("not the admin token");
        assert!(known, "{arguments}: {said}");
    }
    portcullis.shell(&format!(
        "portcullis status {own} --admin-token-file {file}"
    ));
    portcullis.shell(&format!(
        "curl -sf -u me:$(cat {file}) http://{admin}/_portcullis/status"
    ));
    portcullis.shell(&format!(
        "PORTCULLIS_ADMIN_TOKEN_FILE={file} portcullis clock advance 1s"
    ));
    let url = format!("http://{admin}/_portcullis/events?admin=only");
    let events = portcullis.shell(&format!("curl -sf -u me:$(cat {file}) '{url}'"));
    for told in ["TokenMissing", "TokenWrong", "AdvanceClock", "admin-token"] {
        assert!(events.contains(told), "{told}: {events}");
    }
    assert!(!events.contains(&token) && !portcullis.log().contains(&token));
    let health = http(&admin, "GET /_portcullis/health", "host: anything\r\n", "");
    assert_eq!(health.status, 200, "{health:?}");

    // Started again it is the same token; one that is given is asked for on loopback too.
    portcullis.terminate();
    let again = Portcullis::up(&arguments);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), token);
    drop(again);
    let given = [
        "--world",
        "empty",
        "--ephemeral",
        "--admin-token-file",
        &file,
    ];
    let portcullis = Portcullis::up(&given);
    portcullis.shell_fails("portcullis status");
    let reply = http(
        portcullis.authority(),
        "GET /metrics",
        &bearer(&portcullis),
        "",
    );
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Rule DOOR-09
#[test]
fn under_enforce_a_snapshot_needs_the_token_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = [
        "--world",
        "empty",
        "--auth",
        "enforce",
        "--data",
        data.to_str().unwrap(),
    ];
    let portcullis = Portcullis::up(&arguments);
    let file = folder.path().join("file");
    let save = format!("portcullis snapshot save {}", file.display());
    let said = portcullis.shell_fails(&save);
    assert!(said.contains("--admin-token-file"), "{said}");
    assert!(!file.exists());
    portcullis.shell("portcullis status");
    let token = data.join("admin-token");
    portcullis.shell(&format!("{save} --admin-token-file {}", token.display()));
    assert!(file.exists());

    let portcullis = Portcullis::up(&["--world", "empty", "--auth", "enforce", "--ephemeral"]);
    let said = portcullis.shell_fails(&format!("{save}2"));
    assert!(said.contains("--admin-token-file"), "{said}");
}

/// Rule DOOR-06
#[test]
fn the_admin_api_answers_to_no_name_that_could_be_anybodys() {
    let arguments = [
        "--world",
        "empty",
        "--ephemeral",
        "--host-name",
        "portcullis",
    ];
    let portcullis = Portcullis::up(&arguments);
    for (headers, expected) in [
        ("host: evil.example\r\n", 421),
        ("host: evil.example:4566\r\n", 421),
        ("host: 127.0.0.1\r\nhost: evil.example\r\n", 421),
        ("", 421),
        ("host: portcullis:4566\r\n", 200),
        ("host: localhost\r\n", 200),
        ("host: [::1]:4566\r\n", 200),
    ] {
        for path in ["status", "events", "hosts", "load", "vpc"] {
            let line = format!("GET /_portcullis/{path}");
            let reply = http(portcullis.authority(), &line, headers, "");
            let is_malformed = headers.matches("host").count() != 1 && reply.status == 400;
            assert!(
                reply.status == expected || is_malformed,
                "{path} {headers:?}: {reply:?}"
            );
        }
    }
    let headers = "host: portcullis:4566\r\norigin: http://portcullis:4566\r\n\
                   x-amz-target: TrentService.ListKeys\r\ncontent-type: application/x-amz-json-1.1\r\n";
    let reply = http(portcullis.authority(), "POST /", headers, "{}");
    assert_eq!(reply.status, 200, "{reply:?}");
    let said = portcullis.shell_fails("portcullis up --ephemeral --port 0 --host-name 'a b'");
    assert!(said.contains("no host name"), "{said}");
}

/// Rule DOOR-02
#[test]
fn a_loopback_address_serves_everything_and_the_admin_api_can_be_moved() {
    let portcullis = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    assert_eq!(portcullis.ready.get("admin"), None);
    assert!(!portcullis.log().contains("Others reach this"));
    portcullis.shell("portcullis status");
    let environment = portcullis.shell("portcullis env");
    assert!(
        !environment.contains("PORTCULLIS_ADMIN_URL"),
        "{environment}"
    );

    let moved = [
        "--world",
        "empty",
        "--ephemeral",
        "--admin-bind",
        "127.0.0.1:0",
    ];
    let portcullis = Portcullis::up(&moved);
    let reply = http(
        portcullis.authority(),
        "GET /metrics",
        "host: localhost\r\n",
        "",
    );
    assert_eq!(reply.status, 404, "{reply:?}");
    portcullis.shell("curl -sf $PORTCULLIS_ADMIN_URL/metrics > /dev/null");
}

/// Rule DOOR-10
#[test]
fn only_declared_principals_sign_where_the_public_root_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let [world, secret] = ["world.toml", "secret"].map(|name| folder.path().join(name));
    std::fs::write(&secret, "secret-of-a-file\n").unwrap();
    let text = format!(
        "[auth]\npublic_root = false\n\
         [[principals]]\naccess_key = \"AKIAENV\"\nsecret_env = \"OWNER_SECRET\"\nroot = true\n\
         [[principals]]\naccess_key = \"AKIAFILE\"\nsecret_file = \"{}\"\nroot = true\n",
        secret.display()
    );
    std::fs::write(&world, text).unwrap();
    let world = world.to_str().unwrap();
    for mode in ["verify", "enforce"] {
        let arguments = ["--ephemeral", "--auth", mode, "--world", world];
        let portcullis =
            Portcullis::up_with(&arguments, &[("OWNER_SECRET", "secret-of-the-owner")]);
        let signed = |key: &str, secret: &str| {
            format!("AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret} aws kms list-keys")
        };
        for (key, secret, told) in [
            ("test", "test", "UnrecognizedClientException"),
            ("000000000000", "test", "UnrecognizedClientException"),
            ("111122223333", "test", "UnrecognizedClientException"),
            ("AKIAENV", "test", "InvalidSignatureException"),
            (
                "AKIAFILE",
                "secret-of-the-owner",
                "InvalidSignatureException",
            ),
        ] {
            let said = portcullis.shell_fails(&signed(key, secret));
            assert!(said.contains(told), "{mode} {key}: {said}");
            assert!(!said.contains("secret test"), "{said}");
        }
        portcullis.shell(&signed("AKIAENV", "secret-of-the-owner"));
        portcullis.shell(&signed("AKIAFILE", "secret-of-a-file"));
        assert!(!portcullis.log().contains("secret-of"));
    }
    let helper = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    let said = helper.shell_fails(&format!(
        "portcullis up --ephemeral --port 0 --world {world}"
    ));
    assert!(said.contains("OWNER_SECRET"), "{said}");
    let alone = folder.path().join("alone.toml");
    std::fs::write(&alone, "[auth]\npublic_root = false\n").unwrap();
    let up = format!(
        "portcullis up --ephemeral --port 0 --auth verify --world {}",
        alone.display()
    );
    let said = helper.shell_fails(&up);
    assert!(said.contains("public_root"), "{said}");
}

/// Rule DOOR-11
#[test]
fn an_endpoint_that_is_named_gets_nothing_of_the_environments_server() {
    let asked = Portcullis::up(&["--world", "empty", "--ephemeral"]);
    // The environment of a shell points at this one, and at its admin API.
    let other = Portcullis::up(&["--world", "guide", "--ephemeral"]);
    let named = format!("--endpoint {}", asked.endpoint());
    let no_token = "PORTCULLIS_ADMIN_TOKEN_FILE=/nowhere";
    let shown = other.shell(&format!(
        "{no_token} portcullis status {named} --output json"
    ));
    assert!(!shown.contains("ExampleKeyStore"), "{shown}");
    let shown = other.shell("portcullis status --output json");
    assert!(shown.contains("ExampleKeyStore"), "{shown}");
    let told = other.shell_fails(&format!("{no_token} portcullis status"));
    assert!(told.contains("/nowhere"), "{told}");
}
