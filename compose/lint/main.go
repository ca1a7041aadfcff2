// Command lint reads a Dockerfile as BuildKit does, with its checks, and a compose file as
// `docker compose` does, with every profile. It prints what is wrong and exits with 1.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: lint DIRECTORY")
		os.Exit(64)
	}
	problems := append(dockerfile(filepath.Join(os.Args[1], "Dockerfile")), composed(os.Args[1])...)
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

func dockerfile(path string) (problems []string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return []string{err.Error()}
	}
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	for _, warning := range tree.Warnings {
		problems = append(problems, fmt.Sprintf("%s: %s", path, warning.Short))
	}
	lint := linter.New(&linter.Config{
		Warn: func(rule, _, _, message string, places []parser.Range) {
			line := 0
			if len(places) > 0 {
				line = places[0].Start.Line
			}
			problems = append(problems, fmt.Sprintf("%s:%d: %s: %s", path, line, rule, message))
		},
	})
	stages, _, err := instructions.Parse(tree.AST, lint)
	if err != nil {
		return append(problems, fmt.Sprintf("%s: %v", path, err))
	}
	var targets []string
	for _, stage := range stages {
		if stage.BaseName == "scratch" {
			targets = append(targets, stage.Name)
		}
	}
	fmt.Println("Dockerfile: targets", strings.Join(targets, ", "))
	return problems
}

func composed(directory string) []string {
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(directory, "docker-compose.yml")},
		cli.WithWorkingDirectory(directory),
		cli.WithDotEnv,
		cli.WithProfiles([]string{"*"}),
	)
	if err != nil {
		return []string{err.Error()}
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return []string{err.Error()}
	}
	fmt.Println("docker-compose.yml: services", strings.Join(project.ServiceNames(), ", "))
	return nil
}
