//! What an address that others reach shows.

use bytes::Bytes;

use portcullis_admin::{CallKind, ROUTES};
use serde_json::Value;

use super::client::{EventClient, Reply};
use super::story::World;
use crate::admin::table;
use crate::config::{Auth, Credentials, ServerConfig};
use crate::door::{AdminAccess, AdminToken, HostNames};
use crate::surface::{Listeners, NotStarted};

/// Every method that a browser or a script may send.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

async fn ask(client: &mut EventClient, method: &str, path: &str) -> Reply {
    let headers = [("content-type", "application/json")];
    client
        .send(method, path, &headers, Bytes::from_static(b"{}"))
        .await
}

/// A path of the table with something in the place of each parameter.
fn filled(path: &str) -> String {
    let parts = path.split('/');
    let filled = parts.map(|part| if part.starts_with('{') { "1" } else { part });
    filled.collect::<Vec<_>>().join("/")
}

/// Rule DOOR-01: every route there is, since the routers are built from the same table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_address_has_the_aws_endpoint_and_the_health_and_nothing_else() {
    let world = World::listening(Listeners::Two {
        public: "127.0.0.1:0".parse().unwrap(),
        admin: "127.0.0.1:0".parse().unwrap(),
    })
    .await;
    let mut public = EventClient::connect(world.running.address).await;
    let mut admin = EventClient::connect(world.running.admin).await;
    let mut shown = 0;
    for route in table() {
        let path = filled(route.path);
        for method in METHODS {
            let reply = ask(&mut public, method, &path).await;
            if route.call.kind == CallKind::Health && matches!(method, "GET" | "HEAD") {
                assert_eq!(reply.status, 200, "{method} {path}");
                shown += 1;
                continue;
            }
            assert_eq!(reply.status, 404, "{method} {path}: {reply:?}");
            let why = if method == "HEAD" { "" } else { "--admin-bind" };
            assert!(reply.body.contains(why), "{method} {path}: {reply:?}");
        }
        // The other address has it: the table is what is served.
        let reply = ask(&mut admin, route.method.as_str(), &path).await;
        assert!(
            !reply.body.contains("There is nothing at"),
            "{path}: {reply:?}"
        );
    }
    assert_eq!(shown, 4, "the two paths of the health, by two methods");
    for client in [&mut public, &mut admin] {
        let reply = client.call("TrentService.ListKeys", "{}").await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    world.running.shutdown().await;
}

#[test]
fn every_call_of_the_admin_api_is_answered() {
    let answered = table();
    for (route, answered) in ROUTES.iter().zip(&answered) {
        assert_eq!(route.path, answered.path);
        assert_eq!(route.method.name(), answered.method.as_str());
        assert_eq!(route.name, answered.call.name);
    }
    assert!(answered.len() > ROUTES.len(), "and the console is behind");
}

/// The list of the documentation, which the black-box test walks, is the table.
#[test]
fn the_documentation_lists_every_route() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/admin.md");
    let text = std::fs::read_to_string(file).unwrap();
    let listed: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let rows = table().into_iter().map(|route| {
        let call = route.call;
        format!(
            "| `{} {}` | {} | {} |",
            route.method,
            route.path,
            call.name,
            call.kind.name()
        )
    });
    let rows: Vec<String> = rows.collect();
    assert_eq!(
        listed,
        rows,
        "docs/admin.md should list:\n{}",
        rows.join("\n")
    );
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn local() -> Listeners {
    Listeners::One("127.0.0.1:0".parse().unwrap())
}

fn token() -> AdminToken {
    AdminToken::parse(TOKEN).unwrap()
}

/// The events that `query` selects, by name and error code.
async fn events(client: &mut EventClient, query: &str) -> Vec<(String, Option<String>)> {
    let path = format!("/_portcullis/events?{query}");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let reply = client.send("GET", &path, &headers, Bytes::new()).await;
    let page: Value = serde_json::from_str(&reply.body).expect(&reply.body);
    let records = page["Records"].as_array().unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    records
        .iter()
        .map(|record| {
            let name = text(&record["eventName"]).unwrap();
            (name, text(&record["errorCode"]))
        })
        .collect()
}

