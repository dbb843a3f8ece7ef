use std::time::Duration;

use portcullis_admin::FaultOrder;
use portcullis_api::Scope;
use portcullis_fleet::Behaviour;
use portcullis_link::{Direction, LinkEffect};
use serde_json::{Value, json};

use super::{FaultEffect, lasts};

fn scope() -> Scope {
    Scope {
        account: "111122223333".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    }
}

fn read(order: Value) -> Result<(FaultEffect, Option<Duration>), String> {
    let order: FaultOrder = serde_json::from_value(order).map_err(|error| error.to_string())?;
    let (effect, _place) = super::read(&order, scope()).map_err(|error| error.to_string())?;
    Ok((effect, lasts(&order)))
}

/// Rule FT-01
#[test]
fn an_order_is_read_into_exactly_what_it_says() {
    let well = Behaviour::default();
    let cases = [
        (
            json!({ "kind": "slow", "zone": "us-east-1a", "delay_ms": 20 }),
            FaultEffect::Behaviour(Behaviour {
                delay: Duration::from_millis(20),
                ..well
            }),
        ),
        (
            json!({ "kind": "partition", "zone": "us-east-1a", "direction": "from-hsm" }),
            FaultEffect::Link(LinkEffect::Cut, Direction::FromHsm),
        ),
        (
            json!({ "kind": "lose", "hsm": "hsm-abcdefghijk", "percent": 7 }),
            FaultEffect::Link(LinkEffect::Lose { percent: 7 }, Direction::Both),
        ),
        (
            json!({ "kind": "delete-cluster", "cluster": "cluster-abcdefghijk" }),
            FaultEffect::DeleteCluster,
        ),
    ];
    for (order, effect) in cases {
        assert_eq!(read(order), Ok((effect, None)));
    }
    let timed = json!({ "kind": "hang", "hsm": "hsm-abcdefghijk", "duration_ms": 1500 });
    let lasts = Some(Duration::from_millis(1500));
    assert_eq!(
        read(timed),
        Ok((
            FaultEffect::Behaviour(Behaviour { hung: true, ..well }),
            lasts
        ))
    );
}

/// Rule FT-01
#[test]
fn an_order_that_makes_no_sense_is_refused_with_the_reason() {
    let zone = "us-east-1a";
    for (order, why) in [
        (json!({ "kind": "hang" }), "no place"),
        (json!({ "kind": "slow", "zone": zone }), "needs a delay"),
        (
            json!({ "kind": "delay", "zone": zone, "delay_ms": 60_001 }),
            "needs a delay",
        ),
        (json!({ "kind": "lose", "zone": zone }), "percentage"),
        (
            json!({ "kind": "lose", "zone": zone, "percent": 0 }),
            "percentage",
        ),
        (
            json!({ "kind": "lose", "zone": zone, "percent": 101 }),
            "percentage",
        ),
        (
            json!({ "kind": "hang", "zone": zone, "direction": "both" }),
            "no direction",
        ),
        (
            json!({ "kind": "hang", "zone": zone, "delay_ms": 5 }),
            "no delay",
        ),
        (
            json!({ "kind": "hang", "zone": zone, "percent": 5 }),
            "no percentage",
        ),
        (
            json!({ "kind": "hang", "zone": zone, "duration_ms": 0 }),
            "lasts longer",
        ),
        (
            json!({ "kind": "hang", "zone": zone, "duration_ms": 604_800_001 }),
            "seven days",
        ),
        (
            json!({ "kind": "delete-cluster", "zone": zone }),
            "whole cluster",
        ),
        (
            json!({ "kind": "fill-subnet", "hsm": "hsm-abcdefghijk" }),
            "whole cluster",
        ),
        (
            json!({ "kind": "delete-cluster", "cluster": "cluster-abcdefghijk", "duration_ms": 5 }),
            "no duration",
        ),
        (
            json!({ "kind": "earthquake", "zone": zone }),
            "unknown variant",
        ),
        (
            json!({ "kind": "hang", "zone": zone, "until": 5 }),
            "unknown field",
        ),
    ] {
        let refused = read(order.clone()).unwrap_err();
        assert!(refused.contains(why), "{order}: {refused}");
    }
}
