//! Records in the form of a CloudTrail log file.

use portcullis_admin::AdminCalls;
use portcullis_api::{Operation, Reply, Service};
use portcullis_kms::{EventRecord, Subject};
use portcullis_seam::Timestamp;
use serde_json::{Map, Value, json};

use super::event_id::uuid;
use super::show::ShownShape;
use super::{CallRecord, EventCaller, EventKind, KeptEvent};
use crate::admin::date;

/// Which records are wanted.
#[derive(Debug, Default)]
pub(crate) struct EventFilter {
    /// `eventName`.
    pub(crate) name: Option<String>,
    /// The ID or ARN of a key, or part of it.
    pub(crate) key: Option<String>,
    /// Not before this.
    pub(crate) since: Option<Timestamp>,
    /// Which calls of the admin API.
    pub(crate) admin: AdminCalls,
}

impl EventFilter {
    /// What can be told before the record is written out.
    pub(crate) fn may_pass(&self, event: &KeptEvent) -> bool {
        let (name, at) = match &event.kind {
            EventKind::Call(call) => (call.arrival.operation.name(), call.arrival.at),
            EventKind::Service(event) => (event.name, event.at),
            EventKind::Admin(record) => (record.call.name, record.at),
        };
        // Dates are shown in whole seconds, so that is how they are compared.
        let seconds = |at: Timestamp| at.millis() / 1000;
        let is_admin = matches!(event.kind, EventKind::Admin(_));
        let is_wanted = match self.admin {
            AdminCalls::Changes | AdminCalls::All => true,
            AdminCalls::Only => is_admin,
            AdminCalls::None => !is_admin,
        };
        is_wanted
            && self.name.as_deref().is_none_or(|wanted| wanted == name)
            && self.since.is_none_or(|since| seconds(at) >= seconds(since))
    }

    /// Whether a record that is written out passes what [`may_pass`](Self::may_pass) cannot tell.
    pub(crate) fn passes(&self, record: &Value) -> bool {
        let Some(key) = &self.key else { return true };
        let resources = record.get("resources").and_then(Value::as_array);
        let mut arns = resources
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get("ARN"));
        arns.any(|arn| arn.as_str().is_some_and(|arn| arn.contains(key.as_str())))
    }
}

/// A record as a CloudTrail log file has it.
pub(crate) fn cloudtrail(event: &KeptEvent) -> Value {
    match &event.kind {
        EventKind::Call(call) => of_call(call),
        EventKind::Service(event) => of_service(event),
        EventKind::Admin(record) => record.shown(),
    }
}

/// A service event (AWS KMS Developer Guide, CloudTrail log entry of DeleteKey).
fn of_service(event: &EventRecord) -> Value {
    let mut record = json!({
        "eventVersion": "1.08",
        "userIdentity": {
            "accountId": event.scope.account,
            "invokedBy": "AWS Internal",
        },
        "eventTime": date(event.at),
        "eventSource": "kms.amazonaws.com",
        "eventName": event.name,
        "awsRegion": event.scope.region,
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": null,
        "responseElements": { "keyId": event.key_arn },
        "eventID": event.id,
        "readOnly": false,
        "resources": [resource(&event.key_arn)],
        "eventType": "AwsServiceEvent",
        "recipientAccountId": event.scope.account,
        "managementEvent": true,
        "eventCategory": "Management",
    });
    add_additional(&mut record, &event.additional);
    record
}

/// A call (AWS KMS Developer Guide, CloudTrail log entries by operation).
fn of_call(call: &CallRecord) -> Value {
    let (arrival, notes) = (&call.arrival, &call.notes);
    let (operation, caller) = (arrival.operation, &*arrival.caller);
    let mut record = json!({
        "eventVersion": "1.08",
        "userIdentity": identity(caller),
        "eventTime": date(arrival.at),
        "eventSource": match operation.service() {
            Service::Kms => "kms.amazonaws.com",
            Service::CloudHsm => "cloudhsm.amazonaws.com",
        },
        "eventName": operation.name(),
        "awsRegion": caller.scope.region,
        "sourceIPAddress": caller.address.to_string(),
        "userAgent": caller.agent,
        "requestParameters": notes.input.as_ref().map_or(Value::Null, parameters),
        "responseElements": response(operation, call),
        "requestID": uuid(arrival.request_id),
        "eventID": uuid(call.event_id),
        "readOnly": !crate::input::changes(operation),
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": caller.scope.account,
        "eventCategory": "Management",
    });
    let subjects = [&notes.source, &notes.subject].into_iter().flatten();
    let arns = subjects.filter_map(Subject::key_arn);
    let resources: Vec<Value> = arns.map(resource).collect();
    let Some(members) = record.as_object_mut() else {
        return record;
    };
    if !resources.is_empty() {
        members.insert("resources".to_owned(), Value::Array(resources));
    }
    if let Some(failed) = &call.failed {
        members.insert("errorCode".to_owned(), json!(failed.code.name()));
        members.insert("errorMessage".to_owned(), json!(failed.message));
    }
    if let Some(subject) = &notes.subject {
        add_additional(&mut record, &subject.additional());
    }
    if call.failed.is_none() && !notes.policy_findings.is_empty() {
        add_member(
            &mut record,
            "conditionsWithoutEffect",
            json!(notes.policy_findings),
        );
    }
    // Of a call that failed the document may have had no signer.
    if call.failed.is_none() && !notes.recipient.is_empty() {
        add_member(
            &mut record,
            "recipient",
            Value::Object(texts(&notes.recipient)),
        );
    }
    record
}

