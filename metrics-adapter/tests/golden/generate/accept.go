package main

import (
	"math/rand/v2"
	"net/http/httptest"
	"strings"

	"github.com/emicklei/go-restful/v3"
	"k8s.io/apiserver/pkg/endpoints/handlers/negotiation"
)

// accepts: [Accept header, media type of the answer], without the second one if it is refused: by
// go-restful's router in front of an API server's handlers, or by their negotiation.
func accepts(random *rand.Rand) (any, []vector) {
	chosen := ""
	produced, _ := negotiation.MediaTypesForSerializer(codecs)
	service := new(restful.WebService)
	service.Path("/apis").Route(service.GET("/").Produces(produced...).To(func(request *restful.Request, response *restful.Response) {
		_, info, err := negotiation.NegotiateOutputMediaType(request.Request, codecs, negotiation.DefaultEndpointRestrictions)
		if err == nil {
			chosen = info.MediaType
		}
	}))
	container := restful.NewContainer()
	container.Router(restful.CurlyRouter{})
	container.Add(service)

	types := []string{"application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "*/*", "application/*", "*", "text/html", "application/cbor", "application", "application/json/x", "Application/JSON", "*/json", ""}
	parameters := []string{"", "", "", ";q=0.5", ";q=0.9", ";q=0", "; q=0.1", ";q=x", ";q=", ";q= 0.3", ";as=Table;v=v1;g=meta.k8s.io", ";as=PartialObjectMetadata;v=v1;g=meta.k8s.io", ";g=", ";v=v1", ";stream=watch", ";stream=x", ";sv=v1", ";charset=utf-8", ";;", ";x", ";a=b=c", ";pretty=1", ";q=2", ";q=-1", ";q=1e-3", ";profile=nopeer"}
	headers := []string{"", "*/*", "application/vnd.kubernetes.protobuf, */*", "application/vnd.kubernetes.protobuf,application/json", ",", ",,application/json"}
	for range 600 {
		var clauses []string
		for range 1 + random.IntN(5) {
			clauses = append(clauses, pick(random, []string{"", " "})+pick(random, types)+pick(random, parameters)+pick(random, []string{"", "", " "}))
		}
		headers = append(headers, strings.Join(clauses, ","))
	}
	var vectors []vector
	for _, header := range unique(headers) {
		chosen = ""
		request := httptest.NewRequest("GET", "/apis", nil)
		request.Header.Set("Accept", header)
		container.ServeHTTP(httptest.NewRecorder(), request)
		if chosen == "" {
			vectors = append(vectors, []any{header})
		} else {
			vectors = append(vectors, []any{header, chosen})
		}
	}
	return []string{}, vectors
}
