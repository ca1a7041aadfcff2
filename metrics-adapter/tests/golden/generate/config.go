package main

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v2"
)

// The keys of prometheus-adapter's file; in YAML as in JSON.
type file struct {
	Rules         []rule         `yaml:"rules" json:"rules"`
	ResourceRules *resourceRules `yaml:"resourceRules,omitempty" json:"resourceRules"`
	ExternalRules []rule         `yaml:"externalRules,omitempty" json:"externalRules"`
}

type rule struct {
	SeriesQuery   string    `yaml:"seriesQuery" json:"seriesQuery"`
	SeriesFilters []filter  `yaml:"seriesFilters" json:"seriesFilters"`
	Resources     resources `yaml:"resources" json:"resources"`
	Name          name      `yaml:"name" json:"name"`
	MetricsQuery  string    `yaml:"metricsQuery,omitempty" json:"metricsQuery"`
}

type filter struct {
	Is    string `yaml:"is,omitempty" json:"is"`
	IsNot string `yaml:"isNot,omitempty" json:"isNot"`
}

type resources struct {
	Template   string                   `yaml:"template,omitempty" json:"template"`
	Overrides  map[string]groupResource `yaml:"overrides,omitempty" json:"overrides"`
	Namespaced *bool                    `yaml:"namespaced,omitempty" json:"namespaced"`
}

type groupResource struct {
	Group    string `yaml:"group,omitempty" json:"group"`
	Resource string `yaml:"resource" json:"resource"`
}

type name struct {
	Matches string `yaml:"matches" json:"matches"`
	As      string `yaml:"as" json:"as"`
}

type resourceRules struct {
	CPU    resourceRule   `yaml:"cpu" json:"cpu"`
	Memory resourceRule   `yaml:"memory" json:"memory"`
	Window model.Duration `yaml:"window" json:"-"`
	// In nanoseconds; the type above writes text.
	Nanoseconds int64 `yaml:"-" json:"window"`
}

type resourceRule struct {
	ContainerQuery string    `yaml:"containerQuery" json:"containerQuery"`
	NodeQuery      string    `yaml:"nodeQuery" json:"nodeQuery"`
	Resources      resources `yaml:"resources" json:"resources"`
	ContainerLabel string    `yaml:"containerLabel" json:"containerLabel"`
}

// Values for a field that wants a string.
var scalars = []string{
	"5", "5.0", "0x1F", "010", "1e3", "1_000", "+5", "-5", ".5", ".inf", "-.inf", ".nan", ".NaN", "true", "True", "TRUE", "yes", "on", "off", "no", "n", "y", "~", "null", "Null", "NULL", "\"\"", "''", "2024-01-02", "2024-01-02T03:04:05Z", "12:30:45", "0b1", "0o17", "=", "<<", "!!str 5", "!!int 5", "!!int \"5\"", "!!bool yes", "!!bool \"true\"", "!!null x", "!!null ~", "!!float 5", "!custom x", "!!binary aGVsbG8=", "!!binary @@", "!!timestamp 2024-01-02", "!<tag:yaml.org,2002:str> 5", "!local 5", "! 5", "!!str", "!!str ~", "!!set x", "!!map x", "!!str null",
	"a b", "a: b", "a #b", "a#b", "'it''s'", "\"\\x41\\u00e9\\n\\t\\\"\\\\\\/\\e\\_\\N\\0\"", "\"\\q\"", "\"a\\\n    b\"", "'a\n    b'", "|\n    a\n    b\n", "|-\n    a\n", "|+\n    a\n\n", ">\n    a\n    b\n\n    c\n", ">-\n    a\n    b\n", "|2\n    a\n", "|\n", "@a", "`a", "%a", "&a b", "*a", "- a", "[a]", "{a: b}", "[]", "{}", "a,b", "a]", "{", "[", "\"", "'", "?", "? a", "-", "--", "---", "...", ":", ":a", "a:", "!", "&", "*", "|", ">", "é☃😀", "\"\\ud83d\\ude00\"", "a\tb", "a\u0085b", "a\u2028b", "a\u00a0b", "\"\u0007\"", "\ufeffa", "+", ".", "..", "1.2.3", "0.", "1.", "1e", "0x", "0xg", "190:20:30", "685_230.15", "0777", "08", "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)", "'{__name__=~\"^x_.*\"}'", "{__name__=~\"^x_.*\"}",
}

