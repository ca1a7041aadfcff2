// Writes ../adapter.json: what prometheus-adapter's own code makes of rules files, of a recorded
// set of series and of requests. Its documentation's files come out of its Go module.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	pmodel "github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v2"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	selectors "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/restmapper"
	"k8s.io/klog/v2"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	prom "sigs.k8s.io/prometheus-adapter/pkg/client"
	"sigs.k8s.io/prometheus-adapter/pkg/config"
	custom "sigs.k8s.io/prometheus-adapter/pkg/custom-provider"
	external "sigs.k8s.io/prometheus-adapter/pkg/external-provider"
	"sigs.k8s.io/prometheus-adapter/pkg/naming"
	"sigs.k8s.io/prometheus-adapter/pkg/resourceprovider"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// fakeProm answers from the recorded series and remembers what it was asked.
type fakeProm struct {
	series  []map[string]string
	mu      sync.Mutex
	answers map[string][]int
	queries []string
}

func (f *fakeProm) Series(_ context.Context, _ pmodel.Interval, asked ...prom.Selector) ([]prom.Series, error) {
	text := string(asked[0])
	matchers, err := parser.ParseMetricSelector(text)
	if err != nil {
		return nil, err
	}
	found, places := []prom.Series{}, []int{}
	for place, series := range f.series {
		if matches(matchers, series) {
			// As it comes over the wire: the name is no label.
			one := prom.Series{}
			if err := json.Unmarshal(must(json.Marshal(series)), &one); err != nil {
				return nil, err
			}
			found, places = append(found, one), append(places, place)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[text] = places
	return found, nil
}

func matches(matchers []*promlabels.Matcher, series map[string]string) bool {
	for _, matcher := range matchers {
		if !matcher.Matches(series[matcher.Name]) {
			return false
		}
	}
	return true
}

func (f *fakeProm) Query(_ context.Context, _ pmodel.Time, query prom.Selector) (prom.QueryResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries = append(f.queries, string(query))
	return prom.QueryResult{Type: pmodel.ValVector, Vector: &pmodel.Vector{}}, nil
}

func (f *fakeProm) QueryRange(context.Context, prom.Range, prom.Selector) (prom.QueryResult, error) {
	panic("prometheus-adapter asks for no range")
}

// mapper is the one that prometheus-adapter builds from discovery.
func mapper() apimeta.RESTMapper {
	var groups []*restmapper.APIGroupResources
	for _, kind := range kinds {
		name, version := kind[0].(string), kind[1].(string)
		at := slices.IndexFunc(groups, func(g *restmapper.APIGroupResources) bool { return g.Group.Name == name })
		if at < 0 {
			at = len(groups)
			groups = append(groups, &restmapper.APIGroupResources{
				Group:              metav1.APIGroup{Name: name, PreferredVersion: metav1.GroupVersionForDiscovery{Version: version}},
				VersionedResources: map[string][]metav1.APIResource{},
			})
		}
		group := groups[at]
		if _, known := group.VersionedResources[version]; !known {
			group.Group.Versions = append(group.Group.Versions, metav1.GroupVersionForDiscovery{Version: version})
		}
		group.VersionedResources[version] = append(group.VersionedResources[version], metav1.APIResource{
			Name: kind[2].(string), SingularName: kind[3].(string), Kind: kind[4].(string), Namespaced: kind[5].(bool),
		})
	}
	return restmapper.NewDiscoveryRESTMapper(groups)
}

// request is a question and the PromQL it makes; without "want" there is none.
type request struct {
	Group     string   `json:"group,omitempty"`
	Resource  string   `json:"resource,omitempty"`
	Metric    string   `json:"metric,omitempty"`
	Namespace string   `json:"namespace"`
	Selector  string   `json:"selector,omitempty"`
	Names     []string `json:"names,omitempty"`
	Want      []string `json:"want,omitempty"`
}

// outcome is what comes of one file; without lists the file is refused.
type outcome struct {
	Name     string           `json:"name"`
	Origin   string           `json:"origin"`
	Yaml     string           `json:"yaml"`
	Refused  bool             `json:"refused,omitempty"`
	Answers  map[string][]int `json:"answers,omitempty"`
	Custom   [][]any          `json:"custom,omitempty"`
	External []string         `json:"external,omitempty"`
	Requests []request        `json:"requests,omitempty"`
	Queries  []request        `json:"externalRequests,omitempty"`
	Usage    []request        `json:"usage,omitempty"`
}

var selectorTexts = []string{"", "", "", "a=b", "code in (2xx,3xx)", "code in (2xx)", "code notin (a)", "code notin (c,b,a)", "a!=b", "a", "!a", "z=1,y!=2,x in (3),!w,v", "a>1", "a<1", "a.b=c", "x/y in (z)", "a=", "a in (x.y,z)", "1a=b", "namespace=other,pod=x"}

var nameTexts = [][]string{{"web-0"}, {"web-0"}, {"web-0", "web-1"}, {"a", "b", "c"}, {"ip-10-0-0-1.ec2.internal"}, {"a.b", "c+d"}, {"a|b"}, {"x", "a|b", "(c)"}, {"q\"uote"}, {"back\\slash", "x"}, {"nl\n", "tab\t"}, {"ünï☃😀"}, {"\u00a0nbsp", "\u200bzero"}, {"\u0001\u007f\u0085\u2028\ufeff"}, {"'", "`"}, {"[a]", "^b$", "{1}"}}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

func run(name, origin, text string, asks int, random *rand.Rand) (out outcome) {
	out = outcome{Name: name, Origin: origin, Yaml: text}
	cfg, err := config.FromYAML([]byte(text))
	if err != nil {
		out.Refused = true
		return out
	}
	client := &fakeProm{series: recorded(), answers: map[string][]int{}}
	if len(cfg.Rules) > 0 {
		customList(&out, cfg, client, asks, random)
	}
	if len(cfg.ExternalRules) > 0 {
		externalList(&out, cfg, client, asks, random)
	}
	if cfg.ResourceRules != nil {
		usage(&out, cfg, client)
	}
	out.Answers = client.answers
	return out
}

func customList(out *outcome, cfg *config.MetricsDiscoveryConfig, client *fakeProm, asks int, random *rand.Rand) {
	namers := must(naming.NamersFromConfig(cfg.Rules, mapper()))
	made, runner := custom.NewPrometheusProvider(mapper(), nil, client, namers, time.Hour, time.Hour)
	stop := make(chan struct{})
	defer close(stop)
	runner.RunUntil(stop)
	for deadline := time.Now().Add(10 * time.Second); len(made.ListAllMetrics()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			panic(out.Name + ": nothing is listed")
		}
	}
	infos := made.ListAllMetrics()
	slices.SortFunc(infos, func(a, b provider.CustomMetricInfo) int { return strings.Compare(a.String(), b.String()) })
	registry := made.(custom.SeriesRegistry)
	for _, info := range infos {
		out.Custom = append(out.Custom, []any{info.GroupResource.String(), info.Metric, info.Namespaced})
		for range asks {
			asked := request{Group: info.GroupResource.Group, Resource: info.GroupResource.Resource, Metric: info.Metric, Selector: pick(random, selectorTexts), Names: pick(random, nameTexts)}
			if info.Namespaced {
				asked.Namespace = "shop"
			}
			selector, err := selectors.Parse(asked.Selector)
			if err != nil {
				panic(err)
			}
			if query, found := registry.QueryForMetric(info, asked.Namespace, selector, asked.Names...); found {
				asked.Want = []string{string(query)}
			}
			out.Requests = append(out.Requests, asked)
		}
	}
}

func externalList(out *outcome, cfg *config.MetricsDiscoveryConfig, client *fakeProm, asks int, random *rand.Rand) {
	namers := must(naming.NamersFromConfig(cfg.ExternalRules, mapper()))
	lister, _ := external.NewPeriodicMetricLister(external.NewBasicMetricLister(client, namers, time.Hour), time.Hour)
	registry := external.NewExternalSeriesRegistry(lister)
	lister.UpdateNow()
	for _, info := range registry.ListAllMetrics() {
		out.External = append(out.External, info.Metric)
	}
	slices.Sort(out.External)
	for _, metric := range out.External {
		for range 4 * asks {
			asked := request{Metric: metric, Namespace: pick(random, []string{"shop", "a-b"}), Selector: pick(random, selectorTexts)}
			if query, found, err := registry.QueryForMetric(asked.Namespace, metric, must(selectors.Parse(asked.Selector))); found && err == nil {
				asked.Want = []string{string(query)}
			}
			out.Queries = append(out.Queries, asked)
		}
	}
}

func usage(out *outcome, cfg *config.MetricsDiscoveryConfig, client *fakeProm) {
	made := must(resourceprovider.NewProvider(client, mapper(), cfg.ResourceRules))
	for _, names := range nameTexts[1:] {
		for _, namespace := range []string{"", "shop"} {
			client.queries = nil
			asked := request{Namespace: namespace, Names: names}
			if namespace == "" {
				var nodes []*corev1.Node
				for _, name := range names {
					nodes = append(nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
				}
				must(made.GetNodeMetrics(nodes...))
			} else {
				var pods []*metav1.PartialObjectMetadata
				for _, name := range names {
					pods = append(pods, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}})
				}
				must(made.GetPodMetrics(pods...))
			}
			// CPU and memory are asked for at once.
			slices.Sort(client.queries)
			asked.Want = client.queries
			out.Usage = append(out.Usage, asked)
		}
	}
}

