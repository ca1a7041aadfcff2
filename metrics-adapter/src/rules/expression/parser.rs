//! From tokens to an expression, by Prometheus' grammar (`promql/parser/generated_parser.y`).
//! What is not known here makes no expression, which only costs the sharing of a query.

use super::lexer::{Token, tokens};
use super::{Expression, Grouping, Matcher, Operator, Selector};

/// Parentheses, calls and operators inside one another.
const MAX_DEPTH: usize = 64;

const AGGREGATIONS: [&str; 12] = [
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "max",
    "min",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
];

/// Parses a whole query; `None` for whatever is not understood.
pub(in crate::rules) fn parse(source: &str) -> Option<Expression<'_>> {
    let tokens = tokens(source)?;
    let mut parser = Parser {
        tokens: &tokens,
        depth: 0,
    };
    let expression = parser.expression(0)?;
    parser.tokens.is_empty().then_some(expression)
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
    depth: usize,
}

impl<'a> Parser<'_, 'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.first().copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn symbol(&mut self, wanted: &str) -> bool {
        let found = self.peek() == Some(Token::Symbol(wanted));
        if found {
            self.next();
        }
        found
    }

    fn keyword(&mut self, wanted: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        if found {
            self.next();
        }
        found
    }

    /// An operand and all operators behind it that bind at least as tightly as `binding`.
    fn expression(&mut self, binding: u8) -> Option<Expression<'a>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut left = self.operand()?;
        while let Some((operator, strength)) = self.operator().filter(|(_, s)| *s >= binding) {
            self.next();
            let _bool = self.keyword("bool");
            let matching = self.matching()?;
            // `^` alone binds to the right.
            let right = self.expression(if strength == POWER {
                POWER
            } else {
                strength + 1
            })?;
            left = Expression::Binary {
                operator,
                matching,
                operands: Box::new((left, right)),
            };
        }
        self.depth -= 1;
        Some(left)
    }

    fn operator(&self) -> Option<(Operator, u8)> {
        Some(match self.peek()? {
            Token::Symbol("==" | "!=" | ">" | "<" | ">=" | "<=") => (Operator::Pair, 3),
            Token::Symbol("+" | "-") => (Operator::Pair, 4),
            Token::Symbol("*" | "/" | "%") => (Operator::Pair, PRODUCT),
            Token::Symbol("^") => (Operator::Pair, POWER),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "or" => (Operator::Or, 1),
                "and" => (Operator::And, 2),
                "unless" => (Operator::Unless, 2),
                "atan2" => (Operator::Pair, PRODUCT),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn matching(&mut self) -> Option<Grouping<'a>> {
        let matching = if self.keyword("on") {
            Grouping::Only(self.labels()?)
        } else if self.keyword("ignoring") {
            Grouping::AllBut(self.labels()?)
        } else {
            return Some(Grouping::AllBut(Vec::new()));
        };
        if (self.keyword("group_left") || self.keyword("group_right"))
            && self.peek() == Some(Token::Symbol("("))
        {
            self.labels()?;
        }
        Some(matching)
    }

    /// `(a, b)`.
    fn labels(&mut self) -> Option<Vec<&'a str>> {
        let mut labels = Vec::new();
        if !self.symbol("(") {
            return None;
        }
        while !self.symbol(")") {
            let Token::Word(label) = self.next()? else {
                return None;
            };
            labels.push(label);
            if !self.symbol(",") && self.peek() != Some(Token::Symbol(")")) {
                return None;
            }
        }
        Some(labels)
    }

    /// A sign binds less than `^` and more than `*`.
    fn operand(&mut self) -> Option<Expression<'a>> {
        if self.symbol("-") || self.symbol("+") {
            return self.expression(POWER);
        }
        let mut operand = self.primary()?;
        let range = self.modifiers()?;
        if let Expression::Selector(selector) = &mut operand {
            selector.range = range;
        }
        Some(operand)
    }

    fn primary(&mut self) -> Option<Expression<'a>> {
        match self.next()? {
            Token::Number(_) => Some(Expression::Number),
            Token::Text(text) => Some(Expression::Text(text)),
            Token::Symbol("(") => {
                let inner = self.expression(0)?;
                self.symbol(")").then_some(inner)
            }
            Token::Symbol("{") => self.selector(None),
            Token::Symbol(_) => None,
            Token::Word(word) => self.word(word),
        }
    }

    fn word(&mut self, word: &'a str) -> Option<Expression<'a>> {
        let name = word.to_ascii_lowercase();
        if AGGREGATIONS.contains(&name.as_str()) && self.begins_aggregation() {
            return self.aggregation(name);
        }
        if matches!(name.as_str(), "inf" | "nan") {
            return Some(Expression::Number);
        }
        if self.symbol("(") {
            return Some(Expression::Call(name, self.arguments()?));
        }
        if self.symbol("{") {
            return self.selector(Some(word));
        }
        Some(Expression::Selector(Selector {
            name: Some(word),
            ..Selector::default()
        }))
    }

    fn begins_aggregation(&self) -> bool {
        match self.peek() {
            Some(Token::Symbol("(")) => true,
            Some(Token::Word(word)) => ["by", "without"]
                .iter()
                .any(|keyword| word.eq_ignore_ascii_case(keyword)),
            _ => false,
        }
    }

    fn aggregation(&mut self, operator: String) -> Option<Expression<'a>> {
        let before = self.grouping()?;
        if !self.symbol("(") {
            return None;
        }
        let mut arguments = self.arguments()?;
        let grouping = match before {
            Some(grouping) => grouping,
            None => self.grouping()?.unwrap_or(Grouping::Only(Vec::new())),
        };
        let of = Box::new(arguments.pop()?);
        let parameter = arguments.pop().map(Box::new);
        arguments.is_empty().then_some(Expression::Aggregation {
            operator,
            grouping,
            parameter,
            of,
        })
    }

    fn grouping(&mut self) -> Option<Option<Grouping<'a>>> {
        if self.keyword("by") {
            return Some(Some(Grouping::Only(self.labels()?)));
        }
        if self.keyword("without") {
            return Some(Some(Grouping::AllBut(self.labels()?)));
        }
        Some(None)
    }

    /// Behind the opening parenthesis.
    fn arguments(&mut self) -> Option<Vec<Expression<'a>>> {
        let mut arguments = Vec::new();
        while !self.symbol(")") {
            arguments.push(self.expression(0)?);
            if !self.symbol(",") && self.peek() != Some(Token::Symbol(")")) {
                return None;
            }
        }
        Some(arguments)
    }

    /// Behind the opening brace. A quoted name of the metric stands alone.
    fn selector(&mut self, name: Option<&'a str>) -> Option<Expression<'a>> {
        let mut selector = Selector {
            name,
            ..Selector::default()
        };
        while !self.symbol("}") {
            match self.next()? {
                Token::Word(label) => {
                    let (Token::Symbol(operator), Token::Text(value)) =
                        (self.next()?, self.next()?)
                    else {
                        return None;
                    };
                    selector.matchers.push(Matcher {
                        label,
                        operator,
                        value,
                    });
                }
                Token::Text(quoted) => selector.name = Some(quoted),
                _ => return None,
            }
            if !self.symbol(",") && self.peek() != Some(Token::Symbol("}")) {
                return None;
            }
        }
        Some(Expression::Selector(selector))
    }

    /// Ranges, subqueries, offsets and fixed times: the range, if there is one.
    fn modifiers(&mut self) -> Option<Option<&'a str>> {
        let mut range = None;
        loop {
            if self.symbol("[") {
                let length = self.number()?;
                if !self.symbol(":") {
                    range = range.or(Some(length));
                } else if self.peek() != Some(Token::Symbol("]")) {
                    self.number()?;
                }
                if !self.symbol("]") {
                    return None;
                }
            } else if self.keyword("offset") {
                let _sign = self.symbol("-");
                self.number()?;
            } else if self.symbol("@") {
                if self.keyword("start") || self.keyword("end") {
                    if !(self.symbol("(") && self.symbol(")")) {
                        return None;
                    }
                } else {
                    let _sign = self.symbol("-");
                    self.number()?;
                }
            } else {
                return Some(range);
            }
        }
    }

    fn number(&mut self) -> Option<&'a str> {
        match self.next()? {
            Token::Number(number) => Some(number),
            _ => None,
        }
    }
}

const PRODUCT: u8 = 5;
const POWER: u8 = 6;
