//! Which queries may be asked once for all objects, instead of once for each choice of objects.
//!
//! A query is *separable* by a label when what it says about one value of the label depends only
//! on series with that value, and on series that the request does not choose at all. Then the
//! matcher of the objects may be left out, and each object's element is the same. That is proven
//! from the query's text, piece by piece; what is not understood is not separable.
//!
//! Two things are left to whoever asks. A query for all objects can fail where one for some of
//! them would not (one object's duplicate series, a limit on the size of answers): a failure
//! proves nothing about a smaller query. And elements of objects that nobody asked for are there.

use super::expression::{self, Expression, Grouping, Matcher, Operator};

/// Functions whose result has an element for each element (or range) of their one vector, with its
/// labels; other arguments are scalars. `absent`, `scalar` and their like are not among them.
const ELEMENTWISE: [&str; 76] = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "avg_over_time",
    "ceil",
    "changes",
    "clamp",
    "clamp_max",
    "clamp_min",
    "cos",
    "cosh",
    "count_over_time",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "deg",
    "delta",
    "deriv",
    "double_exponential_smoothing",
    "exp",
    "first_over_time",
    "floor",
    "histogram_avg",
    "histogram_count",
    "histogram_fraction",
    "histogram_quantile",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "holt_winters",
    "hour",
    "idelta",
    "increase",
    "irate",
    "label_join",
    "label_replace",
    "last_over_time",
    "ln",
    "log10",
    "log2",
    "mad_over_time",
    "max_over_time",
    "min_over_time",
    "minute",
    "month",
    "predict_linear",
    "present_over_time",
    "quantile_over_time",
    "rad",
    "rate",
    "resets",
    "round",
    "sgn",
    "sin",
    "sinh",
    "sort",
    "sort_by_label",
    "sort_by_label_desc",
    "sort_desc",
    "sqrt",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "tan",
    "tanh",
    "timestamp",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "year",
];

/// Whose series an expression's elements come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// No series at all, or one number made of series that the request does not choose.
    Scalar,
    /// Series that the request does not choose.
    Elsewhere,
    /// Every element carries the label, and comes from chosen series with its value alone (and
    /// from what the request does not choose).
    PerObject,
    /// Anything else.
    Mixed,
}

/// How a query names the objects that are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    /// The label that carries their names.
    pub(super) label: &'a str,
    /// The value of the matcher `label=~"value"`, as it stands between its quotes.
    pub(super) value: &'a str,
}

/// Whether a query is separable. `Choice::value` must stand for any names: it must be nowhere in
/// the query but where the names are meant.
pub(super) fn separable(promql: &str, choice: Choice<'_>) -> bool {
    Judge::new(choice).separates(promql)
}

/// Whether it is, and nothing in it comes from series that the request does not choose.
pub(super) fn separates_everything(promql: &str, choice: Choice<'_>) -> bool {
    let mut judge = Judge::new(choice);
    judge.separates(promql) && !judge.has_elsewhere
}

/// Whether a separable query may be asked without any matcher of the objects' label. The elements of
/// each object are the same then, for those without the label are like one more object; but they
/// must not be many, and must not make the query fail, as series do that cannot be told apart.
pub(super) fn tolerates_strangers(promql: &str) -> bool {
    expression::parse(promql)
        .is_some_and(|expression| is_aggregated(&expression) && cannot_clash(&expression))
}

/// Whether no series is an element of the result itself.
fn is_aggregated(expression: &Expression<'_>) -> bool {
    match expression {
        Expression::Number | Expression::Text(_) | Expression::Aggregation { .. } => true,
        Expression::Selector(_) => false,
        Expression::Call(_, arguments) => arguments.iter().all(is_aggregated),
        Expression::Binary { operands, .. } => {
            is_aggregated(&operands.0) && is_aggregated(&operands.1)
        }
    }
}

/// Whether no element of the result, or of what it is made of, can have the labels of another one:
/// then it would be an error.
fn cannot_clash(expression: &Expression<'_>) -> bool {
    match expression {
        Expression::Number | Expression::Text(_) => true,
        // Functions drop the name.
        Expression::Selector(selector) => selector.name.is_some(),
        Expression::Call(function, arguments) => {
            !matches!(function.as_str(), "label_replace" | "label_join")
                && arguments.iter().all(cannot_clash)
        }
        Expression::Aggregation { parameter, of, .. } => {
            cannot_clash(of) && parameter.as_deref().is_none_or(cannot_clash)
        }
        Expression::Binary {
            operator,
            matching,
            operands,
        } => {
            // By all labels each element finds one at most.
            let by_all = matches!(matching, Grouping::AllBut(labels) if labels.is_empty());
            (by_all || *operator != Operator::Pair)
                && cannot_clash(&operands.0)
                && cannot_clash(&operands.1)
        }
    }
}

