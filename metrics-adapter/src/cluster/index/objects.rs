//! Names and labels of the objects of one kind, as small as they can be kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use foldhash::quality::RandomState;
use kube::core::ObjectMeta;

use crate::model::{IndexedObject, ObjectLabels, Operator, Requirement, Selector};

/// Objects by namespace and name; the namespace is empty for kinds without.
#[derive(Debug, Default)]
pub(super) struct Objects {
    namespaces: HashMap<Arc<str>, Namespace, RandomState>,
    count: usize,
}

/// Objects of one namespace. An object's labels are few, so a scan is faster than a map, and
/// smaller; the objects may be thousands, and a selector be about a handful of them.
#[derive(Debug, Default)]
struct Namespace {
    objects: BTreeMap<Arc<str>, ObjectLabels>,
    /// By key of a label.
    labelled: HashMap<Arc<str>, Labelled, RandomState>,
}

/// By value of a label: the names of the objects that have it, sorted.
type Labelled = HashMap<Arc<str>, Vec<Arc<str>>, RandomState>;

/// One copy of every text that labels repeat. Belongs to the task that writes the objects, so
/// that a list made anew shares its texts with the one it replaces.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: HashSet<Arc<str>>,
    /// How many texts there were after the last sweep.
    swept: usize,
}

impl Interner {
    fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// Forgets texts that nobody uses, once there are twice as many as after the last sweep.
    pub(super) fn sweep(&mut self) {
        if self.texts.len() > 2 * self.swept + 1024 {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.texts.shrink_to_fit();
            self.swept = self.texts.len();
        }
    }
}

impl Objects {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn insert(&mut self, object: &ObjectMeta, interner: &mut Interner) {
        let Some(name) = object.name.as_deref() else {
            return;
        };
        let labels = object
            .labels
            .iter()
            .flatten()
            .map(|(key, value)| (interner.intern(key), interner.intern(value)))
            .collect();
        let namespace = object.namespace.as_deref().unwrap_or_default();
        if !self.namespaces.contains_key(namespace) {
            self.namespaces
                .insert(interner.intern(namespace), Namespace::default());
        }
        if let Some(objects) = self.namespaces.get_mut(namespace)
            && objects.insert(name, labels)
        {
            self.count += 1;
        }
    }

    pub(super) fn remove(&mut self, object: &ObjectMeta) {
        let Some(name) = object.name.as_deref() else {
            return;
        };
        let namespace = object.namespace.as_deref().unwrap_or_default();
        let Some(objects) = self.namespaces.get_mut(namespace) else {
            return;
        };
        if objects.remove(name) {
            self.count -= 1;
        }
        if objects.objects.is_empty() {
            self.namespaces.remove(namespace);
        }
    }

    /// Names that match, sorted. Without a namespace: of all of them, each name once.
    pub(super) fn select(&self, namespace: Option<&str>, selector: &Selector) -> Vec<Arc<str>> {
        match namespace {
            Some(namespace) => self
                .namespaces
                .get(namespace)
                .map_or_else(Vec::new, |objects| objects.select(selector)),
            None => {
                let mut names: Vec<Arc<str>> = self
                    .namespaces
                    .values()
                    .flat_map(|objects| objects.select(selector))
                    .collect();
                names.sort_unstable();
                names.dedup();
                names
            }
        }
    }

    /// Objects that match, by namespace, then by name. Without a namespace: of all of them.
    pub(super) fn list(&self, namespace: Option<&str>, selector: &Selector) -> Vec<IndexedObject> {
        let mut namespaces: Vec<_> = match namespace {
            Some(namespace) => self
                .namespaces
                .get_key_value(namespace)
                .into_iter()
                .collect(),
            None => self.namespaces.iter().collect(),
        };
        namespaces.sort_unstable_by_key(|(namespace, _)| *namespace);
        let objects = namespaces.into_iter().flat_map(|(namespace, objects)| {
            objects
                .matching(selector)
                .map(move |(name, labels)| IndexedObject {
                    namespace: (!namespace.is_empty()).then(|| Arc::clone(namespace)),
                    name: Arc::clone(name),
                    labels: Arc::clone(labels),
                })
        });
        objects.collect()
    }
}

