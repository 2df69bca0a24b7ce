//! The settings that are left as they are where a start does not name them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::choice_error::ChoiceError;
use super::table::Choice;

/// Values of such settings: those that a start names, or that a container has. Null is one that is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen(BTreeMap<Choice, Value>);

impl Choice {
    /// Reads what its option is given.
    ///
    /// # Errors
    /// What would fit.
    pub fn read(self, text: &str) -> Result<Value, ChoiceError> {
        self.row().grammar.read(text)
    }

    /// Whether its option may be repeated, each time with one more.
    #[must_use]
    pub const fn is_list(self) -> bool {
        self.row().grammar.is_list()
    }

    /// Whether there may be secrets among its values: names alone are for people to see.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        self.row().grammar.is_secret()
    }

    /// A value as a person would name it, or what there is without one.
    #[must_use]
    pub fn told(self, value: &Value) -> String {
        let words = self.row().grammar.words(value);
        match value {
            Value::Null => self.row().grammar.usual().to_owned(),
            _ if words.is_empty() => "none".to_owned(),
            _ => words.join(" "),
        }
    }

    /// Whether the engine can do so while the container runs. It gives a limit, and another, but takes none
    /// back; and a share of processors is told in one way or in the other.
    #[must_use]
    pub(crate) fn is_live(self, has: &Chosen, asked: &Value) -> bool {
        let told_otherwise = OTHERWISE.iter().any(|(one, other)| {
            (*one == self && has.0.contains_key(other)) || (*other == self && has.0.contains_key(one))
        });
        self.row().live && (!asked.is_null() || self == Self::Restart) && !told_otherwise
    }
}

/// Two ways of saying the same, of which the engine takes one.
const OTHERWISE: [(Choice, Choice); 2] =
    [(Choice::Cpus, Choice::CpuPeriod), (Choice::Cpus, Choice::CpuQuota)];

/// The period of the kernel's scheduler that is usual, in microseconds (CFS).
pub(super) const USUAL_PERIOD: u64 = 100_000;

/// What a microsecond of it is, in thousand millionths of a processor.
pub(super) const NANOS_OF_QUOTA: u64 = 1_000_000_000 / USUAL_PERIOD;

impl Chosen {
    /// Names a setting, or one more of a list.
    pub fn name(&mut self, choice: Choice, mut value: Value) {
        if let (Choice::Flags, Value::Array(words)) = (choice, &mut value) {
            for entitlement in take_entitlements(words) {
                self.name(Choice::Entitlements, Value::Array(vec![entitlement.into()]));
            }
        }
        let grammar = choice.row().grammar;
        let before = self.0.remove(&choice).filter(|before| !before.is_null());
        let all = match before {
            Some(before) if !value.is_null() => grammar.both(before, value),
            _ => value,
        };
        self.0.insert(choice, all);
    }

    /// Two of them that cannot both be.
    #[must_use]
    pub fn conflict(&self) -> Option<(Choice, Choice)> {
        let named = |choice| self.get(choice).is_some();
        OTHERWISE.into_iter().find(|(one, other)| named(*one) && named(*other))
    }

    /// In one form, when all are named.
    #[must_use]
    pub fn canonical(self) -> Self {
        let one = |(choice, value): (Choice, Value)| (choice, choice.row().grammar.canonical(value));
        Self(self.0.into_iter().map(one).collect()).in_cpus()
    }

    /// A share of the usual period as processors: Podman tells those so.
    fn in_cpus(mut self) -> Self {
        let number = |choice| self.get(choice).and_then(Value::as_u64);
        let quota = number(Choice::CpuQuota).filter(|_| number(Choice::CpuPeriod) == Some(USUAL_PERIOD));
        let cpus = quota.and_then(|quota| quota.checked_mul(NANOS_OF_QUOTA));
        if let Some(cpus) = cpus.filter(|cpus| number(Choice::Cpus).is_none_or(|named| named == *cpus)) {
            self.0.retain(|choice, _| ![Choice::CpuPeriod, Choice::CpuQuota].contains(choice));
            self.0.insert(Choice::Cpus, cpus.into());
        }
        self
    }

    /// These, and those of `before` that are not named here. What is taken back is not among them any more.
    #[must_use]
    pub fn over(&self, before: &Self) -> Self {
        let mut all = before.clone();
        for (choice, value) in &self.0 {
            for (one, other) in OTHERWISE {
                if *choice == one && !value.is_null() {
                    all.0.remove(&other);
                } else if *choice == other && !value.is_null() {
                    all.0.remove(&one);
                }
            }
            all.0.insert(*choice, value.clone());
        }
        // No engine takes the one without the other.
        let is_limit = |swap: &Value| swap.as_i64().is_some_and(|swap| swap > 0);
        if self.0.get(&Choice::Memory).is_some_and(Value::is_null) && !self.names(Choice::MemorySwap) {
            all.0.retain(|choice, value| *choice != Choice::MemorySwap || !is_limit(value));
        }
        // A daemon that gives no entitlement is of a version that knew none.
        all.0.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
        all
    }

