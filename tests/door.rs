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

use portcullis_tests::{Caller, Outcome, Portcullis, http, root};
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
