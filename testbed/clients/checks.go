package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	external "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	resource "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/metrics/pkg/client/custom_metrics"
)

var (
	pod       = schema.GroupKind{Kind: "Pod"}
	node      = schema.GroupKind{Kind: "Node"}
	service   = schema.GroupKind{Kind: "Service"}
	namespace = schema.GroupKind{Kind: "Namespace"}
)

// check reads something and makes it comparable: without times, which differ from read to read.
type check struct {
	name string
	read func(ctx context.Context, c *clients) (any, error)
}

func checks(w *world) []check {
	var all []check
	for _, version := range []struct {
		name string
		of   func(*clients) custom_metrics.CustomMetricsClient
	}{
		{"custom v1beta1", func(c *clients) custom_metrics.CustomMetricsClient { return c.v1beta1 }},
		{"custom v1beta2", func(c *clients) custom_metrics.CustomMetricsClient { return c.v1beta2 }},
		{"custom, preferred", func(c *clients) custom_metrics.CustomMetricsClient { return c.preferred }},
	} {
		all = append(all, custom(w, version.name, version.of)...)
	}
	return append(append(all, externals(w)...), usage(w)...)
}

func custom(w *world, version string, of func(*clients) custom_metrics.CustomMetricsClient) []check {
	everything, pods := labels.Everything(), selector(w.pods)
	namespaced := func(c *clients) custom_metrics.MetricsInterface { return of(c).NamespacedMetrics(w.namespace) }
	root := func(c *clients) custom_metrics.MetricsInterface { return of(c).RootScopedMetrics() }
	firstPod := func(c *clients) (string, error) {
		list, err := namespaced(c).GetForObjects(pod, pods, w.podMetric, everything)
		if err != nil || len(list.Items) == 0 {
			return "", errors.Join(err, errors.New("no pod has the metric"))
		}
		return list.Items[0].DescribedObject.Name, nil
	}
	return []check{
		{version + ": one pod, by name", func(_ context.Context, c *clients) (any, error) {
			name, err := firstPod(c)
			if err != nil {
				return nil, err
			}
			return value(namespaced(c).GetForObject(pod, name, w.podMetric, everything))
		}},
		{version + ": pods, by selector", func(_ context.Context, c *clients) (any, error) {
			return values(2)(namespaced(c).GetForObjects(pod, pods, w.podMetric, everything))
		}},
		{version + ": pods, by a selector of series", func(_ context.Context, c *clients) (any, error) {
			return values(2)(namespaced(c).GetForObjects(pod, pods, w.podMetric, selector("case=clients")))
		}},
		{version + ": a Service", func(_ context.Context, c *clients) (any, error) {
			return value(namespaced(c).GetForObject(service, w.service, w.ofService, everything))
		}},
		{version + ": the namespace", func(_ context.Context, c *clients) (any, error) {
			return value(root(c).GetForObject(namespace, w.namespace, w.namespaced, everything))
		}},
		{version + ": a node, by name", func(_ context.Context, c *clients) (any, error) {
			return value(root(c).GetForObject(node, w.node, w.nodeMetric, everything))
		}},
		{version + ": nodes, by selector", func(_ context.Context, c *clients) (any, error) {
			return values(1)(root(c).GetForObjects(node, everything, w.nodeMetric, everything))
		}},
		{version + ": no such metric", func(_ context.Context, c *clients) (any, error) {
			_, err := namespaced(c).GetForObjects(pod, pods, "no_such_metric", everything)
			return notFound(err)
		}},
	}
}

func externals(w *world) []check {
	read := func(c *clients, text string) (any, error) {
		list, err := c.external.NamespacedMetrics(w.namespace).List(w.external, selector(text))
		if err != nil {
			return nil, err
		}
		if len(list.Items) == 0 {
			return nil, errors.New("no value")
		}
		for i := range list.Items {
			if err := recent(list.Items[i].Timestamp.Time); err != nil {
				return nil, err
			}
			list.Items[i].Timestamp = metav1.Time{}
		}
		list.TypeMeta = metav1.TypeMeta{}
		return list, nil
	}
	return []check{
		{"external: all series", func(_ context.Context, c *clients) (any, error) { return read(c, "") }},
		{"external: by selector", func(_ context.Context, c *clients) (any, error) { return read(c, "case=clients") }},
		{"external: no such metric", func(_ context.Context, c *clients) (any, error) {
			_, err := c.external.NamespacedMetrics(w.namespace).List("no_such_metric", labels.Everything())
			return notFound(err)
		}},
		{"external: nothing selected", func(_ context.Context, c *clients) (any, error) {
			list, err := c.external.NamespacedMetrics(w.namespace).List(w.external, selector("case=none"))
			if err == nil && len(list.Items) > 0 {
				err = fmt.Errorf("%d values", len(list.Items))
			}
			return []external.ExternalMetricValue{}, err
		}},
	}
}