// Values for `namespaced`.
var booleans = []string{"true", "false", "True", "FALSE", "tRue", "yes", "no", "Yes", "NO", "yEs", "on", "off", "On", "OFF", "y", "n", "Y", "N", "1", "0", "'true'", "\"yes\"", "~", "null", "", "[]", "{}", "!!bool yes", "!!bool 'yes'", "!!str true", "!!bool 1", "t", "f", "TRUE ", "trueish", "1.0", "!custom true"}

// Values for `window`.
var windows = []string{"0", "null", "~", "", "300", "''", "\"\"", "1.5m", "-1m", "30m1h", "5us", "5m", "'5m'", "1h30m", "1d", "0s", "00", "0x0", "0.0", "true", "[5m]", "{}", "!!str 0", "!!int 0", "5m ", "|\n    5m\n", "|-\n    5m\n", "1y1w", "300y", "2024-01-02", "+5", "1_0m"}

var handConfigs = []string{
	"", "\n", "# nothing\n", "---\n", "--- \n...\n", "...\n", "null", "~", "{}", "[]", "5", "text", "rules:", "rules: null", "rules: []", "rules: {}", "rules: ''", "rules: 5", "rules: [null]", "rules: [~, {seriesQuery: a}]", "rules: [[]]", "rules: [a]", "rules: - a", "rules:\n-", "rules:\n- \n- seriesQuery: a", "Rules: []", "RULES: []", "rulez: []", "containerMetrics: []", "rules: []\nrules: []", "rules: []\n\"rules\": []", "rules: []\n? rules\n: []", "? rules\n: []", "? [rules]\n: []", "? {rules: 1}\n: []", "rules : []", "rules:[]", "rules:\n  - seriesQuery: a\n - seriesQuery: b", "rules:\n- seriesQuery: a\n  seriesQuery: b", "rules:\n- seriesQuery: a\n  seriesquery: b", "rules:\n- {seriesQuery: a, }", "rules:\n- {seriesQuery: a, , }", "rules:\n- {seriesQuery}", "rules:\n- {seriesQuery: a seriesQuery: b}", "rules:\n\t- seriesQuery: a", "rules:\n- seriesQuery:\ta", "rules:\n-\tseriesQuery: a",
	"resourceRules:", "resourceRules: null", "resourceRules: {}", "resourceRules: []", "resourceRules: {cpu: null}", "resourceRules: {cpu: {}, memory: {}}", "resourceRules: {cpu: []}", "resourceRules: {windows: 5m}", "resourceRules: {cpu: {containerQuery: a, nodeQuery: b, containerLabel: c, resources: {overrides: {x: {resource: pod}}}}, memory: {containerQuery: 5}, window: 5m}", "resourceRules: {Window: 5m}", "resourceRules: {cpu: {window: 5m}}", "externalRules:", "externalRules: null", "externalRules: [{seriesQuery: a, resources: {namespaced: false}}]", "externalRules: {}",
	"rules:\n- seriesFilters:", "rules:\n- seriesFilters: []", "rules:\n- seriesFilters: [null]", "rules:\n- seriesFilters: [{}]", "rules:\n- seriesFilters: [{is: a, isNot: b}]", "rules:\n- seriesFilters: [{IS: a}]", "rules:\n- seriesFilters: [{isnot: a}]", "rules:\n- seriesFilters: {is: a}", "rules:\n- seriesFilters: [is: a]", "rules:\n- seriesFilters: [is: a, isNot: b]", "rules:\n- seriesFilters: ['is: a']", "rules:\n- seriesFilters:\n  - is: a\n  - isNot: b", "rules:\n- seriesFilters:\n  -is: a",
	"rules:\n- resources:", "rules:\n- resources: []", "rules:\n- resources: {overrides: null}", "rules:\n- resources: {overrides: []}", "rules:\n- resources: {overrides: {a: null}}", "rules:\n- resources: {overrides: {a: pod}}", "rules:\n- resources: {overrides: {a: {}}}", "rules:\n- resources: {overrides: {a: {resource: pod}, a: {resource: node}}}", "rules:\n- resources: {overrides: {1: {resource: pod}}}", "rules:\n- resources: {overrides: {1: {resource: pod}, '1': {resource: node}}}", "rules:\n- resources: {overrides: {true: {resource: pod}}}", "rules:\n- resources: {overrides: {~: {resource: pod}}}", "rules:\n- resources: {overrides: {? [a] : {resource: pod}}}", "rules:\n- resources: {overrides: {'': {resource: pod}}}", "rules:\n- resources: {overrides: {a: {group: null, resource: 5}}}", "rules:\n- resources: {overrides: {a: {Resource: pod}}}", "rules:\n- resources: {overrides: {a: {name: pod}}}", "rules:\n- resources: {overrides: {0x10: {resource: pod}}}", "rules:\n- resources: {overrides: {1: {}, 1.0: {}}}", "rules:\n- resources: {overrides: {yes: {}, true: {}}}",
	"rules:\n- name:", "rules:\n- name: a", "rules:\n- name: {matches: a, as: b}", "rules:\n- name: {matches:, as:}", "rules:\n- name: {as: null, matches: ~}", "rules:\n- name: {matches: a, matches: b}", "rules:\n- name: {matches: [a]}", "rules:\n- name: {matches: {a: b}}", "rules:\n- name: {matches: \"^(.*)_total$\", as: \"${1}_per_second\"}", "rules:\n- name: {matches: ^(.*)_total$, as: ${1}}",
	// Anchors, aliases, merge keys.
	"rules:\n- &a {seriesQuery: a}\n- *a", "rules:\n- &a {seriesQuery: a}\n- {<<: *a}", "rules:\n- &a {seriesQuery: a}\n- {<<: *a, seriesQuery: b}", "rules:\n- &a {seriesQuery: a}\n- {seriesQuery: b, <<: *a}", "rules:\n- &a {seriesQuery: a}\n- &b {metricsQuery: b, seriesQuery: c}\n- {<<: [*a, *b]}", "rules:\n- {<<: {seriesQuery: a}}", "rules:\n- {<<: [{seriesQuery: a}]}", "rules:\n- {<<: a}", "rules:\n- {<<: [a]}", "rules:\n- {<<: null}", "rules:\n- {<<: 5}", "rules:\n- {<<: {seriesquery: a}}", "rules:\n- {<<: {seriesQuery: a}, <<: {metricsQuery: b}}", "rules:\n- {'<<': {seriesQuery: a}}", "rules:\n- {\"<<\": {seriesQuery: a}}", "rules:\n- {!!merge <<: {seriesQuery: a}}", "rules:\n- *nope", "rules:\n- {seriesQuery: *nope}", "rules: &r\n- *r", "rules: &r [*r]", "rules:\n- &a\n  seriesQuery: a\n- <<: *a\n  metricsQuery: b", "rules:\n- seriesQuery: &q a\n  metricsQuery: *q", "rules:\n- &a seriesQuery: a\n- *a : b", "rules:\n- seriesQuery: &q a\n- seriesQuery: *q\n- seriesQuery: &q b\n- seriesQuery: *q", "rules:\n- resources: {overrides: {<<: {a: {resource: pod}}, b: {resource: node}}}", "rules:\n- resources: {overrides: &o {a: {resource: pod}}}\n- resources: {overrides: {<<: *o, a: {resource: node}}}", "rules: &r []\nexternalRules: *r", "a: &a []\nrules: *a", "rules:\n- &a {seriesQuery: a}\n- <<: *a\n  <<: *a", "rules:\n- {<<: {name: {matches: a, as: b}}, name: {matches: c}}", "rules:\n- {<<: {name: {matches: a}}, name: {matches: c, as: d}}", "rules:\n- {<<: {name: {matches: a, as: b}}, name: {}}", "rules:\n- {<<: {name: {as: b}}, name: ~}", "rules:\n- {<<: {resources: {overrides: {a: {resource: pod}}}}, resources: {overrides: {b: {resource: node}}}}", "rules:\n- {<<: {seriesFilters: [{is: a}]}, seriesFilters: []}", "rules:\n- {<<: [{name: {as: a}}, {name: {matches: b}}]}", "rules:\n- {<<: {<<: {name: {as: a}}, name: {matches: b}}}", "rules: [&x {seriesQuery: a}, {<<: *x, metricsQuery: m}]", "<<: {rules: []}", "<<: {rules: []}\nrules: [{seriesQuery: a}]",
	// Documents and directives.
	"rules: []\n---\nrules: [{seriesQuery: a}]", "rules: []\n---\n{{{", "rules: []\n...\nrules: []", "rules: []\n...\n---\n5", "---\nrules: []", "--- {rules: []}", "---\n---\nrules: []", "%YAML 1.1\n---\nrules: []", "%YAML 1.2\n---\nrules: []", "%YAML 1.0\n---\nrules: []", "%YAML 2.0\n---\nrules: []", "%FOO bar\n---\nrules: []", "%TAG ! tag:a,2000:\n---\nrules: []", "%TAG !e! tag:yaml.org,2002:\n---\nrules:\n- seriesQuery: !e!str 5", "%YAML 1.1\n%YAML 1.1\n---\n{}", "%YAML 1.1\nrules: []", "# comment\n%YAML 1.1\n---\nrules: []", "rules: []\n%YAML 1.1\n---\n", "!!map {rules: !!seq []}", "!custom {rules: !foo []}", "!!set {rules: []}", "!!omap [rules: []]", "&a {rules: []}", "rules: !!map []", "rules: !!str []", "rules:\n- !!map {seriesQuery: a}", "rules:\n- !rule {seriesQuery: a}", "rules:\n- !!str {seriesQuery: a}", "rules:\n- seriesQuery: !!seq a", "!!str rules: []", "!x rules: []", "&k rules: []\n",
	// JSON
	`{"rules":[{"seriesQuery":"a","seriesFilters":[{"isNot":"b"}],"resources":{"overrides":{"x":{"group":"apps","resource":"deployment"}},"namespaced":false},"name":{"matches":"^(.*)$","as":"$1"},"metricsQuery":"<<.Series>>"}]}`, `{"rules":[{"seriesQuery":"\u00e9\n\"\\"}]}`, "{\"rules\":\t[]}", `{"rules":[],}`, `{"rules":null,"resourceRules":null}`, `{"rules":[{"seriesQuery":"a"}]} x`, `{"rules":[]}{"rules":[]}`, "{'rules': []}", `{"rules":[{"seriesQuery":"\/"}]}`, `{"rules":[{"seriesQuery":"\ud83d\ude00"}]}`, "{rules: [\n]}", "{\nrules: []\n}", "[{rules: []}]",
	// White space, line ends, comments, encodings.
	"rules:\r\n- seriesQuery: a\r\n", "rules:\r- seriesQuery: a\r", "rules: [] # c", "rules: []# c", "#c\nrules: [] #c\n#c", "  rules: []", " rules: []\nexternalRules: []", "rules: []\n externalRules: []", "\ufeffrules: []", "rules: []\n\ufeff", "rules: [] \t\n", "\trules: []", "rules:\n- seriesQuery: a \n", "rules:\n- seriesQuery: 'a'  # c\n", "rules:\n- seriesQuery: a\n\n\n  metricsQuery: b", "rules:\n- seriesQuery: a\n   metricsQuery: b", "rules:\n- seriesQuery: a\n    b\n", "rules:\n- seriesQuery: a\n b\n", "rules:\n- seriesQuery: \"a\n  b\"", "rules:\n- seriesQuery: \"a\nb\"", "rules:\n- seriesQuery: >-\n    sum(x)\n    by (y)\n  metricsQuery: z", "rules:\n- seriesQuery: |\n  a\n", "rules:\n- seriesQuery: |\n   a\n  b\n", "rules:\u0000", "rules: \"\u0000\"", "rules:\n- seriesQuery: a\u0001", "rules:\u00a0[]", "rules: []\u2028", "rules:\n  -\n    seriesQuery: a\n  -\n    seriesQuery: b", "rules:\n- - seriesQuery: a", "rules: [{seriesQuery: a}, {seriesQuery: b},]", "rules: [{seriesQuery: a} {seriesQuery: b}]", "rules: [,]", "rules: [a", "rules: {", "rules: ]", "rules: \"", "rules: 'a\n", "rules: |", "rules: >", "rules: &", "rules: *", "rules: !", "rules: @", "rules: `", "rules: %", "rules: ?", "? ", ":", "-", "- ", "- rules: []", ": rules", "key", "key:\n key2", "a: b: c", "rules: a: b", "'rules': []", "\"rules\": []", "\"\\x72ules\": []", "rules\n: []", "\"rules\n\": []", "rules: []\n}", "rules: []\n]", "rules: []\n- a", "rules: []\ntext", "- a\nrules: []",
	"rules: []\nwindow: 5m", "rules:\n- window: 5m", "rules:\n- maxAge: 5m", "rules:\n- seriesQuery: a\n  labelValueReplacements: []", "rules: []\n5: x", "rules: []\ntrue: x", "rules: []\n~: x", "rules: []\n'': x", "rules: []\n[a]: x", "rules: []\n{a: b}: x",
}

