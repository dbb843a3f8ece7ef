//! From what was asked for to a command of this binary.

use portcullis_admin::{BackupChoice, EditKind, LoadOrder, LoadScenario};
use serde::Serialize;
use zeroize::Zeroizing;

/// More than this machine size sends; a run at it is shed, not refused.
const RATE_MAX: u32 = 50_000;

/// Ten minutes: a run has a line of the timeline each second, and a console shows them all.
const SECONDS_MAX: u32 = 600;

/// Keys that a rehearsal loses on purpose; more show nothing that these do not.
const KEYS_AFTER_BACKUP_MAX: u16 = 100;

/// # Errors
/// A text for the user, when there can be no run like that.
pub(super) fn check(order: &LoadOrder) -> Result<(), String> {
    if order.keys_after_backup > KEYS_AFTER_BACKUP_MAX {
        return Err(format!(
            "A rehearsal restores a backup, and at most {KEYS_AFTER_BACKUP_MAX} keys are made after it."
        ));
    }
    let named = order.key_store.as_deref().unwrap_or_default();
    if named.chars().any(char::is_control) {
        return Err("A key store is given by its ID or its name.".to_owned());
    }
    if !(1..=RATE_MAX).contains(&order.rate) || !(1..=SECONDS_MAX).contains(&order.seconds) {
        return Err(format!(
            "The rate is 1 to {RATE_MAX} calls a second and a run takes 1 to {SECONDS_MAX} seconds. \
             Use `portcullis load run` for more."
        ));
    }
    Ok(())
}

/// The command line, without any password.
pub(super) fn arguments(order: &LoadOrder, endpoint: &str) -> Vec<String> {
    let endpoint = format!("--endpoint={endpoint}");
    let region = format!("--region={}", order.region);
    if order.scenario == LoadScenario::Substitution {
        let words = ["chaos", &endpoint, "run", "-", "--output=json", &region];
        return words.map(str::to_owned).to_vec();
    }
    let mut arguments = vec![
        "load".to_owned(),
        "run".to_owned(),
        format!("--scenario={}", order.scenario.name()),
        format!("--rate={}/s", order.rate),
        format!("--duration={}s", order.seconds),
        endpoint,
        region,
    ];
    if let Some(key_store) = &order.key_store {
        arguments.push(format!("--key-store={key_store}"));
    }
    if order.scenario == LoadScenario::EditCycle {
        let edits = match order.edits.as_slice() {
            [] => &[EditKind::Name],
            edits => edits,
        };
        let edits: Vec<&str> = edits.iter().map(|edit| edit.name()).collect();
        arguments.push(format!("--edits={}", edits.join(",")));
    }
    arguments
}

/// A rehearsal's script, as far as an order says it (`portcullis_loadgen::Script` reads it).
#[derive(Serialize)]
struct OrderScript<'a> {
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_store: Option<&'a str>,
    backup: BackupChoice,
    keys_after_backup: u16,
    steady: String,
    load: ScriptLoad,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<ScriptAdmin<'a>>,
    thresholds: Thresholds,
}

#[derive(Serialize)]
struct ScriptLoad {
    rate: String,
}

#[derive(Serialize)]
struct ScriptAdmin<'a> {
    password: &'a str,
}

#[derive(Serialize)]
struct Thresholds {
    lost_keys: u16,
    failures_while_connected: u32,
}

/// The script of a rehearsal, which it reads from its standard input. None for the other scenarios.
///
/// Rule CON-06: with a password in it, it is written to no file.
///
/// # Errors
/// When a text in it cannot be written as TOML.
pub(super) fn script(order: &LoadOrder) -> Result<Option<Zeroizing<String>>, toml::ser::Error> {
    if order.scenario != LoadScenario::Substitution {
        return Ok(None);
    }
    let script = OrderScript {
        description: "The repair by a cluster from a backup, under load",
        key_store: order.key_store.as_deref(),
        backup: order.backup.unwrap_or_default(),
        keys_after_backup: order.keys_after_backup,
        steady: format!("{}s", order.seconds),
        load: ScriptLoad {
            rate: format!("{}/s", order.rate),
        },
        admin: order.admin_password.as_ref().map(|password| ScriptAdmin {
            password: password.reveal(),
        }),
        thresholds: Thresholds {
            lost_keys: order.keys_after_backup,
            failures_while_connected: 0,
        },
    };
    toml::to_string(&script).map(Zeroizing::new).map(Some)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    fn order(scenario: LoadScenario) -> LoadOrder {
        serde_json::from_value(json!({
            "scenario": scenario, "rate": 100, "seconds": 2, "key_store": "A \"name\"",
            "account": "111122223333", "region": "eu-west-1", "admin_password": "can\\ary",
        }))
        .unwrap()
    }

    /// Rule CON-06.
    #[test]
    fn an_order_becomes_a_command_line_without_the_password() {
        let line = |scenario| arguments(&order(scenario), "http://127.0.0.1:1").join(" ");
        let cycle = line(LoadScenario::EditCycle);
        assert!(cycle.contains("--rate=100/s --duration=2s"), "{cycle}");
        assert!(cycle.contains("--edits=name"), "{cycle}");
        let rehearsal = line(LoadScenario::Substitution);
        assert!(
            rehearsal.starts_with("chaos --endpoint=http"),
            "{rehearsal}"
        );
        assert!(!format!("{cycle}{rehearsal}").contains("ary"));
        assert!(!format!("{:?}", order(LoadScenario::Steady)).contains("ary"));
    }

    #[test]
    fn a_rehearsals_script_is_one_that_is_read() {
        let mut asked = order(LoadScenario::Substitution);
        asked.backup = Some(BackupChoice::Oldest);
        asked.keys_after_backup = 2;
        let text = script(&asked).unwrap().unwrap();
        let read: toml::Table = toml::from_str(&text).unwrap();
        let expected = json!({
            "description": "The repair by a cluster from a backup, under load",
            "key_store": "A \"name\"", "backup": "oldest", "keys_after_backup": 2, "steady": "2s",
            "load": { "rate": "100/s" }, "admin": { "password": "can\\ary" },
            "thresholds": { "lost_keys": 2, "failures_while_connected": 0 },
        });
        assert_eq!(serde_json::to_value(read).unwrap(), expected);
        toml::from_str::<portcullis_loadgen::Script>(&text).unwrap();
        assert!(script(&order(LoadScenario::Steady)).unwrap().is_none());
    }

    #[test]
    fn what_no_run_can_be_is_refused() {
        let refused = |change: fn(&mut LoadOrder)| {
            let mut order = order(LoadScenario::EditCycle);
            change(&mut order);
            check(&order).is_err()
        };
        assert!(!refused(|_| {}));
        assert!(!refused(|order| order.scenario = LoadScenario::Substitution));
        assert!(refused(|order| order.rate = 0));
        assert!(refused(|order| order.seconds = 601));
        assert!(refused(|order| order.keys_after_backup = 101));
        assert!(refused(|order| order.key_store = Some("a\nb".to_owned())));
        let mut asked = serde_json::to_value(order(LoadScenario::EditCycle)).unwrap();
        for (member, value) in [
            ("scenario", json!("soak")),
            ("edits", json!(["--out=/"])),
            ("backup", json!("best")),
        ] {
            let before = std::mem::replace(&mut asked[member], value);
            assert!(LoadOrder::deserialize(&asked).is_err(), "{member}");
            asked[member] = before;
        }
    }
}
