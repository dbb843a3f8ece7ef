//! Finds many secrets at once, in a time that hardly depends on how many there are.
//!
//! A bit for the first bytes of every secret passes over nearly everything that is none of them;
//! what is left is compared. Texts show bytes as text, in hexadecimal digits or as a list of
//! numbers: those are turned into bytes, instead of every secret into every form.

use std::collections::BTreeSet;

use crate::DiskImage;
use crate::disk_image::PIECE_BYTES;

/// So many zeros in a row are passed over at once.
const ZEROS: usize = 16;

/// Bits of the filter: with a thousand secrets, one position in two hundred is compared in vain.
const FILTER_BITS: u32 = 18;

/// Some of the secrets with their kinds.
pub(crate) struct Finder<'a> {
    whole: Index<'a>,
    /// All of them without their first and last byte, for lists of numbers.
    inner: Index<'a>,
}

/// Secrets in the order of their first bytes.
struct Index<'a> {
    filter: Vec<u64>,
    long: Vec<(u32, Wanted<'a>)>,
    /// Those that are too short for the filter.
    short: Vec<Wanted<'a>>,
    /// How many zeros a secret begins with at most.
    zeros: usize,
    shortest: usize,
    longest: usize,
}

#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// What is looked for.
    part: &'a [u8],
    secret: &'a [u8],
    kind: &'static str,
}

/// The kinds of what was found.
type Kinds = BTreeSet<&'static str>;

impl<'a> Finder<'a> {
    pub(crate) fn new(secrets: &[(&'a [u8], &'static str)]) -> Self {
        let secrets = secrets.iter().filter(|(secret, _)| !secret.is_empty());
        let wanted = |(secret, kind): &(&'a [u8], &'static str)| Wanted {
            part: secret,
            secret,
            kind,
        };
        let whole: Vec<Wanted<'a>> = secrets.map(wanted).collect();
        let inner = whole.iter().map(|wanted| {
            let last = wanted.secret.len() - 1;
            let part = wanted.secret.get(1..last).unwrap_or_default();
            Wanted { part, ..*wanted }
        });
        Self {
            inner: Index::new(inner.collect()),
            whole: Index::new(whole),
        }
    }

    /// The kinds of secrets that stand in `text`, in whichever form.
    pub(crate) fn in_text(&self, text: &str) -> Kinds {
        let mut kinds = Kinds::new();
        let bytes = text.as_bytes();
        self.whole.find(bytes, |wanted| {
            kinds.insert(wanted.kind);
        });
        for run in bytes.split(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            // Most are parts of words.
            if run.len() / 2 < self.whole.shortest {
                continue;
            }
            // The digits of a byte may begin at an odd place.
            for digits in [Some(run), run.get(1..)].into_iter().flatten() {
                self.whole.find(&of_digits(digits), |wanted| {
                    kinds.insert(wanted.kind);
                });
            }
        }
        let short = self.inner.short.iter();
        let mut perhaps: Vec<_> = short.filter(|one| one.part.is_empty()).copied().collect();
        for run in bytes.split(|byte| !matches!(byte, b'0'..=b'9' | b',' | b' ')) {
            each_list(run, |list| self.inner.find(list, |one| perhaps.push(one)));
        }
        // The digits before and after a list may belong to something else.
        for wanted in perhaps {
            let list = format!("{:?}", wanted.secret);
            if text.contains(list.trim_matches(['[', ']'])) {
                kinds.insert(wanted.kind);
            }
        }
        kinds
    }

