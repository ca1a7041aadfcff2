{{/* The chart's name within labels. */}}
{{- define "metrics-adapter.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The objects' name: the release's, with the chart's unless it is in there already. */}}
{{- define "metrics-adapter.fullname" -}}
{{- $name := include "metrics-adapter.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Name of cluster-wide objects, and of those in other namespaces. */}}
{{- define "metrics-adapter.clusterName" -}}
{{- $name := include "metrics-adapter.fullname" . }}
{{- if eq $name .Release.Namespace }}{{ $name }}{{ else }}{{ printf "%s-%s" .Release.Namespace $name }}{{ end }}
{{- end }}

{{/* Labels that pods are selected by. Immutable: they depend on no value but nameOverride. */}}
{{- define "metrics-adapter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "metrics-adapter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/*
Seconds from SIGTERM to SIGKILL. A shorter time than the delay and the drain would cut requests off.
A Go duration is measured by adding it to a date.
*/}}
{{- define "metrics-adapter.terminationGracePeriodSeconds" -}}
{{- $seconds := int .Values.terminationGracePeriodSeconds }}
{{- $zero := toDate "2006-01-02" "2000-01-01" }}
{{- $delay := sub (mustDateModify .Values.shutdownDelayDuration $zero | unixEpoch) ($zero | unixEpoch) | int }}
{{- if lt $seconds (add $delay 15 | int) }}
{{- fail (printf "terminationGracePeriodSeconds: %d is less than shutdownDelayDuration (%s) and the 15 s in which open requests are answered" $seconds .Values.shutdownDelayDuration) }}
{{- end }}
{{- $seconds }}
{{- end }}

{{/* Labels of the objects. customLabels cannot replace one of ours. */}}
{{- define "metrics-adapter.labels" -}}
{{- $ours := include "metrics-adapter.selectorLabels" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/component" "metrics-api" }}
{{- $_ := set $ours "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- toYaml (merge $ours (.Values.customLabels | default dict)) }}
{{- end }}

{{/* Labels of the pods. Alerts and dashboards select app="metrics-adapter". */}}
{{- define "metrics-adapter.podLabels" -}}
{{- $ours := include "metrics-adapter.selectorLabels" . | fromYaml }}
{{- $_ := set $ours "app" "metrics-adapter" }}
{{- $_ := set $ours "app.kubernetes.io/component" "metrics-api" }}
{{- toYaml (merge $ours (.Values.podLabels | default dict)) }}
{{- end }}

{{/* Labels of the pod of `helm test`, which no selector of the chart's may match. */}}
{{- define "metrics-adapter.testLabels" -}}
{{- $ours := include "metrics-adapter.labels" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/name" (printf "%s-test" (include "metrics-adapter.name" .) | trunc 63) }}
{{- $_ := set $ours "app.kubernetes.io/component" "test" }}
{{- toYaml $ours }}
{{- end }}

{{/* Labels of an object for the Prometheus operator, of (dict "root" $ "labels" …). */}}
{{- define "metrics-adapter.operatorLabels" -}}
{{- toYaml (merge (include "metrics-adapter.labels" .root | fromYaml) (.labels | default dict)) }}
{{- end }}

{{/* What the endpoints of both monitors have in common. */}}
{{- define "metrics-adapter.endpoint" -}}
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Who reads the adapter's own metrics: "annotations", "monitor" (of the Prometheus operator); empty: nobody. */}}
{{- define "metrics-adapter.scraped" -}}
{{- if or .Values.podMonitor.enabled .Values.serviceMonitor.enabled }}monitor{{ else if .Values.scrape }}annotations{{ end }}
{{- end }}

{{/* Annotations of the pods. A monitor takes their place, or every pod would be scraped twice. */}}
{{- define "metrics-adapter.podAnnotations" -}}
{{- $annotations := dict }}
{{- if eq (include "metrics-adapter.scraped" .) "annotations" }}
{{- $annotations = dict "prometheus.io/scrape" "true" "prometheus.io/port" "8081" }}
{{- end }}
{{- if not .Values.rules.existing }}
{{- $_ := set $annotations "checksum/config" (include "metrics-adapter.config" . | sha256sum) }}
{{- end }}
{{- with merge $annotations (.Values.podAnnotations | default dict) }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations of the Service. */}}
{{- define "metrics-adapter.serviceAnnotations" -}}
{{- range $key, $_ := .Values.service.annotations }}
{{- if hasPrefix "prometheus.io/" $key }}
{{- fail (printf "service.annotations: %s belongs on pods only, or every pod is scraped twice" $key) }}
{{- end }}
{{- end }}
{{- with .Values.service.annotations }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* An image's full name, of (dict "root" $ "image" …). Without a tag of its own it has the chart's appVersion. */}}
{{- define "metrics-adapter.imageName" -}}
{{- $image := .image }}
{{- $name := $image.repository }}
{{- with $image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* Name of the ServiceAccount. */}}
{{- define "metrics-adapter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "metrics-adapter.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* URL of Prometheus. */}}
{{- define "metrics-adapter.prometheusUrl" -}}
{{- $prometheus := .Values.prometheus }}
{{- $prometheus.url | trimSuffix "/" }}{{ with int $prometheus.port }}:{{ . }}{{ end }}{{ with $prometheus.path }}/{{ trimPrefix "/" . }}{{ end }}
{{- end }}

{{/* Fails when the NetworkPolicy as it comes, to namespace monitoring, would cut the adapter off its Prometheus. */}}
{{- define "metrics-adapter.checkEgress" -}}
{{- $host := get (urlParse .Values.prometheus.url) "hostname" }}
{{- $here := and (eq .Release.Namespace "monitoring") (not (contains "." $host)) }}
{{- $there := regexMatch "^([^.]+\\.){1,2}monitoring\\.svc(\\.|$)|^[^.]+\\.monitoring$" $host }}
{{- $monitoring := list (dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" "monitoring"))) }}
{{- if and (not (or $here $there)) (deepEqual .Values.networkPolicy.egress.prometheus.to $monitoring) }}
{{- fail (printf "networkPolicy.egress.prometheus.to: lets the adapter reach namespace monitoring, where prometheus.url (%s) is not: say where it is, and its pods' ports" .Values.prometheus.url) }}
{{- end }}
{{- end }}

{{/* The adapter's configuration file. A section without rules is left out: its group is not served. */}}
{{- define "metrics-adapter.config" -}}
{{- $rules := .Values.rules }}
{{- if not (or $rules.default $rules.custom $rules.external $rules.resource) }}
{{- fail "rules: without default there must be custom, external or resource rules, or the name of an existing ConfigMap" }}
{{- end }}
{{- if or $rules.default $rules.custom -}}
rules:
{{- if $rules.default }}
{{ .Files.Get "files/default-rules.yaml" | trim }}
{{- end }}
{{- with $rules.custom }}
{{ toYaml . }}
{{- end }}
{{ end }}
{{- with $rules.external -}}
externalRules:
{{ toYaml . }}
{{ end }}
{{- with $rules.resource -}}
resourceRules:
{{ toYaml . | indent 2 }}
{{ end }}
{{- end }}

{{/* Whether a group is registered: "custom", "external" or "resource" of (dict "root" $ "group" …). Empty: no. */}}
{{- define "metrics-adapter.registers" -}}
{{- $rules := .root.Values.rules }}
{{- $known := dict "custom" (or $rules.default $rules.custom $rules.existing) "external" (and (not $rules.existing) $rules.external) "resource" (and (not $rules.existing) $rules.resource) }}
{{- $wanted := get .root.Values.apiService .group | toString }}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (get $known .group)) }}true{{ end }}
{{- end }}

{{/* Name of the ConfigMap with the configuration file. */}}
{{- define "metrics-adapter.configMapName" -}}
{{- .Values.rules.existing | default (include "metrics-adapter.fullname" .) }}
{{- end }}

{{/* Name of the Secret with the serving certificate. */}}
{{- define "metrics-adapter.tlsSecretName" -}}
{{- if eq .Values.tls.type "existingSecret" }}
{{- required "tls.existingSecret.name is missing" .Values.tls.existingSecret.name }}
{{- else }}
{{- include "metrics-adapter.fullname" . }}-tls
{{- end }}
{{- end }}

{{/* Names that the serving certificate is valid for. kube-apiserver asks for `<service>.<namespace>.svc`. */}}
{{- define "metrics-adapter.serverNames" -}}
{{- $service := include "metrics-adapter.fullname" . }}
{{- $namespace := .Release.Namespace }}
{{- list $service (printf "%s.%s" $service $namespace) (printf "%s.%s.svc" $service $namespace) (printf "%s.%s.svc.cluster.local" $service $namespace) | toJson }}
{{- end }}

{{/*
Serving certificate of `tls.type: helm` as JSON with ca.crt, tls.crt and tls.key in base64: the one of
the Secret in the cluster if it is complete, else a new one. Several templates ask, and must get the
same, so the first answer is kept in .Values for the rest of the rendering. The CA's key is not kept.
*/}}
{{- define "metrics-adapter.certificate" -}}
{{- if not (hasKey .Values "renderedCertificate") }}
{{- $name := include "metrics-adapter.tlsSecretName" . }}
{{- $kept := ((lookup "v1" "Secret" .Release.Namespace $name) | default dict).data | default dict }}
{{- if and (index $kept "ca.crt") (index $kept "tls.crt") (index $kept "tls.key") }}
{{- $_ := set .Values "renderedCertificate" (pick $kept "ca.crt" "tls.crt" "tls.key") }}
{{- else }}
{{- $days := int .Values.tls.helm.validityDays }}
{{- $names := include "metrics-adapter.serverNames" . | fromJsonArray }}
{{- $ca := genCAWithKey (printf "%s-ca" (include "metrics-adapter.fullname" .)) $days (genPrivateKey "ecdsa") }}
{{- $certificate := genSignedCertWithKey (index $names 2) nil $names $days $ca (genPrivateKey "ecdsa") }}
{{- $_ := set .Values "renderedCertificate" (dict "ca.crt" (b64enc $ca.Cert) "tls.crt" (b64enc $certificate.Cert) "tls.key" (b64enc $certificate.Key)) }}
{{- end }}
{{- end }}
{{- .Values.renderedCertificate | toJson }}
{{- end }}

{{/* CA bundle of the APIServices in base64; empty with cert-manager, whose injector writes it. */}}
{{- define "metrics-adapter.caBundle" -}}
{{- if eq .Values.tls.type "helm" }}
{{- index (include "metrics-adapter.certificate" . | fromJson) "ca.crt" }}
{{- else if eq .Values.tls.type "existingSecret" }}
{{- required "tls.ca is missing: kube-apiserver needs the CA of the existing Secret's certificate" .Values.tls.ca | b64enc }}
{{- end }}
{{- end }}

{{/* An APIService. Takes (dict "root" $ "group" … "version" … "versionPriority" …). */}}
{{- define "metrics-adapter.apiService" -}}
{{- $root := .root -}}
{{- $annotations := $root.Values.apiService.annotations | default dict }}
{{- if eq $root.Values.tls.type "certManager" }}
{{- $annotations = merge (dict "cert-manager.io/inject-ca-from" (printf "%s/%s" $root.Release.Namespace (include "metrics-adapter.fullname" $root))) $annotations }}
{{- end -}}
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata:
  name: {{ .version }}.{{ .group }}
  labels:
    {{- include "metrics-adapter.labels" $root | nindent 4 }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  group: {{ .group }}
  version: {{ .version }}
  groupPriorityMinimum: 100
  versionPriority: {{ .versionPriority }}
  service:
    name: {{ include "metrics-adapter.fullname" $root }}
    namespace: {{ $root.Release.Namespace }}
    port: {{ int $root.Values.service.port }}
  {{- with include "metrics-adapter.caBundle" $root }}
  caBundle: {{ . }}
  {{- end }}
{{- end }}