var goodConfigs = []string{
	"rules:\n- seriesQuery: '{__name__=~\"^http_.*\",pod!=\"\"}'\n  seriesFilters:\n  - isNot: _bucket$\n  resources:\n    template: kube_<<.Resource>>\n    overrides:\n      ns: {resource: namespace}\n  name:\n    matches: ^(.*)_total$\n    as: ${1}_per_second\n  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)\n",
	"externalRules:\n- seriesQuery: queue\n  resources: {namespaced: false}\n  name: {as: \"queue_length\"}\n  metricsQuery: >-\n    sum(<<.Series>>)\n    by (<<.GroupBy>>)\n",
	"resourceRules:\n  cpu: &r\n    containerQuery: |\n      a\n    nodeQuery: b # node\n    resources:\n      overrides:\n        pod: {group: \"\", resource: pod}\n    containerLabel: container\n  memory:\n    <<: *r\n    nodeQuery: c\n  window: 5m\n",
	"{\"rules\": [{\"seriesQuery\": \"up\", \"seriesFilters\": [{\"is\": \"a\"}], \"name\": {\"matches\": \"\", \"as\": null}}]}",
}

// configCase is {"yaml" or "hex", "want"}; without "want" the text is an error.
func configCase(text string) vector {
	out := map[string]any{}
	if utf8.ValidString(text) {
		out["yaml"] = text
	} else {
		out["hex"] = hex.EncodeToString([]byte(text))
	}
	var parsed file
	if err := yaml.UnmarshalStrict([]byte(text), &parsed); err == nil {
		if parsed.ResourceRules != nil {
			parsed.ResourceRules.Nanoseconds = int64(parsed.ResourceRules.Window)
		}
		out["want"] = parsed
	}
	return out
}