/// Every access key is its account's root user, as far as the edge knows.
fn identity(caller: &EventCaller) -> Value {
    let account = &caller.scope.account;
    let mut identity = json!({
        "type": "Root",
        "principalId": account,
        "arn": caller.scope.root_arn(account),
        "accountId": account,
    });
    if let Some(principal) = &caller.principal {
        identity = json!({
            "type": principal.kind_name(),
            "principalId": principal.user_id(),
            "arn": principal.arn(),
            "accountId": account,
        });
    }
    if let (Some(members), Some(key)) = (identity.as_object_mut(), &caller.access_key) {
        members.insert("accessKeyId".to_owned(), json!(key));
    }
    identity
}

fn parameters(shown: &ShownShape) -> Value {
    match serde_json::from_str(shown.text()) {
        Ok(Value::Object(members)) if members.is_empty() => Value::Null,
        Ok(parsed) => parsed,
        Err(_never) => Value::Null,
    }
}

/// Only a call that changed something has response elements. Where its output has no members, they
/// name the key, as CloudTrail does since December 2022.
fn response(operation: Operation, call: &CallRecord) -> Value {
    let notes = &call.notes;
    if call.failed.is_some() || !crate::input::changes(operation) {
        return Value::Null;
    }
    let shown = notes.output.as_ref().map_or(Value::Null, parameters);
    let key = notes.subject.as_ref().and_then(Subject::key_arn);
    match (shown, key) {
        (Value::Null, Some(arn)) if operation.reply() == Reply::Empty => json!({ "keyId": arn }),
        (shown, _) => shown,
    }
}

fn add_additional(record: &mut Value, additional: &[(&'static str, String)]) {
    for (name, text) in texts(additional) {
        add_member(record, &name, text);
    }
}

fn add_member(record: &mut Value, name: &str, value: Value) {
    let Some(members) = record.as_object_mut() else {
        return;
    };
    let additional = members.entry("additionalEventData").or_insert(json!({}));
    if let Some(additional) = additional.as_object_mut() {
        additional.insert(name.to_owned(), value);
    }
}

fn texts(told: &[(&'static str, String)]) -> Map<String, Value> {
    let texts = told.iter();
    texts
        .map(|(name, text)| ((*name).to_owned(), json!(text)))
        .collect()
}

fn resource(arn: &str) -> Value {
    json!({
        "accountId": arn.split(':').nth(4).unwrap_or_default(),
        "type": "AWS::KMS::Key",
        "ARN": arn,
    })
}

#[cfg(test)]
mod tests {
    use portcullis_api::Scope;

    use super::*;

    fn event(additional: Vec<(&'static str, String)>) -> EventRecord {
        EventRecord {
            id: "1234585c-4b0c-4340-ab11-662414b79239".to_owned(),
            at: Timestamp::from_millis(1_635_291_687_999),
            scope: Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            },
            name: "DeleteKey",
            key_arn: "arn:aws:kms:us-east-1:111122223333:key/x".to_owned(),
            additional,
        }
    }

    #[test]
    fn a_record_has_the_members_of_a_cloudtrail_record() {
        let event = event(vec![("clusterId", "cluster-1a23b4cdefg".to_owned())]);
        let record = of_service(&event);
        let at = |pointer: &str| record.pointer(pointer).cloned();
        assert_eq!(at("/eventTime"), Some(json!("2021-10-26T23:41:27Z")));
        assert_eq!(at("/eventType"), Some(json!("AwsServiceEvent")));
        assert_eq!(at("/responseElements/keyId"), Some(json!(event.key_arn)));
        assert_eq!(at("/resources/0/accountId"), Some(json!("111122223333")));
        assert_eq!(
            at("/additionalEventData/clusterId"),
            Some(json!("cluster-1a23b4cdefg"))
        );
    }

    #[test]
    fn a_key_of_no_key_store_has_no_additional_data() {
        let record = of_service(&event(Vec::new()));
        assert_eq!(record.get("additionalEventData"), None);
    }
}
