//! The tree that a template is parsed into.

/// Statements in their order.
pub(super) type Body = Vec<Statement>;

#[derive(Debug)]
pub(super) enum Statement {
    /// Text outside actions.
    Text(String),
    /// A pipeline whose value is printed, unless it declares or assigns.
    Action(Pipeline),
    If(Branch),
    /// As `if`, and the value becomes the dot.
    With(Branch),
    Range(Branch),
    Break,
    Continue,
}

/// A pipeline, what happens if it is true (or for each element), and what otherwise.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) body: Body,
    pub(super) otherwise: Body,
}

/// `$x := command | command`.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// Byte offset.
    pub(super) at: usize,
    pub(super) variables: Vec<String>,
    /// `=` instead of `:=`.
    pub(super) assign: bool,
    pub(super) commands: Vec<Command>,
}

/// An operand, or a function with its arguments.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) first: Operand,
    pub(super) arguments: Vec<Operand>,
}

#[derive(Debug)]
pub(super) struct Operand {
    /// Byte offset.
    pub(super) at: usize,
    pub(super) term: Term,
    /// `.a.b` behind the term.
    pub(super) fields: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Term {
    /// `.`, with the operand's fields behind it.
    Dot,
    /// With its dollar.
    Variable(String),
    Function(Function),
    Pipeline(Box<Pipeline>),
    Nil,
    Bool(bool),
    Int(i64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Index,
    Slice,
    Len,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Print,
    Printf,
    Println,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "and" => Self::And,
            "or" => Self::Or,
            "not" => Self::Not,
            "index" => Self::Index,
            "slice" => Self::Slice,
            "len" => Self::Len,
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "print" => Self::Print,
            "printf" => Self::Printf,
            "println" => Self::Println,
            _ => return None,
        })
    }

    /// The fewest and the most arguments that it takes.
    pub(super) fn arity(self) -> (usize, usize) {
        match self {
            Self::And | Self::Or | Self::Index | Self::Printf => (1, usize::MAX),
            Self::Eq => (2, usize::MAX),
            Self::Slice => (1, 4),
            Self::Not | Self::Len => (1, 1),
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => (2, 2),
            Self::Print | Self::Println => (0, usize::MAX),
        }
    }
}
