use std::str::FromStr;

/// An operation that the load consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Encrypt a payload.
    Encrypt,
    /// Decrypt a ciphertext that was kept from before.
    Decrypt,
    /// GenerateDataKey of a key of 256 bits (`AES_256`).
    GenerateDataKey,
}

impl Operation {
    pub(crate) const ALL: [Self; 3] = [Self::Encrypt, Self::Decrypt, Self::GenerateDataKey];

    /// The name in the KMS API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
            Self::GenerateDataKey => "GenerateDataKey",
        }
    }

    /// The word of the command line and of file names.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::GenerateDataKey => "generate-data-key",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.word() == word)
    }
}

/// One value for each operation.
#[derive(Debug, Default)]
pub(crate) struct PerOperation<T> {
    encrypt: T,
    decrypt: T,
    generate_data_key: T,
}

impl<T> PerOperation<T> {
    pub(crate) fn with(mut make: impl FnMut() -> T) -> Self {
        Self {
            encrypt: make(),
            decrypt: make(),
            generate_data_key: make(),
        }
    }

    pub(crate) const fn of(&self, operation: Operation) -> &T {
        match operation {
            Operation::Encrypt => &self.encrypt,
            Operation::Decrypt => &self.decrypt,
            Operation::GenerateDataKey => &self.generate_data_key,
        }
    }

    pub(crate) const fn of_mut(&mut self, operation: Operation) -> &mut T {
        match operation {
            Operation::Encrypt => &mut self.encrypt,
            Operation::Decrypt => &mut self.decrypt,
            Operation::GenerateDataKey => &mut self.generate_data_key,
        }
    }

    /// In the order of [`Operation::ALL`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Operation, &T)> {
        Operation::ALL
            .into_iter()
            .map(|operation| (operation, self.of(operation)))
    }
}

/// The shares of the operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix(Vec<(Operation, u32)>);

impl Mix {
    /// The operation for `draw`, an even random number.
    pub(crate) fn choose(&self, draw: u64) -> Operation {
        let mut rest = draw % self.total();
        for (operation, share) in &self.0 {
            if rest < u64::from(*share) {
                return *operation;
            }
            rest -= u64::from(*share);
        }
        Operation::Encrypt
    }

    fn total(&self) -> u64 {
        self.0
            .iter()
            .map(|(_, share)| u64::from(*share))
            .sum::<u64>()
            .max(1)
    }
}

impl FromStr for Mix {
    type Err = String;

    /// Reads `encrypt=70,decrypt=20,generate-data-key=10`. Shares need not add up to 100.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut shares: Vec<(Operation, u32)> = Vec::new();
        for part in text.split(',') {
            let (word, share) = part.split_once('=').unwrap_or((part, "1"));
            let operation = Operation::from_word(word.trim()).ok_or_else(|| {
                format!("{word:?} is not one of encrypt, decrypt and generate-data-key.")
            })?;
            let share = share.trim().parse().map_err(|_not_a_number| {
                format!("{share:?} is not a share. Write a whole number, e.g. encrypt=70.")
            })?;
            if shares.iter().any(|(named, _)| *named == operation) {
                return Err(format!("{word} stands in the mix twice."));
            }
            shares.push((operation, share));
        }
        if shares.iter().all(|(_, share)| *share == 0) {
            return Err("Every share of the mix is 0. Give at least one more than 0.".to_owned());
        }
        Ok(Self(shares))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_divides_the_draws_by_its_shares() {
        let mix: Mix = "encrypt=70,decrypt=20,generate-data-key=10"
            .parse()
            .unwrap();
        for operation in Operation::ALL {
            let chosen = (0..100)
                .filter(|draw| mix.choose(*draw) == operation)
                .count();
            let expected = match operation {
                Operation::Encrypt => 70,
                Operation::Decrypt => 20,
                Operation::GenerateDataKey => 10,
            };
            assert_eq!(chosen, expected, "{operation:?}");
        }
    }

    #[test]
    fn a_mix_that_makes_no_sense_is_refused() {
        for text in [
            "",
            "encrypt=0",
            "sign=3",
            "encrypt=x",
            "encrypt=1,encrypt=2",
        ] {
            assert!(text.parse::<Mix>().is_err(), "{text}");
        }
        assert!("decrypt".parse::<Mix>().is_ok());
    }
}
