//! What is the same for every call of an operation: how it is counted against a quota, and in which
//! states of its key it is permitted.
//!
//! What a call concerns, with its permission, condition keys and grant tokens, stands in
//! `access/table.rs`, by its input; whether it changes something, in the table of the edge. An operation
//! without a row in any of the three does not compile.

use portcullis_api::Operation;

use crate::key::Verdict::{
    self, Creating as C, Disabled as D, External as X, NotPendingDeletion as N,
    PendingDeletion as P, PendingImport as I, Permitted as Y, Unavailable as U, Updating as W,
};

/// How calls of an operation are counted (Rule QUOTA-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// The page says nothing of it.
    Not,
    /// By itself, so many a second.
    Alone(u64),
    /// With all cryptographic operations with symmetric keys.
    Symmetric,
    /// With those with keys of the key's kind.
    ByKey,
    /// The same; as with a symmetric key where the call names none, as most calls with a ciphertext.
    ByKeyOrSymmetric,
    /// With those that make data key pairs of that kind.
    ByPair,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) counting: Counting,
    /// What each state of the key says, in the order of [`STATES`](crate::key::STATES); nothing for an
    /// operation that is on no key that there is.
    pub(crate) states: Option<[Verdict; 7]>,
}

impl Row {
    const fn of(counting: Counting) -> Self {
        Self {
            counting,
            states: None,
        }
    }

    const fn in_states(self, states: [Verdict; 7]) -> Self {
        Self {
            states: Some(states),
            ..self
        }
    }

    const fn in_any_state(self) -> Self {
        self.in_states([Y; 7])
    }
}

macro_rules! rows {
    ($($operation:ident => $row:expr;)*) => {
        /// The row of an operation.
        pub(crate) const fn row(operation: Operation) -> Row {
            match operation {
                $(Operation::$operation => $row,)*
            }
        }
    };
}

