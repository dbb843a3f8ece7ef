//! The verbs and flags of the CloudHSM CLI.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use portcullis_admin::{Role, Secret};

/// What the CloudHSM CLI can be told, alone or at its prompt.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Activate a cluster, or describe its HSMs
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// Open a session that stays open until `logout`
    #[command(after_help = "Examples:
  portcullis cloudhsm-cli login --username alice --role crypto-user
  portcullis cloudhsm-cli logout")]
    Login(UserCredentials),
    /// End the session that `login` opened
    #[command(after_help = "Example:
  portcullis cloudhsm-cli logout")]
    Logout,
    /// Manage users
    #[command(subcommand)]
    User(UserVerb),
    /// Manage keys
    #[command(subcommand)]
    Key(KeyVerb),
    #[command(hide = true)]
    Crypto(NotThere),
    #[command(hide = true)]
    Quorum(NotThere),
}

#[derive(Debug, Subcommand)]
pub(super) enum ClusterVerb {
    /// Set the first admin's password; the cluster becomes ACTIVE
    #[command(after_help = "Examples:
  portcullis cloudhsm-cli --cluster-id cluster-abcdefghijk cluster activate
  portcullis cloudhsm-cli cluster activate --password adminPassword1")]
    Activate {
        /// The password of the user `admin`, 7 to 32 characters; asked for when left out
        #[arg(long, env = "CLOUDHSM_PASSWORD", hide_env_values = true)]
        password: Option<Secret>,
    },
    /// Describe the HSMs
    #[command(after_help = "Example:
  portcullis cloudhsm-cli cluster hsm-info")]
    HsmInfo,
    #[command(hide = true)]
    Mtls(NotThere),
}

