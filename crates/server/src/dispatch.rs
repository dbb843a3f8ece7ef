use std::sync::Arc;

use bytes::Bytes;
use portcullis_api::{Code, Exception, Operation, Scope};
use portcullis_cloudhsm::CloudHsm;
use portcullis_kms::{Concerns, Kms, Principal, RequestOrigin};
use portcullis_wiped::Wiped;
use serde::Serialize;

use crate::built::built_operations;
use crate::events::CallNotes;
use crate::handle::{Answer, Handle};
use crate::input::Input;

/// The two services behind the AWS endpoint.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) kms: Arc<Kms>,
    pub(crate) cloudhsm: Arc<CloudHsm>,
}

macro_rules! dispatch {
    ($($operation:ident $service:ident.$method:ident($input:ty) $effect:ident $reply:ident $({ $($row:tt)* })?;)*) => {
        impl Handle for Dispatch {
            fn permit(
                &self,
                caller: (&Principal, &RequestOrigin),
                scope: &Scope,
                input: &Input,
            ) -> Result<(), Exception> {
                let service = input.operation().service();
                self.kms.authorize(caller, scope, service, &input.concern())
            }

            // Each arm is a future of its own, so that an Encrypt does not carry room for the
            // longest operation.
            fn call<'a>(
                &'a self,
                scope: &'a Scope,
                input: Input,
                notes: &'a mut CallNotes,
            ) -> Answer<'a> {
                match input {
                    $(Input::$operation(input) => Box::pin(async move {
                        notes.asked(&input);
                        notes.attested(&input);
                        dispatch!(@before $effect self scope notes);
                        if self.kms.keeps_quotas() {
                            let concern = Concerns::concern(&input);
                            self.kms.admit(scope, Operation::$operation, &concern)?;
                        }
                        let outcome = self.$service.$method(scope, input).await;
                        let outcome = outcome.map_err(|exception| declared(Operation::$operation, exception));
                        dispatch!(@after $effect self scope notes outcome);
                        let output = outcome?;
                        dispatch!(@$reply output)
                    }),)*
                }
            }
        }
    };
    (@before reads $self:ident $scope:ident $notes:ident) => {};
    (@before changes $self:ident $scope:ident $notes:ident) => {
        // What the call is about may be gone after it.
        $notes.about(&$self.kms, $scope);
    };
    (@after reads $self:ident $scope:ident $notes:ident $outcome:ident) => {
        $notes.read(&$self.kms, $scope, $outcome.as_ref().ok());
    };
    (@after changes $self:ident $scope:ident $notes:ident $outcome:ident) => {
        if let Ok(output) = &$outcome {
            $notes.changed(&$self.kms, $scope, output);
        }
    };
    (@object $output:ident) => { object(&$output) };
    (@empty $output:ident) => {{
        let () = $output;
        // Rule WIRE-19: where the model has no output shape, the body is empty.
        Ok(Bytes::new())
    }};
}

built_operations!(dispatch);

/// Rule CONF-01: an exception is one that the operation declares. Rule CONF-02: where it does not
/// declare InvalidArnException, as most that use a key do not, a malformed ARN names nothing:
/// NotFoundException. Where it does not declare InvalidMarkerException, a wrong marker is a value that
/// is not permitted.
fn declared(operation: Operation, mut exception: Exception) -> Exception {
    let declared = operation.declared();
    let instead = if exception.code == Code::InvalidArn && declared.contains(&Code::NotFound) {
        Code::NotFound
    } else if exception.code == Code::InvalidMarker {
        Code::Validation
    } else {
        return exception;
    };
    if !declared.contains(&exception.code) {
        exception.code = instead;
    }
    exception
}

/// Most replies fit: an Encrypt of 4 KiB gives about 6 KiB, most others a few hundred bytes.
const REPLY_BYTES: usize = 1024;

/// An output as JSON. The buffer is wiped when the reply has been sent, because it may hold a
/// plaintext.
fn object(output: &impl Serialize) -> Result<Bytes, Exception> {
    let mut body = Wiped::with_capacity(REPLY_BYTES);
    serde_json::to_writer(body.vec(), output).map_err(|error| {
        Exception::new(
            Code::InternalFailure,
            "The reply cannot be written as JSON. Please report it.",
        )
        .because(error)
    })?;
    Ok(Bytes::from_owner(body))
}
