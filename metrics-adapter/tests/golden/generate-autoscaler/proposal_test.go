package podautoscaler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// One case: the kind of metric and target, replicas, target, tolerances up and down in thousandths,
// pods, value; then the proposal and the usage that the status tells, null for an error.
//
// A pod is [state, value, request, started, since, taken, window]: the first letter of its state is
// its phase (Running, Pending, Failed, Succeeded) or D while it is being deleted, the second one its
// condition Ready (True, False, Unknown, none), times are seconds ago. What is null is not there.
func proposals(t *testing.T, random *rand.Rand) []any {
	var vectors []any
	// The calculator compares times with the present.
	synctest.Test(t, func(*testing.T) {
		time.Sleep(24 * time.Hour)
		for range 430 {
			vectors = append(vectors, perPod(random, pick(random, "cpu", "cpu%"), true))
		}
		for range 620 {
			vectors = append(vectors, perPod(random, pick(random, "pods", "pods", "memory", "memory%"), false))
		}
		for range 650 {
			vectors = append(vectors, perObject(random))
		}
	})
	return vectors
}

var tolerances = []int64{0, 50, 100, 100, 100, 35, 200, 500, 900}

func mkTolerances(up, down int64) Tolerances {
	return Tolerances{
		scaleUp:   resource.NewMilliQuantity(up, resource.DecimalSI).AsApproximateFloat64(),
		scaleDown: resource.NewMilliQuantity(down, resource.DecimalSI).AsApproximateFloat64(),
	}
}

func perPod(random *rand.Rand, kind string, timed bool) any {
	utilization := strings.HasSuffix(kind, "%")
	var resourceName v1.ResourceName
	if kind != "pods" {
		resourceName = v1.ResourceName(strings.TrimSuffix(kind, "%"))
	}
	target := int64(pick(random, 50, 60, 80, 100, 120, 200))
	if !utilization {
		target = int64(1 + random.IntN(2000))
	}
	// Values around the target show where a decision turns.
	around := target
	request := int64(pick(random, 100, 250, 500))
	if utilization {
		around = request * target / 100
	}
	level := pick(random, 0.3, 0.7, 0.85, 0.95, 1.0, 1.05, 1.15, 1.6, 3.0)
	var pods []*v1.Pod
	var told []any
	values := metrics.PodMetricsInfo{}
	now := time.Now()
	ago := func(seconds int) metav1.Time { return metav1.NewTime(now.Add(-time.Duration(seconds) * time.Second)) }
	calm := random.IntN(3) == 0
	for i := range random.IntN(8) {
		pod := mkPod(fmt.Sprintf("p%d", i))
		state := "RT"
		if !calm {
			state = pick(random, "RT", "RT", "RT", "RT", "RF", "RF", "PF", "FF", "ST", "DT", "RU", "R-")
		}
		switch state[0] {
		case 'R':
			pod.Status.Phase = v1.PodRunning
		case 'P':
			pod.Status.Phase = v1.PodPending
		case 'F':
			pod.Status.Phase = v1.PodFailed
		case 'S':
			pod.Status.Phase = v1.PodSucceeded
		case 'D':
			pod.Status.Phase = v1.PodRunning
			deleted := metav1.NewTime(now)
			pod.DeletionTimestamp = &deleted
		}
		var value, asked, started, since, taken, window any
		metric := metrics.PodMetric{Value: int64(float64(around) * level * (0.8 + 0.4*random.Float64()))}
		if calm || random.IntN(6) > 0 {
			value = metric.Value
		}
		if utilization {
			if random.IntN(60) > 0 {
				asked = request
				pod.Spec.Containers = []v1.Container{{Name: "c", Resources: v1.ResourceRequirements{
					Requests: v1.ResourceList{resourceName: *resource.NewMilliQuantity(request, resource.DecimalSI)},
				}}}
			} else {
				pod.Spec.Containers = []v1.Container{{Name: "c"}}
			}
		}
		condition := v1.PodCondition{Type: v1.PodReady}
		if timed {
			if random.IntN(20) > 0 {
				seconds := pick(random, 5, 29, 31, 90, 299, 300, 301, 4000)
				at := ago(seconds)
				started, pod.Status.StartTime = seconds, &at
			}
			seconds := pick(random, 0, 1, 10, 28, 60, 270, 271, 299, 3000)
			since, condition.LastTransitionTime = seconds, ago(seconds)
			seconds = pick(random, 0, 5, 30, 60)
			taken, metric.Timestamp = seconds, ago(seconds).Time
			seconds = pick(random, 0, 10, 30)
			window, metric.Window = seconds, time.Duration(seconds)*time.Second
		}
		if status, ok := map[byte]v1.ConditionStatus{'T': v1.ConditionTrue, 'F': v1.ConditionFalse, 'U': v1.ConditionUnknown}[state[1]]; ok {
			condition.Status = status
			pod.Status.Conditions = []v1.PodCondition{condition}
		}
		if value != nil {
			values[pod.Name] = metric
		}
		pods = append(pods, pod)
		line := []any{state, value}
		if utilization || timed {
			line = append(line, asked)
		}
		if timed {
			line = append(line, started, since, taken, window)
		}
		told = append(told, line)
	}
	current := int32(max(1, len(pods)+random.IntN(3)-1))
	up, down := pick(random, tolerances...), pick(random, tolerances...)
	calculator := NewReplicaCalculator(source{pods: values}, lister(pods), 5*time.Minute, 30*time.Second)
	var replicas int32
	var usage int64
	var err error
	switch {
	case kind == "pods":
		replicas, usage, _, err = calculator.GetMetricReplicas(current, target, "m", mkTolerances(up, down), namespace, labels.Everything(), labels.Everything())
	case utilization:
		var percents int32
		replicas, percents, _, _, err = calculator.GetResourceReplicas(context.Background(), current, int32(target), resourceName, mkTolerances(up, down), namespace, labels.Everything(), "")
		usage = int64(percents)
	default:
		replicas, usage, _, err = calculator.GetRawResourceReplicas(context.Background(), current, target, resourceName, mkTolerances(up, down), namespace, labels.Everything(), "")
	}
	return []any{kind, current, target, up, down, told, nil, outcome(replicas, err), outcome(usage, err)}
}