// documented finds the rules files in prometheus-adapter's module.
func documented() (found [][3]string) {
	command := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/prometheus-adapter")
	directory := strings.TrimSpace(string(must(command.Output())))
	read := func(path string) string { return string(must(os.ReadFile(filepath.Join(directory, path)))) }
	add := func(name, path, text string) {
		found = append(found, [3]string{name, "sigs.k8s.io/prometheus-adapter v0.12.0, " + path + " (Apache-2.0)", text})
	}
	sample := read("docs/sample-config.yaml")
	add("sample-config", "docs/sample-config.yaml", sample)
	// Its double quotes inside double quotes are no YAML, so nobody has ever run it; as it is meant:
	meant := strings.ReplaceAll(sample, `container!="POD"}`, `container!=\"POD\"}`)
	add("sample-config-mended", "docs/sample-config.yaml, quotes mended", meant)
	manifest := struct{ Data map[string]string }{}
	if err := yaml.Unmarshal([]byte(read("deploy/manifests/config-map.yaml")), &manifest); err != nil {
		panic(err)
	}
	add("deploy-manifest", "deploy/manifests/config-map.yaml", manifest.Data["config.yaml"])
	for _, page := range []string{"walkthrough", "config-walkthrough", "externalmetrics"} {
		for number, block := range strings.Split(read("docs/"+page+".md"), "```yaml\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			manifest.Data = nil
			if strings.Contains(block, "kind: ConfigMap") && yaml.Unmarshal([]byte(block), &manifest) == nil {
				block = manifest.Data["config.yaml"]
			}
			// Blocks that are no whole file show one field only.
			if strings.Contains(block, "metricsQuery") {
				add(fmt.Sprintf("%s-%d", page, number+1), "docs/"+page+".md", block)
			}
		}
	}
	for _, name := range []string{"helm-default", "kube-prometheus", "corners"} {
		text := string(must(os.ReadFile("configs/" + name + ".yaml")))
		found = append(found, [3]string{name, "generate-adapter/configs/" + name + ".yaml", text})
	}
	return found
}

