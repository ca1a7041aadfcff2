package podautoscaler

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/record"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/monitor"
	"k8s.io/kubernetes/pkg/controller/util/selectors"
	"k8s.io/utils/ptr"
)

// A workload answers as the API server would for one Deployment.
type workload struct {
	scaleclient.ScaleInterface
	apimeta.RESTMapper
	replicas int32
}

func (w *workload) Scales(string) scaleclient.ScaleInterface { return w }

func (w *workload) RESTMappings(kind schema.GroupKind, _ ...string) ([]*apimeta.RESTMapping, error) {
	return []*apimeta.RESTMapping{{Resource: schema.GroupVersionResource{Group: kind.Group, Version: "v1", Resource: "deployments"}}}, nil
}

func (w *workload) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	return &autoscalingv1.Scale{
		Spec:   autoscalingv1.ScaleSpec{Replicas: w.replicas},
		Status: autoscalingv1.ScaleStatus{Replicas: w.replicas, Selector: "app=a"},
	}, nil
}

func (w *workload) Update(_ context.Context, _ schema.GroupResource, scale *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	w.replicas = scale.Spec.Replicas
	return scale, nil
}

// Statuses takes an HPA's status, and keeps the conditions of the last one.
type statuses struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	conditions []autoscaling.HorizontalPodAutoscalerCondition
}

func (s *statuses) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return s
}

func (s *statuses) UpdateStatus(_ context.Context, hpa *autoscaling.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscaling.HorizontalPodAutoscaler, error) {
	s.conditions = hpa.Status.Conditions
	return hpa, nil
}

// Reason is that of the condition which tells why: no metric, a limit, stabilization; null where
// none was set, because the replicas were out of bounds.
func (s *statuses) reason() any {
	var limited, able any
	for _, condition := range s.conditions {
		switch condition.Type {
		case autoscaling.ScalingActive:
			if condition.Status == v1.ConditionFalse {
				return condition.Reason
			}
		case autoscaling.ScalingLimited:
			limited = condition.Reason
		case autoscaling.AbleToScale:
			// A rescale hides it.
			if strings.HasSuffix(condition.Reason, "Stabilized") {
				able = condition.Reason
			}
		}
	}
	if limited == "DesiredWithinRange" && able != nil {
		return able
	}
	return limited
}

// One case: smallest and largest number of replicas, replicas at the start, behavior, metrics as
// kind and target; then syncs as seconds since the last one, values, the replicas wanted and the
// reason. All pods are ready; a value is that of each pod, or of the whole. What is null fails.
//
// A behavior is [up, down], of which each is [window, tolerance, policy, policies].
func runs(t *testing.T, random *rand.Rand) []any {
	var vectors []any
	for range 300 {
		synctest.Test(t, func(t *testing.T) { vectors = append(vectors, run(t, random)) })
	}
	return vectors
}

