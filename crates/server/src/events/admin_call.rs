//! What events tell of a call of the admin API. Never a body or a query: they hold passwords.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use portcullis_admin::CallKind;
use portcullis_api::Scope;
use portcullis_seam::Timestamp;
use serde_json::{Map, Value, json};

use super::event_id::uuid;
use crate::admin::date;

/// What a route is, as events tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdminCall {
    /// `eventName`.
    pub(crate) name: &'static str,
    pub(crate) kind: CallKind,
}

/// A call of the admin API, and what became of it.
#[derive(Debug)]
pub(crate) struct AdminRecord {
    pub(crate) at: Timestamp,
    pub(crate) event_id: [u8; 16],
    pub(crate) from: AdminCaller,
    pub(crate) call: AdminCall,
    pub(crate) method: Method,
    /// The path as the table of routes has it; none of a path that is in no table.
    pub(crate) template: Option<Arc<str>>,
    /// What stood in the place of each parameter of the path.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) status: u16,
    /// `errorCode` of a call that was not let in.
    pub(crate) refused: Option<&'static str>,
}

/// The caller of the admin API, as far as a request shows it.
#[derive(Debug)]
pub(crate) struct AdminCaller {
    pub(crate) address: IpAddr,
    pub(crate) agent: Box<str>,
    pub(crate) credential: AdminCredential,
    /// The account and Region that the admin API has by default.
    pub(crate) scope: Scope,
}

/// By what a call was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminCredential {
    /// By where it came from.
    None,
    /// By the admin token.
    Token,
}

impl AdminRecord {
    /// Whether it stands beside the calls that change something, and goes to the events file.
    pub(crate) const fn is_change(&self) -> bool {
        let changes = matches!(self.call.kind, CallKind::Change | CallKind::Secret);
        changes && self.refused.is_none()
    }

    /// In the form of a CloudTrail record, from a source that AWS does not have.
    pub(crate) fn shown(&self) -> Value {
        let from = &self.from;
        let credential = match from.credential {
            AdminCredential::None => "none",
            AdminCredential::Token => "admin-token",
        };
        let parameters: Map<String, Value> = self
            .parameters
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let mut record = json!({
            "eventVersion": "1.08",
            "userIdentity": { "type": "PortcullisAdmin", "credential": credential },
            "eventTime": date(self.at),
            "eventSource": "admin.portcullis",
            "eventName": self.call.name,
            "awsRegion": from.scope.region,
            "sourceIPAddress": from.address.to_string(),
            "userAgent": from.agent,
            "requestParameters": if parameters.is_empty() { Value::Null } else { parameters.into() },
            "responseElements": null,
            "additionalEventData": {
                "method": self.method.as_str(),
                "path": self.template.as_deref(),
                "status": self.status,
            },
            "eventID": uuid(self.event_id),
            "readOnly": matches!(self.call.kind, CallKind::Read | CallKind::File | CallKind::Health),
            "eventType": "PortcullisAdminCall",
            "managementEvent": true,
            "recipientAccountId": from.scope.account,
            "eventCategory": "Management",
        });
        let code = match self.refused {
            Some(code) => Some(code),
            None => (self.status >= 400).then_some("Refused"),
        };
        if let (Some(members), Some(code)) = (record.as_object_mut(), code) {
            members.insert("errorCode".to_owned(), json!(code));
        }
        record
    }
}

/// Longer ones are cut: they come from outside, and are kept with the record.
const PARAMETER_CHARS_MAX: usize = 128;

/// What stands in `path` for each parameter of `template`.
pub(crate) fn parameters(template: &str, path: &str) -> Vec<(String, String)> {
    let parts = template.split('/').zip(path.split('/'));
    parts
        .filter_map(|(part, value)| {
            let name = part.strip_prefix('{')?.strip_suffix('}')?;
            let name = name.trim_start_matches('*').to_owned();
            Some((name, value.chars().take(PARAMETER_CHARS_MAX).collect()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: CallKind, refused: Option<&'static str>) -> AdminRecord {
        let template = "/_portcullis/hosts/{number}";
        AdminRecord {
            at: Timestamp::from_millis(1_635_291_687_999),
            event_id: [7; 16],
            from: AdminCaller {
                address: "10.0.0.1".parse().unwrap(),
                agent: "curl".into(),
                credential: AdminCredential::Token,
                scope: Scope {
                    account: "111122223333".parse().unwrap(),
                    region: "us-east-1".parse().unwrap(),
                },
            },
            call: AdminCall {
                name: "RevokeHost",
                kind,
            },
            method: Method::DELETE,
            template: Some(template.into()),
            parameters: parameters(template, "/_portcullis/hosts/2"),
            status: if refused.is_some() { 401 } else { 200 },
            refused,
        }
    }

    /// Rule DOOR-08
    #[test]
    fn a_record_says_who_called_what_and_what_became_of_it() {
        let done = record(CallKind::Change, None);
        let shown = done.shown();
        let at = |pointer: &str| shown.pointer(pointer).cloned();
        assert_eq!(at("/eventSource"), Some(json!("admin.portcullis")));
        assert_eq!(at("/userIdentity/credential"), Some(json!("admin-token")));
        assert_eq!(at("/sourceIPAddress"), Some(json!("10.0.0.1")));
        assert_eq!(at("/requestParameters/number"), Some(json!("2")));
        assert_eq!(at("/additionalEventData/method"), Some(json!("DELETE")));
        let template = json!("/_portcullis/hosts/{number}");
        assert_eq!(at("/additionalEventData/path"), Some(template));
        assert_eq!(
            (at("/errorCode"), at("/readOnly")),
            (None, Some(json!(false)))
        );
        assert!(done.is_change());

        let refused = record(CallKind::Change, Some("TokenWrong"));
        assert_eq!(refused.shown()["errorCode"], "TokenWrong");
        assert!(!refused.is_change(), "a stranger pushes no change out");
        assert!(!record(CallKind::Read, None).is_change());
    }

    #[test]
    fn what_stands_for_a_parameter_is_cut() {
        let long = "x".repeat(1000);
        let found = parameters("/a/{id}/b/{*rest}", &format!("/a/{long}/b/c"));
        assert_eq!(found[0], ("id".to_owned(), "x".repeat(PARAMETER_CHARS_MAX)));
        assert_eq!(found[1], ("rest".to_owned(), "c".to_owned()));
        assert!(parameters("/metrics", "/metrics").is_empty());
    }
}
