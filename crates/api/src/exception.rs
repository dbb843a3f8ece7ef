//! The one table of exceptions: name on the wire and whose fault it is.
//!
//! No other line of the product writes an exception's name or an HTTP status as text.

use std::fmt;
use std::str::FromStr;

use crate::InvalidId;

/// Who must act to make a failed call succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request or the state it met: HTTP 400.
    Client,
    /// The service: HTTP 500; clients retry with back-off.
    Service,
}

macro_rules! exceptions {
    ($($code:ident $name:literal $fault:ident $meaning:literal,)*) => {
        /// An exception by its name on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $meaning] $code,)* }

        impl Code {
            /// Every exception that the product can answer with.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The name on the wire, as in `__type`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// Whose fault it is; decides the HTTP status where [`Code::status`] says nothing else.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self { $(Self::$code => Fault::$fault,)* }
            }

            /// One line of meaning.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning,)* }
            }
        }
    };
}

exceptions! {
    AlreadyExists "AlreadyExistsException" Client "The alias, or the replica key in that Region, already exists.",
    CloudHsmClusterInUse "CloudHsmClusterInUseException" Client "The cluster, or one that shares its backup history, already backs a key store.",
    CloudHsmClusterInvalidConfiguration "CloudHsmClusterInvalidConfigurationException" Client "The cluster lacks the HSMs, subnets or security group rules a key store needs.",
    CloudHsmClusterNotActive "CloudHsmClusterNotActiveException" Client "The cluster is not ACTIVE.",
    CloudHsmClusterNotFound "CloudHsmClusterNotFoundException" Client "There is no such cluster in this account and Region.",
    CloudHsmClusterNotRelated "CloudHsmClusterNotRelatedException" Client "The cluster does not share a backup history with the key store's own.",
    Conflict "ConflictException" Client "A rotation is running or about to.",
    CustomKeyStoreHasCmks "CustomKeyStoreHasCMKsException" Client "KMS keys still belong to the key store.",
    CustomKeyStoreInvalidState "CustomKeyStoreInvalidStateException" Client "The key store's connection state does not permit the operation.",
    CustomKeyStoreNameInUse "CustomKeyStoreNameInUseException" Client "Another key store has the name.",
    CustomKeyStoreNotFound "CustomKeyStoreNotFoundException" Client "There is no such key store.",
    DependencyTimeout "DependencyTimeoutException" Service "Something the service depends on took too long.",
    Disabled "DisabledException" Client "The key is not enabled.",
    DryRunOperation "DryRunOperationException" Client "The dry run would have succeeded.",
    ExpiredImportToken "ExpiredImportTokenException" Client "The import token is too old.",
    IncorrectKey "IncorrectKeyException" Client "The ciphertext was not made under the key named.",
    IncorrectKeyMaterial "IncorrectKeyMaterialException" Client "The key material is not the one expected.",
    IncorrectTrustAnchor "IncorrectTrustAnchorException" Client "The certificate is not the one the cluster was initialised with.",
    InvalidAliasName "InvalidAliasNameException" Client "The alias name is not permitted.",
    InvalidArn "InvalidArnException" Client "The ARN is malformed.",
    InvalidCiphertext "InvalidCiphertextException" Client "The ciphertext or its encryption context is wrong.",
    InvalidGrantId "InvalidGrantIdException" Client "The grant id is malformed.",
    InvalidGrantToken "InvalidGrantTokenException" Client "The grant token is malformed.",
    InvalidImportToken "InvalidImportTokenException" Client "The import token belongs to another key.",
    InvalidKeyUsage "InvalidKeyUsageException" Client "The key's usage or spec does not fit the operation.",
    InvalidMarker "InvalidMarkerException" Client "The pagination marker is not one this service gave out.",
    KmsInternal "KMSInternalException" Service "An internal error; the call can be retried.",
    KmsInvalidMac "KMSInvalidMacException" Client "The MAC does not match.",
    KmsInvalidSignature "KMSInvalidSignatureException" Client "The signature does not match.",
    KmsInvalidState "KMSInvalidStateException" Client "The key's state, or trouble with its key store, prevents the operation.",
    KeyUnavailable "KeyUnavailableException" Service "The key is not available; the call can be retried.",
    LimitExceeded "LimitExceededException" Client "A quota or length limit is reached.",
    MalformedPolicyDocument "MalformedPolicyDocumentException" Client "The policy document is malformed.",
    NotFound "NotFoundException" Client "There is no such key, alias or grant.",
    Tag "TagException" Client "A tag is not permitted.",
    UnsupportedOperation "UnsupportedOperationException" Client "The operation or parameter is not valid for this resource, or not built here.",
    XksKeyAlreadyInUse "XksKeyAlreadyInUseException" Client "The external key already backs a KMS key.",
    XksKeyInvalidConfiguration "XksKeyInvalidConfigurationException" Client "The external key is not of the required kind.",
    XksKeyNotFound "XksKeyNotFoundException" Client "The external key manager does not know the key.",
    XksProxyIncorrectAuthenticationCredential "XksProxyIncorrectAuthenticationCredentialException" Client "The external key store proxy refuses the credential.",
    XksProxyInvalidConfiguration "XksProxyInvalidConfigurationException" Client "The external key store proxy is set up wrongly.",
    XksProxyInvalidResponse "XksProxyInvalidResponseException" Client "The external key store proxy gave an invalid answer.",
    XksProxyUriEndpointInUse "XksProxyUriEndpointInUseException" Client "Another key store uses the proxy endpoint.",
    XksProxyUriInUse "XksProxyUriInUseException" Client "Another key store uses the proxy endpoint and path.",
    XksProxyUriUnreachable "XksProxyUriUnreachableException" Client "The external key store proxy cannot be reached.",
    XksProxyVpcEndpointServiceInUse "XksProxyVpcEndpointServiceInUseException" Client "Another key store uses the VPC endpoint service.",
    XksProxyVpcEndpointServiceInvalidConfiguration "XksProxyVpcEndpointServiceInvalidConfigurationException" Client "The VPC endpoint service is set up wrongly.",
    XksProxyVpcEndpointServiceNotFound "XksProxyVpcEndpointServiceNotFoundException" Client "There is no such VPC endpoint service.",
    CloudHsmAccessDenied "CloudHsmAccessDeniedException" Client "The caller is not permitted to make the call.",
    CloudHsmInternalFailure "CloudHsmInternalFailureException" Service "An internal error; the call can be retried.",
    CloudHsmInvalidRequest "CloudHsmInvalidRequestException" Client "The request is malformed or does not fit the resource's state.",
    CloudHsmResourceLimitExceeded "CloudHsmResourceLimitExceededException" Client "A resource limit is reached.",
    CloudHsmResourceNotFound "CloudHsmResourceNotFoundException" Client "There is no such cluster, HSM or backup.",
    CloudHsmService "CloudHsmServiceException" Client "The service could not carry out the request.",
    CloudHsmTag "CloudHsmTagException" Client "Tagging failed.",
    Validation "ValidationException" Client "A member of the request has a form that is not permitted.",
    AccessDenied "AccessDeniedException" Client "The caller is not permitted to make the call.",
    Throttling "ThrottlingException" Client "The request rate is above a quota.",
    UnrecognizedClient "UnrecognizedClientException" Client "The access key is not known.",
    IncompleteSignature "IncompleteSignatureException" Client "The Authorization header lacks a part.",
    InvalidSignature "InvalidSignatureException" Client "The signature does not match the request, or is too old.",
    ExpiredToken "ExpiredTokenException" Client "The security token has expired.",
    MissingAuthenticationToken "MissingAuthenticationTokenException" Client "The request is not signed.",
    UnknownOperation "UnknownOperationException" Client "The X-Amz-Target header names no operation of this service.",
    InvalidAction "InvalidAction" Client "The Action of a query request is none that is there.",
    Serialization "SerializationException" Client "The body is not JSON of the operation's shape.",
    RequestEntityTooLarge "RequestEntityTooLargeException" Client "The body is larger than the service reads.",
    InternalFailure "InternalFailure" Service "The service failed in a way it did not expect.",
    ServiceUnavailable "ServiceUnavailableException" Service "The service cannot answer at present; the call can be retried.",
}

