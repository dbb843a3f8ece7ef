//! Checks a request against the constraints of the service model.

use std::fmt::Write;

use regex::Regex;

use crate::values::SecretText;
use crate::{Blob, Code, Exception, Given, SecretBlob};

/// A violated constraint each, as far as they are listed.
const LISTED_MAX: usize = 10;

/// A request whose members have constraints.
pub trait Validate {
    /// Adds what is violated.
    fn check(&self, at: &mut Violations);
}

/// Checks a whole request. Rule WIRE-20: the service checks what clients do not. Rule CONF-03: all
/// violations are told at once.
///
/// # Errors
/// ValidationException with every violation, up to ten, in the service's form.
pub fn validate(request: &impl Validate) -> Result<(), Exception> {
    validate_given(request, || None)
}

/// The same of a request that was read from a body; `given` says which members that has, and is asked
/// only when something is violated.
///
/// Rule WIRE-63: a member that is there and empty is told by its length, and not as missing.
///
/// # Errors
/// As [`validate`].
pub fn validate_given(
    request: &impl Validate,
    given: impl FnOnce() -> Option<Given>,
) -> Result<(), Exception> {
    let mut found = Violations::default();
    request.check(&mut found);
    if found.count > 0 {
        found = Violations {
            given: given(),
            ..Violations::default()
        };
        request.check(&mut found);
    }
    if found.count == 0 {
        return Ok(());
    }
    let noun = if found.count == 1 { "error" } else { "errors" };
    let text = format!("{} validation {noun} detected: {}", found.count, found.text);
    Err(Exception::new(Code::Validation, text))
}

/// What is violated so far, and where the checks have arrived.
#[derive(Debug, Default)]
pub struct Violations {
    count: usize,
    text: String,
    path: String,
    /// Which members the body has; not known of a request that was made here.
    given: Option<Given>,
}

/// A text's constraints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) pattern: Option<&'static Pattern>,
    /// The permitted values; any when empty.
    pub(crate) values: &'static [&'static str],
    /// The value does not appear in the message.
    pub(crate) secret: bool,
}

impl Text {
    pub(crate) const ANY: Self = Self {
        min: 0,
        max: usize::MAX,
        pattern: None,
        values: &[],
        secret: false,
    };
}

/// A pattern that a whole value must match, compiled when first needed.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: &'static str,
    compiled: std::sync::OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(crate) const fn new(source: &'static str) -> Self {
        Self {
            source,
            compiled: std::sync::OnceLock::new(),
        }
    }

    /// Rule WIRE-21: a pattern must match the whole value.
    fn matches(&self, value: &str) -> bool {
        let compile = || Regex::new(&format!(r"\A(?:{})\z", self.source)).ok();
        // A pattern that does not compile is found by a test of every pattern.
        self.compiled
            .get_or_init(compile)
            .as_ref()
            .is_none_or(|regex| regex.is_match(value))
    }

    #[cfg(test)]
    pub(crate) fn compiles(&self) -> bool {
        self.matches("");
        self.compiled.get().is_some_and(Option::is_some)
    }
}

/// Something that can be left out.
pub(crate) trait Emptiness {
    fn is_empty(&self) -> bool;
}

impl Emptiness for String {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl Emptiness for SecretText {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl Emptiness for Blob {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Emptiness for SecretBlob {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Emptiness for Vec<T> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl Violations {
    /// A required member, unless it is missing. An empty one counts as missing where the body is not
    /// known.
    pub(crate) fn present<'m, T: Emptiness>(&self, name: &str, member: &'m T) -> Option<&'m T> {
        let is_given = || {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{name}", self.path);
            self.given.as_ref().is_some_and(|given| given.has(&path))
        };
        (!member.is_empty() || is_given()).then_some(member)
    }

    /// Rule WIRE-64: a value is quoted whole.
    fn add(&mut self, name: &str, value: &str, constraint: &str) {
        self.add_shown(name, &format!("'{value}' "), constraint);
    }

    /// `shown` ends in a space unless it is empty.
    fn add_shown(&mut self, name: &str, shown: &str, constraint: &str) {
        self.count += 1;
        if self.count > LISTED_MAX {
            return;
        }
        if self.count > 1 {
            self.text.push_str("; ");
        }
        let dot = if self.path.is_empty() { "" } else { "." };
        // Writing to a String cannot fail.
        let _written = write!(
            self.text,
            "Value {shown}at '{}{dot}{name}' failed to satisfy constraint: {constraint}",
            self.path
        );
    }

    pub(crate) fn required(&mut self, name: &str, is_present: bool) {
        if !is_present {
            // Unlike every other value it has no quotes in the service's text.
            self.add_shown(name, "null ", "Member must not be null");
        }
    }

    pub(crate) fn text(&mut self, name: &str, value: Option<&str>, rule: &Text) {
        let Some(value) = value else { return };
        // Rule WIRE-22: a sensitive value is not repeated in a message, nor is anything in its place.
        let shown = if rule.secret {
            String::new()
        } else {
            format!("'{value}' ")
        };
        let characters = value.chars().count();
        if characters < rule.min {
            let least = format!(
                "Member must have length greater than or equal to {}",
                rule.min
            );
            self.add_shown(name, &shown, &least);
        }
        if characters > rule.max {
            let most = format!("Member must have length less than or equal to {}", rule.max);
            self.add_shown(name, &shown, &most);
        }
        if let Some(pattern) = rule.pattern
            && !pattern.matches(value)
        {
            let form = format!(
                "Member must satisfy regular expression pattern: {}",
                pattern.source
            );
            self.add_shown(name, &shown, &form);
        }
        if !rule.values.is_empty() && !rule.values.contains(&value) {
            let set = format!(
                "Member must satisfy enum value set: [{}]",
                rule.values.join(", ")
            );
            self.add_shown(name, &shown, &set);
        }
    }

    /// Rule WIRE-22: bytes are told without their value, sensitive or not.
    pub(crate) fn bytes(&mut self, name: &str, size: Option<usize>, min: usize, max: usize) {
        self.length(name, size, (min, max), "");
    }

    /// A list or a map. Of one that is too long no service shows what it has.
    pub(crate) fn entries(&mut self, name: &str, size: Option<usize>, min: usize, max: usize) {
        let shown = if size == Some(0) { "'[]' " } else { "" };
        self.length(name, size, (min, max), shown);
    }

    fn length(&mut self, name: &str, size: Option<usize>, (min, max): (usize, usize), shown: &str) {
        let Some(size) = size else { return };
        if size < min {
            let least = format!("Member must have length greater than or equal to {min}");
            self.add_shown(name, shown, &least);
        }
        if size > max {
            let most = format!("Member must have length less than or equal to {max}");
            self.add_shown(name, shown, &most);
        }
    }

    pub(crate) fn number(&mut self, name: &str, value: Option<i64>, min: i64, max: i64) {
        let Some(value) = value else { return };
        let shown = value.to_string();
        if value < min {
            let least = format!("Member must have value greater than or equal to {min}");
            self.add(name, &shown, &least);
        }
        if value > max {
            let most = format!("Member must have value less than or equal to {max}");
            self.add(name, &shown, &most);
        }
    }

    pub(crate) fn nested<T: Validate>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.within(name, |at| value.check(at));
        }
    }

    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        entries: Option<&[T]>,
        check: impl Fn(&mut Self, &T),
    ) {
        for (index, entry) in entries.unwrap_or_default().iter().enumerate() {
            self.within(&format!("{name}.{}", index + 1), |at| check(at, entry));
        }
    }

    fn within(&mut self, name: &str, check: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        check(self);
        self.path.truncate(length);
    }
}
