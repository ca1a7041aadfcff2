use std::fs;
use std::os::unix::fs::symlink;

use prometheus_client::registry::Registry;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio_util::sync::DropGuard;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Rules that are told apart by their series queries.
fn mk_text(queries: &[&str]) -> String {
    let rule = |query: &&str| format!("- {{seriesQuery: {query}, metricsQuery: x}}\n");
    format!("rules:\n{}", queries.iter().map(rule).collect::<String>())
}

struct Watched {
    directory: TempDir,
    registry: Registry,
    updates: watch::Receiver<Arc<RuleSet>>,
    state: watch::Receiver<FileState>,
    _stop: DropGuard,
}

impl Watched {
    /// Watches `config.yaml`, which a function makes in a directory; half a second later.
    async fn start(make: impl FnOnce(&Path)) -> Self {
        Self::start_with(SECOND, make).await
    }

    async fn start_with(max_age: Duration, make: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let mut registry = Registry::default();
        let relist = discovery::Options {
            interval: SECOND,
            max_age,
            stale_limit: None,
            listing: discovery::Listing::default(),
        };
        let path = directory.path().join("config.yaml");
        let file = RulesFile::load(path, relist, Metrics::register(&mut registry)).unwrap();
        let (updates, state) = (file.subscribe(), file.state());
        let stop = CancellationToken::new();
        let token = stop.clone();
        #[allow(clippy::disallowed_methods)] // The test's runtime ends with the test.
        tokio::spawn(async move { file.watch(SECOND, &token).await });
        tokio::time::sleep(SECOND / 2).await;
        Self {
            directory,
            registry,
            updates,
            state,
            _stop: stop.drop_guard(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        let path = |name| self.directory.path().join(name);
        fs::rename(path(from), path(to)).unwrap();
    }

    async fn looks(&self, looks: u32) {
        tokio::time::sleep(SECOND * looks).await;
    }

    /// The series queries of new rules, if there are any.
    fn news(&mut self) -> Option<Vec<String>> {
        if !self.updates.has_changed().unwrap() {
            return None;
        }
        let rules = Arc::clone(&self.updates.borrow_and_update());
        let queries = rules.discovered();
        Some(
            queries
                .map(|rule| rule.series_query().to_string())
                .collect(),
        )
    }

    /// The rules that are used are those of this text, and no others.
    fn assert_uses(&self, text: &str) {
        let digest = Sha256::digest(text);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let told = telemetry::text::encode(&self.registry);
        let lines = told.lines().filter(|line| line.starts_with("config_info{"));
        let expected = format!("config_info{{hash=\"{hex}\"}} 1");
        assert_eq!(lines.collect::<Vec<_>>(), [expected]);
        assert_eq!(self.state.borrow().sha256, hex);
    }

    /// Whether the file is good, successes and failures.
    fn told(&self) -> (u8, u8, u8) {
        let text = telemetry::text::encode(&self.registry);
        let value = |name: &str| -> u8 {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("no {name}: {text}"))
                .parse()
                .unwrap()
        };
        (
            value("config_last_reload_successful"),
            value("config_reloads_total{result=\"success\"}"),
            value("config_reloads_total{result=\"failure\"}"),
        )
    }
}

fn plain(directory: &Path) {
    fs::write(directory.join("config.yaml"), mk_text(&["a"])).unwrap();
}

/// As the kubelet mounts a ConfigMap.
fn mounted(directory: &Path) {
    fs::create_dir(directory.join("..1")).unwrap();
    fs::write(directory.join("..1/config.yaml"), mk_text(&["a"])).unwrap();
    symlink("..1", directory.join("..data")).unwrap();
    symlink("..data/config.yaml", directory.join("config.yaml")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rename_is_seen() {
    let mut file = Watched::start(plain).await;
    file.looks(3).await;
    assert_eq!((file.news(), file.told()), (None, (1, 0, 0)));
    file.write("new", &mk_text(&["b", "c"]));
    file.rename("new", "config.yaml");
    file.looks(1).await;
    assert_eq!(file.news(), None);
    file.looks(1).await;
    let expected = Some(vec!["b".to_owned(), "c".to_owned()]);
    assert_eq!((file.news(), file.told()), (expected, (1, 1, 0)));
    file.looks(3).await;
    assert_eq!((file.news(), file.told()), (None, (1, 1, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_swap_of_a_mounted_config_map_is_seen() {
    let mut file = Watched::start(mounted).await;
    fs::create_dir(file.directory.path().join("..2")).unwrap();
    file.write("..2/config.yaml", &mk_text(&["b"]));
    symlink("..2", file.directory.path().join("..data_tmp")).unwrap();
    file.rename("..data_tmp", "..data");
    fs::remove_dir_all(file.directory.path().join("..1")).unwrap();
    file.looks(2).await;
    assert_eq!(file.news(), Some(vec!["b".to_owned()]));
}

/// Each state lasts for one look: empty would be a good file without rules, and the first half
/// of this one is a good one with fewer.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_not_judged() {
    let mut file = Watched::start(plain).await;
    let whole = mk_text(&["b", "c"]);
    let line = whole.rfind("- ").unwrap();
    for part in ["", &whole[..line], &whole[..line + 5], &whole] {
        assert_eq!((file.news(), file.told()), (None, (1, 0, 0)));
        file.write("config.yaml", part);
        file.looks(1).await;
    }
    file.looks(1).await;
    let expected = Some(vec!["b".to_owned(), "c".to_owned()]);
    assert_eq!((file.news(), file.told()), (expected, (1, 1, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_changes_nothing_and_is_counted_once() {
    let mut file = Watched::start(plain).await;
    file.write("config.yaml", "rules: [{nosuch: 1}]");
    file.looks(10).await;
    assert_eq!((file.news(), file.told()), (None, (0, 0, 1)));
    file.write("config.yaml", "rules: [{seriesQuery: a, metricsQuery: <<}]");
    file.looks(10).await;
    assert_eq!((file.news(), file.told()), (None, (0, 0, 2)));
    file.assert_uses(&mk_text(&["a"]));
    file.rename("config.yaml", "elsewhere");
    file.looks(10).await;
    assert_eq!((file.news(), file.told()), (None, (0, 0, 3)));
    // What it was at the start: the rules are the same.
    plain(file.directory.path());
    file.looks(10).await;
    assert_eq!((file.news(), file.told()), (None, (1, 1, 3)));
    file.write("config.yaml", &mk_text(&["b"]));
    file.looks(10).await;
    file.assert_uses(&mk_text(&["b"]));
    assert_eq!(file.news(), Some(vec!["b".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn flags_are_held_against_every_version() {
    let external = "externalRules: [{seriesQuery: a, metricsQuery: x}]";
    let make = |directory: &Path| fs::write(directory.join("config.yaml"), external).unwrap();
    let mut file = Watched::start_with(SECOND / 2, make).await;
    file.write("config.yaml", &mk_text(&["b"]));
    file.looks(2).await;
    assert_eq!((file.news(), file.told()), (None, (0, 0, 1)));
}

/// The second look at a pipe would find it empty.
#[tokio::test(start_paused = true)]
async fn what_is_no_file_is_read_once() {
    let make = |directory: &Path| symlink("/dev/null", directory.join("config.yaml")).unwrap();
    let mut file = Watched::start(make).await;
    file.write("new", &mk_text(&["b"]));
    file.rename("new", "config.yaml");
    file.looks(10).await;
    assert_eq!((file.news(), file.told()), (None, (1, 0, 0)));
}

#[test]
fn errors_name_file_place_and_cause() {
    let options = discovery::Options {
        interval: SECOND,
        max_age: SECOND / 2,
        stale_limit: None,
        listing: discovery::Listing::default(),
    };
    for (content, expected) in [
        (
            "rules: [{nosuch: 1}]",
            "--config c.yaml: unknown field `nosuch`",
        ),
        ("rules: [{nosuch: 1}]", "1 | rules: [{nosuch: 1}]"),
        (
            "rules: [{seriesQuery: a}]",
            "--config c.yaml: rules[0].metricsQuery",
        ),
        (
            "rules: [{seriesQuery: a, metricsQuery: x}]",
            "--metrics-max-age",
        ),
    ] {
        let error = compile(Path::new("c.yaml"), &options, content.as_bytes()).unwrap_err();
        let error = told(&error);
        assert!(error.contains(expected), "{error}");
    }
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    let error = told(&unreadable(Path::new("c.yaml"), missing));
    assert_eq!(
        error,
        "--config c.yaml: cannot read the rules file: entity not found"
    );
}
