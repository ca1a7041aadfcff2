package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// What follows lets a configuration be planned, applied and destroyed: a state is what was asked for, and what the real
// provider would have filled in has the name of its attribute as its value. Nothing else happens.

// ConfigureProvider refuses what Google's provider refuses before its first request: credentials that are not there.
// Its own process finds a relative path in the folder that Terraform was sent to, as it does here.
func (s *server) ConfigureProvider(
	_ context.Context, request *tfprotov6.ConfigureProviderRequest,
) (*tfprotov6.ConfigureProviderResponse, error) {
	response := &tfprotov6.ConfigureProviderResponse{}
	if provider != "hashicorp/google" {
		return response, nil
	}
	config, err := attributes(request.Config, s.schemas.Provider)
	if err != nil {
		return nil, err
	}
	var key string
	if found := config["credentials"]; found.IsNull() {
		text, err := os.ReadFile(os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"))
		if err != nil {
			return refuse(response, fmt.Sprintf("could not find default credentials: %v", err)), nil
		}
		key = string(text)
	} else if err := found.As(&key); err != nil {
		return nil, err
	}
	if !json.Valid([]byte(key)) {
		return refuse(response, "the credentials are not JSON"), nil
	}
	return response, nil
}

func refuse(response *tfprotov6.ConfigureProviderResponse, summary string) *tfprotov6.ConfigureProviderResponse {
	response.Diagnostics = append(response.Diagnostics, failure(summary))
	return response
}

func failure(summary string) *tfprotov6.Diagnostic {
	return &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityError, Summary: summary}
}

// PlanResourceChange plans what was asked for; what nobody asked for is not known before it is created.
func (s *server) PlanResourceChange(
	_ context.Context, request *tfprotov6.PlanResourceChangeRequest,
) (*tfprotov6.PlanResourceChangeResponse, error) {
	planned, err := fill(request.ProposedNewState, s.schemas.ResourceSchemas[request.TypeName],
		func(kind tftypes.Type, _ string) tftypes.Value { return tftypes.NewValue(kind, tftypes.UnknownValue) },
		tftypes.Value.IsNull)
	return &tfprotov6.PlanResourceChangeResponse{PlannedState: planned}, err
}

// ApplyResourceChange makes a state of a plan. What is protected against deletion is not deleted.
func (s *server) ApplyResourceChange(
	_ context.Context, request *tfprotov6.ApplyResourceChangeRequest,
) (*tfprotov6.ApplyResourceChangeResponse, error) {
	schema := s.schemas.ResourceSchemas[request.TypeName]
	prior, err := attributes(request.PriorState, schema)
	if err != nil {
		return nil, err
	}
	planned, err := attributes(request.PlannedState, schema)
	if err != nil {
		return nil, err
	}
	protection, known := prior["deletion_protection"]
	if planned == nil && known && protection.Equal(tftypes.NewValue(tftypes.Bool, true)) {
		return &tfprotov6.ApplyResourceChangeResponse{NewState: request.PriorState, Diagnostics: []*tfprotov6.Diagnostic{
			failure("cannot destroy: deletion_protection is true"),
		}}, nil
	}
	state, err := fill(request.PlannedState, schema, placeholder,
		func(value tftypes.Value) bool { return !value.IsKnown() })
	return &tfprotov6.ApplyResourceChangeResponse{NewState: state}, err
}

// ReadResource finds everything as it was left.
func (s *server) ReadResource(
	_ context.Context, request *tfprotov6.ReadResourceRequest,
) (*tfprotov6.ReadResourceResponse, error) {
	return &tfprotov6.ReadResourceResponse{NewState: request.CurrentState}, nil
}

// fill replaces the provider's own attributes that are missing; a resource that is to go stays null.
func fill(
	state *tfprotov6.DynamicValue, schema *tfprotov6.Schema,
	value func(tftypes.Type, string) tftypes.Value, missing func(tftypes.Value) bool,
) (*tfprotov6.DynamicValue, error) {
	found, err := attributes(state, schema)
	if err != nil || found == nil {
		return state, err
	}
	for _, attribute := range schema.Block.Attributes {
		if attribute.Computed && missing(found[attribute.Name]) {
			found[attribute.Name] = value(attribute.Type, attribute.Name)
		}
	}
	kind := schema.ValueType()
	made, err := tfprotov6.NewDynamicValue(kind, tftypes.NewValue(kind, found))
	return &made, err
}

// attributes are an object's, or nil of one that is null.
func attributes(value *tfprotov6.DynamicValue, schema *tfprotov6.Schema) (map[string]tftypes.Value, error) {
	object, err := value.Unmarshal(schema.ValueType())
	if err != nil || object.IsNull() {
		return nil, err
	}
	found := map[string]tftypes.Value{}
	return found, object.As(&found)
}

func placeholder(kind tftypes.Type, name string) tftypes.Value {
	switch {
	case kind.Is(tftypes.String):
		return tftypes.NewValue(kind, name)
	case kind.Is(tftypes.Number):
		return tftypes.NewValue(kind, big.NewFloat(0))
	case kind.Is(tftypes.Bool):
		return tftypes.NewValue(kind, false)
	case kind.Is(tftypes.Map{}):
		return tftypes.NewValue(kind, map[string]tftypes.Value{})
	default:
		return tftypes.NewValue(kind, []tftypes.Value{})
	}
}