// Rule LIFE-05: every operation on an existing key by the key's state (Enabled, Disabled,
// PendingDeletion, PendingImport, Unavailable, Creating, Updating). A combination that cannot occur is
// refused like its neighbour. ImportKeyMaterial and GetParametersForImport while pending deletion are
// refused (the page names an exception for the latter only), and Encapsulate and Decapsulate, which
// the page does not have, are as Sign.
rows! {
    CreateCustomKeyStore => Row::of(Counting::Alone(5));
    ConnectCustomKeyStore => Row::of(Counting::Alone(5));
    DisconnectCustomKeyStore => Row::of(Counting::Alone(5));
    UpdateCustomKeyStore => Row::of(Counting::Alone(5));
    DeleteCustomKeyStore => Row::of(Counting::Alone(5));
    DescribeCustomKeyStores => Row::of(Counting::Alone(5));
    CreateKey => Row::of(Counting::Alone(5));
    DescribeKey => Row::of(Counting::Alone(2_000)).in_any_state();
    ListKeys => Row::of(Counting::Alone(500));
    EnableKey => Row::of(Counting::Alone(5)).in_states([Y, Y, P, I, Y, C, W]);
    DisableKey => Row::of(Counting::Alone(5)).in_states([Y, Y, P, I, Y, C, W]);
    ScheduleKeyDeletion => Row::of(Counting::Alone(15)).in_states([Y, Y, P, Y, Y, Y, W]);
    CancelKeyDeletion => Row::of(Counting::Alone(5)).in_states([N, N, Y, N, N, N, N]);
    GetKeyLastUsage => Row::of(Counting::Alone(5)).in_any_state();
    UpdateKeyDescription => Row::of(Counting::Alone(5)).in_states([Y, Y, P, Y, Y, Y, Y]);
    TagResource => Row::of(Counting::Alone(10)).in_states([Y, Y, P, Y, Y, Y, Y]);
    UntagResource => Row::of(Counting::Alone(5)).in_states([Y, Y, P, Y, Y, Y, Y]);
    ListResourceTags => Row::of(Counting::Alone(2_000)).in_any_state();
    PutKeyPolicy => Row::of(Counting::Alone(15)).in_any_state();
    GetKeyPolicy => Row::of(Counting::Alone(1_000)).in_any_state();
    ListKeyPolicies => Row::of(Counting::Alone(100)).in_any_state();
    EnableKeyRotation => Row::of(Counting::Alone(15)).in_states([Y, D, P, X, Y, C, Y]);
    DisableKeyRotation => Row::of(Counting::Alone(5)).in_states([Y, D, P, X, Y, C, Y]);
    GetKeyRotationStatus => Row::of(Counting::Alone(1_000)).in_states([Y, Y, Y, X, Y, Y, Y]);
    RotateKeyOnDemand => Row::of(Counting::Alone(5)).in_states([Y, D, P, I, Y, C, Y]);
    ListKeyRotations => Row::of(Counting::Alone(100)).in_any_state();
    GetParametersForImport => Row::of(Counting::Alone(1)).in_states([Y, Y, P, Y, Y, C, W]);
    ImportKeyMaterial => Row::of(Counting::Alone(15)).in_states([Y, Y, P, Y, Y, C, Y]);
    DeleteImportedKeyMaterial => Row::of(Counting::Alone(15)).in_states([Y, Y, Y, Y, Y, C, W]);
    ReplicateKey => Row::of(Counting::Alone(5)).in_states([Y, D, P, I, U, C, W]);
    UpdatePrimaryRegion => Row::of(Counting::Alone(5)).in_states([Y, D, P, I, U, C, Y]);
    CreateAlias => Row::of(Counting::Alone(5)).in_states([Y, Y, P, Y, Y, Y, Y]);
    UpdateAlias => Row::of(Counting::Alone(5));
    DeleteAlias => Row::of(Counting::Alone(15)).in_any_state();
    ListAliases => Row::of(Counting::Alone(500));
    Encrypt => Row::of(Counting::ByKeyOrSymmetric).in_states([Y, D, P, I, U, C, Y]);
    Decrypt => Row::of(Counting::ByKeyOrSymmetric).in_states([Y, D, P, I, U, C, Y]);
    ReEncrypt => Row::of(Counting::ByKeyOrSymmetric).in_states([Y, D, P, I, U, C, Y]);
    GenerateDataKey => Row::of(Counting::Symmetric).in_states([Y, D, P, I, U, C, Y]);
    GenerateDataKeyWithoutPlaintext => Row::of(Counting::Symmetric).in_states([Y, D, P, I, U, C, Y]);
    GenerateRandom => Row::of(Counting::Symmetric);
    GenerateDataKeyPair => Row::of(Counting::ByPair).in_states([Y, D, P, I, U, C, Y]);
    GenerateDataKeyPairWithoutPlaintext => Row::of(Counting::ByPair).in_states([Y, D, P, I, U, C, Y]);
    GetPublicKey => Row::of(Counting::Alone(2_000)).in_states([Y, Y, P, Y, U, C, Y]);
    Sign => Row::of(Counting::ByKey).in_states([Y, D, P, I, U, C, Y]);
    Verify => Row::of(Counting::ByKey).in_states([Y, D, P, I, U, C, Y]);
    GenerateMac => Row::of(Counting::Symmetric).in_states([Y, D, P, I, U, C, Y]);
    VerifyMac => Row::of(Counting::Symmetric).in_states([Y, D, P, I, U, C, Y]);
    DeriveSharedSecret => Row::of(Counting::ByKey).in_states([Y, D, P, I, U, C, Y]);
    Encapsulate => Row::of(Counting::Not).in_states([Y, D, P, I, U, C, Y]);
    Decapsulate => Row::of(Counting::Not).in_states([Y, D, P, I, U, C, Y]);
    CreateGrant => Row::of(Counting::Alone(50)).in_states([Y, D, P, I, Y, C, Y]);
    ListGrants => Row::of(Counting::Alone(100)).in_any_state();
    ListRetirableGrants => Row::of(Counting::Alone(100));
    RetireGrant => Row::of(Counting::Alone(50)).in_any_state();
    RevokeGrant => Row::of(Counting::Alone(50)).in_any_state();
    // CloudHSM has quotas of its own, and no keys of KMS.
    CreateCluster => Row::of(Counting::Not);
    DescribeClusters => Row::of(Counting::Not);
    InitializeCluster => Row::of(Counting::Not);
    CreateHsm => Row::of(Counting::Not);
    DeleteHsm => Row::of(Counting::Not);
    ModifyCluster => Row::of(Counting::Not);
    DeleteCluster => Row::of(Counting::Not);
    DescribeBackups => Row::of(Counting::Not);
    CopyBackupToRegion => Row::of(Counting::Not);
    DeleteBackup => Row::of(Counting::Not);
    RestoreBackup => Row::of(Counting::Not);
    ModifyBackupAttributes => Row::of(Counting::Not);
    CloudHsmTagResource => Row::of(Counting::Not);
    CloudHsmUntagResource => Row::of(Counting::Not);
    ListTags => Row::of(Counting::Not);
    PutResourcePolicy => Row::of(Counting::Not);
    GetResourcePolicy => Row::of(Counting::Not);
    DeleteResourcePolicy => Row::of(Counting::Not);
}
