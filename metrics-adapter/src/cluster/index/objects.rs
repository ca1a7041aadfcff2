//! Names and labels of the objects of one kind, as small as they can be kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kube::core::ObjectMeta;

use crate::model::{IndexedObject, ObjectLabels, Selector};

/// Objects by namespace and name; the namespace is empty for kinds without. Labels are few, so a
/// scan is faster than a map, and smaller.
#[derive(Debug, Default)]
pub(super) struct Objects {
    namespaces: HashMap<Arc<str>, BTreeMap<Arc<str>, ObjectLabels>>,
    count: usize,
}

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
        if let Some(objects) = self.namespaces.get_mut(namespace) {
            if let Some(known) = objects.get_mut(name) {
                *known = labels;
            } else {
                objects.insert(name.into(), labels);
                self.count += 1;
            }
        } else {
            let objects = BTreeMap::from([(name.into(), labels)]);
            self.namespaces.insert(interner.intern(namespace), objects);
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
        if objects.remove(name).is_some() {
            self.count -= 1;
        }
        if objects.is_empty() {
            self.namespaces.remove(namespace);
        }
    }

    /// Names that match, sorted. Without a namespace: of all of them, each name once.
    pub(super) fn select(&self, namespace: Option<&str>, selector: &Selector) -> Vec<Arc<str>> {
        match namespace {
            Some(namespace) => self
                .namespaces
                .get(namespace)
                .map_or_else(Vec::new, |objects| names(objects, selector).collect()),
            None => {
                let mut names: Vec<Arc<str>> = self
                    .namespaces
                    .values()
                    .flat_map(|objects| names(objects, selector))
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
            matching(objects, selector).map(move |(name, labels)| IndexedObject {
                namespace: (!namespace.is_empty()).then(|| Arc::clone(namespace)),
                name: Arc::clone(name),
                labels: Arc::clone(labels),
            })
        });
        objects.collect()
    }
}

fn names<'a>(
    objects: &'a BTreeMap<Arc<str>, ObjectLabels>,
    selector: &'a Selector,
) -> impl Iterator<Item = Arc<str>> + 'a {
    matching(objects, selector).map(|(name, _)| Arc::clone(name))
}

fn matching<'a>(
    objects: &'a BTreeMap<Arc<str>, ObjectLabels>,
    selector: &'a Selector,
) -> impl Iterator<Item = (&'a Arc<str>, &'a ObjectLabels)> + 'a {
    objects.iter().filter(|(_, labels)| {
        selector.matches(|wanted| {
            labels
                .iter()
                .find(|(key, _)| &**key == wanted)
                .map(|(_, value)| &**value)
        })
    })
}

#[cfg(test)]
mod tests {
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
