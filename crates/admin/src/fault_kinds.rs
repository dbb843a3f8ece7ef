//! The one list of the faults there are. The server serves it, the console and the help of the command
//! line show it, and the table in `docs/chaos.md` is compared with it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Makes the enum of kinds and the list of their descriptions: a kind without one cannot be written.
macro_rules! fault_kinds {
    ($(
        $kind:ident = $name:literal, $group:ident at $place:ident,
        required [$($required:ident)*], optional [$($optional:ident)*],
        effect: $effect:literal,
        undo: $undo:literal;
    )+) => {
        /// The faults there are, by the names under which they are asked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        pub enum FaultKind {
            $(
                #[doc = concat!($effect, ".")]
                #[serde(rename = $name)]
                $kind,
            )+
        }

        impl FaultKind {
            /// Every one, in the order in which people are shown them.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// What it is, does and takes.
            #[must_use]
            pub const fn describe(self) -> FaultDescription {
                match self {
                    $(Self::$kind => FaultDescription {
                        kind: Self::$kind,
                        group: FaultGroup::$group,
                        place: FaultPlace::$place,
                        required: Cow::Borrowed(&[$(FaultField::$required),*]),
                        optional: Cow::Borrowed(&[$(FaultField::$optional),*]),
                        effect: Cow::Borrowed($effect),
                        undo: Cow::Borrowed($undo),
                    },)+
                }
            }

            /// The name under which it is asked for.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

fault_kinds! {
    Crash = "crash", Hsms at Hsms,
        required [], optional [Duration],
        effect: "HSMs go down as in a power cut; descriptions still show ACTIVE",
        undo: "They start from their disks";
    Hang = "hang", Hsms at Hsms,
        required [], optional [Duration],
        effect: "HSMs take what comes and never answer",
        undo: "They serve again; what came meanwhile is not carried out";
    Slow = "slow", Hsms at Hsms,
        required [Delay], optional [Duration],
        effect: "HSMs begin late with what comes",
        undo: "At once";
    Degrade = "degrade", Hsms at Hsms,
        required [], optional [Duration],
        effect: "HSMs show DEGRADED and serve nothing",
        undo: "They show ACTIVE";
    FillDisk = "fill-disk", Hsms at Hsms,
        required [], optional [Duration],
        effect: "What would be written to the disks of HSMs is refused; what is there is served",
        undo: "At once";
    CorruptDisk = "corrupt-disk", Hsms at Hsms,
        required [], optional [Duration],
        effect: "Every record on the disks of HSMs is damaged, and they are down; they cannot be started, only deleted",
        undo: "The records are put back and the HSMs start";
    Partition = "partition", Links at Hsms,
        required [], optional [Direction Duration],
        effect: "Links to HSMs are cut",
        undo: "What still waits goes on";
    Delay = "delay", Links at Hsms,
        required [Delay], optional [Direction Duration],
        effect: "Each message is late by so much, each way",
        undo: "At once";
    Lose = "lose", Links at Hsms,
        required [Percent], optional [Direction Duration],
        effect: "Of a hundred messages, so many get lost",
        undo: "At once";
    LockKmsuser = "lock-kmsuser", Kmsuser at Hsms,
        required [], optional [Duration],
        effect: "Wrong passwords are given until kmsuser is locked out",
        undo: "As it was, unless somebody has repaired it";
    ChangeKmsuserPassword = "change-kmsuser-password", Kmsuser at Hsms,
        required [], optional [Duration],
        effect: "kmsuser has a password that nobody knows",
        undo: "As it was, unless somebody has repaired it";
    RemoveKmsuser = "remove-kmsuser", Kmsuser at Hsms,
        required [], optional [Duration],
        effect: "kmsuser is gone, its keys stay",
        undo: "As it was, unless somebody has repaired it";
    DeleteCluster = "delete-cluster", Network at Cluster,
        required [], optional [],
        effect: "The cluster vanishes with its HSMs and without a last backup",
        undo: "It cannot be undone: its backups are the way back";
    DeleteSubnet = "delete-subnet", Network at Cluster,
        required [], optional [Duration],
        effect: "A subnet of the cluster is gone",
        undo: "It is there again";
    FillSubnet = "fill-subnet", Network at Cluster,
        required [], optional [Duration],
        effect: "A subnet of the cluster has no free address",
        undo: "It has";
    CloseSecurityGroup = "close-security-group", Network at Cluster,
        required [], optional [Duration],
        effect: "Nothing passes between KMS and the cluster when a connect is tried",
        undo: "It does";
}

/// What a kind of fault is, does and takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FaultDescription {
    /// The kind of the fault.
    pub kind: FaultKind,
    /// What of Portcullis it breaks.
    pub group: FaultGroup,
    /// What an order for it must name.
    pub place: FaultPlace,
    /// What an order for it must have beside the place.
    pub required: Cow<'static, [FaultField]>,
    /// What an order for it may have beside the place.
    pub optional: Cow<'static, [FaultField]>,
    /// What it does, in a sentence without its full stop.
    pub effect: Cow<'static, str>,
    /// What undoing it does, in a sentence without its full stop.
    pub undo: Cow<'static, str>,
}

impl FaultDescription {
    /// Whether an order for it may have `field`.
    #[must_use]
    pub fn takes(&self, field: FaultField) -> bool {
        self.required.contains(&field) || self.optional.contains(&field)
    }
}

/// Every kind of fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FaultKindList {
    /// In the order in which people are shown them.
    pub kinds: Vec<FaultDescription>,
}