    /// The kinds of secrets that lie on `medium`. What `seen` has as well was looked at before.
    pub(crate) fn in_medium(&self, medium: &DiskImage, seen: Option<&DiskImage>) -> Kinds {
        let mut kinds = Kinds::new();
        let known = |number| seen.is_some_and(|seen| seen.shares(medium, number));
        let was_empty = |number| seen.is_none_or(|seen| seen.piece(number).is_none());
        let all_zeros = self.whole.zeros == PIECE_BYTES;
        let is_empty = |number| !all_zeros && medium.piece(number).is_none() && was_empty(number);
        let mut window = Vec::new();
        let mut number = 0;
        while number < medium.pieces() {
            if known(number) || is_empty(number) {
                number += 1;
                continue;
            }
            // As many in a row as there are, with what a secret may share with the neighbours.
            let first = number;
            while number < medium.pieces() && !known(number) && !is_empty(number) {
                number += 1;
            }
            let margin = self.whole.longest;
            let from = (first * PIECE_BYTES).saturating_sub(margin);
            window.clear();
            let bytes = number * PIECE_BYTES + margin - from;
            medium.append_to(&mut window, from, bytes);
            self.whole.find(&window, |wanted| {
                kinds.insert(wanted.kind);
            });
        }
        kinds
    }
}

impl<'a> Index<'a> {
    fn new(wanted: Vec<Wanted<'a>>) -> Self {
        let mut index = Self {
            filter: vec![0; 1 << (FILTER_BITS - 6)],
            long: Vec::with_capacity(wanted.len()),
            short: Vec::new(),
            zeros: 0,
            shortest: usize::MAX,
            longest: 0,
        };
        for one in wanted {
            let zeros = one.part.iter().take_while(|byte| **byte == 0).count();
            index.zeros = index.zeros.max(if zeros == one.part.len() {
                PIECE_BYTES
            } else {
                zeros
            });
            index.shortest = index.shortest.min(one.part.len());
            index.longest = index.longest.max(one.part.len());
            let Some(prefix) = prefix(one.part) else {
                index.short.push(one);
                continue;
            };
            let (word, bit) = slot(prefix);
            if let Some(word) = index.filter.get_mut(word) {
                *word |= bit;
            }
            index.long.push((prefix, one));
        }
        index.long.sort_unstable_by_key(|(prefix, _)| *prefix);
        index
    }

    /// Tells every secret that `bytes` contain.
    fn find(&self, bytes: &[u8], mut found: impl FnMut(Wanted<'a>)) {
        for one in self.short.iter().filter(|one| !one.part.is_empty()) {
            if bytes
                .windows(one.part.len())
                .any(|window| window == one.part)
            {
                found(*one);
            }
        }
        let mut next = 0;
        while let Some(prefix) = bytes.get(next..).and_then(prefix) {
            let at = next;
            next += 1;
            if prefix == 0
                && let Some(further) = self.past_zeros(bytes, at)
            {
                next = further;
                continue;
            }
            let (word, bit) = slot(prefix);
            if self.filter.get(word).is_none_or(|word| word & bit == 0) {
                continue;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let from = self.long.partition_point(|(other, _)| *other < prefix);
            let candidates = self.long.get(from..).unwrap_or_default().iter();
            candidates
                .take_while(|(other, _)| *other == prefix)
                .filter(|(_, one)| rest.starts_with(one.part))
                .for_each(|(_, one)| found(*one));
        }
    }

    /// Where a secret may begin again, if there are many zeros at `at`: nearly everything on a disk
    /// is zeros. A secret that begins among the first of them would begin with more than any does.
    fn past_zeros(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let run: &[u8; ZEROS] = bytes.get(at..)?.first_chunk()?;
        let passed = ZEROS.checked_sub(self.zeros)?;
        (passed > 0 && *run == [0; ZEROS]).then(|| at + passed)
    }
}

fn prefix(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|four| u32::from_le_bytes(*four))
}

/// Where the bit of a prefix lies in the filter.
fn slot(prefix: u32) -> (usize, u64) {
    let hash = prefix.wrapping_mul(0x9e37_79b1) >> (u32::BITS - FILTER_BITS);
    let word = usize::try_from(hash >> 6).unwrap_or(usize::MAX);
    (word, 1 << (hash & 63))
}

/// The bytes that pairs of lowercase digits stand for.
fn of_digits(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'0') & 15,
    };
    let (pairs, _odd) = digits.as_chunks::<2>();
    pairs
        .iter()
        .map(|[high, low]| value(*high) << 4 | value(*low))
        .collect()
}

