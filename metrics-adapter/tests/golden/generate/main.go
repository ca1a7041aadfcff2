// Generate writes the golden vectors: what the Go libraries that prometheus-adapter is built on
// answer, for hand-written corner cases and for seeded random ones. The same input gives the same
// files. A second directory gets the OpenAPI documents. Run it with `make golden`.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// A vector is one case of a file; it is written on a line of its own.
type vector any

func main() {
	directory := "."
	if len(os.Args) > 1 {
		directory = os.Args[1]
	}
	for _, file := range []struct {
		name     string
		generate func(*rand.Rand) (header any, vectors []vector)
	}{
		{"template", templates},
		{"pattern", patterns},
		{"quantity", quantities},
		{"selector", selectors},
		{"duration", durations},
		{"config", configs},
		{"wire", wires},
		{"accept", accepts},
	} {
		// Each file has its own sequence, so that a change of one leaves the others alone.
		random := rand.New(rand.NewPCG(20250101, uint64(len(file.name))<<32|uint64(file.name[0])))
		header, vectors := file.generate(random)
		path := filepath.Join(directory, file.name+".json")
		if err := write(path, header, vectors); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(path, len(vectors))
	}
	if len(os.Args) > 2 {
		if err := writeOpenAPI(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func write(path string, header any, vectors []vector) error {
	var out bytes.Buffer
	encode := func(value any) error {
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			return err
		}
		out.Write(bytes.TrimRight(line.Bytes(), "\n"))
		return nil
	}
	out.WriteString("{\"header\":")
	if err := encode(header); err != nil {
		return err
	}
	out.WriteString(",\"cases\":[\n")
	for i, vector := range vectors {
		if i > 0 {
			out.WriteString(",\n")
		}
		if err := encode(vector); err != nil {
			return err
		}
	}
	out.WriteString("\n]}\n")
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func pick[T any](random *rand.Rand, from []T) T {
	return from[random.IntN(len(from))]
}

// mutate changes a text in one place: characters are left out, doubled, swapped or put in.
func mutate(random *rand.Rand, text string, alphabet []string) string {
	runes := []rune(text)
	if len(runes) == 0 {
		return pick(random, alphabet)
	}
	at := random.IntN(len(runes))
	switch random.IntN(4) {
	case 0:
		return string(runes[:at]) + string(runes[at+1:])
	case 1:
		return string(runes[:at]) + string(runes[at]) + string(runes[at:])
	case 2:
		end := min(len(runes), at+1+random.IntN(6))
		return string(runes[:at]) + string(runes[end:])
	default:
		return string(runes[:at]) + pick(random, alphabet) + string(runes[at:])
	}
}

// unique leaves out repetitions.
func unique(texts []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, text := range texts {
		if !seen[text] {
			seen[text] = true
			out = append(out, text)
		}
	}
	return out
}
