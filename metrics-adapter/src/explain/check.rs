//! `metrics-adapter check`: what a rules file makes of the series that a Prometheus has, and what is
//! wrong with it.
//!
//! What is learned is learned once (`facts` of one series query, `world` of Prometheus as a whole), on
//! the server's own way from rules to metrics and queries; `lint` judges it without asking anybody,
//! `absence` asks why there is nothing to judge. Law: what does not work has a finding that tells why,
//! and the findings come first, the cause before its effects.

mod absence;
mod example;
mod facts;
mod finding;
mod jobs;
mod lint;
mod mapping;
mod reach;
mod report;
mod text;
mod usage;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use finding::{Check, Finding, Severity};
pub use report::{Element, Example, LabelReport, NameReport, Report, RuleReport};
pub use text::text;

use crate::config::{ConfigError, RuleFile};
use crate::discovery::Catalog;
use crate::model::ObjectSource;
use crate::prometheus::QueryClient;
use crate::prometheus::inspect::InspectClient;
use crate::rules::{self, Association, Rule, RuleSet};
use facts::{Facts, Learned};
use finding::Findings;
use world::World;

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The rules file.
    pub config: PathBuf,
    /// Time between relists.
    pub relist_interval: Duration,
    /// Series that had samples within this time are listed.
    pub max_age: Duration,
    /// Prometheus' address, without secrets; for people.
    pub address: Option<String>,
}

/// Checks a rules file: with a client also against what Prometheus has.
///
/// # Errors
/// When the file cannot be read. Whatever is wrong in it is told in the report.
pub async fn check<C: QueryClient + InspectClient>(
    client: Option<&C>,
    kinds: &impl ObjectSource,
    options: &Options,
) -> Result<Report, ConfigError> {
    let mut report = Report::new(&options.config, options.address.as_deref());
    let mut findings = Findings::default();
    let file = match RuleFile::load(&options.config) {
        Ok(file) => file,
        Err(ConfigError::Parse { message, .. }) => {
            findings.add(finding::file(&options.config, &message));
            return Ok(report.with_findings(findings));
        }
        Err(error) => return Err(error),
    };
    let (rules, errors) = rules::compile_each(&file);
    for error in errors {
        findings.add(finding::invalid(&error));
    }
    findings.extend(lint::flags(&rules, options));
    let client = match client {
        Some(client) => match reach::probe(client, options).await {
            Ok(()) => Some(client),
            Err(finding) => {
                findings.add(finding);
                None
            }
        },
        None => None,
    };
    let world = match client {
        Some(client) => World::learn(client, &mut report.notes).await,
        None => World::default(),
    };
    let rules = Arc::new(rules);
    let facts = match client {
        Some(client) => facts::learn(client, &rules, options).await,
        None => Vec::new(),
    };
    let checker = Checker {
        client,
        options,
        world: &world,
        catalog: catalog(&rules, &facts, kinds),
    };
    findings.extend(lint::collisions(checker.catalog.collisions(), &rules));
    for (place, rule) in rules.discovered().enumerate() {
        let learned = facts.get(place);
        let resolve = |group: &str, resource: &str| kinds.resolve(group, resource);
        let (told, found) = checker.rule(rule, &rules, learned, &resolve).await;
        report.rules.push(told);
        findings.extend(found);
    }
    findings.extend(lint::relist(&report.rules, options));
    if let Some(resource) = &rules.resource {
        for (told, found) in usage::judge(client, resource, kinds).await {
            report.rules.push(told);
            findings.extend(found);
        }
        let missing = resource.missing_queries();
        findings.extend(missing.iter().map(|field| lint::missing_query(field)));
    }
    Ok(report.with_findings(findings))
}

/// The metrics of the series that are known, as the server makes them.
fn catalog(rules: &Arc<RuleSet>, facts: &[Learned], kinds: &impl ObjectSource) -> Catalog {
    let found = |(rule, facts): (&Arc<Rule>, &Learned)| {
        let set = &facts.as_ref().as_ref().ok()?.set;
        Some((Arc::clone(rule), Arc::clone(set)))
    };
    let (custom, external) = facts.split_at(rules.custom.len().min(facts.len()));
    let custom: Vec<_> = rules.custom.iter().zip(custom).filter_map(found).collect();
    let external: Vec<_> = rules
        .external
        .iter()
        .zip(external)
        .filter_map(found)
        .collect();
    // Rules whose labels cannot be associated are told where they are looked at one by one.
    Catalog::build(Arc::clone(rules), &custom, &external, kinds).0
}

/// What all rules are judged with.
struct Checker<'a, C> {
    /// `None` where there is no Prometheus, or none that answers.
    client: Option<&'a C>,
    options: &'a Options,
    world: &'a World,
    catalog: Catalog,
}

impl<C: QueryClient + InspectClient> Checker<'_, C> {
    /// What is to be told about one rule, and what is wrong with it.
    async fn rule(
        &self,
        rule: &Arc<Rule>,
        rules: &RuleSet,
        learned: Option<&Learned>,
        resolve: rules::Resolve<'_>,
    ) -> (RuleReport, Vec<Finding>) {
        let is_external = rules.external.iter().any(|one| one.id() == rule.id());
        let mut told = RuleReport::new(rule, is_external);
        let mut findings: Vec<Finding> = lint::breadth(rule).into_iter().collect();
        let association = match rule.labels().associate(resolve) {
            Ok(association) => association,
            Err(error) => {
                findings.push(lint::unknown_resource(&error));
                return (told, lint::about(rule, findings));
            }
        };
        if !is_external {
            findings.extend(lint::group_by(rule, &association));
        }
        match learned.map(AsRef::as_ref) {
            None => {}
            Some(Err(error)) => findings.push(lint::refused_selector(error)),
            Some(Ok(facts)) => {
                told.add_series(rule, facts);
                told.metrics = example::metrics(rule, &self.catalog, is_external);
                self.series(rule, facts, &association, &mut told, &mut findings)
                    .await;
            }
        }
        (told, lint::about(rule, findings))
    }

    /// Everything about a rule whose series are known.
    async fn series(
        &self,
        rule: &Arc<Rule>,
        facts: &Facts,
        association: &Association<'_>,
        told: &mut RuleReport,
        findings: &mut Vec<Finding>,
    ) {
        let Some(client) = self.client else { return };
        let accepted = facts.accepted(rule);
        if accepted.is_empty() {
            let found = match facts.set.count {
                0 => absence::explain(client, rule, self.world, self.options).await,
                _ => lint::filtered(facts),
            };
            findings.push(found);
            return;
        }
        told.labels = mapping::labels(association, &accepted);
        findings.extend(mapping::judge(
            rule,
            told.is_external(),
            association,
            &accepted,
        ));
        findings.extend(absence::stale(client, rule, facts, told).await);
        told.scrape_interval = facts.interval(client, rule, self.world).await;
        findings.extend(lint::cardinality(told));
        let asked = match example::find(rule, told.is_external(), facts, &self.catalog, association)
        {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(error) => {
                findings.push(lint::no_query(&error));
                return;
            }
        };
        findings.extend(lint::rates(rule, facts, &asked, self.world));
        findings.extend(lint::ranges(&asked, told));
        if !lint::is_broad(rule) {
            findings.extend(jobs::judge(client, &asked).await);
        }
        let answer = client.query(&asked.query).await;
        findings.extend(lint::answer(&asked, &answer, findings));
        told.example = Some(Example::new(&asked, answer));
    }
}
