//! The adapter's vocabulary: plain values and the traits between its rooms.
//!
//! Nothing here does I/O, knows a wire format or a runtime. Every other module speaks in these
//! types, so that two modules which must not know each other still agree.

pub mod explanation;
pub mod external;
pub mod fallback;
pub mod field;
pub mod group_resource;
pub mod metric;
pub mod object;
pub mod provider;
pub mod quantity;
pub mod review;
pub mod sample;
pub mod selector;
pub mod usage;

pub use explanation::{ExplainQuery, Explanation};
pub use external::{ExternalQuery, ExternalValue};
pub use fallback::Fallback;
pub use field::{FieldSelector, FieldSelectorError};
pub use group_resource::{GroupResource, ResourceType};
pub use metric::{MetricInfo, MetricValue};
pub use object::{
    Consumer, IndexedObject, ObjectLabels, ObjectRef, ObjectSource, ObjectSourceError,
};
pub use provider::{MetricQuery, MetricsApi, Provider, ProviderError, Target};
pub use quantity::{Format, Quantity, QuantityError};
pub use sample::{QueryValue, Sample};
pub use selector::{Operator, Requirement, Selector};
pub use usage::{Amount, NodeUsage, PodUsage, Usage, UsageQuery};