impl FaultKindList {
    /// Every kind that this version has.
    #[must_use]
    pub fn every() -> Self {
        Self {
            kinds: FaultKind::ALL.iter().map(|kind| kind.describe()).collect(),
        }
    }
}

/// What of Portcullis a fault breaks, as people are shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum FaultGroup {
    /// It breaks HSMs.
    #[serde(rename = "HSMs")]
    Hsms,
    /// It breaks links to HSMs.
    Links,
    /// It breaks the user of KMS in a cluster.
    #[serde(rename = "kmsuser")]
    Kmsuser,
    /// It breaks a cluster, or the network that a connection needs.
    #[serde(rename = "Cluster and network")]
    Network,
}

/// What an order for a fault must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum FaultPlace {
    /// A cluster, a zone or an HSM, or several of them.
    Hsms,
    /// A cluster, and neither a zone nor an HSM.
    Cluster,
}

/// A field of an order for a fault, beside its kind and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum FaultField {
    /// Which messages are concerned: to the HSM, from it, or both.
    #[serde(rename = "direction")]
    Direction,
    /// How late messages arrive, in milliseconds.
    #[serde(rename = "delay_ms")]
    Delay,
    /// How many of a hundred messages are concerned.
    #[serde(rename = "percent")]
    Percent,
    /// Says after how long it is undone by itself.
    #[serde(rename = "duration_ms")]
    Duration,
}

impl FaultField {
    /// Every field, in the order of the options of the command line.
    pub const ALL: [Self; 4] = [Self::Direction, Self::Delay, Self::Percent, Self::Duration];

    /// What it is called in a sentence.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Direction => "direction",
            Self::Delay => "delay",
            Self::Percent => "percentage",
            Self::Duration => "duration",
        }
    }

    /// The option of `portcullis chaos inject` that gives it.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Direction => "--direction",
            Self::Delay => "--delay",
            Self::Percent => "--percent",
            Self::Duration => "--for",
        }
    }

    /// The names of the kinds that take it, as in a sentence: "slow and delay".
    #[must_use]
    pub fn kinds(self) -> String {
        let kinds = FaultKind::ALL.iter();
        let names: Vec<&str> = kinds
            .filter(|kind| kind.describe().takes(self))
            .map(|kind| kind.name())
            .collect();
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
