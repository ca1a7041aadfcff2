//! The API groups and versions that there are, in the order of discovery.

use crate::model::MetricsApi;

/// One version of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupVersion {
    CustomV1Beta1,
    CustomV1Beta2,
    ExternalV1Beta1,
    ResourceV1Beta1,
}

/// All groups.
pub(super) const GROUPS: [MetricsApi; 3] = [
    MetricsApi::Custom,
    MetricsApi::External,
    MetricsApi::Resource,
];

/// The name of a group.
pub(super) const fn name(api: MetricsApi) -> &'static str {
    match api {
        MetricsApi::Custom => "custom.metrics.k8s.io",
        MetricsApi::External => "external.metrics.k8s.io",
        MetricsApi::Resource => "metrics.k8s.io",
    }
}

/// The versions of a group; the first one is preferred, as in prometheus-adapter.
pub(super) const fn versions(api: MetricsApi) -> &'static [GroupVersion] {
    match api {
        MetricsApi::Custom => &[GroupVersion::CustomV1Beta1, GroupVersion::CustomV1Beta2],
        MetricsApi::External => &[GroupVersion::ExternalV1Beta1],
        MetricsApi::Resource => &[GroupVersion::ResourceV1Beta1],
    }
}

/// Looks a group up.
pub(super) fn find(text: &str) -> Option<MetricsApi> {
    GROUPS.into_iter().find(|api| name(*api) == text)
}

/// Looks a version of a group up.
pub(super) fn find_version(api: MetricsApi, text: &str) -> Option<GroupVersion> {
    versions(api)
        .iter()
        .copied()
        .find(|version| version.version() == text)
}

impl GroupVersion {
    /// The group.
    pub(super) const fn api(self) -> MetricsApi {
        match self {
            Self::CustomV1Beta1 | Self::CustomV1Beta2 => MetricsApi::Custom,
            Self::ExternalV1Beta1 => MetricsApi::External,
            Self::ResourceV1Beta1 => MetricsApi::Resource,
        }
    }

    /// `v1beta1`
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::CustomV1Beta1 | Self::ExternalV1Beta1 | Self::ResourceV1Beta1 => "v1beta1",
            Self::CustomV1Beta2 => "v1beta2",
        }
    }

    /// `custom.metrics.k8s.io/v1beta1`: the `apiVersion` of its objects.
    pub(super) const fn api_version(self) -> &'static str {
        match self {
            Self::CustomV1Beta1 => "custom.metrics.k8s.io/v1beta1",
            Self::CustomV1Beta2 => "custom.metrics.k8s.io/v1beta2",
            Self::ExternalV1Beta1 => "external.metrics.k8s.io/v1beta1",
            Self::ResourceV1Beta1 => "metrics.k8s.io/v1beta1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parts_of_the_api_version() {
        for api in GROUPS {
            assert_eq!(find(name(api)), Some(api));
            for version in versions(api) {
                let text = format!("{}/{}", name(api), version.version());
                assert_eq!(version.api_version(), text);
                assert_eq!(version.api(), api);
                assert_eq!(find_version(api, version.version()), Some(*version));
            }
        }
    }
}
