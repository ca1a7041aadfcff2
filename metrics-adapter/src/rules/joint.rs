//! Queries about several namespaces at once.
//!
//! Two queries of a rule that differ in their namespace alone can be one, which has the namespaces'
//! label in each `<<.GroupBy>>` besides: if what it says of a namespace is what the namespace's own
//! query says. That is proven in two steps. The joint query is separable by the namespaces' label,
//! and nothing in it comes from elsewhere: so it says of a namespace what it would say asked about
//! that one alone. And there, where all series have one namespace, it makes no difference that
//! elements keep the label of it: groups and pairs are the same with and without. What would see a
//! difference (elements that are matched by all their labels, functions that read a label) has no
//! joint query.

use std::sync::Arc;

use super::alternation::alternation;
use super::expression::{self, Expression, Grouping, Operator};
use super::separability::{self, Choice};

/// The PromQL about any namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JointQuery {
    /// Between them stand the namespaces.
    pieces: Vec<String>,
    label: String,
}

impl JointQuery {
    /// `promql` asks about the namespaces of `choice`, which are nowhere else in it.
    pub(super) fn new(promql: &str, choice: Choice<'_>) -> Self {
        Self {
            pieces: promql.split(choice.value).map(str::to_owned).collect(),
            label: choice.label.to_owned(),
        }
    }

    /// The query about some namespaces, each of which [`Self::may_name`].
    pub fn about(&self, namespaces: &[Arc<str>]) -> String {
        self.pieces.join(&alternation(namespaces))
    }

    /// How often it names the namespaces.
    pub fn places(&self) -> usize {
        self.pieces.len().saturating_sub(1)
    }

    /// The label that tells an element's namespace.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether a namespace can be asked about together with others: it is a name (RFC 1123), and
    /// means itself in any text. Requests may have anything there.
    pub fn may_name(namespace: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !namespace.is_empty() && namespace.bytes().all(plain)
    }

    /// Bytes of memory beside its own.
    pub fn bytes(&self) -> usize {
        let piece = |piece: &String| size_of::<String>() + piece.len();
        self.label.len() + self.pieces.iter().map(piece).sum::<usize>()
    }
}

/// One query of a rule, as it is for other namespaces and groups.
#[derive(Debug)]
pub(super) struct Written<'a> {
    /// About the namespaces of the choice, with their label in `<<.GroupBy>>` besides.
    pub(super) joint: &'a str,
    /// Likewise, with nothing in `<<.GroupBy>>` but [`Self::mark`].
    pub(super) marked: &'a str,
    pub(super) mark: &'a str,
}

/// The joint query, if it says of each namespace what the namespace's own query says. That one
/// differs in having no label of namespaces in `<<.GroupBy>>`.
pub(super) fn proven(written: &Written<'_>, choice: Choice<'_>) -> Option<JointQuery> {
    let expression = expression::parse(written.marked)?;
    let mut judge = Judge {
        label: choice.label,
        mark: written.mark,
        marks: 0,
    };
    judge.namespace(&expression)?;
    let is_proven = judge.marks == written.marked.matches(written.mark).count()
        && separability::separates_everything(written.joint, choice);
    is_proven.then(|| JointQuery::new(written.joint, choice))
}

/// What a namespace's own query does with the label of namespaces. In the joint query each element
/// has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Namespace {
    /// There are no elements, but a number.
    Nowhere,
    /// All elements have it.
    Kept,
    /// None has it.
    Dropped,
    /// Anything else.
    Unclear,
}

impl Namespace {
    /// What is made of two.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nowhere, of) | (of, Self::Nowhere) => of,
            (one, other) if one == other => one,
            _ => Self::Unclear,
        }
    }
}

/// Reads a query with a mark in the place of `<<.GroupBy>>`.
struct Judge<'a> {
    label: &'a str,
    mark: &'a str,
    /// Marks where labels are listed by which elements are grouped or matched.
    marks: usize,
}

