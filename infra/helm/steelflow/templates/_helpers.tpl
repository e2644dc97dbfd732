{{- define "steelflow.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "steelflow.labels" -}}
app.kubernetes.io/name: steelflow
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "steelflow.pick" -}}
app.kubernetes.io/name: steelflow
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Settings of a pod: what is common to all of them. */}}
{{- define "steelflow.pod" -}}
serviceAccountName: {{ .Release.Name }}-steelflow
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "steelflow.container" -}}
image: {{ include "steelflow.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: 10001
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
  - {name: settings, mountPath: /etc/steelflow, readOnly: true}
  - {name: home, mountPath: /srv/steelflow}
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "steelflow.volumes" -}}
- name: settings
  configMap: {name: {{ .Release.Name }}-steelflow}
- name: home
  emptyDir: {sizeLimit: {{ .Values.scratch }}}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.scratch }}}
{{- end -}}

{{/* A variable that is a key of a Secret, if the Secret has a name: list of name, key. */}}
{{- define "steelflow.secret" -}}
{{- $secret := index . 0 -}}{{- $key := index . 1 -}}
{{- if $secret }}
- name: {{ $key }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}}
{{- end -}}
{{- end -}}

{{- define "steelflow.env" -}}
- {name: STEELFLOW_CONFIG, value: /etc/steelflow/steelflow.toml}
- {name: PREFECT_HOME, value: /srv/steelflow/prefect}
{{- include "steelflow.secret" (list .Values.secrets.store "STEELFLOW_STORE__ACCESS_KEY") }}
{{- include "steelflow.secret" (list .Values.secrets.store "STEELFLOW_STORE__SECRET_KEY") }}
{{- end -}}

{{/* What the driver of a night needs, beside that. */}}
{{- define "steelflow.driverEnv" -}}
{{- include "steelflow.secret" (list .Values.secrets.alerts "STEELFLOW_ALERTS__WEBHOOK") }}
{{- include "steelflow.secret" (list .Values.secrets.mail "STEELFLOW_MAIL__PASSWORD") }}
{{- if .Values.ray.enabled }}
- {name: STEELFLOW_EXECUTOR__KIND, value: ray}
- {name: STEELFLOW_EXECUTOR__ADDRESS, value: "{{ .Release.Name }}-steelflow-head-svc:6379"}
- {name: RAY_AUTH_MODE, value: token}
{{- include "steelflow.secret" (list .Values.secrets.ray "RAY_AUTH_TOKEN") }}
{{- end }}
{{- end -}}

{{- define "steelflow.prefectEnv" -}}
- {name: PREFECT_API_URL, value: {{ .Values.driver.prefect.url | quote }}}
- {name: PREFECT_LOGGING_EXTRA_LOGGERS, value: steelflow}
{{- include "steelflow.secret" (list .Values.secrets.prefect "PREFECT_API_AUTH_STRING") }}
{{- end -}}
