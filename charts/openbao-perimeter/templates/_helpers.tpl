{{- define "openbao-perimeter.labels" -}}
app.kubernetes.io/name: openbao-perimeter
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "openbao-perimeter.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* The settings file. What other objects need too is a value of its own, and is an error below `settings`. */ -}}
{{- define "openbao-perimeter.settings" -}}
{{- $settings := deepCopy .Values.settings }}
{{- $review := default dict $settings.review }}
{{- $cluster := default dict $settings.cluster }}
{{- $taken := dict "baseline" "baseline" "operatorNamespace" "operator.namespace" "operatorAccounts" "operator.accounts" "identity" "identityGuard" "ownNamespace" "--namespace" }}
{{- range $key, $value := $taken }}
{{- if hasKey $settings $key }}
{{- fail (printf "expected no settings.%s: set `%s`, which the other objects follow too" $key $value) }}
{{- end }}
{{- end }}
{{- range $key := list "enforcement" "excludedNamespaces" }}
{{- if hasKey $review $key }}
{{- fail (printf "expected no settings.review.%s: set `%s`, which the other objects follow too" $key $key) }}
{{- end }}
{{- end }}
{{- if hasKey $cluster "reports" }}
{{- fail "expected no settings.cluster.reports: set `reports`, which the other objects follow too" }}
{{- end }}
{{- $api := int (default 8200 $review.apiPort) }}
{{- if eq $api (int (default 8201 $review.clusterPort)) }}
{{- fail (printf "expected two ports in settings.review.apiPort and settings.review.clusterPort, found %d in both" $api) }}
{{- end }}
{{- $_ := set $settings "baseline" .Values.baseline }}
{{- $_ := set $settings "operatorNamespace" .Values.operator.namespace }}
{{- if .Values.operator.accounts }}
{{- $_ := set $settings "operatorAccounts" .Values.operator.accounts }}
{{- end }}
{{- if ne .Values.enforcement "deny" }}
{{- $_ := set $review "enforcement" .Values.enforcement }}
{{- end }}
{{- $operator := .Values.operator.namespace }}
{{- range .Values.excludedNamespaces }}
{{- if or (eq . $operator) (and (hasSuffix "*" .) (hasPrefix (trimSuffix "*" .) $operator)) }}
{{- fail (printf "expected excludedNamespaces that do not match operator.namespace, `%s`, found `%s`" $operator .) }}
{{- end }}
{{- end }}
{{- if .Values.excludedNamespaces }}
{{- $_ := set $review "excludedNamespaces" .Values.excludedNamespaces }}
{{- end }}
{{- if $review }}
{{- $_ := set $settings "review" $review }}
{{- end }}
{{- if ne .Values.reports "off" }}
{{- $_ := set $cluster "reports" .Values.reports }}
{{- $_ := set $settings "cluster" $cluster }}
{{- end }}
{{- $identity := dict }}
{{- if ne .Values.identityGuard.level "deny" }}
{{- $_ := set $identity "level" .Values.identityGuard.level }}
{{- end }}
{{- with .Values.identityGuard.accounts }}
{{- $_ := set $identity "accounts" . }}
{{- end }}
{{- if .Values.identityGuard.audit }}
{{- $_ := set $identity "audit" "on" }}
{{- end }}
{{- if $identity }}
{{- $_ := set $settings "identity" $identity }}
{{- end }}
{{- include "openbao-perimeter.yaml" $settings }}
{{- end }}

{{- /* YAML. `toYaml` makes an empty text of what it cannot write, such as control characters. */ -}}
{{- define "openbao-perimeter.yaml" -}}
{{- $text := toYaml . }}
{{- if not $text }}
{{- fail "expected values without control characters" }}
{{- end }}
{{- $text }}
{{- end }}

{{- /* Usernames of the operator, as a list in YAML. */ -}}
{{- define "openbao-perimeter.accounts" -}}
{{- $namespace := .Values.operator.namespace }}
{{- .Values.operator.accounts | default (list
  (printf "system:serviceaccount:%s:openbao-operator-controller" $namespace)
  (printf "system:serviceaccount:%s:openbao-operator-provisioner" $namespace)) | toYaml }}
{{- end }}

{{- define "openbao-perimeter.operator" -}}
request.userInfo.username in ['{{ join "', '" (include "openbao-perimeter.accounts" . | fromYamlArray) }}']
{{- end }}

{{- /* A condition that is false for NetworkPolicies of excluded namespaces, as `export registrations` prints it. */ -}}
{{- define "openbao-perimeter.not-excluded" -}}
{{- $names := list }}
{{- $prefixes := list }}
{{- range .Values.excludedNamespaces | sortAlpha | uniq }}
{{- if hasSuffix "*" . }}
{{- $prefixes = append $prefixes (trimSuffix "*" .) }}
{{- else }}
{{- $names = append $names . }}
{{- end }}
{{- end }}
{{- $terms := list }}
{{- if $names }}
{{- $terms = append $terms (printf "!(request.namespace in ['%s'])" (join "', '" $names)) }}
{{- end }}
{{- if $prefixes }}
{{- $terms = append $terms (printf "!['%s'].exists(prefix, request.namespace.startsWith(prefix))" (join "', '" $prefixes)) }}
{{- end }}
{{- if $terms }}
- name: not-excluded
  expression: "request.resource.resource != 'networkpolicies' || ({{ join " && " $terms }})"
{{- end }}
{{- end }}

{{- define "openbao-perimeter.system" -}}
request.userInfo.username in ['system:kube-controller-manager', 'system:serviceaccount:kube-system:generic-garbage-collector', 'system:serviceaccount:kube-system:namespace-controller'] || request.userInfo.username.startsWith('system:controller:')
{{- end }}

{{- /* What all entries have in common: a dict of `root` and `path`. */ -}}
{{- define "openbao-perimeter.client" -}}
admissionReviewVersions: [v1]
clientConfig:
  service:
    name: openbao-perimeter
    namespace: {{ .root.Release.Namespace | quote }}
    path: {{ .path }}
    port: 9443
  {{- if and (eq .root.Values.certificates.mode "secret") .root.Values.certificates.caBundle }}
  caBundle: {{ .root.Values.certificates.caBundle | b64enc }}
  {{- end }}
matchPolicy: Equivalent
sideEffects: NoneOnDryRun
{{- end }}

{{- define "openbao-perimeter.namespaces" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: [kube-system, kube-node-lease, {{ .Release.Namespace | quote }}]
{{- end }}

{{- define "openbao-perimeter.rules" -}}
rules:
  - apiGroups: [networking.k8s.io]
    apiVersions: [v1]
    resources: [networkpolicies]
    operations: [CREATE, UPDATE, DELETE]
    scope: Namespaced
  - apiGroups: [openbao.org]
    apiVersions: ["*"]
    resources: [openbaoclusters]
    operations: [CREATE, UPDATE]
    scope: Namespaced
  - apiGroups: [openbao.org]
    apiVersions: ["*"]
    resources: [openbaorestores]
    operations: [CREATE, UPDATE]
    scope: Namespaced
{{- end }}

{{- define "openbao-perimeter.registration" -}}
metadata:
  name: openbao-perimeter
  labels:
    {{- include "openbao-perimeter.labels" . | nindent 4 }}
  annotations:
    # AKS would otherwise leave out every namespace with the label `control-plane`, which a tenant may be able to set.
    admissions.enforcer/disabled: "true"
    {{- if eq .Values.certificates.mode "cert-manager" }}
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/openbao-perimeter
    {{- end }}
{{- end }}
