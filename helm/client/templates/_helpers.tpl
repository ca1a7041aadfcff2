{{/* Name of the Deployment. */}}
{{- define "client.fullname" -}}
{{- printf "%s-%s" .Chart.Name .Release.Namespace | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Labels that pods are selected by. Immutable: they depend on no value. */}}
{{- define "client.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels that every object and every pod carries. */}}
{{- define "client.commonLabels" -}}
{{ include "client.selectorLabels" . }}
app: {{ .Values.appName | quote }}
type: {{ .Values.appType | quote }}
release: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of the objects. customLabels cannot replace one of ours. */}}
{{- define "client.labels" -}}
{{- $ours := include "client.commonLabels" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- toYaml (merge $ours (.Values.customLabels | default dict)) }}
{{- end }}

{{/* Labels of the pods. podLabels cannot replace one of ours. */}}
{{- define "client.podLabels" -}}
{{- toYaml (merge (include "client.commonLabels" . | fromYaml) (.Values.podLabels | default dict)) }}
{{- end }}

{{/* Annotations of the pods. */}}
{{- define "client.podAnnotations" -}}
{{- $annotations := dict }}
{{- if .Values.scrape }}
{{- $annotations = dict "prometheus.io/scrape" "true" "prometheus.io/port" "8081" }}
{{- end }}
{{- with merge $annotations (.Values.podAnnotations | default dict) }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* An image's full name, of (dict "root" $ "image" …). Without a tag of its own it has the chart's appVersion. */}}
{{- define "client.imageName" -}}
{{- $image := .image }}
{{- $name := $image.repository }}
{{- with $image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* Labels of the pod of `helm test`, which no selector of the chart's may match. */}}
{{- define "client.testLabels" -}}
{{- $ours := include "client.labels" . | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/name" (printf "%s-test" .Chart.Name) }}
{{- $_ := set $ours "app" (printf "%s-test" .Values.appName | trunc 63) }}
{{- toYaml $ours }}
{{- end }}

{{/* Where pods are placed. */}}
{{- define "client.placement" -}}
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
{{- define "client.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end }}
{{- end }}

{{/* A container's environment, from a map of {name, value|valueFrom}. */}}
{{- define "client.env" -}}
{{- range $key, $entry := . }}
{{- $name := required (printf "envvar.%s.name is missing" $key) $entry.name }}
- name: {{ $name }}
{{- if $entry.valueFrom }}
  valueFrom:
    {{- toYaml $entry.valueFrom | nindent 4 }}
{{- else if hasKey $entry "value" }}
  value: {{ include "client.text" $entry.value | quote }}
{{- else }}
{{- fail (printf "envvar.%s needs a value or a valueFrom" $key) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The client's settings for `helm test`: ten requests, and none may fail. What would bound a run otherwise is left out. */}}
{{- define "client.testEnv" -}}
{{- $settings := dict }}
{{- range $key, $entry := .Values.envvar }}
{{- if not (has $entry.name (list "COUNT" "DURATION" "FAIL_ON_ERROR")) }}
{{- $_ := set $settings $key $entry }}
{{- end }}
{{- end }}
{{- $_ := set $settings "testCount" (dict "name" "COUNT" "value" "10") }}
{{- $_ := set $settings "testFailOnError" (dict "name" "FAIL_ON_ERROR" "value" "true") }}
{{- include "client.env" $settings }}
{{- end }}
