use serde_json::Value;

use crate::client::{Client, ClientError};

/// A cluster of a running Portcullis.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) client: Client,
    pub(super) cluster: String,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
}

impl Place {
    pub(super) async fn get(&self, verb: &str) -> Result<Value, ClientError> {
        self.client.get(&self.path(verb)).await
    }

    pub(super) async fn post(&self, verb: &str, body: Value) -> Result<Value, ClientError> {
        self.client.post(&self.path(verb), &body).await
    }

    fn path(&self, verb: &str) -> String {
        let mut path = format!("/_portcullis/cloudhsm/{}/{verb}", self.cluster);
        let mut separator = '?';
        for (name, value) in [("account", &self.account), ("region", &self.region)] {
            if let Some(value) = value {
                path.push_str(&format!("{separator}{name}={value}"));
                separator = '&';
            }
        }
        path
    }
}