    /// The value of a setting, where there is one.
    #[must_use]
    pub fn get(&self, choice: Choice) -> Option<&Value> {
        self.0.get(&choice).filter(|value| !value.is_null())
    }

    /// Whether a setting is the same in both, in whatever way they say it.
    #[must_use]
    pub(crate) fn agrees(&self, other: &Self, choice: Choice) -> bool {
        match choice {
            Choice::MemorySwap => self.swap() == other.swap(),
            // One that both name alike differs by the other.
            Choice::Cpus | Choice::CpuPeriod | Choice::CpuQuota => {
                let named = self.get(choice);
                self.share() == other.share() || named.is_some() && named == other.get(choice)
            }
            _ => self.get(choice) == other.get(choice),
        }
    }

    /// The limit on memory and swap, also where it goes without saying.
    fn swap(&self) -> Option<Value> {
        let usual = || self.get(Choice::Memory)?.as_i64().map(usual_swap);
        self.get(Choice::MemorySwap).cloned().or_else(usual)
    }

    /// The share of processors, as the kernel has it: a quota of each period.
    fn share(&self) -> (u64, Option<u64>) {
        let number = |choice| self.get(choice).and_then(Value::as_u64);
        let in_quota = || Some(number(Choice::Cpus)? / NANOS_OF_QUOTA);
        let period = number(Choice::CpuPeriod).unwrap_or(USUAL_PERIOD);
        (period, number(Choice::CpuQuota).or_else(in_quota))
    }

    /// What there is in place of a setting that says the same in another way.
    #[must_use]
    pub(crate) fn told_otherwise(&self, choice: Choice) -> Option<String> {
        let other = |(one, other): &(Choice, Choice)| match choice {
            choice if choice == *one => Some(*other),
            choice if choice == *other => Some(*one),
            _ => None,
        };
        let told = |other: Choice| Some(format!("{} {}", other.row().name, other.told(self.get(other)?)));
        let told: Vec<_> = OTHERWISE.iter().filter_map(other).filter_map(told).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// Whether it is one of them, taken back or not.
    #[must_use]
    pub(crate) fn names(&self, choice: Choice) -> bool {
        self.0.contains_key(&choice)
    }

    /// All of them in order, those that are taken back too.
    pub fn iter(&self) -> impl Iterator<Item = (Choice, &Value)> {
        self.0.iter().map(|(choice, value)| (*choice, value))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of these settings.
    #[must_use]
    pub(crate) fn only(&self, choices: &[Choice]) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(choice, _)| choices.contains(choice))
                .map(|(c, v)| (*c, v.clone()))
                .collect(),
        )
    }

    /// What an option would be given for each value of a setting. Of what is secret the names.
    #[must_use]
    pub fn words(&self, choice: Choice) -> Vec<String> {
        self.get(choice).map(|value| choice.row().grammar.words(value)).unwrap_or_default()
    }

    /// Gives the variables that were named without a value the one that `variable` knows.
    pub fn fill(&mut self, variable: impl Fn(&str) -> Option<String>) {
        if let Some(Value::Object(named)) = self.0.get_mut(&Choice::Env) {
            for (name, value) in named.iter_mut().filter(|(_, value)| value.is_null()) {
                *value = variable(name).into();
            }
        }
    }

    /// Whether there may be secrets among them.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        Choice::all().any(|choice| choice.is_secret() && self.get(choice).is_some())
    }

    /// Whether this variable is one of them.
    #[must_use]
    pub fn has_variable(&self, name: &str) -> bool {
        self.get(Choice::Env).is_some_and(|named| named.get(name).is_some())
    }
}

/// All of them for people, by the names of their options.
impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (choice, value)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{} \"{}\"", choice.row().name, choice.told(value))?;
        }
        Ok(())
    }
}

impl FromIterator<(Choice, Value)> for Chosen {
    fn from_iter<I: IntoIterator<Item = (Choice, Value)>>(values: I) -> Self {
        let mut chosen = Self::default();
        values.into_iter().for_each(|(choice, value)| chosen.name(choice, value));
        chosen.canonical()
    }
}

/// What an engine makes of a limit on memory alone; it refuses another limit beside that of before.
pub(super) fn usual_swap(memory: i64) -> Value {
    memory.saturating_mul(2).into()
}

/// Takes the entitlements out of a daemon's arguments, in each spelling that it knows.
pub(super) fn take_entitlements(words: &mut Vec<Value>) -> Vec<String> {
    const FLAG: &str = "allow-insecure-entitlement";
    let mut found = Vec::new();
    let mut rest = std::mem::take(words).into_iter();
    while let Some(word) = rest.next() {
        let name = word.as_str().and_then(|word| word.strip_prefix('-'));
        let flag =
            name.map(|name| name.strip_prefix('-').unwrap_or(name)).and_then(|it| it.strip_prefix(FLAG));
        let value = match flag {
            Some("") => rest.next().and_then(|value| value.as_str().map(str::to_owned)),
            Some(flag) => flag.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        match value {
            Some(value) => found.extend(value.split(',').map(str::to_owned)),
            None => words.push(word),
        }
    }
    found
}
