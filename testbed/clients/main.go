// Command clients reads the metrics APIs with the stock Go clients, the ones that the
// HorizontalPodAutoscaler and kubectl are made with: every form of a read, first in JSON and then in
// protobuf, which must tell the same. It prints one line per check and ends with 1 at the first that
// fails, with 64 for wrong usage.
//
// It fails as well when protobuf was asked for and something else came.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

// What there must be to read.
type world struct {
	kubeconfig string
	namespace  string
	node       string
	pods       string
	service    string
	podMetric  string
	nodeMetric string
	namespaced string
	ofService  string
	external   string
	protobuf   bool
}

func main() {
	var w world
	flag.StringVar(&w.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig of a reader of all metrics")
	flag.StringVar(&w.namespace, "namespace", "", "namespace of pods, Service and external metric")
	flag.StringVar(&w.node, "node", "", "name of a node")
	flag.StringVar(&w.pods, "pods", "", "label selector of at least two pods")
	flag.StringVar(&w.service, "service", "", "name of a Service")
	flag.StringVar(&w.podMetric, "pod-metric", "", "metric of these pods")
	flag.StringVar(&w.nodeMetric, "node-metric", "", "metric of the node")
	flag.StringVar(&w.namespaced, "namespace-metric", "", "metric of the namespace")
	flag.StringVar(&w.ofService, "service-metric", "", "metric of the Service")
	flag.StringVar(&w.external, "external-metric", "", "external metric, with a label case=clients")
	flag.BoolVar(&w.protobuf, "protobuf", true, "read in protobuf, too, and compare")
	flag.Parse()
	missing := false
	flag.VisitAll(func(f *flag.Flag) {
		if f.Value.String() == "" {
			fmt.Fprintf(os.Stderr, "-%s is missing\n", f.Name)
			missing = true
		}
	})
	if missing || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(64)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, &w); err != nil {
		fmt.Println("FAILED", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w *world) error {
	inJSON, err := connect(w, "JSON", "application/json", "application/json")
	if err != nil {
		return err
	}
	var inProtobuf *clients
	if w.protobuf {
		const protobuf = "application/vnd.kubernetes.protobuf"
		// JSON second, as kube-controller-manager asks.
		if inProtobuf, err = connect(w, "protobuf", protobuf+",application/json", protobuf); err != nil {
			return err
		}
	}
	for _, check := range checks(w) {
		if err := compare(ctx, check, inJSON, inProtobuf); err != nil {
			return fmt.Errorf("%s: %w", check.name, err)
		}
		forms := "JSON"
		if inProtobuf != nil {
			forms = "JSON = protobuf"
		}
		fmt.Printf("ok  %-58s %s\n", check.name, forms)
	}
	return nil
}