func perObject(random *rand.Rand) any {
	kind := pick(random, "object", "object/pod", "external", "external/pod")
	var pods []*v1.Pod
	var told []any
	for i := range random.IntN(6) {
		pod := mkPod(fmt.Sprintf("p%d", i))
		state := pick(random, "RT", "RT", "RT", "RF", "PF")
		pod.Status.Phase = map[byte]v1.PodPhase{'R': v1.PodRunning, 'P': v1.PodPending}[state[0]]
		status := map[byte]v1.ConditionStatus{'T': v1.ConditionTrue, 'F': v1.ConditionFalse}[state[1]]
		pod.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: status}}
		pods = append(pods, pod)
		told = append(told, []any{state, nil})
	}
	current := int32(random.IntN(7))
	target := int64(1 + random.IntN(20000))
	value := int64(float64(target) * pick(random, 0.0, 0.2, 0.85, 0.9, 1.0, 1.1, 1.3, 2.0, 5.0, 1e10) * pick(random, 1.0, float64(current)) * (0.95 + 0.1*random.Float64()))
	up, down := pick(random, tolerances...), pick(random, tolerances...)
	calculator := NewReplicaCalculator(source{values: map[string]*int64{"m": &value}}, lister(pods), 5*time.Minute, 30*time.Second)
	tolerances := mkTolerances(up, down)
	var replicas int32
	var usage int64
	var err error
	switch kind {
	case "object":
		replicas, usage, _, err = calculator.GetObjectMetricReplicas(current, target, "m", tolerances, namespace, nil, labels.Everything(), labels.Everything())
	case "object/pod":
		// It alone does not look at the largest number of replicas there can be.
		value %= 1 << 40
		replicas, usage, _, err = calculator.GetObjectPerPodMetricReplicas(current, target, "m", tolerances, namespace, nil, labels.Everything())
	case "external":
		replicas, usage, _, err = calculator.GetExternalMetricReplicas(current, target, "m", tolerances, namespace, &metav1.LabelSelector{}, labels.Everything())
	case "external/pod":
		replicas, usage, _, err = calculator.GetExternalPerPodMetricReplicas(current, target, "m", tolerances, namespace, &metav1.LabelSelector{})
	}
	if replicas < 0 {
		// Beyond 2^31 Go promises nothing, and processors differ.
		return perObject(random)
	}
	mean := outcome(usage, err)
	if current == 0 && strings.HasSuffix(kind, "/pod") {
		// A division by zero, which processors tell differently.
		mean = nil
	}
	return []any{kind, current, target, up, down, told, value, outcome(replicas, err), mean}
}

func outcome[T any](number T, err error) any {
	if err != nil {
		return nil
	}
	return number
}
