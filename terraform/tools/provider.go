// Command provider is a published provider's schema, and nothing behind it. Terraform checks a
// configuration against it without network and account; tests mock what a provider would do.
// Which provider it stands for is said when it is linked: -ldflags '-X main.provider=hashicorp/aws'.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// provider is its namespace and name in the registry; its schema is NAME.json.
var provider = "exoscale/exoscale"

//go:embed *.json
var published embed.FS

type document struct {
	Provider    block            `json:"provider"`
	Resources   map[string]block `json:"resources"`
	DataSources map[string]block `json:"data_sources"`
}

type block struct {
	Attributes map[string]attribute `json:"attributes"`
	Blocks     map[string]block     `json:"blocks"`
	Timeouts   map[string]attribute `json:"timeouts"`
	Required   bool                 `json:"required"`
	// Nesting is set unless it says list or single.
	Nesting string `json:"nesting"`
	// Max is how many there may be; 0 for any number.
	Max int64 `json:"max"`
}

type attribute struct {
	Type string `json:"type"`
	Mode string `json:"mode"`
}

// server answers with the schema and accepts every configuration that fits it. Whatever else
// Terraform may ask is not there: the embedded interface is nil.
type server struct {
	tfprotov6.ProviderServer
	schemas *tfprotov6.GetProviderSchemaResponse
}

func main() {
	var parsed document
	text, err := published.ReadFile(path.Base(provider) + ".json")
	if err != nil {
		fail(err)
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		fail(err)
	}
	schemas, err := parsed.schemas()
	if err != nil {
		fail(err)
	}
	err = tf6server.Serve("registry.terraform.io/"+provider, func() tfprotov6.ProviderServer { return &server{schemas: schemas} })
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func (d document) schemas() (*tfprotov6.GetProviderSchemaResponse, error) {
	response := &tfprotov6.GetProviderSchemaResponse{
		ServerCapabilities: &tfprotov6.ServerCapabilities{GetProviderSchemaOptional: true},
		ResourceSchemas:    map[string]*tfprotov6.Schema{},
		DataSourceSchemas:  map[string]*tfprotov6.Schema{},
	}
	var err error
	if response.Provider, err = schema(d.Provider); err != nil {
		return nil, err
	}
	for name, found := range d.Resources {
		if response.ResourceSchemas[name], err = schema(found); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, found := range d.DataSources {
		if response.DataSourceSchemas[name], err = schema(found); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return response, nil
}

func schema(found block) (*tfprotov6.Schema, error) {
	content, err := found.content()
	return &tfprotov6.Schema{Block: content}, err
}

func (b block) content() (*tfprotov6.SchemaBlock, error) {
	content := &tfprotov6.SchemaBlock{}
	for name, found := range b.Attributes {
		kind, err := found.kind()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		content.Attributes = append(content.Attributes, &tfprotov6.SchemaAttribute{
			Name:     name,
			Type:     kind,
			Required: strings.Contains(found.Mode, "required"),
			Optional: strings.Contains(found.Mode, "optional"),
			Computed: strings.Contains(found.Mode, "computed"),
		})
	}
	for name, found := range b.Blocks {
		inner, err := found.content()
		if err != nil {
			return nil, err
		}
		nesting, known := nestings[found.Nesting]
		if !known {
			return nil, fmt.Errorf("%s: unknown nesting %q", name, found.Nesting)
		}
		nested := &tfprotov6.SchemaNestedBlock{
			TypeName: name,
			Nesting:  nesting,
			Block:    inner,
			MaxItems: found.Max,
		}
		if found.Required {
			nested.MinItems = 1
		}
		content.BlockTypes = append(content.BlockTypes, nested)
	}
	if b.Timeouts != nil {
		inner, err := block{Attributes: b.Timeouts}.content()
		if err != nil {
			return nil, err
		}
		content.BlockTypes = append(content.BlockTypes, &tfprotov6.SchemaNestedBlock{
			TypeName: "timeouts",
			Nesting:  tfprotov6.SchemaNestedBlockNestingModeSingle,
			Block:    inner,
		})
	}
	return content, nil
}

var nestings = map[string]tfprotov6.SchemaNestedBlockNestingMode{
	"":       tfprotov6.SchemaNestedBlockNestingModeSet,
	"set":    tfprotov6.SchemaNestedBlockNestingModeSet,
	"list":   tfprotov6.SchemaNestedBlockNestingModeList,
	"single": tfprotov6.SchemaNestedBlockNestingModeSingle,
}

func (a attribute) kind() (tftypes.Type, error) {
	switch a.Type {
	case "string":
		return tftypes.String, nil
	case "number":
		return tftypes.Number, nil
	case "bool":
		return tftypes.Bool, nil
	case "set":
		return tftypes.Set{ElementType: tftypes.String}, nil
	case "list":
		return tftypes.List{ElementType: tftypes.String}, nil
	case "map":
		return tftypes.Map{ElementType: tftypes.String}, nil
	}
	return nil, fmt.Errorf("unknown type %q", a.Type)
}

func (s *server) GetProviderSchema(
	context.Context, *tfprotov6.GetProviderSchemaRequest,
) (*tfprotov6.GetProviderSchemaResponse, error) {
	return s.schemas, nil
}

func (s *server) ValidateProviderConfig(
	_ context.Context, request *tfprotov6.ValidateProviderConfigRequest,
) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: request.Config}, nil
}

func (s *server) ValidateResourceConfig(
	context.Context, *tfprotov6.ValidateResourceConfigRequest,
) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
}

func (s *server) ValidateDataResourceConfig(
	context.Context, *tfprotov6.ValidateDataResourceConfigRequest,
) (*tfprotov6.ValidateDataResourceConfigResponse, error) {
	return &tfprotov6.ValidateDataResourceConfigResponse{}, nil
}

func (s *server) StopProvider(
	context.Context, *tfprotov6.StopProviderRequest,
) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

// OpenTofu has even a mocked resource's state upgraded: it is always of this schema already.
func (s *server) UpgradeResourceState(
	_ context.Context, request *tfprotov6.UpgradeResourceStateRequest,
) (*tfprotov6.UpgradeResourceStateResponse, error) {
	kind := s.schemas.ResourceSchemas[request.TypeName].ValueType()
	value, err := request.RawState.Unmarshal(kind)
	if err != nil {
		return nil, err
	}
	state, err := tfprotov6.NewDynamicValue(kind, value)
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &state}, err
}
