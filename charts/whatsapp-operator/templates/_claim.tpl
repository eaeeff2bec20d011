{{/* In Mi; the API server writes 1024Mi as 1Gi. */}}
{{- define "wa.mebibytes" -}}
{{- mul (regexFind "^[0-9]+" .) (get (dict "Mi" 1 "Gi" 1024 "Ti" 1048576 "Pi" 1073741824) (regexFind "[A-Z]i$" .) | default 0) -}}
{{- end -}}

{{/*
Nobody may change the claims of a StatefulSet, and the API server's refusal names no value. Helm can look only where it
has a cluster: `helm template` passes, and what it renders is refused there.
*/}}
{{- define "wa.claimUnchanged" -}}
{{- $where := "that of a claim that is there is not changed by a value alone: docs/install.md, \"More room for the database\"" -}}
{{- $storage := .root.Values.postgresql.storage -}}
{{- $found := lookup "apps/v1" "StatefulSet" .root.Release.Namespace .name -}}
{{- range (dig "spec" "volumeClaimTemplates" list $found) -}}
{{- $size := .spec.resources.requests.storage -}}
{{- if ne (include "wa.mebibytes" $size) (include "wa.mebibytes" $storage.size) -}}
{{- fail (printf "postgresql.storage.size is %s and the StatefulSet's claim has %s: %s" $storage.size $size $where) -}}
{{- end -}}
{{- $class := .spec.storageClassName | default "" -}}
{{- if ne $class ($storage.storageClassName | default "") -}}
{{- fail (printf "postgresql.storage.storageClassName is %s and the StatefulSet's claim has %s: %s" ($storage.storageClassName | default "" | quote) (quote $class) $where) -}}
{{- end -}}
{{- end -}}
{{- end -}}
