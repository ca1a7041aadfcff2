//! Where a template mentions a field.

use super::syntax::{Branch, Command, Operand, Pipeline, Statement, Term};

/// Whether a field is printed as it is wherever it is mentioned at all: `<<.Field>>`. Then its
/// text decides nothing else, and another text stands in the same places.
pub(super) fn only_printed(body: &[Statement], field: &str) -> bool {
    body.iter().all(|statement| match statement {
        Statement::Text(_) | Statement::Break | Statement::Continue => true,
        Statement::Action(pipeline) => prints(pipeline, field) || !mentions(pipeline, field),
        Statement::If(branch) | Statement::With(branch) | Statement::Range(branch) => {
            let Branch {
                pipeline,
                body,
                otherwise,
            } = branch;
            !mentions(pipeline, field)
                && only_printed(body, field)
                && only_printed(otherwise, field)
        }
    })
}

fn prints(pipeline: &Pipeline, field: &str) -> bool {
    let [Command { first, arguments }] = pipeline.commands.as_slice() else {
        return false;
    };
    let plain = match &first.term {
        Term::Dot => true,
        Term::Variable(name) => name == "$",
        _ => false,
    };
    plain && arguments.is_empty() && pipeline.variables.is_empty() && first.fields == [field]
}

/// The whole data cannot be handed on but as it is, so a field of it has its name on it.
fn mentions(pipeline: &Pipeline, field: &str) -> bool {
    let mentioned = |operand: &Operand| {
        operand.fields.iter().any(|name| name == field)
            || matches!(&operand.term, Term::Pipeline(inner) if mentions(inner, field))
    };
    pipeline
        .commands
        .iter()
        .any(|command| mentioned(&command.first) || command.arguments.iter().any(mentioned))
}

#[cfg(test)]
mod tests {
    use crate::rules::template::{FieldType, Template};

    fn only_printed(source: &str) -> bool {
        const FIELDS: &[(&str, FieldType)] = &[("A", FieldType::Text), ("B", FieldType::Text)];
        Template::parse(source, FIELDS).unwrap().only_prints("A")
    }

    #[test]
    fn a_field_that_is_only_printed_decides_nothing() {
        for source in [
            "x",
            "<<.A>>",
            "<<$.A>> and <<.A>>",
            "<<if .B>><<.A>><<else>><<.A>>,<<.A>><<end>>",
            "<<with .B>><<$.A>><<end>>",
        ] {
            assert!(only_printed(source), "{source}");
        }
        for source in [
            "<<if .A>>x<<end>>",
            "<<if eq .A \"x\">><<.B>><<end>>",
            "<<with .A>><<.>><<end>>",
            "<<$a := .A>><<$a>>",
            "<<$all := .>><<$all.A>>",
            "<<len .A>>",
            "<<printf \"%q\" .A>>",
            "<<.A | print>>",
            "<<(.).A>>",
            "<<if .B>>x<<else if .A>>y<<end>>",
            "<<range 2>><<len $.A>><<end>>",
        ] {
            assert!(!only_printed(source), "{source}");
        }
    }
}
