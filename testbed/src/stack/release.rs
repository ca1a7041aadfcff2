//! The four releases: names, namespaces, and Helm's command lines for them.

use std::{fs, path::Path};

use crate::{
    error::{Error, Result},
    images,
    layout::Layout,
};

use super::{CLIENT, NAMESPACE, SERVER, Settings};

/// The annotation of pods with the digest of their image.
const IMAGE_ANNOTATION: &str = "testbed/image";

/// One release of one chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Prometheus with the rules.
    Monitoring,
    /// The custom metrics API.
    MetricsAdapter,
    /// The gRPC server and its HPA.
    Server,
    /// The load.
    Client,
}

impl Release {
    /// All, in the order in which they are installed: the adapter comes after what it serves.
    pub const ALL: [Self; 4] = [
        Self::Monitoring,
        Self::Server,
        Self::Client,
        Self::MetricsAdapter,
    ];

    /// The release's name; also the chart's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monitoring => "monitoring",
            Self::MetricsAdapter => "metrics-adapter",
            Self::Server => "server",
            Self::Client => "client",
        }
    }

    /// The namespace it is installed into.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Monitoring => "monitoring",
            Self::MetricsAdapter => "metrics-adapter",
            Self::Server | Self::Client => NAMESPACE,
        }
    }

    /// Its Deployment.
    pub const fn deployment(self) -> &'static str {
        match self {
            Self::Monitoring => "prometheus",
            Self::MetricsAdapter => "metrics-adapter",
            Self::Server => SERVER,
            Self::Client => CLIENT,
        }
    }

    /// Our program in its image; `None` when the image is not ours.
    const fn program(self) -> Option<&'static str> {
        match self {
            Self::Monitoring => None,
            Self::MetricsAdapter => Some("metrics-adapter"),
            Self::Server => Some("server"),
            Self::Client => Some("loadclient"),
        }
    }

    /// What of its chart cannot run here: Grafana has no Go module to be built from.
    const fn absent(self) -> &'static [&'static str] {
        match self {
            Self::Monitoring => &["grafana.enabled=false"],
            Self::MetricsAdapter | Self::Server | Self::Client => &[],
        }
    }

    /// Helm's arguments to install or upgrade it.
    pub(super) fn upgrade(self, layout: &Layout, settings: &Settings) -> Vec<String> {
        let chart = layout.workspace().join("helm").join(self.name());
        let mut args = self.arguments(&chart, layout, settings);
        for pair in self.absent() {
            args.extend(["--set", pair].map(str::to_owned));
        }
        args
    }

    /// As [`Self::upgrade`], to the chart's previous version. It is a package beside the charts' tests.
    ///
    /// # Errors
    /// When there is no such package, or more than one.
    pub(super) fn previous(self, layout: &Layout, settings: &Settings) -> Result<Vec<String>> {
        let folder = layout.workspace().join("helm/tests/previous");
        let entries = fs::read_dir(&folder).map_err(Error::file("read", &folder))?;
        let of_this_chart = |name: &str| {
            let version = name.strip_prefix(self.name())?.strip_prefix('-')?;
            version
                .starts_with(|first: char| first.is_ascii_digit())
                .then_some(())
        };
        let found: Vec<_> = entries
            .flatten()
            .filter(|entry| of_this_chart(&entry.file_name().to_string_lossy()).is_some())
            .collect();
        let [package] = found.as_slice() else {
            let message = format!(
                "{} has not one package of {}",
                folder.display(),
                self.name()
            );
            return Err(Error::Missing(message));
        };
        Ok(self.arguments(&package.path(), layout, settings))
    }

    /// Helm's arguments to install this chart, or to upgrade to it.
    fn arguments(self, chart: &Path, layout: &Layout, settings: &Settings) -> Vec<String> {
        let mut args: Vec<String> = [
            "upgrade",
            "--install",
            self.name(),
            &chart.display().to_string(),
            "--namespace",
            self.namespace(),
            "--create-namespace",
            // The number of clients is also set by `kubectl scale`; the chart wins.
            "--force-conflicts",
        ]
        .map(str::to_owned)
        .to_vec();
        for (_, file) in settings.values.iter().filter(|(of, _)| *of == self) {
            args.push("--values".to_owned());
            args.push(layout.workspace().join(file).display().to_string());
        }
        for pair in settings.pairs(self) {
            args.extend(["--set".to_owned(), pair]);
        }
        // The tag stays the same when the program changes, but pods with the old one must go.
        let digest = self
            .program()
            .and_then(|program| images::imported(layout, &images::name_of(program)));
        if let Some(digest) = digest {
            args.push("--set-string".to_owned());
            args.push(format!("podAnnotations.{IMAGE_ANNOTATION}={digest}"));
        }
        args
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_has_a_chart() {
        let layout = Layout::find().unwrap();
        for release in Release::ALL {
            let chart = layout.workspace().join("helm").join(release.name());
            assert!(
                chart.join("Chart.yaml").is_file(),
                "{} is missing",
                chart.display()
            );
        }
    }

    #[test]
    fn settings_become_arguments_of_their_release_only() {
        let settings = Settings {
            clients: 3,
            ..Settings::default()
        };
        let layout = Layout::find().unwrap();
        let args = Release::Client.upgrade(&layout, &settings);
        assert!(args.contains(&"replicaCount=3".to_owned()), "{args:?}");
        let args = Release::Monitoring.upgrade(&layout, &settings);
        assert!(!args.contains(&"replicaCount=3".to_owned()), "{args:?}");
        assert!(
            args.contains(&"grafana.enabled=false".to_owned()),
            "{args:?}"
        );
    }

    #[test]
    fn every_release_has_a_previous_version_without_what_is_new() {
        let layout = Layout::find().unwrap();
        for release in Release::ALL {
            let args = release.previous(&layout, &Settings::default()).unwrap();
            let package = args.iter().find(|it| it.ends_with(".tgz")).unwrap();
            assert!(Path::new(package).is_file(), "{package}");
            assert!(!args.contains(&"grafana.enabled=false".to_owned()));
        }
    }
}
