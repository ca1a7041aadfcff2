package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	openapi_v3 "github.com/google/gnostic-models/openapiv3"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/openapiconv"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/custommetrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/externalmetrics"
	resourcemetrics "sigs.k8s.io/metrics-server/pkg/api/generated/openapi"
)

const (
	meta    = "io.k8s.apimachinery.pkg.apis.meta.v1."
	kindKey = "x-kubernetes-group-version-kind"
)

// A groupVersion is what one OpenAPI document is about; without a version it is the group itself.
type groupVersion struct {
	group, version string
	definitions    common.GetOpenAPIDefinitions
	// models is the prefix of the names of its models; kinds are those with a kind of their own.
	models     string
	kinds      []string
	operations []operation
}

// An operation is a GET.
type operation struct {
	path, id, description string
	// model is the whole name of what is answered.
	model, kind, action string
	query               []string
}

var parameters = map[string]spec.Parameter{
	"namespace":           path("namespace", "name of the namespace"),
	"resource":            path("resource", "resource of the described objects, as plural or as plural.group"),
	"name":                path("name", "name of the object"),
	"object":              path("name", "name of the object, or * for all that match labelSelector"),
	"metric":              path("metric", "name of the metric"),
	"labelSelector":       query("labelSelector", "A selector to restrict the list of returned objects by their labels. Defaults to everything."),
	"fieldSelector":       query("fieldSelector", "A selector to restrict the list of returned objects by metadata.name and metadata.namespace. Defaults to everything."),
	"metricLabelSelector": query("metricLabelSelector", "A selector to restrict the series that the values are made of by their labels. Defaults to everything."),
	"seriesSelector":      query("labelSelector", "A selector to restrict the series that the values are made of by their labels. Defaults to everything."),
}

func path(name, description string) spec.Parameter {
	parameter := query(name, description)
	parameter.In, parameter.Required = "path", true
	return parameter
}

func query(name, description string) spec.Parameter {
	parameter := spec.Parameter{}
	parameter.Name, parameter.In, parameter.Description = name, "query", description
	parameter.Type, parameter.UniqueItems = "string", true
	return parameter
}

func custom(version string) groupVersion {
	models := "io.k8s.metrics.pkg.apis.custom_metrics." + version + "."
	read := func(path, id, description string, query ...string) operation {
		return operation{path, id, description, models + "MetricValueList", "MetricValueList", "get", query}
	}
	return groupVersion{"custom.metrics.k8s.io", version, custommetrics.GetOpenAPIDefinitions, models, []string{"MetricValue", "MetricValueList"}, []operation{
		read("namespaces/{namespace}/{resource}/{object}/{metric}", "readNamespacedMetricValue", "read a metric of objects in a namespace", "labelSelector", "metricLabelSelector"),
		read("namespaces/{namespace}/metrics/{metric}", "readNamespaceMetricValue", "read a metric of a namespace itself", "metricLabelSelector"),
		read("{resource}/{object}/{metric}", "readMetricValue", "read a metric of objects without a namespace", "labelSelector", "metricLabelSelector"),
	}}
}

// documents are the groups and versions that can be served.
func documents() []groupVersion {
	external := "io.k8s.metrics.pkg.apis.external_metrics.v1beta1."
	resource := "io.k8s.metrics.pkg.apis.metrics.v1beta1."
	list := func(path, id, description, kind string) operation {
		return operation{path, id, description, resource + kind + "List", kind, "list", []string{"fieldSelector", "labelSelector"}}
	}
	get := func(path, id, description, kind string) operation {
		return operation{path, id, description, resource + kind, kind, "get", nil}
	}
	group := func(version groupVersion) groupVersion {
		return groupVersion{group: version.group, definitions: version.definitions}
	}
	all := []groupVersion{
		custom("v1beta1"),
		custom("v1beta2"),
		{"external.metrics.k8s.io", "v1beta1", externalmetrics.GetOpenAPIDefinitions, external, []string{"ExternalMetricValue", "ExternalMetricValueList"}, []operation{
			{"namespaces/{namespace}/{metric}", "listExternalMetricValue", "list the values of an external metric", external + "ExternalMetricValueList", "ExternalMetricValueList", "list", []string{"seriesSelector"}},
		}},
		{"metrics.k8s.io", "v1beta1", resourcemetrics.GetOpenAPIDefinitions, resource, []string{"NodeMetrics", "NodeMetricsList", "PodMetrics", "PodMetricsList"}, []operation{
			list("nodes", "listNodeMetrics", "list what nodes use", "NodeMetrics"),
			get("nodes/{name}", "readNodeMetrics", "read what a node uses", "NodeMetrics"),
			list("pods", "listPodMetricsForAllNamespaces", "list what pods use", "PodMetrics"),
			list("namespaces/{namespace}/pods", "listNamespacedPodMetrics", "list what pods in a namespace use", "PodMetrics"),
			get("namespaces/{namespace}/pods/{name}", "readNamespacedPodMetrics", "read what a pod uses", "PodMetrics"),
		}},
	}
	return append(all, group(all[0]), group(all[2]), group(all[3]))
}

