//! The element Condition: operators, and when a request meets them.

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::context::{Context, Readings};
use crate::date;
use crate::effect::Effect;
use crate::glob::{Case, GlobPiece, Variables, Wild, matches, pieces};
use crate::malformed::{Malformed, malformed};

/// One operator applied to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyCondition {
    quantifier: Option<Quantifier>,
    operator: ComparisonOperator,
    if_exists: bool,
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

/// How many of a request's values must meet the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    ForAllValues,
    ForAnyValue,
}

/// A comparison, and whether it is meant the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ComparisonOperator {
    name: &'static str,
    test: Test,
    negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Text(Case, Wild),
    Number(Compare),
    Date(Compare),
    Truth,
    Arn,
    Address,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Every operator of the IAM JSON policy reference.
const OPERATORS: &[ComparisonOperator] = &[
    is("StringEquals", Test::Text(Case::Matters, Wild::No)),
    is_not("StringNotEquals", Test::Text(Case::Matters, Wild::No)),
    is(
        "StringEqualsIgnoreCase",
        Test::Text(Case::Ignored, Wild::No),
    ),
    is_not(
        "StringNotEqualsIgnoreCase",
        Test::Text(Case::Ignored, Wild::No),
    ),
    is("StringLike", Test::Text(Case::Matters, Wild::Yes)),
    is_not("StringNotLike", Test::Text(Case::Matters, Wild::Yes)),
    is("NumericEquals", Test::Number(Compare::Equal)),
    is_not("NumericNotEquals", Test::Number(Compare::Equal)),
    is("NumericLessThan", Test::Number(Compare::Less)),
    is("NumericLessThanEquals", Test::Number(Compare::LessOrEqual)),
    is("NumericGreaterThan", Test::Number(Compare::Greater)),
    is(
        "NumericGreaterThanEquals",
        Test::Number(Compare::GreaterOrEqual),
    ),
    is("DateEquals", Test::Date(Compare::Equal)),
    is_not("DateNotEquals", Test::Date(Compare::Equal)),
    is("DateLessThan", Test::Date(Compare::Less)),
    is("DateLessThanEquals", Test::Date(Compare::LessOrEqual)),
    is("DateGreaterThan", Test::Date(Compare::Greater)),
    is("DateGreaterThanEquals", Test::Date(Compare::GreaterOrEqual)),
    is("Bool", Test::Truth),
    is("BinaryEquals", Test::Text(Case::Matters, Wild::No)),
    is("IpAddress", Test::Address),
    is_not("NotIpAddress", Test::Address),
    // With and without Like, ARNs are compared alike: part by part, with wildcards.
    is("ArnEquals", Test::Arn),
    is("ArnLike", Test::Arn),
    is_not("ArnNotEquals", Test::Arn),
    is_not("ArnNotLike", Test::Arn),
    is("Null", Test::Null),
];

const fn is(name: &'static str, test: Test) -> ComparisonOperator {
    ComparisonOperator {
        name,
        test,
        negated: false,
    }
}

const fn is_not(name: &'static str, test: Test) -> ComparisonOperator {
    ComparisonOperator {
        name,
        test,
        negated: true,
    }
}

const FOR_ALL_VALUES: &str = "ForAllValues:";
const FOR_ANY_VALUE: &str = "ForAnyValue:";
const IF_EXISTS: &str = "IfExists";

impl PolicyCondition {
    pub(crate) fn new(name: &str, key: &str, values: Vec<String>) -> Result<Self, Malformed> {
        let unknown = || malformed(format!("There is no condition operator {name:?}."));
        let (quantifier, rest) = if let Some(rest) = without_start(name, FOR_ALL_VALUES) {
            (Some(Quantifier::ForAllValues), rest)
        } else if let Some(rest) = without_start(name, FOR_ANY_VALUE) {
            (Some(Quantifier::ForAnyValue), rest)
        } else {
            (None, name)
        };
        let (rest, if_exists) = match without_end(rest, IF_EXISTS) {
            Some(operator) => (operator, true),
            None => (rest, false),
        };
        // Rule AUTH-36: an operator is found in whichever case it is written.
        let mut operators = OPERATORS.iter();
        let operator = operators.find(|operator| operator.name.eq_ignore_ascii_case(rest));
        let operator = *operator.ok_or_else(unknown)?;
        if operator.test == Test::Null && (if_exists || quantifier.is_some()) {
            return Err(unknown());
        }
        for value in &values {
            operator.check(value)?;
        }
        Ok(Self {
            quantifier,
            operator,
            if_exists,
            key: key.to_owned(),
            values,
        })
    }

