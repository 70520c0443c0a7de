{{- define "greeter.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "greeter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* A pod that runs `script` once: (dict "root" $ "script" "…") */ -}}
{{- define "greeter.once" -}}
restartPolicy: Never
runtimeClassName: {{ .root.Values.runtimeClassName }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: once
    image: {{ .root.Values.image }}
    command: [/bin/sh, -c, {{ .script | quote }}]
{{- end }}
