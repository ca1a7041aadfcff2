//! The four releases: names, namespaces, and Helm's command lines for them.

use crate::{images, layout::Layout};

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

    /// Helm's arguments to install or upgrade it.
    pub(super) fn upgrade(self, layout: &Layout, settings: &Settings) -> Vec<String> {
        let chart = layout.workspace().join("helm").join(self.name());
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
        assert!(!args.contains(&"--set".to_owned()), "{args:?}");
    }
}
