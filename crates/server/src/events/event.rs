//! What an event is made of: a call with what the dispatch noted of it, something that KMS did by
//! itself, or a call of the admin API.

use std::sync::Arc;

use portcullis_api::{Exception, Operation, Scope};
use portcullis_kms::{
    Answers, Concerns, EventRecord, Kms, Names, Subject, describe_recipient, policy_findings_of,
};
use portcullis_seam::Timestamp;
use serde::Serialize;

use super::admin_call::AdminRecord;
use super::caller::EventCaller;
use super::show::ShownShape;

/// An event, as it is kept in memory until it is shown.
#[derive(Debug)]
pub(crate) struct KeptEvent {
    pub(crate) kind: EventKind,
}

impl KeptEvent {
    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let text = |shown: &Option<ShownShape>| shown.as_ref().map_or(0, |it| it.text().len());
        let texts = match &self.kind {
            EventKind::Call(call) => text(&call.notes.input) + text(&call.notes.output),
            EventKind::Service(_) => size_of::<EventRecord>(),
            EventKind::Admin(record) => size_of::<AdminRecord>() + record.from.agent.len(),
        };
        size_of::<Self>() + texts
    }
}

/// What an event records.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is a call, and boxing it costs an allocation a call"
)]
pub(crate) enum EventKind {
    /// A call of the AWS endpoint. It stands here itself: the event of a call takes one allocation
    /// beside its texts.
    Call(CallRecord),
    /// KMS did something by itself, which is rare.
    Service(Box<EventRecord>),
    /// The admin API was called.
    Admin(Box<AdminRecord>),
}

/// A call that has come in.
#[derive(Debug, Clone)]
pub(crate) struct CallArrival {
    pub(crate) at: Timestamp,
    pub(crate) operation: Operation,
    pub(crate) caller: Arc<EventCaller>,
    pub(crate) request_id: [u8; 16],
}

/// A call that was answered.
#[derive(Debug)]
pub(crate) struct CallRecord {
    pub(crate) arrival: CallArrival,
    pub(crate) event_id: [u8; 16],
    pub(crate) notes: CallNotes,
    pub(crate) failed: Option<Exception>,
}

/// What the dispatch notes of a call for its record.
#[derive(Debug, Default)]
pub(crate) struct CallNotes {
    is_wanted: bool,
    pub(crate) input: Option<ShownShape>,
    /// What the input names, for as long as the call is answered.
    pub(super) named: NamedInput,
    /// Of a call that changed something.
    pub(crate) output: Option<ShownShape>,
    pub(crate) subject: Option<Subject>,
    /// The other key of a ReEncrypt.
    pub(crate) source: Option<Subject>,
    /// The enclave that the reply is for.
    pub(crate) recipient: Vec<(&'static str, String)>,
    /// What a key policy that was put says without effect. Rule AUTH-40.
    pub(crate) policy_findings: Vec<String>,
}

impl CallNotes {
    /// For a call that is recorded, or one that is not.
    pub(crate) fn wanted(is_wanted: bool) -> Self {
        Self {
            is_wanted,
            ..Self::default()
        }
    }

    /// Before the service has the input.
    pub(crate) fn asked(&mut self, input: &(impl Serialize + Concerns)) {
        if self.is_wanted {
            self.input = Some(ShownShape::of(input));
            self.named = NamedInput::of(input.names());
        }
    }

    /// Before the service has the input: which enclave the reply is for, and what a key policy in it
    /// says without effect.
    pub(crate) fn attested(&mut self, input: &impl Concerns) {
        if let Some(policy) = input.policy().filter(|_| self.is_wanted) {
            self.policy_findings = policy_findings_of(policy);
        }
        if let Some(recipient) = input.recipient().filter(|_| self.is_wanted) {
            self.recipient = describe_recipient(recipient);
        }
    }

    /// Before the call, where the call may be the end of what it is about.
    pub(crate) fn about(&mut self, kms: &Kms, scope: &Scope) {
        let named = std::mem::take(&mut self.named);
        self.find(kms, scope, named.names());
        self.named = named;
    }

    /// After a call that only reads: what it was about, as the answer names it.
    pub(crate) fn read(&mut self, kms: &Kms, scope: &Scope, output: Option<&impl Answers>) {
        if !self.is_wanted {
            return;
        }
        match output.map(Answers::names) {
            Some(names) if names.key.is_some() => self.find(kms, scope, names),
            Some(_) | None => self.about(kms, scope),
        }
    }

    /// After a call that changed something: what it made of it.
    pub(crate) fn changed(
        &mut self,
        kms: &Kms,
        scope: &Scope,
        output: &(impl Serialize + Answers),
    ) {
        if !self.is_wanted {
            return;
        }
        self.about(kms, scope);
        if self.subject.is_none() {
            self.find(kms, scope, output.names());
        }
        self.output = Some(ShownShape::of(output));
    }

    fn find(&mut self, kms: &Kms, scope: &Scope, names: Names<'_>) {
        let key = names.key.and_then(|key| kms.key_subject(scope, key));
        let store = || kms.key_store_subject(scope, names.key_store?);
        if let Some(found) = key.or_else(store) {
            self.subject = Some(found);
        }
        if let Some(source) = names.source_key {
            self.source = kms.key_subject(scope, source);
        }
    }
}

/// The names of an input that its service has taken.
#[derive(Debug, Default)]
pub(super) struct NamedInput {
    key: Option<Box<str>>,
    source_key: Option<Box<str>>,
    key_store: Option<Box<str>>,
}

impl NamedInput {
    fn of(names: Names<'_>) -> Self {
        Self {
            key: names.key.map(Box::from),
            source_key: names.source_key.map(Box::from),
            key_store: names.key_store.map(Box::from),
        }
    }

    fn names(&self) -> Names<'_> {
        Names {
            key: self.key.as_deref(),
            source_key: self.source_key.as_deref(),
            key_store: self.key_store.as_deref(),
        }
    }
}
