//! Three-valued logic: what holds when some facts cannot be known.

/// Ordered so that AND is the minimum and OR the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    /// Certainly does not hold.
    False,
    /// Cannot be told: an Allow does not apply, a Deny does.
    Unknown,
    /// Certainly holds.
    True,
}

impl Truth {
    pub(crate) fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }

    /// Whether at least one holds. Stops at the first that certainly does.
    pub(crate) fn any(items: impl IntoIterator<Item = Self>) -> Self {
        let mut so_far = Self::False;
        for item in items {
            if item == Self::True {
                return Self::True;
            }
            so_far = so_far.max(item);
        }
        so_far
    }

    /// What all answers say, if they say the same.
    pub(crate) fn agreed(answers: impl IntoIterator<Item = Self>) -> Self {
        let mut answers = answers.into_iter();
        let Some(first) = answers.next() else { return Self::Unknown };
        if answers.all(|other| other == first) { first } else { Self::Unknown }
    }

    /// Whether all hold. Stops at the first that certainly does not.
    pub(crate) fn all(items: impl IntoIterator<Item = Self>) -> Self {
        let mut so_far = Self::True;
        for item in items {
            if item == Self::False {
                return Self::False;
            }
            so_far = so_far.min(item);
        }
        so_far
    }
}
