//! What an address that others reach shows.

use bytes::Bytes;

use super::client::{Client, Reply};
use super::story::World;
use crate::admin::{CallKind, table};
use crate::surface::Listeners;

/// Every method that a browser or a script may send.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

async fn ask(client: &mut Client, method: &str, path: &str) -> Reply {
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
    let mut public = Client::connect(world.running.address).await;
    let mut admin = Client::connect(world.running.admin).await;
    let mut shown = 0;
    for route in table() {
        let path = filled(&route.path);
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

/// The list of the documentation, which the black-box test walks, is the table.
#[test]
fn the_documentation_lists_every_route() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/admin.md");
    let text = std::fs::read_to_string(file).unwrap();
    let listed: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let kind = |kind| match kind {
        CallKind::Health => "health",
        CallKind::Read => "read",
        CallKind::Change => "change",
        CallKind::File => "file",
    };
    let rows = table().into_iter().map(|route| {
        let call = route.call;
        format!(
            "| `{} {}` | {} | {} |",
            route.method,
            route.path,
            call.name,
            kind(call.kind)
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