func utf16(text string, big bool) string {
	var out strings.Builder
	for _, r := range "\ufeff" + text {
		if big {
			out.WriteByte(byte(r >> 8))
			out.WriteByte(byte(r))
		} else {
			out.WriteByte(byte(r))
			out.WriteByte(byte(r >> 8))
		}
	}
	return out.String()
}

func configs(random *rand.Rand) (any, []vector) {
	texts := append([]string{}, handConfigs...)
	for _, value := range scalars {
		texts = append(texts, "rules:\n- seriesQuery: "+value+"\n  metricsQuery: m\n")
	}
	for _, value := range []string{"5", "true", "~", "2024-01-02", "0x1F", "\"a\\tb\"", "'a: b'", "!!str 5", "!x y", "[a]", "{}", ""} {
		for _, key := range []string{"is", "isNot"} {
			texts = append(texts, "rules: [{seriesFilters: [{"+key+": "+value+"}]}]")
		}
		texts = append(texts, "rules: [{resources: {template: "+value+"}}]", "rules: [{resources: {overrides: {a: {resource: "+value+"}}}}]", "rules: [{name: {as: "+value+"}}]")
	}
	for _, value := range booleans {
		texts = append(texts, "rules: [{resources: {namespaced: "+value+"}}]")
	}
	for _, value := range windows {
		texts = append(texts, "resourceRules:\n  window: "+value+"\n")
	}
	texts = append(texts, goodConfigs...)
	texts = append(texts, utf16("rules:\n- seriesQuery: é☃\n", false), utf16("rules:\n- seriesQuery: é☃\n", true), utf16("rules: {", false), "rules: \xff", "rules:\n- seriesQuery: \"\xc3\"", "\xef\xbb\xbfrules:\n- seriesQuery: a", "\xff\xfe", "\xfe\xff", "\xff\xfer", "rules: []\n# \xff")
	alphabet := []string{" ", "  ", "\n", ":", ": ", "- ", "'", "\"", "#", " #", "{", "}", "[", "]", ",", "&a ", "*r", "!", "|", ">", "~", "x", "\t", "<<: ", "?", "@", "%", "---\n", "\\", "5", "é"}
	for range 1100 {
		text := pick(random, goodConfigs)
		for range 1 + random.IntN(2) {
			text = mutate(random, text, alphabet)
		}
		texts = append(texts, text)
	}
	for range 150 {
		lines := strings.SplitAfter(pick(random, goodConfigs), "\n")
		at := random.IntN(len(lines))
		switch random.IntN(3) {
		case 0:
			lines = append(lines[:at:at], lines[at+1:]...)
		case 1:
			lines = append(lines[:at+1:at+1], lines[at:]...)
		default:
			other := random.IntN(len(lines))
			lines[at], lines[other] = lines[other], lines[at]
		}
		texts = append(texts, strings.Join(lines, ""))
	}
	var vectors []vector
	for _, text := range unique(texts) {
		vectors = append(vectors, configCase(text))
	}
	return []string{}, vectors
}