impl Namespace {
    /// Adds an object, or changes its labels; whether it is new. Most news about an object are
    /// not about its labels.
    fn insert(&mut self, name: &str, labels: ObjectLabels) -> bool {
        if self.objects.get(name).is_some_and(|known| *known == labels) {
            return false;
        }
        let is_new = !self.remove(name);
        let name: Arc<str> = name.into();
        for (key, value) in labels.iter() {
            let values = self.labelled.entry(Arc::clone(key)).or_default();
            // Many labels are one object's alone.
            let names = values
                .entry(Arc::clone(value))
                .or_insert_with(|| Vec::with_capacity(1));
            if let Err(at) = names.binary_search(&name) {
                names.insert(at, Arc::clone(&name));
            }
        }
        self.objects.insert(name, labels);
        is_new
    }

    /// Removes an object; whether it was there.
    fn remove(&mut self, name: &str) -> bool {
        let Some((name, labels)) = self.objects.remove_entry(name) else {
            return false;
        };
        for (key, value) in labels.iter() {
            let Some(values) = self.labelled.get_mut(key) else {
                continue;
            };
            if let Some(names) = values.get_mut(value) {
                if let Ok(at) = names.binary_search(&name) {
                    names.remove(at);
                }
                if names.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.labelled.remove(key);
            }
        }
        true
    }

    /// Names that match, sorted.
    fn select(&self, selector: &Selector) -> Vec<Arc<str>> {
        match (self.candidates(selector), selector.requirements()) {
            (Some(names), [_]) => names.to_vec(),
            _ => self
                .matching(selector)
                .map(|(name, _)| Arc::clone(name))
                .collect(),
        }
    }

