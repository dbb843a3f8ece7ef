use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which events are shown. All that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventQuery {
    /// The name of the event, such as `ConnectCustomKeyStore`.
    pub name: Option<String>,
    /// The ID or ARN of a key that it is about.
    pub key: Option<String>,
    /// A date such as `2026-08-30T12:36:00Z`, or seconds since 1970: what is older is left out.
    pub since: Option<String>,
    /// Which calls of the admin API are among them.
    #[serde(default)]
    pub admin: AdminCalls,
}

/// Which calls of the admin API are among the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum AdminCalls {
    /// Those that changed something are.
    #[default]
    Changes,
    /// Those that read something and those that were refused are too.
    All,
    /// They are, and nothing else is.
    Only,
    /// No calls of the admin API.
    None,
}

/// The events that are kept, in the form of a CloudTrail log file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventPage {
    /// The events, the oldest first.
    #[serde(rename = "Records")]
    pub records: Vec<EventRecord>,
    /// How many older ones were dropped.
    pub dropped: u64,
}

/// A CloudTrail record. It has more members than these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventRecord {
    /// The ID of the event, a UUID.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// The operation that was called, or what the service did.
    pub event_name: String,
    /// When, as `2026-08-30T12:36:00Z`.
    pub event_time: String,
    /// The service, such as `kms.amazonaws.com`.
    pub event_source: String,
    /// The Region that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_region: Option<String>,
    /// The account that sees the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_account_id: Option<String>,
    /// `AwsApiCall` or `AwsServiceEvent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The exception with which it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The text of that exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The caller, as CloudTrail shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_identity: Option<BTreeMap<String, Value>>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<EventResource>>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventResource {
    /// The ARN of the resource.
    #[serde(rename = "ARN", default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}
