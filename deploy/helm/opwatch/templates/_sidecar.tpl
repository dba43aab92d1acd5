{{/*
The sidecar, for the pods of your own charts. With opwatch among the dependencies of a chart, in its pod template:

  metadata:
    labels:
      {{- include "opwatch.podLabels" .Subcharts.opwatch | nindent 6 }}
  spec:
    initContainers:
      {{- include "opwatch.sidecar" .Subcharts.opwatch | nindent 6 }}
    volumes:
      {{- include "opwatch.volumes" .Subcharts.opwatch | nindent 6 }}

The context is that of this chart, so that its values hold: `.Subcharts.opwatch`, or `.Subcharts.ALIAS`.
*/}}
{{- define "opwatch.podLabels" -}}
opwatch: enabled
opwatch-release: {{ .Release.Name }}
{{- end }}

{{- define "opwatch.sidecar" -}}
- name: opwatch
  image: {{ include "opwatch.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  # Makes it a sidecar: started before the service, told to end after it, and no obstacle to the end of a Job.
  restartPolicy: Always
  args: [--config, /etc/opwatch/opwatch.yaml]
  ports:
    - name: metrics
      containerPort: 9776
      protocol: TCP
  env:
    - name: POD_NAME
      valueFrom:
        fieldRef:
          fieldPath: metadata.name
    - name: POD_NAMESPACE
      valueFrom:
        fieldRef:
          fieldPath: metadata.namespace
    - name: NODE_NAME
      valueFrom:
        fieldRef:
          fieldPath: spec.nodeName
    # Else one thread, with memory of its own, for each CPU of the node.
    - name: TOKIO_WORKER_THREADS
      value: "2"
    # Memory that is free goes back to the node at once.
    - name: MALLOC_ARENA_MAX
      value: "1"
    - name: MALLOC_MMAP_THRESHOLD_
      value: "65536"
    - name: MALLOC_TRIM_THRESHOLD_
      value: "131072"
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  # The service starts when this has succeeded once: after a kill with a full store that may take a second.
  startupProbe:
    httpGet:
      path: /-/ready
      port: metrics
    periodSeconds: 1
    failureThreshold: 60
  readinessProbe:
    httpGet:
      path: /-/ready
      port: metrics
    periodSeconds: 10
    failureThreshold: 3
  # Never depends on disk, network or receivers.
  livenessProbe:
    httpGet:
      path: /-/healthy
      port: metrics
    periodSeconds: 10
    failureThreshold: 6
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
  volumeMounts:
    - name: opwatch-config
      mountPath: /etc/opwatch
      readOnly: true
    - name: opwatch-data
      mountPath: /var/lib/opwatch
    {{- if .Values.ingestSocket }}
    - name: opwatch-socket
      mountPath: /run/opwatch
    {{- end }}
    {{- if .Values.existingSecret }}
    - name: opwatch-secret
      mountPath: /run/secrets/opwatch
      readOnly: true
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "opwatch.volumes" -}}
- name: opwatch-config
  configMap:
    name: {{ include "opwatch.fullname" . }}
- name: opwatch-data
  {{- if .Values.data.existingClaim }}
  persistentVolumeClaim:
    claimName: {{ .Values.data.existingClaim }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.data.sizeLimit }}
  {{- end }}
{{- if .Values.ingestSocket }}
- name: opwatch-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- if .Values.existingSecret }}
- name: opwatch-secret
  secret:
    secretName: {{ .Values.existingSecret }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
For the env of your container.
*/}}
{{- define "opwatch.env" -}}
- name: OPWATCH_ENDPOINT
  value: {{ ternary "unix:/run/opwatch/ingest.sock" "http://127.0.0.1:9777" .Values.ingestSocket }}
{{- end }}
