//! Wildcards and policy variables in the texts of a policy.

use crate::context::{Context, Readings};
use crate::effect::Effect;

/// Whether upper and lower case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Matters,
    Ignored,
}

/// Whether `*` and `?` stand for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wild {
    Yes,
    No,
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GlobPiece {
    Letter(char),
    /// `?`: exactly one character.
    One,
    /// `*`: any number of characters, none included.
    Run,
}

/// Where the policy variables of an element have their values from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variables<'a> {
    context: &'a Context,
    /// Whether a text fits in which a variable has one of several values, and it is not certain which.
    unclear_fits: bool,
}

impl<'a> Variables<'a> {
    /// For an element of a statement of `effect` that is met by what fits, or, `negated`, by what does
    /// not.
    ///
    /// Rule AUTH-38: what is not certain denies, and does not permit.
    pub(crate) fn new(context: &'a Context, effect: Effect, negated: bool) -> Self {
        Self {
            context,
            unclear_fits: (effect == Effect::Deny) != negated,
        }
    }
}

/// What stands in place of a variable.
enum Value<'a> {
    Text(&'a str),
    Nothing,
    Unclear,
}

/// Takes a pattern apart, with its policy variables filled in; none when a variable has no value,
/// because then the element it stands in matches nothing.
///
/// `variables` is absent for a policy whose Version knows no variables: their text then stands for
/// itself. What a variable is replaced by is never a wildcard. A pattern that is not certain but must
/// fit is one [`GlobPiece::Run`], whatever `wild` says.
pub(crate) fn pieces(
    text: &str,
    wild: Wild,
    variables: Option<Variables<'_>>,
) -> Option<Vec<GlobPiece>> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let (Some(variables), Some((variable, after))) = (variables, variable(rest)) {
            match value(variable, variables.context) {
                Value::Text(value) => pieces.extend(value.chars().map(GlobPiece::Letter)),
                Value::Unclear if variables.unclear_fits => return Some(vec![GlobPiece::Run]),
                Value::Nothing | Value::Unclear => return None,
            }
            rest = after;
            continue;
        }
        pieces.push(match (wild, letter) {
            (Wild::Yes, '*') => GlobPiece::Run,
            (Wild::Yes, '?') => GlobPiece::One,
            (_, letter) => GlobPiece::Letter(letter),
        });
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
    }
    Some(pieces)
}

/// `${name}` at the start of `text`, and what follows it.
fn variable(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("${")?.split_once('}')
}

/// The value of a variable: `name`, or `name, 'default'`; `*`, `?` and `$` stand for themselves.
fn value<'a>(variable: &'a str, context: &'a Context) -> Value<'a> {
    if matches!(variable, "*" | "?" | "$") {
        return Value::Text(variable);
    }
    let (name, default) = match variable.split_once(',') {
        None => (variable, None),
        Some((name, default)) => (
            name,
            default
                .trim()
                .strip_prefix('\'')
                .and_then(|text| text.strip_suffix('\'')),
        ),
    };
    match context.readings(name.trim()) {
        Readings::Values([one]) => Value::Text(one),
        // A key of several values is no variable.
        Readings::Values(_) => Value::Nothing,
        Readings::OneOf(_) => Value::Unclear,
        Readings::Absent => default.map_or(Value::Nothing, Value::Text),
    }
}

/// Whether `pieces` match the whole of `text`.
///
/// Cost: at most the product of the two lengths, because only the last `*` is ever tried again.
pub(crate) fn matches(pieces: &[GlobPiece], text: &str, case: Case) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from) = (0, 0);
    // Where to go on when what follows the last `*` does not match: behind it, one letter later.
    let mut again: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(from) {
        let fits = match pieces.get(at) {
            Some(GlobPiece::Run) => {
                again = Some((at + 1, from));
                at += 1;
                continue;
            }
            Some(GlobPiece::One) => true,
            Some(GlobPiece::Letter(wanted)) => same(*wanted, *letter, case),
            None => false,
        };
        if fits {
            at += 1;
            from += 1;
            continue;
        }
        let Some((behind, tried)) = again else {
            return false;
        };
        again = Some((behind, tried + 1));
        (at, from) = (behind, tried + 1);
    }
    let left = pieces.get(at..).unwrap_or_default();
    left.iter().all(|piece| *piece == GlobPiece::Run)
}

fn same(one: char, other: char, case: Case) -> bool {
    match case {
        Case::Matters => one == other,
        Case::Ignored => one == other || one.to_lowercase().eq(other.to_lowercase()),
    }
}
