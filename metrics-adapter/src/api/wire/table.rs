//! `Table` of the group meta.k8s.io: what `kubectl get` prints.

use serde::Serialize;

use super::Empty;
use super::resource::{self, Item, Partial, Typed, Used};
use crate::api::accept::MetaVersion;
use crate::api::options::IncludeObject;
use crate::model::Usage;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Table<'a, F> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    column_definitions: [Column; 4],
    rows: Vec<Row<'a, F>>,
}

#[derive(Serialize)]
struct Column {
    name: &'static str,
    r#type: &'static str,
    format: &'static str,
    description: &'static str,
    priority: i32,
}

#[derive(Serialize)]
struct Row<'a, F> {
    cells: [String; 4],
    object: Object<'a, F>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Object<'a, F> {
    None,
    Metadata(Typed<Partial<'a>>),
    Whole(Typed<Item<'a, F>>),
}

/// The columns of metrics-server; there they are missing where no row is.
const COLUMNS: [Column; 4] = [
    column("Name", "name", "Name of the resource"),
    column("cpu", "quantity", ""),
    column("memory", "quantity", ""),
    column("Window", "duration", ""),
];

const fn column(name: &'static str, format: &'static str, description: &'static str) -> Column {
    Column {
        name,
        r#type: "string",
        format,
        description,
        priority: 0,
    }
}

/// One row per object.
pub(in crate::api) fn table<A: Used>(
    version: MetaVersion,
    include: IncludeObject,
    usages: &[Usage<A>],
) -> Table<'_, A::Fields<'_>> {
    let row = |usage| Row {
        cells: cells(usage),
        object: match include {
            IncludeObject::None => Object::None,
            IncludeObject::Metadata => Object::Metadata(resource::partial(version, usage)),
            IncludeObject::Object => Object::Whole(resource::object(usage)),
        },
    };
    Table {
        kind: "Table",
        api_version: version.api_version(),
        metadata: Empty {},
        column_definitions: COLUMNS,
        rows: usages.iter().map(row).collect(),
    }
}

fn cells<A: Used>(usage: &Usage<A>) -> [String; 4] {
    let total = usage.amount.total();
    [
        usage.object.name.to_string(),
        total.cpu.to_string(),
        total.memory.to_string(),
        resource::duration(usage.window),
    ]
}