    /// The operator as it is written.
    pub(crate) fn operator(&self) -> String {
        let quantifier = match self.quantifier {
            None => "",
            Some(Quantifier::ForAllValues) => FOR_ALL_VALUES,
            Some(Quantifier::ForAnyValue) => FOR_ANY_VALUE,
        };
        let if_exists = if self.if_exists { IF_EXISTS } else { "" };
        format!("{quantifier}{}{if_exists}", self.operator.name)
    }

    /// Whether a request meets it, in a statement of this effect. `variables` as in [`pieces`].
    ///
    /// Rule AUTH-38: where it is not certain which of several values a key has, every reading must be
    /// met to permit, and one suffices to deny.
    pub(crate) fn holds(
        &self,
        context: &Context,
        variables: Option<&Context>,
        effect: Effect,
    ) -> bool {
        let given = context.readings(&self.key);
        let variables = variables.map(|it| Variables::new(it, effect, self.operator.negated));
        if self.operator.test == Test::Null {
            let is_absent = matches!(given, Readings::Absent);
            return self.wants_absence(is_absent);
        }
        match (given, effect) {
            (Readings::Absent, _) => self.holds_without(),
            (Readings::Values(values), _) => self.compares(values, variables),
            (Readings::OneOf(values), Effect::Allow) => values
                .iter()
                .all(|value| self.compares(std::slice::from_ref(value), variables)),
            (Readings::OneOf(values), Effect::Deny) => values
                .iter()
                .any(|value| self.compares(std::slice::from_ref(value), variables)),
        }
    }

    fn wants_absence(&self, is_absent: bool) -> bool {
        let absent = if is_absent { "true" } else { "false" };
        self.values.iter().any(|it| it.eq_ignore_ascii_case(absent))
    }

    /// Whether a request meets it that does not have the key.
    ///
    /// Rule AUTH-36: without a value nothing differs more than a negated comparison asks for; for all
    /// of no values everything is true.
    pub(crate) fn holds_without(&self) -> bool {
        if self.operator.test == Test::Null {
            return self.wants_absence(true);
        }
        self.if_exists
            || match self.quantifier {
                None => self.operator.negated,
                Some(Quantifier::ForAllValues) => true,
                Some(Quantifier::ForAnyValue) => false,
            }
    }

    /// Whether it is asked of all values of a key, and so holds where there is none.
    pub(crate) const fn is_for_all_values(&self) -> bool {
        matches!(self.quantifier, Some(Quantifier::ForAllValues))
    }

    fn compares(&self, given: &[String], variables: Option<Variables<'_>>) -> bool {
        let meets = |value: &String| {
            let any = self
                .values
                .iter()
                .any(|wanted| self.operator.test.matches(wanted, value, variables));
            any != self.operator.negated
        };
        match self.quantifier {
            Some(Quantifier::ForAllValues) => given.iter().all(meets),
            Some(Quantifier::ForAnyValue) => given.iter().any(meets),
            // A key of several values without a quantifier: one that matches is enough, and a
            // negated comparison wants none that does.
            None if self.operator.negated => given.iter().all(meets),
            None => given.iter().any(meets),
        }
    }
}

/// What follows `start`, whatever its case.
fn without_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

/// What stands before `end`, whatever its case.
fn without_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    tail.eq_ignore_ascii_case(end).then_some(rest)
}

