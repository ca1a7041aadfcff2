package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
)

// How often two reads may differ because the value has changed between them. Prometheus has new
// samples every 5 s.
const attempts = 10

// compare reads in both forms; without the second, in the first only.
func compare(ctx context.Context, check check, first, second *clients) error {
	var difference error
	for attempt := range attempts {
		if attempt > 0 {
			select {
			case <-ctx.Done():
				return fmt.Errorf("%w: %w", ctx.Err(), difference)
			case <-time.After(200 * time.Millisecond):
			}
		}
		one, err := read(ctx, check, first)
		if err != nil || second == nil {
			return err
		}
		other, err := read(ctx, check, second)
		if err != nil {
			return err
		}
		// Quantities are equal when their values are; labels when both are empty or nil.
		if equality.Semantic.DeepEqual(one, other) {
			return nil
		}
		difference = fmt.Errorf("JSON tells\n  %s\nand protobuf\n  %s", text(one), text(other))
	}
	return difference
}

func read(ctx context.Context, check check, c *clients) (any, error) {
	c.seen.take()
	found, err := check.read(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("in %s: %w", c.form, err)
	}
	return found, c.answered()
}

func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
