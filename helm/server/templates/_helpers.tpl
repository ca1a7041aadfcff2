{{/* Name of the Deployment. */}}
{{- define "server.fullname" -}}
{{- printf "%s-%s" .Chart.Name .Release.Namespace | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Labels that pods are selected by. Immutable: they depend on no value. */}}
{{- define "server.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels that every object and every pod carries. */}}
{{- define "server.commonLabels" -}}
{{ include "server.selectorLabels" . }}
app: {{ .Values.appName | quote }}
type: {{ .Values.appType | quote }}
release: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of the objects. customLabels cannot replace one of ours. */}}
{{- define "server.labels" -}}
{{- $ours := include "server.commonLabels" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- toYaml (merge $ours (.Values.customLabels | default dict)) }}
{{- end }}

{{/* Labels of the pods. podLabels cannot replace one of ours. */}}
{{- define "server.podLabels" -}}
{{- toYaml (merge (include "server.commonLabels" . | fromYaml) (.Values.podLabels | default dict)) }}
{{- end }}

{{/* Annotations of the pods. */}}
{{- define "server.podAnnotations" -}}
{{- $annotations := dict }}
{{- if .Values.scrape }}
{{- $annotations = dict "prometheus.io/scrape" "true" "prometheus.io/port" "8081" }}
{{- end }}
{{- with merge $annotations (.Values.podAnnotations | default dict) }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations of the Services. */}}
{{- define "server.serviceAnnotations" -}}
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
{{- define "server.imageName" -}}
{{- $image := .image }}
{{- $name := $image.repository }}
{{- with $image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/*
Registry of the image of `helm test`: its own, that of the server, or the folder that the server's repository is
in. Without any it would be whoever's image of that name is on Docker Hub.
*/}}
{{- define "server.testRegistry" -}}
{{- $registry := .Values.test.image.registry | default .Values.image.registry }}
{{- if and (not $registry) (not (contains "/" .Values.test.image.repository)) }}
{{- $registry = dir .Values.image.repository }}
{{- if eq $registry "." }}
{{- fail (printf "test.image.registry is missing: image.repository (%s) names no registry to take the client from" .Values.image.repository) }}
{{- end }}
{{- end }}
{{- $registry }}
{{- end }}

{{/* Labels of the pod of `helm test`, which no selector of the chart's may match. */}}
{{- define "server.testLabels" -}}
{{- $ours := include "server.labels" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/name" (printf "%s-test" .Chart.Name) }}
{{- $_ := set $ours "app" (printf "%s-test" .Values.appName | trunc 63) }}
{{- toYaml $ours }}
{{- end }}

{{/* Where pods are placed. */}}
{{- define "server.placement" -}}
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

{{/* A number as text: without an exponent, whether it came from a file or from --set. */}}
{{- define "server.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end }}
{{- end }}

{{/* The container's environment, from the map of {name, value|valueFrom}. */}}
{{- define "server.env" -}}
{{- range $key, $entry := .Values.envvar }}
{{- $name := required (printf "envvar.%s.name is missing" $key) $entry.name }}
- name: {{ $name }}
{{- if $entry.valueFrom }}
  valueFrom:
    {{- toYaml $entry.valueFrom | nindent 4 }}
{{- else if hasKey $entry "value" }}
  value: {{ include "server.text" $entry.value | quote }}
{{- else }}
{{- fail (printf "envvar.%s needs a value or a valueFrom" $key) }}
{{- end }}
{{- end }}
{{- end }}

{{/* terminationGracePeriodSeconds, which must leave time for the whole drain. */}}
{{- define "server.terminationGracePeriodSeconds" -}}
{{- $drain := 0 }}
{{- range .Values.envvar }}
{{- if and (has .name (list "DRAIN_DELAY_SECONDS" "SHUTDOWN_TIMEOUT_SECONDS")) (hasKey . "value") }}
{{- $drain = add $drain (include "server.text" .value | int) }}
{{- end }}
{{- end }}
{{- if le (int .Values.terminationGracePeriodSeconds) (int $drain) }}
{{- fail (printf "terminationGracePeriodSeconds: %d s must be more than DRAIN_DELAY_SECONDS and SHUTDOWN_TIMEOUT_SECONDS together (%d s)" (int .Values.terminationGracePeriodSeconds) (int $drain)) }}
{{- end }}
{{- int .Values.terminationGracePeriodSeconds }}
{{- end }}