impl ComparisonOperator {
    /// Whether a policy may compare with this value.
    fn check(&self, value: &str) -> Result<(), Malformed> {
        // A variable has its value only when the policy is evaluated.
        let fits = value.contains("${")
            || match self.test {
                Test::Text(..) | Test::Arn => true,
                Test::Number(_) => value.parse::<f64>().is_ok_and(f64::is_finite),
                Test::Date(_) => date::parse(value).is_some(),
                Test::Truth | Test::Null => truth(value).is_some(),
                Test::Address => network(value).is_some(),
            };
        if fits {
            return Ok(());
        }
        let name = self.name;
        Err(malformed(format!("{name} cannot compare with {value:?}.")))
    }
}

impl Test {
    /// Whether a request's value is what a policy wants.
    fn matches(self, wanted: &str, value: &str, variables: Option<Variables<'_>>) -> bool {
        let wild = match self {
            Self::Text(_, wild) => wild,
            Self::Arn => return arn(wanted, value, variables),
            Self::Number(_) | Self::Date(_) | Self::Truth | Self::Address | Self::Null => Wild::No,
        };
        let Some(wanted_pieces) = pieces(wanted, wild, variables) else {
            return false;
        };
        if wanted_pieces == [GlobPiece::Run] {
            return true;
        }
        match self {
            Self::Text(case, _) => return matches(&wanted_pieces, value, case),
            Self::Number(_) | Self::Date(_) | Self::Truth | Self::Address => {}
            Self::Arn | Self::Null => return false,
        }
        let wanted: String = wanted_pieces
            .iter()
            .filter_map(|piece| match piece {
                GlobPiece::Letter(letter) => Some(*letter),
                GlobPiece::One | GlobPiece::Run => None,
            })
            .collect();
        self.compares(&wanted, value).unwrap_or(false)
    }

    /// Compares as numbers, dates and so on; none when one of the two is nothing of that kind.
    fn compares(self, wanted: &str, value: &str) -> Option<bool> {
        match self {
            Self::Number(compare) => {
                let (wanted, value): (f64, f64) = (wanted.parse().ok()?, value.parse().ok()?);
                Some(compare.holds(value.partial_cmp(&wanted)?))
            }
            Self::Date(compare) => {
                let ordering = date::parse(value)?.cmp(&date::parse(wanted)?);
                Some(compare.holds(ordering))
            }
            Self::Truth => Some(truth(value)? == truth(wanted)?),
            Self::Address => {
                let (network, bits) = network(wanted)?;
                Some(within(value.parse().ok()?, network, bits))
            }
            Self::Text(..) | Self::Arn | Self::Null => None,
        }
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// ARNs are compared part by part: a `*` reaches no further than its colon, but for the last part.
fn arn(wanted: &str, value: &str, variables: Option<Variables<'_>>) -> bool {
    const PARTS: usize = 6;
    let Some(wanted) = pieces(wanted, Wild::Yes, variables) else {
        return false;
    };
    // `*` alone is a whole ARN of its own.
    if wanted == [GlobPiece::Run] {
        return true;
    }
    let mut wanted_parts = wanted.splitn(PARTS, |piece| *piece == GlobPiece::Letter(':'));
    let mut value_parts = value.splitn(PARTS, ':');
    for _ in 0..PARTS {
        let (Some(wanted), Some(value)) = (wanted_parts.next(), value_parts.next()) else {
            return false;
        };
        if !matches(wanted, value, Case::Matters) {
            return false;
        }
    }
    true
}

/// An address, or a range as `10.0.0.0/8`.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        None => (text, None),
        Some((address, bits)) => (address, Some(bits)),
    };
    let address: IpAddr = address.parse().ok()?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(whole), |bits| bits.parse().ok())?;
    (bits <= whole).then_some((address, bits))
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (one, other, whole) = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (u128::from(one.to_bits()), u128::from(other.to_bits()), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let dropped = whole - bits;
    one.checked_shr(dropped).unwrap_or(0) == other.checked_shr(dropped).unwrap_or(0)
}
