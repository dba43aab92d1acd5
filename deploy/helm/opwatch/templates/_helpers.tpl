{{/*
Names and labels of what the chart makes.
*/}}
{{- define "opwatch.fullname" -}}
{{- default (printf "%s-opwatch" .Release.Name) .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "opwatch.labels" -}}
app.kubernetes.io/name: opwatch
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "opwatch.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/*
opwatch.yaml: what the chart sets, and over it what the user sets.
*/}}
{{- define "opwatch.config" -}}
{{- $ingest := ternary "unix:/run/opwatch/ingest.sock" "127.0.0.1:9777" .Values.ingestSocket -}}
{{- $config := dict
      "listen" (dict "public" "0.0.0.0:9776" "ingest" $ingest)
      "data_dir" "/var/lib/opwatch"
      "external_labels" (dict "namespace" "${POD_NAMESPACE}" "pod" "${POD_NAME}" "node" "${NODE_NAME}")
      "store" (dict "max_memory" "48MiB")
      "drain_timeout" "5s"
      "log" (dict "format" "json") -}}
{{- if or .Values.rules.packs .Values.rules.files -}}
{{- $_ := set $config "rule_files" (list "*.rules.yaml") -}}
{{- end -}}
{{- if .Values.processMetrics -}}
{{- $_ := set $config "target" (dict "process" "largest") -}}
{{- end -}}
{{- toYaml (mergeOverwrite $config (deepCopy .Values.config)) -}}
{{- end }}
