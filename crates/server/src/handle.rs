use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use portcullis_api::{Exception, Scope};
use portcullis_kms::{Principal, RequestOrigin};

use crate::events::CallNotes;
use crate::input::Input;

/// An answer on its way: the body of the reply.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Bytes, Exception>> + Send + 'a>>;

/// What stands behind the AWS endpoint.
pub(crate) trait Handle: Send + Sync + Debug {
    /// Whether a principal may make a call; asked before it is carried out, where that is enforced.
    fn permit(
        &self,
        caller: (&Principal, &RequestOrigin),
        scope: &Scope,
        input: &Input,
    ) -> Result<(), Exception>;

    /// Carries out one call, and notes what an event tells of it.
    fn call<'a>(&'a self, scope: &'a Scope, input: Input, notes: &'a mut CallNotes) -> Answer<'a>;
}
