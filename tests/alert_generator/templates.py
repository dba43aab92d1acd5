"""Templates of annotations, and what they have to show."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """A template and its text; `None` where the peers need not agree, but have to show something or nothing without a fault."""

    text: str
    shows: str = None
    #: It asks the data of Prometheus, which a local rule has none of: there it is to show this.
    local: str = None
    #: Prometheus refuses it in rules.
    only_local: bool = False


TEMPLATES = {
    "value": Template("{{ $value }}", "12.5"),
    "dot": Template("{{ .Value }} {{ .Labels.team }}", "12.5 blue"),
    "missing": Template("[{{ $labels.missing }}]", "[]"),
    "humanize": Template("{{ humanize 1048576.0 }}", "1.049M"),
    "humanize1024": Template("{{ humanize1024 1048576.0 }}", "1Mi"),
    "humanizeDuration": Template("{{ humanizeDuration 135.3563 }}", "2m 15s"),
    "humanizePercentage": Template("{{ humanizePercentage 0.959 }}", "95.9%"),
    "humanizeTimestamp": Template("{{ humanizeTimestamp 1643114203 }}", "2022-01-25 12:36:43 +0000 UTC"),
    "humanizeText": Template('{{ humanize "1048576" }}', "1.049M"),
    "parseDuration": Template('{{ parseDuration "2h10m15s" }}', "7815"),
    "stripPort": Template('{{ stripPort "[::1]:6006" }}', "::1"),
    "title": Template('{{ "a good title" | title }}', "A Good Title"),
    "toUpper": Template('{{ "up" | toUpper }}{{ "DOWN" | toLower }}', "UPdown"),
    "match": Template('{{ match "[0-9]+" "1234" }} {{ match "[0-9]+" "x" }}', "true false"),
    "reReplaceAll": Template('{{ reReplaceAll "localhost:(.*)" "domain:$1" "localhost:9090" }}', "domain:9090"),
    "printf": Template('{{ $value | printf "%.2f" }} {{ printf "%q %d %v" "a" 3 true }}', '12.50 "a" 3 true'),
    "variable": Template("{{ $x := 3 }}{{ $x }}{{ with $y := 4 }}{{ $y }}{{ end }}", "34"),
    "if": Template("{{ if gt $value 10.0 }}high{{ else }}low{{ end }}{{ if and true (not false) }}!{{ end }}", "high!"),
    "define": Template('{{ define "named" }}<{{ . }}>{{ end }}{{ template "named" $labels.team }}', "<blue>"),
    "tmpl": Template('{{ define "named" }}<{{ . }}>{{ end }}{{ tmpl "named" "x" }}', "<x>", only_local=True),
    "args": Template('{{ define "two" }}{{ .arg0 }}+{{ .arg1 }}{{ end }}{{ template "two" (args 1 "b") }}', "1+b"),
    "range": Template("{{ range $name, $value := args 1 2 }}{{ $name }}={{ $value }} {{ end }}", "arg0=1 arg1=2 "),
    "trim": Template("a {{- /* a comment */ -}} b", "ab"),
    "compare": Template('{{ eq $labels.team "blue" }} {{ ne 1 2 }} {{ le 2.0 $value }}', "true true true"),
    "fault": Template('{{ humanize "no number" }}'),
    "query": Template('{{ with query "value{operation=\'variants\'}" }}{{ range . }}{{ .Labels.variant }}={{ .Value }} {{ end }}{{ end }}', None, ""),
    "sorted": Template('{{ range query "value{operation=\'variants\'}" | sortByLabel "variant" }}{{ label "variant" . }} {{ value . }};{{ end }}', None, ""),
    "first": Template('{{ with query "value{operation=\'templates\'}" }}{{ . | first | value }} {{ . | first | label "team" }}{{ end }}', "12.5 blue", ""),
    "strvalue": Template('{{ with query "value{operation=\'templates\'}" }}{{ . | first | strvalue }}{{ end }}'),
    "graphLink": Template('{{ graphLink "up == 0" }}'),
    "tableLink": Template('{{ tableLink "up == 0" }}'),
    "pathPrefix": Template("{{ pathPrefix }}"),
    "externalURL": Template("{{ externalURL }}"),
    "externalLabels": Template("{{ $externalLabels.region }}"),
    "safeHtml": Template('{{ "<b>" | safeHtml }}'),
}