#[derive(Debug, Subcommand)]
pub(super) enum UserVerb {
    /// Create a user
    #[command(after_help = "Examples:
  portcullis cloudhsm-cli user create --username kmsuser --role crypto-user --password kmsPswd1
  portcullis cloudhsm-cli user create --username operator --role admin")]
    Create {
        #[command(flatten)]
        credentials: UserCredentials,
        #[command(flatten)]
        approval: Approval,
    },
    /// Change a user's password; as an admin this also unlocks the user
    #[command(after_help = "Example:
  portcullis cloudhsm-cli user change-password --username kmsuser --role crypto-user \\
      --password newPswd1")]
    ChangePassword {
        #[command(flatten)]
        credentials: UserCredentials,
        /// Accepted: no user has a second factor here
        #[arg(long)]
        deregister_mfa: bool,
        /// Accepted: no user has a quorum key here
        #[arg(long)]
        deregister_quorum: bool,
        #[command(flatten)]
        approval: Approval,
    },
    /// List the users
    #[command(after_help = "Example:
  portcullis cloudhsm-cli user list")]
    List,
    /// Delete a user
    #[command(after_help = "Example:
  portcullis cloudhsm-cli user delete --username alice --role crypto-user")]
    Delete {
        #[command(flatten)]
        user: UserArguments,
        #[command(flatten)]
        approval: Approval,
    },
    #[command(hide = true)]
    ChangeMfa(NotThere),
    #[command(hide = true)]
    ChangeQuorum(NotThere),
    #[command(hide = true)]
    Replicate(NotThere),
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyVerb {
    /// List the keys that the user owns or shares; as an admin all keys
    #[command(after_help = "Examples:
  portcullis cloudhsm-cli key list --verbose
  portcullis cloudhsm-cli key list --filter attr.key-type=aes attr.encrypt=true --max-items 25
  portcullis cloudhsm-cli key list --filter key-reference=0x4ebe96f548d4b0f1")]
    List {
        /// key-reference=0xabc or attr.NAME=VALUE; a key must meet all
        #[arg(long, num_args = 0..)]
        filter: Vec<String>,
        /// How many keys to print at the most
        #[arg(long, default_value_t = NonZeroU32::MIN.saturating_add(9))]
        max_items: NonZeroU32,
        /// The next_token of the page before
        #[arg(long)]
        starting_token: Option<String>,
        /// Print everything about each key; as an admin this has no effect
        #[arg(short, long)]
        verbose: bool,
    },
    /// Delete a key
    #[command(after_help = "Examples:
  portcullis cloudhsm-cli key delete --filter attr.label=payments
  portcullis cloudhsm-cli key delete --filter attr.id=0x1f2e3d4c")]
    Delete(OneKey),
    /// Make a key
    #[command(subcommand)]
    GenerateSymmetric(GenerateVerb),
    /// Let another crypto user use a key
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key share --filter attr.label=payments --username bob \\
      --role crypto-user")]
    Share(Sharing),
    /// Take the use of a key back
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key unshare --filter attr.label=payments --username bob \\
      --role crypto-user")]
    Unshare(Sharing),
    /// Change an attribute of a key
    #[command(after_help = "Examples:
  portcullis cloudhsm-cli key set-attribute --filter attr.label=payments --name encrypt \\
      --value false
  portcullis cloudhsm-cli key set-attribute --filter attr.label=payments --name label \\
      --value old payments")]
    SetAttribute {
        #[command(flatten)]
        key: OneKey,
        /// The attribute
        #[arg(long)]
        name: String,
        /// Its new value
        #[arg(long, num_args = 1.., required = true)]
        value: Vec<String>,
    },
    /// Wrap a key under another one
    #[command(subcommand)]
    Wrap(WrapVerb),
    /// Make a key from what was wrapped
    #[command(subcommand)]
    Unwrap(UnwrapVerb),
    /// Copy a key to a cluster that shares a backup history
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key replicate --filter attr.label=payments \\
      --source-cluster-id cluster-abcdefghijk --destination-cluster-id cluster-lmnopqrstuv

It needs a session on both clusters: CLOUDHSM_ROLE and CLOUDHSM_PIN on the first,
DESTINATION_CLOUDHSM_ROLE and DESTINATION_CLOUDHSM_PIN on the second.")]
    Replicate {
        /// key-reference=0xabc or attr.NAME=VALUE; exactly one key must meet all
        #[arg(long, num_args = 0.., required = true)]
        filter: Vec<String>,
        /// The cluster that has the key
        #[arg(long)]
        source_cluster_id: String,
        /// The cluster that shall have it
        #[arg(long)]
        destination_cluster_id: String,
    },
    #[command(hide = true)]
    GenerateAsymmetricPair(NotThere),
    #[command(hide = true)]
    GenerateFile(NotThere),
    #[command(hide = true)]
    Import(NotThere),
}

#[derive(Debug, Subcommand)]
pub(super) enum GenerateVerb {
    /// Make an AES key
    #[command(after_help = "Examples:
  portcullis cloudhsm-cli key generate-symmetric aes --label payments --key-length-bytes 32
  portcullis cloudhsm-cli key generate-symmetric aes --label wrapping --key-length-bytes 32 \\
      --attributes wrap=true unwrap=true")]
    Aes {
        /// Its label
        #[arg(long)]
        label: String,
        /// Its length: 16, 24 or 32
        #[arg(long)]
        key_length_bytes: usize,
        #[command(flatten)]
        new: NewKey,
    },
    #[command(hide = true)]
    GenericSecret(NotThere),
}

#[derive(Debug, Subcommand)]
pub(super) enum WrapVerb {
    /// AES-GCM; the initial value is printed
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key wrap aes-gcm --payload-filter attr.label=payments \\
      --wrapping-filter attr.label=wrapping --tag-length-bits 128 --aad 0x10 --path payments.bin")]
    AesGcm(WrapGcm),
    /// AES key wrap, RFC 3394
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key wrap aes-no-pad --payload-filter attr.label=payments \\
      --wrapping-filter attr.label=wrapping --path payments.bin")]
    AesNoPad(Wrap),
    /// AES key wrap with padding after PKCS #5
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key wrap aes-pkcs5-pad --payload-filter attr.label=payments \\
      --wrapping-filter attr.label=wrapping --path payments.bin")]
    AesPkcs5Pad(Wrap),
    /// AES key wrap with padding, RFC 5649
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key wrap aes-zero-pad --payload-filter attr.label=payments \\
      --wrapping-filter attr.label=wrapping --path payments.bin")]
    AesZeroPad(Wrap),
    /// AES-GCM; the initial value stands in front of the wrapped key
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key wrap cloudhsm-aes-gcm --payload-filter attr.label=payments \\
      --wrapping-filter attr.label=wrapping --tag-length-bits 128 --path payments.bin")]
    CloudhsmAesGcm(WrapGcm),
    #[command(hide = true)]
    RsaAes(NotThere),
    #[command(hide = true)]
    RsaOaep(NotThere),
    #[command(hide = true)]
    RsaPkcs(NotThere),
}

#[derive(Debug, Subcommand)]
pub(super) enum UnwrapVerb {
    /// AES-GCM
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key unwrap aes-gcm --filter attr.label=wrapping \\
      --key-type-class aes --label payments-again --data-path payments.bin \\
      --tag-length-bits 128 --aad 0x10 --iv 0x77567d4c4e0cbab100000040")]
    AesGcm {
        #[command(flatten)]
        unwrap: Unwrap,
        #[command(flatten)]
        gcm: Gcm,
        /// The initial value that `key wrap` printed, in hexadecimal
        #[arg(long)]
        iv: String,
    },
    /// AES key wrap, RFC 3394
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key unwrap aes-no-pad --filter attr.label=wrapping \\
      --key-type-class aes --label payments-again --data-path payments.bin")]
    AesNoPad(Unwrap),
    /// AES key wrap with padding after PKCS #5
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key unwrap aes-pkcs5-pad --filter attr.label=wrapping \\
      --key-type-class aes --label payments-again --data-path payments.bin")]
    AesPkcs5Pad(Unwrap),
    /// AES key wrap with padding, RFC 5649
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key unwrap aes-zero-pad --filter attr.label=wrapping \\
      --key-type-class aes --label payments-again --data-path payments.bin")]
    AesZeroPad(Unwrap),
    /// AES-GCM; the initial value stands in front of the wrapped key
    #[command(after_help = "Example:
  portcullis cloudhsm-cli key unwrap cloudhsm-aes-gcm --filter attr.label=wrapping \\
      --key-type-class aes --label payments-again --data-path payments.bin --tag-length-bits 128")]
    CloudhsmAesGcm {
        #[command(flatten)]
        unwrap: Unwrap,
        #[command(flatten)]
        gcm: Gcm,
    },
    #[command(hide = true)]
    RsaAes(NotThere),
    #[command(hide = true)]
    RsaOaep(NotThere),
    #[command(hide = true)]
    RsaPkcs(NotThere),
}

/// A user by name and role.
#[derive(Debug, Args)]
pub(super) struct UserArguments {
    /// The user's name
    #[arg(long)]
    pub(super) username: String,
    /// The user's role
    #[arg(long, value_enum)]
    pub(super) role: RoleArgument,
}

/// A user and its password.
#[derive(Debug, Args)]
pub(super) struct UserCredentials {
    #[command(flatten)]
    pub(super) user: UserArguments,
    /// The user's password, 7 to 32 characters; asked for when left out
    #[arg(long, env = "CLOUDHSM_PASSWORD", hide_env_values = true)]
    pub(super) password: Option<Secret>,
}

/// The filter of a verb that works on one key.
#[derive(Debug, Args)]
pub(super) struct OneKey {
    /// key-reference=0xabc or attr.NAME=VALUE; exactly one key must meet all
    #[arg(long, num_args = 0.., required = true)]
    pub(super) filter: Vec<String>,
    #[command(flatten)]
    pub(super) approval: Approval,
}

/// `key share` and `key unshare`.
#[derive(Debug, Args)]
pub(super) struct Sharing {
    #[command(flatten)]
    pub(super) key: OneKey,
    #[command(flatten)]
    pub(super) user: UserArguments,
}

/// What a new key is beside its label and length.
#[derive(Debug, Args)]
pub(super) struct NewKey {
    /// Attributes as NAME=VALUE
    #[arg(long, num_args = 0..)]
    pub(super) attributes: Vec<String>,
    /// Crypto users to share the key with
    #[arg(long, num_args = 0..)]
    pub(super) share_crypto_users: Vec<String>,
    /// Not there: a key that ends with the session
    #[arg(long, hide = true)]
    pub(super) session: bool,
    /// Not there above 1: users who must agree to manage the key
    #[arg(long, hide = true, default_value_t = 0)]
    pub(super) manage_key_quorum_value: u8,
    /// Not there above 1: users who must agree to use the key
    #[arg(long, hide = true, default_value_t = 0)]
    pub(super) use_key_quorum_value: u8,
}

/// The two keys of `key wrap`.
#[derive(Debug, Args)]
pub(super) struct Wrap {
    /// Selects the key to be wrapped
    #[arg(long, num_args = 0.., required = true)]
    pub(super) payload_filter: Vec<String>,
    /// Selects the key to wrap with
    #[arg(long, num_args = 0.., required = true)]
    pub(super) wrapping_filter: Vec<String>,
    /// Where to save the wrapped key too, as bytes
    #[arg(long)]
    pub(super) path: Option<PathBuf>,
    /// Not there: an approved quorum token
    #[arg(long, hide = true)]
    pub(super) payload_approval: Option<PathBuf>,
    /// Not there: an approved quorum token
    #[arg(long, hide = true)]
    pub(super) wrapping_approval: Option<PathBuf>,
}

/// `key wrap` with AES-GCM.
#[derive(Debug, Args)]
pub(super) struct WrapGcm {
    #[command(flatten)]
    pub(super) wrap: Wrap,
    #[command(flatten)]
    pub(super) gcm: Gcm,
}

/// The parameters of AES-GCM.
#[derive(Debug, Args)]
pub(super) struct Gcm {
    /// Additional authenticated data, in hexadecimal
    #[arg(long)]
    pub(super) aad: Option<String>,
    /// The length of the tag: 64 to 128, in steps of 8
    #[arg(long)]
    pub(super) tag_length_bits: u32,
}

/// `key unwrap`.
#[derive(Debug, Args)]
pub(super) struct Unwrap {
    #[command(flatten)]
    pub(super) key: OneKey,
    /// The file that has the wrapped key, as bytes
    #[arg(long, required_unless_present = "data", conflicts_with = "data")]
    pub(super) data_path: Option<PathBuf>,
    /// The wrapped key in Base64
    #[arg(long)]
    pub(super) data: Option<String>,
    /// The type and class of the wrapped key: aes
    #[arg(long)]
    pub(super) key_type_class: String,
    /// The label of the new key
    #[arg(long)]
    pub(super) label: String,
    #[command(flatten)]
    pub(super) new: NewKey,
}

/// The approval of other users, which nothing needs here.
#[derive(Debug, Args)]
pub(super) struct Approval {
    /// Not there: an approved quorum token
    #[arg(long, hide = true)]
    pub(super) approval: Option<PathBuf>,
}

/// The rest of a verb that is not there, whatever it says.
#[derive(Debug, Args)]
pub(super) struct NotThere {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<String>,
}

/// A role as the CloudHSM CLI writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleArgument {
    /// Manages users
    Admin,
    /// Owns and uses keys
    CryptoUser,
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Admin => Self::Admin,
            RoleArgument::CryptoUser => Self::CryptoUser,
        }
    }
}