/// Rule DOOR-06: a page whose own name was made to lead here read status, events and users, because
/// a browser sends no Origin with a GET.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_but_the_health_is_refused_under_a_name_that_could_be_anybodys() {
    let mut host_names = HostNames::default();
    host_names.insert("portcullis").unwrap();
    let world = World::with(ServerConfig {
        listeners: local(),
        host_names,
        ..ServerConfig::default()
    })
    .await;
    let mut client = EventClient::connect(world.running.address).await;
    for route in table() {
        let (method, path) = (route.method.as_str(), filled(route.path));
        for (host, expected) in [
            ("evil.example", 421),
            ("127.0.0.1.evil.example:4566", 421),
            ("portcullis:4566", 0),
            ("127.0.0.1:4566", 0),
        ] {
            let headers = [("content-type", "application/json"), ("host", host)];
            let reply = client.send(method, &path, &headers, Bytes::new()).await;
            let is_health = route.call.kind == CallKind::Health;
            let refused = expected == 421 && !is_health;
            assert_eq!(reply.status == 421, refused, "{host} {path}: {reply:?}");
        }
        let headers = [("host", "127.0.0.1:4566"), ("sec-fetch-site", "cross-site")];
        let reply = client.send(method, &path, &headers, Bytes::new()).await;
        let is_health = route.call.kind == CallKind::Health;
        assert_eq!(reply.status == 403, !is_health, "{path}: {reply:?}");
    }
    // The AWS endpoint is for containers too, which call it by any name; but not for their pages.
    for (origin, expected) in [(None, 200), (Some("http://evil.example"), 403)] {
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "TrentService.ListKeys"),
            ("host", "evil.example"),
        ];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let reply = client.send("POST", "/", &headers, Bytes::new()).await;
        assert_eq!(reply.status, expected, "{origin:?}: {reply:?}");
    }
    let told = events(&mut client, "admin=only&name=EnrolHost").await;
    let wrong = (String::from("EnrolHost"), Some(String::from("WrongHost")));
    assert!(told.contains(&wrong), "{told:?}");
    world.running.shutdown().await;
}

/// Rules DOOR-04, DOOR-05 and DOOR-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_token_every_route_but_the_health_needs_it() {
    let world = World::with(ServerConfig {
        listeners: local(),
        admin_access: AdminAccess::Token(token()),
        ..ServerConfig::default()
    })
    .await;
    let mut client = EventClient::connect(world.running.address).await;
    for route in table() {
        let (method, path) = (route.method.as_str(), filled(route.path));
        let is_health = route.call.kind == CallKind::Health;
        for (authorization, code) in [("", 401), ("Bearer wrong", 401), ("Basic x", 401)] {
            let headers = [("authorization", authorization)];
            let reply = client.send(method, &path, &headers, Bytes::new()).await;
            assert_eq!(reply.status == code, !is_health, "{path}: {reply:?}");
            let asks = reply.header("www-authenticate").starts_with("Basic realm=");
            assert_eq!(asks, !is_health, "{path}: {reply:?}");
        }
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", bearer.as_str())];
        let reply = client.send(method, &path, &headers, Bytes::new()).await;
        assert!(
            ![401, 403, 404, 429].contains(&reply.status) || path.contains("/1"),
            "{path}: {reply:?}"
        );
    }
    let reply = client.call("TrentService.ListKeys", "{}").await;
    assert_eq!(reply.status, 200, "the AWS endpoint has its own signatures");

    // Ten different wrong ones within a minute are enough, the right one then waits too.
    let mut statuses = Vec::new();
    for guess in 0..12 {
        let bearer = format!("Bearer wrong-{guess}");
        let headers = [("authorization", bearer.as_str())];
        let reply = client.send("GET", "/metrics", &headers, Bytes::new()).await;
        statuses.push(reply.status);
    }
    assert_eq!(statuses[0], 401, "{statuses:?}");
    assert_eq!(statuses[11], 429, "{statuses:?}");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let reply = client.send("GET", "/metrics", &headers, Bytes::new()).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "60"));
    world.running.shutdown().await;
}

