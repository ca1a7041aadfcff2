// What the stock HorizontalPodAutoscaler controller computes, written as golden vectors. See
// generate.sh. The same source gives the same files.
package podautoscaler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	autoscaling "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

const namespace = "demo"

var errNone = errors.New("no value")

func TestWriteVectors(t *testing.T) {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	for _, file := range []struct {
		name     string
		generate func(*testing.T, *rand.Rand) []any
	}{
		{"hpa-proposal", proposals},
		{"hpa-run", runs},
	} {
		random := rand.New(rand.NewPCG(20250101, uint64(len(file.name))))
		var out bytes.Buffer
		out.WriteString("{\"header\":{\"kubernetes\":\"1.36.3\"},\"cases\":[\n")
		for i, vector := range file.generate(t, random) {
			line, err := json.Marshal(vector)
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				out.WriteString(",\n")
			}
			out.Write(line)
		}
		out.WriteString("\n]}\n")
		path := filepath.Join(os.Getenv("VECTORS"), file.name+".json")
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A source answers the controller from memory. What is nil there is an error.
type source struct {
	pods   metrics.PodMetricsInfo
	values map[string]*int64
}

func (s source) perPod() (metrics.PodMetricsInfo, time.Time, error) {
	if s.pods == nil {
		return nil, time.Time{}, errNone
	}
	// The calculator changes what it gets.
	pods := metrics.PodMetricsInfo{}
	for name, metric := range s.pods {
		pods[name] = metric
	}
	return pods, time.Time{}, nil
}

func (s source) one(name string) (int64, error) {
	if value := s.values[name]; value != nil {
		return *value, nil
	}
	return 0, errNone
}

func (s source) GetResourceMetric(context.Context, v1.ResourceName, string, labels.Selector, string) (metrics.PodMetricsInfo, time.Time, error) {
	return s.perPod()
}

func (s source) GetRawMetric(name string, _ string, _, _ labels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	if s.values != nil {
		value, err := s.one(name)
		if err != nil {
			return nil, time.Time{}, err
		}
		pods := metrics.PodMetricsInfo{}
		for name := range s.pods {
			pods[name] = metrics.PodMetric{Value: value}
		}
		return pods, time.Time{}, nil
	}
	return s.perPod()
}

func (s source) GetObjectMetric(name string, _ string, _ *autoscaling.CrossVersionObjectReference, _ labels.Selector) (int64, time.Time, error) {
	value, err := s.one(name)
	return value, time.Time{}, err
}

func (s source) GetExternalMetric(name string, _ string, _ labels.Selector) ([]int64, time.Time, error) {
	value, err := s.one(name)
	return []int64{value}, time.Time{}, err
}

func lister(pods []*v1.Pod) corelisters.PodLister {
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, pod := range pods {
		if err := indexer.Add(pod); err != nil {
			panic(err)
		}
	}
	return corelisters.NewPodLister(indexer)
}

func mkPod(name string) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": "a"}}}
}

func pick[T any](random *rand.Rand, from ...T) T {
	return from[random.IntN(len(from))]
}