func looked() (out [][]any) {
	for _, lookup := range lookups {
		info := provider.CustomMetricInfo{GroupResource: schema.GroupResource{Group: lookup[0], Resource: lookup[1]}}
		row := []any{lookup[0], lookup[1]}
		if normal, _, err := info.Normalized(mapper()); err == nil {
			row = append(row, normal.GroupResource.String())
		}
		out = append(out, row)
	}
	return out
}

func main() {
	// Whatever has no query is told there.
	flags := flag.NewFlagSet("", flag.PanicOnError)
	klog.InitFlags(flags)
	_ = flags.Parse([]string{"-logtostderr=false", "-stderrthreshold=FATAL"})
	klog.SetOutput(io.Discard)
	random := rand.New(rand.NewPCG(1, 2))
	var cases []outcome
	for _, file := range documented() {
		asks := 1
		if file[0] == "corners" || strings.HasPrefix(file[0], "externalmetrics") || strings.HasPrefix(file[0], "config-walkthrough") {
			asks = 8
		}
		cases = append(cases, run(file[0], file[1], file[2], asks, random))
	}
	var out bytes.Buffer
	line := func(prefix string, value any, suffix string) {
		var one bytes.Buffer
		encoder := json.NewEncoder(&one)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			panic(err)
		}
		out.WriteString(prefix + strings.TrimSpace(one.String()) + suffix)
	}
	line("{\"header\": {\"kinds\": ", kinds, ",\n")
	line("\"lookups\": ", looked(), ",\n")
	line("\"quoted\": ", quoted(), ",\n")
	line("\"series\": ", recorded(), "},\n\"cases\": [\n")
	for at, one := range cases {
		line("", one, map[bool]string{true: ",\n", false: "\n"}[at+1 < len(cases)])
	}
	out.WriteString("]}\n")
	if len(os.Args) < 2 {
		_ = must(io.Copy(os.Stdout, &out))
		return
	}
	if err := os.WriteFile(filepath.Join(os.Args[1], "adapter.json"), out.Bytes(), 0o644); err != nil {
		panic(err)
	}
}

// quoted is [text, %q of it]: what stands between the quotes of a label matcher.
func quoted() (out [][2]string) {
	texts := []string{"", "a", "\"", "'", "`", "\\", "\\\\n", "\a\b\f\n\r\t\v", "\x00\x01\x1b\x7f", "é☃😀", "\u0080\u0085\u009f", "\u00a0", "\u00ad", "\u0301", "a\u0301", "\u200b\u200d\u2028\u2029\u202e", "\u3000", "\ufeff", "\ufffd", "\ufdd0\uffff", "\U000e0001", "\U0010ffff", "\ue000", "\u0378", "\u2060", "$1", "${x}", "<<.Series>>", "%d%%"}
	for code := rune(0); code < 0x3000; code += 0x40 {
		text := ""
		for c := code; c < code+0x40; c++ {
			text += string(c)
		}
		texts = append(texts, text)
	}
	for _, text := range texts {
		out = append(out, [2]string{text, fmt.Sprintf("%q", text)})
	}
	return out
}
