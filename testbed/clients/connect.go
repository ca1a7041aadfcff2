package main

import (
	"fmt"
	"mime"
	"net/http"
	"sync"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	"k8s.io/metrics/pkg/client/clientset/versioned"
	"k8s.io/metrics/pkg/client/custom_metrics"
	"k8s.io/metrics/pkg/client/external_metrics"
)

// clients are the stock ones, all with the same content type.
type clients struct {
	form      string
	want      string
	seen      *recorder
	v1beta1   custom_metrics.CustomMetricsClient
	v1beta2   custom_metrics.CustomMetricsClient
	preferred custom_metrics.CustomMetricsClient
	external  external_metrics.ExternalMetricsClient
	resource  versioned.Interface
}

// recorder remembers the content types of the answers, which the clients do not tell.
type recorder struct {
	next  http.RoundTripper
	mutex sync.Mutex
	types []string
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err == nil {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.types = append(r.types, response.Header.Get("Content-Type"))
	}
	return response, err
}

// take gives the content types since it was last called.
func (r *recorder) take() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	types := r.types
	r.types = nil
	return types
}

func connect(w *world, form, accept, want string) (*clients, error) {
	base, err := clientcmd.BuildConfigFromFlags("", w.kubeconfig)
	if err != nil {
		return nil, err
	}
	// Which kinds and versions there are is asked as ever; that is not what is compared.
	discoverer, err := discovery.NewDiscoveryClientForConfig(base)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discoverer))

	seen := &recorder{}
	config := rest.CopyConfig(base)
	config.ContentType = want
	config.AcceptContentTypes = accept
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		seen.next = next
		return seen
	})
	found := &clients{form: form, want: want, seen: seen}
	if found.v1beta1, err = custom_metrics.NewForVersionForConfig(config, mapper, v1beta1.SchemeGroupVersion); err != nil {
		return nil, err
	}
	if found.v1beta2, err = custom_metrics.NewForVersionForConfig(config, mapper, v1beta2.SchemeGroupVersion); err != nil {
		return nil, err
	}
	found.preferred = custom_metrics.NewForConfig(config, mapper, custom_metrics.NewAvailableAPIsGetter(discoverer))
	if found.external, err = external_metrics.NewForConfig(config); err != nil {
		return nil, err
	}
	found.resource, err = versioned.NewForConfig(config)
	return found, err
}

// answered fails unless every answer since the last call was in the wanted form.
func (c *clients) answered() error {
	types := c.seen.take()
	if len(types) == 0 {
		return fmt.Errorf("nothing was asked in %s", c.form)
	}
	for _, given := range types {
		if media, _, err := mime.ParseMediaType(given); err != nil || media != c.want {
			return fmt.Errorf("asked for %s, got %q", c.form, given)
		}
	}
	return nil
}
