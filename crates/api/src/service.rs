//! What an operation is.

/// Which service an operation belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// AWS KMS.
    Kms,
    /// AWS CloudHSM v2.
    CloudHsm,
}

impl Service {
    /// What precedes the operation in `X-Amz-Target`.
    #[must_use]
    pub const fn target_prefix(self) -> &'static str {
        match self {
            Self::Kms => "TrentService",
            Self::CloudHsm => "BaldrApiService",
        }
    }

    /// The service's name in the credential scope of a signature.
    #[must_use]
    pub const fn signing_name(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::CloudHsm => "cloudhsm",
        }
    }

    /// How the model spells an error's text member.
    #[must_use]
    pub const fn message_member(self) -> &'static str {
        match self {
            Self::Kms => "message",
            Self::CloudHsm => "Message",
        }
    }
}

/// What a successful call answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A JSON object, possibly without members.
    Shape,
    /// Nothing: the operation has no output shape.
    Empty,
}

/// Writes [`crate::Operation`] from one row an operation.
macro_rules! operations {
    ($($variant:ident $name:literal $service:ident $reply:ident $dry_run:literal [$($code:expr),* $(,)?],)*) => {
        /// An operation of either service. Where both have one of a name, CloudHSM's has its
        /// service's name before it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $(#[doc = concat!("`", $name, "` of ", stringify!($service), ".")] $variant,)*
        }

        impl Operation {
            /// Every operation, in the order of the variants.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The operation's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The service it belongs to.
            #[must_use]
            pub const fn service(self) -> Service {
                match self { $(Self::$variant => Service::$service,)* }
            }

            /// What a successful call answers with.
            #[must_use]
            pub const fn reply(self) -> Reply {
                match self { $(Self::$variant => Reply::$reply,)* }
            }

            /// Whether it has the parameter DryRun.
            #[must_use]
            pub const fn dry_run(self) -> bool {
                match self { $(Self::$variant => $dry_run,)* }
            }

            /// The exceptions that the service model declares.
            #[must_use]
            pub const fn declared(self) -> &'static [Code] {
                match self { $(Self::$variant => &[$($code),*],)* }
            }

            /// The operation that an `X-Amz-Target` names.
            #[must_use]
            pub fn from_target(target: &str) -> Option<Self> {
                let (prefix, name) = target.split_once('.')?;
                match (prefix, name) {
                    $((prefix, $name) if prefix == Service::$service.target_prefix() => {
                        Some(Self::$variant)
                    })*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use operations;