impl Code {
    /// The HTTP status: 400 for the caller's faults and 500 for the service's, as both API
    /// references list them, with the few common errors that have a status of their own.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the fault decides for all others"
    )]
    pub const fn status(self) -> u16 {
        match self {
            Self::RequestEntityTooLarge => 413,
            Self::ServiceUnavailable => 503,
            _ => match self.fault() {
                Fault::Client => 400,
                Fault::Service => 500,
            },
        }
    }
}

/// How much of an exception's message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Messages {
    /// The service's sentence, and after it what to do.
    #[default]
    Helpful,
    /// The service's sentence alone, and nothing where the service sends nothing.
    Aws,
}

impl FromStr for Messages {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "helpful" => Ok(Self::Helpful),
            "aws" => Ok(Self::Aws),
            _ => Err(InvalidId {
                expected: "helpful or aws",
            }),
        }
    }
}

/// What a failed operation answers with.
///
/// The message is for the user: what happened, why, and what to do next. Where the service's own
/// sentence is known the message begins with it, because programs compare it. The cause is for the
/// log and never leaves the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The code of the exception, by which SDKs tell it from others.
    pub code: Code,
    /// What the user reads.
    pub message: String,
    /// How many bytes of the message are the service's sentence; none where that is not known.
    sentence: Option<usize>,
    /// What an operator of the emulator reads.
    pub cause: Option<String>,
    /// Whether another writer of the same records committed first: decided anew, the same call may
    /// succeed.
    pub overtaken: bool,
}

