//! I3: what ciphertexts open to.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_api::Code;

use super::{ByEnd, Invariant, Violation, by_end};
use crate::history::{
    Context, History, HistoryEvent, RecordedAnswer, RecordedCall, RecordedRequest, nonce_of,
};

/// What a ciphertext was made from.
struct CiphertextOrigin<'a> {
    context: &'a Context,
    plaintext: &'a [u8],
}

pub(super) fn check(history: &History, found: &mut Vec<Violation>) {
    let mut origins: BTreeMap<ByEnd<'_>, CiphertextOrigin<'_>> = BTreeMap::new();
    let mut nonces = BTreeSet::new();
    for event in &history.events {
        if let HistoryEvent::Sealed { at, hsm, key, text } = event
            && let Some(nonce) = nonce_of(text)
            && !nonces.insert((*key, nonce))
        {
            let what = format!("{hsm} used a nonce again under {key}");
            found.push(Violation::new(Invariant::I3, *at, what));
        }
        if let HistoryEvent::Call(call) = event {
            check_opening(call, &origins, found);
            remember(call, &mut origins, found);
        }
    }
}

/// What a call opened must be what was sealed, under the context it was sealed with.
fn check_opening(
    call: &RecordedCall,
    origins: &BTreeMap<ByEnd<'_>, CiphertextOrigin<'_>>,
    found: &mut Vec<Violation>,
) {
    let (ciphertext, context) = match &call.request {
        RecordedRequest::Decrypt {
            ciphertext,
            context,
        } => (ciphertext, context),
        RecordedRequest::ReEncrypt {
            ciphertext,
            source_context,
            ..
        } => (ciphertext, source_context),
        RecordedRequest::Encrypt { .. }
        | RecordedRequest::GenerateDataKey { .. }
        | RecordedRequest::CreateKey
        | RecordedRequest::DescribeKey { .. }
        | RecordedRequest::Connect
        | RecordedRequest::Disconnect
        | RecordedRequest::Update(_) => return,
    };
    let Some(origin) = origins.get(&by_end(ciphertext)) else {
        return;
    };
    let is_right = origin.context == context;
    let violation =
        match &call.outcome {
            Ok(_) if !is_right => "opened under another context than it was made with",
            Ok(RecordedAnswer::Plaintext(plaintext)) if plaintext != origin.plaintext => {
                "opened to something else"
            }
            Err(
                Code::InvalidCiphertext | Code::IncorrectKey | Code::NotFound | Code::AccessDenied,
            ) if is_right => "did not open, although nothing about it is wrong",
            Ok(_) | Err(_) => return,
        };
    found.push(Violation::of_call(Invariant::I3, call, violation));
}

fn remember<'a>(
    call: &'a RecordedCall,
    origins: &mut BTreeMap<ByEnd<'a>, CiphertextOrigin<'a>>,
    found: &mut Vec<Violation>,
) {
    let Ok(answer) = &call.outcome else { return };
    let Some(ciphertext) = answer.ciphertext() else {
        return;
    };
    let origin = match (&call.request, answer) {
        (
            RecordedRequest::Encrypt {
                context, plaintext, ..
            },
            _,
        ) => CiphertextOrigin { context, plaintext },
        (
            RecordedRequest::GenerateDataKey { context, .. },
            RecordedAnswer::DataKey { plaintext, .. },
        ) => CiphertextOrigin { context, plaintext },
        (
            RecordedRequest::ReEncrypt {
                ciphertext,
                context,
                ..
            },
            _,
        ) => {
            let Some(source) = origins.get(&by_end(ciphertext)) else {
                return;
            };
            CiphertextOrigin {
                context,
                plaintext: source.plaintext,
            }
        }
        _ => return,
    };
    if origins.insert(by_end(ciphertext), origin).is_some() {
        found.push(Violation::of_call(
            Invariant::I3,
            call,
            "the same ciphertext came twice",
        ));
    }
}