    /// Objects that match, by name.
    fn matching<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a ObjectLabels)> + 'a {
        let candidates = self.candidates(selector);
        let all = candidates.is_none().then(|| self.objects.iter());
        let candidates = candidates.into_iter().flatten();
        let some = candidates.filter_map(|name| self.objects.get_key_value(name));
        all.into_iter().flatten().chain(some).filter(|(_, labels)| {
            selector.matches(|wanted| {
                labels
                    .iter()
                    .find(|(key, _)| &**key == wanted)
                    .map(|(_, value)| &**value)
            })
        })
    }

    /// The fewest names of which all others can be told not to match: those with the rarest label
    /// that the selector asks for. `None` if it asks for none by its one value.
    fn candidates(&self, selector: &Selector) -> Option<&[Arc<str>]> {
        let with_label = |requirement: &Requirement| {
            let values = self.labelled.get(requirement.key.as_str())?;
            values.get(requirement.values.first()?.as_str())
        };
        selector
            .requirements()
            .iter()
            .filter(|requirement| {
                matches!(requirement.operator, Operator::Equals | Operator::In)
                    && requirement.values.len() == 1
            })
            .map(|requirement| with_label(requirement).map_or(&[][..], Vec::as_slice))
            .min_by_key(|names| names.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn mk_meta(namespace: &str, name: &str, labels: &[(&str, &str)]) -> ObjectMeta {
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            labels: Some(labels),
            ..ObjectMeta::default()
        }
    }

    fn mk_objects(objects: &[ObjectMeta]) -> (Objects, Interner) {
        let (mut index, mut interner) = (Objects::default(), Interner::default());
        for object in objects {
            index.insert(object, &mut interner);
        }
        (index, interner)
    }

    fn selected(objects: &Objects, namespace: Option<&str>, selector: &str) -> Vec<String> {
        let selector = Selector::parse(selector).unwrap();
        objects
            .select(namespace, &selector)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn selects_by_namespace_and_labels_in_order() {
        let (objects, _) = mk_objects(&[
            mk_meta("shop", "web-1", &[("app", "web")]),
            mk_meta("shop", "web-0", &[("app", "web"), ("tier", "a")]),
            mk_meta("shop", "db-0", &[("app", "db")]),
            mk_meta("bank", "web-0", &[("app", "web")]),
        ]);
        assert_eq!(objects.len(), 4);
        assert_eq!(
            selected(&objects, Some("shop"), "app=web"),
            ["web-0", "web-1"]
        );
        assert_eq!(selected(&objects, Some("shop"), "app=web,!tier"), ["web-1"]);
        assert_eq!(
            selected(&objects, Some("shop"), ""),
            ["db-0", "web-0", "web-1"]
        );
        assert_eq!(selected(&objects, Some("nowhere"), ""), [""; 0]);
        assert_eq!(selected(&objects, None, "app=web"), ["web-0", "web-1"]);
        let listed = objects.list(None, &Selector::parse("app=web").unwrap());
        let listed: Vec<String> = listed
            .iter()
            .map(|o| format!("{:?} {} {}", o.namespace.as_deref(), o.name, o.labels.len()))
            .collect();
        assert_eq!(
            listed,
            [
                "Some(\"bank\") web-0 1",
                "Some(\"shop\") web-0 2",
                "Some(\"shop\") web-1 1"
            ]
        );
        assert_eq!(objects.list(Some("nowhere"), &Selector::EVERYTHING), []);
    }

    #[test]
    fn changes_and_removals() {
        let (mut objects, mut interner) =
            mk_objects(&[mk_meta("shop", "web-0", &[("app", "web")])]);
        objects.insert(
            &mk_meta("shop", "web-0", &[("app", "other")]),
            &mut interner,
        );
        assert_eq!(objects.len(), 1);
        assert_eq!(selected(&objects, Some("shop"), "app=web"), [""; 0]);
        objects.remove(&mk_meta("shop", "web-0", &[]));
        objects.remove(&mk_meta("shop", "web-0", &[]));
        assert_eq!(objects.len(), 0);
        assert!(objects.namespaces.is_empty());
    }

    /// What a scan of everything would select.
    fn scanned(objects: &[ObjectMeta], selector: &Selector) -> Vec<String> {
        let matching = objects.iter().filter(|object| {
            selector.matches(|key| Some(object.labels.as_ref()?.get(key)?.as_str()))
        });
        let names: BTreeSet<String> = matching.filter_map(|o| o.name.clone()).collect();
        names.into_iter().collect()
    }

    proptest! {
        #[test]
        fn selects_what_a_scan_selects(
            changes in vec((0..12_u8, 0..4_u8, "[abc]?", "[xy]?"), 0..60),
            selector in vec(
                prop::sample::select(std::vec![
                    "app=a", "app==b", "app in (a)", "app in (a,c)", "app!=a", "app", "!app",
                    "tier=x", "tier notin (y)", "other=z",
                ]),
                0..3,
            ),
        ) {
            let (mut objects, mut interner) = (Objects::default(), Interner::default());
            let mut known: BTreeMap<String, ObjectMeta> = BTreeMap::new();
            for (number, kind, app, tier) in changes {
                let name = format!("web-{number}");
                let labels = [("app", app.as_str()), ("tier", tier.as_str())];
                let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
                let object = mk_meta("shop", &name, &labels.collect::<Vec<_>>());
                if kind == 0 {
                    objects.remove(&object);
                    known.remove(&name);
                } else {
                    objects.insert(&object, &mut interner);
                    known.insert(name, object);
                }
            }
            let text = selector.join(",");
            let known: Vec<ObjectMeta> = known.into_values().collect();
            let expected = scanned(&known, &Selector::parse(&text).unwrap());
            prop_assert_eq!(objects.len(), known.len());
            prop_assert_eq!(selected(&objects, Some("shop"), &text), expected.as_slice());
            let listed = objects.list(Some("shop"), &Selector::parse(&text).unwrap());
            let listed: Vec<String> = listed.iter().map(|o| o.name.to_string()).collect();
            prop_assert_eq!(listed, expected);
            // Nothing is left of labels that nobody has.
            let names = objects.namespaces.get("shop").into_iter().flat_map(|objects| {
                objects.labelled.values().flat_map(HashMap::values).map(Vec::len)
            });
            let labels = known.iter().map(|o| o.labels.as_ref().map_or(0, BTreeMap::len));
            prop_assert_eq!(names.sum::<usize>(), labels.sum::<usize>());
        }
    }

    #[test]
    fn label_texts_are_shared_and_forgotten() {
        let pods: Vec<ObjectMeta> = (0..3000)
            .map(|pod| {
                mk_meta(
                    "shop",
                    &format!("web-{pod}"),
                    &[("app", "web"), ("id", &format!("{pod}"))],
                )
            })
            .collect();
        let (mut objects, mut interner) = mk_objects(&pods);
        // "app", "web", "id", the namespace, and 3000 numbers.
        assert_eq!(interner.texts.len(), 3004);
        for pod in &pods {
            objects.remove(pod);
        }
        interner.sweep();
        assert_eq!(interner.texts.len(), 0);
    }
}
