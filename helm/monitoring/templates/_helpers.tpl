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
{{ include "monitoring.selectorLabelsOf" (dict "root" . "name" "prometheus") }}
{{- end }}

{{/* Labels that pods of (dict "root" $ "name" …) are selected by. */}}
{{- define "monitoring.selectorLabelsOf" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end }}

{{/* Labels of Prometheus' objects. */}}
{{- define "monitoring.labels" -}}
{{ include "monitoring.labelsOf" (dict "root" . "name" "prometheus" "version" .Chart.AppVersion) }}
{{- end }}

{{/* Labels of the objects of (dict "root" $ "name" … "version" …), and those in "labels". customLabels cannot replace one of ours. */}}
{{- define "monitoring.labelsOf" -}}
{{- $ours := include "monitoring.selectorLabelsOf" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/version" .version }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") }}
{{- toYaml (merge $ours (.labels | default dict) (.root.Values.customLabels | default dict)) }}
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

{{/* Annotations of Alertmanager's pod. It reads its file at the start, too. */}}
{{- define "monitoring.alertmanagerAnnotations" -}}
{{- $annotations := dict }}
{{- if not .Values.alertmanager.existingSecret }}
{{- $_ := set $annotations "checksum/config" (toYaml .Values.alertmanager.config | sha256sum) }}
{{- end }}
{{- if .Values.scrape }}
{{- $_ := set $annotations "prometheus.io/scrape" "true" }}
{{- $_ := set $annotations "prometheus.io/port" "9093" }}
{{- end }}
{{- with $annotations }}
{{- toYaml . }}
{{- end }}
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

{{/* An image's full name, of (dict "image" … "tag" …); the tag is for an image without one. */}}
{{- define "monitoring.imageName" -}}
{{- $image := .image }}
{{- $name := $image.repository }}
{{- with $image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default .tag) }}
{{- end }}
{{- end }}

{{/* Where Prometheus sends alerts: this chart's Alertmanager, and others. A YAML list; empty: nowhere. */}}
{{- define "monitoring.alertmanagers" -}}
{{- $all := .Values.alertmanagers }}
{{- if .Values.alertmanager.enabled }}
{{- $all = prepend $all (printf "alertmanager.%s.svc:9093" .Release.Namespace) }}
{{- end }}
{{- with $all }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* URL of the Prometheus that Grafana asks. */}}
{{- define "monitoring.prometheusUrl" -}}
{{- .Values.grafana.prometheusUrl | default (printf "http://%s.%s.svc:9090" (include "monitoring.fullname" .) .Release.Namespace) }}
{{- end }}

{{/* Where a container is placed: nodeSelector, affinity and tolerations of all pods. */}}
{{- define "monitoring.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A pod's security context, of a user's number. */}}
{{- define "monitoring.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* A container's security context. */}}
{{- define "monitoring.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
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
{{- with include "monitoring.alertmanagers" . }}

alerting:
  alertmanagers:
    - static_configs:
        - targets:
            {{- . | nindent 12 }}
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

{{/* The groups of all rule files, as a PrometheusRule has them. */}}
{{- define "monitoring.ruleGroups" -}}
{{- $groups := list }}
{{- range $_, $text := include "monitoring.ruleFiles" . | fromYaml }}
{{- $groups = concat $groups (fromYaml $text).groups }}
{{- end }}
{{- toYaml $groups }}
{{- end }}

{{/* The dashboards: a YAML map from file name to content. */}}
{{- define "monitoring.dashboards" -}}
{{- $files := dict }}
{{- range $path, $_ := .Files.Glob "dashboards/*.json" }}
{{- $_ := set $files (base $path) ($.Files.Get $path) }}
{{- end }}
{{- if not $files }}
{{- fail "dashboards.enabled: the chart carries no dashboards; it was packaged without grafana/dashboards" }}
{{- end }}
{{- toYaml $files }}
{{- end }}

{{/* Grafana's data sources. The dashboards choose theirs by variables. */}}
{{- define "monitoring.datasources" -}}
apiVersion: 1
datasources:
  - name: Prometheus
    uid: prometheus
    type: prometheus
    access: proxy
    url: {{ include "monitoring.prometheusUrl" . }}
    isDefault: true
    editable: false
    jsonData:
      # Grafana works out the shortest range of a rate from it.
      timeInterval: {{ .Values.scrapeInterval }}
      httpMethod: POST
  {{- with .Values.grafana.extraDatasources }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
