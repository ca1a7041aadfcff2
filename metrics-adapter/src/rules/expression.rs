//! PromQL as far as its text is judged here: whose series an element comes from, and what is read
//! of them. Parentheses, signs, offsets and subqueries change nothing about that: they are left out.

mod lexer;
mod parser;

pub(super) use parser::parse;

/// An expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expression<'a> {
    /// A number.
    Number,
    /// A string, as it stands between its quotes.
    Text(&'a str),
    /// Series.
    Selector(Selector<'a>),
    /// A function, in lower case, with its arguments.
    Call(String, Vec<Self>),
    /// An aggregation.
    Aggregation {
        /// In lower case.
        operator: String,
        /// What is left of the labels.
        grouping: Grouping<'a>,
        /// For those which take one.
        parameter: Option<Box<Self>>,
        /// What is aggregated.
        of: Box<Self>,
    },
    /// Two operands.
    Binary {
        /// Which.
        operator: Operator,
        /// How elements find each other.
        matching: Matching<'a>,
        /// Both operands.
        operands: Box<(Self, Self)>,
    },
}

/// Which series, and how far back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selector<'a> {
    /// The metric's name, in front of the braces or alone between them.
    pub(super) name: Option<&'a str>,
    /// What stands between the braces.
    pub(super) matchers: Vec<Matcher<'a>>,
    /// The duration between the brackets, as it stands there; not a subquery's.
    pub(super) range: Option<&'a str>,
}

/// One matcher of a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matcher<'a> {
    pub(super) label: &'a str,
    pub(super) operator: &'a str,
    /// As it stands between its quotes.
    pub(super) value: &'a str,
}

/// Labels, or all others.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Grouping<'a> {
    /// `by`, `on`.
    Only(Vec<&'a str>),
    /// `without`, `ignoring`; with no labels, what binary operators do by themselves.
    AllBut(Vec<&'a str>),
}

impl Grouping<'_> {
    /// Whether a label counts.
    pub(super) fn keeps(&self, label: &str) -> bool {
        match self {
            Self::Only(labels) => labels.contains(&label),
            Self::AllBut(labels) => !labels.contains(&label),
        }
    }
}

/// `on`, `ignoring`; `group_left` and `group_right` make no difference.
pub(super) type Matching<'a> = Grouping<'a>;

/// Binary operators as far as they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// Arithmetic and comparison: of two elements that match.
    Pair,
    /// `and`: elements of the left that match.
    And,
    /// `or`: elements of the left, and those of the right that match none.
    Or,
    /// `unless`: elements of the left that match none.
    Unless,
}