/// Tells the bytes that numbers with a comma and a space between them stand for.
fn each_list(run: &[u8], mut tell: impl FnMut(&[u8])) {
    if !run.contains(&b',') {
        return;
    }
    let mut list = Vec::new();
    for (place, number) in run.split(|byte| *byte == b',').enumerate() {
        let digits = if place == 0 {
            Some(number)
        } else {
            number.strip_prefix(b" ")
        };
        let value = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if let Some(byte) = value {
            list.push(byte);
        } else {
            tell(&list);
            list.clear();
        }
    }
    tell(&list);
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    /// What the finder must find, in the simplest words.
    fn stands_in(secret: &[u8], text: &str) -> bool {
        let hex = HEXLOWER.encode(secret);
        let list = format!("{secret:?}");
        let mut windows = text.as_bytes().windows(secret.len());
        windows.any(|bytes| bytes == secret)
            || text.contains(&hex)
            || text.contains(list.trim_matches(['[', ']']))
    }

    fn secret() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(prop_oneof![Just(0_u8), Just(7), Just(12), Just(120)], 1..9),
            prop::collection::vec(any::<u8>(), 1..40),
            "[a-c1]{1,9}".prop_map(String::into_bytes),
        ]
    }

    /// A form of a secret, perhaps cut short, between other things that look like one.
    fn text() -> impl Strategy<Value = (Vec<u8>, String)> {
        let around = "[0-9a-c, \\[\\]]{0,6}";
        (secret(), 0_u8..3, around, around, 0_usize..3).prop_map(
            |(secret, form, before, after, cut)| {
                let form = match form {
                    0 => String::from_utf8_lossy(&secret).into_owned(),
                    1 => HEXLOWER.encode(&secret),
                    _ => format!("{secret:?}").trim_matches(['[', ']']).to_owned(),
                };
                let kept: String = form.chars().skip(cut).collect();
                (secret, format!("{before}{kept}{after}"))
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Rule SIM-06: no less is found than by looking for each form of each secret.
        #[test]
        fn every_form_in_a_text_is_found_and_nothing_else(
            texts in prop::collection::vec(text(), 1..4),
            other in secret(),
        ) {
            let text: String = texts.iter().map(|(_, text)| text.as_str()).collect();
            let secrets = texts.iter().map(|(secret, _)| secret).chain([&other]);
            for secret in secrets {
                let finder = Finder::new(&[(secret, "it"), (b"something else", "other")]);
                let found = finder.in_text(&text);
                let is_there = stands_in(secret, &text);
                prop_assert_eq!(found.contains("it"), is_there, "{:?} in {}", secret, text);
                prop_assert!(!found.contains("other"));
            }
        }

        /// Rule SIM-06
        #[test]
        fn a_secret_on_a_disk_is_found_wherever_it_lies(
            secret in secret(),
            at in prop_oneof![0_usize..20_000, 4_080_usize..4_100, 8_180_usize..8_195],
            writes in prop::collection::vec((0_usize..20_000, any::<u8>()), 0..4),
            again in any::<bool>(),
        ) {
            let mut medium = DiskImage::default();
            medium.resize(20_000);
            for (at, byte) in &writes {
                medium.write(*at, &[*byte; 300]);
            }
            let seen = again.then(|| medium.clone());
            let finder = Finder::new(&[(&secret, "it")]);
            let before = !finder.in_medium(&medium, None).is_empty();
            medium.write(at, &secret);
            let bytes = medium.to_vec();
            let is_there = bytes.windows(secret.len()).any(|window| window == secret);
            prop_assert_eq!(!finder.in_medium(&medium, None).is_empty(), is_there);
            if !before && is_there {
                prop_assert!(!finder.in_medium(&medium, seen.as_ref()).is_empty());
            }
        }
    }
}