func run(t *testing.T, random *rand.Rand) any {
	hpa := &autoscaling.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "h"}}
	least, most := int32(1+random.IntN(3)), int32(4+random.IntN(30))
	start := least + int32(random.IntN(int(most-least)))
	switch random.IntN(20) {
	case 0:
		start = 0
	case 1:
		start = most + 3
	}
	hpa.Spec.MinReplicas, hpa.Spec.MaxReplicas = &least, most
	hpa.Spec.ScaleTargetRef = autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "d"}
	behavior := mkBehavior(random, hpa)
	var kinds []any
	var targets []int64
	for i := range pick(random, 1, 1, 2, 3) {
		kind, goal := pick(random, "pods", "pods", "external", "external/pod"), int64(1000+random.IntN(100000))
		identifier := autoscaling.MetricIdentifier{Name: fmt.Sprintf("m%d", i)}
		quantity := resource.NewMilliQuantity(goal, resource.DecimalSI)
		var metric autoscaling.MetricSpec
		switch kind {
		case "pods":
			metric.Type = autoscaling.PodsMetricSourceType
			metric.Pods = &autoscaling.PodsMetricSource{Metric: identifier, Target: autoscaling.MetricTarget{AverageValue: quantity}}
		case "external":
			metric.Type = autoscaling.ExternalMetricSourceType
			metric.External = &autoscaling.ExternalMetricSource{Metric: identifier, Target: autoscaling.MetricTarget{Value: quantity}}
		default:
			metric.Type = autoscaling.ExternalMetricSourceType
			metric.External = &autoscaling.ExternalMetricSource{Metric: identifier, Target: autoscaling.MetricTarget{AverageValue: quantity}}
		}
		hpa.Spec.Metrics = append(hpa.Spec.Metrics, metric)
		kinds = append(kinds, []any{kind, goal})
		targets = append(targets, goal)
	}
	defaults.SetDefaults_HorizontalPodAutoscaler(hpa)

	deployment, told := &workload{replicas: start}, &statuses{}
	controller := &HorizontalController{
		scaleNamespacer: deployment, hpaNamespacer: told, mapper: deployment,
		tolerance: 0.1, downscaleStabilisationWindow: 5 * time.Minute,
		eventRecorder: &record.FakeRecorder{}, monitor: monitor.New(),
		recommendations: map[string][]timestampedRecommendation{},
		scaleUpEvents:   map[string][]timestampedScaleEvent{}, scaleDownEvents: map[string][]timestampedScaleEvent{},
		hpaSelectors: selectors.NewBiMultimap(),
	}
	var syncs []any
	pace := pick(random, 1, 15, 15, 15, 60)
	load := 1.0
	for range 8 + random.IntN(22) {
		seconds := pace * pick(random, 1, 1, 1, 1, 2, 5)
		time.Sleep(time.Duration(seconds) * time.Second)
		load *= pick(random, 1.0, 1.0, 1.02, 0.97, 1.5, 0.6, 4.0, 0.2)
		load = min(max(load, 0.01), 30)
		var pods []*v1.Pod
		values := map[string]*int64{}
		perPod := metrics.PodMetricsInfo{}
		for i := range deployment.replicas {
			pod := mkPod(fmt.Sprintf("p%d", i))
			pod.Status = v1.PodStatus{Phase: v1.PodRunning, Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue}}}
			pods, perPod[pod.Name] = append(pods, pod), metrics.PodMetric{}
		}
		sync := []any{seconds}
		for i, goal := range targets {
			value := float64(goal) * load * pick(random, 1.0, 1.0, 0.5)
			if kind := kinds[i].([]any)[0]; kind == "pods" {
				value /= float64(max(deployment.replicas, 1)) / 4
			} else if kind == "external/pod" {
				value *= 4
			}
			if random.IntN(12) > 0 {
				values[fmt.Sprintf("m%d", i)] = ptr.To(int64(value))
				sync = append(sync, int64(value))
			} else {
				sync = append(sync, nil)
			}
		}
		controller.podLister = lister(pods)
		controller.replicaCalc = NewReplicaCalculator(source{pods: perPod, values: values}, controller.podLister, 5*time.Minute, 30*time.Second)
		told.conditions = nil
		// An error is the word of metrics that failed; the replicas tell what came of it.
		_ = controller.reconcileAutoscaler(context.Background(), hpa, namespace+"/h")
		syncs = append(syncs, append(sync, deployment.replicas, told.reason()))
	}
	return []any{least, most, start, behavior, kinds, syncs}
}

func mkBehavior(random *rand.Rand, hpa *autoscaling.HorizontalPodAutoscaler) any {
	if random.IntN(4) == 0 {
		return nil
	}
	hpa.Spec.Behavior = &autoscaling.HorizontalPodAutoscalerBehavior{}
	var told []any
	for _, rules := range []**autoscaling.HPAScalingRules{&hpa.Spec.Behavior.ScaleUp, &hpa.Spec.Behavior.ScaleDown} {
		if random.IntN(5) == 0 {
			told = append(told, nil)
			continue
		}
		var window, tolerance, selected, policies any
		*rules = &autoscaling.HPAScalingRules{}
		if random.IntN(3) > 0 {
			seconds := pick[int32](random, 0, 0, 30, 60, 120, 300, 600)
			window, (*rules).StabilizationWindowSeconds = seconds, &seconds
		}
		if random.IntN(4) == 0 {
			thousandths := pick(random, tolerances...)
			tolerance, (*rules).Tolerance = thousandths, resource.NewMilliQuantity(thousandths, resource.DecimalSI)
		}
		if random.IntN(3) == 0 {
			policy := pick(random, autoscaling.MaxChangePolicySelect, autoscaling.MinChangePolicySelect, autoscaling.DisabledPolicySelect)
			selected, (*rules).SelectPolicy = policy, &policy
		}
		if random.IntN(3) > 0 {
			var list []any
			for range 1 + random.IntN(3) {
				policy := autoscaling.HPAScalingPolicy{
					Type:          pick(random, autoscaling.PodsScalingPolicy, autoscaling.PercentScalingPolicy),
					PeriodSeconds: pick[int32](random, 1, 15, 30, 60, 300, 1800),
				}
				policy.Value = pick[int32](random, 1, 2, 4, math.MaxInt32)
				if policy.Type == autoscaling.PercentScalingPolicy {
					policy.Value = pick[int32](random, 5, 10, 50, 100, 300)
				}
				(*rules).Policies = append((*rules).Policies, policy)
				list = append(list, []any{policy.Type, policy.Value, policy.PeriodSeconds})
			}
			policies = list
		}
		told = append(told, []any{window, tolerance, selected, policies})
	}
	return told
}
