{{/* What the profile has. */}}
{{- define "podrtt.profile" -}}
{{- $file := .Files.Get (printf "profiles/%s.yaml" .Values.profile) -}}
{{- if not $file }}{{ fail (printf "there is no profile %s: aks, aks-cilium, k3s, kind or generic" .Values.profile) }}{{ end -}}
{{- $file -}}
{{- end }}

{{- define "podrtt.labels" -}}
app.kubernetes.io/name: podrtt
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "podrtt.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The arguments of podrttd run, as a list: options of the profile, and over them the values'. */}}
{{- define "podrtt.args" -}}
{{- $profile := include "podrtt.profile" . | fromYaml }}
{{- $options := mergeOverwrite (deepCopy ($profile.options | default dict)) .Values.options }}
{{- if or .Values.webConfig.content .Values.webConfig.existingSecret }}
{{- $options = mergeOverwrite $options (dict "web.config.file" "/etc/podrtt/web.yml") }}
{{- end }}
- run
{{- range $name, $value := $options }}
{{- if kindIs "slice" $value }}
{{- if or (eq $name "pod-metrics") (eq $name "pod-buckets") }}
- {{ printf "--%s=%s" $name (join "," $value) | quote }}
{{- else }}
{{- range $value }}
- {{ printf "--%s=%v" $name . | quote }}
{{- end }}
{{- end }}
{{- else if kindIs "bool" $value }}
{{- if $value }}
- {{ printf "--%s" $name }}
{{- end }}
{{- else if kindIs "float64" $value }}
- {{ printf "--%s=%.0f" $name $value }}
{{- else if $value }}
- {{ printf "--%s=%v" $name $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Of the daemon and of uninstall. */}}
{{- define "podrtt.securityContext" -}}
appArmorProfile: {type: Unconfined} # the runtime's own denies /sys/fs/bpf; known from Kubernetes 1.30 on
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsUser: 0
capabilities:
  drop: [ALL]
  # DAC_OVERRIDE, CHOWN and FOWNER only for --install, where the directories of CNI are not root's; LEASE, too, to
  # see that nobody is writing. SYS_ADMIN only to look into the pods' network namespaces: without it, pods that
  # existed before are not adopted, and none is measured from inside.
  add: [BPF, NET_ADMIN, PERFMON, DAC_OVERRIDE, CHOWN, FOWNER, LEASE, SYS_ADMIN]
{{- end }}

{{- define "podrtt.placement" -}}
priorityClassName: {{ .Values.priorityClassName }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
hostNetwork: true # the pods' host veths are in the node's network namespace
tolerations: {{ toYaml .Values.tolerations | nindent 2 }}
nodeSelector: {{ mergeOverwrite (dict "kubernetes.io/os" "linux") .Values.nodeSelector | toYaml | nindent 2 }}
affinity: # a virtual node has no pods of its own
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - {key: type, operator: NotIn, values: [virtual-kubelet]}
            - {key: kubernetes.io/arch, operator: In, values: [{{ join ", " .Values.image.architectures }}]} # the image's
            {{- with (include "podrtt.profile" . | fromYaml).nodeLabel }}
            - {key: {{ . }}, operator: Exists}
            {{- end }}
{{- end }}

{{- define "podrtt.volumes" -}}
{{- $profile := include "podrtt.profile" . | fromYaml -}}
- name: bpffs
  hostPath: {path: /sys/fs/bpf, type: Directory}
- name: cni-bin
  hostPath: {path: {{ $profile.cni.bin }}, type: DirectoryOrCreate}
- name: cni-conf
  hostPath: {path: {{ $profile.cni.conf }}, type: DirectoryOrCreate}
- name: cni-cache
  hostPath: {path: {{ $profile.cni.cache }}, type: DirectoryOrCreate}
- name: netns
  hostPath: {path: /var/run/netns, type: DirectoryOrCreate}
{{- end }}

{{- define "podrtt.volumeMounts" -}}
- {name: bpffs, mountPath: /sys/fs/bpf}
- {name: cni-bin, mountPath: /opt/cni/bin}
- {name: cni-conf, mountPath: /etc/cni/net.d}
- {name: cni-cache, mountPath: /var/lib/cni/results, readOnly: true}
- {name: netns, mountPath: /var/run/netns, mountPropagation: HostToContainer, readOnly: true}
{{- end }}

{{/* Rules and dashboards with another name for the label cluster: in selectors, after `by` and `on`, and in $labels. */}}
{{- define "podrtt.clusterLabel" -}}
{{- $text := .text -}}
{{- if ne .label "cluster" -}}
{{- $text = regexReplaceAll "([(,] ?)cluster(=~|[,)])" $text (printf "${1}%s${2}" .label) -}}
{{- $text = regexReplaceAll "([{])cluster(=~)" $text (printf "${1}%s${2}" .label) -}}
{{- $text = $text | replace "$labels.cluster" (printf "$labels.%s" .label) -}}
{{- end -}}
{{- $text -}}
{{- end }}