impl Exception {
    /// An exception with a message for the user.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            sentence: None,
            cause: None,
            overtaken: false,
        }
    }

    /// An exception of which the service's sentence is known, and what we add to it: more of why, and
    /// what to do. An empty sentence is that of an exception that the service sends without a message.
    #[must_use]
    pub fn worded(code: Code, sentence: impl Into<String>, hint: &str) -> Self {
        let mut message = sentence.into();
        let length = message.len();
        if !message.is_empty() && !hint.is_empty() {
            // Some of the service's sentences have no full stop.
            let ends = message.ends_with(['.', '!', '?']);
            message.push_str(if ends { " " } else { ". " });
        }
        message.push_str(hint);
        Self {
            sentence: Some(length),
            ..Self::new(code, message)
        }
    }

    /// What is sent of the message.
    ///
    /// Rule MSG-01: the service's sentence comes first. Rule MSG-02: it comes alone where that is asked
    /// for; a message of which the service's wording is not known is sent whole then too.
    #[must_use]
    pub fn text(&self, messages: Messages) -> Option<&str> {
        let end = match messages {
            Messages::Helpful => None,
            Messages::Aws => self.sentence,
        };
        match end {
            None => Some(&self.message),
            Some(0) => None,
            Some(end) => self.message.get(..end),
        }
    }

    /// The same text under another code: that of an operation which does not declare the first.
    #[must_use]
    pub fn under(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// The same exception of a call that another writer has overtaken.
    #[must_use]
    pub const fn overtaken(mut self) -> Self {
        self.overtaken = true;
        self
    }

    /// The same exception with a cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Exception {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_exceptions_share_a_name() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn the_fault_decides_the_status() {
        assert_eq!(Code::KmsInvalidState.status(), 400);
        assert_eq!(Code::KmsInternal.status(), 500);
        assert_eq!(Code::RequestEntityTooLarge.status(), 413);
    }

    /// Rules MSG-01 and MSG-02.
    #[test]
    fn the_services_sentence_comes_first_and_alone_where_it_is_asked_for() {
        let code = Code::NotFound;
        for (exception, helpful, aws) in [
            (Exception::new(code, "Ours."), Some("Ours."), Some("Ours.")),
            (
                Exception::worded(code, "Theirs", ""),
                Some("Theirs"),
                Some("Theirs"),
            ),
            (
                Exception::worded(code, "Theirs", "Ours."),
                Some("Theirs. Ours."),
                Some("Theirs"),
            ),
            (Exception::worded(code, "", "Ours."), Some("Ours."), None),
        ] {
            assert_eq!(exception.text(Messages::Helpful), helpful);
            assert_eq!(exception.text(Messages::Aws), aws);
        }
    }

    #[test]
    fn the_cause_is_not_part_of_what_a_user_sees() {
        let exception = Exception::new(Code::KmsInternal, "try again").because("disk on fire");
        assert_eq!(exception.to_string(), "KMSInternalException: try again");
    }
}
