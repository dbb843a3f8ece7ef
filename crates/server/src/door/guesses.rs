//! How many wrong admin tokens an address may try.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

use super::token::TokenDigest;

/// Different wrong tokens that an address may send within [`WINDOW`]: more than a person mistypes,
/// and at this rate a token of 16 characters is not found.
const GUESSES_MAX: usize = 10;

/// After so long an address begins anew.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// Addresses that are remembered: 400 KiB. Of more, the one that began first is forgotten.
const ADDRESSES_MAX: usize = 1024;

/// The wrong tokens of each address.
#[derive(Debug, Default)]
pub(super) struct TokenGuesses(BTreeMap<IpAddr, Guesser>);

#[derive(Debug)]
struct Guesser {
    since: Instant,
    /// Digests of what was wrong. The same again is no guess: a page that was left open goes on
    /// sending it.
    tried: Vec<TokenDigest>,
}

/// What becomes of a token that an address sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenTrial {
    /// It is compared.
    Compared,
    /// It is known to be wrong.
    WrongAgain,
    /// The address has tried too many, and waits.
    Refused,
}

impl TokenGuesses {
    /// Rule DOOR-07: after ten different wrong tokens within a minute an address waits for the end of
    /// that minute, and what it sends meanwhile is not looked at.
    pub(super) fn trial(&self, from: IpAddr, now: Instant, token: &TokenDigest) -> TokenTrial {
        match self.0.get(&network(from)) {
            Some(guesser) if now.duration_since(guesser.since) < WINDOW => {
                if guesser.tried.contains(token) {
                    TokenTrial::WrongAgain
                } else if guesser.tried.len() >= GUESSES_MAX {
                    TokenTrial::Refused
                } else {
                    TokenTrial::Compared
                }
            }
            _ => TokenTrial::Compared,
        }
    }

    /// A token that was compared was wrong. Gives whether it is the address's first within its minute.
    pub(super) fn wrong(&mut self, from: IpAddr, now: Instant, token: TokenDigest) -> bool {
        let from = network(from);
        if let Some(guesser) = self.0.get_mut(&from)
            && now.duration_since(guesser.since) < WINDOW
        {
            guesser.tried.push(token);
            return false;
        }
        if self.0.len() >= ADDRESSES_MAX && !self.0.contains_key(&from) {
            let oldest = self.0.iter().min_by_key(|(_, guesser)| guesser.since);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.0.remove(&oldest);
            }
        }
        let guesser = Guesser {
            since: now,
            tried: vec![token],
        };
        self.0.insert(from, guesser);
        true
    }
}

/// Who counts as one: an IPv4 address, or the network of an IPv6 address, of which one machine has
/// all.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> TokenDigest {
        [number; 32]
    }

    /// Rule DOOR-07
    #[test]
    fn an_address_that_guesses_waits_and_others_do_not() {
        let [guesser, other]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|it| it.parse().unwrap());
        let mut guesses = TokenGuesses::default();
        let start = Instant::now();
        for number in 0..10 {
            assert_eq!(
                guesses.trial(guesser, start, &digest(number)),
                TokenTrial::Compared
            );
            assert_eq!(guesses.wrong(guesser, start, digest(number)), number == 0);
        }
        let right = digest(99);
        assert_eq!(guesses.trial(guesser, start, &right), TokenTrial::Refused);
        assert_eq!(guesses.trial(other, start, &right), TokenTrial::Compared);
        let later = start + WINDOW;
        assert_eq!(guesses.trial(guesser, later, &right), TokenTrial::Compared);
        assert!(guesses.wrong(guesser, later, digest(1)), "a minute anew");
    }

    /// Rule DOOR-07
    #[test]
    fn a_page_that_goes_on_sending_an_old_token_locks_no_one_out() {
        let page: IpAddr = "127.0.0.1".parse().unwrap();
        let mut guesses = TokenGuesses::default();
        let now = Instant::now();
        guesses.wrong(page, now, digest(1));
        guesses.wrong(page, now, digest(2));
        for _ in 0..100 {
            assert_eq!(guesses.trial(page, now, &digest(1)), TokenTrial::WrongAgain);
            assert_eq!(guesses.trial(page, now, &digest(2)), TokenTrial::WrongAgain);
        }
        assert_eq!(guesses.trial(page, now, &digest(3)), TokenTrial::Compared);
    }

    #[test]
    fn the_addresses_that_are_remembered_are_bounded() {
        let mut guesses = TokenGuesses::default();
        let now = Instant::now();
        for number in 0..5000_u32 {
            let address = IpAddr::V4(number.into());
            guesses.wrong(
                address,
                now + Duration::from_millis(number.into()),
                digest(1),
            );
        }
        assert_eq!(guesses.0.len(), ADDRESSES_MAX);
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
