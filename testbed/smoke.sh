#!/bin/sh
# Installs the charts into the cluster of kubectl's current context, as README.md says, and fails unless the stock HPA
# scales the server by what the adapter tells it:
#
#   testbed/smoke.sh
#
# The cluster must have the three images (kind: `kind load docker-image ...`) and be able to pull Prometheus'. What is
# installed stays, so that a failure can be looked into.
set -eu

cd "$(dirname "$0")/.."
metric=travelaudience_gserver_operations_ops_per_second

for tool in kubectl helm; do
  command -v "$tool" >/dev/null || {
    echo "smoke.sh: $tool is not in PATH" >&2
    exit 1
  }
done

# Repeats a command until it succeeds, 60 times at most; says what for, and what the last attempt said.
until_true() {
  what=$1
  shift
  for _ in $(seq 60); do
    if said=$("$@" 2>&1); then
      echo "ok: $what"
      return
    fi
    sleep 5
  done
  echo "smoke.sh: after five minutes still not so: $what" >&2
  echo "$said" >&2
  kubectl get pods,hpa --all-namespaces >&2
  kubectl get apiservices --selector app.kubernetes.io/name=metrics-adapter >&2
  kubectl describe hpa server >&2
  kubectl logs --namespace metrics-adapter deployment/metrics-adapter --tail 40 >&2
  exit 1
}

served() {
  kubectl get --raw "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/$metric" | grep '"value"'
}

# What the HPA itself says: the value it read, and that it could act on it.
decided() {
  kubectl get hpa server --output jsonpath='{.status.conditions[?(@.type=="ScalingActive")].status}' | grep True
}

replicas() {
  test "$(kubectl get deployment server-default --output jsonpath='{.status.readyReplicas}')" "$@"
}

kubectl version
helm upgrade --install monitoring helm/monitoring --namespace monitoring --create-namespace
helm upgrade --install metrics-adapter helm/metrics-adapter --namespace metrics-adapter --create-namespace
helm upgrade --install server helm/server
# 15 clients offer 150 requests/s; a pod sustains 50.
helm upgrade --install client helm/client --set replicaCount=15
kubectl rollout status deployment/metrics-adapter --namespace metrics-adapter --timeout=5m

for version in v1beta1 v1beta2; do
  kubectl wait --for=condition=Available --timeout=5m "apiservice/$version.custom.metrics.k8s.io"
done
until_true "the metric is served for pods" served
until_true "the HPA acts on it" decided
until_true "150 requests/s take the server to 3 pods or more" replicas -ge 3
kubectl get hpa server
echo "the stock HPA scales on this cluster"