/// Rule DOOR-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_address_that_others_reach_does_not_open_without_a_token() {
    for admin_access in [
        AdminAccess::Open,
        AdminAccess::TokenForSecrets(Some(token())),
    ] {
        let config = ServerConfig {
            listeners: Listeners::One("0.0.0.0:0".parse().unwrap()),
            admin_access,
            ..ServerConfig::default()
        };
        let refused = World::try_with(config).await.err().unwrap();
        assert!(matches!(refused, NotStarted::Unguarded(_)), "{refused}");
        assert!(
            refused.to_string().contains("--admin-token-file"),
            "{refused}"
        );
    }
}

/// Rule DOOR-09
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_policies_are_enforced_a_snapshot_needs_the_token() {
    let bearer = format!("Bearer {TOKEN}");
    // Without a token there is none; with one, it must be brought. What passes ends at the server,
    // which takes no snapshots here.
    let cases = [
        (AdminAccess::Open, 403, 403),
        (AdminAccess::TokenForSecrets(None), 403, 403),
        (AdminAccess::TokenForSecrets(Some(token())), 401, 400),
        (AdminAccess::Token(token()), 401, 400),
    ];
    for (admin_access, without, with) in cases {
        let world = World::with(ServerConfig {
            listeners: local(),
            auth: Auth::Enforce(Credentials::default()),
            admin_access,
            ..ServerConfig::default()
        })
        .await;
        let mut client = EventClient::connect(world.running.address).await;
        let json = ("content-type", "application/json");
        for (headers, expected) in [
            (vec![json], without),
            (vec![json, ("authorization", bearer.as_str())], with),
        ] {
            let body = Bytes::from_static(b"{}");
            let reply = client
                .send("POST", "/_portcullis/snapshot", &headers, body)
                .await;
            assert_eq!(reply.status, expected, "{reply:?}");
            if expected != 400 {
                assert!(reply.body.contains("token"), "{reply:?}");
            }
        }
        world.running.shutdown().await;
    }
}

/// Rule DOOR-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_the_admin_api_are_told_and_its_reads_push_nothing_out() {
    let mut world = World::listening(local()).await;
    world
        .aws("TrentService.CreateKey", serde_json::json!({}))
        .await;
    let mut client = EventClient::connect(world.running.address).await;
    let body = r#"{"seconds": 60, "password": "canary-in-a-body"}"#;
    let json = [("content-type", "application/json")];
    let path = "/_portcullis/clock/advance";
    let reply = client.send("POST", path, &json, Bytes::from(body)).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    let right = Bytes::from_static(b"{\"seconds\": 60}");
    let reply = client.send("POST", path, &json, right).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    for _ in 0..1000 {
        ask(&mut client, "GET", "/_portcullis/hosts").await;
    }
    for path in ["/console/", "/_portcullis/health"] {
        ask(&mut client, "GET", path).await;
    }
    let named = |name: &str, code: Option<&str>| (name.to_owned(), code.map(str::to_owned));
    let default = [
        named("CreateKey", None),
        named("AdvanceClock", Some("Refused")),
        named("AdvanceClock", None),
    ];
    assert_eq!(events(&mut client, "").await, default);
    assert_eq!(events(&mut client, "admin=changes").await, default);
    assert_eq!(events(&mut client, "admin=none").await, default[..1]);
    let only = events(&mut client, "admin=only").await;
    let reads = only.iter().filter(|(name, _)| name == "ListHosts").count();
    assert!((200..=256).contains(&reads), "{reads} of 1000 are kept");
    assert!(only.contains(&default[2]) && !only.contains(&default[0]));
    let told = only
        .iter()
        .filter(|(name, _)| name == "GetConsole" || name == "GetHealth");
    assert_eq!(told.count(), 0, "files and the health are no calls");
    assert!(events(&mut client, "admin=all").await.contains(&default[0]));
    let whole = ask(&mut client, "GET", "/_portcullis/events?admin=all").await;
    assert!(!whole.body.contains("canary"));
    assert!(whole.body.contains("\"eventSource\":\"admin.portcullis\""));
    world.running.shutdown().await;
}
