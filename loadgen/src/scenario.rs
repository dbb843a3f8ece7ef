//! How the command line asks for a scenario and for edits.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use portcullis_admin::{EditKind, LoadScenario};

/// The scenarios of `load run`.
pub(crate) fn scenarios() -> impl TypedValueParser<Value = LoadScenario> {
    let described = |scenario: LoadScenario| {
        PossibleValue::new(scenario.name()).help(match scenario {
            LoadScenario::Steady => "Nothing but the load",
            LoadScenario::EditCycle => {
                "The key store is disconnected, edited and connected again, over and over"
            }
            LoadScenario::Substitution => {
                "A rehearsal of the repair: the cluster is destroyed, and one from a backup takes its \
                 place"
            }
        })
    };
    let named = |name: String| {
        let mut all = LoadScenario::OF_LOAD_RUN.into_iter();
        all.find(|scenario| scenario.name() == name)
            .ok_or("no scenario")
    };
    PossibleValuesParser::new(LoadScenario::OF_LOAD_RUN.map(described)).try_map(named)
}

/// The kinds of edits of the scenario `edit-cycle`.
pub(crate) fn edits() -> impl TypedValueParser<Value = EditKind> {
    let described = |edit: EditKind| {
        PossibleValue::new(edit.name()).help(match edit {
            EditKind::Name => "The friendly name: to a made-up one and back",
            EditKind::Password => {
                "The password of kmsuser: changed in the cluster, then in the key store"
            }
            EditKind::Cluster => "The cluster: to another one with the same certificate",
        })
    };
    let named = |name: String| {
        let mut all = EditKind::ALL.into_iter();
        all.find(|edit| edit.name() == name)
            .ok_or("no kind of edit")
    };
    PossibleValuesParser::new(EditKind::ALL.map(described)).try_map(named)
}
