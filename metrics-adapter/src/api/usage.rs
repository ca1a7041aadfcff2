//! Requests for the usage of nodes and pods: one object or a list, in one of four forms.

use std::sync::Arc;

use axum::response::Response;
use http::request::Parts;

use super::accept::{Encoding, Form, Negotiated, Offer, negotiate};
use super::options::{IncludeObject, ListOptions, Parameters};
use super::respond::{document, text};
use super::status::ApiError;
use super::wire::resource::{Used, object, objects, partial, partials};
use super::wire::table::table;
use crate::model::{Usage, UsageQuery};

/// What is asked, and in which form.
pub(super) struct UsageRequest {
    pub(super) query: UsageQuery,
    pub(super) form: UsageForm,
}

/// The form of the answer.
pub(super) struct UsageForm {
    form: Form,
    encoding: Encoding,
    include: IncludeObject,
    /// Whether it is one object, and not a list.
    single: bool,
}

impl UsageRequest {
    /// Reads a request; the path has told namespace and name.
    pub(super) fn read(
        request: &Parts,
        parameters: Parameters<'_>,
        namespace: Option<Arc<str>>,
        name: Option<Arc<str>>,
    ) -> Result<Self, ApiError> {
        let single = name.is_some();
        let (query, offer) = match name {
            // Selectors mean nothing here, not even wrong ones.
            Some(name) => (UsageQuery::One { namespace, name }, Offer::Object),
            None => {
                let ListOptions { labels, fields } = ListOptions::read(parameters)?;
                let query = UsageQuery::List {
                    namespace,
                    labels,
                    fields,
                };
                (query, Offer::List)
            }
        };
        let Negotiated { form, encoding } = negotiate(&request.headers, offer)?;
        let include = match form {
            Form::Table(_) => IncludeObject::read(parameters)?,
            _ => IncludeObject::Metadata,
        };
        Ok(Self {
            query,
            form: UsageForm {
                form,
                encoding,
                include,
                single,
            },
        })
    }
}

impl UsageForm {
    /// Writes the answer; a single one has exactly one usage.
    pub(super) fn respond<A: Used>(&self, usages: &[Usage<A>]) -> Response {
        let encoding = self.encoding;
        match (self.form, usages) {
            (Form::Table(version), usages) => text(encoding, &table(version, self.include, usages)),
            (Form::Metadata(version), [usage]) => document(encoding, &partial(version, usage)),
            (Form::Metadata(version) | Form::MetadataList(version), usages) => {
                document(encoding, &partials(version, usages))
            }
            (Form::Plain | Form::Aggregated(_), [usage]) if self.single => {
                document(encoding, &object(usage))
            }
            (Form::Plain | Form::Aggregated(_), usages) => document(encoding, &objects(usages)),
        }
    }
}
