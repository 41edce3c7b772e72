{{/* What the profile has. */}}
{{- define "podrtt.profile" -}}
{{- $file := .Files.Get (printf "profiles/%s.yaml" .Values.profile) -}}
{{- if not $file }}{{ fail (printf "there is no profile %s: aks, aks-cilium, k3s, kind or generic" .Values.profile) }}{{ end -}}
{{- $file -}}
{{- end }}

{{/* Where CNI is on the nodes: of the profile, and over it the values'. */}}
{{- define "podrtt.cni" -}}
{{- $cni := (include "podrtt.profile" . | fromYaml).cni }}
{{- range $name, $path := .Values.cni }}{{ if $path }}{{ $_ := set $cni $name $path }}{{ end }}{{ end }}
{{- toYaml $cni }}
{{- end }}

{{/* The options of podrttd run: those of the profile, and over them the values'. */}}
{{- define "podrtt.options" -}}
{{- $profile := include "podrtt.profile" . | fromYaml -}}
{{- mergeOverwrite (deepCopy ($profile.options | default dict)) .Values.options | toYaml }}
{{- end }}

{{/* Of the last address that it listens on. */}}
{{- define "podrtt.port" -}}
{{- regexFind "[0-9]+$" (last (include "podrtt.options" . | fromYaml).listen) -}}
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

{{/* The arguments of podrttd run, as a list. */}}
{{- define "podrtt.args" -}}
{{- $options := include "podrtt.options" . | fromYaml }}
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
{{- else if or (kindIs "float64" $value) (kindIs "int64" $value) (kindIs "int" $value) }}
- {{ printf "--%s=%d" $name (int64 $value) }}
{{- else if $value }}
- {{ printf "--%s=%v" $name $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Of the daemon and of uninstall. */}}
{{- define "podrtt.securityContext" -}}
{{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version }}
appArmorProfile: {type: Unconfined} # the runtime's own denies /sys/fs/bpf; before Kubernetes 1.30 the annotation says so
{{- end }}
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
{{- $cni := include "podrtt.cni" . | fromYaml -}}
{{- $profile := include "podrtt.profile" . | fromYaml -}}
- name: bpffs
  hostPath: {path: /sys/fs/bpf, type: Directory}
- name: cni-bin
  hostPath: {path: {{ $cni.bin }}, type: {{ $profile.cniBinType | default "DirectoryOrCreate" }}}
- name: cni-conf
  hostPath: {path: {{ $cni.conf }}, type: DirectoryOrCreate}
- name: cni-cache
  hostPath: {path: {{ $cni.cache }}, type: DirectoryOrCreate}
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
