{{/* Names of Services begin with a letter and hold no dot; a release's may. */}}
{{- define "wa.name" -}}
{{- $release := replace "." "-" .Release.Name -}}
{{- $name := contains "whatsapp-operator" $release | ternary $release (printf "%s-whatsapp-operator" $release) -}}
{{- $name = regexMatch "^[a-z]" $name | ternary $name (printf "wa-%s" $name) -}}
{{- regexReplaceAll "-+$" (trunc 40 $name) "" -}}
{{- end -}}

{{/* Versions carry build metadata after a +, which neither a label's value nor an image's tag may hold; Flux puts the artifact's digest there. */}}
{{- define "wa.labelValue" -}}
{{- regexReplaceAll "[^A-Za-z0-9_.-]" . "_" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{- define "wa.appVersion" -}}
{{- .Chart.AppVersion | default .Chart.Version -}}
{{- end -}}

{{- define "wa.labels" -}}
helm.sh/chart: {{ include "wa.labelValue" (printf "%s-%s" .Chart.Name .Chart.Version) }}
app.kubernetes.io/name: whatsapp-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ include "wa.labelValue" (include "wa.appVersion" .) | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Of one part's pods: never changed, because a Deployment's selector cannot be. */}}
{{- define "wa.selector" -}}
app.kubernetes.io/name: whatsapp-operator
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "wa.tag" -}}
{{- regexReplaceAll "[^A-Za-z0-9_.-]" (include "wa.appVersion" .) "_" | trunc 128 | trimAll "-." -}}
{{- end -}}

{{/* A digest wins over the tag: what it names never changes. */}}
{{- define "wa.image" -}}
{{- with .root.Values.images.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .image.name }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .root.Values.images.tag | default (include "wa.tag" .root) }}{{ end }}
{{- end -}}

{{/* What session pods and operator trust beside the public authorities; empty: nothing. */}}
{{- define "wa.caBundle" -}}
{{- $written := .Values.whatsapp.caBundle | default "" -}}
{{- $bundle := trim $written -}}
{{- if contains "PRIVATE KEY" $bundle -}}
{{- fail "whatsapp.caBundle holds a private key, which every session pod would be told: allowed are certificates" -}}
{{- else if and $bundle (not (contains "-----BEGIN CERTIFICATE-----" $bundle)) -}}
{{- fail (printf "whatsapp.caBundle is no PEM certificate (%d characters that begin with %s): allowed are blocks from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----" (len $bundle) (trunc 20 $bundle | quote)) -}}
{{- end -}}
{{- /* As written: a session pod that is told another text, be it by a line's end, ends and starts anew. */ -}}
{{- if $bundle }}{{ $written }}{{ end -}}
{{- end -}}

{{- define "wa.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "wa.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* What the uninstall's Job needs is there before it. */}}
{{- define "wa.firstHook" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: "-1"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