// swagger builds a document; its schemas are those that upstream's own servers serve.
func (g groupVersion) swagger() *spec.Swagger {
	tag := strings.ReplaceAll(strings.TrimSuffix(g.group, ".k8s.io"), ".", "_")
	all := []operation{{"", "getAPIGroup", "get information of a group", meta + "APIGroup", "", "", nil}}
	if g.version != "" {
		tag += "_" + g.version
		all = append([]operation{{"", "getAPIResources", "get available resources", meta + "APIResourceList", "", "", nil}}, g.operations...)
	}
	swagger := &spec.Swagger{}
	swagger.Swagger = "2.0"
	swagger.Info = &spec.Info{InfoProps: spec.InfoProps{Title: "metrics-adapter", Version: "unversioned"}}
	swagger.Paths = &spec.Paths{Paths: map[string]spec.PathItem{}}
	swagger.Definitions = spec.Definitions{}
	known := g.definitions(func(name string) spec.Ref { return spec.MustCreateRef("#/definitions/" + name) })
	for _, operation := range all {
		swagger.Paths.Paths[g.path(operation.path)] = g.item(operation, tag)
		define(swagger.Definitions, known, operation.model)
	}
	for _, kind := range g.kinds {
		schema, ok := swagger.Definitions[g.models+kind]
		if !ok {
			panic("nothing answers with " + kind)
		}
		schema.AddExtension(kindKey, []any{g.kind(kind)})
		swagger.Definitions[g.models+kind] = schema
	}
	swagger.Definitions = handler.PruneDefaults(swagger.Definitions)
	return swagger
}

func (g groupVersion) kind(kind string) map[string]any {
	return map[string]any{"group": g.group, "version": g.version, "kind": kind}
}

func (g groupVersion) path(rest string) string {
	path := "/apis/" + g.group + "/"
	if g.version != "" {
		path += g.version + "/"
	}
	return path + strings.ReplaceAll(rest, "{object}", "{name}")
}

func (g groupVersion) item(of operation, tag string) spec.PathItem {
	get := &spec.Operation{}
	get.ID, get.Description, get.Tags = of.id+"_"+tag, of.description, []string{tag}
	get.Produces = []string{"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"}
	get.Schemes = []string{"https"}
	schema := spec.RefSchema("#/definitions/" + of.model)
	response := func(description string, schema *spec.Schema) spec.Response {
		return spec.Response{ResponseProps: spec.ResponseProps{Description: description, Schema: schema}}
	}
	get.Responses = &spec.Responses{ResponsesProps: spec.ResponsesProps{StatusCodeResponses: map[int]spec.Response{200: response("OK", schema), 401: response("Unauthorized", nil)}}}
	for _, name := range of.query {
		get.Parameters = append(get.Parameters, parameters[name])
	}
	if of.kind != "" {
		get.AddExtension("x-kubernetes-action", of.action)
		get.AddExtension(kindKey, g.kind(of.kind))
	}
	item := spec.PathItem{PathItemProps: spec.PathItemProps{Get: get}}
	for _, segment := range strings.Split(of.path, "/") {
		if strings.HasPrefix(segment, "{") {
			item.Parameters = append(item.Parameters, parameters[strings.Trim(segment, "{}")])
		}
	}
	return item
}

// define adds a model and all that it is made of.
func define(definitions spec.Definitions, known map[string]common.OpenAPIDefinition, name string) {
	if _, ok := definitions[name]; ok {
		return
	}
	definition, ok := known[name]
	if !ok {
		panic("no definition of " + name)
	}
	schema := definition.Schema
	if old, ok := schema.Extensions[common.ExtensionV2Schema].(spec.Schema); ok {
		schema = old
	}
	if name == meta+"APIResourceList" || name == meta+"APIGroup" {
		schema.AddExtension(kindKey, []any{map[string]any{"group": "", "version": "v1", "kind": strings.TrimPrefix(name, meta)}})
	}
	definitions[name] = schema
	for _, dependency := range definition.Dependencies {
		define(definitions, known, dependency)
	}
}

// writeOpenAPI writes, for each group and version, OpenAPI v2 and v3. Gnostic, which kube-apiserver
// uses, has to understand all of them.
func writeOpenAPI(directory string) error {
	for _, document := range documents() {
		name := strings.Trim(document.group+"_"+document.version, "_")
		swagger := document.swagger()
		second, err := swagger.MarshalJSON()
		if err != nil {
			return err
		}
		if _, err := openapi_v2.ParseDocument(second); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		third, err := json.Marshal(openapiconv.ConvertV2ToV3(swagger))
		if err != nil {
			return err
		}
		if _, err := openapi_v3.ParseDocument(third); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for file, content := range map[string][]byte{".v2.json": second, ".v3.json": third} {
			var indented bytes.Buffer
			if err := json.Indent(&indented, content, "", " "); err != nil {
				return err
			}
			indented.WriteByte('\n')
			if err := os.WriteFile(filepath.Join(directory, name+file), indented.Bytes(), 0o644); err != nil {
				return err
			}
		}
		fmt.Println(name, len(swagger.Paths.Paths), len(swagger.Definitions))
	}
	return nil
}
