//! What KMS did by itself, in the form of CloudTrail records.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use portcullis_kms::EventRecord;
use serde_json::{Map, Value, json};

use super::Admin;
use super::date::date;

/// `GET /_portcullis/events`: the records kept, oldest first, as a CloudTrail log file has them,
/// and how many older ones were dropped.
pub(super) async fn events(State(admin): State<Arc<Admin>>) -> Json<Value> {
    let events = admin.kms.events();
    let records: Vec<Value> = events.records.iter().map(record).collect();
    Json(json!({ "Records": records, "dropped": events.dropped }))
}

/// A service event (AWS KMS Developer Guide, CloudTrail log entry of DeleteKey).
fn record(event: &EventRecord) -> Value {
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
        "resources": [{
            "accountId": event.scope.account,
            "type": "AWS::KMS::Key",
            "ARN": event.key_arn,
        }],
        "eventType": "AwsServiceEvent",
        "recipientAccountId": event.scope.account,
        "managementEvent": true,
        "eventCategory": "Management",
    });
    if let (Some(members), false) = (record.as_object_mut(), event.additional.is_empty()) {
        let additional: Map<String, Value> = event
            .additional
            .iter()
            .map(|(name, text)| ((*name).to_owned(), json!(text)))
            .collect();
        members.insert("additionalEventData".to_owned(), Value::Object(additional));
    }
    record
}

#[cfg(test)]
mod tests {
    use portcullis_api::Scope;
    use portcullis_seam::Timestamp;

    use super::*;

    #[test]
    fn a_record_has_the_members_of_a_cloudtrail_record() {
        let event = EventRecord {
            id: "1234585c-4b0c-4340-ab11-662414b79239".to_owned(),
            at: Timestamp::from_millis(1_635_291_687_999),
            scope: Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            },
            name: "DeleteKey",
            key_arn: "arn:aws:kms:us-east-1:111122223333:key/x".to_owned(),
            additional: vec![("clusterId", "cluster-1a23b4cdefg".to_owned())],
        };
        let record = record(&event);
        let at = |pointer: &str| record.pointer(pointer).cloned();
        assert_eq!(at("/eventTime"), Some(json!("2021-10-26T23:41:27Z")));
        assert_eq!(at("/eventType"), Some(json!("AwsServiceEvent")));
        assert_eq!(at("/responseElements/keyId"), Some(json!(event.key_arn)));
        assert_eq!(
            at("/additionalEventData/clusterId"),
            Some(json!("cluster-1a23b4cdefg"))
        );
    }

    #[test]
    fn a_key_of_no_key_store_has_no_additional_data() {
        let event = EventRecord {
            id: String::new(),
            at: Timestamp::from_millis(0),
            scope: Scope {
                account: "111122223333".parse().unwrap(),
                region: "us-east-1".parse().unwrap(),
            },
            name: "DeleteKey",
            key_arn: String::new(),
            additional: Vec::new(),
        };
        assert_eq!(record(&event).get("additionalEventData"), None);
    }
}