struct Judge<'a> {
    choice: Choice<'a>,
    /// Selectors' matchers that choose the objects.
    chosen: usize,
    /// Whether some part is [`Extent::Elsewhere`].
    has_elsewhere: bool,
}

impl<'a> Judge<'a> {
    const fn new(choice: Choice<'a>) -> Self {
        Self {
            choice,
            chosen: 0,
            has_elsewhere: false,
        }
    }

    fn separates(&mut self, promql: &str) -> bool {
        if self.choice.label == "__name__" || self.choice.value.is_empty() {
            return false;
        }
        expression::parse(promql)
            .is_some_and(|expression| self.extent(&expression) == Extent::PerObject)
            && self.chosen == promql.matches(self.choice.value).count()
    }

    fn extent(&mut self, expression: &Expression<'_>) -> Extent {
        let extent = self.extent_of(expression);
        self.has_elsewhere |= extent == Extent::Elsewhere;
        extent
    }

    fn extent_of(&mut self, expression: &Expression<'_>) -> Extent {
        match expression {
            Expression::Number | Expression::Text(_) => Extent::Scalar,
            Expression::Selector(selector) => self.selector(&selector.matchers),
            Expression::Call(function, arguments) => self.call(function, arguments),
            Expression::Aggregation {
                operator,
                grouping,
                parameter,
                of,
            } => {
                let scalar = parameter
                    .as_ref()
                    .is_none_or(|parameter| self.extent(parameter) == Extent::Scalar);
                let of_extent = self.extent(of);
                // Its result has a label of its own, which the parameter names.
                let renamed = operator == "count_values"
                    && parameter
                        .as_deref()
                        .is_none_or(|name| !self.names_another_label(name));
                match of_extent {
                    Extent::PerObject
                        if scalar && !renamed && grouping.keeps(self.choice.label) =>
                    {
                        Extent::PerObject
                    }
                    Extent::Elsewhere if scalar => Extent::Elsewhere,
                    _ => Extent::Mixed,
                }
            }
            Expression::Binary {
                operator,
                matching,
                operands,
            } => {
                let (left, right) = operands.as_ref();
                let (left, right) = (self.extent(left), self.extent(right));
                binary(*operator, matching.keeps(self.choice.label), left, right)
            }
        }
    }

    fn selector(&mut self, matchers: &[Matcher<'_>]) -> Extent {
        let chooses = |matcher: &&Matcher<'_>| {
            matcher.label == self.choice.label
                && matcher.operator == "=~"
                && matcher.value == self.choice.value
        };
        match matchers.iter().filter(chooses).count() {
            0 => Extent::Elsewhere,
            matchers => {
                self.chosen += matchers;
                Extent::PerObject
            }
        }
    }

    fn call(&mut self, function: &str, arguments: &[Expression<'_>]) -> Extent {
        let extents: Vec<Extent> = arguments.iter().map(|a| self.extent(a)).collect();
        let of_objects = extents.iter().filter(|e| **e == Extent::PerObject).count();
        if extents.contains(&Extent::Mixed) {
            return Extent::Mixed;
        }
        match (of_objects, function) {
            (0, "time" | "pi" | "scalar") => Extent::Scalar,
            (0, _) => Extent::Elsewhere,
            (1, _) if extents.contains(&Extent::Elsewhere) => Extent::Mixed,
            // Both take the label that they write as their second argument.
            (1, "label_replace" | "label_join") => match arguments.get(1) {
                Some(label) if self.names_another_label(label) => Extent::PerObject,
                _ => Extent::Mixed,
            },
            // Buckets of one histogram become one element, without their label.
            (1, "histogram_quantile" | "histogram_fraction") if self.choice.label == "le" => {
                Extent::Mixed
            }
            (1, function) if ELEMENTWISE.binary_search(&function).is_ok() => Extent::PerObject,
            _ => Extent::Mixed,
        }
    }

    /// A text that is a label's name as it stands, without escapes, but not the objects' label.
    fn names_another_label(&self, expression: &Expression<'_>) -> bool {
        matches!(expression, Expression::Text(text)
            if super::promql::is_label_name(text) && *text != self.choice.label)
    }
}

/// `keeps`: whether elements must have the objects' label in common to match.
fn binary(operator: Operator, keeps: bool, left: Extent, right: Extent) -> Extent {
    use Extent::{Elsewhere, Mixed, PerObject, Scalar};
    match (left, right) {
        (Scalar, Scalar) => Scalar,
        (Scalar, other) | (other, Scalar) if operator == Operator::Pair => other,
        (Elsewhere, Elsewhere) => Elsewhere,
        (PerObject, PerObject) if keeps => PerObject,
        (PerObject, Elsewhere) if keeps && operator != Operator::Or => PerObject,
        (Elsewhere, PerObject) if keeps => match operator {
            Operator::Pair | Operator::And => PerObject,
            // What is left of the left may lack the label.
            Operator::Or | Operator::Unless => Mixed,
        },
        _ => Mixed,
    }
}

#[cfg(test)]
mod tests;
