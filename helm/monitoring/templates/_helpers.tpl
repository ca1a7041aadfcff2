{{/* Name of the objects. The adapter's default URL names this Service. */}}
{{- define "monitoring.fullname" -}}
prometheus
{{- end }}

{{/* Name of cluster-wide objects. */}}
{{- define "monitoring.clusterName" -}}
{{- printf "%s-prometheus" .Release.Namespace }}
{{- end }}

{{/* Labels that pods are selected by. Immutable: they depend on no value. */}}
{{- define "monitoring.selectorLabels" -}}
app.kubernetes.io/name: prometheus
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of the objects. customLabels cannot replace one of ours. */}}
{{- define "monitoring.labels" -}}
{{- $ours := include "monitoring.selectorLabels" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- toYaml (merge $ours (.Values.customLabels | default dict)) }}
{{- end }}

{{/* Labels of the pod. */}}
{{- define "monitoring.podLabels" -}}
{{- $ours := include "monitoring.selectorLabels" . | fromYaml }}
{{- $_ := set $ours "app" "prometheus" }}
{{- toYaml (merge $ours (.Values.podLabels | default dict)) }}
{{- end }}

{{/* Annotations of the pod. Prometheus reads its files at the start, so a change starts a new pod. */}}
{{- define "monitoring.podAnnotations" -}}
{{- $annotations := dict "checksum/config" (include "monitoring.config" . | sha256sum) "checksum/rules" (include "monitoring.ruleFiles" . | sha256sum) }}
{{- if .Values.scrape }}
{{- $_ := set $annotations "prometheus.io/scrape" "true" }}
{{- $_ := set $annotations "prometheus.io/port" "9090" }}
{{- end }}
{{- toYaml (merge $annotations (.Values.podAnnotations | default dict)) }}
{{- end }}

{{/* Annotations of the Service. */}}
{{- define "monitoring.serviceAnnotations" -}}
{{- range $key, $_ := .Values.service.annotations }}
{{- if hasPrefix "prometheus.io/" $key }}
{{- fail (printf "service.annotations: %s belongs on pods only, or every pod is scraped twice" $key) }}
{{- end }}
{{- end }}
{{- with .Values.service.annotations }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* The image's full name. */}}
{{- define "monitoring.image" -}}
{{- $image := .Values.image }}
{{- $name := $image.repository }}
{{- with $image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* Name of the ServiceAccount. */}}
{{- define "monitoring.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "monitoring.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* prometheus.yml */}}
{{- define "monitoring.config" -}}
global:
  scrape_interval: {{ .Values.scrapeInterval }}
  scrape_timeout: {{ .Values.scrapeTimeout }}
  evaluation_interval: {{ .Values.evaluationInterval }}
  {{- with .Values.externalLabels }}
  external_labels:
    {{- toYaml . | nindent 4 }}
  {{- end }}

rule_files:
  - /etc/prometheus/rules/*.yaml
{{- with .Values.alertmanagers }}

alerting:
  alertmanagers:
    - static_configs:
        - targets:
            {{- toYaml . | nindent 12 }}
{{- end }}

scrape_configs:
  # Every pod that carries prometheus.io/scrape: "true" and prometheus.io/port, and nothing else:
  # Services and their endpoints are no targets, so that no pod is scraped twice.
  - job_name: kubernetes-pods
    kubernetes_sd_configs:
      - role: pod
    relabel_configs:
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape]
        action: keep
        regex: "true"
      # Neither waiting nor finished pods.
      - source_labels: [__meta_kubernetes_pod_phase]
        action: keep
        regex: Running
      # A pod comes once per container port, each time with the same address after this: Prometheus
      # keeps one of targets that are equal.
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port, __meta_kubernetes_pod_ip]
        action: keep
        regex: \d+;.+
      - source_labels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_prometheus_io_port]
        action: replace
        regex: ([0-9.]+);(\d+)
        replacement: $1:$2
        target_label: __address__
      - source_labels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_prometheus_io_port]
        action: replace
        regex: ([0-9A-Fa-f:]*:[0-9A-Fa-f:]*);(\d+)
        replacement: "[$1]:$2"
        target_label: __address__
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scheme]
        action: replace
        regex: (https?)
        target_label: __scheme__
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path]
        action: replace
        regex: (.+)
        target_label: __metrics_path__
      - source_labels: [__meta_kubernetes_namespace]
        action: replace
        target_label: namespace
      - source_labels: [__meta_kubernetes_pod_name]
        action: replace
        target_label: pod
      - source_labels: [__meta_kubernetes_pod_label_app]
        action: replace
        target_label: app
  {{- if .Values.scrapeKubelets }}
  # CPU and memory of nodes, pods and containers, from every kubelet itself: few series, and what
  # metrics-server reads.
  - job_name: kubelets
    scheme: https
    metrics_path: /metrics/resource
    authorization:
      credentials_file: /var/run/secrets/kubernetes.io/serviceaccount/token
    tls_config:
      ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    kubernetes_sd_configs:
      - role: node
    relabel_configs:
      - source_labels: [__meta_kubernetes_node_name]
        action: replace
        target_label: node
  {{- end }}
  {{- with .Values.extraScrapeConfigs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The rule files: a YAML map from file name to content. */}}
{{- define "monitoring.ruleFiles" -}}
{{- $files := dict }}
{{- if .Values.rules.default }}
{{- range $path, $_ := .Files.Glob "rules/*.yaml" }}
{{- $_ := set $files (base $path) ($.Files.Get $path) }}
{{- end }}
{{- if not $files }}
{{- fail "rules.default: the chart carries no rule files; it was packaged without prometheus-rules" }}
{{- end }}
{{- with .Values.rules.runbookBaseUrl }}
{{- $url := trimSuffix "/" . }}
{{- range $name, $text := $files }}
{{- $_ := set $files $name (replace "runbook_url: docs/" (printf "runbook_url: %s/docs/" $url) $text) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $groups := .Values.rules.extra }}
{{- if hasKey $files $name }}
{{- fail (printf "rules.extra: %s is the name of one of the chart's own files" $name) }}
{{- end }}
{{- $_ := set $files $name (toYaml $groups) }}
{{- end }}
{{- toYaml $files }}
{{- end }}
