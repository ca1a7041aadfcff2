// Command tools is the rest of the testbed's Go programs in one file: etcd, CoreDNS with the
// plugins one node needs, and Helm. The program is chosen by the name it is called with (a symlink
// such as helm), or else by the first argument.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	"go.etcd.io/etcd/server/v3/etcdmain"
	helmcmd "helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as upstream: Helm's auth plugins
)

var programs = map[string]func(){
	"coredns": coredns,
	"etcd":    func() { etcdmain.Main(os.Args) },
	"helm":    helm,
}

func main() {
	name := filepath.Base(os.Args[0])
	if programs[name] == nil {
		if len(os.Args) < 2 {
			fmt.Fprintln(os.Stderr, "usage: tools PROGRAM [ARGS]")
			os.Exit(64)
		}
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	program, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "%q is no program of this binary\n", name)
		os.Exit(64)
	}
	program()
}

// coredns chains only the plugins linked in, in upstream's order.
func coredns() {
	dnsserver.Directives = []string{
		"ready", "health", "errors", "log", "cache", "loadbalance", "kubernetes",
	}
	coremain.Run()
}

// helm is upstream's main.
func helm() {
	kube.ManagedFieldsManager = "helm"
	cmd, err := helmcmd.NewRootCmd(os.Stdout, os.Args[1:], helmcmd.SetupLogging)
	if err != nil {
		slog.Warn("command failed", slog.Any("error", err))
		os.Exit(1)
	}
	if err := cmd.Execute(); err != nil {
		if commandError, ok := errors.AsType[helmcmd.CommandError](err); ok {
			os.Exit(commandError.ExitCode)
		}
		os.Exit(1)
	}
}
