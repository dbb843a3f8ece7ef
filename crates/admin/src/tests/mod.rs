//! What the crate's types are written to: the types of the console and the page of the reference.
//!
//! `PORTCULLIS_WRITE=1 cargo test -p portcullis-admin` writes both.

mod page;
mod shapes;
mod typescript;

use std::path::Path;

use serde::de::IgnoredAny;

pub(crate) use shapes::Shapes;

use crate::{
    ClearedFaults, FaultField, FaultKind, GetStatus, ListFaults, LogIn, Place, ROUTES, Reply,
    Secret, Status, UndoFault, target,
};

/// Compares a file of the tree with what it should be, or writes it.
fn compare(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file);
    if std::env::var_os("PORTCULLIS_WRITE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} is not what the types of the admin API say. Run PORTCULLIS_WRITE=1 cargo test -p \
         portcullis-admin and look at the difference."
    );
}

#[test]
fn the_types_of_the_console_are_those_of_the_api() {
    compare("console/src/admin/types.gen.ts", &typescript::written());
}

#[test]
fn the_reference_describes_every_call() {
    compare("docs/admin-api.md", &page::written());
}

/// The table of `docs/chaos.md` has the list of kinds between its two marks.
#[test]
fn the_chapter_on_chaos_has_every_fault() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/chaos.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("<!-- faults -->\n").unwrap();
    let (_, after) = rest.split_once("\n<!-- end of faults -->").unwrap();
    let table = page::faults();
    let expected = format!("{before}<!-- faults -->\n{table}\n<!-- end of faults -->{after}");
    compare("docs/chaos.md", &expected);
}

#[test]
fn a_route_has_a_sentence_and_a_path_of_its_own() {
    for (at, route) in ROUTES.iter().enumerate() {
        let same = |other: &&crate::Route| other.path == route.path && other.method == route.method;
        assert_eq!(ROUTES.iter().filter(same).count(), 1, "{at}: {route:?}");
        assert!(route.help.ends_with('.'), "{route:?}");
        let refused = route.refused.unwrap_or("when");
        assert!(
            refused.starts_with("when") || refused.starts_with("unless"),
            "{route:?}"
        );
    }
}

/// An example that a reader copies is one that is taken.
#[test]
fn every_example_is_a_body_that_is_read() {
    for (route, shapes) in ROUTES.iter().zip(crate::calls::shapes()) {
        assert_eq!(
            route.example.is_some(),
            shapes.request.is_some(),
            "{route:?}"
        );
        if let Some(example) = route.example {
            (shapes.reads)(example).unwrap_or_else(|error| panic!("{}: {error}", route.name));
        }
    }
}

#[test]
fn parameters_and_place_stand_in_the_target() {
    let here = Place::default();
    let there = Place {
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
    };
    assert_eq!(
        target::<UndoFault>(&["fault-1"], &here),
        "/_portcullis/chaos/fault-1"
    );
    assert_eq!(
        target::<LogIn>(&["cluster-x"], &there),
        "/_portcullis/cloudhsm/cluster-x/login?account=111122223333&region=eu-west-1"
    );
}

#[test]
fn a_reply_is_read_in_every_form() {
    let done = r#"{"data":{"undone":2},"error_code":0}"#;
    let read = Reply::read::<crate::ClearFaults>(done.as_bytes()).unwrap();
    assert_eq!(read, Reply::Done(ClearedFaults { undone: 2 }));
    for refused in [r#"{"data":"no","error_code":1}"#, r#"{"message":"no"}"#] {
        let read = Reply::read::<ListFaults>(refused.as_bytes()).unwrap();
        assert_eq!(read.into_result().unwrap_err(), "no");
    }
    let status =
        r#"{"key_stores":[],"clusters":[],"subnets":{},"defaults":{"account":"1","region":"r"}}"#;
    let read: Reply<Status> = Reply::read::<GetStatus>(status.as_bytes()).unwrap();
    assert!(read.is_done());
    for other in ["", "<html>", "[]", r#"{"key_stores":[]}"#] {
        assert!(
            Reply::read::<GetStatus>(other.as_bytes()).is_err(),
            "{other}"
        );
        assert!(
            Reply::read::<ListFaults>(other.as_bytes()).is_err(),
            "{other}"
        );
    }
}

#[test]
fn a_secret_is_not_printed() {
    let secret = Secret::new("canary");
    assert_eq!(format!("{secret:?}"), "Secret(..)");
    assert_eq!(secret.reveal(), "canary");
}

#[test]
fn a_kind_of_fault_is_named_as_it_is_asked_for() {
    for kind in FaultKind::ALL {
        let written = serde_json::to_string(kind).unwrap();
        assert_eq!(written, format!("\"{kind}\""));
        let effect = kind.describe().effect;
        assert!(!effect.ends_with('.'), "{effect}");
    }
    assert_eq!(FaultField::Delay.kinds(), "slow and delay");
    assert_eq!(FaultField::Percent.kinds(), "lose");
}

/// A body that is read as `T`.
fn reads<T: serde::de::DeserializeOwned>(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(text)?;
    serde_json::from_str::<T>(text).map(drop)
}