impl Judge<'_> {
    /// `None` where the label of namespaces makes a difference.
    fn namespace(&mut self, expression: &Expression<'_>) -> Option<Namespace> {
        match expression {
            Expression::Number => Some(Namespace::Nowhere),
            // It may be the name of a label that is read, and escapes can spell any name.
            Expression::Text(text) => {
                (*text != self.label && !text.contains('\\')).then_some(Namespace::Nowhere)
            }
            Expression::Selector(_) => Some(Namespace::Kept),
            Expression::Call(function, arguments) => {
                let mut of = Namespace::Nowhere;
                for argument in arguments {
                    of = of.and(self.namespace(argument)?);
                }
                match function.as_str() {
                    "scalar" => Some(Namespace::Nowhere),
                    _ => Some(of),
                }
            }
            Expression::Aggregation {
                operator,
                grouping,
                parameter,
                of,
            } => {
                if let Some(parameter) = parameter {
                    self.namespace(parameter)?;
                }
                let of = self.namespace(of)?;
                let keeps = self.keeps(grouping);
                match operator.as_str() {
                    // These choose elements, and leave them as they are.
                    "topk" | "bottomk" => Some(of),
                    _ if keeps => Some(of),
                    _ => Some(Namespace::Dropped),
                }
            }
            Expression::Binary {
                operator,
                matching,
                operands,
            } => {
                let (left, right) = operands.as_ref();
                let (left, right) = (self.namespace(left)?, self.namespace(right)?);
                let one = left.and(right);
                if left == Namespace::Nowhere || right == Namespace::Nowhere {
                    return Some(one);
                }
                if self.keeps(matching) {
                    // Elements are matched by it.
                    return (one != Namespace::Unclear).then_some(one);
                }
                match (operator, one) {
                    // Of elements that are matched by other labels these may be all that is left.
                    (Operator::Pair, Namespace::Kept) => Some(Namespace::Unclear),
                    (_, one) => Some(one),
                }
            }
        }
    }

    /// Whether the label of namespaces counts in a namespace's own query.
    fn keeps(&mut self, grouping: &Grouping<'_>) -> bool {
        if let Grouping::Only(labels) = grouping {
            self.marks += labels.iter().filter(|label| **label == self.mark).count();
        }
        grouping.keeps(self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICE: Choice<'_> = Choice {
        label: "namespace",
        value: "shop|bank",
    };

    /// `@` between braces stands for the matchers of a request, `G` for `<<.GroupBy>>`.
    fn joint(template: &str) -> Option<JointQuery> {
        let matched = template.replace('@', "namespace=~\"shop|bank\"");
        let written = Written {
            joint: &matched.replace('G', "pod,namespace"),
            marked: &matched.replace('G', "any_label"),
            mark: "any_label",
        };
        proven(&written, CHOICE)
    }

    #[test]
    fn what_comes_from_each_namespace_alone_can_be_asked_together() {
        for template in [
            "x{@}",
            "sum(rate(x{@}[5m])) by (G)",
            "sum by (G, code) (x{@})",
            "sum without (instance) (x{@})",
            "sum by (pod, namespace) (x{@})",
            "sum(rate(a{@}[1m])) by (G) / sum(rate(b{@}[1m])) by (G)",
            "1000 * sum by (G) (a{@}) / on (G) sum by (G) (b{@})",
            "a{@} / on (G) group_left sum by (G) (b{@})",
            "a{@} / b{@}",
            "a{@} or b{@}",
            "a{@} and on (G) b{@} > 0",
            "topk by (G) (1, a{@}) / b{@}",
            "histogram_quantile(0.9, sum by (le, G) (rate(x_bucket{@}[5m])))",
            "max_over_time(sum by (G) (x{@})[1m:1s])",
            "label_replace(sum by (G) (x{@}), \"short\", \"$1\", \"pod\", \"(.*)\")",
            "clamp_max(sum by (G) (x{@}), 3)",
            "x{@} * time()",
        ] {
            let joint = joint(template).expect(template);
            let namespaces = ["a", "b", "c"].map(Arc::from);
            let about = template
                .replace('@', "namespace=~\"a|b|c\"")
                .replace('G', "pod,namespace");
            assert_eq!(joint.about(&namespaces), about);
            assert_eq!(joint.places(), template.matches('@').count());
            assert_eq!(joint.label(), "namespace");
        }
    }

    #[test]
    fn where_the_label_of_namespaces_makes_a_difference_it_cannot() {
        for template in [
            // Several namespaces become one element.
            "sum(x{@}) by (pod)",
            "sum(x{@})",
            "sum without (namespace) (x{@})",
            "sum without (G) (x{@})",
            "topk(5, x{@})",
            "absent(x{@})",
            "scalar(x{@})",
            "a{@} / ignoring (G) b{@}",
            "a{@} / on (pod) b{@}",
            // From elsewhere.
            "sum by (G) (a{@}) / on (G) sum by (G) (limit)",
            "sum by (G) (a{@}) * scalar(sum(limit))",
            "a{@} and on (G) vector(1)",
            "a{@} - on (G) label_replace(vector(1), \"pod\", \"web-0\", \"\", \"\")",
            // In a namespace's own query one side lacks the label.
            "sum by (G) (a{@}) / b{@}",
            "sum by (G) (a{@}) / ignoring (node) b{@}",
            "sum by (G) (a{@}) and b{@}",
            "sum by (G) (a{@}) / on (pod, namespace) b{@}",
            "a{@} / (b{@} / on (G) b{@})",
            "sum by (G) (a{@}) or sum by (pod, namespace) (b{@})",
            // It is read.
            "label_replace(x{@}, \"short\", \"$1\", \"namespace\", \"(.*)\")",
            "label_replace(x{@}, \"short\", \"$1\", \"name\\x73pace\", \"(.*)\")",
            "label_join(sum by (G) (x{@}), \"long\", \"/\", \"namespace\", \"pod\")",
            "count_values by (G) (\"namespace\", x{@})",
            // Labels are not only listed.
            "sum by (G) (a{@}) / on (G) group_left (G) b{@}",
            "label_replace(sum by (G) (x{@}), \"short\", \"$1\", \"G\", \"(.*)\")",
            "no promql {@}",
        ] {
            assert_eq!(joint(template), None, "{template}");
        }
    }

    #[test]
    fn only_names_are_asked_about_together() {
        for name in ["shop", "shop-2", "0"] {
            assert!(JointQuery::may_name(name), "{name}");
        }
        for other in ["", "a|b", ".*", "Shop", "a\"b", "a\\b", "a_b"] {
            assert!(!JointQuery::may_name(other), "{other}");
        }
    }
}