func usage(w *world) []check {
	everything, some := metav1.ListOptions{}, metav1.ListOptions{LabelSelector: w.pods}
	return []check{
		{"metrics.k8s.io: nodes", func(ctx context.Context, c *clients) (any, error) {
			list, err := c.resource.MetricsV1beta1().NodeMetricses().List(ctx, everything)
			if err != nil {
				return nil, err
			}
			return each(list.Items, 1, timelessNode)
		}},
		{"metrics.k8s.io: a node", func(ctx context.Context, c *clients) (any, error) {
			item, err := c.resource.MetricsV1beta1().NodeMetricses().Get(ctx, w.node, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			return item, timelessNode(item)
		}},
		{"metrics.k8s.io: pods, by selector", func(ctx context.Context, c *clients) (any, error) {
			list, err := c.resource.MetricsV1beta1().PodMetricses(w.namespace).List(ctx, some)
			if err != nil {
				return nil, err
			}
			return each(list.Items, 2, timelessPod)
		}},
		{"metrics.k8s.io: a pod", func(ctx context.Context, c *clients) (any, error) {
			list, err := c.resource.MetricsV1beta1().PodMetricses(w.namespace).List(ctx, some)
			if err != nil || len(list.Items) == 0 {
				return nil, errors.Join(err, errors.New("no pods"))
			}
			item, err := c.resource.MetricsV1beta1().PodMetricses(w.namespace).Get(ctx, list.Items[0].Name, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			return item, timelessPod(item)
		}},
		{"metrics.k8s.io: no such pod", func(ctx context.Context, c *clients) (any, error) {
			_, err := c.resource.MetricsV1beta1().PodMetricses(w.namespace).Get(ctx, "no-such-pod", metav1.GetOptions{})
			return notFound(err)
		}},
	}
}

func selector(text string) labels.Selector {
	found, err := labels.Parse(text)
	if err != nil {
		panic(err)
	}
	return found
}

// value and values make what the custom metrics client gave comparable.
func value(item *v1beta2.MetricValue, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return item, timelessValue(item)
}

func values(least int) func(*v1beta2.MetricValueList, error) (any, error) {
	return func(list *v1beta2.MetricValueList, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		return each(list.Items, least, timelessValue)
	}
}

func each[T any](items []T, least int, clean func(*T) error) (any, error) {
	if len(items) < least {
		return nil, fmt.Errorf("%d items instead of at least %d", len(items), least)
	}
	for i := range items {
		if err := clean(&items[i]); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func timelessValue(item *v1beta2.MetricValue) error {
	err := recent(item.Timestamp.Time)
	item.Timestamp = metav1.Time{}
	return err
}

func timelessNode(item *resource.NodeMetrics) error {
	err := recent(item.Timestamp.Time)
	item.Timestamp, item.CreationTimestamp, item.TypeMeta = metav1.Time{}, metav1.Time{}, metav1.TypeMeta{}
	return errors.Join(err, used(item.Usage.Cpu().MilliValue(), item.Usage.Memory().Value()))
}

func timelessPod(item *resource.PodMetrics) error {
	err := recent(item.Timestamp.Time)
	item.Timestamp, item.CreationTimestamp, item.TypeMeta = metav1.Time{}, metav1.Time{}, metav1.TypeMeta{}
	if len(item.Containers) == 0 {
		return fmt.Errorf("pod %s has no containers", item.Name)
	}
	for _, container := range item.Containers {
		// A container at rest uses no CPU; memory it always does.
		err = errors.Join(err, used(1, container.Usage.Memory().Value()))
	}
	return err
}

func used(cpu, memory int64) error {
	if cpu <= 0 || memory <= 0 {
		return fmt.Errorf("%d milli-cores, %d bytes", cpu, memory)
	}
	return nil
}

// recent fails for a time that is no recent one: the testbed's Prometheus scrapes every 5 s.
func recent(at time.Time) error {
	if age := time.Since(at); age < -5*time.Second || age > 5*time.Minute {
		return fmt.Errorf("a timestamp %v old: %v", age, at)
	}
	return nil
}

// notFound wants that very refusal, and gives its words.
func notFound(err error) (any, error) {
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("not a NotFound: %v", err)
	}
	return err.Error(), nil
}
