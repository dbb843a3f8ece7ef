use portcullis_api::{Exception, Operation, cloudhsm, kms, validate_given};

use crate::built::built_operations;
use crate::decode::json;

macro_rules! inputs {
    ($($operation:ident $service:ident.$method:ident($input:ty) $effect:ident $reply:ident $({ $($row:tt)* })?;)*) => {
        /// A built operation with its input, whose form is permitted.
        #[derive(Debug)]
        pub enum Input {
            $(
                #[doc = concat!("The input of ", stringify!($operation), ".")]
                $operation($input),
            )*
        }

        impl Input {
            /// Reads the input of `operation` from a body and checks its constraints.
            ///
            /// # Errors
            /// SerializationException, ValidationException.
            pub(crate) fn decode(operation: Operation, body: &[u8]) -> Result<Self, Exception> {
                match operation {
                    $(Operation::$operation => {
                        let input: $input = json(operation.name(), body)?;
                        validate_given(&input, || serde_json::from_slice(body).ok())?;
                        Ok(Self::$operation(input))
                    })*
                }
            }

            /// The operation.
            #[must_use]
            pub const fn operation(&self) -> Operation {
                match self { $(Self::$operation(_) => Operation::$operation,)* }
            }

            /// What a caller must be permitted to do.
            #[must_use]
            pub fn concern(&self) -> portcullis_kms::Concern<'_> {
                match self { $(Self::$operation(input) => portcullis_kms::Concerns::concern(input),)* }
            }

            /// Whether a call leaves something changed.
            #[must_use]
            pub const fn changes_something(&self) -> bool {
                match self { $(Self::$operation(_) => inputs!(@changes $effect),)* }
            }
        }

        /// Whether a call of `operation` leaves something changed.
        pub(crate) const fn changes(operation: Operation) -> bool {
            match operation {
                $(Operation::$operation => inputs!(@changes $effect),)*
            }
        }

        /// The operations of the table, with whether the reply is an object.
        #[cfg(test)]
        const BUILT: &[(Operation, bool)] =
            &[$((Operation::$operation, inputs!(@object $reply)),)*];
    };
    (@changes changes) => { true };
    (@changes reads) => { false };
    (@object object) => { true };
    (@object empty) => { false };
}

built_operations!(inputs);

#[cfg(test)]
mod tests {
    use portcullis_api::Reply;

    use super::*;

    /// Rule WIRE-19.
    #[test]
    fn each_built_operation_replies_as_its_model_says() {
        for (operation, object) in BUILT {
            assert_eq!(operation.reply() == Reply::Shape, *object, "{operation:?}");
        }
    }

    /// Rule WIRE-12.
    #[test]
    fn every_operation_of_both_models_is_built() {
        assert_eq!(BUILT.len(), Operation::ALL.len());
    }
}
