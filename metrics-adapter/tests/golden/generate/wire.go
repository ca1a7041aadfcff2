package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"time"

	discoveryv2 "k8s.io/api/apidiscovery/v2"
	discoveryv2beta1 "k8s.io/api/apidiscovery/v2beta1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1beta1 "k8s.io/apimachinery/pkg/apis/meta/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	customv1beta1 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	customv1beta2 "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalv1beta1 "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// A wireItem is one object or value, in numbers that both sides make quantities and times of.
type wireItem struct {
	APIVersion string            `json:"apiVersion,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Namespace  string            `json:"namespace,omitempty"`
	Name       string            `json:"name,omitempty"`
	Labels     map[string]string `json:"labels"`
	Seconds    int64             `json:"seconds"`
	// Window is in milliseconds.
	Window *int64 `json:"window"`
	Milli  int64  `json:"milli"`
	// Usage is CPU and memory in thousandths, by container (nodes: of "").
	Usage map[string][2]int64 `json:"usage,omitempty"`
}

// A wireCase is an answer, and what Go writes for it.
type wireCase struct {
	// Answer tells which one it is.
	Answer   string     `json:"answer"`
	Metric   string     `json:"metric,omitempty"`
	Selector string     `json:"selector,omitempty"`
	Items    []wireItem `json:"items"`
	// Protobuf is in hexadecimal digits.
	Protobuf string `json:"protobuf"`
	JSON     string `json:"json"`
}

var codecs = serializer.NewCodecFactory(runtime.NewScheme())

// encode writes with the serializer that an API server has for a media type.
func encode(mediaType string, object runtime.Object) []byte {
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		panic(mediaType)
	}
	var out bytes.Buffer
	if err := info.Serializer.Encode(object, &out); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func (c wireCase) with(object runtime.Object, kind string, version string) wireCase {
	object.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(version, kind))
	c.Protobuf = hex.EncodeToString(encode(runtime.ContentTypeProtobuf, object))
	c.JSON = string(encode(runtime.ContentTypeJSON, object))
	if c.Items == nil {
		c.Items = []wireItem{}
	}
	return c
}

func (i wireItem) time() metav1.Time { return metav1.Unix(i.Seconds, 0) }

func (i wireItem) value() resource.Quantity {
	return *resource.NewMilliQuantity(i.Milli, resource.DecimalSI)
}

func (i wireItem) seconds() *int64 {
	if i.Window == nil {
		return nil
	}
	seconds := *i.Window / 1000
	return &seconds
}

func (i wireItem) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: i.Name, Namespace: i.Namespace, Labels: i.Labels, CreationTimestamp: i.time()}
}

func (i wireItem) duration() metav1.Duration {
	return metav1.Duration{Duration: time.Duration(*i.Window) * time.Millisecond}
}

func (i wireItem) usage(container string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(i.Usage[container][0], resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewMilliQuantity(i.Usage[container][1], resource.BinarySI),
	}
}

func (i wireItem) node() metricsv1beta1.NodeMetrics {
	return metricsv1beta1.NodeMetrics{ObjectMeta: i.meta(), Timestamp: i.time(), Window: i.duration(), Usage: i.usage("")}
}

func (i wireItem) pod() metricsv1beta1.PodMetrics {
	pod := metricsv1beta1.PodMetrics{ObjectMeta: i.meta(), Timestamp: i.time(), Window: i.duration(), Containers: []metricsv1beta1.ContainerMetrics{}}
	var names []string
	for name := range i.Usage {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		pod.Containers = append(pod.Containers, metricsv1beta1.ContainerMetrics{Name: name, Usage: i.usage(name)})
	}
	return pod
}

func (i wireItem) partial(version string) metav1.PartialObjectMetadata {
	return metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: version}, ObjectMeta: i.meta()}
}

// wires: answers in protobuf and JSON.
func wires(random *rand.Rand) (any, []vector) {
	var cases []wireCase
	add := func(c ...wireCase) { cases = append(cases, c...) }
	texts := []string{"web-0", "a", "queue/depth", "Ünïcödé", "日本語", "smile-\U0001F600", "quote\"back\\slash", "tab\tnewline\n", "a b", "x<y>&z", "0", "true", "1e3", "~", ""}
	labels := func() map[string]string {
		switch random.IntN(5) {
		case 0:
			return map[string]string{}
		default:
			set := map[string]string{}
			for range 1 + random.IntN(4) {
				set[pick(random, []string{"app", "app.kubernetes.io/name", "zone", "a", "é", "on", "012"})] = pick(random, texts)
			}
			return set
		}
	}
	item := func() wireItem {
		milli := random.Int64() >> random.IntN(63)
		if random.IntN(3) == 0 {
			milli = -milli
		}
		return wireItem{
			APIVersion: pick(random, []string{"v1", "apps/v1", "/v1"}), Kind: pick(random, []string{"Pod", "Deployment", "Node"}),
			Namespace: pick(random, []string{"", "shop", "kube-system"}), Name: pick(random, texts[:len(texts)-1]), Labels: labels(),
			Seconds: pick(random, []int64{0, 1, 1_700_000_000, 253_402_207_199, random.Int64N(1 << 32)}), Milli: milli,
		}
	}
	items := func(n int) []wireItem {
		out := make([]wireItem, 0, n)
		for range n {
			out = append(out, item())
		}
		return out
	}
	extreme := items(6)
	for i, milli := range []int64{0, -1, 1, 1500, math.MaxInt64, math.MinInt64} {
		extreme[i].Milli = milli
	}
	windows := items(3)
	for i, window := range []int64{0, 30_000, 300_000} {
		windows[i].Window = &window
	}
	lists := [][]wireItem{{}, extreme, windows}
	for range 24 {
		lists = append(lists, items(1+random.IntN(5)))
	}
	selectors := []string{"", "a=b", "a=b,c=d", "a in (x,y),b notin (z),c,!d", "zone=a,app in (web)", "a=", "n>1,m<5"}
	for i, list := range lists {
		custom := wireCase{Metric: pick(random, []string{"http_requests", "a/b", "Größe", "m"}), Selector: selectors[i%(len(selectors)-1)], Items: list}
		var selector *metav1.LabelSelector
		if custom.Selector != "" {
			parsed, err := metav1.ParseToLabelSelector(custom.Selector)
			if err != nil {
				panic(err)
			}
			selector = parsed
		}
		one := &customv1beta1.MetricValueList{Items: []customv1beta1.MetricValue{}}
		two := &customv1beta2.MetricValueList{Items: []customv1beta2.MetricValue{}}
		external := &externalv1beta1.ExternalMetricValueList{Items: []externalv1beta1.ExternalMetricValue{}}
		for j := range list {
			item := &list[j]
			object := corev1.ObjectReference{APIVersion: item.APIVersion, Kind: item.Kind, Namespace: item.Namespace, Name: item.Name}
			one.Items = append(one.Items, customv1beta1.MetricValue{DescribedObject: object, MetricName: custom.Metric, Timestamp: item.time(), WindowSeconds: item.seconds(), Value: item.value(), Selector: selector})
			two.Items = append(two.Items, customv1beta2.MetricValue{DescribedObject: object, Metric: customv1beta2.MetricIdentifier{Name: custom.Metric, Selector: selector}, Timestamp: item.time(), WindowSeconds: item.seconds(), Value: item.value()})
			if i%5 == 4 {
				item.Labels = nil
			}
			external.Items = append(external.Items, externalv1beta1.ExternalMetricValue{MetricName: custom.Metric, MetricLabels: item.Labels, Timestamp: item.time(), WindowSeconds: item.seconds(), Value: item.value()})
		}
		custom.Answer = "custom/v1beta1"
		add(custom.with(one, "MetricValueList", "custom.metrics.k8s.io/v1beta1"))
		custom.Answer = "custom/v1beta2"
		add(custom.with(two, "MetricValueList", "custom.metrics.k8s.io/v1beta2"))
		custom.Answer, custom.Selector = "external", ""
		add(custom.with(external, "ExternalMetricValueList", "external.metrics.k8s.io/v1beta1"))
	}
	used := func(n int, containers func() []string) []wireItem {
		list := items(n)
		for i := range list {
			window := pick(random, []int64{0, 1, 1500, 30_000, 60_000, 300_000, 5_400_001})
			list[i].Window, list[i].APIVersion, list[i].Kind, list[i].Milli = &window, "", "", 0
			list[i].Usage = map[string][2]int64{}
			for _, name := range containers() {
				list[i].Usage[name] = [2]int64{random.Int64N(1 << 20), random.Int64N(1<<32) * pick(random, []int64{1, 1000, 1_024_000})}
			}
		}
		return list
	}
	for n := range 12 {
		nodes := used(n%5, func() []string { return []string{""} })
		for i := range nodes {
			nodes[i].Namespace = ""
		}
		pods := used(n%4, func() []string {
			return pick(random, [][]string{{}, {"web"}, {"web", "istio-proxy"}, {"b", "a", "é"}})
		})
		for i := range pods {
			pods[i].Namespace = "shop"
		}
		nodeList := &metricsv1beta1.NodeMetricsList{Items: []metricsv1beta1.NodeMetrics{}}
		partials, old := &metav1.PartialObjectMetadataList{Items: []metav1.PartialObjectMetadata{}}, &metav1beta1.PartialObjectMetadataList{Items: []metav1.PartialObjectMetadata{}}
		for _, node := range nodes {
			nodeList.Items = append(nodeList.Items, node.node())
			partials.Items = append(partials.Items, node.partial("meta.k8s.io/v1"))
			old.Items = append(old.Items, node.partial("meta.k8s.io/v1beta1"))
		}
		podList := &metricsv1beta1.PodMetricsList{Items: []metricsv1beta1.PodMetrics{}}
		for _, pod := range pods {
			podList.Items = append(podList.Items, pod.pod())
		}
		add(
			wireCase{Answer: "nodes", Items: nodes}.with(nodeList, "NodeMetricsList", "metrics.k8s.io/v1beta1"),
			wireCase{Answer: "pods", Items: pods}.with(podList, "PodMetricsList", "metrics.k8s.io/v1beta1"),
			wireCase{Answer: "partials/v1", Items: nodes}.with(partials, "PartialObjectMetadataList", "meta.k8s.io/v1"),
			wireCase{Answer: "partials/v1beta1", Items: nodes}.with(old, "PartialObjectMetadataList", "meta.k8s.io/v1beta1"),
		)
		if len(nodes) > 0 {
			node, partial := nodes[0].node(), nodes[0].partial("")
			add(
				wireCase{Answer: "node", Items: nodes[:1]}.with(&node, "NodeMetrics", "metrics.k8s.io/v1beta1"),
				wireCase{Answer: "partial/v1", Items: nodes[:1]}.with(&partial, "PartialObjectMetadata", "meta.k8s.io/v1"),
				wireCase{Answer: "partial/v1beta1", Items: nodes[:1]}.with(&partial, "PartialObjectMetadata", "meta.k8s.io/v1beta1"),
			)
		}
		if len(pods) > 0 {
			pod := pods[0].pod()
			add(wireCase{Answer: "pod", Items: pods[:1]}.with(&pod, "PodMetrics", "metrics.k8s.io/v1beta1"))
		}
	}
	for _, name := range []string{"web-0", "日本語", "x<y"} {
		pods := errors.NewNotFound(schema.GroupResource{Resource: "pods"}, name).ErrStatus
		add(wireCase{Answer: "status/pod", Metric: name}.with(&pods, "Status", "v1"))
		unused := errors.NewNotFound(schema.GroupResource{Group: "metrics.k8s.io", Resource: "podmetrics"}, name).ErrStatus
		add(wireCase{Answer: "status/podmetrics", Metric: name}.with(&unused, "Status", "v1"))
		message := fmt.Sprintf("the server could not find the metric %s for pods", name)
		metric := metav1.Status{Status: metav1.StatusFailure, Message: message, Reason: metav1.StatusReasonNotFound, Code: 404}
		add(wireCase{Answer: "status/metric", Metric: name}.with(&metric, "Status", "v1"))
	}
	add(discoveries()...)
	vectors := make([]vector, 0, len(cases))
	for _, c := range cases {
		vectors = append(vectors, c)
	}
	return []string{}, vectors
}

// discoveries: two custom metrics, one external metric, and the resource metrics.
func discoveries() []wireCase {
	group := func(name string, versions ...string) metav1.APIGroup {
		group := metav1.APIGroup{Name: name}
		for _, version := range versions {
			group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: name + "/" + version, Version: version})
		}
		group.PreferredVersion = group.Versions[0]
		return group
	}
	custom := group("custom.metrics.k8s.io", "v1beta1", "v1beta2")
	groups := &metav1.APIGroupList{Groups: []metav1.APIGroup{custom, group("external.metrics.k8s.io", "v1beta1"), group("metrics.k8s.io", "v1beta1")}}
	list := func(version string, resources ...metav1.APIResource) *metav1.APIResourceList {
		return &metav1.APIResourceList{GroupVersion: version, APIResources: resources}
	}
	get := metav1.Verbs{"get"}
	customList := list("custom.metrics.k8s.io/v1beta2",
		metav1.APIResource{Name: "namespaces/ops", Kind: "MetricValueList", Verbs: get},
		metav1.APIResource{Name: "pods/ops", Namespaced: true, Kind: "MetricValueList", Verbs: get})
	externalList := list("external.metrics.k8s.io/v1beta1", metav1.APIResource{Name: "queue", Namespaced: true, Kind: "ExternalMetricValueList", Verbs: get})
	both := metav1.Verbs{"get", "list"}
	resourceList := list("metrics.k8s.io/v1beta1",
		metav1.APIResource{Name: "nodes", Kind: "NodeMetrics", Verbs: both},
		metav1.APIResource{Name: "pods", Namespaced: true, Kind: "PodMetrics", Verbs: both})

	kind := func(kind string) *metav1.GroupVersionKind { return &metav1.GroupVersionKind{Kind: kind} }
	stub := func(name string, scope discoveryv2.ResourceScope) discoveryv2.APIResourceDiscovery {
		return discoveryv2.APIResourceDiscovery{Resource: name, ResponseKind: kind(""), Scope: scope, Verbs: []string{}, Subresources: []discoveryv2.APISubresourceDiscovery{
			{Subresource: "ops", ResponseKind: kind("MetricValueList"), Verbs: get},
		}}
	}
	stubs := []discoveryv2.APIResourceDiscovery{stub("namespaces", discoveryv2.ScopeCluster), stub("pods", discoveryv2.ScopeNamespace)}
	whole := func(name string, scope discoveryv2.ResourceScope, of string, verbs []string) discoveryv2.APIResourceDiscovery {
		return discoveryv2.APIResourceDiscovery{Resource: name, ResponseKind: kind(of), Scope: scope, Verbs: verbs}
	}
	version := func(name string, resources ...discoveryv2.APIResourceDiscovery) discoveryv2.APIVersionDiscovery {
		return discoveryv2.APIVersionDiscovery{Version: name, Resources: resources, Freshness: discoveryv2.DiscoveryFreshnessCurrent}
	}
	discovery := func(name string, versions ...discoveryv2.APIVersionDiscovery) discoveryv2.APIGroupDiscovery {
		return discoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: name}, Versions: versions}
	}
	aggregated := &discoveryv2.APIGroupDiscoveryList{Items: []discoveryv2.APIGroupDiscovery{
		discovery("custom.metrics.k8s.io", version("v1beta1", stubs...), version("v1beta2", stubs...)),
		discovery("external.metrics.k8s.io", version("v1beta1", whole("queue", discoveryv2.ScopeNamespace, "ExternalMetricValueList", get))),
		discovery("metrics.k8s.io", version("v1beta1", whole("nodes", discoveryv2.ScopeCluster, "NodeMetrics", both), whole("pods", discoveryv2.ScopeNamespace, "PodMetrics", both))),
	}}
	// The two versions have the same fields.
	old := &discoveryv2beta1.APIGroupDiscoveryList{}
	data, err := json.Marshal(aggregated)
	if err == nil {
		err = json.Unmarshal(data, old)
	}
	if err != nil {
		panic(err)
	}
	return []wireCase{
		wireCase{Answer: "groups"}.with(groups, "APIGroupList", "v1"),
		wireCase{Answer: "group"}.with(&custom, "APIGroup", "v1"),
		wireCase{Answer: "resources/custom"}.with(customList, "APIResourceList", "v1"),
		wireCase{Answer: "resources/external"}.with(externalList, "APIResourceList", "v1"),
		wireCase{Answer: "resources/resource"}.with(resourceList, "APIResourceList", "v1"),
		wireCase{Answer: "aggregated/v2"}.with(aggregated, "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"),
		wireCase{Answer: "aggregated/v2beta1"}.with(old, "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2beta1"),
	}
}
